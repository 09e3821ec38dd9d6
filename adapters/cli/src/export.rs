//! `export`.

use serde_json::json;

use crate::args::Args;
use crate::failure::{Failure, Status};
use crate::open::{directory, open};
use crate::output::{Output, moment};
use crate::view::{self, Depth, Session};

pub(crate) async fn export(
    args: &Args,
    output: &Output,
    subject: &str,
    yes: bool,
) -> Result<Status, Failure> {
    let config = view::config(args)?;
    if !yes {
        output.ask(
            "this prints the values of sessions, which are private",
            "nothing was printed",
        )?;
    }
    let opened = open(args).await?;
    let listing = view::list(&config, directory(&opened)?, subject, Depth::Values).await?;
    let sessions: Vec<_> = listing
        .sessions
        .iter()
        .map(Session::to_json_with_values)
        .collect();
    output.print_json(&json!({
        "subject": subject,
        "exported_at": moment(view::now()),
        "sessions": sessions,
        "of_another_cookie": listing.foreign,
        "unreadable": listing.unreadable,
    }))?;
    for remark in listing.remarks() {
        output.note(&format!("Note: {remark}."));
    }
    Ok(match sessions.is_empty() {
        true => Status::NothingFound,
        false => Status::Done,
    })
}
