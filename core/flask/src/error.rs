use std::fmt;

/// The reason why bytes are not a session, or why a session cannot be written in a format.
///
/// No error quotes what it read. The only exceptions are well-known names of what a pickle would
/// import or call, such as `os.system` or `decimal.Decimal`.
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
    /// The bytes are not of this format, are cut short, or are followed by something else.
    Malformed,
    /// Containers are nested deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// The value would take far more memory than it has bytes.
    TooLarge,
    /// A pickle would import or call something that is not plain data.
    Refused {
        /// What: a well-known name such as `os.system`, or the kind of thing.
        what: Box<str>,
    },
    /// The format cannot represent such a value, or would return it as another type.
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
