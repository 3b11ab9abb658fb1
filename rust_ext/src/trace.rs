//! Chunks of reduction traces: the unit of randomness and of parallel work.

use crate::contract::Reduction;
use crate::plan::{Roots, Stratum};
use crate::sample::Random;
use xxhash_rust::xxh3::xxh3_64;

/// A chunk's rows before duplicates are removed.
pub const CHUNK_ROWS: usize = 25_000;
/// Intermediate terms may be this many times larger than the largest row.
const WORKING_FACTOR: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes; larger terms make no row, but their trace goes on.
    pub size_limit: usize,
    /// Steps after which a trace is cut.
    pub max_steps: usize,
}

/// A term of a trace in the chunk's arena.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub start: u32,
    pub size: u32,
    pub hash: u64,
    pub step_k: u32,
    /// The leftmost-outermost redex; None in normal form.
    pub redex: Option<u32>,
    /// False for a term that stands here only as the next one of a row.
    pub is_row: bool,
}

#[derive(Debug, Clone)]
pub struct Trace {
    /// Into `Chunk::steps`; each row's next term is the step after it.
    pub steps: std::ops::Range<usize>,
    /// Steps to the normal form; None where the trace was cut.
    pub steps_total: Option<u32>,
    pub stratum: Stratum,
    pub root_hash: u64,
}

#[derive(Default)]
pub struct Chunk {
    pub number: u64,
    pub cycle: usize,
    pub arena: Vec<u8>,
    pub steps: Vec<Step>,
    pub traces: Vec<Trace>,
}

impl Chunk {
    /// Draws roots and reduces them until the chunk has its rows. Depends on (seed, number) alone.
    pub fn generate(seed: u64, number: u64, roots: &Roots, limits: Limits) -> Self {
        Self::generate_while(seed, number, roots, limits, || true)
    }

    /// `goes_on` is asked before each root: a chunk that nobody wants any more is left unfinished.
    pub fn generate_while(seed: u64, number: u64, roots: &Roots, limits: Limits, goes_on: impl Fn() -> bool) -> Self {
        let cycle = (number % roots.cycles() as u64) as usize;
        let mut chunk = Self { number, cycle, ..Self::default() };
        let mut random = Random::new(seed, number);
        let mut walker = Walker::default();
        let mut rows = 0;
        while rows < CHUNK_ROWS && goes_on() {
            let stratum = roots.draw(&mut random, cycle, &mut walker.root);
            rows += walker.trace(&mut chunk, stratum, limits, CHUNK_ROWS - rows);
        }
        chunk
    }

    pub fn nodes(&self, step: &Step) -> &[u8] {
        &self.arena[step.start as usize..(step.start + step.size) as usize]
    }

    fn push(&mut self, nodes: &[u8], hash: u64, step_k: usize, redex: Option<usize>, is_row: bool) {
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(nodes);
        let (size, redex) = (nodes.len() as u32, redex.map(|at| at as u32));
        self.steps.push(Step { start, size, hash, step_k: step_k as u32, redex, is_row });
    }
}

#[derive(Default)]
struct Walker {
    root: Vec<u8>,
    reduction: Reduction<u8>,
}

impl Walker {
    /// Reduces `self.root` to its normal form or a limit; returns the rows pushed, at most `room`.
    fn trace(&mut self, chunk: &mut Chunk, stratum: Stratum, limits: Limits, room: usize) -> usize {
        let first = chunk.steps.len();
        let reduction = &mut self.reduction;
        reduction.start(&self.root);
        let root_hash = xxh3_64(&self.root);
        let mut hash = root_hash;
        let mut rows = 0;
        let mut steps_total = None;
        let mut redex = reduction.next_redex(0);
        let mut previous_is_row = false;
        // Brent's cycle search: a term met again at a power of two of steps.
        let mut milestone = (root_hash, 1);
        for step_k in 0..=limits.max_steps {
            let is_row = rows < room && reduction.term().len() <= limits.size_limit;
            let Some(at) = redex else {
                if is_row || previous_is_row {
                    chunk.push(reduction.term(), hash, step_k, None, is_row);
                }
                rows += usize::from(is_row);
                steps_total = Some(step_k as u32);
                break;
            };
            let cut = step_k == limits.max_steps
                || !reduction.contract(at)
                || reduction.next().len() > WORKING_FACTOR * limits.size_limit;
            let is_row = is_row && !cut;
            if is_row || previous_is_row {
                chunk.push(reduction.term(), hash, step_k, redex, is_row);
            }
            rows += usize::from(is_row);
            if cut {
                break;
            }
            previous_is_row = is_row;
            reduction.advance();
            hash = xxh3_64(reduction.term());
            if hash == milestone.0 {
                // Its last row's next term is the one that began the cycle.
                if previous_is_row {
                    chunk.push(reduction.term(), hash, step_k + 1, reduction.next_redex(0), false);
                }
                break;
            }
            if step_k + 1 == milestone.1 * 2 {
                milestone = (hash, step_k + 1);
            }
            redex = reduction.next_redex(at.saturating_sub(1));
        }
        if rows == 0 {
            chunk.arena.truncate(chunk.steps.get(first).map_or(chunk.arena.len(), |s| s.start as usize));
            chunk.steps.truncate(first);
            return 0;
        }
        chunk.traces.push(Trace { steps: first..chunk.steps.len(), steps_total, stratum, root_hash });
        rows
    }
}
