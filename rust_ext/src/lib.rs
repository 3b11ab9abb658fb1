//! Closed λ-terms: notation, leftmost-outermost reduction, and generation by the recursive method.
//!
//! Pure modules know no Python; the bindings are in `py`, behind the feature `python`.

pub mod claim;
pub mod count;
pub mod error;
pub mod mistakes;
pub mod parquet;
pub mod parse;
pub mod plan;
pub mod print;
pub mod reduce;
pub mod sample;
pub mod term;
pub mod trace;
pub mod write;

#[cfg(feature = "python")]
mod py;
