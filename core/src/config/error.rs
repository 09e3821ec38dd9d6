use std::fmt;

/// The reason why a configuration is rejected: the field, and what to change.
///
/// ```
/// use cloakroom_core::Config;
///
/// let error = Config::builder()
///     .cookie_name("__Host-s")
///     .path("/app")
///     .build()
///     .unwrap_err();
/// assert_eq!(error.field(), "path");
/// assert_eq!(
///     error.to_string(),
///     "session configuration, `path`: a `__Host-` cookie has Path=/; \
///      remove the path or use another prefix",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    problem: &'static str,
}

impl ConfigError {
    /// Creates an error for a configuration that is built from other settings than the builder's:
    /// for profiles and adapters.
    ///
    /// ```
    /// # use cloakroom_core::ConfigError;
    /// let error = ConfigError::new("SECRET_KEY", "must be set");
    /// assert_eq!(
    ///     error.to_string(),
    ///     "session configuration, `SECRET_KEY`: must be set"
    /// );
    /// ```
    #[must_use]
    pub const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }

    /// Returns the same problem for a setting that has another name.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let error = Config::builder()
    ///     .cookie_name("a b")
    ///     .build()
    ///     .unwrap_err()
    ///     .with_field("SESSION_COOKIE_NAME");
    /// assert_eq!(error.field(), "SESSION_COOKIE_NAME");
    /// ```
    #[must_use]
    pub const fn with_field(mut self, field: &'static str) -> Self {
        self.field = field;
        self
    }

    /// Returns what is wrong, and what to change.
    ///
    /// ```
    /// # use cloakroom_core::ConfigError;
    /// assert_eq!(
    ///     ConfigError::new("SECRET_KEY", "must be set").problem(),
    ///     "must be set"
    /// );
    /// ```
    #[must_use]
    pub const fn problem(&self) -> &'static str {
        self.problem
    }

    /// Returns the field of the builder (and of the settings) to change.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(
    ///     Config::builder()
    ///         .cookie_name("a b")
    ///         .build()
    ///         .unwrap_err()
    ///         .field(),
    ///     "cookie_name"
    /// );
    /// ```
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "session configuration, `{}`: {}",
            self.field, self.problem
        )
    }
}

impl std::error::Error for ConfigError {}
