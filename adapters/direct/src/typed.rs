use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::Deref;

use crate::{Error, Session};

/// A session as one struct of the application's, decoded once.
///
/// Each field is the value under its name. Fields that may be missing (all, in a new session) need
/// `#[serde(default)]`. Some adapters have an extractor or a guard for it; with the others it is
/// made of their session.
///
/// ```
/// use cloakroom::{Error, Session, Typed};
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// #[serde(default)]
/// struct Shop {
///     visits: u64,
///     cart: Vec<String>,
/// }
///
/// fn add(session: Session) -> Result<String, Error> {
///     let mut shop: Typed<Shop> = Typed::of(session)?;
///     shop.update(|shop| shop.cart.push("tea".into()))?;
///     Ok(format!("{} things in the cart", shop.cart.len()))
/// }
/// ```
pub struct Typed<T, K = ()> {
    value: T,
    session: Session<K>,
}

impl<T: DeserializeOwned, K> Typed<T, K> {
    /// Reads the values of a session that has been loaded. With
    /// [`ConfigBuilder::reset_unreadable`](crate::ConfigBuilder::reset_unreadable) values of other
    /// types are removed.
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::SessionError::Decode) if they do not make a `T`, and `Closed`.
    ///
    /// ```
    /// # use cloakroom::{Error, Session, Typed};
    /// # #[derive(serde::Deserialize)]
    /// # struct Shop { visits: u64 }
    /// fn visits(session: Session) -> Result<u64, Error> {
    ///     Ok(Typed::<Shop>::of(session)?.visits)
    /// }
    /// ```
    pub fn of(session: Session<K>) -> Result<Self, Error> {
        let value = match session.config().resets_unreadable() {
            true => session.typed_or_reset()?,
            false => session.typed()?,
        };
        Ok(Self { value, session })
    }
}

impl<T: Serialize + DeserializeOwned, K> Typed<T, K> {
    /// Changes the struct. Only the fields that the function changed are written, so other
    /// requests' changes of other fields survive. On the same field the last writer wins. For
    /// counters use [`Session::update`].
    ///
    /// # Errors
    ///
    /// Those of [`Session::update_typed`]: for a value over a limit, and after the response.
    ///
    /// ```
    /// # use cloakroom::{Error, Typed};
    /// # #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// # #[serde(default)]
    /// # struct Shop { visits: u64 }
    /// fn forget(shop: &mut Typed<Shop>) -> Result<(), Error> {
    ///     Ok(shop.update(|shop| shop.visits = 0)?)
    /// }
    /// ```
    pub fn update(&mut self, f: impl FnOnce(&mut T)) -> Result<(), Error> {
        self.session.update_typed(f)?;
        self.value = self.session.typed()?;
        Ok(())
    }
}

impl<T, K> Typed<T, K> {
    /// Returns the session itself.
    ///
    /// ```
    /// # use cloakroom::{Error, Typed};
    /// # struct Shop { visits: u64 }
    /// fn leave(shop: &Typed<Shop>) -> Result<(), Error> {
    ///     Ok(shop.session().sign_out()?)
    /// }
    /// ```
    pub fn session(&self) -> &Session<K> {
        &self.session
    }
}

impl<T, K> Deref for Typed<T, K> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T, K> fmt::Debug for Typed<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(..)")
    }
}
