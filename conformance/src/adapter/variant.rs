use std::fmt;
use std::sync::Arc;

use cloakroom::{Builder, Config};

/// A configuration under which the cases run, instead of the default one: what a case sets itself is set on top of it.
///
/// For what sits beside the protocol (a format, a scheme of tokens, an envelope), so that it is shown over a real socket. See
/// [`suite_under`](super::suite_under).
#[derive(Clone)]
pub struct Variant {
    pub(super) name: &'static str,
    pub(super) base: Arc<dyn Fn() -> Builder + Send + Sync>,
    pub(super) without: Arc<dyn Fn(&str) -> Option<&'static str> + Send + Sync>,
}

impl Variant {
    /// With this name in the output. The second function says of the id of a case why it does not apply, if it does not.
    ///
    /// ```
    /// use cloakroom::Config;
    /// use cloakroom_conformance::adapter::Variant;
    ///
    /// let variant = Variant::new("persistent", || Config::builder().persistent(true), |_| None);
    /// ```
    pub fn new(
        name: &'static str,
        base: impl Fn() -> Builder + Send + Sync + 'static,
        without: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            base: Arc::new(base),
            without: Arc::new(without),
        }
    }
}

impl Default for Variant {
    /// The default configuration, and every case.
    fn default() -> Self {
        Self::new("default", Config::builder, |_| None)
    }
}

impl fmt::Debug for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variant")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
