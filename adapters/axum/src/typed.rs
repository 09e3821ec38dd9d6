use axum_core::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::{Error, Session};

/// The session as one struct of the application's: an extractor that loads and decodes it.
///
/// Each field is the value under its name. Fields that may be missing (all, in a new session) need `#[serde(default)]`.
///
/// ```
/// use cloakroom_axum::{Error, Typed};
///
/// #[derive(Default, serde::Serialize, serde::Deserialize)]
/// #[serde(default)]
/// struct Shop {
///     visits: u64,
///     cart: Vec<String>,
/// }
///
/// async fn add(mut shop: Typed<Shop>) -> Result<String, Error> {
///     shop.update(|shop| shop.cart.push("tea".into()))?;
///     Ok(format!("{} things in the cart", shop.cart.len()))
/// }
/// ```
///
/// It is changed with [`update`](cloakroom::Typed::update).
///
/// # Rejections
///
/// As [`Session`], and 500 if the values do not make a `T`.
pub struct Typed<T, K = ()>(cloakroom::Typed<T, K>);

impl<S: Sync, T: DeserializeOwned, K: 'static> FromRequestParts<S> for Typed<T, K> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = <Session<K> as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self(cloakroom::Typed::of(session.0)?))
    }
}

cloakroom::wrap_typed!(Typed);
