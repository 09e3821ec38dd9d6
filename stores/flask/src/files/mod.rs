//! `SESSION_TYPE = "filesystem"`.

mod blocking;
mod builder;
mod disk;
mod engine;
mod layout;
mod lock;
mod number;
mod store;

pub use builder::FileSystemBuilder;
pub use layout::FileLayout;
pub use store::FileSystemStore;

pub(crate) use blocking::Blocking;
pub(crate) use disk::{failed as disk_failed, read, replace};
pub(crate) use lock::Lock;
