//! The suite on a store that two processes share. Has a `main` of its own, because the other
//! process is this program.

#[path = "support/disk.rs"]
mod disk;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use cloakroom_conformance::{Report, store};
use disk::{Disks, Fault, Kind};

macro_rules! kinds {
    ($($kind:ident = $name:literal, $fault:ident;)*) => {$(
        struct $kind;

        impl Kind for $kind {
            const NAME: &'static str = $name;
            const FAULT: Fault = Fault::$fault;
        }
    )*};
}

kinds! {
    Correct = "disk", None;
    Late = "late", Late;
    LateTwice = "late-twice", LateTwice;
    WriteBehind = "write-behind", Behind;
    // `main` does not know of it.
    Unknown = "unknown", None;
}

type Test = fn(&Path);

/// In the environment of this program run as a plain suite: where its stores are.
const PLAIN_SUITE: &str = "CLOAKROOM_PLAIN_SUITE";

fn main() -> ExitCode {
    store::worker::<Disks<Correct>>();
    store::worker::<Disks<Late>>();
    store::worker::<Disks<LateTwice>>();
    store::worker::<Disks<WriteBehind>>();
    if let Some(root) = std::env::var_os(PLAIN_SUITE) {
        let fixture = <Disks<Correct> as store::Attach>::attach(&root.to_string_lossy());
        return store::suite(fixture).main();
    }

    let tests: [(&str, Test); 6] = [
        (
            "a_correct_store_passes_in_two_processes_and_after_a_kill",
            correct,
        ),
        (
            "a_store_that_answers_before_it_writes_is_found",
            write_behind,
        ),
        (
            "a_store_on_which_a_write_in_flight_happens_after_the_kill_passes",
            late,
        ),
        (
            "a_store_on_which_more_than_the_write_in_flight_happens_after_the_kill_is_found",
            late_twice,
        ),
        ("a_main_without_the_worker_is_told_so", unknown),
        (
            "a_choice_that_fits_no_case_fails_and_leaving_all_out_does_not",
            choices,
        ),
    ];
    let root = Root::new();
    for (name, test) in tests {
        test(&root.0);
        announce(format_args!("test {name} ... ok"));
    }
    // In libtest's form, for programs that count. A failure panics before.
    announce(format_args!(
        "\ntest result: ok. {} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished",
        tests.len()
    ));
    ExitCode::SUCCESS
}

// R60, R61
fn correct(root: &Path) {
    let report = run::<Correct>(root, "[disk/processes]");
    let tally = report.tally();
    let first = report.failed().next().map(ToString::to_string);
    assert!(tally.passed > 40, "{tally}: {first:?}");
    assert_eq!((tally.failed, tally.skipped), (0, 0), "{report}");
}

// R60
fn write_behind(root: &Path) {
    let report = run::<WriteBehind>(root, "durable-over-a-kill[write-behind/direct]");
    let line = report.outcomes()[0].to_string();
    let why = "a replace was answered, and after a kill the old record is there";
    assert!(line.contains(why), "{line}");
}

// R60, R62
fn late(root: &Path) {
    let report = run::<Late>(root, "durable-over-a-kill[late/direct]");
    assert_eq!(report.tally().passed, 1, "{report}");
}

// R60
fn late_twice(root: &Path) {
    let report = run::<LateTwice>(root, "durable-over-a-kill[late-twice/direct]");
    let line = report.outcomes()[0].to_string();
    let why = "deleting a record after a kill";
    assert!(line.contains(why) && line.contains("Changed"), "{line}");
}

// The other process, which has no worker for this fixture, runs into `main` and panics: that
// message in the output is meant.
fn unknown(root: &Path) {
    let report = run::<Unknown>(root, "load-missing[unknown/processes]");
    let line = report.outcomes()[0].to_string();
    assert!(line.contains("must stand at the top of `main`"), "{line}");
}

fn run<K: Kind>(root: &Path, part: &str) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let fixture = <Disks<K> as store::Attach>::attach(&root.display().to_string());
    let suite = store::suite(fixture).only(|name| name.contains(part));
    runtime.block_on(suite.run(|_| {}))
}

/// A directory that is removed at the end.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        let name = format!("cloakroom-conformance-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[expect(clippy::print_stdout, reason = "a test without a harness")]
fn announce(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}

fn choices(root: &Path) {
    for (arguments, passes, last) in [
        (
            "load-missing[disk/direct]",
            true,
            "1 passed, 0 failed, 0 skipped",
        ),
        ("--skip [disk/", true, "0 passed, 0 failed, 0 skipped"),
        (
            "--skip=[disk/ --quiet",
            true,
            "0 passed, 0 failed, 0 skipped",
        ),
        ("no-such-case", false, "0 passed, 0 failed, 0 skipped"),
        (
            "--only no-such-case",
            false,
            "0 passed, 0 failed, 0 skipped",
        ),
        (
            "load-missing --skip [disk/",
            false,
            "0 passed, 0 failed, 0 skipped",
        ),
    ] {
        let output = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(arguments.split(' '))
            .env(PLAIN_SUITE, root)
            .output()
            .expect("this program can be run again");
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), passes, "{arguments}: {printed}");
        assert_eq!(printed.lines().last(), Some(last), "{arguments}: {printed}");
    }
}
