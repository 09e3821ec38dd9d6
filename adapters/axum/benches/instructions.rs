//! Instructions (valgrind's callgrind) and time for each request, above the bare handler.
//!
//! Instructions are counted by running the same scenario with N and with 2 N requests and taking the difference, so that
//! start-up does not count. Without valgrind only the time is printed.

#![allow(missing_docs, clippy::print_stdout, unreachable_pub)]

mod support;

use std::process::Command;
use std::time::Instant;
use support::{SCENARIOS, Scenario, Subject, goal};

const REQUESTS: u64 = 400;

const GOALS: [(&str, i64); 6] = [
    ("untouched", 3_000),
    ("untouched, 8 foreign cookies", 3_000),
    ("read", 6_000),
    ("counter", 11_000),
    ("create", 8_000),
    ("unknown token", 6_000),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, run, name, requests] = &arguments[..]
        && run == "--run"
    {
        let scenario = SCENARIOS
            .iter()
            .find(|scenario| scenario.name == name)
            .expect("a known scenario");
        measure(scenario, requests.parse().expect("a number"));
        return;
    }
    println!(
        "{:<30} {:>14} {:>12} {:>8} {:>12}",
        "a request", "instructions", "above bare", "goal", "ns above"
    );
    let (mut bare, mut bare_time) = (0, 0);
    for scenario in &SCENARIOS {
        let instructions = instructions(scenario).unwrap_or(0);
        let time = (0..5).map(|_| measure(scenario, 20_000)).min().unwrap_or(0);
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
fn measure(scenario: &Scenario, requests: u64) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let subject = Subject::new(scenario).await;
        let mut spent = std::time::Duration::ZERO;
        for _ in 0..requests {
            let request = subject.request().await;
            let start = Instant::now();
            subject.send(request).await;
            spent += start.elapsed();
        }
        i64::try_from(spent.as_nanos() / u128::from(requests)).expect("no eternity")
    })
}

fn instructions(scenario: &Scenario) -> Option<i64> {
    let once = collected(scenario, REQUESTS)?;
    let twice = collected(scenario, 2 * REQUESTS)?;
    Some((twice - once) / REQUESTS as i64)
}

fn collected(scenario: &Scenario, requests: u64) -> Option<i64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .args(["--run", scenario.name, &requests.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = report.lines().find(|line| line.contains("Collected"))?;
    line.rsplit(' ').next()?.parse().ok()
}
