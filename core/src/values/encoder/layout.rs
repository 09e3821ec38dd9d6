//! Whether a struct may be a variant of an untagged enum.

use super::place::{Place, address};
use crate::values::names;

/// The memory layout of a struct's fields. A struct and a variant of an untagged enum serialize
/// alike, but only the enum is read through a buffer. Its discriminant makes the enum larger than
/// its fields.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    place: usize,
    size: usize,
    fields: usize,
    align: usize,
    /// A field stands where the value begins.
    starts: bool,
    /// How many 128-bit integers had been written before.
    wide: usize,
    /// The type is that of a pointer, and the value is elsewhere.
    elsewhere: bool,
}

impl Layout {
    pub(super) fn of(place: &Place, wide: usize) -> Self {
        Self {
            place: place.at,
            size: place.size,
            fields: 0,
            align: 1,
            starts: false,
            wide,
            elsewhere: names::is_pointer(place.of),
        }
    }

    pub(super) fn add<T: ?Sized>(&mut self, field: &T) {
        let size = size_of_val(field);
        self.fields += size;
        self.align = self.align.max(align_of_val(field));
        self.starts |= size > 0 && address(field) == self.place;
    }

    /// Returns whether 128-bit integers were written and this may be a variant.
    pub(super) fn is_variant(&self, wide: usize) -> bool {
        let full = self.fields.next_multiple_of(self.align) == self.size;
        wide > self.wide && (self.elsewhere || !self.starts || !full)
    }
}
