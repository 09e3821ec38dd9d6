//! The values of a session, one by one.

use std::convert::Infallible;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::journal::{Room, Update};
use crate::record::{Head, MORE, Record, Seed, check_name, entry_len, head_len};
use crate::values::{self, Encoded, Order};
use crate::{Error, Limits, Session};

impl Session<'_> {
    /// Returns the value under this name. A stored `None` (Python's, or a unit) is no value, unless
    /// `T` is a type that holds it.
    ///
    /// Reads as serde_json does: an integer as a float, and another system's tagged value as its
    /// JSON form. A request in which this fails does not extend the session's life.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the value is not a `T`. [`get_or_reset`](Session::get_or_reset) then
    /// removes it. [`Error::Sealed`] if only the visitor's token opens it.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
    /// assert_eq!(session.get::<String>("other")?, None);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        match self.encoded(name) {
            Some(value) => self.noting(values::decode(name, value)),
            None if self.is_hidden(name) => Err(Error::Sealed),
            None => Ok(None),
        }
    }

    /// Returns the value under this name. Removes one that is no `T`, and counts it as absent: for
    /// values whose type changed between two versions of the application.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("cart", "an older version's cart")?;
    /// assert_eq!(session.get_or_reset::<Vec<u32>>("cart"), None);
    /// assert!(!session.contains("cart"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn get_or_reset<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.pending.locked |= self.encoded(name).is_none() && self.is_hidden(name);
        let value = values::decode(name, self.encoded(name)?);
        value.unwrap_or_else(|_| {
            self.remove(name);
            None
        })
    }

    /// Sets a value. Setting an equal value is no change, in whatever order a map iterates.
    ///
    /// The same type reads it back. Rejects values that serde's buffers could not read in part: a
    /// 128-bit integer in a flattened, untagged or internally tagged type. With another
    /// [`Format`](crate::Format), also one in an adjacently tagged type. Where the type alone does
    /// not show how it is read, use [`update`](Session::update), which reads it once.
    ///
    /// # Errors
    ///
    /// - [`Error::InvalidName`].
    /// - [`Error::Encode`] if the value cannot be stored.
    /// - [`Error::Unrepresentable`] if another format has no such type.
    /// - [`Error::TooLarge`] if it nests too deeply, or the session would exceed one of its
    ///   [`Limits`](crate::Limits). Then nothing is changed.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("cart", ["tea", "milk"])?;
    /// assert!(session.insert("", 1).is_err());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn insert(&mut self, name: &str, value: impl Serialize) -> Result<(), Error> {
        check_name(name)?;
        self.check_open()?;
        let value = values::encode(&value, self.config.settings().limits, self.order())?;
        self.config.check_value(name, &value)?;
        self.set(name, Some(value))
    }

    /// Removes a value, whether or not it can be read. Returns whether it was there.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("cart", ["tea"])?;
    /// assert!(session.remove("cart"));
    /// assert!(!session.remove("cart"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn remove(&mut self, name: &str) -> bool {
        self.pending.locked |= self.is_sealed();
        let there = self.encoded(name).is_some();
        // There is always room for one value less.
        let _ = self.set(name, None);
        there
    }

    /// Removes a value and returns it. Two concurrent requests may both get it: use it for a
    /// message, not for something that must be used only once.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the value is not a `T`. Then it stays.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("return_to", "/cart")?;
    /// assert_eq!(session.take::<String>("return_to")?.as_deref(), Some("/cart"));
    /// assert!(!session.contains("return_to"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let value = self.get(name)?;
        self.remove(name);
        Ok(value)
    }

    /// Changes a value by a function of the current one, and returns the new value. A function that
    /// returns an equal value changes nothing.
    ///
    /// If another request changes the session in the meantime, the function runs again over the
    /// newer value, so that n concurrent increments add n. The value that this call returned may
    /// then differ from the saved one. At most 10,000 functions can wait in one request.
    ///
    /// # Errors
    ///
    /// As [`get`](Session::get) and [`insert`](Session::insert). [`Error::Encode`] also if the new
    /// value cannot be read as a `T`.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// let cart = session.update("cart", |cart: Option<Vec<String>>| {
    ///     let mut cart = cart.unwrap_or_default();
    ///     cart.push("tea".into());
    ///     cart
    /// })?;
    /// assert_eq!(cart, ["tea"]);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn update<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        mut f: impl FnMut(Option<T>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let Ok(value) = self.try_update(name, move |value| Ok::<T, Infallible>(f(value)))?;
        Ok(value)
    }

    /// Does the same as [`update`](Session::update) with a function that can fail. Returns the
    /// function's error inside `Ok`, and leaves the session as it is.
    ///
    /// If another request changes the session in the meantime, and the function fails over the
    /// newer value, none of this request's changes are saved. The commit is an
    /// [`Error::UpdateFailed`].
    ///
    /// # Errors
    ///
    /// As [`update`](Session::update).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// let withdraw = |credit: Option<u32>| {
    ///     credit
    ///         .unwrap_or(0)
    ///         .checked_sub(5)
    ///         .ok_or("too little credit")
    /// };
    /// assert_eq!(
    ///     session.try_update("credit", withdraw)?,
    ///     Err("too little credit")
    /// );
    /// assert!(!session.is_modified());
    /// session.insert("credit", 7)?;
    /// assert_eq!(session.try_update("credit", withdraw)?, Ok(2));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn try_update<T: Serialize + DeserializeOwned, E>(
        &mut self,
        name: &str,
        f: impl FnMut(Option<T>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, Error> {
        check_name(name)?;
        self.try_update_any(name, f)
    }

    /// Does the same under any name.
    pub(super) fn try_update_any<T: Serialize + DeserializeOwned, E>(
        &mut self,
        name: &str,
        mut f: impl FnMut(Option<T>) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<T, E>, Error> {
        let value = match f(self.get(name)?) {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        };
        let (limits, order) = (self.config.settings().limits, self.order());
        let encoded = values::encode_readable(&value, limits, order)?;
        self.config.check_value(name, &encoded)?;
        // Neither function captures more than `f`, so that most are boxed without an allocation.
        let again: Update = match order {
            Order::AsWritten => Box::new(move |name, value, limits| {
                run_again(&mut f, name, value, limits, Order::AsWritten)
            }),
            Order::Any => Box::new(move |name, value, limits| {
                run_again(&mut f, name, value, limits, Order::Any)
            }),
        };
        self.note(name, Some(encoded), again)?;
        Ok(Ok(value))
    }

    /// Returns whether there is a value under this name. Does not decode it.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// assert!(session.contains("theme"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.encoded(name).is_some()
    }

    /// Returns whether the values are sealed and this exchange has no token that opens them. Only
    /// [public](crate::ConfigBuilder::public_values) ones are then seen, and every change is an
    /// error: see [`seal_values`](crate::ConfigBuilder::seal_values).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let session = exchange.session()?;
    /// assert!(!session.is_sealed());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.pending.is_locked()
    }

    /// Returns whether there may be a value under this name that only the visitor's token opens.
    fn is_hidden(&self, name: &str) -> bool {
        let public = &self.config.settings().public_values;
        self.is_sealed() && public.iter().all(|public| **public != *name)
    }

    pub(super) fn check_open(&self) -> Result<(), Error> {
        match self.is_sealed() {
            true => Err(Error::Sealed),
            false => Ok(()),
        }
    }

    /// Returns the number of values. Flash values do not count.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// assert_eq!(session.len(), 1);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys().count()
    }

    /// Returns whether there are no values. Flash values do not count.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert!(session.is_empty());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys().next().is_none()
    }

    /// Returns the names of the values, in ascending order.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("b", 1)?;
    /// session.insert("a", 2)?;
    /// assert_eq!(session.keys().collect::<Vec<_>>(), ["a", "b"]);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let names = self.visible().map(|(name, _)| name);
        names.filter_map(|name| std::str::from_utf8(name).ok())
    }

    /// Removes all values, readable or not. If there is something to remove, it also removes values
    /// that other requests add until this one is saved. The session's token, times and subject
    /// stay.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.insert("theme", "dark")?;
    /// session.clear();
    /// assert!(session.is_empty());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn clear(&mut self) {
        self.pending.locked |= self.is_sealed();
        let pending = &mut *self.pending;
        let base = pending.base.as_ref().filter(|_| !pending.destroyed);
        pending.journal.clear(base.map(|base| &base.record));
    }

    /// Keeps a request that could not read its session from extending its life.
    pub(super) fn noting<T>(&self, read: Result<T, Error>) -> Result<T, Error> {
        if read.is_err() {
            self.pending.unread.store(true, Ordering::Relaxed);
        }
        read
    }

    /// In which order a reader gets what is written.
    pub(super) fn order(&self) -> Order {
        match &self.config.settings().format {
            None => Order::AsWritten,
            Some(_) => Order::Any,
        }
    }

    pub(super) fn encoded(&self, name: &str) -> Option<&[u8]> {
        self.pending.journal.value(self.pending.record(), name)
    }

    /// Yields names and encoded values, in ascending order of the names' bytes. Leaves out flash
    /// values, and others under names that no handler can use.
    pub(super) fn visible(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let values = self.pending.journal.values(self.pending.record());
        values.filter(|(name, _)| name.first().is_none_or(|first| *first >= b' '))
    }

    pub(super) fn set(&mut self, name: &str, value: Option<Encoded>) -> Result<(), Error> {
        let room = self.room();
        let pending = &mut *self.pending;
        let base = pending.base.as_ref().filter(|_| !pending.destroyed);
        let base = base.map(|base| &base.record);
        pending.journal.set(base, name, value, room)
    }

    pub(super) fn note(
        &mut self,
        name: &str,
        value: Option<Encoded>,
        update: Update,
    ) -> Result<(), Error> {
        let room = self.room();
        let pending = &mut *self.pending;
        let base = pending.base.as_ref().filter(|_| !pending.destroyed);
        let base = base.map(|base| &base.record);
        pending.journal.update(base, name, value, update, room)
    }

    /// Returns what the record may still hold, so that the call that crosses a limit is the one
    /// that fails.
    pub(super) fn room(&self) -> Room {
        let record = self.pending.record();
        let head = Head {
            writer: Default::default(),
            after: record,
            created: self.created_at(),
            authenticated: self.authenticated_at(),
            subject: self.subject(),
            retired: None,
            expiry: (self.pending.journal.expiry)
                .unwrap_or_else(|| record.and_then(|record| record.expiry)),
            seed: Seed::default(),
            epoch: record.map_or(self.pending.epoch, |record| record.epoch),
            assurance: self.assurance(),
            marked: false,
        };
        let settings = self.config.settings();
        // Public values stand in the record twice.
        let public = settings.public_values.iter().map(|name| {
            let value = self.encoded(name);
            value.map_or(0, |value| entry_len(name, value))
        });
        let sealed = settings.seal_values.then(|| MORE + public.sum::<usize>());
        Room {
            limits: settings.limits,
            head: head_len(&head, record.map_or(0, Record::count)) + sealed.unwrap_or(0),
        }
    }
}

/// Runs the function of an update over another value.
fn run_again<T: Serialize + DeserializeOwned, E>(
    f: &mut impl FnMut(Option<T>) -> Result<T, E>,
    name: &str,
    value: Option<&[u8]>,
    limits: Limits,
    order: Order,
) -> Result<Option<Encoded>, Error> {
    let value = match value {
        Some(value) => values::decode(name, value)?,
        None => None,
    };
    let value = f(value).map_err(|_| Error::UpdateFailed { name: name.into() })?;
    values::encode_readable(&value, limits, order).map(Some)
}
