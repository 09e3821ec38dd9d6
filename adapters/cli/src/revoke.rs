//! `revoke`.

use cloakroom::{Config, Error, SessionError, Sessions, SharedDirectory, Store as _};
use cloakroom_any::Opened;
use cloakroom_store::Deleted;
use serde_json::json;

use crate::args::{Args, Revoke};
use crate::failure::{Failure, Status};
use crate::open::{directory, open};
use crate::output::{Count, Output};
use crate::read::{Found, find, print_listing, print_session};
use crate::view::{self, Depth, Listing, Sight, look};

/// How often a listing is ended and made again, until it is empty. A session that rotates under the
/// command's hands needs a few rounds.
const ROUNDS: usize = 32;

pub(crate) async fn revoke(args: &Args, output: &Output, what: &Revoke) -> Result<Status, Failure> {
    let config = view::config(args)?;
    let opened = open(args).await?;
    let (ended, left) = match (&what.subject, &what.id) {
        (Some(subject), id) => {
            let directory = directory(&opened)?;
            if what.dry_run {
                return dry_run(&config, directory, output, subject, id.as_deref()).await;
            }
            let sessions = Sessions::new(directory.clone()).with_config(config.clone());
            match id {
                Some(id) => one(&sessions, subject, id).await?,
                None => all(&sessions, &config, subject).await?,
            }
        }
        (None, id) => {
            // The arguments have one of them at least.
            let id = id.as_deref().unwrap_or_default();
            let Some(found) = find(&config, &opened, id).await? else {
                return Err(Failure::nothing_found(
                    "there is no session of this id; ids change when a token is rotated",
                ));
            };
            if what.dry_run {
                print_session(output, &found.session)?;
                output.note("Dry run: 1 session would end.");
                return Ok(Status::Done);
            }
            found_one(&config, &opened, found).await?
        }
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
    subject: &str,
    id: Option<&str>,
) -> Result<Status, Failure> {
    let mut listing = view::list(config, directory, subject, Depth::Head).await?;
    if let Some(id) = id {
        listing.sessions.retain(|session| session.id == id);
    }
    print_listing(output, subject, &listing)?;
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
        Err(error) if is_contended(&error) => Err(rotates()),
        Err(error) => Err(error.into()),
    }
}

/// Ends a session that was found in the store. Only its record leads to one without a subject.
async fn found_one(
    config: &Config,
    opened: &Opened,
    found: Found,
) -> Result<(usize, Listing), Failure> {
    if let Some(subject) = &found.session.subject {
        let sessions = Sessions::new(directory(opened)?.clone()).with_config(config.clone());
        return one(&sessions, subject, &found.session.id).await;
    }
    let epoch = view::epoch(config, &opened.store).await?;
    let (key, mut stored) = (found.key, found.stored);
    for _ in 0..ROUNDS {
        match opened.store.delete(&key, &stored).await? {
            Deleted::Deleted => return Ok((1, Listing::default())),
            Deleted::Gone => return Ok((0, Listing::default())),
            Deleted::Changed => {}
        }
        let Some(newer) = opened.store.load_fresh(&key).await? else {
            return Ok((0, Listing::default()));
        };
        // Rotated, or signed in.
        if !matches!(
            look(config, &epoch, &key, newer.clone(), Depth::Head),
            Sight::Session(_)
        ) {
            break;
        }
        stored = newer;
    }
    Err(rotates())
}

fn rotates() -> Failure {
    Failure::refused(
        "the session rotates its token faster than it can be followed, and has another id by now; \
         revoke the subject without --id, or list it again",
    )
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
