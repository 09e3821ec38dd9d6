//! `list` and `show`.

use cloakroom::{Config, Key};
use cloakroom_any::Opened;
use cloakroom_store::Stored;
use serde_json::json;

use crate::args::Args;
use crate::failure::{Failure, Status};
use crate::open::{directory, open};
use crate::output::{Count, Output, plain, shown, table};
use crate::view::{self, Depth, Listing, Session, Sight, look};
use crate::walk::Walk;

pub(crate) async fn list(args: &Args, output: &Output, subject: &str) -> Result<Status, Failure> {
    let config = view::config(args)?;
    let opened = open(args).await?;
    let listing = view::list(&config, directory(&opened)?, subject, Depth::Head).await?;
    print_listing(output, subject, &listing)?;
    Ok(match listing.sessions.is_empty() {
        true => Status::NothingFound,
        false => Status::Done,
    })
}

/// Prints sessions and what the listing leaves out.
pub(crate) fn print_listing(
    output: &Output,
    subject: &str,
    listing: &Listing,
) -> Result<(), Failure> {
    if output.is_json() {
        let sessions: Vec<_> = listing.sessions.iter().map(Session::to_json).collect();
        output.print_json(&json!({
            "subject": subject,
            "sessions": sessions,
            "of_another_cookie": listing.foreign,
            "unreadable": listing.unreadable,
        }))?;
    } else if listing.sessions.is_empty() {
        output.note("No session of this subject.");
    } else {
        output.print(&rows(&listing.sessions))?;
    }
    for remark in listing.remarks() {
        output.note(&format!("Note: {remark}."));
    }
    Ok(())
}

fn rows(sessions: &[Session]) -> String {
    let mut table = table(["ID", "SIGNED IN", "CREATED", "EXPIRES", "VALUES", "BYTES"]);
    for session in sessions {
        table.add_row(vec![
            session.id.clone(),
            shown(session.authenticated_at),
            shown(Some(session.created_at)),
            shown(Some(session.expires_at)),
            match session.sealed {
                true => "sealed".to_owned(),
                false => session.names.len().to_string(),
            },
            session.bytes.to_string(),
        ]);
    }
    table.trim_fmt()
}

pub(crate) async fn show(
    args: &Args,
    output: &Output,
    id: &str,
    of: Option<&str>,
) -> Result<Status, Failure> {
    let config = view::config(args)?;
    let opened = open(args).await?;
    let found = match of {
        None => find(&config, &opened, id).await?.map(|found| found.session),
        Some(subject) => {
            let directory = directory(&opened)?;
            let listing = view::list(&config, directory, subject, Depth::Head).await?;
            let mut sessions = listing.sessions.into_iter();
            sessions.find(|session| session.id == id)
        }
    };
    let Some(session) = found else {
        return Err(Failure::nothing_found(
            "there is no session of this id; ids change when a token is rotated",
        ));
    };
    print_session(output, &session)?;
    Ok(Status::Done)
}

/// A session, and its record.
pub(crate) struct Found {
    pub(crate) session: Session,
    pub(crate) key: Key,
    pub(crate) stored: Stored,
}

/// Looks through the whole store: an id does not lead to its record.
pub(crate) async fn find(
    config: &Config,
    opened: &Opened,
    id: &str,
) -> Result<Option<Found>, Failure> {
    let mut walk = Walk::new(opened)?;
    let epoch = view::epoch(config, &opened.store).await?;
    while let Some(records) = walk.page().await? {
        for entry in records {
            let (key, stored) = (entry.key, entry.stored);
            match look(config, &epoch, &key, stored.clone(), Depth::Head) {
                Sight::Session(session) if session.id == id => {
                    let session = *session;
                    return Ok(Some(Found {
                        session,
                        key,
                        stored,
                    }));
                }
                _ => {}
            }
        }
    }
    Ok(None)
}

pub(crate) fn print_session(output: &Output, session: &Session) -> Result<(), Failure> {
    if output.is_json() {
        return output.print_json(&session.to_json());
    }
    let names: Vec<String> = session.names.iter().map(|name| plain(name)).collect();
    let names = match (session.sealed, names.is_empty()) {
        (true, true) => "sealed values".to_owned(),
        (true, false) => format!("sealed values, and public ones ({})", names.join(", ")),
        (false, true) => Count(0, "value").to_string(),
        (false, false) => format!("{} ({})", Count(names.len(), "value"), names.join(", ")),
    };
    let subject = session.subject.as_deref().map(plain);
    let rows = [
        ("id", session.id.clone()),
        ("subject", subject.unwrap_or_else(|| "-".to_owned())),
        ("signed in", shown(session.authenticated_at)),
        ("created", shown(Some(session.created_at))),
        ("expires", shown(Some(session.expires_at))),
        ("holds", names),
        ("record", Count(session.bytes, "byte").to_string()),
    ];
    let text: String = rows
        .iter()
        .map(|(name, value)| format!("{name:<10} {value}\n"))
        .collect();
    output.print(&text)
}
