//! λ-terms as flat preorder sequences of nodes, with de Bruijn indices from 0.
//!
//! `λ.0 0` is `[LAM, APP, 0, 0]`. A node is a `u32` wherever input is unbounded, a byte in the
//! generator, whose terms are small; the algorithms are written once for both.

/// One symbol of a flat term: a variable's index, application or abstraction, in this order.
pub trait Node: Copy + Ord + std::ops::BitAnd<Output = Self> + std::fmt::Debug + Send + Sync + 'static {
    const LAM: Self;
    const APP: Self;
    const MAX_INDEX: u32;
    /// `index` is at most `MAX_INDEX`.
    fn var(index: u32) -> Self;
    /// Meaningful for variables only.
    fn index(self) -> u32;
    /// The variable whose index is larger by `by`; wraps where it does not fit.
    fn plus(self, by: Self) -> Self;
    /// The variable whose index is smaller by one, if `one`.
    fn minus(self, one: bool) -> Self;
    /// Where applications and where abstractions stand: a byte for each node, 1 or 0.
    fn inner(block: &[Self; LANES]) -> (u128, u128);
}

macro_rules! node {
    ($int:ty, $inner:expr) => {
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
            fn plus(self, by: Self) -> Self {
                self.wrapping_add(by)
            }
            fn minus(self, one: bool) -> Self {
                self - Self::from(one)
            }
            #[inline(always)]
            fn inner(block: &[Self; LANES]) -> (u128, u128) {
                $inner(block)
            }
        }
    };
}
// FE and FF are the bytes whose high bit is set and whose others, plus 2, carry into it.
node!(u8, |block: &[u8; LANES]| {
    let block = u128::from_le_bytes(*block);
    let carried = (block & (ONES * 0x7F)) + ONES * 2;
    let inner = ((block & carried) >> 7) & ONES;
    (inner & !block, inner & block)
});
node!(u32, |block: &[u32; LANES]| {
    let bytes = |symbol| u128::from_le_bytes(block.map(|node| u8::from(node == symbol)));
    (bytes(u32::APP), bytes(u32::LAM))
});

/// Nodes that are looked at together, a byte for each.
pub const LANES: usize = 16;
const ONES: u128 = u128::from_le_bytes([1; LANES]);

/// Where the subterm that starts at `start` ends (exclusive): where no subterm is missing any more.
///
/// An application wants one more than it is, an abstraction as many, a variable one less. One multiplication
/// sums what the nodes of a block and all before them want.
#[inline]
pub fn subterm_end<N: Node>(nodes: &[N], start: usize) -> usize {
    /// Each node is a subterm itself.
    const PASSED: u128 = 0x100F_0E0D_0C0B_0A09_0807_0605_0403_0201;
    let mut missing = 1;
    let mut at = start;
    while let Some(block) = nodes.get(at..at + LANES) {
        let (apps, lams) = N::inner(block.try_into().expect("the block's length"));
        let sums = (apps * 2 + lams).wrapping_mul(ONES);
        let left = (sums + ONES * missing.min(100) as u128).wrapping_sub(PASSED);
        let zeros = left.wrapping_sub(ONES) & !left & (ONES << 7);
        if zeros != 0 {
            return at + zeros.trailing_zeros() as usize / 8 + 1;
        }
        missing = missing + (sums >> 120) as usize - LANES;
        at += LANES;
    }
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
