//! For living beside another system that has the same sessions.

use std::sync::Arc;
use std::time::Duration;

use super::Builder;
use crate::format::Shared;
use crate::{Envelope, Format, TokenScheme};

impl Builder {
    /// Another idle timeout for sessions whose cookie ends with the browser's session. Default: the same.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let day = std::time::Duration::from_secs(86_400);
    /// let config = Config::builder().lifetimes(cloakroom_core::Lifetimes { idle: 31 * day, absolute: 31 * day });
    /// let config = config.idle_timeout_until_closed(day).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn idle_timeout_until_closed(mut self, timeout: Duration) -> Self {
        self.idle_timeout_until_closed = Some(timeout);
        self
    }

    /// Whether reading extends a session's life (see [`extend_after`](Builder::extend_after)), or only writing does. Default `true`.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder().extend_on_read(false).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn extend_on_read(mut self, extend: bool) -> Self {
        self.extend_on_read = extend;
        self
    }

    /// How much of the idle timeout has to pass before a request extends a session's life again, and renews its cookie if that is
    /// [configured](Builder::renew_cookie); whole seconds, less than the idle timeout. Default: a tenth of it, as also for a session that has a shorter
    /// idle timeout of its own. With 0 each request that
    /// uses its session does so, at the price of a `touch` each time; not twice within a second.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder().extend_after(std::time::Duration::ZERO).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn extend_after(mut self, passed: Duration) -> Self {
        self.extend_after = Some(passed);
        self
    }

    /// Whether a cookie with a Max-Age is sent again when the session's life is extended, or its expiry is set. Its Max-Age is
    /// the idle timeout then. Default `false`: it is sent once, with what is left of the absolute timeout.
    ///
    /// Before a request that only reads renews it, it looks whether its token still is the session's: one store call more. Yet its
    /// response, if it arrives after that of a sign-in on another request, gives the client back the older token, which is dead
    /// once the grace is over. So prefer the default, unless a system beside this one sends its cookies so.
    ///
    /// A session in the [cookie itself](Builder::envelope) is then extended by reading only if its cookie has a Max-Age.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder().persistent(true).renew_cookie(true).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn renew_cookie(mut self, renew: bool) -> Self {
        self.renew_cookie = renew;
        self
    }

    /// Whether a session that a request leaves without values (and that belongs to nobody) is deleted, and its cookie cleared.
    /// Default `false`: it stays.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder().delete_emptied(true).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn delete_emptied(mut self, delete: bool) -> Self {
        self.delete_emptied = delete;
        self
    }

    /// Keeps records in another format than this library's own: see [`Format`].
    ///
    /// ```
    /// # use cloakroom_core::{Config, Format};
    /// fn with(format: impl Format) -> Result<Config, cloakroom_core::ConfigError> {
    ///     Config::builder().format(format).build()
    /// }
    /// ```
    pub fn format(mut self, format: impl Format) -> Self {
        self.format = Some(Shared(Arc::new(format)));
        self
    }

    /// Keeps sessions in the cookie itself, and none in a store: see [`Envelope`], also for what such sessions cannot do. The
    /// settings of tokens and keys have no effect then.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Envelope};
    /// fn with(envelope: impl Envelope) -> Result<Config, cloakroom_core::ConfigError> {
    ///     Config::builder().envelope(envelope).build()
    /// }
    /// ```
    pub fn envelope(mut self, envelope: impl Envelope) -> Self {
        self.envelope = Some(Shared(Arc::new(envelope)));
        self
    }

    /// Makes and recognises tokens in another way than this library's own: see [`TokenScheme`]. The token's format and the
    /// signing keys have no effect then.
    ///
    /// ```
    /// # use cloakroom_core::{Config, TokenScheme};
    /// fn with(scheme: impl TokenScheme) -> Result<Config, cloakroom_core::ConfigError> {
    ///     Config::builder().token_scheme(scheme).build()
    /// }
    /// ```
    pub fn token_scheme(mut self, scheme: impl TokenScheme) -> Self {
        self.token_scheme = Some(Shared(Arc::new(scheme)));
        self
    }
}
