use cloakroom::frameworks::rocket::report;
use cloakroom::{Error, Session as Handle, SessionError};
use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};
use serde::de::DeserializeOwned;

use crate::attempt::Attempts;

/// The session of a request: a guard that loads it.
///
/// The methods are those of [`cloakroom::Session`], and all of them are synchronous. A session can
/// be cloned and passed on. After the response every call on it fails with `Closed`. Loading costs
/// one store call, and none if the client presented no well-formed token. All guards and routes of
/// a request share one load, in Rocket's local cache. A catcher loads its own session.
/// [`is_new`](cloakroom::Session::is_new) returns false if the client presented a living session.
///
/// ```
/// use cloakroom_rocket::{Error, Session};
///
/// #[rocket::get("/")]
/// fn greet(session: Session) -> Result<String, Error> {
///     Ok(match session.subject()? {
///         Some(name) => format!("Hello, {name}"),
///         None => "Hello, stranger".to_owned(),
///     })
/// }
/// ```
///
/// # Failures
///
/// The guard fails with [`Error`] and its status: the store cannot be reached (503), or the record
/// cannot be read (500). The application's catcher of that status then answers. To handle the
/// failure in the handler, take `Result<Session, Error>`. `Option<Session>` is `None` then, as with
/// every guard in Rocket: the page can be shown without a session, and nothing is saved.
///
/// Rocket does not launch if a route takes a `Session` and no
/// [`SessionFairing`](crate::SessionFairing) of this type is attached.
pub struct Session<K = ()>(Handle<K>);

#[rocket::async_trait]
impl<'r, K: 'static> FromRequest<'r> for Session<K> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        outcome(load(request).await.map(Self), request)
    }
}

const NO_FAIRING: &str = "a handler takes a `Session`, but no `SessionFairing` of this type is \
    attached; add `.attach(SessionFairing::new(store))`";

pub(crate) async fn load<K: 'static>(request: &Request<'_>) -> Result<Handle<K>, Error> {
    let attempts = request.rocket().state::<Attempts<K>>();
    let attempts = attempts.ok_or(Error::NotSetUp(NO_FAIRING))?;
    let session = attempts.session(request).ok_or(SessionError::Closed)?;
    session.load().await?;
    Ok(session)
}

pub(crate) fn outcome<T>(loaded: Result<T, Error>, request: &Request<'_>) -> Outcome<T, Error> {
    match loaded {
        Ok(guard) => Outcome::Success(guard),
        Err(error) => Outcome::Error((report(error.clone(), request).0, error)),
    }
}

impl<K: 'static> Sentinel for Session<K> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        let missing = rocket.state::<Attempts<K>>().is_none();
        if missing {
            tracing::error!("{}", NO_FAIRING);
        }
        missing
    }
}

cloakroom::adapter::wrap_session!(Session);

/// The session as one struct of the application's: a guard that loads and decodes it.
///
/// Each field is the value under its name. Fields that may be missing (all, in a new session) need
/// `#[serde(default)]`.
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
/// It is changed with [`update`](cloakroom::Typed::update).
///
/// # Failures
///
/// As [`Session`], and 500 if the values do not make a `T`.
pub struct Typed<T, K = ()>(cloakroom::Typed<T, K>);

#[rocket::async_trait]
impl<'r, T: DeserializeOwned, K: 'static> FromRequest<'r> for Typed<T, K> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        let session = load(request).await;
        let typed = session.and_then(|session| Ok(Self(cloakroom::Typed::of(session)?)));
        outcome(typed, request)
    }
}

impl<T, K: 'static> Sentinel for Typed<T, K> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        Session::<K>::abort(rocket)
    }
}

cloakroom::adapter::wrap_typed!(Typed);
