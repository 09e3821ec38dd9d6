//! What the two processes say to each other: frames of a length (u32, little endian) and a body.

use std::io::{self, Read, Write as _};

use cloakroom_store::{
    Created, Deleted, Key, Replaced, StoreError, Stored, Touched, UnixTime, Write,
};

/// An operation for the other process to do.
pub(super) enum Request {
    Load(Key),
    Create(Key, Write),
    Replace(Key, Stored, Write),
    Touch(Key, UnixTime),
    Delete(Key, Stored),
    List(String),
    Sweep(usize),
}

/// What came of it.
pub(super) enum Reply {
    Loaded(Option<Stored>),
    Created(Created),
    Replaced(Replaced),
    Touched(Touched),
    Deleted(Deleted),
    Listed(Vec<(Key, Stored)>),
    Swept(usize),
    Failed { transient: bool, text: String },
}

impl Reply {
    pub(super) fn failed(error: &StoreError) -> Self {
        Self::Failed {
            transient: error.is_transient(),
            text: error.to_string(),
        }
    }
}

/// Writes one frame: its number, the time of the suite's clock, and the body.
pub(super) fn send(
    to: &mut impl io::Write,
    number: u64,
    now: UnixTime,
    put: impl FnOnce(&mut Frame),
) -> io::Result<()> {
    let mut frame = Frame(Vec::new());
    frame.number(number);
    frame.number(now.as_secs());
    put(&mut frame);
    let length = u32::try_from(frame.0.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&frame.0)?;
    to.flush()
}

/// Reads one frame; `None` at the end of the stream.
pub(super) fn receive<T>(
    from: &mut impl Read,
    take: impl FnOnce(&mut Body) -> Option<T>,
) -> io::Result<Option<(u64, UnixTime, T)>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome?,
    }
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut frame)?;
    let mut body = Body { frame, read: 0 };
    let parse = || {
        let number = body.number()?;
        let now = body.time()?;
        Some((number, now, take(&mut body)?))
    };
    parse()
        .map(Some)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

pub(super) struct Frame(Vec<u8>);

impl Frame {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        // A vector takes all it is given.
        let _ = self.0.write_all(bytes);
    }

    fn stored(&mut self, stored: &Stored) {
        self.bytes(&stored.bytes);
        self.number(stored.expires_at.as_secs());
        self.number(stored.version);
    }

    fn write(&mut self, write: &Write) {
        self.bytes(&write.bytes);
        self.number(write.expires_at.as_secs());
        self.number(u64::from(write.subject.is_some()));
        self.bytes(write.subject.as_deref().unwrap_or_default().as_bytes());
    }

    pub(super) fn request(&mut self, request: &Request) {
        match request {
            Request::Load(key) => {
                self.number(0);
                self.bytes(key.as_bytes());
            }
            Request::Create(key, write) => {
                self.number(1);
                self.bytes(key.as_bytes());
                self.write(write);
            }
            Request::Replace(key, old, write) => {
                self.number(2);
                self.bytes(key.as_bytes());
                self.stored(old);
                self.write(write);
            }
            Request::Touch(key, expires_at) => {
                self.number(3);
                self.bytes(key.as_bytes());
                self.number(expires_at.as_secs());
            }
            Request::Delete(key, old) => {
                self.number(4);
                self.bytes(key.as_bytes());
                self.stored(old);
            }
            Request::List(subject) => {
                self.number(5);
                self.bytes(subject.as_bytes());
            }
            Request::Sweep(limit) => {
                self.number(6);
                self.number(*limit as u64);
            }
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Loaded(stored) => {
                self.number(0);
                self.number(u64::from(stored.is_some()));
                if let Some(stored) = stored {
                    self.stored(stored);
                }
            }
            Reply::Created(answer) => {
                self.number(1);
                self.number(u64::from(*answer == Created::Taken));
            }
            Reply::Replaced(answer) => {
                self.number(2);
                self.number(match answer {
                    Replaced::Stored => 0,
                    Replaced::Changed => 1,
                    Replaced::Gone => 2,
                });
            }
            Reply::Touched(answer) => {
                self.number(3);
                self.number(u64::from(*answer == Touched::Gone));
            }
            Reply::Deleted(answer) => {
                self.number(4);
                self.number(match answer {
                    Deleted::Deleted => 0,
                    Deleted::Changed => 1,
                    Deleted::Gone => 2,
                });
            }
            Reply::Listed(records) => {
                self.number(5);
                self.number(records.len() as u64);
                for (key, stored) in records {
                    self.bytes(key.as_bytes());
                    self.stored(stored);
                }
            }
            Reply::Swept(count) => {
                self.number(6);
                self.number(*count as u64);
            }
            Reply::Failed { transient, text } => {
                self.number(7);
                self.number(u64::from(*transient));
                self.bytes(text.as_bytes());
            }
        }
    }
}

pub(super) struct Body {
    frame: Vec<u8>,
    read: usize,
}

impl Body {
    fn rest(&self) -> &[u8] {
        self.frame.get(self.read..).unwrap_or_default()
    }

    fn number(&mut self) -> Option<u64> {
        let number = u64::from_le_bytes(*self.rest().first_chunk()?);
        self.read += size_of::<u64>();
        Some(number)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    fn time(&mut self) -> Option<UnixTime> {
        self.number().map(UnixTime::from_secs)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = self.count()?;
        let bytes = self.rest().get(..length)?.to_vec();
        self.read += length;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    fn key(&mut self) -> Option<Key> {
        Key::new(&self.text()?)
    }

    fn stored(&mut self) -> Option<Stored> {
        let bytes = self.bytes()?;
        Some(Stored::new(bytes, self.time()?, self.number()?))
    }

    fn write(&mut self) -> Option<Write> {
        let (bytes, expires_at) = (self.bytes()?, self.time()?);
        let named = self.number()? == 1;
        let subject = self.text()?;
        Some(Write::new(
            bytes,
            expires_at,
            named.then(|| subject.into_boxed_str()),
        ))
    }

    pub(super) fn request(&mut self) -> Option<Request> {
        Some(match self.number()? {
            0 => Request::Load(self.key()?),
            1 => Request::Create(self.key()?, self.write()?),
            2 => Request::Replace(self.key()?, self.stored()?, self.write()?),
            3 => Request::Touch(self.key()?, self.time()?),
            4 => Request::Delete(self.key()?, self.stored()?),
            5 => Request::List(self.text()?),
            6 => Request::Sweep(self.count()?),
            _ => return None,
        })
    }

    pub(super) fn reply(&mut self) -> Option<Reply> {
        Some(match self.number()? {
            0 if self.number()? == 0 => Reply::Loaded(None),
            0 => Reply::Loaded(Some(self.stored()?)),
            1 => Reply::Created(*[Created::Stored, Created::Taken].get(self.count()?)?),
            2 => {
                let answers = [Replaced::Stored, Replaced::Changed, Replaced::Gone];
                Reply::Replaced(*answers.get(self.count()?)?)
            }
            3 => Reply::Touched(*[Touched::Extended, Touched::Gone].get(self.count()?)?),
            4 => {
                let answers = [Deleted::Deleted, Deleted::Changed, Deleted::Gone];
                Reply::Deleted(*answers.get(self.count()?)?)
            }
            5 => {
                let mut records = Vec::new();
                for _ in 0..self.number()? {
                    records.push((self.key()?, self.stored()?));
                }
                Reply::Listed(records)
            }
            6 => Reply::Swept(self.count()?),
            7 => Reply::Failed {
                transient: self.number()? == 1,
                text: self.text()?,
            },
            _ => return None,
        })
    }
}
