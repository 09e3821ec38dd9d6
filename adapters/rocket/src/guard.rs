use cloakroom::{Error as CommitError, Session as Handle, SessionError};
use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};
use serde::de::DeserializeOwned;

use crate::Error;
use crate::attempt::Attempts;

/// The session of a request: a guard that loads it.
///
/// Everything on it is synchronous; the methods are those of [`cloakroom::Session`]. It can be cloned and passed on; after the
/// response it says that it is closed. One store call, and only if the client presented a well-formed token; however many guards
/// and routes ask for it, it is loaded once, kept in Rocket's local cache; a catcher loads its own. [`is_new`](cloakroom::Session::is_new) tells whether the client presented a living one.
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
/// With [`Error`] and its status, and so with the application's catcher of that status: the store cannot be reached (503), or the
/// record cannot be read (500). `Result<Session, Error>` has the failure in the handler. `Option<Session>` is, as every guard's in
/// Rocket, `None` then: the page can be shown without a session, and nothing is saved.
///
/// Rocket does not launch with a route that wants a `Session` where no [`SessionFairing`](crate::SessionFairing) of this type is attached.
pub struct Session<K = ()>(Handle<K>);

#[rocket::async_trait]
impl<'r, K: 'static> FromRequest<'r> for Session<K> {
    type Error = Error;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Error> {
        outcome(load(request).await.map(Self), request)
    }
}

const NO_FAIRING: &str = "a handler wants a session, but no `SessionFairing` (of this type) is attached; add `.attach(SessionFairing::new(..))`";

async fn load<K: 'static>(request: &Request<'_>) -> Result<Handle<K>, Error> {
    let attempts = request.rocket().state::<Attempts<K>>();
    let attempts = attempts.ok_or(CommitError::NotSetUp(NO_FAIRING))?;
    let session = attempts.session(request).ok_or(SessionError::Closed)?;
    session.load().await?;
    Ok(session)
}

fn outcome<T>(loaded: Result<T, Error>, request: &Request<'_>) -> Outcome<T, Error> {
    match loaded {
        Ok(guard) => Outcome::Success(guard),
        Err(error) => Outcome::Error((error.clone().report(request), error)),
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

cloakroom::wrap_session!(Session);

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

cloakroom::wrap_typed!(Typed);
