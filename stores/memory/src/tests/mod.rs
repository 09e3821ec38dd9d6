//! What needs a store of few shards, or counts steps. All else is tested through the public API, in `tests`.

mod expiry_work;
mod model;
