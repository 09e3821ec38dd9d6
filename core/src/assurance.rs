use std::fmt;

use crate::{Error, record};

/// The most methods of one sign-in.
pub(crate) const MAX_METHODS: usize = 8;

/// The level and the methods of an authentication. The session keeps them with the sign-in.
///
/// The level is a number whose meaning is the application's, for example an AAL of NIST SP 800-63B,
/// section 2: 1 to 3. OpenID Connect has it in the claim `acr`. A guard asks for a least level. The
/// methods are names, for example those of RFC 8176, which are the values of the claim `amr`.
///
/// ```
/// use cloakroom_core::Authentication;
///
/// let how = Authentication::new(2).method("pwd").method("otp");
/// assert_eq!(how.level(), 2);
/// assert!(how.methods().eq(["pwd", "otp"]));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Authentication {
    level: u8,
    methods: Vec<Box<str>>,
}

impl Authentication {
    /// Returns an authentication of this level, without methods.
    ///
    /// ```
    /// # use cloakroom_core::Authentication;
    /// assert_eq!(Authentication::new(1).methods().count(), 0);
    /// ```
    #[must_use]
    pub const fn new(level: u8) -> Self {
        Self {
            level,
            methods: Vec::new(),
        }
    }

    /// Adds a method: 1 to 32 visible ASCII characters. At most eight. A sign-in with another name
    /// fails. A method that is there already is not added.
    ///
    /// ```
    /// # use cloakroom_core::Authentication;
    /// let how = Authentication::new(1).method("pwd").method("pwd");
    /// assert_eq!(how.methods().count(), 1);
    /// ```
    #[must_use]
    pub fn method(mut self, name: impl Into<Box<str>>) -> Self {
        let name = name.into();
        if !self.methods.contains(&name) {
            self.methods.push(name);
        }
        self
    }

    /// Returns the level.
    ///
    /// ```
    /// # use cloakroom_core::Authentication;
    /// assert_eq!(Authentication::new(3).level(), 3);
    /// ```
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Returns the methods, in the order in which they were added.
    ///
    /// ```
    /// # use cloakroom_core::Authentication;
    /// fn has_key(how: &Authentication) -> bool {
    ///     how.methods().any(|method| method == "hwk")
    /// }
    /// ```
    pub fn methods(&self) -> impl ExactSizeIterator<Item = &str> {
        self.methods.iter().map(|name| &**name)
    }

    pub(crate) fn encode(&self) -> Result<Box<[u8]>, Error> {
        let valid = self.methods.len() <= MAX_METHODS && self.methods().all(is_method);
        match valid {
            true => Ok(record::encode_assurance(self.level, self.methods())),
            false => Err(Error::InvalidAuthentication),
        }
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (level, methods) = record::decode_assurance(bytes)?;
        let methods = methods.into_iter().map(Box::from).collect();
        Some(Self { level, methods })
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("level", &self.level)
            .field("methods", &self.methods)
            .finish()
    }
}

/// Whether this is the name of a method.
pub(crate) fn is_method(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}
