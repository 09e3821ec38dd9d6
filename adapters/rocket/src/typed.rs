use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::Deref;

use crate::{Error, Session};

/// The session as one struct of the application's: a guard that loads and decodes it.
///
/// Each field is the value under its name. Fields that may be missing (all, in a new session) need `#[serde(default)]`.
///
/// ```
/// use cloakroom_rocket::{Error, Typed};
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// #[serde(default)]
/// struct Shop {
///     visits: u64,
///     cart: Vec<String>,
/// }
///
/// #[rocket::post("/cart")]
/// fn add(mut shop: Typed<Shop>) -> Result<String, Error> {
///     shop.update(|shop| shop.cart.push("tea".into()))?;
///     Ok(format!("{} things in the cart", shop.cart.len()))
/// }
/// ```
///
/// # Failures
///
/// As [`Session`], and 500 if the values do not make a `T`.
pub struct Typed<T, K = ()> {
    value: T,
    session: Session<K>,
}

impl<T: Serialize + DeserializeOwned, K> Typed<T, K> {
    /// Changes it. Only the fields that the function changed are written, so that other requests' changes of the others
    /// survive; on the same field the last writer wins (for counters use [`Session::update`](cloakroom::Session::update)).
    ///
    /// # Errors
    ///
    /// [`Error`] for a value over a limit, and after the response.
    ///
    /// ```
    /// # use cloakroom_rocket::{Error, Typed};
    /// # #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// # #[serde(default)]
    /// # struct Shop { visits: u64 }
    /// fn forget(shop: &mut Typed<Shop>) -> Result<(), Error> {
    ///     shop.update(|shop| shop.visits = 0)
    /// }
    /// ```
    pub fn update(&mut self, f: impl FnOnce(&mut T)) -> Result<(), Error> {
        self.session.update_typed(f)?;
        self.value = self.session.typed()?;
        Ok(())
    }

    /// The session itself.
    ///
    /// ```
    /// # use cloakroom_rocket::{Error, Typed};
    /// # #[derive(Default, serde::Serialize, serde::Deserialize)]
    /// # #[serde(default)]
    /// # struct Shop { visits: u64 }
    /// fn leave(shop: &Typed<Shop>) -> Result<(), Error> {
    ///     Ok(shop.session().sign_out()?)
    /// }
    /// ```
    pub fn session(&self) -> &Session<K> {
        &self.session
    }
}

#[rocket::async_trait]
impl<'r, T: DeserializeOwned, K: 'static> FromRequest<'r> for Typed<T, K> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let session = match Session::<K>::from_request(request).await {
            Outcome::Success(session) => session,
            Outcome::Error(error) => return Outcome::Error(error),
            Outcome::Forward(status) => return Outcome::Forward(status),
        };
        match session.typed().map_err(Error::from) {
            Ok(value) => Outcome::Success(Self { value, session }),
            Err(error) => Outcome::Error((error.clone().report(request), error)),
        }
    }
}

impl<T, K: 'static> Sentinel for Typed<T, K> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        Session::<K>::abort(rocket)
    }
}

impl<T, K> Deref for Typed<T, K> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug, K> fmt::Debug for Typed<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(..)")
    }
}
