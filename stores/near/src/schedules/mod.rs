//! Every schedule of a few operations of two processes with caches over one store.
//!
//! Each operation begins, each call of the store takes effect, and each answer arrives at a moment
//! of its own. Time passes between any two of these: a pause of a process, a slow network. The
//! processes' clocks are skewed, and no process hears anything of the other's writes. A call may
//! fail before its effect, after it, or take effect later.
//!
//! On every schedule: a load that begins a lease or more after a record ended does not return it.
//! A load does not return what its process knows has changed. A missing record was missing while
//! the load ran. A reload returns nothing older than its beginning. And no write is lost, doubled
//! or brought back.

mod tracked;
mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, Store, StoreError, Touched, UnixTime, Write,
};

use crate::mutant::Broken;
use tracked::{Budget, Pipe};
use world::{Seen, Shared, Turn, World, choose, first, next};

/// A request, as it uses the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Load,
    Reload,
    Create,
    /// Adds one to the number in the record.
    Add,
    Touch,
    /// Removes the record, whichever it is.
    End,
    /// Time may pass.
    Pause,
}

/// The acknowledged changes.
#[derive(Default)]
struct Acknowledged {
    added: u64,
    /// Added, or not.
    unknown: u64,
    ended: bool,
}

/// A process's requests, one after the other.
type Thread = (usize, &'static [Op]);

fn key() -> Key {
    Key::new("session:1").expect("a key")
}

fn write(number: u64) -> Write {
    Write::new(number.to_string(), UnixTime::MAX, None)
}

fn number(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).expect("text");
    text.parse().expect("a number")
}

async fn run(
    store: Seen,
    ops: &'static [Op],
    acknowledged: Arc<Mutex<Acknowledged>>,
) -> Result<(), StoreError> {
    let acknowledge = || acknowledged.lock().expect("free");
    for op in ops {
        let done = request(&store, *op).await;
        match (op, &done) {
            (Op::Add, Ok(true)) => acknowledge().added += 1,
            (Op::Add, Err(_)) => acknowledge().unknown += 1,
            (Op::End, Ok(_)) => acknowledge().ended = true,
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether the request changed the record.
async fn request(store: &Seen, op: Op) -> Result<bool, StoreError> {
    let key = key();
    match op {
        Op::Pause => {
            Turn(false).await;
            Ok(false)
        }
        Op::Load => store.load(&key).await.map(|_| false),
        Op::Reload => store.load_fresh(&key).await.map(|_| false),
        Op::Create => Ok(store.create(&key, &write(0)).await? == Created::Stored),
        Op::Touch => Ok(store.touch(&key, UnixTime::MAX).await? == Touched::Extended),
        Op::Add => {
            let mut found = store.load(&key).await?;
            while let Some(old) = found {
                match store
                    .replace(&key, &old, &write(number(&old.bytes) + 1))
                    .await?
                {
                    Replaced::Stored => return Ok(true),
                    Replaced::Gone => break,
                    Replaced::Changed => found = store.load_fresh(&key).await?,
                }
            }
            Ok(false)
        }
        Op::End => {
            let mut found = store.load(&key).await?;
            while let Some(old) = found {
                match store.delete(&key, &old).await? {
                    Deleted::Deleted => return Ok(true),
                    Deleted::Gone => break,
                    Deleted::Changed => found = store.load_fresh(&key).await?,
                }
            }
            Ok(false)
        }
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;

/// Runs threads to their ends, as the schedule has it, with at most the scene's ticks and faults.
fn interleave(world: &Shared, threads: Vec<Running<'_>>, scene: &Scene, listener: &Seen) {
    let mut context = Context::from_waker(Waker::noop());
    let mut threads: Vec<_> = threads.into_iter().enumerate().collect();
    let mut ticks = scene.ticks;
    let lock = || world.lock().expect("free");
    lock().faults = scene.faults;
    loop {
        let late = lock().has_late();
        if threads.is_empty() && !late {
            return;
        }
        let tick = usize::from(ticks > 0 && !threads.is_empty());
        let messages = tracked::choices(&lock());
        let choice = choose(threads.len() + tick + usize::from(late) + messages);
        if let Some(choice) = choice.checked_sub(threads.len()) {
            if choice < tick {
                ticks -= 1;
                lock().tick();
            } else if choice < tick + usize::from(late) {
                lock().perform_late();
            } else {
                let choice = choice - tick - usize::from(late);
                tracked::happen(world, &listener.near, choice);
            }
            continue;
        }
        let (number, thread) = &mut threads[choice];
        lock().thread = *number;
        let over = thread.as_mut().poll(&mut context).is_ready();
        if over {
            drop(threads.remove(choice));
        }
    }
}

/// Runs one schedule. Returns what is wrong with it.
fn schedule(broken: Option<Broken>, scene: &Scene) -> Option<String> {
    let world = Shared::default();
    let processes = [0, 1].map(|process| Seen::new(&world, process, broken));
    if scene.there {
        alone(&world, request(&processes[1], Op::Create)).expect("no fault");
    }
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let threads = scene.threads.iter().map(|(process, ops)| {
        let run = run(processes[*process].clone(), ops, Arc::clone(&acknowledged));
        Box::pin(run) as Running<'_>
    });
    if let Some(budget) = scene.tracked {
        let pipe = Pipe::new(budget, &processes[0].near);
        world.lock().expect("free").pipe = Some(pipe);
        if budget.is_warm {
            alone(&world, request(&processes[0], Op::Load)).expect("no fault");
        }
    }
    interleave(&world, threads.collect(), scene, &processes[0]);
    let (world, acknowledged) = (
        world.lock().expect("free"),
        acknowledged.lock().expect("free"),
    );
    if let Some(wrong) = world.wrong.first() {
        return Some(wrong.clone());
    }
    if scene.tracked.is_some_and(|budget| budget.wipes > 0) {
        return None;
    }
    counts(&world, &acknowledged)
}

/// Runs a future to its end, by itself.
fn alone<T>(world: &Shared, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    world.lock().expect("free").thread = usize::MAX;
    loop {
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

fn counts(world: &World, acknowledged: &Acknowledged) -> Option<String> {
    let left = world.left();
    match &left[..] {
        [] => None,
        [_] if acknowledged.ended => Some("an ended record is there".into()),
        [record] => {
            let count = number(&record.bytes);
            let expected = acknowledged.added..=acknowledged.added + acknowledged.unknown;
            (!expected.contains(&count)).then(|| format!("{count} instead of {expected:?}"))
        }
        _ => Some("two records".into()),
    }
}

struct Scene {
    /// Whether the record is there at the beginning.
    there: bool,
    threads: &'static [Thread],
    ticks: usize,
    faults: usize,
    /// With announcements to the first process.
    tracked: Option<Budget>,
}

const fn scene(threads: &'static [Thread], ticks: usize) -> Scene {
    Scene {
        there: true,
        threads,
        ticks,
        faults: 0,
        tracked: None,
    }
}

const SCENES: &[Scene] = &[
    scene(&[(0, &[Op::Load, Op::Load]), (1, &[Op::End])], 3),
    scene(&[(0, &[Op::Load, Op::Load]), (1, &[Op::Add])], 3),
    scene(&[(0, &[Op::Load, Op::Reload]), (1, &[Op::Add])], 1),
    scene(&[(0, &[Op::Load, Op::Touch, Op::Load]), (1, &[Op::End])], 2),
    scene(&[(0, &[Op::Add, Op::Load]), (1, &[Op::Add])], 1),
    scene(&[(0, &[Op::Add, Op::Load]), (0, &[Op::Add, Op::Load])], 0),
    scene(&[(0, &[Op::End, Op::Load]), (0, &[Op::Load])], 1),
    scene(&[(0, &[Op::Add, Op::Load]), (0, &[Op::Reload])], 0),
    scene(
        &[(0, &[Op::Load]), (0, &[Op::Add, Op::Load]), (1, &[Op::End])],
        0,
    ),
    scene(&[(0, &[Op::Load]), (0, &[Op::Load]), (1, &[Op::End])], 0),
    Scene {
        there: false,
        threads: &[(0, &[Op::Load, Op::Load]), (1, &[Op::Create])],
        ticks: 1,
        faults: 0,
        tracked: None,
    },
    Scene {
        there: false,
        threads: &[(0, &[Op::Load, Op::Load]), (0, &[Op::Create, Op::Add])],
        ticks: 0,
        faults: 0,
        tracked: None,
    },
    Scene {
        there: true,
        threads: &[(0, &[Op::Add, Op::Load]), (1, &[Op::Add])],
        ticks: 0,
        faults: 1,
        tracked: None,
    },
    Scene {
        there: true,
        threads: &[(0, &[Op::Load, Op::End, Op::Load]), (0, &[Op::Add])],
        ticks: 0,
        faults: 1,
        tracked: None,
    },
];

/// Plays all schedules of these scenes. Returns the first that is wrong, and how many were played.
fn all(scenes: &[Scene], broken: Option<Broken>) -> (Option<String>, usize) {
    let mut count = 0;
    for scene in scenes {
        first();
        loop {
            count += 1;
            if let Some(wrong) = schedule(broken, scene) {
                return (Some(format!("{:?}: {wrong}", scene.threads)), count);
            }
            if !next() {
                break;
            }
        }
    }
    (None, count)
}

// R80, R81.
#[test]
fn no_schedule_reads_past_the_lease_or_loses_doubles_or_revives_anything() {
    let (found, count) = all(SCENES, None);
    assert_eq!(found, None);
    assert!(count > 100_000, "{count} schedules");
}

// R80, R81: each place matters.
#[test]
fn every_mutant_is_found() {
    for broken in [
        Broken::CachesMisses,
        Broken::NoMarkers,
        Broken::LeaseFromReply,
        Broken::KeepsWhatChanged,
        Broken::KeepsOwnDeletes,
        Broken::KeepsAfterErrors,
        Broken::KeepsLaterLoads,
        Broken::LeaseNeverEnds,
        Broken::FreshFromMemory,
    ] {
        let (found, count) = all(SCENES, Some(broken));
        assert!(found.is_some(), "{broken:?} passes {count} schedules");
    }
}

// R80, R81.
#[test]
fn no_schedule_with_announcements_reads_past_the_lease_or_what_was_announced() {
    let (found, count) = all(tracked::SCENES, None);
    assert_eq!(found, None);
    assert!(count > 10_000, "{count} schedules");
}

// R80, R81: each rule of the announcements matters.
#[test]
fn every_mutant_of_the_announcements_is_found() {
    for broken in [
        Broken::KeepsAnnounced,
        Broken::KeepsAnnouncedLoads,
        Broken::KeepsAfterLoss,
        Broken::KeepsWhatWasLoadedUnheard,
        Broken::KeepsWhenAllChanged,
        Broken::RenewsFromTheAnswer,
        Broken::RenewsOwnWrites,
        Broken::ExpectsTwoEchoes,
    ] {
        let (found, count) = all(tracked::SCENES, Some(broken));
        assert!(found.is_some(), "{broken:?} passes {count} schedules");
    }
}
