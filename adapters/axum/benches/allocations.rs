//! Allocations and store calls for each request, above the bare handler.

#![allow(missing_docs, clippy::print_stdout, unreachable_pub)]

mod support;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use support::{SCENARIOS, Subject};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    const REQUESTS: usize = 1_000;
    let mut bare = 0;
    println!(
        "{:<30} {:>12} {:>6}",
        "allocations a request", "above bare", "goal"
    );
    for scenario in &SCENARIOS {
        let subject = Subject::new(scenario).await;
        for _ in 0..100 {
            subject.send(subject.request().await).await;
        }
        let mut allocations = 0;
        for _ in 0..REQUESTS {
            let request = subject.request().await;
            let region = Region::new(ALLOCATOR);
            subject.send(request).await;
            let change = region.change();
            allocations += change.allocations + change.reallocations;
        }
        let each = (allocations as f64 / REQUESTS as f64).round() as i64;
        if scenario.name == SCENARIOS[0].name {
            bare = each;
            println!("{:<30} {:>12} {:>6}   (absolute)", scenario.name, each, "");
            continue;
        }
        let goal = scenario
            .allocations
            .filter(|goal| *goal < i64::MAX)
            .map(|goal| goal.to_string())
            .unwrap_or_default();
        println!("{:<30} {:>12} {:>6}", scenario.name, each - bare, goal);
    }
}
