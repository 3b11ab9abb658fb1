//! β-reduction on flat terms: redexes, and reduction within limits.
//!
//! The leftmost-outermost redex is the first adjacent pair APP LAM in preorder.

use crate::contract::Reduction;
use crate::error::{LambdaError, Result};
use crate::term::{for_each_variable, subterm_end, Node, LANES};

/// Contractions that would make a term larger than this are refused: 2²⁸ nodes are a gigabyte.
pub const MAX_NODES: usize = 1 << 28;

pub fn is_redex<N: Node>(nodes: &[N], at: usize) -> bool {
    nodes[at] == N::APP && nodes.get(at + 1) == Some(&N::LAM)
}

/// The first redex at or after `from`, by the position of its application. Blocks share a node, so that no
/// pair is between two.
#[inline]
pub fn next_redex<N: Node>(nodes: &[N], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(block) = nodes.get(at..at + LANES) {
        let (apps, lams) = N::inner(block.try_into().expect("the block's length"));
        let pairs = apps & (lams >> 8);
        if pairs != 0 {
            return Some(at + pairs.trailing_zeros() as usize / 8);
        }
        at += LANES - 1;
    }
    (at..nodes.len()).find(|&i| is_redex(nodes, i))
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
    let mut reduction = Reduction::default();
    reduction.start(nodes);
    if reduction.contract(at) {
        Ok(reduction.into_next())
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
