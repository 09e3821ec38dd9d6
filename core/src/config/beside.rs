//! Settings for sharing sessions with another system.

use std::sync::Arc;
use std::time::Duration;

use super::ConfigBuilder;
use crate::shared::Shared;
use crate::{Envelope, Format, TokenScheme};

impl ConfigBuilder {
    /// Sets another idle timeout for sessions whose cookie ends with the browser's session.
    /// Default: the same.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let day = std::time::Duration::from_secs(86_400);
    /// let config = Config::builder().lifetimes(cloakroom_core::Lifetimes {
    ///     idle: 31 * day,
    ///     absolute: 31 * day,
    /// });
    /// let config = config.idle_timeout_until_closed(day).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn idle_timeout_until_closed(mut self, timeout: Duration) -> Self {
        self.fields.idle_timeout_until_closed = Some(timeout);
        self
    }

    /// Sets whether reading extends a session's life, or only writing does. Default: true. See
    /// [`touch_interval`](ConfigBuilder::touch_interval).
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder().extend_on_read(false).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn extend_on_read(mut self, extend: bool) -> Self {
        self.fields.extend_on_read = extend;
        self
    }

    /// Sets how much of the idle timeout has to pass before a request extends a session's life
    /// again. Whole seconds, less than the idle timeout. Default: a tenth of it.
    ///
    /// The extension also renews the cookie, if that is [configured](ConfigBuilder::renew_cookie).
    /// A session with a shorter idle timeout of its own uses a tenth of that. With 0 each request
    /// that uses its session extends it, at the price of a `touch` each time, but not twice within
    /// a second.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder()
    ///     .touch_interval(std::time::Duration::ZERO)
    ///     .build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn touch_interval(mut self, passed: Duration) -> Self {
        self.fields.touch_interval = Some(passed);
        self
    }

    /// Sets whether a cookie with a Max-Age is sent again when the session's life is extended, or
    /// its expiry is set. Default: false, it is sent once, with the rest of the absolute timeout.
    ///
    /// With true its Max-Age is the idle timeout. Before a read-only request renews it, one more
    /// store call checks that its token still is the session's.
    ///
    /// A renewing response that arrives after a concurrent sign-in's gives the client the older
    /// token again. That token is dead once the grace is over. So prefer the default, unless a
    /// system that shares the sessions renews its cookies.
    ///
    /// A session in the [cookie itself](ConfigBuilder::envelope) is then extended by reading only
    /// if its cookie has a Max-Age.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder().persistent(true).renew_cookie(true).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn renew_cookie(mut self, renew: bool) -> Self {
        self.fields.renew_cookie = renew;
        self
    }

    /// Sets whether a session is deleted, and its cookie cleared, when a request leaves it without
    /// values and it belongs to no subject. Default: false, it stays.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder().delete_when_empty(true).build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn delete_when_empty(mut self, delete: bool) -> Self {
        self.fields.delete_when_empty = delete;
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
        self.fields.format = Some(Shared(Arc::new(format)));
        self
    }

    /// Keeps sessions in the cookie itself, and none in a store. See [`Envelope`], also for what
    /// such sessions cannot do. The settings of tokens and keys are then an error.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Envelope};
    /// fn with(
    ///     envelope: impl Envelope,
    /// ) -> Result<Config, cloakroom_core::ConfigError> {
    ///     Config::builder().envelope(envelope).build()
    /// }
    /// ```
    pub fn envelope(mut self, envelope: impl Envelope) -> Self {
        self.fields.envelope = Some(Shared(Arc::new(envelope)));
        self
    }

    /// Makes and recognises tokens in another way than this library's own: see [`TokenScheme`]. A
    /// token format and signing keys are then an error.
    ///
    /// ```
    /// # use cloakroom_core::{Config, TokenScheme};
    /// fn with(
    ///     scheme: impl TokenScheme,
    /// ) -> Result<Config, cloakroom_core::ConfigError> {
    ///     Config::builder().token_scheme(scheme).build()
    /// }
    /// ```
    pub fn token_scheme(mut self, scheme: impl TokenScheme) -> Self {
        self.fields.token_scheme = Some(Shared(Arc::new(scheme)));
        self
    }
}
