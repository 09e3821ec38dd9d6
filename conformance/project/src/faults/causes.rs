//! Tables of faulty servers and settings, and of the text that the error must contain.

use cloakroom_store::StoreError;

use super::Failure;

/// The requirement of each table.
pub(super) const REQUIREMENT: &str = "an error names the true cause, and is permanent where trying again cannot help: a table of \
                                      causes, each played on a real server";

/// How many causes have been played, and which errors were wrong.
#[derive(Default)]
pub(super) struct Causes {
    played: usize,
    wrong: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Transient,
    Permanent,
}

impl Causes {
    /// The outcome must be an error of this kind that contains these words.
    pub(super) fn check<T>(
        &mut self,
        what: impl std::fmt::Display,
        outcome: Result<T, StoreError>,
        kind: Kind,
        says: &str,
    ) {
        self.played += 1;
        let wrong = match outcome {
            Ok(_) => "no error".to_owned(),
            Err(error) if error.is_transient() != (kind == Kind::Transient) => {
                format!("the wrong kind: {error}")
            }
            Err(error) if !error.to_string().contains(says) => {
                format!("the error lacks \"{says}\": {error}")
            }
            // The password of all users here.
            Err(error) if format!("{error} {error:?}").contains("hunter2") => {
                "the password is in the error".to_owned()
            }
            Err(_) => return,
        };
        self.wrong.push(format!("{what}: {wrong}"));
    }

    pub(super) fn end(self) -> Result<(), Failure> {
        let Self { played, wrong } = self;
        match &wrong[..] {
            [] if played == 0 => Err("nothing was played".into()),
            [] => Ok(()),
            wrong => {
                Err(format!("of {played} causes:\n        {}", wrong.join("\n        ")).into())
            }
        }
    }
}
