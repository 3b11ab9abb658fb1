//! Prints a small term and measures it in one pass; `print` is the readable twin for terms of any size.

use crate::print::SYMBOLS;
use crate::term::Node;

/// What one pass over a term finds out. Positions are characters, depths edges.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    pub span: (usize, usize),
    pub depth: usize,
    pub redex_depth: usize,
}

/// A pending application: its argument comes when its function is complete.
#[derive(Clone, Copy)]
struct Pending {
    depth: u32,
    /// Parentheses to close when the application is complete.
    closing: u32,
}

#[derive(Default)]
pub struct Printer {
    buffer: Vec<u8>,
    length: usize,
    pending: Vec<Pending>,
    pub measured: Measured,
}

/// A node makes at most so many characters: `{253}`, or `(\.` and `)`.
const WIDEST: usize = 5;

impl Printer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.buffer[..self.length]).expect("the notation is ASCII")
    }

    /// `redex`: the application whose span and depth are wanted.
    pub fn print(&mut self, nodes: &[u8], redex: Option<u32>) {
        if self.buffer.len() < WIDEST * nodes.len() {
            self.buffer.resize(WIDEST * nodes.len(), 0);
        }
        let text = &mut self.buffer[..];
        let redex = redex.map_or(usize::MAX, |at| at as usize);
        self.pending.clear();
        self.measured = Measured::default();
        // Where the redex's own parenthesis stands in the stack, while its argument is written.
        let mut redex_level = usize::MAX;
        let mut redex_closing = 0;
        let (mut end, mut depth, mut deepest, mut closing) = (0, 0u32, 0u32, 0u32);
        let (mut is_function, mut is_argument) = (false, false);
        for (at, &node) in nodes.iter().enumerate() {
            if node == u8::LAM {
                if is_function || is_argument {
                    text[end] = b'(';
                    end += 1;
                    closing += 1;
                }
                text[end] = b'\\';
                text[end + 1] = b'.';
                end += 2;
                depth += 1;
                (is_function, is_argument) = (false, false);
            } else if node == u8::APP {
                if is_argument {
                    text[end] = b'(';
                    end += 1;
                    closing += 1;
                }
                if at == redex {
                    self.measured.span.0 = end;
                    self.measured.redex_depth = depth as usize;
                    redex_level = self.pending.len();
                    redex_closing = closing;
                }
                depth += 1;
                self.pending.push(Pending { depth, closing });
                closing = 0;
                (is_function, is_argument) = (true, false);
            } else {
                match SYMBOLS.get(node as usize) {
                    Some(&symbol) => {
                        text[end] = symbol;
                        end += 1;
                    }
                    None => end += write_braced(node, &mut text[end..]),
                }
                for _ in 0..closing {
                    text[end] = b')';
                    end += 1;
                }
                if self.pending.len() == redex_level {
                    self.measured.span.1 = end - redex_closing as usize;
                    redex_level = usize::MAX;
                }
                deepest = deepest.max(depth);
                if let Some(application) = self.pending.pop() {
                    depth = application.depth;
                    closing = application.closing;
                }
                (is_function, is_argument) = (false, true);
            }
        }
        self.length = end;
        self.measured.depth = deepest as usize;
    }
}

fn write_braced(index: u8, text: &mut [u8]) -> usize {
    let braced = format!("{{{index}}}");
    text[..braced.len()].copy_from_slice(braced.as_bytes());
    braced.len()
}
