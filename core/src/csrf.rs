//! The token of a session's forms, and of forms on pages that a visitor sees before there is a
//! session.
//!
//! A form on such a page must not create a record: a flood of requests for a sign-in page would
//! fill the store. So the page gets a session cookie without a record, and the form's token is
//! derived from that cookie. (OWASP's Cross-Site Request Forgery Prevention Cheat Sheet calls it a
//! pre-session.)
//!
//! It is the same cookie, so it is as hard to plant as the session itself: with the default name
//! only this host can set it. A sign-in replaces it with a real session's cookie.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::pending::{Form, Pending, TokenChange};
use crate::record::{Record, Seed};
use crate::{Config, Key, Session};

impl Session<'_> {
    /// Returns a token for this session's forms, against cross-site request forgery (OWASP ASVS
    /// 5.0, 3.5.1).
    ///
    /// Each call returns another text, masked against BREACH, and all of them are valid. Signing in
    /// makes them invalid. The token already works in the request that creates the session.
    ///
    /// Creates no record. The token of a visitor without a session belongs to the session cookie
    /// that the visitor sent, or to a new one that the response sets. The store holds nothing for
    /// that cookie. The creation of the session replaces it. Forms that an anonymous visitor opened
    /// before stay valid until the sign-in, if the cookie's name starts with `__Host-`.
    ///
    /// With the token in a [header](crate::Carrier::Header) the text is empty, and nothing is
    /// written: no browser sends that header of its own accord.
    ///
    /// `entropy` is fresh randomness.
    ///
    /// Three cases write:
    ///
    /// - A record without room for the token (another framework's) is saved once.
    /// - A session that the client keeps is created in its cookie.
    /// - After [`sign_in`](Session::sign_in) the token is saved with the new session.
    ///
    /// ```
    /// # use cloakroom_core::{Commit, Config, Directive, Exchange, UnixTime};
    /// # let now = UnixTime::from_secs(0);
    /// # let mut exchange = Exchange::open(&Config::default(), [], now);
    /// let mut session = exchange.session()?;
    /// let form = session.csrf_token([7; 32]);
    /// assert!(session.verify_csrf(&form));
    /// assert!(!session.verify_csrf("forged"));
    ///
    /// // A cookie is set, and the store is not asked.
    /// let Commit::Done(outcome) = exchange.finish(now) else { panic!() };
    /// let Directive::Issue(cookie) = outcome.directive else { panic!() };
    ///
    /// // The visitor sends the form.
    /// let sent = [cookie.token.expose().as_bytes()];
    /// let mut exchange = Exchange::open(&Config::default(), sent, now);
    /// let key = exchange.wants_load().unwrap().clone();
    /// exchange.handle_loaded(&key, None)?;
    /// assert!(exchange.session()?.verify_csrf(&form));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn csrf_token(&mut self, entropy: [u8; 32]) -> String {
        if self.config.header().is_some() {
            return String::new();
        }
        let (mut mask, mut fresh) = (Seed::default(), Seed::default());
        for ((byte, mask), fresh) in entropy.chunks_exact(2).zip(&mut mask).zip(&mut fresh) {
            (*mask, *fresh) = (byte[0], byte[1]);
        }
        let seed = match self.pending.seeds().min() {
            Some(seed) => seed,
            None => self.new_seed(fresh),
        };
        let mut token = [0; 32];
        for (n, (mask, seed)) in mask.iter().zip(seed).enumerate() {
            (token[n], token[n + 16]) = (*mask, mask ^ seed);
        }
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Returns whether a form carries a token of this session, or of this visitor before there was
    /// one. Compares in constant time. With the token in a [header](crate::Carrier::Header) it
    /// always returns true.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// let token = session.csrf_token([7; 32]);
    /// assert!(session.verify_csrf(&token));
    /// assert!(!session.verify_csrf(""));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    #[must_use]
    pub fn verify_csrf(&self, token: &str) -> bool {
        if self.config.header().is_some() {
            return true;
        }
        let mut bytes = [0; 32];
        let Ok(32) = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes) else {
            return false;
        };
        let mut shown = Seed::default();
        for (n, shown) in shown.iter_mut().enumerate() {
            *shown = bytes[n] ^ bytes[n + 16];
        }
        let mut genuine = Choice::from(0);
        for seed in self.pending.seeds() {
            genuine |= shown.ct_eq(&seed);
        }
        genuine.into()
    }

    /// Returns the seed of a session that has none so far.
    fn new_seed(&mut self, fresh: Seed) -> Seed {
        let stranger = self.pending.record().is_none()
            && !matches!(self.pending.token_change, TokenChange::SignIn(_))
            && self.config.settings().envelope.is_none();
        let form = match stranger {
            true => Form::new(self.config, &fresh),
            false => None,
        };
        match form {
            Some(form) => self.pending.form.insert(Box::new(form)).seed,
            None => *self.pending.seed.insert(fresh),
        }
    }
}

impl Form {
    fn new(config: &Config, fresh: &Seed) -> Option<Self> {
        let random = Sha256::new()
            .chain_update(b"cloakroom form cookie\0")
            .chain_update(fresh)
            .finalize();
        let (token, key) = config.settings().tokens.mint(&random.into())?;
        let seed = seed_of(&key);
        Some(Self { token, seed })
    }
}

impl Pending {
    /// Returns the seeds that this request's forms may have been made from. More than one only
    /// where a visitor without a session presents several tokens.
    fn seeds(&self) -> impl Iterator<Item = Seed> {
        let signs_in = matches!(self.token_change, TokenChange::SignIn(_));
        let record = self.record().filter(|_| !signs_in);
        let own = self.seed.or_else(|| record.and_then(Record::seed));
        let stranger = own.is_none() && record.is_none() && !signs_in;
        let form = self.form.as_deref().filter(|_| stranger);
        let presented = (stranger && !self.destroyed).then(|| self.strangers());
        own.into_iter()
            .chain(form.map(|form| form.seed))
            .chain(presented.into_iter().flatten())
    }

    /// Returns the seeds of presented tokens that are no session.
    fn strangers(&self) -> impl Iterator<Item = Seed> {
        let untrusted = self.untrusted.iter().map(|base| &base.key);
        self.unknown.iter().chain(untrusted).map(seed_of)
    }

    /// The seed that an anonymous session takes over when this request creates it, so that the
    /// visitor's open forms stay valid. A cookie that another host can plant is not taken over.
    pub(crate) fn inherited_seed(&self, config: &Config) -> Option<Seed> {
        let anonymous = self.token_change == TokenChange::No;
        let form = self.form.as_ref().map(|form| form.seed);
        let inherits = anonymous && !self.destroyed && config.is_bound_to_host();
        let presented = || inherits.then(|| self.strangers().min()).flatten();
        form.filter(|_| anonymous).or_else(presented)
    }
}

fn seed_of(key: &Key) -> Seed {
    let digest = Sha256::new()
        .chain_update(b"cloakroom form\0")
        .chain_update(key.as_bytes())
        .finalize();
    let mut seed = Seed::default();
    for (seed, byte) in seed.iter_mut().zip(digest) {
        *seed = byte;
    }
    seed
}
