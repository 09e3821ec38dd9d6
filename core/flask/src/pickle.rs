//! Pickle, of plain data alone.
//!
//! A pickle is a program. This reader runs the instructions that build data, and knows a closed list of classes which are data
//! too: `set`, `datetime` and the like. For those it does by itself what Python's constructor would do. Anything else that a
//! pickle wants to import or call is refused by name; there is nothing here that could be called.

mod nodes;
mod opcode;
mod read;
mod text;
mod write;

pub(crate) use read::loads;
pub(crate) use write::{Protocol, dumps};
