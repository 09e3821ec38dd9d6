use std::fmt;

/// Why a configuration is refused: the field, and what to change.
///
/// ```
/// use cloakroom_core::Config;
///
/// let error = Config::builder().cookie_name("__Host-s").path("/app").build().unwrap_err();
/// assert_eq!(error.field(), "path");
/// assert_eq!(
///     error.to_string(),
///     "session configuration, `path`: a `__Host-` cookie has Path=/; remove the path or use another prefix",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    problem: &'static str,
}

impl ConfigError {
    pub(crate) const fn new(field: &'static str, problem: &'static str) -> Self {
        Self { field, problem }
    }

    /// The field of the builder, and of the settings, that is to be changed.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// assert_eq!(Config::builder().cookie_name("a b").build().unwrap_err().field(), "cookie_name");
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
