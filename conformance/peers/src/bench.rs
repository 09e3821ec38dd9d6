//! Measures what a session adds to a request of a bare handler, in process: allocations,
//! instructions (callgrind), processor time and store calls.
//!
//! Memory stores get one request after the other. Redis gets 64 visitors at once, like a busy
//! server.
//!
//! Instructions are counted with N and with 2 N requests. The difference leaves out the program's
//! start. Times are the process's own processor time, the best of several runs.

mod monitor;

use std::alloc::System;
use std::collections::BTreeMap;
use std::process::Command;

use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::apps::{self, Application, Error, Place, calls};
use monitor::Monitor;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A measured application, and the bare handler that it is compared with.
const LIBRARIES: [(&str, &str); 7] = [
    ("commands", "axum"),
    ("cloakroom", "axum"),
    ("tower-sessions", "axum"),
    ("axum_session", "axum"),
    ("cloakroom-actix", "actix-web"),
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

/// Requests per visitor while counting. On Redis there are 64 visitors.
const TURNS: [u64; 2] = [300, 10];
/// Requests per visitor in each timed run.
const TIMED: [u64; 2] = [3_000, 40];
const RUNS: usize = 7;

/// Prints the whole table, separated by tabs.
pub fn bench(redis: &str) -> Result<(), Error> {
    println!("store\tlibrary\tscenario\tallocations\tinstructions\tns\tcalls");
    for store in ["memory", redis] {
        table(store)?;
    }
    let sha = hashing()?;
    println!(
        "-\tSHA-256\tone of 32 bytes\t0\t{:.0}\t{:.0}\t0",
        sha[1], sha[2]
    );
    Ok(())
}

fn table(store: &str) -> Result<(), Error> {
    let place = Place::new(store);
    let name = match place {
        Place::Memory => "memory",
        Place::Redis(_) => "Redis",
    };
    let mut bare = BTreeMap::new();
    for (library, framework) in LIBRARIES {
        if library == "commands" && name == "memory" {
            continue;
        }
        for (scenario, _) in SCENARIOS {
            // The bare handler gets the same requests.
            let without = match bare.get(&(framework, scenario)) {
                Some(known) => *known,
                None => {
                    let found = measured(framework, scenario, store)?;
                    bare.insert((framework, scenario), found);
                    found
                }
            };
            let with = measured(library, scenario, store)?;
            let over = |at: usize| (with[at] - without[at]).max(0.0);
            // axum_session has no memory store. Its own map holds the sessions.
            let calls = match (library, place) {
                ("axum_session", Place::Memory) => "-".to_owned(),
                _ => format!("{:.2}", with[3]),
            };
            println!(
                "{name}\t{library}\t{scenario}\t{:.1}\t{:.0}\t{:.0}\t{calls}",
                over(0),
                over(1),
                over(2),
            );
        }
    }
    Ok(())
}

/// Runs a scenario a number of times, for callgrind.
pub fn run(library: &str, scenario: &str, store: &str, turns: u64) -> Result<(), Error> {
    if library == "SHA-256" {
        (0..turns).for_each(hash);
        return Ok(());
    }
    let mut visitors = Visitors::new(library, scenario, Place::new(store))?;
    (0..turns).for_each(|_| visitors.come());
    Ok(())
}

fn hash(n: u64) {
    use sha2::Digest as _;
    let mut token = [7; 32];
    token[..8].copy_from_slice(&n.to_le_bytes());
    std::hint::black_box(sha2::Sha256::digest(token));
}

fn hashing() -> Result<[f64; 3], Error> {
    let time = timed(100_000, || (0..100_000).for_each(hash));
    let instructions = instructions(["SHA-256", "-", "memory"], TURNS[0], 1)?;
    Ok([0.0, instructions, time])
}

struct Visitors {
    application: Application,
    path: &'static str,
    cookies: Vec<String>,
    /// Each request carries the token that the last response issued.
    follow: bool,
}

impl Visitors {
    fn new(library: &str, scenario: &str, place: Place<'_>) -> Result<Self, Error> {
        let mut application = apps::in_process(library, place)?;
        let count = match place {
            Place::Memory => 1,
            Place::Redis(_) => 64,
        };
        let mut cookies = application("/fill", &vec![String::new(); count]);
        for cookie in &mut cookies {
            if cookie.is_empty() {
                // The bare handler gets a cookie as well.
                *cookie = format!("id={}", "A".repeat(43));
            }
        }
        let path = SCENARIOS.iter().find(|(name, _)| *name == scenario);
        let (_, path) = *path.ok_or("no such scenario")?;
        let foreign: String = (0..8)
            .map(|n| format!("_tracker_{n}=GA1.2.1234567890.170000000{n}; "))
            .collect();
        match scenario {
            "create" => cookies.fill(String::new()),
            "untouched, 8 cookies" => {
                for cookie in &mut cookies {
                    cookie.insert_str(0, &foreign);
                }
            }
            "unknown token" => {
                // The token of an ended session: well-formed, with a valid signature.
                application("/end", &cookies);
            }
            _ => {}
        }
        Ok(Self {
            application,
            path,
            cookies,
            follow: scenario == "rotate",
        })
    }

    fn come(&mut self) {
        let set = (self.application)(self.path, &self.cookies);
        if self.follow {
            for (cookie, set) in self.cookies.iter_mut().zip(set) {
                if !set.is_empty() {
                    *cookie = set;
                }
            }
        }
    }
}

/// Per request: allocations, instructions, nanoseconds, store calls.
fn measured(library: &str, scenario: &str, store: &str) -> Result<[f64; 4], Error> {
    let place = Place::new(store);
    let mut visitors = Visitors::new(library, scenario, place)?;
    let at = usize::from(matches!(place, Place::Redis(_)));
    let count = visitors.cookies.len() as u64;
    let requests = (TURNS[at] * count) as f64;
    (0..TURNS[at]).for_each(|_| visitors.come());
    let (region, before) = (Region::new(ALLOCATOR), calls::so_far());
    (0..TURNS[at]).for_each(|_| visitors.come());
    let change = region.change();
    let allocations = (change.allocations + change.reallocations) as f64 / requests;
    let calls = match place {
        Place::Memory => (calls::so_far() - before) as f64 / requests,
        Place::Redis(url) => {
            let monitor = Monitor::new(url)?;
            visitors.come();
            monitor.commands()? as f64 / count as f64
        }
    };
    let time = (0..RUNS)
        .map(|_| {
            timed(TIMED[at] * count, || {
                (0..TIMED[at]).for_each(|_| visitors.come())
            })
        })
        .fold(f64::MAX, f64::min);
    // Rounded to tenths. Hash tables that grow now and then are no cost of the request.
    let instructions = instructions([library, scenario, store], TURNS[at], count)?;
    Ok([allocations, instructions, time, calls])
}

/// Returns the processor time in nanoseconds of each of `count` requests.
fn timed(count: u64, act: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    let begin = now();
    act();
    (now() - begin) / count as f64
}

fn instructions(what: [&str; 3], turns: u64, count: u64) -> Result<f64, Error> {
    let (once, twice) = (collected(what, turns)?, collected(what, 2 * turns)?);
    Ok((twice - once) / (turns * count) as f64)
}

fn collected(what: [&str; 3], turns: u64) -> Result<f64, Error> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg("run")
        .args(what)
        .arg(turns.to_string())
        .output()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = report.lines().find(|line| line.contains("Collected"));
    let line = line.ok_or_else(|| report.clone())?;
    Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
}

/// Returns the memory that a session of ten values takes in each store, hash tables included.
pub fn heap() -> Result<(), Error> {
    println!("library\tbytes");
    let hundred = vec![String::new(); 100];
    for (library, _) in LIBRARIES
        .into_iter()
        .filter(|(name, _)| *name != "commands")
    {
        let mut application = apps::in_process(library, Place::Memory)?;
        application("/fill", &hundred);
        let region = Region::new(ALLOCATOR);
        (0..100).for_each(|_| drop(application("/fill", &hundred)));
        let change = region.change();
        let held = change
            .bytes_allocated
            .saturating_sub(change.bytes_deallocated);
        println!("{library}\t{:.0}", held as f64 / 10_000.0);
    }
    Ok(())
}
