//! Ctrl-C in the middle of long work: the next run goes on.
#![cfg(unix)]

mod common;

use std::path::Path;

use common::{Place, Ran, until};
use rustix::process::{Pid, Signal, kill_process};

const EXPIRED: usize = 400;

// R59
#[tokio::test]
async fn a_purge_that_is_interrupted_says_so_and_the_next_run_goes_on() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new("file").await;
        let token = place.sign_in("ada").await;
        place.leave_expired(EXPIRED).await;
        let all = records(&place);
        assert_eq!(all, EXPIRED + 1);

        let mut slow = place.command(&["purge", "--step", "1", "--pause", "20", "--json"]);
        let running = slow.spawn().unwrap();
        until("the first removals", async || records(&place) < all - 5).await;
        let pid = Pid::from_raw(running.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let ran: Ran = running.wait_with_output().unwrap().into();
        ran.ended(130, &[], &["The next run goes on"]);
        assert_eq!(ran.json()["done"], false);
        let removed = ran.json()["removed"].as_u64().unwrap() as usize;
        assert!((5..EXPIRED).contains(&removed), "{removed}");
        assert_eq!(records(&place), all - removed, "it counts what it removed");

        // The application works meanwhile.
        assert_eq!(place.visits(&token).await, Some(3));
        let ran = place.run(&["purge", "--dry-run"]);
        ran.ended(0, &[], &["Dry run"]);
        assert_eq!(records(&place), all - removed);
        let ran = place.run(&["purge"]);
        let rest = format!("{} expired sessions removed.", EXPIRED - removed);
        ran.ended(0, &[&rest], &[]);
        assert_eq!(records(&place), 1);
        assert_eq!(place.visits(&token).await, Some(3));
        place.run(&["purge"]).ended(0, &["0 expired sessions"], &[]);
    }
}

fn records(place: &Place) -> usize {
    let path = place.url.strip_prefix("file:").unwrap();
    let shards = std::fs::read_dir(Path::new(path).join("records")).unwrap();
    shards
        .map(|shard| std::fs::read_dir(shard.unwrap().path()).unwrap().count())
        .sum()
}
