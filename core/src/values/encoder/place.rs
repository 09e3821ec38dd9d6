//! The serializer, and where in the value it is.

use std::any::type_name;

use serde::Serialize;

use super::refusal::Refusal;
use super::sink::Sink;

/// Where in the value a serializer is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) depth: usize,
    /// The type whose `Serialize` runs.
    pub(super) of: &'static str,
    /// Its size.
    pub(super) size: usize,
    /// Where its value is.
    pub(super) at: usize,
    /// serde reads this through one of its buffers.
    pub(super) buffered: bool,
    /// The same, if its tag comes later than its content.
    pub(super) after_tag: bool,
}

pub(in crate::values) struct Encoder<'s> {
    pub(super) sink: &'s mut Sink,
    pub(super) place: Place,
}

impl<'s> Encoder<'s> {
    pub(in crate::values) fn new<T: Serialize>(
        sink: &'s mut Sink,
        value: &T,
        depth: usize,
    ) -> Self {
        let place = Place {
            depth,
            of: type_name::<T>(),
            size: size_of::<T>(),
            at: address(value),
            buffered: false,
            after_tag: false,
        };
        Self { sink, place }
    }

    #[inline]
    pub(super) fn inner<T: Serialize + ?Sized>(
        sink: &mut Sink,
        place: Place,
        value: &T,
    ) -> Result<(), Refusal> {
        let place = Place {
            of: type_name::<T>(),
            size: size_of_val(value),
            at: address(value),
            ..place
        };
        value.serialize(Encoder { sink, place })
    }

    /// The same one level down.
    pub(super) fn deeper(&self) -> Result<Place, Refusal> {
        let depth = self.place.depth.checked_sub(1).ok_or(Refusal::TooDeep)?;
        Ok(Place {
            depth,
            ..self.place
        })
    }

    /// A value written by another type than its own comes from an untagged variant's content.
    #[inline]
    pub(super) fn is_untagged(&self, own: bool) -> bool {
        self.sink.strict && (self.place.buffered || !own)
    }
}

pub(super) fn address<T: ?Sized>(value: &T) -> usize {
    std::ptr::from_ref(value).cast::<()>().addr()
}
