//! `end-all`.

use cloakroom::Sessions;
use serde_json::json;

use crate::args::{Args, EndAll};
use crate::failure::{Failure, Status};
use crate::open::open;
use crate::output::Output;
use crate::view;

pub(crate) async fn end_all(args: &Args, output: &Output, how: &EndAll) -> Result<Status, Failure> {
    let config = view::config(args)?;
    let prefix = config.key_prefix().trim_end_matches(':').to_owned();
    if !how.dry_run && !how.yes {
        output.ask(
            "this ends the sessions of all users and visitors",
            "nothing was ended",
        )?;
    }
    let opened = open(args).await?;
    if how.dry_run {
        // Whether the store can be reached, and has nothing else in the place of the record.
        view::epoch(&config, &opened.store).await?;
        if output.is_json() {
            output.print_json(&json!({ "would_end": "all" }))?;
        }
        output.note(&format!("Dry run: all sessions of `{prefix}` would end."));
        return Ok(Status::Done);
    }
    let sessions = Sessions::new(opened.store.clone()).with_config(config);
    sessions.end_all().await?;
    match output.is_json() {
        true => output.print_json(&json!({ "ended": "all" }))?,
        false => output.print(&format!("All sessions of `{prefix}` ended."))?,
    }
    output.note(
        "Note: processes of the application heed this within their lease, if `end_all_within` is set.",
    );
    Ok(Status::Done)
}
