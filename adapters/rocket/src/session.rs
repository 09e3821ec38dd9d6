use cloakroom::Session as Handle;
use rocket::request::{FromRequest, Outcome};
use rocket::{Ignite, Request, Rocket, Sentinel};
use std::fmt;
use std::ops::Deref;

use crate::Error;
use crate::attempt::Attempts;
use crate::fairing::Opener;

/// The session of a request: a guard that loads it.
///
/// Everything on it is synchronous; the methods are those of [`cloakroom::Session`]. It can be cloned and passed on; after the
/// response it says that it is closed. One store call, and only if the client presented a well-formed token; however many guards
/// and routes ask for it, it is loaded once, kept in Rocket's local cache. [`is_new`](cloakroom::Session::is_new) tells whether the client presented a living one.
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
        match load(request).await {
            Ok(session) => Outcome::Success(Self(session)),
            Err(error) => Outcome::Error((error.clone().report(request), error)),
        }
    }
}

async fn load<K: 'static>(request: &Request<'_>) -> Result<Handle<K>, Error> {
    let opener = request.rocket().state::<Opener<K>>();
    let opener = opener.ok_or_else(Error::no_fairing)?;
    let attempts = request.local_cache(Attempts::<K>::default);
    let session = attempts.open(request, opener);
    session.load().await?;
    Ok(session)
}

impl<K: 'static> Sentinel for Session<K> {
    fn abort(rocket: &Rocket<Ignite>) -> bool {
        let missing = rocket.state::<Opener<K>>().is_none();
        if missing {
            tracing::error!("{}", Error::no_fairing());
        }
        missing
    }
}

impl<K> Deref for Session<K> {
    type Target = Handle<K>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K> Clone for Session<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> fmt::Debug for Session<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
