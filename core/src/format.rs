//! How a record is spelled in the store, where another system reads and writes it too.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::config::Limits;
use crate::record::{self, Changes, Foreign, Head, Record};
use crate::{Config, Error, Expiry, Stored, UnixTime};

/// Another spelling of records than this library's own, so that another system can read and write the same sessions.
///
/// Set one with [`Builder::format`](crate::Builder::format). The record as it is stored goes back verbatim when it is to be
/// replaced or deleted; a format only says what it means. It is called with the bytes of a store, so it must take whatever
/// comes: no panic, and memory bounded by their length.
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
///             let digits = value.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
///             let value: Result<Vec<u8>, _> = digits.map(|pair| u8::from_str_radix(pair, 16)).collect();
///             let value = value.map_err(|_| Error::Corrupt)?;
///             match name {
///                 "" => contents.marks = Some(value),
///                 _ => _ = contents.values.insert(name.into(), value),
///             }
///         }
///         Ok(contents)
///     }
///
///     fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error> {
///         let marks = contents.marks.iter().map(|marks| ("", marks));
///         let values = contents.values.iter().map(|(name, value)| (&**name, value));
///         let line = |(name, value): (&str, &Vec<u8>)| {
///             let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
///             format!("{name}={digits}\n")
///         };
///         Ok(marks.chain(values).map(line).collect::<String>().into_bytes())
///     }
///
///     fn check(&self, name: &str, _value: &[u8]) -> Result<(), Error> {
///         if name.contains('=') { Err(Error::ReservedName { name: name.into() }) } else { Ok(()) }
///     }
/// }
///
/// let config = Config::builder().format(Lines).build()?;
/// # Ok::<(), cloakroom_core::ConfigError>(())
/// ```
pub trait Format: Send + Sync + 'static {
    /// What a stored record holds.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], or [`Error::Refused`] for what could be read but must not be. The record is then left as it is.
    fn decode(&self, stored: &[u8]) -> Result<Contents, Error>;

    /// A record that holds this.
    ///
    /// # Errors
    ///
    /// [`Error::Unrepresentable`] for a value that [`check`](Format::check) has not seen. Nothing is written then.
    fn encode(&self, contents: &Contents) -> Result<Vec<u8>, Error>;

    /// Whether a value can be kept under this name. Asked when a handler sets it, so that the error is where its cause is.
    ///
    /// # Errors
    ///
    /// [`Error::Unrepresentable`], [`Error::ReservedName`].
    fn check(&self, name: &str, value: &[u8]) -> Result<(), Error>;
}

/// What a record of another format holds.
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
    /// What this library keeps for itself, if it needs to: to be stored and given back as it is. Its own records' head; for a
    /// retired record all of it, with the data that can be read in the grace.
    pub marks: Option<Vec<u8>>,
    /// Whether the session's cookie outlives the browser's session; `None` for a retired record.
    pub persistent: Option<bool>,
    /// Names and values; the values are encoded in CBOR. Names that begin with a control character are hidden from
    /// [`Session::keys`](crate::Session::keys): a format may keep there what has no name that a session allows.
    pub values: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("persistent", &self.persistent)
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

/// Something of the application's, shared by all exchanges. `Debug` shows nothing of it.
pub(crate) struct Shared<T: ?Sized>(pub(crate) Arc<T>);

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(..)")
    }
}

impl Config {
    /// A record as a store has it.
    #[inline]
    pub(crate) fn read(&self, stored: Stored, now: UnixTime) -> Result<Record, Error> {
        match &self.settings().format {
            None => Record::decode(stored),
            Some(format) => read(&*format.0, stored, now),
        }
    }

    /// A record as a store is to have it.
    #[inline]
    pub(crate) fn write(
        &self,
        head: &Head<'_>,
        base: Option<&Record>,
        changes: &Changes<'_>,
        limits: Limits,
    ) -> Result<Bytes, Error> {
        let own = record::encode(head, base, changes, limits)?;
        match &self.settings().format {
            None => Ok(own),
            Some(format) => self.write_foreign(&*format.0, head, own, limits),
        }
    }

    #[cold]
    fn write_foreign(
        &self,
        format: &dyn Format,
        head: &Head<'_>,
        own: Bytes,
        limits: Limits,
    ) -> Result<Bytes, Error> {
        let record = Record::decode(Stored::new(own, UnixTime::MAX, 0))?;
        let mut contents = Contents::default();
        if record.retired.is_some() {
            contents.marks = Some(record.stored.bytes.to_vec());
        } else {
            let marked = self.needs_marks(head);
            contents.marks = marked.then(|| record.without_values());
            contents.persistent = Some(self.lifetime(head.expiry).persistent);
            for (name, value) in record.values() {
                let name = String::from_utf8(name.to_vec()).map_err(|_| Error::Corrupt)?;
                contents.values.insert(name, value.to_vec());
            }
        }
        let bytes = format.encode(&contents)?;
        if bytes.len() > limits.record_bytes {
            return Err(Error::TooLarge {
                what: "the session's record is",
                limit: limits.record_bytes,
            });
        }
        Ok(bytes.into())
    }

    /// Whether there is something that the values alone do not say.
    fn needs_marks(&self, head: &Head<'_>) -> bool {
        let own_times = |expiry: Expiry| expiry.idle.is_some() || expiry.absolute.is_some();
        head.marked
            || head.after.is_some_and(Record::is_marked)
            || head.authenticated.is_some()
            || head.subject.is_some()
            || head.expiry.is_some_and(own_times)
            || self.has_absolute_timeout()
    }

    /// Whether anything can be saved.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        match &self.settings().envelope {
            None => Ok(()),
            Some(envelope) => envelope.0.check(),
        }
    }

    /// Whether a value can be kept under this name.
    pub(crate) fn check_value(&self, name: &str, value: &[u8]) -> Result<(), Error> {
        self.check_writable()?;
        match &self.settings().format {
            None => Ok(()),
            Some(format) => format.0.check(name, value),
        }
    }
}

#[cold]
fn read(format: &dyn Format, stored: Stored, now: UnixTime) -> Result<Record, Error> {
    let contents = format.decode(&stored.bytes)?;
    let own = |bytes: Bytes| Record::decode(Stored::new(bytes, stored.expires_at, stored.version));
    let marks = contents.marks.map(|marks| own(marks.into())).transpose()?;
    // Values beside the marks of a retired record: the other system has gone on with it since.
    let marks = marks.filter(|marks| marks.retired.is_none() || contents.values.is_empty());
    let marked = marks.is_some();
    let mut record = match marks {
        Some(retired) if retired.retired.is_some() => retired,
        Some(marks) => own(marks.with_values(&contents.values))?,
        None => own(own(record::unmarked()?)?.with_values(&contents.values))?,
    };
    if !marked {
        record.created = now;
        record.forget_writers();
    }
    let persistent = Some(contents.persistent.unwrap_or_default());
    record.expiry = Some(Expiry {
        persistent,
        ..record.expiry.unwrap_or_default()
    });
    record.foreign = Some(Box::new(Foreign { stored, marked }));
    Ok(record)
}
