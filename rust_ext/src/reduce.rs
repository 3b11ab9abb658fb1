//! β-reduction on flat terms.
//!
//! The leftmost-outermost redex is the first adjacent pair APP LAM in preorder. Contraction copies what
//! stands before and after, walks the body, and pastes the argument where an index meets its binder; the
//! places of the argument's free variables are found once, so each paste is a copy and a few additions.

use crate::error::{LambdaError, Result};
use crate::term::{for_each_variable, subterm_end, Node};

/// Contractions that would make a term larger than this are refused: 2²⁸ nodes are a gigabyte.
pub const MAX_NODES: usize = 1 << 28;

pub fn is_redex<N: Node>(nodes: &[N], at: usize) -> bool {
    nodes[at] == N::APP && nodes.get(at + 1) == Some(&N::LAM)
}

/// The first redex at or after `from`, by the position of its application.
pub fn next_redex<N: Node>(nodes: &[N], from: usize) -> Option<usize> {
    /// Pairs that are looked at together, without branches between them.
    const BLOCK: usize = 16;
    let rest = nodes.get(from..)?;
    let is_pair = |i: usize| rest[i] == N::APP && rest[i + 1] == N::LAM;
    let mut start = 0;
    while start + BLOCK < rest.len() {
        let block: &[N; BLOCK + 1] = rest[start..=start + BLOCK].try_into().expect("the block's length");
        if (0..BLOCK).fold(false, |any, i| any | ((block[i] == N::APP) & (block[i + 1] == N::LAM))) {
            break;
        }
        start += BLOCK;
    }
    (start..rest.len().saturating_sub(1)).find(|&i| is_pair(i)).map(|i| from + i)
}

/// All redexes, by the positions of their applications.
pub fn redexes<N: Node>(nodes: &[N]) -> Vec<usize> {
    let mut found = Vec::new();
    while let Some(at) = next_redex(nodes, found.last().map_or(0, |&last| last + 1)) {
        found.push(at);
    }
    found
}

/// The parts of the redex whose application is at `at`: body and argument, as ranges.
pub fn parts<N: Node>(nodes: &[N], at: usize) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
    let argument = subterm_end(nodes, at + 2);
    (at + 2..argument, argument..subterm_end(nodes, argument))
}

/// Contracts redexes; keeps its scratch memory between calls.
#[derive(Default)]
pub struct Reducer {
    binders: Binders,
    /// The body's variables that are the redex's or free: place and λs above.
    events: Vec<(u32, u32)>,
    /// The places of the argument's free variables.
    free: Vec<u32>,
}

impl Reducer {
    /// Writes to `out` what `nodes` becomes when the redex at `at` is contracted.
    /// False where an index would not fit a node; `out` is then of no use.
    pub fn contract<N: Node>(&mut self, nodes: &[N], at: usize, out: &mut Vec<N>) -> bool {
        let (argument, deepest_paste) = self.find_events(nodes, at + 2);
        // A copy that stays above all λs of the body is verbatim.
        let (end, largest_free) = match deepest_paste {
            0 => (subterm_end(nodes, argument), 0),
            _ => self.find_free(nodes, argument),
        };
        out.clear();
        out.extend_from_slice(&nodes[..at]);
        let mut copied = at + 2;
        for &(place, binders) in &self.events {
            let index = nodes[place as usize].index();
            out.extend_from_slice(&nodes[copied..place as usize]);
            copied = place as usize + 1;
            if index > binders {
                out.push(N::var(index - 1));
                continue;
            }
            let start = out.len();
            out.extend_from_slice(&nodes[argument..end]);
            if binders > 0 {
                for &place in &self.free {
                    let node = &mut out[start + place as usize];
                    *node = N::var(node.index().saturating_add(binders).min(N::MAX_INDEX));
                }
            }
        }
        out.extend_from_slice(&nodes[copied..argument]);
        out.extend_from_slice(&nodes[end..]);
        largest_free.saturating_add(deepest_paste) <= N::MAX_INDEX || deepest_paste == 0 || self.free.is_empty()
    }

    /// Notes what changes in the body at `start`; returns where it ends and the most λs above a copy.
    fn find_events<N: Node>(&mut self, nodes: &[N], start: usize) -> (usize, u32) {
        let mut deepest_paste = 0;
        self.events.clear();
        let mut walk = self.binders.walk(nodes.len() - start);
        let mut place = start;
        while !walk.is_over() {
            let (node, binders) = (nodes[place], walk.above());
            if node < N::APP && node.index() >= binders {
                self.events.push((place as u32, binders));
                deepest_paste = deepest_paste.max(if node.index() == binders { binders } else { 0 });
            }
            walk.pass(node);
            place += 1;
        }
        (place, deepest_paste)
    }

    /// Notes the places of the free variables of the subterm at `start`; returns where it ends and the
    /// largest index among them.
    fn find_free<N: Node>(&mut self, nodes: &[N], start: usize) -> (usize, u32) {
        let mut largest = 0;
        self.free.clear();
        let mut walk = self.binders.walk(nodes.len() - start);
        let mut place = start;
        while !walk.is_over() {
            let node = nodes[place];
            if node < N::APP && node.index() >= walk.above() {
                self.free.push((place - start) as u32);
                largest = largest.max(node.index());
            }
            walk.pass(node);
            place += 1;
        }
        (place, largest)
    }
}

/// Counts the λs above each node of a subterm, in preorder.
#[derive(Default)]
struct Binders {
    /// The λs above each argument that is still to come; below them the end.
    arguments: Vec<u32>,
}

struct BindersWalk<'a> {
    arguments: &'a mut [u32],
    waiting: usize,
    above: u32,
}

impl Binders {
    fn walk(&mut self, nodes: usize) -> BindersWalk<'_> {
        if self.arguments.len() < nodes + 2 {
            self.arguments.resize(nodes + 2, 0);
        }
        self.arguments[0] = 0;
        BindersWalk { arguments: &mut self.arguments, waiting: 1, above: 0 }
    }
}

impl BindersWalk<'_> {
    fn above(&self) -> u32 {
        self.above
    }

    fn is_over(&self) -> bool {
        self.waiting == 0
    }

    /// Goes on behind `node`. Without branches: which node comes next is as good as random.
    #[inline(always)]
    fn pass<N: Node>(&mut self, node: N) {
        let is_variable = node < N::APP;
        self.arguments[self.waiting] = self.above;
        self.waiting = self.waiting + usize::from(node == N::APP) - usize::from(is_variable);
        let below = self.above + u32::from(node == N::LAM);
        let beside = self.arguments[self.waiting];
        self.above = if is_variable { beside } else { below };
    }
}

/// The size after contracting the redex at `at`, without doing it.
pub fn contracted_size<N: Node>(nodes: &[N], at: usize) -> usize {
    let (body, argument) = parts(nodes, at);
    let mut copies = 0usize;
    for_each_variable(&nodes[body], |_, index, binders| copies += usize::from(index == binders));
    (nodes.len() - 2 - argument.len() - copies).saturating_add(copies.saturating_mul(argument.len()))
}

/// `contract` for terms of any size: refuses to grow beyond `MAX_NODES`.
pub fn contract_checked(nodes: &[u32], at: usize) -> Result<Vec<u32>> {
    let size = contracted_size(nodes, at);
    if size > MAX_NODES {
        return Err(LambdaError::new(format!("the next term would have {size} nodes. More than {MAX_NODES} do not fit in memory; use a smaller term.")));
    }
    let mut out = Vec::with_capacity(size);
    if Reducer::default().contract(nodes, at, &mut out) {
        Ok(out)
    } else {
        Err(LambdaError::new(format!("a free variable's index would grow beyond {}. It does not fit a node; use smaller indices.", u32::MAX_INDEX)))
    }
}

/// The normal form by leftmost-outermost steps, and their number.
pub fn normal_form(nodes: Vec<u32>, max_steps: usize, max_size: usize) -> Result<(Vec<u32>, usize)> {
    let mut nodes = nodes;
    for steps in 0.. {
        let Some(at) = next_redex(&nodes, 0) else { return Ok((nodes, steps)) };
        if steps == max_steps {
            return Err(LambdaError::new(format!("no normal form within max_steps={max_steps}. The term may have none; raise max_steps, or take another term.")));
        }
        let size = contracted_size(&nodes, at);
        if size > max_size {
            return Err(LambdaError::new(format!("step {} makes a term of {size} nodes, over max_size={max_size}. The term may have no normal form; raise max_size, or take another term.", steps + 1)));
        }
        nodes = contract_checked(&nodes, at)?;
    }
    unreachable!("usize steps are never exhausted")
}

/// The number of leftmost-outermost steps, from 1 to `max_steps`, after which `nodes` is `target`.
pub fn reduces_to(nodes: Vec<u32>, target: &[u32], max_steps: usize, max_size: usize) -> Option<usize> {
    let mut nodes = nodes;
    for steps in 1..=max_steps {
        let at = next_redex(&nodes, 0)?;
        if contracted_size(&nodes, at) > max_size {
            return None;
        }
        nodes = contract_checked(&nodes, at).ok()?;
        if nodes == target {
            return Some(steps);
        }
    }
    None
}
