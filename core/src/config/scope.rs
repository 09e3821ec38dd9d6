//! Where a cookie belongs: what makes two cookies of one name different ones.

use sha2::{Digest, Sha256};

use crate::record::Nonce;

/// Where a cookie belongs: its Domain, Path and Partitioned. For
/// [`ConfigBuilder::former_scope`](crate::ConfigBuilder::former_scope).
///
/// A browser keeps one cookie of a name for each scope, and sends all that fit. Default: no Domain,
/// Path `/`, not Partitioned.
///
/// ```
/// use cloakroom_core::{Config, CookieScope};
///
/// // The cookie was once for all subdomains.
/// let config = Config::builder()
///     .cookie_name("__Secure-shop")
///     .former_scope(CookieScope::new().domain("example.org"))
///     .build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
pub struct CookieScope {
    pub(super) domain: Option<String>,
    pub(super) path: String,
    pub(super) partitioned: bool,
}

impl CookieScope {
    /// Returns the scope of a cookie without Domain and Partitioned, with Path `/`.
    ///
    /// ```
    /// # use cloakroom_core::CookieScope;
    /// assert_eq!(CookieScope::new(), CookieScope::default());
    /// ```
    pub fn new() -> Self {
        Self {
            domain: None,
            path: "/".into(),
            partitioned: false,
        }
    }

    /// Sets the Domain.
    ///
    /// ```
    /// # use cloakroom_core::CookieScope;
    /// let scope = CookieScope::new().domain("example.org");
    /// ```
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets the Path.
    ///
    /// ```
    /// # use cloakroom_core::CookieScope;
    /// let scope = CookieScope::new().path("/shop");
    /// ```
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets whether the cookie was Partitioned.
    ///
    /// ```
    /// # use cloakroom_core::CookieScope;
    /// let scope = CookieScope::new().partitioned(true);
    /// ```
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Whether a browser takes both for one.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.host() == other.host()
            && self.path == other.path
            && self.partitioned == other.partitioned
    }

    /// The Domain as browsers compare it: they ignore a leading dot, and case (RFC 10025, section
    /// 5.6.3).
    fn host(&self) -> Option<String> {
        let domain = self.domain.as_deref();
        let domain = domain.map(|domain| domain.strip_prefix('.').unwrap_or(domain));
        domain.map(str::to_ascii_lowercase)
    }

    /// Returns the mark of sessions in a cookie of this scope.
    pub(super) fn mark(&self) -> Nonce {
        let host = self.host().unwrap_or_default();
        let digest = Sha256::new()
            .chain_update(host)
            .chain_update([0, self.partitioned.into()])
            .chain_update(&self.path)
            .finalize();
        let mut mark = [0; 8];
        let (start, rest) = mark.split_at_mut(MARKED.len());
        start.copy_from_slice(&MARKED);
        rest.copy_from_slice(&digest[..rest.len()]);
        mark
    }
}

/// Where the mark of a scope begins. Those of writes are random.
const MARKED: [u8; 4] = *b"scop";

/// The marks of a configuration: which cookies a response to it cannot remove.
#[derive(Debug)]
pub(crate) struct ScopeMarks {
    pub(crate) own: Nonce,
    former: Box<[Nonce]>,
}

impl ScopeMarks {
    pub(super) fn new(own: &CookieScope, former: &[CookieScope]) -> Self {
        Self {
            own: own.mark(),
            former: former.iter().map(CookieScope::mark).collect(),
        }
    }

    /// Whether this is the mark of a scope that the configuration does not name.
    pub(crate) fn is_elsewhere(&self, mark: Nonce) -> bool {
        mark.starts_with(&MARKED) && mark != self.own && !self.former.contains(&mark)
    }
}

impl Default for CookieScope {
    fn default() -> Self {
        Self::new()
    }
}
