//! Instructions (valgrind's callgrind) and time for each request, above the bare handler.
//!
//! Instructions are counted by running the same scenario with N and with 2 N requests and taking
//! the difference, so that start-up does not count. What it takes to make the requests, among it
//! the session that each rotation consumes, is subtracted. Without valgrind only the time is
//! printed.

#![allow(missing_docs, clippy::print_stdout, unreachable_pub)]

mod support;

use std::process::Command;
use std::time::Instant;
use support::{SCENARIOS, Scenario, Subject, goal};

const REQUESTS: u64 = 400;

/// With all guarantees and SHA-256 in software, which alone is 3,400 of each but untouched.
const GOALS: [(&str, i64); 7] = [
    ("untouched", 2_200),
    ("untouched, 8 foreign cookies", 2_200),
    ("read", 10_800),
    ("counter", 15_300),
    ("create", 13_000),
    ("unknown token", 8_900),
    ("rotate", 24_000),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode @ ("--run" | "--prepare"), name, requests] =
        &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        let scenario = SCENARIOS
            .iter()
            .find(|scenario| scenario.name == *name)
            .expect("a known scenario");
        let requests = requests.parse().expect("a number");
        measure(scenario, requests, *mode == "--run");
        return;
    }
    println!(
        "{:<30} {:>14} {:>12} {:>8} {:>12}",
        "a request", "instructions", "above bare", "goal", "ns above"
    );
    let (mut bare, mut bare_time) = (0, 0);
    for scenario in &SCENARIOS {
        let instructions = instructions(scenario).unwrap_or(0);
        let time = (0..5)
            .map(|_| measure(scenario, 20_000, true))
            .min()
            .unwrap_or(0);
        if scenario.name == SCENARIOS[0].name {
            (bare, bare_time) = (instructions, time);
        }
        println!(
            "{:<30} {:>14} {:>12} {:>8} {:>12}",
            scenario.name,
            instructions,
            instructions - bare,
            goal(&GOALS, scenario.name),
            time - bare_time
        );
    }
}

/// Nanoseconds for each request.
fn measure(scenario: &Scenario, requests: u64, sends: bool) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let subject = Subject::new(scenario).await;
        let mut spent = std::time::Duration::ZERO;
        for _ in 0..requests {
            let request = subject.request().await;
            if sends {
                let start = Instant::now();
                subject.send(request).await;
                spent += start.elapsed();
            }
        }
        i64::try_from(spent.as_nanos() / u128::from(requests)).expect("no eternity")
    })
}

fn instructions(scenario: &Scenario) -> Option<i64> {
    let all = |mode| {
        let once = collected(scenario, mode, REQUESTS)?;
        Some(collected(scenario, mode, 2 * REQUESTS)? - once)
    };
    Some((all("--run")? - all("--prepare")?) / REQUESTS as i64)
}

fn collected(scenario: &Scenario, mode: &str, requests: u64) -> Option<i64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .args([mode, scenario.name, &requests.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = report.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(' ').next()?.parse().ok()
}
