use std::fmt;
use std::sync::Arc;

use cloakroom::{Builder, Config};

/// A configuration under which the cases run, instead of the default one: what a case sets itself is set on top of it.
///
/// For what sits beside the protocol (a format, a scheme of tokens, an envelope), so that it is shown over a real socket. See
/// [`suite_under`](super::suite_under).
///
/// ```
/// use cloakroom_conformance::adapter::Variant;
///
/// assert_eq!(format!("{:?}", Variant::default()), r#"Variant { name: "default", .. }"#);
/// ```
#[derive(Clone)]
pub struct Variant {
    pub(super) name: &'static str,
    pub(super) without: Arc<Without>,
    pub(super) base: Base,
}

/// Why a case does not apply, if it does not.
type Without = dyn Fn(&str) -> Option<&'static str> + Send + Sync;

/// What the configurations begin with.
#[derive(Clone)]
pub(super) struct Base {
    pub(super) builder: Arc<dyn Fn() -> Builder + Send + Sync>,
    /// Sessions are in a store, and not at the client.
    pub(super) stored: bool,
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
            without: Arc::new(without),
            base: Base {
                builder: Arc::new(base),
                stored: true,
            },
        }
    }

    /// Sessions are in the cookie itself: each change gives the client a new one, and nothing is in a store. The cases do not look there
    /// then; those that are about a store do not apply.
    ///
    /// ```
    /// use cloakroom::{Config, Envelope};
    /// use cloakroom_conformance::adapter::Variant;
    ///
    /// fn sealed(envelope: impl Envelope + Clone) -> Variant {
    ///     let base = move || Config::builder().envelope(envelope.clone());
    ///     let races = |id: &str| (id == "adapter/two-tabs").then_some("the last response wins");
    ///     Variant::new("sealed", base, races).in_the_cookie()
    /// }
    /// ```
    #[must_use]
    pub fn in_the_cookie(mut self) -> Self {
        self.base.stored = false;
        self
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
