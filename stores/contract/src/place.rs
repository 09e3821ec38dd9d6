use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Where a store keeps its records, and which handle of this process opened it there.
///
/// Two applications at one place, with the same keys, accept each other's tokens and list each
/// other's users. The crate `cloakroom` warns of it, for stores that return their place
/// ([`Store::place`](crate::Store::place)). Clones are one handle, and never a reason to warn.
///
/// ```
/// use cloakroom_store::Place;
///
/// let shop = Place::new("redis", ["redis.example:6379/0", "cloakroom:"]);
/// let blog = Place::new("redis", ["redis.example:6379/0", "cloakroom:"]);
/// assert!(!shop.is_shared("session:"));
/// assert!(!shop.clone().is_shared("session:"));
/// assert!(blog.is_shared("session:"));
/// assert_eq!(blog.store(), "redis");
/// ```
#[derive(Clone)]
pub struct Place(Arc<Parts>);

struct Parts {
    store: &'static str,
    parts: Vec<Box<str>>,
}

/// The handles that are in use, and the keys of the applications that use them.
static IN_USE: Mutex<Vec<(Weak<Parts>, Box<str>)>> = Mutex::new(Vec::new());

impl Place {
    /// Returns the place of a store that has just been opened. Keep it, and return clones of it.
    ///
    /// The parts say where it is: for example a host with its port, a database and a prefix. They
    /// are only compared, and must contain no secret all the same.
    ///
    /// ```
    /// # use cloakroom_store::Place;
    /// let place = Place::new("file", ["/var/lib/app/sessions"]);
    /// ```
    pub fn new<'p>(store: &'static str, parts: impl IntoIterator<Item = &'p str>) -> Self {
        let parts = parts.into_iter().map(Into::into).collect();
        Self(Arc::new(Parts { store, parts }))
    }

    /// Returns the kind of the store, as in the place's `new`.
    ///
    /// ```
    /// # use cloakroom_store::Place;
    /// assert_eq!(Place::new("file", ["sessions"]).store(), "file");
    /// ```
    #[must_use]
    pub fn store(&self) -> &'static str {
        self.0.store
    }

    /// Notes that an application with these keys uses the place. Returns whether another handle of
    /// this process is used there, with the same keys.
    ///
    /// The crate `cloakroom` calls it once for each `Sessions`, at the first store call. Costs a
    /// search among the places that this process has open.
    ///
    /// ```
    /// # use cloakroom_store::Place;
    /// let [shop, admin] = ["a", "b"].map(|prefix| Place::new("redis", [prefix]));
    /// assert!(!shop.is_shared("session:") && !admin.is_shared("session:"));
    /// ```
    #[must_use]
    pub fn is_shared(&self, keys: &str) -> bool {
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.retain(|(handle, _)| handle.strong_count() > 0);
        let (mut is_noted, mut is_shared) = (false, false);
        for (handle, known) in in_use.iter().filter(|(_, known)| **known == *keys) {
            match handle.upgrade() {
                Some(handle) if Arc::ptr_eq(&handle, &self.0) => is_noted |= **known == *keys,
                Some(handle) => is_shared |= *self == Self(handle),
                None => {}
            }
        }
        if !is_noted {
            in_use.push((Arc::downgrade(&self.0), keys.into()));
        }
        is_shared
    }
}

/// Whether the records are at the same place. The handle makes no difference.
impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.0.store == other.0.store && self.0.parts == other.0.parts
    }
}

impl Eq for Place {}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Hosts and directories are nobody's business but the operator's.
        write!(f, "Place({:?}, ..)", self.0.store)
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_second_handle_is_noticed_while_the_first_is_open_and_with_the_same_keys_alone() {
        let open = || Place::new("test", ["host", "prefix:"]);
        let first = open();
        assert!(!first.is_shared("a:"));
        assert!(!first.is_shared("a:"));
        assert!(!first.clone().is_shared("b:"));
        let second = open();
        assert!(second.is_shared("a:") && second.is_shared("b:"));
        assert!(!second.is_shared("c:"));
        assert!(!Place::new("test", ["host", "other:"]).is_shared("a:"));
        assert!(!Place::new("test", ["hostprefix:"]).is_shared("a:"));
        drop((first, second));
        assert!(!open().is_shared("a:"));
    }
}
