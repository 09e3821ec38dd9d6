//! `stats`.

use std::collections::HashSet;
use std::time::Duration;

use cloakroom::UnixTime;
use serde_json::{Value, json};

use crate::args::Args;
use crate::failure::{Failure, Status};
use crate::interrupt::Interrupt;
use crate::open::open;
use crate::output::{Output, moment};
use crate::progress;
use crate::view::{self, Depth, Session, Sight, look};
use crate::walk::Walk;

/// The limits of the table of ends.
const SOON: [(&str, Duration); 3] = [
    ("within an hour", Duration::from_secs(3_600)),
    ("within a day", Duration::from_secs(24 * 3_600)),
    ("within a week", Duration::from_secs(7 * 24 * 3_600)),
];

pub(crate) async fn stats(args: &Args, output: &Output) -> Result<Status, Failure> {
    let config = view::config(args)?;
    let opened = open(args).await?;
    let mut walk = Walk::new(&opened)?;
    let epoch = view::epoch(&config, &opened.store).await?;
    let interrupt = Interrupt::listen();
    let progress = progress::counting("records");
    let mut stats = Stats::new(view::now());
    while let Some(records) = walk.page().await? {
        if interrupt.is_set() {
            progress.finish_and_clear();
            output.note("Interrupted.");
            return Ok(Status::Interrupted);
        }
        progress.inc(records.len() as u64);
        for entry in records {
            stats.records += 1;
            stats.bytes += entry.stored.bytes.len();
            match look(&config, &epoch, &entry.key, entry.stored, Depth::Head) {
                Sight::Session(session) => stats.count(&session),
                Sight::Passed => stats.retired += 1,
                Sight::Foreign => stats.foreign += 1,
                Sight::Unreadable => stats.unreadable += 1,
            }
        }
    }
    progress.finish_and_clear();
    match output.is_json() {
        true => output.print_json(&stats.to_json())?,
        false => output.print(&stats.to_text())?,
    }
    Ok(Status::Done)
}

#[derive(Debug)]
struct Stats {
    at: UnixTime,
    records: usize,
    bytes: usize,
    sessions: usize,
    signed_in: usize,
    /// Hashes of the names would do, but the names are a small part of what was read.
    subjects: HashSet<String>,
    largest: usize,
    ends: [usize; 3],
    oldest: Option<UnixTime>,
    retired: usize,
    foreign: usize,
    unreadable: usize,
}

impl Stats {
    fn new(at: UnixTime) -> Self {
        Self {
            at,
            records: 0,
            bytes: 0,
            sessions: 0,
            signed_in: 0,
            subjects: HashSet::new(),
            largest: 0,
            ends: [0; 3],
            oldest: None,
            retired: 0,
            foreign: 0,
            unreadable: 0,
        }
    }

    fn count(&mut self, session: &Session) {
        self.sessions += 1;
        self.largest = self.largest.max(session.bytes);
        if let Some(subject) = &session.subject {
            self.signed_in += 1;
            if !self.subjects.contains(subject) {
                self.subjects.insert(subject.clone());
            }
        }
        let left = session.expires_at.since(self.at);
        for (number, (_, limit)) in self.ends.iter_mut().zip(SOON) {
            *number += usize::from(left <= limit);
        }
        let oldest = self.oldest.unwrap_or(session.created_at);
        self.oldest = Some(oldest.min(session.created_at));
    }

    fn to_json(&self) -> Value {
        let [hour, day, week] = self.ends;
        json!({
            "at": moment(self.at),
            "sessions": self.sessions,
            "signed_in": self.signed_in,
            "anonymous": self.sessions - self.signed_in,
            "subjects": self.subjects.len(),
            "ending_within": { "hour": hour, "day": day, "week": week },
            "oldest_created_at": self.oldest.and_then(moment),
            "largest_record_bytes": self.largest,
            "records": self.records,
            "bytes": self.bytes,
            "retired": self.retired,
            "of_another_cookie": self.foreign,
            "unreadable": self.unreadable,
        })
    }

    fn to_text(&self) -> String {
        let mut rows = vec![
            ("sessions".to_owned(), self.sessions.to_string()),
            ("signed in".to_owned(), self.signed_in.to_string()),
            (
                "anonymous".to_owned(),
                (self.sessions - self.signed_in).to_string(),
            ),
            ("subjects".to_owned(), self.subjects.len().to_string()),
        ];
        for ((name, _), number) in SOON.iter().zip(self.ends) {
            rows.push((format!("end {name}"), number.to_string()));
        }
        let oldest = self.oldest.and_then(moment);
        rows.extend([
            (
                "oldest created".to_owned(),
                oldest.unwrap_or_else(|| "-".to_owned()),
            ),
            (
                "largest record".to_owned(),
                format!("{} bytes", self.largest),
            ),
            (
                "records".to_owned(),
                format!("{} of {} bytes", self.records, self.bytes),
            ),
            ("retired".to_owned(), self.retired.to_string()),
            ("of another cookie".to_owned(), self.foreign.to_string()),
            ("unreadable".to_owned(), self.unreadable.to_string()),
        ]);
        rows.iter()
            .map(|(name, value)| format!("{name:<18} {value}\n"))
            .collect()
    }
}
