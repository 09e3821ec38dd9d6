//! The end of all sessions: one record with a number, which every node reads once a lease.

use cloakroom_core::{Epoch, Exchange, Stored};

use crate::around::Around;
use crate::request::{Live, RETRIES, Request};
use crate::step::{Fault, MAX_CLIENTS};
use crate::truth::Wrong;
use crate::wrong::Mutant;

/// How long a node may rely on an epoch after it sent the load, in seconds.
pub(crate) const LEASE: u64 = 5;

/// The epochs, in truth and as the nodes know them.
#[derive(Default)]
pub(crate) struct Epochs {
    stored: Option<Stored>,
    /// The moments at which all sessions were ended.
    ends: Vec<u64>,
    /// The answer that each node has, and the moment of its question.
    nodes: [Option<(Option<Stored>, u64)>; MAX_CLIENTS as usize],
}

impl Around {
    /// An operator ends all sessions. From a lease later on none of them may be seen.
    pub(crate) fn end_all(&mut self, node: u8) -> Result<bool, Wrong> {
        if !self.environment.ending || usize::from(node) >= self.epochs.nodes.len() {
            return Ok(false);
        }
        let time = cloakroom_core::UnixTime::from_secs(self.clock(node));
        let known = Epoch::read(self.epochs.stored.as_ref());
        let Ok((known, next)) = known.and_then(|known| Ok((known, known.next(time)?))) else {
            return Err("a record that the machine wrote cannot be read");
        };
        if next <= known {
            return Err("an end of all sessions ends none");
        }
        let write = next.write(time);
        let version = self.epochs.ends.len() as u64;
        self.epochs.stored = Some(Stored::new(write.bytes, write.expires_at, version));
        self.epochs.ends.push(self.now);
        self.tell(|| format!("all sessions are ended, from node {node}"));
        Ok(true)
    }

    /// Answers with what the node knows, while its lease lasts.
    pub(crate) fn recall_epoch(
        &mut self,
        request: &mut Request,
        exchange: &mut Exchange,
    ) -> Result<(), Wrong> {
        let wants = exchange.wants_load() == self.config().epoch_key();
        let Some(key) = self.config().epoch_key().filter(|_| wants).cloned() else {
            return Ok(());
        };
        let forever = self.environment.mutant == Mutant::ReadsTheEpochOnce;
        let node = &self.epochs.nodes[usize::from(request.start.node)];
        match node {
            Some((found, since)) if self.now < since + LEASE || forever => {
                let found = found.clone();
                learn(request, exchange, &key, found)
            }
            _ => Ok(()),
        }
    }

    /// Loads the epoch: its answer arrives in a step of its own.
    pub(crate) fn load_epoch(
        &mut self,
        request: &mut Request,
        mut exchange: Exchange,
        fault: Fault,
    ) -> Result<(), Wrong> {
        let id = request.id();
        let fails = !matches!(fault, Fault::None | Fault::Repeat | Fault::Stale);
        if fails && self.environment.mutant == Mutant::EndsNothingOnFailure {
            let Some(key) = exchange.wants_load().cloned() else {
                return Ok(());
            };
            learn(request, &mut exchange, &key, None)?;
            return self.load_on(request, exchange);
        }
        if fails {
            self.tell(|| format!("request {id}: the epoch cannot be read"));
            request.epoch_sent = None;
            if fault == Fault::Broken || !request.retry(true) {
                return self.fail(request, None);
            }
            request.live = Live::Opening(exchange);
            return Ok(());
        }
        request.load_retries = RETRIES;
        let Some((found, sent)) = request.epoch_sent.take() else {
            self.tell(|| format!("request {id} asks for the epoch"));
            request.epoch_sent = Some((self.epochs.stored.clone(), self.now));
            request.live = Live::Opening(exchange);
            return Ok(());
        };
        let since = match self.environment.mutant {
            Mutant::LeasesFromTheAnswer => self.now,
            _ => sent,
        };
        let age = self.now - sent;
        self.tell(|| format!("request {id} learns the epoch of {age} seconds ago"));
        let node = &mut self.epochs.nodes[usize::from(request.start.node)];
        if node.as_ref().is_none_or(|(_, known)| *known <= since) {
            *node = Some((found, since));
        }
        // If it took longer than the lease, it is asked for again.
        self.load_on(request, exchange)
    }

    /// The handler begins: of an epoch that is over nothing is seen.
    pub(crate) fn end_older(&mut self, request: &mut Request) -> Result<(), Wrong> {
        let living = request.fold.living.iter().flatten();
        let proven = living.map(|living| living.content.stamp.epoch).max();
        let stamp = &mut request.change.stamp;
        stamp.epoch = stamp.epoch.max(proven.unwrap_or_default());
        (stamp.ends, stamp.at) = (self.epochs.ends.len(), self.now);
        if !self.environment.ending {
            return Ok(());
        }
        let last = self.epochs.ends.last().copied();
        for ended in request.fold.end_older(stamp.epoch).into_iter().flatten() {
            request.ended_with_all = true;
            // It may have begun on a node that did not know of the last end yet.
            if last.is_none_or(|last| last + LEASE <= ended.content.stamp.at) {
                return Err("a session counts as ended, and nobody ended it");
            }
        }
        Ok(())
    }

    /// A session is seen: it is younger than every end that was more than a lease ago.
    pub(crate) fn check_ends(&self, request: &Request) -> Result<(), Wrong> {
        let Some(base) = &request.base else {
            return Ok(());
        };
        let next = self.epochs.ends.get(base.content.stamp.ends);
        match next.is_some_and(|end| end + LEASE <= self.now) {
            true => Err("a session is seen a lease after all sessions ended"),
            false => Ok(()),
        }
    }
}

fn learn(
    request: &mut Request,
    exchange: &mut Exchange,
    key: &cloakroom_core::Key,
    found: Option<Stored>,
) -> Result<(), Wrong> {
    let number = number(found.as_ref());
    let learnt = exchange.handle_loaded(key, found);
    learnt.map_err(|_| "a record that the machine wrote cannot be read")?;
    request.change.stamp.epoch = number;
    Ok(())
}

/// The number in an epoch's record, read without the library: the last item of its bytes.
fn number(found: Option<&Stored>) -> u64 {
    let Some(found) = found else { return 0 };
    let bytes = found.bytes.get(7..).unwrap_or_default();
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    match first {
        short @ 0..24 => u64::from(*short),
        _ => rest
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    }
}
