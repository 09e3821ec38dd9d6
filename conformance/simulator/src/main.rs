//! `simulate`: plays schedules until the time is over or a promise is broken.

use std::io::{self, Write as _};
use std::process::ExitCode;
fn main() -> ExitCode {
    let mut sim = cloakroom_simulator::Simulator::new();
    let begin = std::time::Instant::now();
    let (mut n, mut r, mut s) = (0u64, 0, 0);
    let secs: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(5);
    let seed: u64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(0);
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    while begin.elapsed().as_secs() < secs {
        let ground = cloakroom_simulator::Ground { seed: seed + n, ..Default::default() };
        match sim.play(ground) {
            Ok(p) => { r += p.requests; s += p.steps; }
            Err(v) => {
                let c = seen.entry(v.wrong).or_default(); *c += 1;
                if *c == 1 {
                let short = cloakroom_simulator::shorten(&mut sim, &v.trace, v.wrong);
                let (story, result) = sim.story(&short);
                let _ = writeln!(io::stdout(), "\n{} (seed {}, {} steps)\n{}\n{}\n{:?}", v.wrong, seed + n, v.trace.steps.len(), short, story.join("\n"), result);
                }
            }
        }
        n += 1;
    }
    let _ = writeln!(io::stdout(), "{n} schedules, {r} requests, {s} steps {seen:?}");
    ExitCode::SUCCESS
}
