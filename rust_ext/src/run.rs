//! A whole run: exactly so many rows, in parts, resumable, the same bytes however it was made.
//!
//! Deduplication over the run, the exact count and the splits all need the order of rows, so a row's fate is
//! decided by one ledger that sees chunks in order (`claim`). Everything else is parallel (`pipeline`).
//! On one machine the terms are made once: generate, claim, encode, append. Each finished part leaves, beside
//! its files, the ledger's changes; after a kill the finished parts' changes are replayed and work goes on
//! with the first part that is not whole. A hash-only first pass for everything would need no such record
//! and cost 60 % more time. Machines that share no memory do make that pass (`shards`), part by part, and get
//! the same bytes, because the same ledger sees the same words in the same order.

use crate::claim::{words, Ledger, Split, SplitShares, Word};
use crate::error::{LambdaError, Result};
use crate::part::{publish, read_finished, Encoded, Encoder, Format, PartWriter, Places, Record, PART_CHUNKS};
use crate::pipeline::{self, Stages};
use crate::plan::Roots;
use crate::profile::Profile;
use crate::trace::{Chunk, Limits};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Mutex;

#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    pub seed: u64,
    pub examples: u64,
    pub profile: Profile,
    pub limits: Limits,
    pub format: Format,
    pub shares: SplitShares,
}

impl Spec {
    pub fn check(&self) -> Result<()> {
        let largest = self.profile.cycles.iter().map(|c| c.max_size).max().unwrap_or(0);
        let refusal = if self.limits.size_limit < largest {
            format!("size_limit={} is below {largest} nodes, the largest root of profile {}. Its roots would make no rows; raise size_limit, or take another profile.", self.limits.size_limit, self.profile.name)
        } else if self.examples == 0 {
            "examples=0. There is nothing to make; ask for at least 1.".into()
        } else if self.shares.val as u64 + self.shares.test as u64 > 1_000_000 {
            "val and test together are more than everything. Shares are fractions of 1; lower them.".into()
        } else {
            return Ok(());
        };
        Err(LambdaError::new(refusal))
    }

    /// What the bytes depend on, in words.
    fn identity(&self) -> String {
        format!("{self:?} {}", env!("SOURCE_HASH"))
    }
}

#[derive(Debug, Default, Clone, PartialEq)]
pub struct Report {
    pub parts: Vec<Record>,
    /// Parts that an earlier, unfinished run had made.
    pub reused: usize,
}

/// A part that yields less than this share of its rows means that the terms run out.
const BARREN_SHARE: f64 = 0.01;

/// Makes `spec` in `places`, going on from the parts that are finished there. `proceed(rows)` is asked ten
/// times a second; False stops, and finished parts stay.
pub fn write_run(places: &Places, spec: &Spec, workers: usize, mut proceed: impl FnMut(u64) -> bool) -> Result<Report> {
    spec.check()?;
    if workers == 0 {
        return Err(LambdaError::new("workers=0. Nobody would work; give at least 1."));
    }
    claim_places(places, spec)?;
    let mut ledger = Ledger::new(spec.examples as usize, true)?;
    let mut parts = Vec::new();
    let mut made = 0;
    while made < spec.examples {
        let Some((record, claims)) = read_finished(places, parts.len() as u64, spec.format) else { break };
        ledger.replay(&claims)?;
        made += record.rows.iter().sum::<u64>();
        parts.push(record);
        if !proceed(made) {
            return Err(stopped());
        }
    }
    let reused = parts.len();
    if made < spec.examples {
        let run = Run {
            places,
            spec,
            roots: Roots::new(&spec.profile)?,
            encoder: Encoder::new(spec.format, spec.shares)?,
            claims: Mutex::new(Claims { ledger, left: spec.examples - made, part_rows: 0 }),
            output: Mutex::new(Output { writer: None, parts }),
            rows: AtomicU64::new(made),
            stopped: AtomicBool::new(false),
        };
        let made = pipeline::run(&run, reused as u64 * PART_CHUNKS, workers, || {
            let goes_on = proceed(run.rows.load(Ordering::Relaxed));
            run.stopped.fetch_or(!goes_on, Ordering::Relaxed);
            goes_on
        });
        let output = run.output.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(unfinished) = output.writer {
            unfinished.discard();
        }
        made?;
        parts = output.parts;
    }
    proceed(spec.examples);
    Ok(Report { parts, reused })
}

fn stopped() -> LambdaError {
    LambdaError::new("stopped. Finished parts stay; run again to go on from them.")
}

/// Makes sure that the finished parts in `places`, if any, are of this very run.
fn claim_places(places: &Places, spec: &Spec) -> Result<()> {
    let file = places.records.join("run");
    match std::fs::read_to_string(&file) {
        Ok(identity) if identity == spec.identity() => Ok(()),
        Ok(_) => Err(LambdaError::new(format!("{} holds parts of another run. Going on would mix them; remove it, or give another folder.", places.records.display()))),
        Err(_) => {
            std::fs::create_dir_all(&places.records)?;
            publish(&file, spec.identity().as_bytes())
        }
    }
}

struct Claims {
    ledger: Ledger,
    left: u64,
    /// Rows kept of the part that is being claimed.
    part_rows: u64,
}

struct Output {
    writer: Option<PartWriter>,
    parts: Vec<Record>,
}

struct Run<'a> {
    places: &'a Places,
    spec: &'a Spec,
    roots: Roots,
    encoder: Encoder,
    claims: Mutex<Claims>,
    output: Mutex<Output>,
    rows: AtomicU64,
    stopped: AtomicBool,
}

pub struct Claimed {
    chunk: Chunk,
    keep: Vec<bool>,
    changes: Vec<u64>,
}

pub struct EncodedChunk {
    encoded: Encoded,
    rows: [u64; 3],
    changes: Vec<u64>,
}

impl Stages for Run<'_> {
    type Generated = (Chunk, Vec<Word>);
    type Claimed = Claimed;
    type Encoded = EncodedChunk;

    fn generate(&self, chunk: u64) -> Result<Self::Generated> {
        let goes_on = || !self.stopped.load(Ordering::Relaxed);
        let chunk = Chunk::generate_while(self.spec.seed, chunk, &self.roots, self.spec.limits, goes_on);
        if !goes_on() {
            return Err(stopped()); // the chunk may have ended early, and must not be claimed
        }
        let words = words(&chunk, &self.spec.shares);
        Ok((chunk, words))
    }

    fn claim(&self, number: u64, (chunk, words): Self::Generated) -> Result<(Claimed, bool)> {
        let mut claims = self.claims.lock().expect("no worker panicked");
        let room = claims.left as usize;
        let keep = claims.ledger.claim(&words, room)?;
        let kept = keep.iter().filter(|&&k| k).count() as u64;
        claims.left -= kept;
        claims.part_rows += kept;
        if number % PART_CHUNKS == PART_CHUNKS - 1 && claims.left > 0 {
            if is_barren(claims.part_rows) {
                return Err(exhausted(self.spec, self.spec.examples - claims.left));
            }
            claims.part_rows = 0;
        }
        let changes = claims.ledger.take_changes();
        Ok((Claimed { chunk, keep, changes }, claims.left == 0))
    }

    fn encode(&self, claimed: Claimed) -> Result<EncodedChunk> {
        let Claimed { chunk, keep, changes } = claimed;
        let encoded = self.encoder.encode(&chunk, &keep)?;
        Ok(EncodedChunk { encoded, rows: rows_by_split(&chunk, &keep, &self.spec.shares), changes })
    }

    fn append(&self, number: u64, chunk: EncodedChunk, is_last: bool) -> Result<()> {
        let mut output = self.output.lock().expect("no worker panicked");
        let part = number / PART_CHUNKS;
        let writer = match &mut output.writer {
            Some(open) => open,
            none => none.insert(PartWriter::create(self.places, part, self.spec.format)?),
        };
        writer.append(chunk.encoded, chunk.rows, &chunk.changes)?;
        self.rows.fetch_add(chunk.rows.iter().sum(), Ordering::Relaxed);
        if is_last || number % PART_CHUNKS == PART_CHUNKS - 1 {
            let writer = output.writer.take().expect("a part is open");
            let record = writer.finish()?;
            output.parts.push(record);
        }
        Ok(())
    }
}

pub fn rows_by_split(chunk: &Chunk, keep: &[bool], shares: &SplitShares) -> [u64; 3] {
    let mut rows = [0; 3];
    for trace in &chunk.traces {
        let split: Split = shares.of(trace.root_hash);
        rows[split as usize] += keep[trace.steps.clone()].iter().filter(|&&k| k).count() as u64;
    }
    rows
}

pub fn is_barren(part_rows: u64) -> bool {
    let full = PART_CHUNKS * crate::trace::CHUNK_ROWS as u64;
    (part_rows as f64) < BARREN_SHARE * full as f64
}

pub fn exhausted(spec: &Spec, made: u64) -> LambdaError {
    LambdaError::new(format!("only {made} of {} examples: a whole part held almost no new term. Profile {} has too few terms; ask for fewer examples, or take another profile.", spec.examples, spec.profile.name))
}
