//! A value that only one statement and its answer share.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::statements::Statement;

/// A statement that is written around the SQL of its proof.
///
/// The proof depends on the whole text, and so on the table too. It can be no text in UTF-8 and no
/// number, so that another application's statement does not take it for a value of its own.
pub(crate) fn statement(write: impl Fn(&str) -> String) -> Statement {
    let mut hasher = DefaultHasher::new();
    write("").hash(&mut hasher);
    let mut proof = vec![0xff];
    proof.extend(hasher.finish().to_be_bytes());
    let hex: String = proof.iter().map(|byte| format!("{byte:02x}")).collect();
    Statement {
        sql: write(&format!("decode('{hex}', 'hex')")).into(),
        proof: proof.into(),
    }
}
