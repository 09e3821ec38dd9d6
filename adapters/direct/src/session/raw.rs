//! For protocols on top of sessions.

use cloakroom_core::{Session as CoreSession, UnixTime};

use super::Session;
use crate::Error;
use crate::slot::Phase;

impl<K> Session<K> {
    pub(crate) fn with_core<R>(
        &self,
        f: impl FnOnce(&mut CoreSession<'_>, UnixTime, [u8; 64]) -> R,
    ) -> Result<R, Error> {
        let (now, entropy) = (self.backend.now(), self.backend.much_entropy()?);
        self.change(|session| f(session, now, entropy))
    }

    pub(crate) fn is_touched(&self) -> bool {
        let state = self.slot.try_lock();
        state.is_ok_and(|state| state.phase == Phase::Touched)
    }

    pub(crate) fn in_background(&self) -> Result<(), Error> {
        let mut state = self.slot.try_lock()?;
        state.exchange(&*self.backend)?.in_background();
        Ok(())
    }
}
