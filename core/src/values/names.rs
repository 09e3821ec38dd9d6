//! Infers from a type's name how serde reads it.
//!
//! Only `Serialize` is known where a value is inserted. Yet whether serde reads it through one of
//! its buffers, which have no 128-bit integers, follows from how the type was derived.

use std::any::type_name;

/// Types that serialize as what they hold.
const TRANSPARENT: [&str; 13] = [
    "alloc::boxed::Box<",
    "alloc::rc::Rc<",
    "alloc::sync::Arc<",
    "alloc::borrow::Cow<",
    "core::cell::Cell<",
    "core::cell::RefCell<",
    "core::cmp::Reverse<",
    "core::num::wrapping::Wrapping<",
    "core::num::saturating::Saturating<",
    "core::num::nonzero::NonZero<",
    "std::sync::poison::mutex::Mutex<",
    "std::sync::poison::rwlock::RwLock<",
    "std::sync::mutex::Mutex<",
];

/// Returns the name without references and the types above.
fn bare(mut name: &str) -> &str {
    loop {
        let inner = name.trim_start_matches('&').trim_start_matches("mut ");
        let inner = TRANSPARENT
            .iter()
            .find_map(|outer| inner.strip_prefix(outer))
            .unwrap_or(inner);
        if inner.len() == name.len() {
            return name;
        }
        name = inner;
    }
}

/// Returns the last part of a type's path.
fn last(of: &str) -> &str {
    let path = of.split(['<', '>']).next().unwrap_or(of);
    path.rsplit("::").next().unwrap_or(path)
}

/// Whether it writes what it holds and serde reads that without a buffer: the content of an
/// adjacently tagged enum, after its tag.
pub(super) fn is_see_through(of: &str) -> bool {
    of.contains("__AdjacentlyTagged") || of.starts_with("ciborium::")
}

/// Whether a type is called by this name where it is defined.
pub(super) fn is_named(of: &str, name: &str) -> bool {
    let of = bare(of);
    last(of) == name || is_see_through(of)
}

/// Whether it is a type of the standard library, a tuple, an array or a primitive.
pub(super) fn is_std(of: &str) -> bool {
    let of = bare(of);
    ["core::", "alloc::", "std::", "(", "["]
        .iter()
        .any(|start| of.starts_with(start))
        || !of.contains("::")
        || is_see_through(of)
}

/// Whether it is a 128-bit integer.
pub(super) fn is_wide(of: &str) -> bool {
    let of = bare(of);
    matches!(of.trim_end_matches('>'), "u128" | "i128") || is_see_through(of)
}

/// Whether it is one of the types above, or a reference: its value is somewhere else.
pub(super) fn is_pointer(of: &str) -> bool {
    bare(of).len() < of.len()
}

/// Whether its iteration order means nothing.
pub(super) fn is_hash_set(of: &str) -> bool {
    let of = bare(of);
    of.starts_with("std::collections::hash::set::HashSet<")
        || of.starts_with("hashbrown::set::HashSet<")
}

/// Whether a key or value is a literal in derived code: a value of the application's is a `&str` or
/// a `String`.
pub(super) fn is_literal<T: ?Sized>() -> bool {
    type_name::<T>() == "str"
}

/// Whether it is the tag of an adjacently tagged enum, which is read without a buffer.
pub(super) fn is_adjacent_tag<T: ?Sized>() -> bool {
    type_name::<T>().ends_with("AdjacentlyTaggedEnumVariant")
}
