//! λ-terms as flat preorder sequences of nodes, with de Bruijn indices from 0.
//!
//! `λ.0 0` is `[LAM, APP, 0, 0]`. A node is a `u32` wherever input is unbounded, a byte in the
//! generator, whose terms are small; the algorithms are written once for both.

/// One symbol of a flat term: a variable's index, application or abstraction, in this order.
pub trait Node: Copy + Ord + std::fmt::Debug + Send + Sync + 'static {
    const LAM: Self;
    const APP: Self;
    const MAX_INDEX: u32;
    /// `index` is at most `MAX_INDEX`.
    fn var(index: u32) -> Self;
    /// Meaningful for variables only.
    fn index(self) -> u32;
}

macro_rules! node {
    ($int:ty) => {
        impl Node for $int {
            const LAM: Self = <$int>::MAX;
            const APP: Self = <$int>::MAX - 1;
            const MAX_INDEX: u32 = (<$int>::MAX - 2) as u32;
            fn var(index: u32) -> Self {
                debug_assert!(index <= Self::MAX_INDEX);
                index as $int
            }
            fn index(self) -> u32 {
                self as u32
            }
        }
    };
}
node!(u8);
node!(u32);

/// Where the subterm that starts at `start` ends (exclusive).
pub fn subterm_end<N: Node>(nodes: &[N], start: usize) -> usize {
    let mut missing = 1;
    let mut at = start;
    while missing > 0 {
        missing = missing + usize::from(nodes[at] == N::APP) - usize::from(nodes[at] < N::APP);
        at += 1;
    }
    at
}

/// Calls `visit(position, index, binders)` for each variable, with the number of λs above it in `nodes`.
pub fn for_each_variable<N: Node>(nodes: &[N], mut visit: impl FnMut(usize, u32, u32)) {
    let mut arguments = Vec::new();
    let mut binders = 0;
    for (at, &node) in nodes.iter().enumerate() {
        if node == N::LAM {
            binders += 1;
        } else if node == N::APP {
            arguments.push(binders);
        } else {
            visit(at, node.index(), binders);
            binders = arguments.pop().unwrap_or(0);
        }
    }
}

pub fn is_closed<N: Node>(nodes: &[N]) -> bool {
    let mut closed = true;
    for_each_variable(nodes, |_, index, binders| closed &= index < binders);
    closed
}

/// Edges on the longest path from the root to a leaf.
pub fn depth<N: Node>(nodes: &[N]) -> usize {
    let (mut deepest, mut here) = (0, 0);
    let mut arguments = Vec::new();
    for &node in nodes {
        if node == N::LAM {
            here += 1;
        } else if node == N::APP {
            here += 1;
            arguments.push(here);
        } else {
            deepest = deepest.max(here);
            here = arguments.pop().unwrap_or(0);
        }
    }
    deepest
}

/// Edges from the root to the node at `target`.
pub fn depth_of<N: Node>(nodes: &[N], target: usize) -> usize {
    let mut here = 0;
    let mut arguments = Vec::new();
    for &node in &nodes[..target] {
        if node == N::LAM {
            here += 1;
        } else if node == N::APP {
            here += 1;
            arguments.push(here);
        } else {
            here = arguments.pop().unwrap_or(0);
        }
    }
    here
}
