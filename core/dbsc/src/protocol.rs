//! The four functions of the protocol.

mod presented;

use std::time::Duration;

use cloakroom_core::{Error, Session, UnixTime};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::answer::{Answer, sensitive};
use crate::binding::{Binding, Purpose, Stage};
use crate::jws::{Jws, PublicKey};
use crate::mutant::{self, Broken};
use crate::{Checked, DeviceBinding, Policy, Status};

const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
const ID: HeaderName = HeaderName::from_static("sec-secure-session-id");

/// How far ahead the clock of the node that sealed something may be, in seconds.
const AHEAD: u64 = 60;
/// How long a browser may take to make a key and register it, in seconds.
const REGISTRATION: u64 = 30;

impl DeviceBinding {
    /// Offers the browser to bind the session, by the header [`OFFER`](crate::OFFER) of this
    /// response. Browsers without the protocol ignore it.
    ///
    /// Call it after every [`sign_in`](Session::sign_in). The first offer for a session is saved by
    /// the request's commit. Further ones write nothing. Returns `None` if the session is bound
    /// already.
    ///
    /// `entropy` is fresh randomness.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if the session has no room for the binding. [`Error::Corrupt`] if its
    /// binding cannot be read.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # use cloakroom_dbsc::DeviceBinding;
    /// # let config = Config::default();
    /// # let now = UnixTime::from_secs(100);
    /// # let mut exchange = Exchange::open(&config, [], now);
    /// # let mut session = exchange.session()?;
    /// let binding = DeviceBinding::new(&config)?;
    /// session.sign_in("ada")?;
    /// let offer = binding.offer(&mut session, now, [7; 64])?.unwrap();
    /// assert!(offer.to_str()?.starts_with("(ES256);path=\"/dbsc/register\";"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn offer(
        &self,
        session: &mut Session<'_>,
        now: UnixTime,
        entropy: [u8; 64],
    ) -> Result<Option<HeaderValue>, Error> {
        let binding = match binding_of(session)? {
            Some(binding) if binding.is_confirmed() => return Ok(None),
            Some(binding) => binding,
            None => {
                let binding = Binding::new(take(&entropy, 0), take(&entropy, 16));
                session.set_binding(&binding.text())?;
                binding
            }
        };
        let challenge = binding.seal(
            Purpose::Register,
            now + self.challenge_life,
            &take(&entropy, 48),
        );
        let path = self.register_path();
        let offer = format!("(ES256);path=\"{path}\";challenge=\"{challenge}\"");
        sensitive(offer).map(Some)
    }

    /// Offers the binding again, if the session still waits for its key 30 seconds after the
    /// sign-in: the first offer, or the answer to its registration, may be lost.
    ///
    /// Call it for page loads only. Parts of pages are loaded often, and each offer makes the
    /// browser register another key. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the binding cannot be read.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # use cloakroom_dbsc::DeviceBinding;
    /// # use std::time::Duration;
    /// # let config = Config::default();
    /// # let now = UnixTime::from_secs(100);
    /// # let mut exchange = Exchange::open(&config, [], now);
    /// # let mut session = exchange.session()?;
    /// let binding = DeviceBinding::new(&config)?;
    /// session.sign_in("ada")?;
    /// binding.offer(&mut session, now, [7; 64])?;
    /// assert!(binding.offer_again(&mut session, now, [8; 64])?.is_none());
    /// let later = now + Duration::from_secs(30);
    /// assert!(binding.offer_again(&mut session, later, [8; 64])?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn offer_again(
        &self,
        session: &mut Session<'_>,
        now: UnixTime,
        entropy: [u8; 64],
    ) -> Result<Option<HeaderValue>, Error> {
        if binding_of(session)?.is_none() {
            return Ok(None);
        }
        let offered = session.authenticated_at();
        let offered = offered.unwrap_or_else(|| session.created_at());
        match now.since(offered) >= Duration::from_secs(REGISTRATION) {
            true => self.offer(session, now, entropy),
            false => Ok(None),
        }
    }

    /// Answers a POST to [`register_path`](DeviceBinding::register_path): binds the session to the
    /// key that the browser made. The request's commit saves it.
    ///
    /// Send the answer after the commit, and a 5xx if the commit failed. A repeated registration of
    /// the same key gets the same answer. Until the browser has shown that it has the answer,
    /// another offer may be answered with another key. So a lost answer locks nobody out. A key
    /// whose place another one took does not come back.
    ///
    /// Answers 403 to anything that is no answer to this session's offer. That ends no session.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if the session has no room for the key. [`Error::Corrupt`] if its
    /// binding cannot be read. The commit fails with [`Error::UpdateFailed`] if another request
    /// binds the session to another key at the same time.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # use cloakroom_dbsc::DeviceBinding;
    /// # let config = Config::default();
    /// # let now = UnixTime::from_secs(100);
    /// # let mut exchange = Exchange::open(&config, [], now);
    /// # let mut session = exchange.session()?;
    /// let binding = DeviceBinding::new(&config)?;
    /// binding.offer(&mut session, now, [7; 64])?;
    /// let mut request = http::HeaderMap::new();
    /// request.insert("secure-session-response", "forged".parse()?);
    /// let answer = binding.register(&request, &mut session, now, [8; 64])?;
    /// assert_eq!(answer.status, 403);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register(
        &self,
        request: &HeaderMap,
        session: &mut Session<'_>,
        now: UnixTime,
        entropy: [u8; 64],
    ) -> Result<Answer, Error> {
        let refused = || Answer::new(StatusCode::FORBIDDEN);
        let Some(mut binding) = binding_of(session)? else {
            return Ok(refused());
        };
        let Some(key) = self.proven_key(&binding, request, now) else {
            return Ok(refused());
        };
        let id = binding.id;
        let registered = session.update_binding(move |current: Option<String>| {
            let mut binding = Binding::parse(&current.ok_or(Taken)?).map_err(|_| Taken)?;
            if binding.id != id {
                return Err(Taken);
            }
            match binding.register(key) {
                true => Ok(binding.text()),
                false => Err(Taken),
            }
        })?;
        if registered.is_err() {
            return Ok(refused());
        }
        binding.stage = Stage::Registered(key);
        self.instructions(&binding, now, &entropy)
    }

    /// Answers a POST to [`refresh_path`](DeviceBinding::refresh_path): gives a new bound cookie to
    /// the holder of the key.
    ///
    /// A missing, expired or wrong signature gets 403 with a new challenge, and the browser signs
    /// that. After a sign-out, another sign-in or another registration the answer is a 200 that
    /// ends the browser's session of this key. Reads the session and writes nothing, except after a
    /// registration.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the binding cannot be read. Answer it with a 5xx: the browser then
    /// keeps its session.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # use cloakroom_dbsc::DeviceBinding;
    /// # let config = Config::default();
    /// # let now = UnixTime::from_secs(100);
    /// # let mut exchange = Exchange::open(&config, [], now);
    /// # let mut session = exchange.session()?;
    /// let binding = DeviceBinding::new(&config)?;
    /// let mut request = http::HeaderMap::new();
    /// request.insert("sec-secure-session-id", "BwcHBwcHBwcHBwcHBwcHBw".parse()?);
    /// let answer = binding.refresh(&request, &mut session, now, [8; 64])?;
    /// assert!(answer.body.contains("\"continue\":false")); // signed out
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh(
        &self,
        request: &HeaderMap,
        session: &mut Session<'_>,
        now: UnixTime,
        entropy: [u8; 64],
    ) -> Result<Answer, Error> {
        let Some(id) = presented::identifier(request, &ID) else {
            return Ok(Answer::new(StatusCode::BAD_REQUEST));
        };
        let binding = binding_of(session)?;
        let binding = binding.filter(|binding| binding.identifier().as_deref() == Some(id));
        // Signed out, or another registration took the place of this one.
        let Some(binding) = binding else {
            return Ok(Answer::end(id));
        };
        let key = binding.key().ok_or(Error::Corrupt)?;
        let Some(jws) = presented::response(request, &RESPONSE).and_then(Jws::parse) else {
            return self.challenge(&binding, now, &entropy);
        };
        let signed = jws.is_signed_by(&key) || mutant::is(Broken::UnsignedRefresh);
        if jws.jwk.is_some_and(|named| named != key) || !signed {
            return self.challenge(&binding, now, &entropy);
        }
        if !self.is_fresh(&binding, Purpose::Refresh, &jws.challenge, now) {
            if mutant::is(Broken::EndsOnOldChallenge) {
                return Ok(Answer::end(id));
            }
            return self.challenge(&binding, now, &entropy);
        }
        confirm(session, &binding, key)?;
        if mutant::is(Broken::RefreshWrites) {
            session.insert("refreshed", now.as_secs())?;
        }
        self.instructions(&binding, now, &entropy)
    }

    /// Returns whether the session is bound, and whether this request comes from its device.
    ///
    /// Costs one HMAC for a bound session. The first request with the bound cookie confirms the
    /// registration: the request's commit saves that, once.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if the binding cannot be read.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # use cloakroom_dbsc::{DeviceBinding, Status};
    /// # let config = Config::default();
    /// # let now = UnixTime::from_secs(100);
    /// # let mut exchange = Exchange::open(&config, [], now);
    /// # let mut session = exchange.session()?;
    /// let binding = DeviceBinding::new(&config)?;
    /// let request = http::HeaderMap::new();
    /// assert_eq!(binding.check(&request, &mut session, now)?, Status::Unbound);
    /// binding.offer(&mut session, now, [7; 64])?;
    /// assert_eq!(binding.check(&request, &mut session, now)?, Status::Pending);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check(
        &self,
        request: &HeaderMap,
        session: &mut Session<'_>,
        now: UnixTime,
    ) -> Result<Status, Error> {
        let Some(binding) = binding_of(session)? else {
            return Ok(Status::Unbound);
        };
        let Some(key) = binding.key() else {
            return Ok(Status::Pending);
        };
        let mut known = false;
        for value in presented::cookies(request, self.cookie_name()) {
            let Some(end) = binding.open(Purpose::Cookie, value) else {
                continue;
            };
            if is_within(end, now, self.cookie_life) || mutant::is(Broken::CookieNeverEnds) {
                confirm(session, &binding, key)?;
                return Ok(Status::Bound);
            }
            known = true;
        }
        Ok(match (binding.is_confirmed(), known) {
            (false, _) => Status::Pending,
            (true, true) => Status::Stale,
            (true, false) => Status::Missing,
        })
    }

    /// Checks a request against the policy of its route: everything that a guard does.
    ///
    /// With [`Policy::Refuse`] the answer is 403 with a challenge. It removes the bound cookie
    /// that was refused, so that the browser refreshes before its next request: a late answer to
    /// an earlier refresh may have replaced a good cookie, or the browser's clock is wrong. With
    /// [`Policy::End`] it signs the session out, and the answer is 401.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # use cloakroom_dbsc::{DeviceBinding, Policy};
    /// # let config = Config::default();
    /// # let now = UnixTime::from_secs(100);
    /// # let mut exchange = Exchange::open(&config, [], now);
    /// # let mut session = exchange.session()?;
    /// let binding = DeviceBinding::new(&config)?;
    /// let request = http::HeaderMap::new();
    /// let checked =
    ///     binding.guard(&request, &mut session, Policy::Refuse, now, [7; 64])?;
    /// assert!(checked.answer.is_none()); // no browser has been bound
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn guard(
        &self,
        request: &HeaderMap,
        session: &mut Session<'_>,
        policy: Policy,
        now: UnixTime,
        entropy: [u8; 64],
    ) -> Result<Checked, Error> {
        let status = self.check(request, session, now)?;
        let mut checked = Checked {
            status,
            answer: None,
        };
        match (status, policy) {
            (Status::Unbound | Status::Pending | Status::Bound, _) | (_, Policy::Observe) => {}
            (Status::Missing | Status::Stale, Policy::Refuse) => {
                let binding = binding_of(session)?.ok_or(Error::Corrupt)?;
                let mut answer = self.challenge(&binding, now, &entropy)?;
                let mut cookies = presented::cookies(request, self.cookie_name());
                if cookies.next().is_some() && !mutant::is(Broken::KeepsRefusedCookie) {
                    answer.headers.append(SET_COOKIE, self.removal()?);
                }
                checked.answer = Some(answer);
            }
            (Status::Missing | Status::Stale, Policy::End) => {
                if !mutant::is(Broken::EndOnlyRefuses) {
                    session.sign_out();
                }
                let mut answer = Answer::new(StatusCode::UNAUTHORIZED);
                answer.headers.append(SET_COOKIE, self.removal()?);
                checked.answer = Some(answer);
            }
        }
        Ok(checked)
    }

    /// Returns a Set-Cookie line that removes the bound cookie: for the response to a sign-out.
    ///
    /// The browser then asks for a refresh before its next request. [`refresh`](Self::refresh) ends
    /// the session there, because there is no session any more.
    ///
    /// # Errors
    ///
    /// None in practice: the parts are checked when the settings are made.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// # use cloakroom_dbsc::DeviceBinding;
    /// let line = DeviceBinding::new(&Config::default())?.removal()?;
    /// assert!(line.to_str()?.starts_with("__Host-session-bound=; Path=/"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn removal(&self) -> Result<HeaderValue, Error> {
        let (name, attributes) = (self.cookie_name(), &self.attributes);
        sensitive(format!(
            "{name}=; {attributes}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        ))
    }

    /// Returns the key whose holder answered this session's offer.
    fn proven_key(
        &self,
        binding: &Binding,
        request: &HeaderMap,
        now: UnixTime,
    ) -> Option<PublicKey> {
        let jws = Jws::parse(presented::response(request, &RESPONSE)?)?;
        let key = jws.jwk?;
        let answers = self.is_fresh(binding, Purpose::Register, &jws.challenge, now);
        (answers && jws.is_signed_by(&key)).then_some(key)
    }

    fn is_fresh(&self, binding: &Binding, purpose: Purpose, text: &str, now: UnixTime) -> bool {
        let end = binding.open(purpose, text.as_bytes());
        let ends = !mutant::is(Broken::ChallengeNeverEnds);
        end.is_some_and(|end| !ends || is_within(end, now, self.challenge_life))
    }

    /// The cookie, and the challenge for the next refresh.
    fn instructions(
        &self,
        binding: &Binding,
        now: UnixTime,
        entropy: &[u8; 64],
    ) -> Result<Answer, Error> {
        let (cookie, challenge) = (now + self.cookie_life, now + self.challenge_life);
        let cookie = binding.seal(Purpose::Cookie, cookie, &take(entropy, 0));
        let challenge = binding.seal(Purpose::Refresh, challenge, &take(entropy, 16));
        let id = binding.identifier().ok_or(Error::Corrupt)?;
        Answer::instructions(self, &id, &cookie)?.with_challenge(&id, &challenge)
    }

    fn challenge(
        &self,
        binding: &Binding,
        now: UnixTime,
        entropy: &[u8; 64],
    ) -> Result<Answer, Error> {
        let end = now + self.challenge_life;
        let challenge = binding.seal(Purpose::Refresh, end, &take(entropy, 0));
        let id = binding.identifier().ok_or(Error::Corrupt)?;
        Answer::new(StatusCode::FORBIDDEN).with_challenge(&id, &challenge)
    }
}

/// The name of the header of an [offer](DeviceBinding::offer).
///
/// ```
/// assert_eq!(cloakroom_dbsc::OFFER, "secure-session-registration");
/// ```
pub const OFFER: HeaderName = HeaderName::from_static("secure-session-registration");

/// The session is bound to another key, or not on offer any more.
struct Taken;

fn binding_of(session: &Session<'_>) -> Result<Option<Binding>, Error> {
    let text = session.binding()?;
    text.map(|text| Binding::parse(&text)).transpose()
}

/// Notes that the browser has the answer to its registration.
fn confirm(session: &mut Session<'_>, seen: &Binding, key: PublicKey) -> Result<(), Error> {
    if seen.is_confirmed() || mutant::is(Broken::NeverConfirms) {
        return Ok(());
    }
    let id = seen.id;
    let confirmed = session.update_binding(move |current: Option<String>| {
        // Gone, or another one by now: that is not ours to confirm.
        let current = current.ok_or(Taken)?;
        let Ok(mut binding) = Binding::parse(&current) else {
            return Ok(current);
        };
        if let Stage::Registered(registered) = binding.stage
            && binding.id == id
            && (registered == key || mutant::is(Broken::ConfirmsAnyKey))
        {
            binding.confirm(registered);
            return Ok(binding.text());
        }
        Ok::<_, Taken>(current)
    })?;
    // Never fails here: the binding has just been read.
    confirmed.map_err(|Taken| Error::Corrupt)?;
    Ok(())
}

/// Whether something with this end is alive, and not from a longer life than it can have.
fn is_within(end: UnixTime, now: UnixTime, life: Duration) -> bool {
    now < end && end.since(now) <= life + Duration::from_secs(AHEAD)
}

/// Takes bytes out of the randomness of one call. No two uses in a call overlap.
fn take<const N: usize>(entropy: &[u8; 64], from: usize) -> [u8; N] {
    std::array::from_fn(|n| entropy.get(from + n).copied().unwrap_or_default())
}
