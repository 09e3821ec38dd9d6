//! Pickle, of plain data alone.
//!
//! A pickle is a program. This reader runs the instructions that build data. It knows a closed list
//! of data classes, such as `set` and `datetime`, and does itself what their constructors do in
//! Python. Any other import or call is refused by name. There is nothing here that could be called.

mod nodes;
mod opcode;
mod read;
mod text;
mod write;

pub(crate) use read::loads;
pub(crate) use write::{Protocol, dumps};
