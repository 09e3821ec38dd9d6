#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

#[cfg(feature = "adapter")]
pub mod adapter;
mod case;
mod clock;
#[cfg(feature = "adapter")]
pub mod endpoint;
pub mod instrumented;
mod requirement;
mod runner;
pub mod store;

pub use case::Case;
pub use clock::FakeClock;
pub use instrumented::Instrumented;
pub use requirement::{Requirement, requirements};
pub use runner::{Outcome, Report, Suite, Tally, Verdict};
