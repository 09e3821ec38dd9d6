//! The run as a table: a row for each half second.

use std::fmt::Write as _;
use std::time::Duration;

use super::clients::Seen;

const STEP: f64 = 0.5;

/// Half a second, by when its requests began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    /// Its begin, in seconds.
    pub(super) at: f64,
    /// Answers a second.
    pub(super) rate: f64,
    /// In milliseconds, errors too.
    pub(super) p99: f64,
    /// A second.
    pub(super) errors: f64,
    /// By how many milliseconds the oldest page was behind what had been acknowledged.
    pub(super) stale: f64,
}

pub(super) fn rows(all: &[Seen]) -> Vec<Row> {
    let mut times: Vec<Vec<Duration>> = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    let step = |at: Duration| (at.as_secs_f64() / STEP) as usize;
    for sample in all.iter().flat_map(|seen| &seen.samples) {
        let index = step(sample.at);
        if index >= rows.len() {
            rows.resize(index + 1, Row::default());
            times.resize(index + 1, Vec::new());
        }
        match sample.failed {
            true => rows[index].errors += 1.0 / STEP,
            false => rows[index].rate += 1.0 / STEP,
        }
        times[index].push(sample.took);
    }
    for (at, age) in all.iter().flat_map(|seen| &seen.stale) {
        if let Some(row) = rows.get_mut(step(*at)) {
            row.stale = row.stale.max(age.as_secs_f64() * 1e3);
        }
    }
    for (index, (row, times)) in rows.iter_mut().zip(&mut times).enumerate() {
        row.at = index as f64 * STEP;
        times.sort_unstable();
        let slow = times.get(times.len().saturating_sub(1) * 99 / 100);
        row.p99 = slow.map_or(0.0, |took| took.as_secs_f64() * 1e3);
    }
    rows
}

/// Tab-separated fields. An event stands in the row in which it happened.
pub(super) fn text(rows: &[Row], events: &[(Duration, String)]) -> String {
    let mut text = String::from("second\trequests/s\tp99 ms\terrors/s\tstale ms\tevent\n");
    for row in rows {
        let here = |at: Duration| (row.at..row.at + STEP).contains(&at.as_secs_f64());
        let here = events.iter().filter(|(at, _)| here(*at));
        let here: Vec<_> = here.map(|(_, what)| what.as_str()).collect();
        let here = match here.is_empty() {
            true => "-".to_owned(),
            false => here.join("; "),
        };
        let Row {
            at,
            rate,
            p99,
            errors,
            stale,
        } = row;
        let _ = writeln!(
            text,
            "{at:.1}\t{rate:.0}\t{p99:.1}\t{errors:.0}\t{stale:.0}\t{here}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cluster::clients::Sample;

    #[test]
    fn requests_are_counted_in_the_half_second_in_which_they_began() {
        let at = Duration::from_millis;
        let sample = |begun, took, failed| Sample {
            at: at(begun),
            took: at(took),
            failed,
        };
        let seen = Seen {
            samples: vec![
                sample(100, 4, false),
                sample(200, 8, false),
                sample(700, 900, true),
            ],
            stale: vec![(at(710), at(30)), (at(720), at(20))],
            ..Seen::default()
        };
        let rows = rows(&[seen]);
        let [first, second] = &rows[..] else {
            panic!("{rows:?}");
        };
        assert_eq!((first.rate, first.errors, first.stale), (4.0, 0.0, 0.0));
        assert_eq!((second.rate, second.errors, second.stale), (0.0, 2.0, 30.0));
        assert_eq!((first.p99, second.p99), (4.0, 900.0));
        let events = [(at(600), "slots move".to_owned())];
        let lines = text(&rows, &events);
        let mut lines = lines.lines().skip(1);
        assert_eq!(lines.next(), Some("0.0\t4\t4.0\t0\t0\t-"));
        assert_eq!(lines.next(), Some("0.5\t0\t900.0\t2\t30\tslots move"));
    }
}
