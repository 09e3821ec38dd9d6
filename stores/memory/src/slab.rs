//! The records of a shard, numbered without gaps.

use crate::record::Record;

const CHUNK: usize = 64;

/// A vector in chunks: it grows and shrinks without moving more than a chunk, and wastes less than
/// one.
#[derive(Default)]
pub(crate) struct Slab {
    /// All but the last are full; none is empty.
    chunks: Vec<Vec<Record>>,
}

impl Slab {
    pub(crate) fn len(&self) -> usize {
        match self.chunks.split_last() {
            Some((last, full)) => full.len() * CHUNK + last.len(),
            None => 0,
        }
    }

    pub(crate) fn get(&self, slot: u32) -> &Record {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut Record {
        &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// The record's slot. The caller keeps `len` below `NIL`.
    pub(crate) fn push(&mut self, record: Record) -> u32 {
        let slot = self.len() as u32;
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(record),
            _ => self.chunks.push(vec![record]),
        }
        slot
    }

    /// Takes out the record at `slot`; the last record, if it is another one, moves there.
    pub(crate) fn swap_remove(&mut self, slot: u32) -> Option<Record> {
        let last = self.chunks.last_mut()?;
        let moved = last.pop()?;
        if last.is_empty() {
            self.chunks.pop();
            if self.chunks.len() < self.chunks.capacity() / 4 {
                self.chunks.shrink_to(self.chunks.len() * 2);
            }
        }
        if slot as usize == self.len() {
            return Some(moved);
        }
        Some(std::mem::replace(self.get_mut(slot), moved))
    }
}
