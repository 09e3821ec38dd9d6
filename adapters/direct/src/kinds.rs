use std::any::TypeId;
use std::fmt;

use cloakroom_store::Store;
use http::Extensions;

use crate::adapter::RequestSession;
use crate::{Config, Error, Sessions};

pub(crate) const SAME_NAME: Error = Error::NotSetUp(
    "two kinds of session have one cookie name, so the sign-in of one would be the other's; give \
     the one with `named` a name of its own: `ConfigBuilder::cookie_name`",
);

const NO_NAME: Error = Error::NotSetUp(
    "the sessions with `named` have the default cookie name, which is that of the sessions without; \
     give them a name of their own: `ConfigBuilder::cookie_name`",
);

/// The kinds of session around a handler: refuses two with one cookie name.
///
/// A kind is the type `K` of `Session<K>`. Two kinds with one cookie name are a mistake. On one
/// store a shopper's sign-in is then an administrator's. On two stores each kind replaces the
/// other's cookie with every request.
///
/// Layers on separate routes do not see each other. Where two kinds have one cookie name there, a
/// request is refused if another kind has issued or seen its token. Of tokens from before the
/// process began, the kind that sees one first counts.
///
/// An adapter calls [`check`](Kinds::check) when it is built. For every request it calls
/// [`enter`](Kinds::enter), or [`add`](Kinds::add) where the request has no
/// [`http::Extensions`]. It answers with the error instead of calling the handler.
///
/// ```
/// use cloakroom::Config;
/// use cloakroom::adapter::Kinds;
///
/// struct Admin;
///
/// let mut kinds = Kinds::default();
/// kinds.add::<()>(&Config::default())?;
/// assert!(kinds.add::<Admin>(&Config::default()).is_err());
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Kinds(Vec<(Config, TypeId)>);

impl Kinds {
    /// Checks that these sessions can be of the kind `K`.
    ///
    /// # Errors
    ///
    /// [`Error::NotSetUp`] if `K` is not `()` and the configuration has the default cookie name.
    /// Also for [`NoStore`](crate::NoStore) without an envelope, and for an envelope with another
    /// store.
    ///
    /// ```
    /// use cloakroom::Sessions;
    /// use cloakroom::adapter::Kinds;
    /// # use cloakroom_memory::MemoryStore;
    ///
    /// struct Admin;
    ///
    /// let sessions = Sessions::new(MemoryStore::new());
    /// assert!(Kinds::check::<(), _>(&sessions).is_ok());
    /// assert!(Kinds::check::<Admin, _>(&sessions).is_err());
    /// ```
    pub fn check<K: 'static, S: Store>(sessions: &Sessions<S>) -> Result<(), Error> {
        sessions.0.check()?;
        if is_named::<K>() && sessions.config().has_default_name() {
            return Err(NO_NAME);
        }
        sessions.0.register::<K>();
        Ok(())
    }

    /// Adds the kind `K`, whose sessions have this configuration.
    ///
    /// # Errors
    ///
    /// [`Error::NotSetUp`] if another kind has the same cookie name.
    ///
    /// ```
    /// use cloakroom::Config;
    /// use cloakroom::adapter::Kinds;
    ///
    /// let mut kinds = Kinds::default();
    /// kinds.add::<()>(&Config::default())?;
    /// kinds.add::<()>(&Config::default())?; // the same kind
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn add<K: 'static>(&mut self, config: &Config) -> Result<(), Error> {
        let kind = TypeId::of::<K>();
        let mut same = self
            .0
            .iter()
            .filter(|(known, _)| known.shares_carrier(config));
        match same.next() {
            Some((_, known)) if *known != kind => Err(SAME_NAME),
            Some(_) => Ok(()),
            None => {
                self.0.push((config.clone(), kind));
                Ok(())
            }
        }
    }

    /// Adds the kind `K` to those of a request. Costs nothing where no kind has a name.
    ///
    /// # Errors
    ///
    /// As [`add`](Kinds::add).
    ///
    /// ```
    /// use cloakroom::Config;
    /// use cloakroom::adapter::Kinds;
    ///
    /// # let mut request = http::Request::new(());
    /// Kinds::enter::<()>(request.extensions_mut(), &Config::default())?;
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    pub fn enter<K: 'static>(extensions: &mut Extensions, config: &Config) -> Result<(), Error> {
        if !is_named::<K>() {
            let kinds = extensions.get_mut::<Self>();
            return kinds.map_or(Ok(()), |kinds| kinds.clone().add::<K>(config));
        }
        let outer = extensions.get::<RequestSession>();
        if outer.is_some_and(|outer| outer.config().shares_carrier(config)) {
            return Err(SAME_NAME);
        }
        extensions.get_or_insert_default::<Self>().add::<K>(config)
    }
}

fn is_named<K: 'static>() -> bool {
    TypeId::of::<K>() != TypeId::of::<()>()
}

impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(config, _)| config.cookie_name());
        f.debug_list().entries(names).finish()
    }
}
