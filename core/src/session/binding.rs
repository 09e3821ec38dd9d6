//! The binding of a session to a device.

use crate::journal::BINDING;
use crate::values;
use crate::{Error, Session};

impl Session<'_> {
    /// Returns what binds this session to a device: a text of the crate `cloakroom-dbsc`.
    ///
    /// It is stored among the values, under a name that no handler can use. A rotation and
    /// [`clear`](Session::clear) keep it. A sign-in removes it: the new privilege needs its own.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the stored value is no text.
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// assert_eq!(session.binding()?, None);
    /// session.set_binding("a key")?;
    /// assert_eq!(session.binding()?.as_deref(), Some("a key"));
    /// assert!(session.is_empty());
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn binding(&self) -> Result<Option<String>, Error> {
        self.get(BINDING)
    }

    /// Sets what binds this session to a device, whatever other requests write meanwhile.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Session::insert).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// session.set_binding("a key")?;
    /// session.sign_in("ada")?;
    /// assert_eq!(session.binding()?, None);
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn set_binding(&mut self, binding: &str) -> Result<(), Error> {
        self.check_open()?;
        let value = values::encode(&binding, self.config.settings().limits, self.order())?;
        self.config.check_value(BINDING, &value)?;
        self.set(BINDING, Some(value))
    }

    /// Changes what binds this session to a device, as [`try_update`](Session::try_update) changes
    /// a value: if another request changes it meanwhile, the function runs again.
    ///
    /// # Errors
    ///
    /// Those of [`try_update`](Session::try_update).
    ///
    /// ```
    /// # use cloakroom_core::{Config, Exchange, UnixTime};
    /// # let mut exchange = Exchange::open(&Config::default(), [], UnixTime::from_secs(100));
    /// # let mut session = exchange.session()?;
    /// let confirm = |key: Option<String>| key.ok_or("there is none");
    /// assert_eq!(session.update_binding(confirm)?, Err("there is none"));
    /// # Ok::<(), cloakroom_core::Error>(())
    /// ```
    pub fn update_binding<E>(
        &mut self,
        f: impl FnMut(Option<String>) -> Result<String, E> + Send + 'static,
    ) -> Result<Result<String, E>, Error> {
        self.try_update_any(BINDING, f)
    }
}
