//! The plain grammar walk: what a generator without counting does. For comparison only.

use crate::plan::Cycle;
use crate::sample::Random;
use crate::term::Node;

/// Draws terms until one is in the cycle's limits.
pub fn walk(random: &mut Random, cycle: &Cycle, out: &mut Vec<u8>) {
    loop {
        out.clear();
        grow(random, cycle, 0, 0, out);
        if (cycle.min_size..=cycle.max_size).contains(&out.len()) {
            return;
        }
    }
}

/// A variable, an abstraction or an application, each as likely as the other. Recursion ends at the depth.
fn grow(random: &mut Random, cycle: &Cycle, depth: usize, binders: usize, out: &mut Vec<u8>) {
    let left = cycle.max_depth - depth;
    let choice = match (left, binders) {
        (0, _) => 0,
        (1, 0) => 1,
        (_, 0) => random.between(1, 2),
        _ => random.below(3),
    };
    match choice {
        0 => out.push(u8::var(random.below(binders) as u32)),
        1 => {
            out.push(u8::LAM);
            grow(random, cycle, depth + 1, binders + 1, out);
        }
        _ => {
            out.push(u8::APP);
            grow(random, cycle, depth + 1, binders, out);
            if out.len() <= cycle.max_size {
                grow(random, cycle, depth + 1, binders, out);
            }
        }
    }
}
