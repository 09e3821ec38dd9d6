use std::fmt;

/// Why bytes are not a session, or why a session cannot be written in a format.
///
/// No error contains a value; the name of something that a pickle wanted to import or call is quoted, cut to 100 characters
/// of printable ASCII.
///
/// ```
/// use cloakroom_flask::{FormatError, Serializer};
///
/// let hostile = b"cos\nsystem\n(S'true'\ntR.";
/// let error = Serializer::Pickle2.loads(hostile).unwrap_err();
/// assert_eq!(error, FormatError::Refused { what: "os.system".into() });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// Not of this format, cut short, or followed by something else.
    Malformed,
    /// Containers within containers, deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// It would take far more memory than it has bytes.
    TooLarge,
    /// A pickle that would import or call something which is not plain data.
    Refused {
        /// What: a name such as `os.system`, or the kind of instruction.
        what: Box<str>,
    },
    /// The format has no spelling for such a value, or would give it back as another type.
    Unsupported {
        /// The type.
        what: &'static str,
    },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the bytes are not a session in this format"),
            Self::TooDeep => f.write_str("the session nests too deeply"),
            Self::TooLarge => {
                f.write_str("the session would take far more memory than it has bytes")
            }
            Self::Refused { what } => {
                write!(
                    f,
                    "the pickled session would import or call `{what}`, which is not plain data"
                )
            }
            Self::Unsupported { what } => {
                write!(
                    f,
                    "this format cannot keep {what}; store another type, or use another format"
                )
            }
        }
    }
}

impl std::error::Error for FormatError {}
