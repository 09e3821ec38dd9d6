//! The operations of a store and their answers as values, so that a handle is one function.

use cloakroom_store::{
    Created, Cursor, Deleted, Key, Page, Replaced, Stored, Touched, UnixTime, Write,
};

/// An operation.
pub(super) enum Request {
    Load(Key),
    Create(Key, Write),
    Replace(Key, Stored, Write),
    Touch(Key, UnixTime),
    Delete(Key, Stored),
    /// The whole list, or at most so many.
    List(String, Option<usize>),
    Sweep(usize),
    Enumerate(Option<Cursor>, usize),
}

/// The value that an operation returned.
pub(super) enum Reply {
    Loaded(Option<Stored>),
    Created(Created),
    Replaced(Replaced),
    Touched(Touched),
    Deleted(Deleted),
    Listed(Vec<(Key, Stored)>),
    Swept(usize),
    Page(Page),
}
