//! One Parquet file of traces from one cycle.

use crate::claim::{words, Ledger, SplitShares};
use crate::error::{LambdaError, Result};
use crate::parquet::{writer, Columns};
use crate::plan::{Cycle, Method, Roots};
use crate::profile::Profile;
use crate::rows::for_each_row;
use crate::trace::{Chunk, Limits};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Chunks in a row without a new term, after which there are taken to be none left.
const BARREN_CHUNKS: usize = 4;

const NO_SPLITS: SplitShares = SplitShares { val: 0, test: 0 };

pub struct Order {
    pub seed: u64,
    pub first_chunk: u64,
    pub rows: usize,
    pub cycle: Cycle,
    pub limits: Limits,
    pub workers: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub rows: usize,
    pub duplicates: usize,
    pub chunks: usize,
}

/// Writes exactly `order.rows` rows without duplicates to `path`, by a temporary sibling and a rename.
/// `proceed(rows so far)` is asked between chunks; False stops, and nothing is left behind.
pub fn write_traces(path: &Path, order: &Order, mut proceed: impl FnMut(usize) -> bool) -> Result<Report> {
    check(order)?;
    let roots = Roots::new(&Profile { name: "one cycle", cycles: vec![order.cycle], method: Method::Strata })?;
    let temporary = Temporary::beside(path);
    let mut writer = writer(File::create(&temporary.0)?)?;
    let mut ledger = Ledger::new(order.rows, false)?;
    let mut report = Report::default();
    let mut barren = 0;
    while report.rows < order.rows {
        let first = order.first_chunk + report.chunks as u64;
        let generate = |i| Chunk::generate(order.seed, first + i as u64, &roots, order.limits);
        let chunks: Vec<Chunk> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..order.workers).map(|i| scope.spawn(move || generate(i))).collect();
            threads.into_iter().map(|t| t.join().expect("generation does not panic")).collect()
        });
        for chunk in &chunks {
            if report.rows == order.rows {
                break;
            }
            let keep = ledger.claim(&words(chunk, &NO_SPLITS), order.rows - report.rows)?;
            let kept = keep.iter().filter(|&&k| k).count();
            if kept > 0 {
                let mut columns = Columns::default();
                for_each_row(chunk, &keep, |_, row| columns.push(&row));
                writer.write(&columns.finish()?)?;
            }
            report.rows += kept;
            report.chunks += 1;
            report.duplicates += chunk.steps.iter().filter(|s| s.is_row).count() - kept;
            barren = if kept == 0 { barren + 1 } else { 0 };
            if barren == BARREN_CHUNKS {
                return Err(LambdaError::new(format!("only {} of {} rows: the last {BARREN_CHUNKS} chunks held no new term. The sizes {} to {} have too few terms; ask for fewer rows or larger terms.", report.rows, order.rows, order.cycle.min_size, order.cycle.max_size)));
            }
            if !proceed(report.rows) {
                return Err(LambdaError::new("stopped. Nothing was written."));
            }
        }
    }
    writer.close()?;
    std::fs::rename(&temporary.0, path)?;
    Ok(report)
}

fn check(order: &Order) -> Result<()> {
    let refusal = if order.cycle.max_size > order.limits.size_limit {
        format!("max_size={} is over size_limit={}. Roots would make no row; lower max_size or raise size_limit.", order.cycle.max_size, order.limits.size_limit)
    } else if order.workers == 0 {
        "workers=0. Nobody would work; give at least 1.".into()
    } else {
        return Ok(());
    };
    Err(LambdaError::new(refusal))
}

/// A file that is removed when it was not renamed.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self(path.with_file_name(format!(".{name}.partial")))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
