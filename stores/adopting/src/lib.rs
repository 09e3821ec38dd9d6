//! Moves sessions from one store to another while the application runs, with nobody signed out.
//!
//! [`Adopting::new(new, old)`](Adopting::new) is a store. It finds each session in the new store
//! or, if that has none, in the old one. The first write of a session creates its record in the new
//! store, and removes it from the old one. A sign-out ends it in both.
//!
//! ```
//! use cloakroom::Sessions;
//! use cloakroom_adopting::Adopting;
//! use cloakroom_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cloakroom::Error> {
//! let (new, old) = (MemoryStore::new(), MemoryStore::new());
//! // A visitor of the old store.
//! let before = Sessions::new(old.clone());
//! let (_, outcome) = before.with(None, |session| session.insert("n", 1)).await?;
//! let cloakroom::Directive::Issue(issued) = outcome.directive else { panic!() };
//! let token = Some(issued.token.expose());
//!
//! let moving = Sessions::new(Adopting::new(new.clone(), old));
//! moving.with(token, |session| session.insert("n", 2)).await?;
//!
//! let after = Sessions::new(new);
//! let (n, _) = after.with(token, |session| session.get::<u32>("n")).await?;
//! assert_eq!(n, Some(2));
//! # Ok(())
//! # }
//! ```
//!
//! # The steps of a move
//!
//! 1. Deploy `Adopting` with the same configuration as before. **Every** process uses it before any
//!    of them writes: a process on the old store alone does not find what has moved.
//! 2. Wait for the idle timeout: sessions without a request end. Or call [`Adopting::adopt`] for
//!    each key of the old store.
//! 3. Deploy the new store alone, after the longest lifetime of a session.
//!
//! # What it promises
//!
//! Each key behaves as in one store, whatever fails and in whichever order: nothing is lost,
//! doubled or brought back. The new store decides: a write that adopts is a `create` there. A
//! sign-out leaves a marker there, which expires an hour after the session would have. So a write
//! in flight that still has the old record finds the key taken. To sessions on the new store alone
//! the marker is no session.
//!
//! An error of either store is an error of the operation. If the old store cannot be reached, only
//! sessions that have moved already can be used.
//!
//! Another library that writes to the old store meanwhile is not part of the promise. Its write is
//! lost if it arrives between the look at the old record and its removal.
//!
//! A sign-out is a marker here and no removal, so it is not announced
//! ([`Feed`](cloakroom_store::Feed)), whatever the two stores can. During a move, other processes
//! notice the end of a session within the lease.
//!
//! # Costs
//!
//! | operation | store calls |
//! |---|---|
//! | load, moved | 1 |
//! | load, not moved | 2 |
//! | load of an unknown key | 3 |
//! | a write more than in one store | 1 to 3; the first one of a session 4, its rotation 5 |

mod adopting;
#[cfg(test)]
mod schedules;

pub use adopting::{Adopted, Adopting};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
