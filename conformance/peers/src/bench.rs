//! What a request costs above the bare handler of its framework, in process, on a store in memory: allocations, instructions
//! (valgrind's callgrind), time, and calls of the store.
//!
//! Every application has the same four handlers, and a session of ten values, 979 bytes in all. Instructions are counted by running
//! the same requests N and 2 N times and taking the difference, so that the start does not count; time is the best of five runs.

pub mod actix;
pub mod axum_based;
mod calls;
mod poem_based;

use std::alloc::System;
use std::process::Command;
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Sends a request with a path and a Cookie line, and gives what the response sets.
pub type Application = Box<dyn FnMut(&str, &str) -> String>;

type Error = Box<dyn std::error::Error>;

/// What is measured, and on which bare handler it stands.
const LIBRARIES: [(&str, &str); 5] = [
    ("cloakroom-axum", "axum"),
    ("tower-sessions", "axum"),
    ("axum_session", "axum"),
    ("actix-session", "actix-web"),
    ("poem", "poem-bare"),
];

const SCENARIOS: [(&str, &str); 7] = [
    ("untouched", "/untouched"),
    ("untouched, 8 cookies", "/untouched"),
    ("unknown token", "/read"),
    ("read", "/read"),
    ("counter", "/counter"),
    ("create", "/create"),
    ("rotate", "/rotate"),
];

const REQUESTS: u64 = 300;

/// The whole table, as lines of `library scenario allocations instructions ns calls`, separated by tabs.
pub fn bench() -> Result<(), Error> {
    println!("library\tscenario\tallocations\tinstructions\tns\tcalls");
    for (library, framework) in LIBRARIES {
        for (scenario, _) in SCENARIOS {
            let over = |library: &str| -> Result<[f64; 4], Error> {
                let mut all = measured(library, scenario)?;
                all[1] = instructions(library, scenario)?;
                Ok(all)
            };
            // The bare handler gets the same requests.
            let (with, without) = (over(library)?, over(framework)?);
            println!(
                "{library}\t{scenario}\t{:.0}\t{:.0}\t{:.0}\t{:.2}",
                with[0] - without[0],
                with[1] - without[1],
                with[2] - without[2],
                with[3],
            );
        }
    }
    println!(
        "SHA-256\tone of 32 bytes\t0\t{:.0}\t{:.0}\t0",
        instructions("sha", "read")?,
        sha_time()
    );
    Ok(())
}

/// Runs a scenario so many times, to be put under callgrind.
pub fn run(library: &str, scenario: &str, requests: u64) -> Result<(), Error> {
    if library == "sha" {
        (0..requests).for_each(hash);
        return Ok(());
    }
    let mut subject = Subject::new(library, scenario)?;
    (0..requests).for_each(|_| subject.send());
    Ok(())
}

fn hash(n: u64) {
    use sha2::Digest as _;
    let mut token = [7; 32];
    token[..8].copy_from_slice(&n.to_le_bytes());
    std::hint::black_box(sha2::Sha256::digest(token));
}

fn sha_time() -> f64 {
    let start = Instant::now();
    (0..100_000).for_each(hash);
    start.elapsed().as_nanos() as f64 / 100_000.0
}

struct Subject {
    application: Application,
    path: &'static str,
    cookie: String,
    /// The client goes by what it is told: each request has the token that the last one issued.
    follows: bool,
}

impl Subject {
    fn new(library: &str, scenario: &str) -> Result<Self, Error> {
        let mut application = application(library)?;
        let mut own = application("/fill", "");
        if own.is_empty() {
            // The bare handler gets a cookie as well.
            own = format!("id={}", "A".repeat(43));
        }
        let path = SCENARIOS
            .iter()
            .find(|(name, _)| *name == scenario)
            .ok_or("no such scenario")?
            .1;
        let foreign: String = (0..8)
            .map(|n| format!("_tracker_{n}=GA1.2.1234567890.170000000{n}; "))
            .collect();
        let cookie = match scenario {
            "create" => String::new(),
            "untouched, 8 cookies" => format!("{foreign}{own}"),
            "unknown token" => {
                // That of a session that has ended: well-formed, and rightly signed.
                application("/end", &own);
                own
            }
            _ => own,
        };
        Ok(Self {
            application,
            path,
            cookie,
            follows: scenario == "rotate",
        })
    }

    fn send(&mut self) {
        let set = (self.application)(self.path, &self.cookie);
        if self.follows && !set.is_empty() {
            self.cookie = set;
        }
    }
}

fn application(library: &str) -> Result<Application, Error> {
    Ok(match library {
        "axum" => axum_based::bare(),
        "cloakroom-axum" => axum_based::cloakroom(),
        "tower-sessions" => axum_based::tower_sessions(),
        "axum_session" => axum_based::axum_session(),
        "actix-web" => actix::bare(),
        "actix-session" => actix::sessions(),
        "poem-bare" => poem_based::bare(),
        "poem" => poem_based::sessions(),
        other => return Err(format!("no such library: {other}").into()),
    })
}

/// Allocations, nothing, nanoseconds, calls.
fn measured(library: &str, scenario: &str) -> Result<[f64; 4], Error> {
    let mut subject = Subject::new(library, scenario)?;
    (0..200).for_each(|_| subject.send());
    let (region, calls) = (Region::new(ALLOCATOR), calls::so_far());
    (0..REQUESTS).for_each(|_| subject.send());
    let change = region.change();
    let each = |count: u64| (count as f64 / REQUESTS as f64 * 100.0).round() / 100.0;
    let allocations = each((change.allocations + change.reallocations) as u64).round();
    let calls = each(calls::so_far() - calls);
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        (0..4_000).for_each(|_| subject.send());
        best = best.min(start.elapsed() / 4_000);
    }
    Ok([allocations, 0.0, best.as_nanos() as f64, calls])
}

fn instructions(library: &str, scenario: &str) -> Result<f64, Error> {
    let (once, twice) = (
        collected(library, scenario, REQUESTS)?,
        collected(library, scenario, 2 * REQUESTS)?,
    );
    Ok((twice - once) / REQUESTS as f64)
}

fn collected(library: &str, scenario: &str, requests: u64) -> Result<f64, Error> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["run", library, scenario, &requests.to_string()])
        .output()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = report
        .lines()
        .find(|line| line.contains("Collected"))
        .ok_or(report.clone())?;
    Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
}

/// The name and value that a response sets, if it sets something.
fn pair(line: Option<&[u8]>) -> String {
    let line = line.unwrap_or_default();
    let end = line
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(line.len());
    String::from_utf8_lossy(&line[..end]).into_owned()
}

pub const BODY: &str = "a response of some length";
