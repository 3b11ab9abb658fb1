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
    let pair = |w: &[N]| w[0] == N::APP && w[1] == N::LAM;
    nodes.get(from..)?.windows(2).position(pair).map(|i| from + i)
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
    arguments: Vec<u32>,
    free: Vec<u32>,
}

impl Reducer {
    /// Writes to `out` what `nodes` becomes when the redex at `at` is contracted.
    /// False where an index would not fit a node; `out` is then of no use.
    pub fn contract<N: Node>(&mut self, nodes: &[N], at: usize, out: &mut Vec<N>) -> bool {
        let argument = subterm_end(nodes, at + 2);
        let body = &nodes[at + 2..argument];
        let (end, largest_free) = self.find_free(nodes, argument);
        let argument = &nodes[argument..end];
        out.clear();
        out.extend_from_slice(&nodes[..at]);

        let mut deepest_paste = 0;
        let mut binders = 0;
        self.arguments.clear();
        for &node in body {
            if node == N::LAM {
                binders += 1;
                out.push(node);
                continue;
            }
            if node == N::APP {
                self.arguments.push(binders);
                out.push(node);
                continue;
            }
            let index = node.index();
            if index == binders {
                let start = out.len();
                out.extend_from_slice(argument);
                if binders > 0 {
                    deepest_paste = deepest_paste.max(binders);
                    for &place in &self.free {
                        let node = &mut out[start + place as usize];
                        *node = N::var((node.index().wrapping_add(binders)).min(N::MAX_INDEX));
                    }
                }
            } else {
                out.push(if index > binders { N::var(index - 1) } else { node });
            }
            binders = self.arguments.pop().unwrap_or(0);
        }
        out.extend_from_slice(&nodes[end..]);
        self.free.is_empty() || largest_free.saturating_add(deepest_paste) <= N::MAX_INDEX
    }

    /// Notes the places of the free variables of the subterm at `start`; returns where it ends and the
    /// largest index among them.
    fn find_free<N: Node>(&mut self, nodes: &[N], start: usize) -> (usize, u32) {
        let mut largest = 0;
        let mut binders = 0;
        self.free.clear();
        self.arguments.clear();
        for (place, &node) in nodes[start..].iter().enumerate() {
            if node == N::LAM {
                binders += 1;
            } else if node == N::APP {
                self.arguments.push(binders);
            } else {
                if node.index() >= binders {
                    self.free.push(place as u32);
                    largest = largest.max(node.index());
                }
                match self.arguments.pop() {
                    Some(outside) => binders = outside,
                    None => return (start + place + 1, largest),
                }
            }
        }
        unreachable!("a flat term is complete")
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
