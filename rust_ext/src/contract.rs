//! β-reduction in two buffers: the term, and the next one.
//!
//! Most redexes are small and stand in larger terms: a step's time goes to branches that are predicted wrong
//! and to calls. So nodes are copied in whole blocks, over what will be written behind them; the walks have no
//! branch but their end; and the nodes before the redex are not copied where both buffers have them already.

use crate::reduce::next_redex;
use crate::term::{subterm_end, Node};

/// Nodes that are copied together. Behind each term there is room for as many, of no meaning.
const BLOCK: usize = 64;

/// A term that is reduced step by step. Keeps its memory from term to term.
#[derive(Default)]
pub struct Reduction<N> {
    term: Vec<N>,
    term_size: usize,
    next: Vec<N>,
    next_size: usize,
    /// So many first nodes are the same in both.
    shared: usize,
    scratch: Scratch<N>,
}

impl<N: Node> Reduction<N> {
    /// Begins anew with a term.
    pub fn start(&mut self, nodes: &[N]) {
        grow(&mut self.term, nodes.len() + BLOCK);
        self.term[..nodes.len()].copy_from_slice(nodes);
        self.term_size = nodes.len();
        self.shared = 0;
    }

    pub fn term(&self) -> &[N] {
        &self.term[..self.term_size]
    }

    /// What the last contraction made of the term.
    pub fn next(&self) -> &[N] {
        &self.next[..self.next_size]
    }

    pub fn into_next(mut self) -> Vec<N> {
        self.next.truncate(self.next_size);
        self.next
    }

    /// Goes on to the next term.
    pub fn advance(&mut self) {
        std::mem::swap(&mut self.term, &mut self.next);
        std::mem::swap(&mut self.term_size, &mut self.next_size);
    }

    /// The term's first redex at or after `from`, by the position of its application.
    pub fn next_redex(&self, from: usize) -> Option<usize> {
        next_redex(&self.term, from).filter(|&at| at < self.term_size)
    }

    /// Makes the next term by contracting the redex at `at`.
    /// False where an index would not fit a node; the next term is then of no use.
    pub fn contract(&mut self, at: usize) -> bool {
        let Self { term, scratch, .. } = self;
        let (size, pastes) = scratch.read_body(&term[at + 2..]);
        let (argument, suffix) = (at + 2 + size, subterm_end(term, at + 2 + size));
        let (argument_size, suffix_size) = (suffix - argument, self.term_size - suffix);
        let (argument, suffix) = (&term[argument..], &term[suffix..]);
        grow(&mut scratch.free, argument_size + BLOCK);

        let shared = self.shared.min(at);
        self.shared = at;
        self.next_size = at + size - pastes + pastes * argument_size + suffix_size;
        grow(&mut self.next, self.next_size + BLOCK);
        let next = &mut self.next[..];
        copy(&term[shared..], &mut next[shared..], at - shared);
        let (mut from, mut to) = (0, at);
        let mut largest_free = None;
        let mut fits = true;
        for paste in 0..pastes {
            let place = scratch.pastes[paste] as usize;
            copy(&scratch.body[from..], &mut next[to..], place - from);
            to += place - from;
            from = place + 1;
            let binders = scratch.body[place].index();
            if binders > 0 {
                let largest = *largest_free.get_or_insert_with(|| scratch.find_free(&argument[..argument_size]));
                fits &= largest.is_none_or(|largest: u32| largest.saturating_add(binders) <= N::MAX_INDEX);
            }
            shift(argument, &scratch.free, N::var(binders), &mut next[to..], argument_size);
            to += argument_size;
        }
        copy(&scratch.body[from..], &mut next[to..], size - from);
        copy(suffix, &mut next[to + size - from..], suffix_size);
        fits
    }
}

/// Makes `nodes` at least `size` long.
#[inline(always)]
fn grow<N: Node>(nodes: &mut Vec<N>, size: usize) {
    if nodes.len() < size {
        nodes.resize(size, N::LAM);
    }
}

/// Copies `size` nodes, in whole blocks: at least one, since whether there is any is as good as random.
#[inline(always)]
fn copy<N: Node>(from: &[N], to: &mut [N], size: usize) {
    let mut done = 0;
    loop {
        to[done..][..BLOCK].copy_from_slice(&from[done..][..BLOCK]);
        done += BLOCK;
        if done >= size {
            break;
        }
    }
}

/// `copy` that adds `binders` to the nodes that are marked.
#[inline(always)]
fn shift<N: Node>(from: &[N], marks: &[N], binders: N, to: &mut [N], size: usize) {
    for done in (0..size).step_by(BLOCK) {
        let mut block = [N::LAM; BLOCK];
        block.copy_from_slice(&from[done..][..BLOCK]);
        block.iter_mut().zip(&marks[done..][..BLOCK]).for_each(|(node, &mark)| *node = node.plus(mark & binders));
        to[done..][..BLOCK].copy_from_slice(&block);
    }
}

/// What is known of a redex's parts.
#[derive(Default)]
struct Scratch<N> {
    /// The body, its free variables already one less.
    body: Vec<N>,
    /// The places in the body where the argument goes. The index there is the number of λs above it.
    pastes: Vec<u32>,
    /// The argument's nodes: all bits set where it is a free variable, else none.
    free: Vec<N>,
    /// The λs above each argument that is still to come in a walk.
    waiting: Vec<u32>,
}

impl<N: Node> Scratch<N> {
    /// Reads the body that `nodes` begins with; returns its size and how many pastes it has.
    #[inline(always)]
    fn read_body(&mut self, nodes: &[N]) -> (usize, usize) {
        if self.waiting.len() < nodes.len() + 2 {
            self.waiting.resize(nodes.len() + 2, 0);
            self.pastes.resize(nodes.len() + 1, 0);
            grow(&mut self.body, nodes.len() + BLOCK);
        }
        let pastes = &mut self.pastes[..];
        let mut found = 0;
        let mut walk = Walk::new(&mut self.waiting);
        let mut size = 0;
        for (&node, changed) in nodes.iter().zip(&mut self.body[..]) {
            let is_variable = node < N::APP;
            pastes[found] = size as u32;
            found += usize::from(is_variable & (node.index() == walk.above));
            *changed = node.minus(is_variable & (node.index() > walk.above));
            size += 1;
            walk.pass(node);
            if walk.is_over() {
                break;
            }
        }
        (size, found)
    }

    /// Marks the argument's free variables; returns the largest index among them.
    #[inline(never)]
    fn find_free(&mut self, argument: &[N]) -> Option<u32> {
        let mut walk = Walk::new(&mut self.waiting);
        let mut end = 0;
        for (&node, mark) in argument.iter().zip(&mut self.free) {
            let is_free = (node < N::APP) & (node.index() >= walk.above);
            *mark = if is_free { N::LAM } else { N::var(0) };
            end = end.max(if is_free { node.index() + 1 } else { 0 });
            walk.pass(node);
        }
        end.checked_sub(1)
    }
}

/// Counts the λs above each node of a subterm, in preorder.
struct Walk<'a> {
    waiting: &'a mut [u32],
    arguments: usize,
    above: u32,
}

impl<'a> Walk<'a> {
    #[inline(always)]
    fn new(waiting: &'a mut [u32]) -> Self {
        Self { waiting, arguments: 1, above: 0 }
    }

    #[inline(always)]
    fn is_over(&self) -> bool {
        self.arguments == 0
    }

    /// Goes on behind `node`. Without branches: which node comes next is as good as random.
    #[inline(always)]
    fn pass<N: Node>(&mut self, node: N) {
        let is_variable = node < N::APP;
        let (beside, below) = (self.waiting[self.arguments - 1], self.above + u32::from(node == N::LAM));
        self.waiting[self.arguments] = self.above;
        self.arguments = self.arguments + usize::from(node == N::APP) - usize::from(is_variable);
        self.above = std::hint::select_unpredictable(is_variable, beside, below);
    }
}
