use axum_core::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::{Error, Session};

/// The extractor of the session as one struct of the application. It loads and decodes the session.
///
/// Each field is the value under its name. Fields that may be missing need `#[serde(default)]`: in
/// a new session all are. [`update`](cloakroom::Typed::update) changes it.
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
/// # Rejections
///
/// Those of [`Session`], and 500 if the values do not make a `T`.
pub struct Typed<T, K = ()>(cloakroom::Typed<T, K>);

impl<S: Sync, T: DeserializeOwned, K: 'static> FromRequestParts<S> for Typed<T, K> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let session = <Session<K> as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Ok(Self(cloakroom::Typed::of(session.0)?))
    }
}

cloakroom::adapter::wrap_typed!(Typed);
