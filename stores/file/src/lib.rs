//! Cloakroom sessions in files: one file for each record, in one directory, shared by any number of threads and processes
//! of one machine.
//!
//! ```
//! use cloakroom_file::FileStore;
//! use cloakroom_store::{Created, Key, Store, UnixTime, Write};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom_store::StoreError> {
//! # let dir = std::env::temp_dir().join(format!("cloakroom-file-crate-{}", std::process::id()));
//! let store = FileStore::open(&dir)?;
//! let key = Key::new("session:47DEQpj8HBSa").unwrap();
//! let write = Write::new(b"record".to_vec(), UnixTime::MAX, None);
//! assert_eq!(store.create(&key, &write).await?, Created::Stored);
//! # std::fs::remove_dir_all(dir).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! # When to choose it
//!
//! When sessions should survive a restart and there is nothing to install: development, a site on one machine, a device. It
//! also serves several processes there (workers, an old and a new version during a deployment). For several machines take a
//! database or Redis. A network file system will not do: its locks and renames keep too few of the promises below.
//!
//! # What it guarantees
//!
//! - **Old or new, never torn.** A record is written beside its place and gets its name in one step; once it has it, the
//!   file never changes, and a checksum covers all of it. Value, expiry and subject are one file. A process killed at any
//!   step leaves the old record or the new one; so does a full disk.
//! - **Compare and swap across threads and processes.** Whoever writes holds a lock on one of 256 lock files, chosen by the
//!   key, from the comparison to the rename. The system gives it back when a process dies. `replace` and `delete` compare
//!   all bytes of the record. Loads take no lock.
//! - **An outage is an error.** A directory that is gone while the store is in use (removed, or its volume unmounted)
//!   fails every operation; it is neither taken for an empty store nor made anew. A file that is torn or foreign fails
//!   what concerns its record with an error that names the file; it is never served, overwritten or removed.
//! - **Durable.** What was answered outlasts a power failure, unless [`fsync`](Builder::fsync) is off: then only the end of
//!   a process. It is on by default because a power failure would otherwise bring back sessions that were signed out
//!   the moment before. It costs each write what the disk takes to flush, a fraction of a millisecond or tens of them.
//! - **Bounded.** An operation that cannot have its lock in 5 s ([`lock_timeout`](Builder::lock_timeout)) ends with a
//!   transient error. Those who wait in one process queue without occupying a thread.
//! - **No name from a client.** Files are named by the SHA-256 of the key or the subject.
//! - **Cancel-safe.** A dropped future ends while it queues, or its operation is finished as a whole.
//!
//! A permanent error means that nothing happened. A transient one during a write leaves that open.
//!
//! # The directory
//!
//! ```text
//! sessions/
//!   locks/00 … ff            empty; who writes a record whose name begins with 3f locks locks/3f
//!   records/00 … ff/         one file for each record: SHA-256 of the key, in hex, e.g. records/3f/3fa0…
//!                            next.tmp is a record about to get its name (or left by a killed process)
//!   subjects/00 … ff/        one directory for each subject: SHA-256 of it, in hex;
//!                            in it one empty file for each of its records, named like the record
//! ```
//!
//! A record's file is `cloakrm` and a version byte (1); its end in seconds since 1970 (8 bytes), the lengths of key, subject
//! and record (4 bytes each, little-endian; a subject of 2³² − 1 bytes is none); key, subject, record; and the SHA-256 of all
//! that. Whoever may read the files may read the keys and the sessions in them.
//!
//! An entry under `subjects` is made before its record and removed after it. So a list never misses a record, whenever
//! somebody is killed; an entry too many is noticed by its record and removed when the subject is next listed.
//!
//! To end all sessions, remove the files below `records`, not the directories. To move a store, copy it while nobody uses it.
//!
//! # What it needs
//!
//! Permission to read, write and search the directory. It makes what is missing, files with mode 0600 and directories with
//! 0700 (see [`mode`](Builder::mode)). A local file system with advisory locks and atomic renames. A Tokio runtime: all file
//! work is done on its blocking threads. Not a place where something else tidies up, like `/tmp`.
//!
//! Unix, macOS and Windows; on Windows there are no modes, and the flushing of names is the system's affair.
//!
//! # What it costs
//!
//! System calls, as counted on Linux; in parentheses without fsync:
//!
//! | operation | calls | of a record with a subject |
//! |---|---|---|
//! | load | 4 | 4 |
//! | load, no such record | 2 | |
//! | create | 15 (11) | 25 (15) if it is the subject's first |
//! | replace, touch | 17 (13) | 18 (14) |
//! | delete | 13 (10) | 15 (12) |
//!
//! A list costs a load for each of the subject's records. A sweep reads the first 16 bytes of every record, wherever it is.
//! A touch writes the whole record anew, which the machine asks for once in a tenth of the idle timeout.
//!
//! # Limits
//!
//! A record, its key and its subject have 16 MiB together; what is longer is a permanent error. Time has the resolution of a
//! second. The number of records has no limit but the disk's, unless [`threshold`](Builder::threshold) and
//! [`evict_living`](Builder::evict_living) say otherwise: call [`Sweep::sweep`](cloakroom_store::Sweep::sweep) now and then.

mod builder;
mod disk;
mod engine;
mod failure;
mod format;
mod layout;
mod lock;
mod store;
mod subjects;
mod sweep;
#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use store::FileStore;
