//! Chunks through three stages on any number of threads: generate (any order) → claim (in chunk order) →
//! encode (any order) → append (in chunk order). What is written depends on the order of chunks alone.
//!
//! A free worker takes the stage nearest to the end, so few chunks are in flight: memory is bounded and a
//! kill loses little. A worker that would have to wait for an earlier chunk generates a later one instead.

use crate::error::{LambdaError, Result};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// The stages; `claim` and `append` see every chunk once, in order.
pub trait Stages: Sync {
    type Generated: Send;
    type Claimed: Send;
    type Encoded: Send;
    fn generate(&self, chunk: u64) -> Result<Self::Generated>;
    /// True with the last chunk that is needed.
    fn claim(&self, chunk: u64, generated: Self::Generated) -> Result<(Self::Claimed, bool)>;
    fn encode(&self, claimed: Self::Claimed) -> Result<Self::Encoded>;
    fn append(&self, chunk: u64, encoded: Self::Encoded, is_last: bool) -> Result<()>;
}

struct State<S: Stages + ?Sized> {
    to_generate: u64,
    to_claim: u64,
    to_append: u64,
    last: Option<u64>,
    claiming: bool,
    appending: bool,
    generated: BTreeMap<u64, S::Generated>,
    claimed: VecDeque<(u64, S::Claimed)>,
    encoded: BTreeMap<u64, S::Encoded>,
    failure: Option<LambdaError>,
}

impl<S: Stages + ?Sized> State<S> {
    fn is_over(&self) -> bool {
        self.failure.is_some() || self.last.is_some_and(|last| self.to_append > last)
    }
}

/// How often `proceed` is asked.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Runs chunks from `first` until `claim` names the last one. `proceed` is asked on the calling thread, ten
/// times a second; False stops the work within a chunk's stage.
pub fn run<S: Stages>(stages: &S, first: u64, workers: usize, mut proceed: impl FnMut() -> bool) -> Result<()> {
    let state = Mutex::new(State::<S> {
        to_generate: first,
        to_claim: first,
        to_append: first,
        last: None,
        claiming: false,
        appending: false,
        generated: BTreeMap::new(),
        claimed: VecDeque::new(),
        encoded: BTreeMap::new(),
        failure: None,
    });
    let changed = Condvar::new();
    let in_flight = 2 * workers as u64 + 2;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(|| work(stages, &state, &changed, in_flight))).collect();
        let mut guard = lock(&state);
        while !guard.is_over() && threads.iter().any(|t| !t.is_finished()) {
            guard = changed.wait_timeout(guard, ASK_EVERY).unwrap_or_else(|e| e.into_inner()).0;
            drop(guard);
            let goes_on = proceed();
            guard = lock(&state);
            if !goes_on && guard.failure.is_none() {
                guard.failure = Some(LambdaError::new("stopped. Finished parts stay; run again to go on from them."));
                changed.notify_all();
            }
        }
        drop(guard);
        // Each is joined: a panic that nobody looked at would go on into the caller.
        if threads.into_iter().filter_map(|t| t.join().err()).count() > 0 {
            fail(&state, &changed, LambdaError::new("a worker panicked. This is a fault in lambda_gen_rs; report it with the seed."));
        }
    });
    let failure = lock(&state).failure.take();
    failure.map_or(Ok(()), Err)
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn fail<S: Stages>(state: &Mutex<State<S>>, changed: &Condvar, error: LambdaError) {
    lock(state).failure.get_or_insert(error);
    changed.notify_all();
}

/// Makes the run fail when a worker panics, so that nobody waits for its chunk.
struct OnPanic<'a, S: Stages>(&'a Mutex<State<S>>, &'a Condvar);

impl<S: Stages> Drop for OnPanic<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fail(self.0, self.1, LambdaError::new("a worker panicked. This is a fault in lambda_gen_rs; report it with the seed."));
        }
    }
}

fn work<S: Stages>(stages: &S, state: &Mutex<State<S>>, changed: &Condvar, in_flight: u64) {
    let _on_panic = OnPanic(state, changed);
    let mut guard = lock(state);
    while !guard.is_over() {
        let next_append = guard.to_append;
        let next_claim = guard.to_claim;
        let outcome = if let Some(encoded) = (!guard.appending).then(|| guard.encoded.remove(&next_append)).flatten() {
            guard.appending = true;
            let is_last = guard.last == Some(next_append);
            drop(guard);
            let outcome = stages.append(next_append, encoded, is_last);
            guard = lock(state);
            guard.appending = false;
            guard.to_append += 1;
            outcome
        } else if let Some(generated) = (!guard.claiming).then(|| guard.generated.remove(&next_claim)).flatten() {
            guard.claiming = true;
            drop(guard);
            let outcome = stages.claim(next_claim, generated);
            guard = lock(state);
            guard.claiming = false;
            guard.to_claim += 1;
            outcome.map(|(claimed, is_last)| {
                guard.claimed.push_back((next_claim, claimed));
                if is_last {
                    guard.last = Some(next_claim);
                    guard.claiming = true;
                }
            })
        } else if let Some((chunk, claimed)) = guard.claimed.pop_front() {
            drop(guard);
            let outcome = stages.encode(claimed);
            guard = lock(state);
            outcome.map(|encoded| drop(guard.encoded.insert(chunk, encoded)))
        } else if guard.last.is_none() && guard.to_generate < guard.to_append + in_flight {
            let chunk = guard.to_generate;
            guard.to_generate += 1;
            drop(guard);
            let outcome = stages.generate(chunk);
            guard = lock(state);
            outcome.map(|generated| drop(guard.generated.insert(chunk, generated)))
        } else {
            guard = changed.wait(guard).unwrap_or_else(|poisoned| poisoned.into_inner());
            continue;
        };
        if let Err(error) = outcome {
            guard.failure.get_or_insert(error);
        }
        changed.notify_all();
    }
}
