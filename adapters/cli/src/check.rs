//! `check`.

mod advice;
mod eviction;
pub(crate) mod probe;

use std::time::{Duration, Instant};

use cloakroom::{Store as _, StoreError};
use cloakroom_any::Opened;
use serde_json::{Value, json};

use crate::args::Args;
use crate::failure::{Failure, Status};
use crate::open::{open, scheme};
use crate::output::Output;

/// How many loads the latency is the median of. Odd, so that there is a middle one.
const LOADS: usize = 21;

pub(crate) async fn check(args: &Args, output: &Output) -> Result<Status, Failure> {
    let began = Instant::now();
    let opened = open(args).await?;
    let connected = began.elapsed();

    let latency = latency(&opened).await?;
    let mut report = Report::new(connected, latency);
    report.findings.extend(probe::rights(&opened).await);
    report.findings.push(probe::clock(&opened).await);
    let url = args.store.as_deref().unwrap_or_default();
    let scheme = scheme(url);
    report.eviction = eviction::policies(args, &scheme).await;
    if report.eviction.as_deref() == Some(&["noeviction".to_owned()]) {
        report.findings.push(Finding::good(
            "eviction",
            "A full server drops no session (`maxmemory-policy noeviction`).",
        ));
    }
    report.advice = advice::on(&scheme, url, &opened, latency.median);
    if eviction::is_redis(&scheme) {
        report
            .advice
            .extend(advice::on_eviction(report.eviction.as_deref()));
    }

    match output.is_json() {
        true => output.print_json(&report.to_json(&opened))?,
        false => output.print(&report.to_text())?,
    }
    Ok(match report.is_good() {
        true => Status::Done,
        false => Status::Refused,
    })
}

/// One thing that was tried.
#[derive(Debug)]
pub(crate) struct Finding {
    what: &'static str,
    good: bool,
    sentence: String,
}

impl Finding {
    fn good(what: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            what,
            good: true,
            sentence: sentence.into(),
        }
    }

    fn bad(what: &'static str, sentence: impl Into<String>) -> Self {
        Self {
            what,
            good: false,
            sentence: sentence.into(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Latency {
    median: Duration,
    worst: Duration,
}

/// Loads a record that is not there: one round trip each.
async fn latency(opened: &Opened) -> Result<Latency, StoreError> {
    let key = probe::key()?;
    let mut times = Vec::with_capacity(LOADS);
    for _ in 0..LOADS {
        let began = Instant::now();
        opened.store.load(&key).await?;
        times.push(began.elapsed());
    }
    times.sort();
    let [.., worst] = times[..] else {
        return Ok(Latency {
            median: Duration::ZERO,
            worst: Duration::ZERO,
        });
    };
    Ok(Latency {
        median: times[times.len() / 2],
        worst,
    })
}

#[derive(Debug)]
struct Report {
    connected: Duration,
    latency: Latency,
    findings: Vec<Finding>,
    /// Of a Redis server.
    eviction: Option<Vec<String>>,
    advice: Vec<String>,
}

impl Report {
    fn new(connected: Duration, latency: Latency) -> Self {
        Self {
            connected,
            latency,
            findings: Vec::new(),
            eviction: None,
            advice: Vec::new(),
        }
    }

    fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| finding.good)
    }

    fn to_json(&self, opened: &Opened) -> Value {
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "check": finding.what,
                    "good": finding.good,
                    "sentence": finding.sentence,
                })
            })
            .collect();
        json!({
            "good": self.is_good(),
            "connected_ms": milliseconds(self.connected),
            "load_ms": {
                "median": milliseconds(self.latency.median),
                "worst": milliseconds(self.latency.worst),
                "of": LOADS,
            },
            "abilities": {
                "list": opened.directory.is_some(),
                "sweep": opened.sweeper.is_some(),
                "enumerate": opened.enumerator.is_some(),
            },
            "eviction": self.eviction,
            "findings": findings,
            "advice": self.advice,
        })
    }

    fn to_text(&self) -> String {
        let mut text = format!(
            "good  connection  Opened in {:.1} ms.\n\
             good  latency     A load takes {:.2} ms, the longest of {LOADS} took {:.2} ms.\n",
            milliseconds(self.connected),
            milliseconds(self.latency.median),
            milliseconds(self.latency.worst),
        );
        for finding in &self.findings {
            let mark = if finding.good { "good" } else { "BAD " };
            text.push_str(&format!(
                "{mark}  {:<11} {}\n",
                finding.what, finding.sentence
            ));
        }
        for advice in &self.advice {
            text.push_str(&format!("note  {advice}\n"));
        }
        text
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
