//! Values for the next request that reads them.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::journal::{Room, Update};
use crate::record::check_name;
use crate::values::{self, Encoded};
use crate::{Error, Session};

/// Flash values are stored among the others, under names that no other value can have.
const FLASH: &str = "\u{1}";

impl Session<'_> {
    /// Leaves a value for the next request that reads flash values, and for that one only: a
    /// message after a redirect.
    ///
    /// # Errors
    ///
    /// As [`insert`](Session::insert).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.flash("notice", "Saved.")?;
    /// // The message is for the next request.
    /// assert_eq!(session.flashed::<String>("notice")?, None);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn flash(&mut self, name: &str, value: impl Serialize) -> Result<(), Error> {
        check_name(name)?;
        self.check_open()?;
        let value = values::encode(&value, self.config.settings().limits, self.order())?;
        let name = flash_name(name);
        self.config.check_value(&name, &value)?;
        self.set(&name, Some(value))
    }

    /// Returns the value that an earlier request left with [`flash`](Session::flash). The first
    /// call ends all flash values: this request can read them again, later ones do not see them.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if it is not a `T`.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// if let Some(notice) = session.flashed::<String>("notice")? {
    ///     // show it
    /// #   let _ = notice;
    /// }
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn flashed<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        self.check_open()?;
        let pending = &mut *self.pending;
        let base = pending.base.as_ref().filter(|_| !pending.destroyed);
        let Some(record) = base.map(|base| &base.record) else {
            return Ok(None);
        };
        let room = Room {
            limits: self.config.settings().limits,
            head: 0,
        };
        let flashes = record.values();
        for (flash, seen) in flashes.filter(|(name, _)| name.starts_with(FLASH.as_bytes())) {
            let Ok(flash) = std::str::from_utf8(flash) else {
                continue;
            };
            // An end without effect is of an earlier value: a claim has loaded the record again.
            if !pending.journal.has(flash) || pending.journal.is_idle(flash) {
                // Another request may leave a value under the same name meanwhile. This one has not
                // seen it, so it stays.
                let seen = Encoded::from_slice(seen);
                let end: Update = Box::new(move |_, now, _| {
                    Ok(now.filter(|now| *now != &seen[..]).map(Encoded::from_slice))
                });
                pending
                    .journal
                    .update(Some(record), flash, None, end, room)?;
            }
        }
        // After `clear`, or a sign-in of another subject, they do not belong to this session.
        let record = pending.journal.base(Some(record));
        let read = match record.and_then(|record| record.value(&flash_name(name))) {
            Some(value) => values::decode(name, value),
            None => Ok(None),
        };
        self.noting(read)
    }
}

fn flash_name(name: &str) -> String {
    format!("{FLASH}{name}")
}
