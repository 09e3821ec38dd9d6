//! `purge`.

use std::time::Duration;

use serde_json::json;

use crate::args::{Args, Purge};
use crate::failure::{Failure, Status};
use crate::interrupt::Interrupt;
use crate::open::open;
use crate::output::{Count, Output};
use crate::progress;

pub(crate) async fn purge(args: &Args, output: &Output, how: &Purge) -> Result<Status, Failure> {
    let opened = open(args).await?;
    let Some(sweeper) = &opened.sweeper else {
        if output.is_json() {
            output.print_json(&json!({ "removed": 0, "done": true }))?;
        }
        output.note("Nothing to do: the server of this store removes expired sessions by itself.");
        return Ok(Status::Done);
    };
    if how.dry_run {
        if output.is_json() {
            output.print_json(&json!({ "removed": 0, "done": false }))?;
        }
        output.note(&format!(
            "Dry run: a run would remove the expired sessions, {} at a time with a pause of {} ms. \
             The store does not count them beforehand.",
            how.step, how.pause
        ));
        return Ok(Status::Done);
    }

    let interrupt = Interrupt::listen();
    let progress = progress::counting("removed");
    let step = how.step as usize;
    let mut removed = 0;
    let swept = loop {
        if interrupt.is_set() {
            break Ok(Status::Interrupted);
        }
        match sweeper.sweep(step).await {
            Err(error) => break Err(Failure::from(error)),
            Ok(some) => {
                removed += some;
                progress.inc(some as u64);
                if some < step {
                    break Ok(Status::Done);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(how.pause)).await;
    };
    progress.finish_and_clear();
    let done = matches!(swept, Ok(Status::Done));
    match output.is_json() {
        true => output.print_json(&json!({ "removed": removed, "done": done }))?,
        false => output.print(&format!("{} removed.", Count(removed, "expired session")))?,
    }
    if matches!(swept, Ok(Status::Interrupted)) {
        output.note("Interrupted. The next run goes on.");
    }
    swept
}
