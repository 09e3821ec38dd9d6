//! Settings of sealed values.

use super::{ConfigBuilder, ConfigError};
use crate::record::check_name;
use crate::seal::AVAILABLE;
use crate::token::KeyFormat;

impl ConfigBuilder {
    /// Sets whether records hold the values sealed: encrypted with XChaCha20-Poly1305 under a key
    /// that only the visitor's token leads to (HKDF-SHA256). Default: false. Needs the feature
    /// `sealed-values`.
    ///
    /// A dump of the store then contains neither tokens nor values. Names, flash values and the
    /// secret of the CSRF tokens are sealed too. The head stays readable: times, subject, own
    /// lifetime, successor. The values are authenticated together with it.
    ///
    /// **The price: without the visitor's token nothing can read or change a session.** A listing
    /// returns [`Error::Sealed`](crate::Error::Sealed) for its values, apart from the
    /// [public](ConfigBuilder::public_values) ones, and so does every change by an operator or a
    /// background job. Listing, revoking and limits work as before.
    ///
    /// Costs no store call. A record grows by at most 50 bytes. Each save asks the system for
    /// randomness.
    ///
    /// # What a rotation does
    ///
    /// It seals the values again, in the writes that it makes anyway. The retired record keeps the
    /// successor's key, sealed under the old one. So during the grace a copy of the old token and
    /// of the store opens the new record, as the old token itself does. No key crosses a sign-in.
    ///
    /// # Switching
    ///
    /// Every program built with the feature reads records of both kinds, and writes the kind that
    /// it is set to. So switching signs nobody out. First update all nodes to a program with the
    /// feature, then switch. A token that was rotated away less than a grace before may get
    /// [`Error::Sealed`](crate::Error::Sealed) once, because its retired record has no key.
    ///
    /// # What it does not do
    ///
    /// Someone who can write to the store can replace a record by an unsealed one, which is
    /// accepted, or by an older copy of it. The head and public values are authenticated only for
    /// a request that has the token.
    ///
    /// The length of a record shows that of its values. Foreign formats, a session in the cookie
    /// and [`KeyFormat::Plain`](crate::KeyFormat::Plain) are errors beside it.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let config = Config::builder()
    ///     .seal_values(true)
    ///     .public_values(["device"])
    ///     .build()?;
    /// # Ok::<(), cloakroom_core::ConfigError>(())
    /// ```
    pub fn seal_values(mut self, seal: bool) -> Self {
        self.fields.seal_values = seal;
        self
    }

    /// Names the values that a record shows without the visitor's token, for listings. Default:
    /// none. Has no effect on records that are not [sealed](ConfigBuilder::seal_values).
    ///
    /// A record holds each of them twice. One that was saved before it was named here is shown from
    /// the session's next save on.
    ///
    /// ```
    /// # use cloakroom_core::Config;
    /// let builder = Config::builder().public_values(["device", "city"]);
    /// ```
    pub fn public_values(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields.public_values = names.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the names of the public values, in ascending order.
    pub(super) fn public_names(&self) -> Box<[Box<str>]> {
        let names = self.fields.public_values.iter();
        let mut names: Vec<Box<str>> = names.map(|name| name.as_str().into()).collect();
        names.sort_unstable();
        names.dedup();
        names.into()
    }
}

pub(super) fn check(builder: &ConfigBuilder) -> Result<(), ConfigError> {
    let fields = &builder.fields;
    if fields
        .public_values
        .iter()
        .any(|name| check_name(name).is_err())
    {
        let problem = "must be names of 1 to 255 bytes without control characters";
        return Err(ConfigError::new("public_values", problem));
    }
    if !fields.seal_values {
        return Ok(());
    }
    let problem = if fields.format.is_some() {
        "cannot seal records of another format, which another system reads; remove one of the two"
    } else if fields.envelope.is_some() {
        "has no effect on sessions in the cookie; remove it, or `envelope`"
    } else if fields.key_format == KeyFormat::Plain {
        "would be useless: with the key format `plain` the store's keys are the tokens; use `sha256`"
    } else if !AVAILABLE {
        "needs the feature `sealed-values`; add it to the adapter in Cargo.toml"
    } else {
        return Ok(());
    };
    Err(ConfigError::new("seal_values", problem))
}
