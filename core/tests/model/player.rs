//! An exchange that is being played.

use cloakroom_core::{Commit, Error, Exchange, Session, UnixTime};
use sha2::{Digest, Sha256};

use super::request::{CREATED, Request, Seen};

#[allow(clippy::large_enum_variant, reason = "only one is alive at a time")]
pub(super) enum Live {
    Opening(Exchange),
    Committing(Commit),
    Uncertain,
    Refused,
    Failed,
}

/// An exchange that is being played.
pub(super) struct Player {
    pub(super) live: Live,
    pub(super) request: Request,
    pub(super) mints: u8,
    pub(super) seen: Option<Seen>,
}

pub(super) fn entropy(who: u8, mint: u8) -> [u8; 64] {
    let mut entropy = [0; 64];
    for (n, half) in entropy.chunks_exact_mut(32).enumerate() {
        half.copy_from_slice(&Sha256::digest([who, mint, n as u8]));
    }
    entropy
}

pub(super) fn seen(session: &Session<'_>) -> Option<Seen> {
    (!session.is_new()).then(|| Seen {
        // A format without times: by the value that only the first one has, and its successors.
        first: session.created_at().as_secs() == CREATED
            || (session.subject().is_none() && session.contains("base")),
        signed_in: session.subject().is_some(),
    })
}

impl Player {
    pub(super) fn ready(&mut self) {
        let Live::Opening(exchange) = &mut self.live else {
            return;
        };
        if exchange.wants_load().is_some() {
            return;
        }
        let mut session = exchange.session().expect("loaded");
        self.seen = seen(&session);
        self.request.op.handle(&mut session);
        if let Live::Opening(exchange) = std::mem::replace(&mut self.live, Live::Failed) {
            let now = UnixTime::from_secs(self.request.now);
            let claim = match self.request.op.claims() {
                true => exchange.claim("c", now),
                false => Ok(None),
            };
            self.live = match claim {
                Ok(claim) => Live::Committing(claim.unwrap_or_else(|| exchange.finish(now))),
                Err(Error::Superseded) => Live::Refused,
                Err(_) => Live::Failed,
            };
        }
        self.mint();
    }

    pub(super) fn mint(&mut self) {
        while matches!(self.live, Live::Committing(Commit::Mint(_))) {
            if let Live::Committing(Commit::Mint(mint)) =
                std::mem::replace(&mut self.live, Live::Failed)
            {
                let entropy = entropy(self.request.who, self.mints);
                self.mints += 1;
                self.live = match mint.with(entropy) {
                    Ok(commit) => Live::Committing(commit),
                    Err(Error::Superseded) => Live::Refused,
                    Err(_) => Live::Failed,
                };
            }
        }
    }
}
