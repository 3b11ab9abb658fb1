//! The pipeline keeps the order of chunks whatever the workers, and ends on every fault.
use lambda_gen_rs::error::{LambdaError, Result};
use lambda_gen_rs::pipeline::{run, Stages};
use std::sync::Mutex;

/// Squares of chunk numbers, appended until `last`.
struct Squares {
    last: u64,
    fault: &'static str,
    seen: Mutex<Vec<(u64, u64, bool)>>,
}

impl Stages for Squares {
    type Generated = u64;
    type Claimed = u64;
    type Encoded = u64;

    fn generate(&self, chunk: u64) -> Result<u64> {
        // Early chunks take longest, so that later ones overtake them.
        let spins = (20u64.saturating_sub(chunk)) * 20_000;
        assert!(self.fault != "generate" || chunk < 7, "a fault in a worker");
        if self.fault == "unfinished" && chunk >= 7 {
            return Err(LambdaError::new("a chunk that ended early"));
        }
        Ok((0..spins).fold(chunk, |n, i| std::hint::black_box(n ^ i ^ i)))
    }

    fn claim(&self, chunk: u64, generated: u64) -> Result<(u64, bool)> {
        match self.fault {
            "claim" if chunk == 7 => Err(LambdaError::new("a fault in claim")),
            _ => Ok((generated * generated, chunk == self.last)),
        }
    }

    fn encode(&self, claimed: u64) -> Result<u64> {
        Ok(claimed)
    }

    fn append(&self, chunk: u64, encoded: u64, is_last: bool) -> Result<()> {
        self.seen.lock().unwrap().push((chunk, encoded, is_last));
        Ok(())
    }
}

fn squares(fault: &'static str) -> Squares {
    Squares { last: 40, fault, seen: Mutex::default() }
}

#[test]
fn chunks_are_appended_in_order_whatever_the_workers() {
    for workers in [1, 2, 3, 8] {
        let stages = squares("");
        run(&stages, 5, workers, || true).unwrap();
        let expected: Vec<_> = (5..=40).map(|chunk| (chunk, chunk * chunk, chunk == 40)).collect();
        assert_eq!(*stages.seen.lock().unwrap(), expected);
    }
}

#[test]
fn an_error_a_panic_and_a_stop_end_the_run() {
    for (fault, message) in [("claim", "a fault in claim"), ("generate", "panicked"), ("unfinished", "ended early")] {
        let stages = squares(fault);
        assert!(run(&stages, 0, 3, || true).unwrap_err().message.contains(message));
        assert!(stages.seen.lock().unwrap().iter().all(|&(chunk, ..)| chunk < 7));
    }
    let endless = Squares { last: u64::MAX, ..squares("") };
    assert!(run(&endless, 0, 2, || false).unwrap_err().message.contains("stopped"));
}
