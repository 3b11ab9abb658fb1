//! Parts: ten chunks' rows in one file for each split, and a record that makes them whole.
//!
//! Files are written under temporary names; the record comes last. What has a record whose hashes hold is
//! finished and is never made again.

use crate::claim::{Split, SplitShares};
use crate::error::{LambdaError, Result};
use crate::parquet::{writer, Columns, RowGroups};
use crate::rows::for_each_row;
use crate::stats::Stats;
use crate::trace::Chunk;
use crate::{jsonl, parquet};
use ::parquet::arrow::arrow_writer::ArrowColumnChunk;
use ::parquet::arrow::ArrowWriter;
use ::parquet::file::writer::SerializedFileWriter;
use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::{xxh3_64, Xxh3};

/// A part holds every cycle: ten chunks, about 250k rows.
pub const PART_CHUNKS: u64 = 10;

/// Where a run's files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `train/part-00000.parquet` and so on.
    pub output: PathBuf,
    /// What finished parts are known by; of no use when the run is done.
    pub records: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Parquet,
    Jsonl,
}

impl Format {
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "parquet" => Ok(Self::Parquet),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err(LambdaError::new(format!("no format {name:?}. Rows are written as Parquet or JSON lines; take parquet or jsonl."))),
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
        }
    }
}

/// A chunk's kept rows, encoded as far as can be done away from the files.
pub struct Encoded {
    splits: Vec<Payload>,
    stats: Stats,
}

enum Payload {
    RowGroup(Vec<ArrowColumnChunk>),
    /// Few rows: they wait for the part's others to share a row group.
    Batch(RecordBatch),
    Lines(Vec<u8>),
    Nothing,
}

pub struct Encoder {
    pub format: Format,
    pub shares: SplitShares,
    row_groups: RowGroups,
}

impl Encoder {
    pub fn new(format: Format, shares: SplitShares) -> Result<Self> {
        Ok(Self { format, shares, row_groups: RowGroups::new()? })
    }

    pub fn encode(&self, chunk: &Chunk, keep: &[bool]) -> Result<Encoded> {
        let mut stats = Stats::default();
        let mut columns: [Columns; 3] = Default::default();
        let mut lines: [Vec<u8>; 3] = Default::default();
        let splits: Vec<Split> = chunk.traces.iter().map(|t| self.shares.of(t.root_hash)).collect();
        for_each_row(chunk, keep, |trace, row| {
            let split = splits[trace] as usize;
            stats.add(&row);
            match self.format {
                Format::Parquet => columns[split].push(&row),
                Format::Jsonl => jsonl::push(&mut lines[split], &row),
            }
        });
        let mut payloads = Vec::with_capacity(3);
        for (split, (columns, lines)) in Split::ALL.into_iter().zip(columns.into_iter().zip(lines)) {
            payloads.push(match (self.format, split) {
                (Format::Jsonl, _) => Payload::Lines(lines),
                (Format::Parquet, _) if columns.is_empty() => Payload::Nothing,
                (Format::Parquet, Split::Train) => Payload::RowGroup(self.row_groups.encode(&columns.finish()?)?),
                (Format::Parquet, _) => Payload::Batch(columns.finish()?),
            });
        }
        Ok(Encoded { splits: payloads, stats })
    }
}

/// What is known of a finished part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// By split: train, val, test.
    pub rows: [u64; 3],
    pub bytes: [u64; 3],
    /// xxh3-64 of the files.
    pub hashes: [u64; 3],
    /// None for a part whose rows were decided elsewhere (`shards`).
    pub claims_hash: Option<u64>,
    pub stats: Stats,
}

impl Record {
    /// Its own hash, then itself as JSON.
    fn to_bytes(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("a record is plain data");
        [xxh3_64(&json).to_le_bytes().as_slice(), &json].concat()
    }

    /// None for bytes that are not as they were written.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hash, json) = bytes.split_first_chunk()?;
        (u64::from_le_bytes(*hash) == xxh3_64(json)).then(|| serde_json::from_slice(json).ok())?
    }
}

impl Places {
    pub fn part(&self, split: Split, part: u64, format: Format) -> PathBuf {
        self.output.join(split.name()).join(format!("part-{part:05}.{}", format.extension()))
    }

    fn record(&self, part: u64, extension: &str) -> PathBuf {
        self.records.join(format!("part-{part:05}.{extension}"))
    }
}

fn partial(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}.partial", path.file_name().unwrap_or_default().to_string_lossy()))
}

/// The record of a part, if its files are what it says.
pub fn read_record(places: &Places, part: u64, format: Format) -> Option<Record> {
    let record = Record::from_bytes(&fs::read(places.record(part, "record")).ok()?)?;
    let is_whole = |(split, hash)| hash_of(&places.part(split, part, format)) == Some(hash);
    Split::ALL.into_iter().zip(record.hashes).all(is_whole).then_some(record)
}

/// The record and the ledger's changes of a part, if both are whole.
pub fn read_finished(places: &Places, part: u64, format: Format) -> Option<(Record, Vec<u64>)> {
    let record = read_record(places, part, format)?;
    let claims = fs::read(places.record(part, "claims")).ok()?;
    if Some(xxh3_64(&claims)) != record.claims_hash {
        return None;
    }
    let words = claims.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
    Some((record, words.collect()))
}

/// Of a plain file; None for a link, whose content is somebody else's.
fn hash_of(path: &Path) -> Option<u64> {
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(hash.digest()),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// A file that knows its hash.
struct Hashed {
    file: BufWriter<File>,
    hash: Xxh3,
    bytes: u64,
}

impl Hashed {
    fn create(path: &Path) -> Result<Self> {
        Ok(Self { file: BufWriter::with_capacity(1 << 18, File::create(path)?), hash: Xxh3::new(), bytes: 0 })
    }
}

impl Write for Hashed {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(buffer)?;
        self.hash.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

enum SplitFile {
    RowGroups(SerializedFileWriter<Hashed>),
    Batches(ArrowWriter<Hashed>),
    Lines(Hashed),
}

impl SplitFile {
    fn create(path: &Path, split: Split, format: Format) -> Result<Self> {
        let file = Hashed::create(&partial(path))?;
        Ok(match (format, split) {
            (Format::Jsonl, _) => Self::Lines(file),
            (Format::Parquet, Split::Train) => Self::RowGroups(writer(file)?.into_serialized_writer()?.0),
            (Format::Parquet, _) => Self::Batches(parquet::writer(file)?),
        })
    }

    fn append(&mut self, payload: Payload) -> Result<()> {
        match (self, payload) {
            (Self::RowGroups(file), Payload::RowGroup(columns)) => {
                let mut group = file.next_row_group()?;
                for column in columns {
                    column.append_to_row_group(&mut group)?;
                }
                group.close()?;
            }
            (Self::Batches(file), Payload::Batch(batch)) => file.write(&batch)?,
            (Self::Lines(file), Payload::Lines(lines)) => file.write_all(&lines)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Hashed> {
        let mut file = match self {
            Self::RowGroups(file) => file.into_inner()?,
            Self::Batches(file) => file.into_inner()?,
            Self::Lines(file) => file,
        };
        file.flush()?;
        Ok(file)
    }
}

/// Takes a part's encoded chunks in order.
pub struct PartWriter {
    places: Places,
    part: u64,
    format: Format,
    files: Vec<SplitFile>,
    record: Record,
    changes: Vec<u8>,
}

impl PartWriter {
    pub fn create(places: &Places, part: u64, format: Format) -> Result<Self> {
        let open = |split: Split| {
            let path = places.part(split, part, format);
            fs::create_dir_all(path.parent().expect("a part lies in its split's folder"))?;
            SplitFile::create(&path, split, format)
        };
        let files = Split::ALL.into_iter().map(open).collect::<Result<_>>()?;
        fs::create_dir_all(&places.records)?;
        Ok(Self { places: places.clone(), part, format, files, record: Record::default(), changes: Vec::new() })
    }

    /// `rows`: the chunk's kept rows by split; `changes`: the ledger's by them.
    pub fn append(&mut self, encoded: Encoded, rows: [u64; 3], changes: &[u64]) -> Result<()> {
        self.changes.extend(changes.iter().flat_map(|word| word.to_le_bytes()));
        for (file, payload) in self.files.iter_mut().zip(encoded.splits) {
            file.append(payload)?;
        }
        self.record.stats.merge(&encoded.stats);
        self.record.rows.iter_mut().zip(rows).for_each(|(sum, n)| *sum += n);
        Ok(())
    }

    /// Removes what was written: on a full disk it would stay in the way.
    pub fn discard(self) {
        for split in Split::ALL {
            let _ = fs::remove_file(partial(&self.places.part(split, self.part, self.format)));
        }
    }

    /// Publishes the part.
    pub fn finish(mut self) -> Result<Record> {
        for (split, file) in Split::ALL.into_iter().zip(self.files) {
            let file = file.finish()?;
            self.record.hashes[split as usize] = file.hash.digest();
            self.record.bytes[split as usize] = file.bytes;
            drop(file);
            let path = self.places.part(split, self.part, self.format);
            fs::rename(partial(&path), &path)?;
        }
        if !self.changes.is_empty() {
            publish(&self.places.record(self.part, "claims"), &self.changes)?;
            self.record.claims_hash = Some(xxh3_64(&self.changes));
        }
        publish(&self.places.record(self.part, "record"), &self.record.to_bytes())?;
        Ok(self.record)
    }
}

/// Writes `path` at once: whole under its name, or not at all.
pub fn publish(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = fs::write(partial(path), bytes).and_then(|()| fs::rename(partial(path), path));
    if written.is_err() {
        let _ = fs::remove_file(partial(path));
    }
    Ok(written?)
}
