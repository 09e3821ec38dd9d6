//! `migrate`.

use std::collections::HashSet;

use cloakroom_adopting::{Adopted, Adopting};
use cloakroom_store::{SharedStore, Store as _};
use serde_json::json;

use crate::args::{Args, Migrate};
use crate::check::probe;
use crate::failure::{Failure, Status};
use crate::interrupt::Interrupt;
use crate::open::{open_url, place};
use crate::output::{Count, Output};
use crate::progress;
use crate::walk::Walk;

/// Counts the records by their fate so far.
#[derive(Debug, Default)]
struct Moves {
    moved: usize,
    already: usize,
    gone: usize,
}

pub(crate) async fn migrate(
    args: &Args,
    output: &Output,
    how: &Migrate,
) -> Result<Status, Failure> {
    let (Some(from), Some(to)) = (&args.from, &args.to) else {
        return Err(Failure::usage("migrate needs both --from URL and --to URL"));
    };
    if place(from, args.name.as_deref()) == place(to, args.name.as_deref()) {
        return Err(Failure::usage(
            "--from and --to lead to one store; a move there would remove its sessions",
        ));
    }
    let old = open_url(from, args.name.as_deref()).await?;
    let interrupt = Interrupt::listen();
    let Some(total) = count(&mut Walk::new(&old)?, &interrupt).await? else {
        output.note("Interrupted. Nothing has moved.");
        return Ok(Status::Interrupted);
    };
    let new = open_url(to, args.name.as_deref()).await?;
    // Its table may be missing.
    new.store.load(&probe::key()?).await?;
    if how.dry_run {
        return dry_run(output, total);
    }

    let store = Adopting::new(new.store.clone(), old.store.clone());
    let mut walk = Walk::new(&old)?;
    let progress = progress::bar(total as u64, "records");
    let mut moves = Moves::default();
    let outcome = move_all(&store, &mut walk, &interrupt, &progress, &mut moves).await;
    progress.finish_and_clear();
    let done = matches!(outcome, Ok(Status::Done));
    let Moves {
        moved,
        already,
        gone,
    } = moves;
    match output.is_json() {
        true => output.print_json(&json!({
            "moved": moved,
            "already": already,
            "gone": gone,
            "done": done,
        }))?,
        false => output.print(&format!(
            "{} moved, {already} were there already, {gone} ended meanwhile.",
            Count(moved, "record")
        ))?,
    }
    if !done {
        output.note("Not all of them have moved. The next run goes on.");
    }
    outcome
}

fn dry_run(output: &Output, total: usize) -> Result<Status, Failure> {
    if output.is_json() {
        output.print_json(&json!({ "records": total }))?;
    }
    output.note(&format!(
        "Dry run: {} would move. Both stores can be read.",
        Count(total, "record")
    ));
    Ok(Status::Done)
}

/// Counts the records, so that the time left can be estimated. `None`: interrupted.
async fn count(walk: &mut Walk<'_>, interrupt: &Interrupt) -> Result<Option<usize>, Failure> {
    let progress = progress::counting("records counted");
    let mut total = 0;
    while let Some(records) = walk.page().await? {
        if interrupt.is_set() {
            progress.finish_and_clear();
            return Ok(None);
        }
        total += records.len();
        progress.inc(records.len() as u64);
    }
    progress.finish_and_clear();
    Ok(Some(total))
}

/// Moves one record after the other. Each is in at least one of the stores at any time.
async fn move_all(
    store: &Adopting<SharedStore, SharedStore>,
    walk: &mut Walk<'_>,
    interrupt: &Interrupt,
    progress: &indicatif::ProgressBar,
    moves: &mut Moves,
) -> Result<Status, Failure> {
    while let Some(records) = walk.page().await? {
        // A store may put a record on two pages, but not often on one.
        let mut seen = HashSet::with_capacity(records.len());
        for entry in records {
            if interrupt.is_set() {
                return Ok(Status::Interrupted);
            }
            if !seen.insert(entry.key.clone()) {
                continue;
            }
            match store.adopt(&entry.key, entry.subject.as_deref()).await? {
                Adopted::Moved => moves.moved += 1,
                Adopted::Already => moves.already += 1,
                Adopted::Gone => moves.gone += 1,
            }
            progress.inc(1);
        }
    }
    Ok(Status::Done)
}
