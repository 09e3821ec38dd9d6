//! Allocations and store calls for each request, above the bare handler.

#![allow(missing_docs, clippy::print_stdout, unreachable_pub)]

mod support;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use support::{SCENARIOS, Subject, goal};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const GOALS: [(&str, i64); 6] = [
    ("untouched", 4),
    ("untouched, 8 foreign cookies", 4),
    ("read", 8),
    ("counter", 14),
    ("create", 12),
    ("unknown token", 6),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    const REQUESTS: u64 = 1_000;
    let mut bare = 0;
    println!(
        "{:<30} {:>12} {:>6} {:>12}",
        "a request", "allocations", "goal", "store calls"
    );
    for scenario in &SCENARIOS {
        let subject = Subject::new(scenario).await;
        for _ in 0..100 {
            subject.send(subject.request().await).await;
        }
        let (mut allocations, mut calls) = (0, 0);
        for _ in 0..REQUESTS {
            let request = subject.request().await;
            let (region, calls_before) = (Region::new(ALLOCATOR), subject.calls());
            subject.send(request).await;
            let change = region.change();
            allocations += change.allocations + change.reallocations;
            calls += subject.calls() - calls_before;
        }
        // Growth of the store's tables, now and then, rounds away.
        let each = (allocations as f64 / REQUESTS as f64).round() as i64;
        if scenario.name == SCENARIOS[0].name {
            bare = each;
            println!(
                "{:<30} {:>12} {:>6} {:>12}   absolute; the others above it",
                scenario.name, each, "", 0
            );
            continue;
        }
        let (goal, calls) = (goal(&GOALS, scenario.name), calls as f64 / REQUESTS as f64);
        println!(
            "{:<30} {:>12} {:>6} {:>12}",
            scenario.name,
            each - bare,
            goal,
            calls
        );
    }
}
