//! Records in the store's own format, or in another system's.

use bytes::Bytes;

use crate::format::{Contents, Format};
use crate::limits::Limits;
use crate::record::{self, Changes, Foreign, Head, Record};
use crate::seal::{NONCE_LEN, Opener, Secret};
use crate::session::check_subject;
use crate::{Config, Error, Expiry, Key, Stored, UnixTime};

/// Seals one record.
pub(crate) struct Seal {
    pub(crate) secret: Secret,
    pub(crate) nonce: [u8; NONCE_LEN],
}

impl Config {
    /// A record as a store has it. Replaces the opener by the key that it led to.
    #[inline]
    pub(crate) fn read(
        &self,
        stored: Stored,
        key: &Key,
        opener: &mut Option<Opener>,
        now: UnixTime,
    ) -> Result<Record, Error> {
        if let Some(format) = &self.settings().format {
            return read(&*format.0, stored, now);
        }
        let record = Record::decode(stored)?;
        match opener {
            Some(opener) if record.is_locked() => open(record, key, opener),
            _ => Ok(record),
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
        seal: Option<Seal>,
    ) -> Result<Bytes, Error> {
        if head.after.is_some_and(Record::is_locked) || base.is_some_and(Record::is_locked) {
            return Err(Error::Sealed);
        }
        let own = record::encode(head, base, changes, limits)?;
        match (&self.settings().format, seal) {
            (None, None) => Ok(own),
            (None, Some(seal)) => self.seal(&own, &seal, limits),
            (Some(format), _) => self.write_foreign(&*format.0, head, own, limits),
        }
    }

    fn seal(&self, own: &Bytes, seal: &Seal, limits: Limits) -> Result<Bytes, Error> {
        let public = &self.settings().public_values;
        let sealed = record::seal(own, public, &seal.secret, seal.nonce)?;
        check_size(&sealed, limits)?;
        Ok(sealed)
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
            contents.head = Some(record.stored.bytes.to_vec());
        } else {
            let marked = self.needs_marks(head);
            contents.head = marked.then(|| record.without_values());
            contents.persistent = Some(self.lifetime(head.expiry).persistent);
            contents.subject = record.subject().map(str::to_owned);
            for (name, value) in record.values() {
                let name = String::from_utf8(name.to_vec()).map_err(|_| Error::Corrupt)?;
                contents.values.insert(name, value.to_vec());
            }
        }
        let bytes = format.encode(&contents)?;
        check_size(&bytes, limits)?;
        Ok(bytes.into())
    }

    /// Returns whether there is something that the values alone do not say.
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

fn check_size(bytes: &[u8], limits: Limits) -> Result<(), Error> {
    if bytes.len() > limits.record_bytes {
        return Err(Error::TooLarge {
            what: "the session's record is",
            limit: limits.record_bytes,
        });
    }
    Ok(())
}

#[cold]
fn open(record: Record, key: &Key, opener: &mut Opener) -> Result<Record, Error> {
    let secret = opener.secret(key);
    let record = record.open(&secret)?;
    // The next one that needs it need not derive it.
    *opener = Opener::Secret(secret);
    Ok(record)
}

#[cold]
fn read(format: &dyn Format, stored: Stored, now: UnixTime) -> Result<Record, Error> {
    let contents = format.decode(&stored.bytes)?;
    let own = |bytes: Bytes| Record::decode(Stored::new(bytes, stored.expires_at, stored.version));
    let head = contents.head.map(|head| own(head.into())).transpose()?;
    // Values beside the head of a retired record: the other system has written since.
    let head = head.filter(|head| head.retired.is_none() || contents.values.is_empty());
    let marked = head.is_some();
    let mut record = match head {
        Some(retired) if retired.retired.is_some() => retired,
        Some(head) => own(head.with_values(&contents.values))?,
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
    let subject = contents.subject.filter(|_| record.retired.is_none());
    let subject = subject.filter(|subject| check_subject(subject).is_ok());
    if subject.is_some() && subject.as_deref() != record.subject() {
        record.forget_authentication();
    }
    record.foreign = Some(Box::new(Foreign {
        stored,
        marked,
        subject: subject.map(Box::from),
    }));
    Ok(record)
}
