//! R60: each operation is interrupted at each of its steps, in each way. Whatever happens, the old
//! or the new record is there as a whole, the subject's list agrees with it, and the store goes on.

use std::path::Path;
use std::sync::Arc;

use cloakroom_store::{Directory, Key, Store, StoreError, Stored, UnixTime, Write};
use tokio::runtime::Runtime;

use super::TempDir;
use super::faults::{Fault, Faults};
use crate::FileStore;
use crate::layout::{Layout, Name};

const NOW: u64 = 1_000;
const LATER: u64 = 2_000;

/// Bytes, end, subject.
type State = Option<(&'static [u8], u64, Option<&'static str>)>;

enum Op {
    Load,
    List,
    Create,
    Replace,
    Touch,
    Delete,
    Sweep,
}

fn check(op: Op, before: State, after: State) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let dir = TempDir::new();
    let faults = Arc::new(Faults::default());
    let bench = Bench {
        faulty: open(&dir.0, &faults),
        sound: open(&dir.0, &Arc::default()),
        layout: Layout::new(dir.0.clone()),
        runtime,
        faults,
    };
    let mut steps = 0;
    for fault in [Fault::Error, Fault::Crash, Fault::Late] {
        // With what a killed writer left in the shard, and without.
        for leftover in [false, true] {
            let mut at = 0;
            while bench.interrupt(&op, before, after, fault, at, leftover) {
                at += 1;
                assert!(at < 100, "an operation of a hundred steps");
            }
            steps += at;
        }
    }
    assert!(steps >= 6, "the operation was not interrupted at all");
}

fn open(dir: &Path, faults: &Arc<Faults>) -> FileStore {
    FileStore::builder(dir)
        .clock(|| UnixTime::from_secs(NOW))
        .faults(Arc::clone(faults))
        .open()
        .unwrap()
}

struct Bench {
    faulty: FileStore,
    sound: FileStore,
    layout: Layout,
    runtime: Runtime,
    faults: Arc<Faults>,
}

impl Bench {
    /// False if the operation ended before step `at`.
    fn interrupt(
        &self,
        op: &Op,
        before: State,
        after: State,
        fault: Fault,
        at: usize,
        leftover: bool,
    ) -> bool {
        self.runtime.block_on(async {
            let context = format!("{fault:?} at step {at}, leftover: {leftover}");
            let key = Key::new(&format!("{fault:?}-{at}-{leftover}")).unwrap();
            // Own subjects for each case, so that the steps that create and remove their
            // directories are among them.
            let subject = |subject: &str| format!("{subject} {}", key.as_str());
            let write = |(bytes, end, of): (&[u8], u64, Option<&str>)| {
                let of = of.map(|of| subject(of).into());
                Write::new(bytes.to_vec(), UnixTime::from_secs(end), of)
            };
            if let Some(before) = before {
                self.sound.create(&key, &write(before)).await.unwrap();
            }
            if leftover {
                std::fs::write(self.layout.next(Name::of_key(&key).shard()), b"cloakrm").unwrap();
            }
            let old = before.map_or(&b""[..], |(bytes, ..)| bytes);
            let old = Stored::new(old.to_vec(), UnixTime::MAX, 0);
            let new = write(after.unwrap_or((b"", LATER, None)));

            self.faults.arm(fault, at);
            let answer: Result<(), StoreError> = match op {
                Op::Load => self.faulty.load(&key).await.map(drop),
                Op::List => self.faulty.list(&subject("ada")).await.map(drop),
                Op::Create => self.faulty.create(&key, &new).await.map(drop),
                Op::Replace => self.faulty.replace(&key, &old, &new).await.map(drop),
                Op::Touch => self.faulty.touch(&key, new.expires_at).await.map(drop),
                Op::Delete => self.faulty.delete(&key, &old).await.map(drop),
                Op::Sweep => {
                    let shard = Name::of_key(&key).shard();
                    self.faulty
                        .engine()
                        .sweep_shard(shard, usize::MAX)
                        .error
                        .map_or(Ok(()), Err)
                }
            };
            let hit = self.faults.disarm();

            let living = |state: State| state.filter(|(_, end, _)| *end > NOW).map(write);
            let (before, after) = (living(before), living(after));
            // Another process sees one of the two, whole.
            let now = self.sound.load(&key).await.expect(&context);
            let is = |state: &Option<Write>| match (state, &now) {
                (Some(a), Some(b)) => a.bytes == b.bytes && a.expires_at == b.expires_at,
                (a, b) => a.is_none() && b.is_none(),
            };
            assert!(is(&before) || is(&after), "{context}: neither old nor new");
            match &answer {
                Ok(()) => assert!(is(&after), "{context}: answered, but not done"),
                // A removal that happens and reports a failure is beyond what a store can see.
                Err(error)
                    if !(error.is_transient() || fault == Fault::Late && after.is_none()) =>
                {
                    assert!(is(&before), "{context}: done, though {error}");
                }
                Err(_) => {}
            }
            if !hit {
                answer.expect(&context);
            }

            if fault == Fault::Error && !leftover {
                let next = self.layout.next(Name::of_key(&key).shard());
                assert!(!next.exists(), "{context}: space is not given back");
            }

            // The lists agree with the record.
            let state = if is(&after) { &after } else { &before };
            let owner = state.as_ref().and_then(|write| write.subject.as_deref());
            for who in ["ada", "bob"].map(subject) {
                let listed = self.sound.list(&who).await.expect(&context);
                let expected: Vec<_> = match (&now, owner == Some(&who)) {
                    (Some(now), true) => vec![(key.clone(), now.clone())],
                    _ => vec![],
                };
                // Where old and new differ only in the subject, either may be the owner; here they
                // never do.
                assert_eq!(listed, expected, "{context}: the list of {who}");
            }

            // Both go on, in this shard and with this record; nothing is left over.
            for store in [&self.faulty, &self.sound] {
                if let Some(now) = store.load(&key).await.expect(&context) {
                    store.delete(&key, &now).await.expect(&context);
                }
                let again = write((b"again", LATER, Some("bob")));
                store.create(&key, &again).await.expect(&context);
                assert_eq!(
                    store.list(&subject("bob")).await.expect(&context).len(),
                    1,
                    "{context}"
                );
                let now = store.load(&key).await.expect(&context).expect(&context);
                store.delete(&key, &now).await.expect(&context);
            }
            assert!(
                !self.layout.next(Name::of_key(&key).shard()).exists(),
                "{context}"
            );
            for who in ["ada", "bob"].map(subject) {
                assert_eq!(
                    self.sound.list(&who).await.expect(&context),
                    [],
                    "{context}"
                );
                let dir = self.layout.subject(&Name::of_subject(&who));
                assert!(!dir.exists(), "{context}: an entry is left over");
            }
            hit
        })
    }
}

const ADAS: State = Some((b"old", LATER, Some("ada")));
const NOBODYS: State = Some((b"old", LATER, None));
const EXPIRED: State = Some((b"old", NOW, Some("ada")));

// R60
#[test]
fn a_load_interrupted_at_any_step_changes_nothing() {
    check(Op::Load, ADAS, ADAS);
}

// R60, R21
#[test]
fn a_list_interrupted_at_any_step_changes_nothing() {
    check(Op::List, ADAS, ADAS);
    check(
        Op::List,
        Some((b"old", LATER, Some("bob"))),
        Some((b"old", LATER, Some("bob"))),
    );
}

// R60
#[test]
fn a_create_interrupted_at_any_step_leaves_nothing_or_the_new_record() {
    check(Op::Create, None, Some((b"new", LATER + 1, None)));
    check(Op::Create, None, Some((b"new", LATER + 1, Some("ada"))));
}

// R60
#[test]
fn a_create_over_an_expired_record_interrupted_at_any_step_leaves_nothing_or_the_new_record() {
    check(Op::Create, EXPIRED, Some((b"new", LATER, Some("bob"))));
    check(Op::Create, EXPIRED, Some((b"new", LATER, Some("ada"))));
}

// R60, R55
#[test]
fn a_replace_interrupted_at_any_step_leaves_the_old_or_the_new_record() {
    check(Op::Replace, NOBODYS, Some((b"new", LATER + 1, Some("ada"))));
    check(Op::Replace, ADAS, Some((b"new", LATER + 1, Some("ada"))));
    check(Op::Replace, ADAS, Some((b"new", LATER + 1, Some("bob"))));
    check(Op::Replace, ADAS, Some((b"new", LATER + 1, None)));
}

// R60
#[test]
fn a_touch_interrupted_at_any_step_leaves_the_old_or_the_new_end() {
    check(Op::Touch, ADAS, Some((b"old", LATER + 1, Some("ada"))));
}

// R60
#[test]
fn a_delete_interrupted_at_any_step_leaves_the_record_or_nothing() {
    check(Op::Delete, ADAS, None);
    check(Op::Delete, NOBODYS, None);
}

// R59, R60
#[test]
fn a_sweep_interrupted_at_any_step_leaves_no_record_half_removed() {
    check(Op::Sweep, EXPIRED, None);
}

// R60
#[test]
fn an_open_interrupted_at_any_step_can_be_repeated() {
    let dir = TempDir::new();
    for fault in [Fault::Error, Fault::Crash] {
        // A thousand of its steps make the directories of the shards, five hundred the locks, all
        // alike.
        let steps = (0..12).chain(500..506).chain(1_024..1_044);
        for at in steps.chain(1_536..1_560) {
            let faults = Arc::new(Faults::default());
            faults.arm(fault, at);
            let opened = FileStore::builder(&dir.0)
                .fsync(false)
                .faults(Arc::clone(&faults))
                .open();
            let hit = faults.disarm();
            assert!(hit || opened.is_ok(), "{fault:?} at step {at}: {opened:?}");
            let _ = FileStore::builder(&dir.0).fsync(false).open().unwrap();
            if at % 8 == 0 {
                std::fs::remove_dir_all(&dir.0).unwrap();
            }
        }
    }
}
