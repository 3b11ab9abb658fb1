//! Duplicates over a whole run: the first occurrence of a term in (chunk, row) order owns it.

use crate::trace::Chunk;
use std::collections::HashSet;

#[derive(Default)]
pub struct Ledger {
    seen: HashSet<u64>,
}

impl Ledger {
    /// The chunk's steps that become rows, at most `room`; call in the order of chunks.
    pub fn claim(&mut self, chunk: &Chunk, room: usize) -> Vec<bool> {
        let mut left = room;
        let mut keep = |step: &crate::trace::Step| {
            let kept = step.is_row && left > 0 && self.seen.insert(step.hash);
            left -= usize::from(kept);
            kept
        };
        chunk.steps.iter().map(&mut keep).collect()
    }
}
