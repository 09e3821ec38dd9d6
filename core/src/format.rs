//! The layout of records in the store, for sessions that another system reads and writes too.

use std::collections::BTreeMap;
use std::fmt;

use crate::Error;

/// Another layout of records than this library's own, so that another system can read and write the
/// same sessions.
///
/// Set one with [`ConfigBuilder::format`](crate::ConfigBuilder::format). To replace or delete a
/// record, the machine sends the stored bytes back verbatim. A format only interprets them.
///
/// It is called with the bytes of a store, so it must accept any: no panic, and memory bounded by
/// their length.
///
/// ```
/// use cloakroom_core::{Config, Contents, Error, Format};
///
/// /// One line for each value: name, `=`, hexadecimal CBOR.
/// struct Lines;
///
/// impl Format for Lines {
///     fn decode(&self, stored: &[u8]) -> Result<Contents, Error> {
///         let text = std::str::from_utf8(stored).map_err(|_| Error::Corrupt)?;
///         let mut contents = Contents::default();
///         for line in text.lines() {
///             let (name, value) = line.split_once('=').ok_or(Error::Corrupt)?;
///             let digits = value
///                 .as_bytes()
///                 .chunks(2)
///                 .map(|pair| std::str::from_utf8(pair).unwrap_or_default());
///             let value: Result<Vec<u8>, _> =
///                 digits.map(|pair| u8::from_str_radix(pair, 16)).collect();
///             let value = value.map_err(|_| Error::Corrupt)?;
///             match name {
///                 "" => contents.head = Some(value),
///                 _ => _ = contents.values.insert(name.into(), value),
///             }
///         }
///         Ok(contents)
///     }
///
///     fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error> {
///         let head = contents.head.iter().map(|head| ("", head));
///         let values =
///             contents.values.iter().map(|(name, value)| (&**name, value));
///         let line = |(name, value): (&str, &Vec<u8>)| {
///             let digits: String =
///                 value.iter().map(|byte| format!("{byte:02x}")).collect();
///             format!("{name}={digits}\n")
///         };
///         Ok(head
///             .chain(values)
///             .map(line)
///             .collect::<String>()
///             .into_bytes())
///     }
///
///     fn check(&self, name: &str, _value: &[u8]) -> Result<(), Error> {
///         if name.contains('=') {
///             Err(Error::ReservedName { name: name.into() })
///         } else {
///             Ok(())
///         }
///     }
/// }
///
/// let config = Config::builder().format(Lines).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
pub trait Format: Send + Sync + 'static {
    /// Decodes a stored record.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], or [`Error::Refused`] for a readable record that must not be loaded. The
    /// record then stays as it is.
    fn decode(&self, stored: &[u8]) -> Result<Contents, Error>;

    /// Encodes a record with these contents.
    ///
    /// # Errors
    ///
    /// [`Error::Unrepresentable`] for a value that [`check`](Format::check) has not seen. Then
    /// nothing is written.
    fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error>;

    /// Checks whether a value can be kept under this name. Called when a handler sets it, so that
    /// the error appears at its cause.
    ///
    /// # Errors
    ///
    /// [`Error::Unrepresentable`], [`Error::ReservedName`].
    fn check(&self, name: &str, value: &[u8]) -> Result<(), Error>;
}

/// The contents of a record in another format.
///
/// ```
/// use cloakroom_core::Contents;
///
/// let mut contents = Contents::default();
/// contents.values.insert("user_id".into(), vec![0x18, 42]); // 42 in CBOR
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// This library's own data, if it needs any. Store it, and return it unchanged.
    ///
    /// For a live record it is the head of this library's own records. For a retired record it is
    /// all of it, with the data that can be read in the grace.
    pub head: Option<Vec<u8>>,
    /// Whether the session's cookie outlives the browser's session. `None` for a retired record.
    pub persistent: Option<bool>,
    /// The session's subject. Never given with a retired record. Optional.
    ///
    /// Return it where the record's own data name a user, in another system's way. It then counts
    /// more than the one of the head, and [`authenticated_at`](crate::Session::authenticated_at) is
    /// `None` if they differ. When encoding, write nothing that names another user.
    pub subject: Option<String>,
    /// Names and values. The values are CBOR. Names that begin with a control character do not
    /// appear in [`Session::keys`](crate::Session::keys). A format may keep entries there that have
    /// no name which a session allows.
    pub values: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("persistent", &self.persistent)
            .field("has_subject", &self.subject.is_some())
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}
