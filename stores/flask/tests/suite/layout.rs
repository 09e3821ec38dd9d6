//! The common part of Flask's layouts.

/// Why none of them lists by subject.
pub(crate) const NOT_ENUMERATED: &str = "it does not go through all its records";
pub(crate) const NOT_ANNOUNCED: &str = "it announces nothing";
pub(crate) const NO_SUBJECT: &str = "Flask's layout has no place for a subject";
