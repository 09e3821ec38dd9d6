//! The frames between the two processes: a length (u32, little endian) and a body.

use std::io::{self, Read};

use cloakroom_store::{
    Created, Cursor, Deleted, Entry, Key, Page, Replaced, StoreError, Stored, Touched, UnixTime,
    Write,
};

use crate::store::operation::{Reply, Request};

/// The outcome of a request.
pub(super) enum Outcome {
    Done(Reply),
    /// Whether it is transient, and its text.
    Failed(bool, String),
}

impl From<Result<Reply, StoreError>> for Outcome {
    fn from(result: Result<Reply, StoreError>) -> Self {
        match result {
            Ok(reply) => Self::Done(reply),
            Err(error) => Self::Failed(error.is_transient(), error.to_string()),
        }
    }
}

/// Writes one frame: its number, the time of the suite's clock, and the body.
pub(super) fn send(
    to: &mut impl io::Write,
    number: u64,
    now: UnixTime,
    body: &impl Wire,
) -> io::Result<()> {
    let mut frame = Vec::new();
    number.put(&mut frame);
    now.put(&mut frame);
    body.put(&mut frame);
    let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&frame)?;
    to.flush()
}

/// Reads one frame; `None` at the end of the stream.
pub(super) fn receive<T: Wire>(from: &mut impl Read) -> io::Result<Option<(u64, UnixTime, T)>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome?,
    }
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut frame)?;
    let rest = &mut &*frame;
    let mut parse = || Some((Wire::take(rest)?, Wire::take(rest)?, Wire::take(rest)?));
    let parsed = parse().ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some(parsed))
}

/// A value in a frame.
pub(super) trait Wire: Sized {
    fn put(&self, frame: &mut Vec<u8>);
    /// Takes it from the front of the rest.
    fn take(rest: &mut &[u8]) -> Option<Self>;
}

impl Wire for u64 {
    fn put(&self, frame: &mut Vec<u8>) {
        frame.extend_from_slice(&self.to_le_bytes());
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        let (number, behind) = rest.split_first_chunk()?;
        *rest = behind;
        Some(Self::from_le_bytes(*number))
    }
}

/// A value that is on the wire as another one.
macro_rules! through {
    ($type:ty as $other:ty: $put:expr, $take:expr) => {
        impl Wire for $type {
            fn put(&self, frame: &mut Vec<u8>) {
                let other: fn(&Self) -> $other = $put;
                other(self).put(frame);
            }

            fn take(rest: &mut &[u8]) -> Option<Self> {
                let this: fn($other) -> Option<Self> = $take;
                this(Wire::take(rest)?)
            }
        }
    };
}

through!(usize as u64: |count| *count as u64, |count| count.try_into().ok());
through!(bool as u64: |is| u64::from(*is), |is| Some(is == 1));
through!(UnixTime as u64: |time| time.as_secs(), |time| Some(Self::from_secs(time)));
through!(String as Vec<u8>: |text| text.clone().into_bytes(), |text| Self::from_utf8(text).ok());
through!(Box<str> as String: |text| text.clone().into_string(), |text| Some(text.into()));
through!(Cursor as Box<str>: |cursor| cursor.as_str().into(), |text| Some(Self::new(text)));
through!(Key as Vec<u8>: |key| key.as_bytes().to_vec(), |key| {
    Self::new(std::str::from_utf8(&key).ok()?)
});

impl Wire for Vec<u8> {
    fn put(&self, frame: &mut Vec<u8>) {
        self.len().put(frame);
        frame.extend_from_slice(self);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        let length = Wire::take(rest)?;
        let (bytes, behind) = rest.split_at_checked(length)?;
        *rest = behind;
        Some(bytes.to_vec())
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, frame: &mut Vec<u8>) {
        self.is_some().put(frame);
        self.iter().for_each(|value| value.put(frame));
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        Some(match bool::take(rest)? {
            true => Some(T::take(rest)?),
            false => None,
        })
    }
}

/// Several values, one behind the other.
macro_rules! fields {
    ($type:ty: $this:ident => $($field:expr),+; $($name:ident $(: $is:ty)?),+ => $made:expr) => {
        impl Wire for $type {
            fn put(&self, frame: &mut Vec<u8>) {
                let $this = self;
                $($field.put(frame);)+
            }

            fn take(rest: &mut &[u8]) -> Option<Self> {
                $(let $name $(: $is)? = Wire::take(rest)?;)+
                Some($made)
            }
        }
    };
}

fields!(Stored: this => Vec::from(&*this.bytes), this.expires_at, this.version;
    bytes: Vec<u8>, end, version => Self::new(bytes, end, version));
fields!(Write: this => Vec::from(&*this.bytes), this.expires_at, this.subject;
    bytes: Vec<u8>, end, subject => Self::new(bytes, end, subject));
fields!(Entry: this => this.key, this.stored, this.subject;
    key, stored, subject => Self::new(key, stored, subject));
fields!((Key, Stored): this => this.0, this.1; key, stored => (key, stored));

/// A list of values.
macro_rules! list {
    ($($type:ty),+) => {$(
        impl Wire for Vec<$type> {
            fn put(&self, frame: &mut Vec<u8>) {
                self.len().put(frame);
                self.iter().for_each(|value| value.put(frame));
            }

            fn take(rest: &mut &[u8]) -> Option<Self> {
                (0..u64::take(rest)?).map(|_| Wire::take(rest)).collect()
            }
        }
    )+};
}

list!((Key, Stored), Entry);

impl Wire for Page {
    fn put(&self, frame: &mut Vec<u8>) {
        self.records.put(frame);
        self.next.put(frame);
    }

    fn take(rest: &mut &[u8]) -> Option<Self> {
        let (records, next) = (Wire::take(rest)?, Wire::take(rest)?);
        Some(Self { records, next })
    }
}

/// One of several: its number, and its values.
macro_rules! one_of {
    ($type:ident: $($number:literal $variant:ident $(($($value:ident),+))?),+) => {
        impl Wire for $type {
            fn put(&self, frame: &mut Vec<u8>) {
                match self {$(
                    Self::$variant $(($($value),+))? => {
                        u64::put(&$number, frame);
                        $($($value.put(frame);)+)?
                    }
                )+}
            }

            fn take(rest: &mut &[u8]) -> Option<Self> {
                Some(match u64::take(rest)? {
                    $($number => {
                        $($(let $value = Wire::take(rest)?;)+)?
                        Self::$variant $(($($value),+))?
                    })+
                    _ => return None,
                })
            }
        }
    };
}

one_of!(Created: 0 Stored, 1 Taken);
one_of!(Replaced: 0 Stored, 1 Changed, 2 Gone);
one_of!(Touched: 0 Extended, 1 Gone);
one_of!(Deleted: 0 Deleted, 1 Changed, 2 Gone);
one_of!(Request: 0 Load(key), 1 Create(key, write), 2 Replace(key, old, write), 3 Touch(key, end),
    4 Delete(key, old), 5 List(subject, limit), 6 Sweep(limit), 7 Enumerate(after, limit));
one_of!(Reply: 0 Loaded(found), 1 Created(answer), 2 Replaced(answer), 3 Touched(answer),
    4 Deleted(answer), 5 Listed(records), 6 Swept(count), 7 Page(page));
one_of!(Outcome: 0 Done(reply), 1 Failed(transient, text));
