//! `revoke`.

use cloakroom::{Config, Error, SessionError, Sessions, SharedDirectory};
use serde_json::json;

use crate::args::{Args, Revoke};
use crate::failure::{Failure, Status};
use crate::open::{directory, open};
use crate::output::{Count, Output};
use crate::read::print_listing;
use crate::view::{self, Depth, Listing};

/// How often a listing is ended and made again, until it is empty. A session that rotates under the
/// command's hands needs a few rounds.
const ROUNDS: usize = 32;

pub(crate) async fn revoke(args: &Args, output: &Output, what: &Revoke) -> Result<Status, Failure> {
    let config = view::config(args)?;
    let opened = open(args).await?;
    let directory = directory(&opened)?;
    if what.dry_run {
        return dry_run(&config, directory, output, what).await;
    }
    let sessions = Sessions::new(directory.clone()).with_config(config.clone());
    let (ended, left) = match &what.id {
        Some(id) => one(&sessions, &what.subject, id).await?,
        None => all(&sessions, &config, &what.subject).await?,
    };
    match output.is_json() {
        true => output.print_json(&json!({
            "ended": ended,
            "of_another_cookie": left.foreign,
            "unreadable": left.unreadable,
        }))?,
        false => output.print(&format!("{} ended.", Count(ended, "session")))?,
    }
    for remark in left.remarks() {
        output.note(&format!("Note: {remark}. They stay."));
    }
    Ok(match (ended, left.unreadable) {
        (_, 1..) => Status::Refused,
        (0, _) => Status::NothingFound,
        _ => Status::Done,
    })
}

async fn dry_run(
    config: &Config,
    directory: &SharedDirectory,
    output: &Output,
    what: &Revoke,
) -> Result<Status, Failure> {
    let mut listing = view::list(config, directory, &what.subject, Depth::Head).await?;
    if let Some(id) = &what.id {
        listing.sessions.retain(|session| session.id == *id);
    }
    print_listing(output, &what.subject, &listing)?;
    let number = listing.sessions.len();
    output.note(&format!("Dry run: {} would end.", Count(number, "session")));
    Ok(match number {
        0 => Status::NothingFound,
        _ => Status::Done,
    })
}

async fn one(
    sessions: &Sessions<SharedDirectory>,
    subject: &str,
    id: &str,
) -> Result<(usize, Listing), Failure> {
    match sessions.revoke(subject, id).await {
        Ok(ended) => Ok((usize::from(ended), Listing::default())),
        Err(error) if is_contended(&error) => Err(Failure::refused(
            "the session rotates its token faster than it can be followed, and has another id by \
             now; revoke the subject without --id, or list it again",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Ends all of them, and looks again: a session that was rotated meanwhile has another id.
async fn all(
    sessions: &Sessions<SharedDirectory>,
    config: &Config,
    subject: &str,
) -> Result<(usize, Listing), Failure> {
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let left = view::list(config, sessions.store(), subject, Depth::Head).await?;
        if left.sessions.is_empty() {
            return Ok((ended, left));
        }
        for session in &left.sessions {
            match sessions.revoke(subject, &session.id).await {
                Ok(done) => ended += usize::from(done),
                Err(error) if is_contended(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Err(Failure::refused(format!(
        "{} ended, and others come faster than they can be ended; lock the account, then run it \
         again",
        Count(ended, "session")
    )))
}

fn is_contended(error: &Error) -> bool {
    matches!(error, Error::Session(SessionError::Contended))
}
