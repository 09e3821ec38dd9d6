//! A session as one struct or map of the application's.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::journal::Update;
use crate::record::check_name;
use crate::values::{self, Encoded, Failed};
use crate::{Error, Session};

/// The most values that are removed one by one. Beyond that, all are removed.
const MAX_RESETS: usize = 16;

impl Session<'_> {
    /// Returns the whole session as one struct (or map): each field is the value under its name.
    /// Ignores names that `T` has no field for. Fields that may be missing need
    /// `#[serde(default)]`.
    ///
    /// A request in which this fails does not extend the session's life.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the values do not make a `T`. It names the field.
    /// [`typed_or_reset`](Session::typed_or_reset) then removes that field.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// #[derive(serde::Deserialize)]
    /// #[serde(default)]
    /// #[derive(Default)]
    /// struct Shop {
    ///     visits: u64,
    /// }
    ///
    /// session.insert("visits", 3)?;
    /// assert_eq!(session.typed::<Shop>()?.visits, 3);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.check_open()?;
        let read = values::decode_all(self.visible());
        self.noting(read.map(|(value, _)| value).map_err(Error::from))
    }

    /// Returns the whole session as one struct. Removes values of another type, and counts them as
    /// absent: for types that changed between two versions of the application.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if an empty session is no `T` either. Then nothing is removed.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// #[derive(Default, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Shop {
    ///     visits: u64,
    ///     cart: Vec<u32>,
    /// }
    ///
    /// session.insert("visits", 3)?;
    /// session.insert("cart", "an older version's cart")?;
    /// let shop: Shop = session.typed_or_reset()?;
    /// assert_eq!((shop.visits, shop.cart.len()), (3, 0));
    /// assert!(!session.contains("cart"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn typed_or_reset<T: DeserializeOwned>(&mut self) -> Result<T, Error> {
        self.check_open()?;
        let mut removed: Vec<String> = Vec::new();
        loop {
            let kept = self
                .visible()
                .filter(|(name, _)| removed.iter().all(|removed| removed.as_bytes() != *name));
            let failed = match values::decode_all(kept) {
                Ok((value, _)) => {
                    for name in removed {
                        self.remove(&name);
                    }
                    return Ok(value);
                }
                Err(Failed { error, .. }) => error,
            };
            match &failed {
                Error::Decode { name, .. }
                    if removed.len() < MAX_RESETS
                        && self.contains(name)
                        && removed.iter().all(|removed| **removed != **name) =>
                {
                    removed.push((**name).into());
                }
                _ => {
                    let empty = values::decode_all(std::iter::empty());
                    let Ok((value, _)) = empty else {
                        return self.noting(Err(failed));
                    };
                    let all: Vec<String> = self.keys().map(str::to_owned).collect();
                    for name in all {
                        self.remove(&name);
                    }
                    return Ok(value);
                }
            }
        }
    }

    /// Changes the session as one struct. Writes only the fields that the function changed, so that
    /// other requests' changes of the others survive.
    ///
    /// - A field that had no value, and got one from `#[serde(default)]`, is written too, unless
    ///   another request writes it first. A `None` is not.
    /// - Names that the type reads and no longer writes (`#[serde(alias)]`) are removed if both
    ///   would be one field.
    ///
    /// The result is read once as a `T`, before anything is changed.
    ///
    /// # Errors
    ///
    /// As [`typed`](Session::typed) and [`insert`](Session::insert). [`Error::Encode`] if `T` is no
    /// struct or map, or the result cannot be read as a `T`. Then nothing is changed.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Shop {
    ///     visits: u64,
    ///     cart: Vec<String>,
    /// }
    ///
    /// session.update_typed(|shop: &mut Shop| shop.cart.push("tea".into()))?;
    /// assert_eq!(session.typed::<Shop>()?.cart, ["tea"]);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn update_typed<T: Serialize + DeserializeOwned>(
        &mut self,
        f: impl FnOnce(&mut T),
    ) -> Result<(), Error> {
        self.check_open()?;
        let (limits, order) = (self.config.settings().limits, self.order());
        let read = values::decode_all(self.visible()).map_err(Error::from);
        let (mut value, taken): (T, _) = self.noting(read)?;
        let before: BTreeMap<_, _> = values::encode_all(&value, limits, order)?
            .into_iter()
            .collect();
        f(&mut value);
        let mut after = BTreeMap::new();
        for (name, value) in values::encode_all(&value, limits, order)? {
            check_name(&name)?;
            if after.insert(name, value).is_some() {
                return Err(values::doubled::<T>());
            }
        }

        let mut plan: Vec<(&str, Planned<'_>)> = Vec::new();
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            plan.push((name, Planned::Remove));
        }
        for (name, value) in &after {
            let changed = before
                .get(name)
                .is_none_or(|before| !values::equal(before, value));
            let planned = match self.encoded(name) {
                Some(stored) if !changed || values::equal(stored, value) => continue,
                None if !changed && values::is_none(value) => continue,
                None if !changed => Planned::Default(value),
                _ => Planned::Set(value),
            };
            self.config.check_value(name, value)?;
            plan.push((name, planned));
        }
        if plan.is_empty() {
            return Ok(());
        }
        let taken = taken.into_iter().filter(|name| !after.contains_key(*name));
        self.plan_aliases::<T>(&mut plan, taken.collect())?;
        let plan = self.in_order(plan)?;
        for (name, planned) in plan {
            match planned {
                Some((value, true)) => {
                    let default = value.clone();
                    let set: Update = Box::new(move |_, now, _| {
                        Ok(Some(
                            now.map_or_else(|| default.clone(), Encoded::from_slice),
                        ))
                    });
                    self.note(&name, Some(value), set)?;
                }
                Some((value, false)) => self.set(&name, Some(value))?,
                None => self.set(&name, None)?,
            }
        }
        Ok(())
    }

    /// Reads the result once. If two names lead to one field, removes the name that is not written.
    fn plan_aliases<'p, T: DeserializeOwned>(
        &'p self,
        plan: &mut Vec<(&'p str, Planned<'p>)>,
        taken: Vec<&'p str>,
    ) -> Result<(), Error> {
        let mut result: BTreeMap<&[u8], &[u8]> = self.visible().collect();
        for (name, planned) in &*plan {
            match planned {
                Planned::Remove => _ = result.remove(name.as_bytes()),
                Planned::Set(value) | Planned::Default(value) => {
                    result.insert(name.as_bytes(), value);
                }
            }
        }
        let read = |result: &BTreeMap<&'p [u8], &'p [u8]>| {
            let values = result.iter().map(|(name, value)| (*name, *value));
            values::decode_all::<T>(values).map(|_| ())
        };
        let Err(mut failed) = read(&result) else {
            return Ok(());
        };
        for name in taken {
            let (Some(field), Some(value)) = (failed.duplicate, result.remove(name.as_bytes()))
            else {
                continue;
            };
            let removed = match read(&result) {
                Ok(()) => {
                    plan.push((name, Planned::Remove));
                    return Ok(());
                }
                Err(other) if other.duplicate == Some(field) => false,
                Err(other) => {
                    failed = other;
                    true
                }
            };
            if removed {
                plan.push((name, Planned::Remove));
            } else {
                result.insert(name.as_bytes(), value);
            }
        }
        Err(values::unreadable_whole::<T>(failed.error))
    }

    /// Owns the plan, ordered so that the limits hold on the way if they hold at its end.
    #[expect(clippy::type_complexity, reason = "used once, above")]
    fn in_order(
        &self,
        plan: Vec<(&str, Planned<'_>)>,
    ) -> Result<Vec<(String, Option<(Encoded, bool)>)>, Error> {
        let mut ordered = Vec::with_capacity(plan.len());
        for (name, planned) in plan {
            let old = self.encoded(name);
            let (value, is_default) = match planned {
                Planned::Remove => (None, false),
                Planned::Set(value) => (Some(value), false),
                Planned::Default(value) => (Some(value), true),
            };
            let grows = value.map_or(0, |value| value.len().cast_signed())
                - old.map_or(0, |old| old.len().cast_signed());
            ordered.push((
                grows,
                name.to_owned(),
                value.map(|value| (value.clone(), is_default)),
            ));
        }
        ordered.sort_by_key(|(grows, ..)| *grows);
        let changes = ordered
            .iter()
            .map(|(_, name, value)| (&**name, value.as_ref().map(|(value, _)| &value[..])));
        let pending = &*self.pending;
        pending
            .journal
            .check_room(pending.record(), changes, self.room())?;
        Ok(ordered
            .into_iter()
            .map(|(_, name, value)| (name, value))
            .collect())
    }
}

/// The action for a field.
enum Planned<'p> {
    Remove,
    Set(&'p Encoded),
    /// Set it, if it is still absent when this is saved.
    Default(&'p Encoded),
}
