//! Several processes on one directory, some of them killed.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use cloakroom_file::FileStore;
use cloakroom_store::{Created, Directory, Replaced, Store, Stored, UnixTime, Write};
use common::{TempDir, key};

const ROLE: &str = "CLOAKROOM_FILE_TEST_ROLE";
const DIR: &str = "CLOAKROOM_FILE_TEST_DIR";
const SUBJECTS: [&str; 2] = ["ada", "bob"];

// The other tests start this one in processes of its own; by itself it has no role and does
// nothing.
#[tokio::test]
async fn the_part_of_a_child_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let store = open(Path::new(&std::env::var_os(DIR).unwrap()));
    match &*role {
        "increment" => {
            for _ in 0..INCREMENTS {
                increment(&store).await;
            }
        }
        "write" => write_for_ever(&store).await,
        "fill" => fill(&store).await,
        role => panic!("no such role: {role}"),
    }
}

fn open(dir: &Path) -> FileStore {
    FileStore::builder(dir).fsync(false).open().unwrap()
}

fn child(role: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    take_part(&mut command, role, dir);
    command
}

fn take_part(command: &mut Command, role: &str, dir: &Path) {
    command
        .args(["--exact", "the_part_of_a_child_process", "--nocapture"])
        .env(ROLE, role)
        .env(DIR, dir)
        .stdout(Stdio::piped());
}

const INCREMENTS: u64 = 200;

// R53, R61
#[tokio::test]
async fn increments_by_three_processes_at_once_add_up() {
    let dir = TempDir::new();
    let store = open(&dir.store());
    let start = Write::new(0_u64.to_le_bytes().to_vec(), UnixTime::MAX, None);
    store.create(&key("n"), &start).await.unwrap();
    let mut children = [(); 2].map(|()| child("increment", &dir.store()).spawn().unwrap());
    for _ in 0..INCREMENTS {
        increment(&store).await;
    }
    for child in &mut children {
        // Read to the end, so that it never waits for a reader.
        let mut output = child.stdout.take().unwrap();
        std::io::copy(&mut output, &mut std::io::sink()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    let end = store.load(&key("n")).await.unwrap().unwrap();
    assert_eq!(end.bytes[..], (3 * INCREMENTS).to_le_bytes());
}

async fn increment(store: &FileStore) {
    loop {
        let old = store.load(&key("n")).await.unwrap().unwrap();
        let next = u64::from_le_bytes(old.bytes[..].try_into().unwrap()) + 1;
        let next = Write::new(next.to_le_bytes().to_vec(), UnixTime::MAX, None);
        if store.replace(&key("n"), &old, &next).await.unwrap() == Replaced::Stored {
            return;
        }
    }
}

// R60
#[tokio::test]
async fn a_process_killed_again_and_again_while_it_writes_leaves_whole_records() {
    let dir = TempDir::new();
    let store = open(&dir.store());
    let mut last = 0;
    for kill in 0..60 {
        let mut child = child("write", &dir.store()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The child reports each answered write. After some of them it is killed at an arbitrary
        // moment.
        let mut answered = answers(&mut lines, 1 + kill * 7 % 23);
        child.kill().unwrap();
        child.wait().unwrap();
        answered = answers(&mut lines, usize::MAX).or(answered);
        let answered = answered.expect("it wrote");

        let found = store.load(&key("k")).await.expect("never torn");
        let number = found.as_ref().map(number_in);
        // The last answered write is there, or the one under way after it: a write, or the delete
        // after every 16th.
        match number {
            Some(number) => assert!(
                number == answered || number == answered + 1,
                "{number} after {answered}"
            ),
            None => assert!(
                answered.is_multiple_of(16) || (answered + 1).is_multiple_of(16),
                "gone after {answered}"
            ),
        }
        // The lists agree with it, at once.
        for (n, subject) in SUBJECTS.iter().enumerate() {
            let listed = store.list(subject).await.unwrap();
            match (&found, number) {
                (Some(found), Some(number)) if number as usize % 2 == n => {
                    assert_eq!(listed, [(key("k"), found.clone())]);
                }
                _ => assert_eq!(listed, []),
            }
        }
        last = answered;
    }
    assert!(last > 0);
}

/// The last number that the child wrote before its `count`th line, or before its end.
fn answers(lines: &mut impl Iterator<Item = std::io::Result<String>>, count: usize) -> Option<u64> {
    let numbers = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("answered ")?.parse().ok());
    numbers.take(count).last()
}

/// Writes one record over and over, each time with the next number, other bytes, another length and
/// the other subject. Deletes it after every 16th write.
async fn write_for_ever(store: &FileStore) {
    let found = store.load(&key("k")).await.unwrap();
    let mut number = found.as_ref().map_or(0, number_in);
    let mut old = found;
    loop {
        number += 1;
        let bytes = bytes_of(number);
        let subject = SUBJECTS[number as usize % 2];
        let new = Write::new(bytes.clone(), UnixTime::MAX, Some(subject.into()));
        match &old {
            None => assert_eq!(
                store.create(&key("k"), &new).await.unwrap(),
                Created::Stored
            ),
            Some(old) => assert_eq!(
                store.replace(&key("k"), old, &new).await.unwrap(),
                Replaced::Stored
            ),
        }
        let now = Stored::new(bytes, UnixTime::MAX, 0);
        old = Some(now.clone());
        if number.is_multiple_of(16) {
            store.delete(&key("k"), &now).await.unwrap();
            old = None;
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "answered {number}").unwrap();
    }
}

fn bytes_of(number: u64) -> Vec<u8> {
    let len = (number * 7_919) % 60_000;
    let fill = std::iter::repeat_n(number as u8, len as usize);
    number.to_le_bytes().into_iter().chain(fill).collect()
}

fn number_in(stored: &Stored) -> u64 {
    let (number, _) = stored.bytes.split_first_chunk().expect("it has a number");
    let number = u64::from_le_bytes(*number);
    assert!(stored.bytes == bytes_of(number), "another write's bytes");
    number
}

/// A file system that refuses to write further, for any user: the shell limits the size of files to
/// 4 KiB.
#[test]
fn a_write_cut_short_by_the_system_is_an_error_and_the_old_record_stays() {
    let dir = TempDir::new();
    open(&dir.store());
    let mut shell = Command::new("sh");
    let exe = std::env::current_exe().unwrap();
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(exe);
    take_part(&mut shell, "fill", &dir.store());
    succeeds(shell.spawn().unwrap());
}

/// A real full disk: a small tmpfs in a namespace of its own, so that nothing stays mounted.
#[test]
fn a_full_disk_is_an_error_and_the_old_record_stays() {
    let dir = TempDir::new();
    let namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!(
            "mount -t tmpfs -o size=3m,mode=700 none \"${DIR}\" && {script}"
        ));
        command
    };
    let works = namespace("true").env(DIR, dir.path()).output();
    if !works.is_ok_and(|output| output.status.success()) {
        #[expect(clippy::print_stderr, reason = "a skip must be seen")]
        {
            eprintln!(
                "SKIPPED a_full_disk_is_an_error_and_the_old_record_stays: this system lets nobody mount a tmpfs"
            );
        }
        return;
    }
    let mut command = namespace("exec \"$0\" \"$@\"");
    command.arg(std::env::current_exe().unwrap());
    take_part(&mut command, "fill", dir.path());
    succeeds(command.spawn().unwrap());
}

fn succeeds(child: Child) {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("filled"), "{text}");
}

/// With no room for four megabytes, a large write fails, and existing records stay and can be
/// changed.
async fn fill(store: &FileStore) {
    let small = Write::new(vec![1; 100], UnixTime::MAX, Some("ada".into()));
    let large = Write::new(vec![2; 4 << 20], UnixTime::MAX, Some("bob".into()));
    store.create(&key("k"), &small).await.unwrap();
    let old = store.load(&key("k")).await.unwrap().unwrap();
    for error in [
        store.replace(&key("k"), &old, &large).await.unwrap_err(),
        store.create(&key("l"), &large).await.unwrap_err(),
    ] {
        assert!(!error.is_transient(), "{error}");
        assert!(
            error
                .to_string()
                .contains("the record is as it was; free some space"),
            "{error}"
        );
    }
    assert_eq!(store.load(&key("k")).await.unwrap(), Some(old.clone()));
    assert_eq!(store.load(&key("l")).await.unwrap(), None);
    assert_eq!(store.list("bob").await.unwrap(), []);
    assert_eq!(store.list("ada").await.unwrap(), [(key("k"), old.clone())]);

    let other = Write::new(vec![3; 200], UnixTime::MAX, None);
    assert_eq!(
        store.replace(&key("k"), &old, &other).await.unwrap(),
        Replaced::Stored
    );
    let mut out = std::io::stdout().lock();
    writeln!(out, "filled").unwrap();
}
