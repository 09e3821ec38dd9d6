//! Sessions bound to a device: what the layers and guards of the adapters share.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_dbsc::{Answer, DeviceBinding, OFFER, Policy, Status};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use crate::adapter::{self, Denied};
use crate::{Error, Session};

/// A response to a request that signed in so long ago at most offers the binding.
const RECENT: Duration = Duration::from_secs(60);

/// The protocol of device-bound sessions for one kind of session. For authors of adapters: each
/// adapter has a layer and a guard of its own on top.
///
/// A layer inside the session's asks [`endpoint`](Self::endpoint) for each request. It sends
/// [`answer`](Self::answer) for an endpoint. To the response of every other request it adds
/// [`after`](Self::after). A guard calls [`check`](Self::check).
///
/// ```
/// use cloakroom::adapter::Devices;
/// use cloakroom::{Config, DeviceBinding, DeviceStatus, Policy, Session};
/// use http::{HeaderMap, Method};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
/// assert!(devices.endpoint(&Method::GET, "/orders").is_none());
///
/// let (session, request) = (Session::for_tests(), HeaderMap::new());
/// let checked = devices.check(&session, Policy::Refuse, &request).await;
/// assert_eq!(checked.unwrap(), DeviceStatus::Unbound);
///
/// let traits = devices.traits(&request);
/// session.sign_in("ada")?;
/// let (name, _offer) = devices.after(&session, traits).unwrap();
/// assert_eq!(name, "secure-session-registration");
/// # Ok(())
/// # }
/// ```
pub struct Devices<K = ()> {
    binding: Arc<DeviceBinding>,
    kind: PhantomData<fn() -> K>,
}

impl Devices {
    /// Makes the protocol for the sessions of this binding's configuration.
    ///
    /// ```
    /// # use cloakroom::{Config, DeviceBinding, adapter::Devices};
    /// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    #[must_use]
    pub fn new(binding: DeviceBinding) -> Self {
        Self {
            binding: Arc::new(binding),
            kind: PhantomData,
        }
    }
}

impl<K> Devices<K> {
    /// Binds the session of another kind: one of several independent ones.
    ///
    /// ```
    /// # use cloakroom::{Config, DeviceBinding, adapter::Devices};
    /// struct Admin;
    /// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
    /// let devices: Devices<Admin> = devices.named();
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    #[must_use]
    pub fn named<N>(self) -> Devices<N> {
        Devices {
            binding: self.binding,
            kind: PhantomData,
        }
    }

    /// Returns the settings.
    ///
    /// ```
    /// # use cloakroom::{Config, DeviceBinding, adapter::Devices};
    /// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
    /// assert_eq!(devices.binding().refresh_path(), "/dbsc/refresh");
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    #[must_use]
    pub fn binding(&self) -> &DeviceBinding {
        &self.binding
    }

    /// Returns the endpoint that a request is for.
    ///
    /// ```
    /// # use cloakroom::{Config, DeviceBinding, adapter::Devices};
    /// use http::Method;
    ///
    /// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
    /// assert!(devices.endpoint(&Method::POST, "/dbsc/refresh").is_some());
    /// assert!(devices.endpoint(&Method::GET, "/dbsc/refresh").is_none());
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    #[must_use]
    pub fn endpoint(&self, method: &Method, path: &str) -> Option<DeviceEndpoint> {
        if method != Method::POST {
            None
        } else if path == self.binding.register_path() {
            Some(DeviceEndpoint::Register)
        } else if path == self.binding.refresh_path() {
            Some(DeviceEndpoint::Refresh)
        } else {
            None
        }
    }

    /// Returns the response of an endpoint. Send it as it is, after the commit.
    ///
    /// Costs one load. A registration costs one write too, which the commit makes. The visitor's
    /// idle timeout is not extended. A failure is reported, and is a 5xx: the browser then keeps
    /// its session.
    ///
    /// ```
    /// # use cloakroom::{Config, DeviceBinding, Session, adapter::Devices};
    /// # use http::{HeaderMap, Method};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::ConfigError> {
    /// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
    /// let refresh = devices.endpoint(&Method::POST, "/dbsc/refresh").unwrap();
    /// let request = HeaderMap::new();
    /// let response =
    ///     devices.answer(refresh, &Session::for_tests(), &request).await;
    /// assert_eq!(response.status(), 400); // it names no session
    /// # Ok(())
    /// # }
    /// ```
    pub async fn answer(
        &self,
        endpoint: DeviceEndpoint,
        session: &Session<K>,
        request: &HeaderMap,
    ) -> Response<String> {
        match self.answered(endpoint, session, request).await {
            Ok(answer) => {
                let mut response = Response::new(answer.body);
                *response.status_mut() = answer.status;
                *response.headers_mut() = answer.headers;
                response
            }
            Err(error) => Denied::failed(error).into_response(),
        }
    }

    async fn answered(
        &self,
        endpoint: DeviceEndpoint,
        session: &Session<K>,
        request: &HeaderMap,
    ) -> Result<Answer, Error> {
        session.load().await?;
        adapter::in_background(session)?;
        let answer = adapter::call(session, |session, now, entropy| match endpoint {
            DeviceEndpoint::Register => self.binding.register(request, session, now, entropy),
            DeviceEndpoint::Refresh => self.binding.refresh(request, session, now, entropy),
        })?;
        Ok(answer?)
    }

    /// Returns what [`after`](Self::after) needs of a request.
    ///
    /// ```
    /// # use cloakroom::{Config, DeviceBinding, adapter::Devices};
    /// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
    /// let traits = devices.traits(&http::HeaderMap::new());
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    #[must_use]
    pub fn traits(&self, request: &HeaderMap) -> DeviceTraits {
        let name = self.binding.cookie_name().as_bytes();
        let lines = request.get_all(COOKIE).iter();
        let mut cookies = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let is_bound = |cookie: &[u8]| {
            let value = cookie.trim_ascii_start().strip_prefix(name);
            value.is_some_and(|value| value.starts_with(b"="))
        };
        let dest = request.get("sec-fetch-dest");
        DeviceTraits {
            has_cookie: cookies.any(is_bound),
            is_page_load: dest.is_some_and(|dest| dest == "document"),
        }
    }

    /// Returns a header to add to the response of a request that no endpoint answered: the offer
    /// for a session that it signed in, or the removal of the bound cookie after a sign-out.
    ///
    /// Append it before the commit, and not to a 5xx. Never loads the session. An error is
    /// reported, because the sign-in or sign-out stands.
    ///
    /// ```
    /// # use cloakroom::{Config, DeviceBinding, Session, adapter::Devices};
    /// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
    /// let traits = devices.traits(&http::HeaderMap::new());
    /// // Nothing used the session.
    /// assert!(devices.after(&Session::for_tests(), traits).is_none());
    /// # Ok::<(), cloakroom::ConfigError>(())
    /// ```
    pub fn after(
        &self,
        session: &Session<K>,
        request: DeviceTraits,
    ) -> Option<(HeaderName, HeaderValue)> {
        if !adapter::is_touched(session) {
            return None;
        }
        let binding = &self.binding;
        let header = adapter::call(session, |session, now, entropy| {
            let recent = |at| now.since(at) < RECENT;
            let offer = if session.binding()?.is_some() {
                match request.is_page_load {
                    true => binding.offer_again(session, now, entropy)?,
                    false => None,
                }
            } else if session.subject().is_some() && session.authenticated_at().is_some_and(recent)
            {
                binding.offer(session, now, entropy)?
            } else if request.has_cookie && session.subject().is_none() && session.is_modified() {
                return Ok(Some((SET_COOKIE, binding.removal()?)));
            } else {
                None
            };
            Ok::<_, cloakroom_core::Error>(offer.map(|offer| (OFFER, offer)))
        });
        // A session that could not be loaded, or that a task has closed, is the handler's error.
        header.ok()?.unwrap_or_else(|error| {
            let _ = adapter::report(&error.into());
            None
        })
    }

    /// Checks a request against the policy of its route, and returns the device that it comes from.
    ///
    /// Costs one load, which the handler's session shares, and one write when the browser confirms
    /// its registration. With [`Policy::End`] the sign-out is part of the request's commit.
    ///
    /// # Errors
    ///
    /// [`Denied`]: the policy's response, or the status of the [`Error`] if the session could not
    /// be loaded.
    ///
    /// ```
    /// # use cloakroom::{Config, DeviceBinding, Policy, Session, adapter::Devices};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), cloakroom::ConfigError> {
    /// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
    /// let (session, request) = (Session::for_tests(), http::HeaderMap::new());
    /// let status = devices.check(&session, Policy::End, &request).await.unwrap();
    /// assert!(!status.is_foreign());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check(
        &self,
        session: &Session<K>,
        policy: Policy,
        request: &HeaderMap,
    ) -> Result<Status, Denied> {
        session.load().await.map_err(Denied::failed)?;
        let checked = adapter::call(session, |session, now, entropy| {
            self.binding.guard(request, session, policy, now, entropy)
        });
        let checked = checked.map_err(Denied::failed)?;
        let checked = checked.map_err(|error| Denied::failed(error.into()))?;
        match checked.answer {
            None => Ok(checked.status),
            Some(answer) => Err(Denied::new(answer.status, answer.headers)),
        }
    }
}

/// One of the two endpoints of device-bound sessions.
///
/// ```
/// # use cloakroom::{Config, DeviceBinding, adapter::Devices};
/// use cloakroom::adapter::DeviceEndpoint;
///
/// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
/// let endpoint = devices.endpoint(&http::Method::POST, "/dbsc/register");
/// assert_eq!(endpoint, Some(DeviceEndpoint::Register));
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceEndpoint {
    /// Takes the browser's key.
    Register,
    /// Gives a new bound cookie to the holder of the key.
    Refresh,
}

/// The part of a request that [`Devices::after`] needs.
///
/// ```
/// # use cloakroom::{Config, DeviceBinding, adapter::Devices};
/// use cloakroom::adapter::DeviceTraits;
///
/// let devices = Devices::new(DeviceBinding::new(&Config::default())?);
/// let traits: DeviceTraits = devices.traits(&http::HeaderMap::new());
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DeviceTraits {
    has_cookie: bool,
    is_page_load: bool,
}

impl<K> Clone for Devices<K> {
    fn clone(&self) -> Self {
        Self {
            binding: self.binding.clone(),
            kind: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Devices<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Devices").field(&self.binding).finish()
    }
}
