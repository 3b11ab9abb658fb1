//! Closed λ-terms: notation, leftmost-outermost reduction, and generation by the recursive method.
//!
//! Pure modules know no Python; the bindings are in `py`, behind the feature `python`.

pub mod claim;
pub mod contract;
pub mod count;
pub mod error;
pub mod jsonl;
pub mod measure;
pub mod mistakes;
pub mod parquet;
pub mod parse;
pub mod part;
pub mod pipeline;
pub mod plan;
pub mod print;
pub mod profile;
pub mod reduce;
pub mod rows;
pub mod run;
pub mod sample;
pub mod shards;
pub mod stats;
pub mod term;
pub mod trace;
pub mod walk;
pub mod write;

#[cfg(feature = "python")]
mod py;
