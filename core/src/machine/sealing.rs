//! The keys and nonces with which an exchange opens and seals records.

use sha2::{Digest, Sha256};

use crate::seal::{NONCE_LEN, Opener};
use crate::translate::Seal;
use crate::{Error, Key};

use super::Machine;

/// The nonces of one exchange: random, and different for each record that it seals.
#[derive(Default)]
pub(super) struct Nonces {
    start: [u8; NONCE_LEN],
    used: u32,
}

impl Nonces {
    /// Begins with randomness that was not used before. Its first half may have become a token, so
    /// nothing of it can be shown.
    pub(super) fn begin(&mut self, entropy: &[u8; 64]) {
        let digest = Sha256::new()
            .chain_update(b"cloakroom nonce of sealed values\0")
            .chain_update(entropy)
            .finalize();
        for (start, byte) in self.start.iter_mut().zip(digest) {
            *start = byte;
        }
    }

    fn next(&mut self) -> [u8; NONCE_LEN] {
        // Rule nonce: a commit that loses a race seals again, under the same key.
        self.used += 1;
        let mut nonce = self.start;
        for (byte, used) in nonce.iter_mut().zip(self.used.to_le_bytes()) {
            *byte ^= used;
        }
        nonce
    }
}

impl Machine {
    /// Returns what opens the values under this key: the same as when the session was loaded.
    pub(super) fn opener(&self, key: &Key) -> Option<Opener> {
        let base = self.pending.base.as_deref();
        base.filter(|base| base.key == *key)?.opener.clone()
    }

    /// Returns whether this exchange may not change the session: its values are sealed or to be
    /// sealed, and only a key is known.
    pub(super) fn is_barred(&self) -> bool {
        let base = self.pending.base.as_deref();
        let seals = self.config.settings().seal_values;
        base.filter(|_| !self.pending.destroyed)
            .is_some_and(|base| {
                base.record.is_locked()
                    || seals && base.opener.is_none() && !self.follows_unsealed()
            })
    }

    /// Returns whether a token led here by way of a retired record that was not sealed.
    fn follows_unsealed(&self) -> bool {
        let base = self.pending.base.as_deref();
        self.presented && base.is_some_and(|base| base.via && !base.record.is_locked())
    }

    /// Returns what seals a record under the key of the session that was loaded.
    ///
    /// # Errors
    ///
    /// [`Error::Sealed`] if only the key is known, and not the token.
    pub(super) fn seal_base(&mut self) -> Result<Option<Seal>, Error> {
        let base = self.pending.base.as_deref();
        let place = base.map(|base| (base.opener.clone(), base.key.clone()));
        self.seal_with(place)
    }

    /// Returns what seals the record under a new token.
    pub(super) fn seal_new(&mut self) -> Result<Option<Seal>, Error> {
        let new = self.new.as_ref();
        let place = new.map(|new| (new.opener.clone(), new.key.clone()));
        self.seal_with(place)
    }

    fn seal_with(&mut self, place: Option<(Option<Opener>, Key)>) -> Result<Option<Seal>, Error> {
        if !self.config.settings().seal_values {
            return Ok(None);
        }
        match place {
            Some((Some(opener), key)) => Ok(Some(Seal {
                secret: opener.secret(&key),
                nonce: self.nonces.next(),
            })),
            // The session was rotated before its values were sealed. Its owner seals them.
            _ if self.follows_unsealed() => Ok(None),
            _ => Err(Error::Sealed),
        }
    }
}
