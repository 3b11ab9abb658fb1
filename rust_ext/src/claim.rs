//! Which steps become rows: no term twice, and no input of val or test anywhere in train.
//!
//! A trace belongs to a split by the hash of its root, but traces of different splits meet (confluence).
//! The ledger goes through all steps in (chunk, step) order and remembers, for each term, whether it occurs
//! as a row's input and in which split, or only as an output in train. A step becomes a row when
//! - its term is no row's input yet,
//! - in train: its next term is no input of val or test,
//! - in val and test: its term does not occur in train, as input or output.
//!
//! The decisions depend on the order of steps alone, never on the number of workers; a step is one word, so
//! machines that share no memory can exchange the words instead of the terms.

use crate::error::{LambdaError, Result};
use crate::trace::Chunk;
use xxhash_rust::xxh3::xxh3_64_with_seed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Train,
    Val,
    Test,
}

impl Split {
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    pub fn name(self) -> &'static str {
        ["train", "val", "test"][self as usize]
    }
}

/// Shares of val and test, in parts of a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitShares {
    pub val: u32,
    pub test: u32,
}

/// A constant: a root is in the same split in every run.
const SALT: u64 = 0x6b61_7466_6c6f_7701;

impl SplitShares {
    pub fn of(&self, root_hash: u64) -> Split {
        let place = (xxh3_64_with_seed(&root_hash.to_le_bytes(), SALT) % 1_000_000) as u32;
        match place {
            p if p < self.val => Split::Val,
            p if p < self.val + self.test => Split::Test,
            _ => Split::Train,
        }
    }
}

/// A step as the ledger sees it: the 60 high bits of the term's hash, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word(pub u64);

const IS_ROW: u64 = 1;
/// The term has a next one; of a row it is the word after this one.
const HAS_NEXT: u64 = 2;
const SPLIT_SHIFT: u32 = 2;
const FLAGS: u64 = 15;

impl Word {
    fn is_row(self) -> bool {
        self.0 & IS_ROW != 0
    }
    fn has_next(self) -> bool {
        self.0 & HAS_NEXT != 0
    }
    /// Whether deciding it looks at the word after it.
    pub fn needs_next(self) -> bool {
        self.is_row() && self.has_next()
    }
    fn is_train(self) -> bool {
        (self.0 & FLAGS) >> SPLIT_SHIFT == Split::Train as u64
    }
    fn key(self) -> u64 {
        (self.0 & !FLAGS).max(FLAGS + 1)
    }
}

/// The chunk's steps in order.
pub fn words(chunk: &Chunk, shares: &SplitShares) -> Vec<Word> {
    let mut words = Vec::with_capacity(chunk.steps.len());
    for trace in &chunk.traces {
        let split = shares.of(trace.root_hash) as u64;
        for step in &chunk.steps[trace.steps.clone()] {
            let has_next = if step.redex.is_some() { HAS_NEXT } else { 0 };
            words.push(Word(step.hash & !FLAGS | split << SPLIT_SHIFT | has_next | u64::from(step.is_row)));
        }
    }
    words
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
enum State {
    Unseen,
    TrainOutput,
    TrainInput,
    EvalInput,
}

/// Open addressing over 64-bit slots: key and state in one word, 0 is free.
pub struct Ledger {
    slots: Vec<u64>,
    shift: u32,
    /// Every change since `take_changes`, in order; made again by `replay`.
    changes: Vec<u64>,
    records: bool,
    used: usize,
}

/// Slots for so many terms, filled to two thirds at most; `reserve` lets a table that grows fill further.
fn slots_for(terms: usize) -> usize {
    (terms.max(1024) * 3 / 2).next_power_of_two()
}

fn free_slots(count: usize) -> Result<Vec<u64>> {
    let mut slots = Vec::new();
    slots.try_reserve_exact(count).map_err(|_| LambdaError::new(format!("the table of terms needs {} GB of memory, which cannot be had. Duplicates are found with it; ask for fewer examples, or for several runs with seeds of their own.", count * 8 / 1_000_000_000)))?;
    slots.resize(count, 0);
    Ok(slots)
}

/// Steps ahead whose slot is fetched: about a memory latency.
const AHEAD: usize = 12;

impl Ledger {
    /// `terms` is what is expected; the ledger grows beyond it. `records`: keep changes for `replay`.
    pub fn new(terms: usize, records: bool) -> Result<Self> {
        let slots = free_slots(slots_for(terms))?;
        Ok(Self { shift: 64 - slots.len().trailing_zeros(), slots, changes: Vec::new(), records, used: 0 })
    }

    /// Whether each step becomes a row; at most `room` do. Call in the order of chunks.
    pub fn claim(&mut self, words: &[Word], room: usize) -> Result<Vec<bool>> {
        self.reserve(2 * words.len())?;
        let mut left = room;
        let mut keep = vec![false; words.len()];
        for (at, &word) in words.iter().enumerate() {
            if let Some(ahead) = words.get(at + AHEAD) {
                self.prefetch(ahead.key());
            }
            if left == 0 || !word.is_row() {
                continue;
            }
            let here = self.find(word.key());
            let state = self.state(here);
            let next = if word.has_next() { Some(self.find(words[at + 1].key())) } else { None };
            let fits = if word.is_train() {
                state < State::TrainInput && next.is_none_or(|n| self.state(n) != State::EvalInput)
            } else {
                state == State::Unseen
            };
            if !fits {
                continue;
            }
            keep[at] = true;
            left -= 1;
            self.set(here, word.key(), if word.is_train() { State::TrainInput } else { State::EvalInput });
            if word.is_train() && word.has_next() {
                // Found again: `here` may have taken the free slot that `next` had found.
                let next = self.find(words[at + 1].key());
                if self.state(next) == State::Unseen {
                    self.set(next, words[at + 1].key(), State::TrainOutput);
                }
            }
        }
        Ok(keep)
    }

    pub fn take_changes(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.changes)
    }

    /// Makes the changes of an earlier run again.
    pub fn replay(&mut self, changes: &[u64]) -> Result<()> {
        self.reserve(changes.len())?;
        for (at, &change) in changes.iter().enumerate() {
            if let Some(&ahead) = changes.get(at + AHEAD) {
                self.prefetch(ahead & !FLAGS);
            }
            let slot = self.find(change & !FLAGS);
            self.used += usize::from(self.slots[slot] == 0);
            self.slots[slot] = change;
        }
        Ok(())
    }

    fn set(&mut self, slot: usize, key: u64, state: State) {
        self.used += usize::from(self.slots[slot] == 0);
        self.slots[slot] = key | state as u64;
        if self.records {
            self.changes.push(self.slots[slot]);
        }
    }

    fn state(&self, slot: usize) -> State {
        match self.slots[slot] & FLAGS {
            0 => State::Unseen,
            1 => State::TrainOutput,
            2 => State::TrainInput,
            _ => State::EvalInput,
        }
    }

    /// The slot of `key`, or the free one where it would be put.
    fn find(&self, key: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = (key >> self.shift) as usize;
        while self.slots[slot] != 0 && self.slots[slot] & !FLAGS != key {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn reserve(&mut self, more: usize) -> Result<()> {
        if (self.used + more) * 10 <= self.slots.len() * 9 {
            return Ok(());
        }
        let mut larger = Self::new((self.used + more) * 2, false)?;
        for &entry in self.slots.iter().filter(|&&entry| entry != 0) {
            let slot = larger.find(entry & !FLAGS);
            larger.slots[slot] = entry;
        }
        (self.slots, self.shift) = (larger.slots, larger.shift);
        Ok(())
    }

    #[cfg(target_arch = "x86_64")]
    fn prefetch(&self, key: u64) {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: a prefetch reads nothing; the slot lies inside the table.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(self.slots.as_ptr().add((key >> self.shift) as usize).cast()) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn prefetch(&self, _key: u64) {}
}
