//! Tests that need a store of few shards, or count steps. All others use the public API, in
//! `tests`.

mod expiry_work;
mod model;
