//! A run on machines that share nothing but files: `scan` each part, `resolve` all, `write` each part.
//!
//! A scan generates a part and keeps one word a step, 8 bytes; it costs about a third of writing the part.
//! Resolving sends the words of all parts through the ledger, about 50 ns a row. The parts that are written
//! then equal those of `write_run` byte for byte.

use crate::claim::{words, Ledger, Word};
use crate::error::{LambdaError, Result};
use crate::part::{publish, read_record, Encoder, PartWriter, Places, Record, PART_CHUNKS};
use crate::plan::Roots;
use crate::run::{exhausted, is_barren, rows_by_split, Spec};
use crate::trace::Chunk;
use std::path::{Path, PathBuf};

fn chunks_of(part: u64) -> std::ops::Range<u64> {
    part * PART_CHUNKS..(part + 1) * PART_CHUNKS
}

/// Writes the words of `part` to `path`.
pub fn scan(path: &Path, spec: &Spec, part: u64) -> Result<()> {
    spec.check()?;
    let roots = Roots::new(&spec.profile)?;
    let mut bytes = Vec::new();
    for number in chunks_of(part) {
        let words = words(&Chunk::generate(spec.seed, number, &roots, spec.limits), &spec.shares);
        bytes.extend((words.len() as u64).to_le_bytes());
        bytes.extend(words.iter().flat_map(|word| word.0.to_le_bytes()));
    }
    publish(path, &bytes)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// Parts with rows; their keep files are written.
    pub parts: u64,
    /// Rows in them: `examples`, or fewer where more parts must be scanned.
    pub rows: u64,
}

/// Decides the rows of the scanned parts, given in order from part 0, and writes a keep file for each into
/// `folder`: `part-00000.keep`.
pub fn resolve(folder: &Path, spec: &Spec, scans: &[PathBuf]) -> Result<Resolved> {
    spec.check()?;
    let mut ledger = Ledger::new(spec.examples as usize, false)?;
    let mut resolved = Resolved { parts: 0, rows: 0 };
    for (part, scan) in scans.iter().enumerate() {
        let mut keeps = Vec::new();
        let rows_before = resolved.rows;
        let bytes = read(scan)?;
        let mut rest = &bytes[..];
        while !rest.is_empty() && resolved.rows < spec.examples {
            let words = take_words(&mut rest).ok_or_else(|| broken(scan))?;
            let keep = ledger.claim(&words, (spec.examples - resolved.rows) as usize)?;
            resolved.rows += keep.iter().filter(|&&k| k).count() as u64;
            keeps.extend((keep.len() as u64).to_le_bytes());
            keeps.extend(keep.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit))));
        }
        if keeps.is_empty() {
            break;
        }
        publish(&keep_file(folder, part as u64), &keeps)?;
        resolved.parts += 1;
        if resolved.rows < spec.examples && is_barren(resolved.rows - rows_before) {
            return Err(exhausted(spec, resolved.rows));
        }
    }
    Ok(resolved)
}

pub fn keep_file(folder: &Path, part: u64) -> PathBuf {
    folder.join(format!("part-{part:05}.keep"))
}

/// Writes the rows that `keep` names, unless the part is whole already.
pub fn write(places: &Places, spec: &Spec, part: u64, keep: &Path) -> Result<Record> {
    spec.check()?;
    if let Some(record) = read_record(places, part, spec.format) {
        return Ok(record);
    }
    let roots = Roots::new(&spec.profile)?;
    let encoder = Encoder::new(spec.format, spec.shares)?;
    let mut writer = PartWriter::create(places, part, spec.format)?;
    let bytes = read(keep)?;
    let mut rest = &bytes[..];
    for number in chunks_of(part) {
        if rest.is_empty() {
            break;
        }
        let chunk = Chunk::generate(spec.seed, number, &roots, spec.limits);
        let kept = take_bits(&mut rest).filter(|kept| kept.len() == chunk.steps.len()).ok_or_else(|| broken(keep))?;
        let rows = rows_by_split(&chunk, &kept, &spec.shares);
        writer.append(encoder.encode(&chunk, &kept)?, rows, &[])?;
    }
    writer.finish()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| LambdaError::new(format!("{} cannot be read: {error}. The rows of its part are not known; make it again.", path.display())))
}

fn broken(path: &Path) -> LambdaError {
    LambdaError::new(format!("{} is cut off or of another run. The rows of its part are not known; remove it and make it again.", path.display()))
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(rest, 8)?.try_into().ok()?))
}

fn take_words(rest: &mut &[u8]) -> Option<Vec<Word>> {
    let count = take_u64(rest)? as usize;
    let bytes = take(rest, count.checked_mul(8)?)?;
    let words: Vec<Word> = bytes.chunks_exact(8).map(|w| Word(u64::from_le_bytes(w.try_into().expect("eight bytes")))).collect();
    let ends = words.last().is_none_or(|last| !last.needs_next());
    ends.then_some(words)
}

fn take_bits(rest: &mut &[u8]) -> Option<Vec<bool>> {
    let count = take_u64(rest)? as usize;
    let bytes = take(rest, count.div_ceil(8))?;
    Some((0..count).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1).collect())
}
