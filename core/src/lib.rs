//! Sans-IO session state machine.
mod store;
mod time;

pub use store::{Created, Deleted, Key, Replaced, Stored, Touched, Write};
pub use time::UnixTime;
