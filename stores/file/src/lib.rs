//! Cloakroom sessions in files: one file for each record, in one directory, shared by any number of
//! threads and processes of one machine.
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
//! When sessions should survive a restart and nothing else should be installed: development, a site
//! on one machine, a device. Several processes of one machine can share it (workers, an old and a
//! new version during a deployment). For several machines use a database or Redis. Do not use a
//! network file system: its locks and renames keep too few of the promises below.
//!
//! Two applications in one directory accept each other's tokens if their key prefixes are equal,
//! and list each other's users. The default configuration is the same for all hosts. So give each
//! application its own directory, cookie name or key prefix. A process with two applications
//! of equal key prefixes in one directory logs a warning (`tracing`).
//!
//! # What it guarantees
//!
//! - **Old or new, never torn.** A record is written beside its place and gets its name in one
//!   step. After that the file never changes. A checksum covers all of it. Value, expiry and
//!   subject are one file. A process killed at any step leaves the old record or the new one. So
//!   does a full disk.
//! - **Compare-and-swap across threads and processes.** A write locks one of 256 lock files, chosen
//!   by the key, from the comparison to the rename. The system releases the lock when a process
//!   dies. `replace` and `delete` compare all bytes of the record. A load takes no lock where it
//!   finds the record at once.
//! - **An outage is an error.** If the directory disappears while the store is in use (removed, or
//!   its volume unmounted), every operation fails. The store does not treat it as empty and does
//!   not create it again. A torn or foreign file fails every operation on its record, with an error
//!   that names the file. Such a file is never served, overwritten or removed.
//! - **Durable.** Answered writes survive a power failure. With [`fsync`](Builder::fsync) off they
//!   survive only the end of a process. It is on by default because a power failure would otherwise
//!   bring back sessions that were signed out the moment before. It costs each write what the disk
//!   takes to flush, from a fraction of a millisecond to tens of them.
//! - **Bounded.** An operation that does not get its lock within 5 s
//!   ([`lock_timeout`](Builder::lock_timeout)) fails with a transient error. Waiting operations of
//!   one process queue without occupying a thread.
//! - **No name from a client.** Files are named by the SHA-256 of the key or the subject.
//! - **Cancel-safe.** A future dropped while it queues does nothing. Dropped later, its operation
//!   still runs to the end.
//!
//! After a permanent error nothing has happened. After a transient error of a write, the outcome is
//! unknown.
//!
//! # The directory
//!
//! ```text
//! sessions/
//!   locks/00 … ff       empty. A write of records/3f/… holds the lock locks/3f.
//!   records/00 … ff/    one file per record, named by the SHA-256 of its key:
//!                       records/3f/3fa0…. next.tmp is a record that has no name
//!                       yet, or that a killed process left behind.
//!   subjects/00 … ff/   one directory per subject, named by its SHA-256. Each has
//!                       one empty file per record, named like the record.
//! ```
//!
//! A record's file begins with `cloakrm` and a version byte (1). Then come its expiry in seconds
//! since 1970 (8 bytes) and the lengths of key, subject and record (4 bytes each). Numbers are
//! little-endian, and the length 2³² − 1 means no subject. Then come key, subject and record, and
//! the SHA-256 of all that. A user with read permission on the files can read the keys and the
//! sessions in them.
//!
//! An entry under `subjects` is made before its record and removed after it. So a list never misses
//! a record, even if a process is killed in between. The next list of the subject removes entries
//! without a record.
//!
//! To end all sessions, remove the files below `records`, not the directories. To move a store,
//! copy it while no process uses it.
//!
//! # What it needs
//!
//! A local file system with advisory locks, and a Tokio runtime: file work is done on its blocking
//! threads. It runs on Linux, macOS, other Unix systems and Windows. On Windows there are no modes,
//! and the system decides when names are flushed.
//!
//! The process's user must be able to read, write and search the directory. The store creates what
//! is missing, files with mode 0600 and directories with 0700. [`mode`](Builder::mode) lets a group
//! in. Files that root creates in another user's directory become that user's. So a command run as
//! root locks nobody out.
//!
//! [`open`](Builder::open) refuses a directory that every user of the machine can write in, and a
//! symbolic link of another user. Below the directory the store follows no link. If a pipe, socket,
//! device, link or directory replaces a record or lock, operations fail at once with a permanent
//! error, and it stays. Do not use a directory that a clean-up job empties, such as `/tmp`.
//!
//! The store opens even on a disk without space (or inodes) for one more file. Loads, listings and
//! sign-outs then work. Operations that need space fail with a permanent error.
//!
//! ## File systems
//!
//! Tried on ext4, XFS, Btrfs, tmpfs, overlayfs and ZFS. In user space: bindfs, unionfs, gocryptfs,
//! sshfs, exfat-fuse and ntfs-3g. These replace a file in two steps, so a reader finds nothing for
//! a moment. A load that finds nothing therefore looks again under the lock of the record, after
//! the writer has finished. The whole suite runs on bindfs too, where a file system in user space
//! can be mounted. If the file system's own process is killed between the two steps, that record
//! is lost. On a network file system locks may not reach the other machine: use a database there.
//!
//! # What it costs
//!
//! System calls, as counted on Linux; in parentheses without fsync:
//!
//! | operation | calls | of a record with a subject |
//! |---|---|---|
//! | load | 4 | 4 |
//! | load, no such record | 10 | |
//! | create | 15 (11) | 25 (15) if it is the subject's first |
//! | replace, touch | 17 (13) | 18 (14) |
//! | delete | 13 (10) | 15 (12) |
//!
//! A list costs a load for each of the subject's records. A sweep reads the first 16 bytes of every
//! record. A touch writes the whole record again, once in a tenth of the idle timeout.
//!
//! # Limits
//!
//! A record, its key and its subject have 16 MiB together. More is a permanent error. Times are in
//! whole seconds. Only the disk limits the number of records, so have expired ones removed.
//! [`FileStore::sweep_every`] does it regularly, [`Sweep::sweep`](cloakroom_store::Sweep::sweep)
//! once, and [`threshold`](Builder::threshold) when there are too many.

mod builder;
mod disk;
mod engine;
mod failure;
mod format;
mod layout;
mod lock;
mod pages;
mod store;
mod subjects;
mod sweep;
#[cfg(test)]
mod tests;

pub use builder::Builder;
pub use store::FileStore;
