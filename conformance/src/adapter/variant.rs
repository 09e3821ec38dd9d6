use std::fmt;
use std::sync::Arc;

use cloakroom::{Carrier, Config, ConfigBuilder, Sessions};

use super::AppStore;
use super::stage::Stage;
use crate::FakeClock;
use crate::case::Stop;

/// A configuration for all cases, instead of the default one. A case's own settings are applied on
/// top of it.
///
/// Use it for parts beside the protocol (a format, a token scheme, an envelope), to show them over
/// a real socket. See [`suite_under`](super::suite_under).
///
/// ```
/// use cloakroom_conformance::adapter::Variant;
///
/// assert_eq!(
///     format!("{:?}", Variant::default()),
///     r#"Variant { name: "default", .. }"#
/// );
/// ```
#[derive(Clone)]
pub struct Variant {
    pub(super) name: &'static str,
    pub(super) without: Arc<Without>,
    pub(super) base: Configuration,
}

/// Why a case does not apply, if it does not.
type Without = dyn Fn(&str) -> Option<&'static str> + Send + Sync;

/// Makes the base configuration.
#[derive(Clone)]
pub(super) struct Configuration {
    pub(super) builder: Arc<dyn Fn() -> ConfigBuilder + Send + Sync>,
    /// Sessions are in a store, and not at the client.
    pub(super) stored: bool,
}

impl Variant {
    /// Returns a variant with this name in the output. The second function returns why the case of
    /// an id does not apply, if it does not.
    ///
    /// ```
    /// use cloakroom::Config;
    /// use cloakroom_conformance::adapter::Variant;
    ///
    /// let variant = Variant::new(
    ///     "persistent",
    ///     || Config::builder().persistent(true),
    ///     |_| None,
    /// );
    /// ```
    pub fn new(
        name: &'static str,
        base: impl Fn() -> ConfigBuilder + Send + Sync + 'static,
        without: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            without: Arc::new(without),
            base: Configuration {
                builder: Arc::new(base),
                stored: true,
            },
        }
    }

    /// Sessions are in the cookie itself: each change gives the client a new one, and nothing is in
    /// a store. The cases do not look there then; those that are about a store do not apply.
    ///
    /// ```
    /// use cloakroom::{Config, Envelope};
    /// use cloakroom_conformance::adapter::Variant;
    ///
    /// fn sealed(envelope: impl Envelope + Clone) -> Variant {
    ///     let base = move || Config::builder().envelope(envelope.clone());
    ///     let races = |id: &str| {
    ///         (id == "adapter/two-tabs").then_some("the last response wins")
    ///     };
    ///     Variant::new("sealed", base, races).in_the_cookie()
    /// }
    /// ```
    #[must_use]
    pub fn in_the_cookie(mut self) -> Self {
        self.base.stored = false;
        self
    }

    /// Returns the variant whose tokens are in the header `authorization`, for every adapter of a
    /// framework. The cases of cookies and of forms do not apply there.
    ///
    /// ```
    /// use cloakroom_conformance::Suite;
    /// use cloakroom_conformance::adapter::{self, Fixture, Variant};
    ///
    /// fn with_header(fixture: impl Fixture) -> Suite {
    ///     adapter::suite_under(fixture, vec![Variant::header()])
    /// }
    /// ```
    #[must_use]
    pub fn header() -> Self {
        let header = || Config::builder().carrier(Carrier::Header("authorization"));
        Self::new("header", header, without_in_header)
    }

    /// Returns the variant with [sealed values](cloakroom::ConfigBuilder::seal_values), for every
    /// adapter. No case reads a record without its token, so all apply.
    ///
    /// ```
    /// use cloakroom_conformance::Suite;
    /// use cloakroom_conformance::adapter::{self, Fixture, Variant};
    ///
    /// fn with_sealed_values(fixture: impl Fixture) -> Suite {
    ///     adapter::suite_under(fixture, vec![Variant::sealed_values()])
    /// }
    /// ```
    #[must_use]
    pub fn sealed_values() -> Self {
        let sealing = || Config::builder().seal_values(true);
        Self::new("sealed-values", sealing, |_| None)
    }
}

impl Default for Variant {
    /// Returns the default configuration, and every case.
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

fn without_in_header(id: &str) -> Option<&'static str> {
    let id = id.strip_prefix("adapter/")?;
    let is = |ids: &[&str]| ids.contains(&id);
    if is(&COOKIES) {
        Some("the token is in a header, and `header` has the cases of it")
    } else if is(&FORMS) {
        Some("with the token in a header, forms need no token")
    } else {
        None
    }
}

/// The cases about the Cookie and Set-Cookie lines themselves.
const COOKIES: [&str; 18] = [
    "token-only-in-the-cookie",
    "several-cookie-lines",
    "duplicate-cookies",
    "cookie-taken-as-it-is",
    "garbage-beside-the-cookie",
    "cookie-defaults",
    "cookie-as-configured",
    "insecure-only-when-asked",
    "removal-cookie",
    "one-line-per-name",
    "no-needless-cookie",
    "vary-is-merged",
    "cookie-behind-any-bytes",
    "cookie-behind-dropped-bytes",
    "large-cookie-lines",
    "former-scope-at-sign-in",
    "former-scope-at-sign-out",
    "former-scopes-each-have-a-line",
];

const FORMS: [&str; 2] = [
    "csrf-token-is-bound",
    "form-for-strangers-creates-no-record",
];

/// The second kind of session, with a carrier of its own.
pub(super) fn second(builder: ConfigBuilder) -> ConfigBuilder {
    let in_header = builder.clone().build();
    match in_header.is_ok_and(|config| config.header().is_some()) {
        true => builder.carrier(Carrier::Header("x-second")),
        false => builder.cookie_name("__Host-second"),
    }
}

pub(super) fn build(builder: ConfigBuilder) -> Result<Config, Stop> {
    builder
        .build()
        .map_err(|error| Stop::Failed(format!("the suite's configuration: {error}")))
}

pub(super) fn sessions(
    store: &AppStore,
    config: &Config,
    clock: &FakeClock,
    stage: &Stage,
) -> Sessions<AppStore> {
    let (clock, entropy) = (clock.clone(), stage.entropy().clone());
    Sessions::new(Arc::clone(store))
        .with_unused_store()
        .with_config(config.clone())
        .with_clock(move || clock.now())
        .with_entropy(move |bytes| {
            entropy.fill(bytes);
            Ok(())
        })
}
