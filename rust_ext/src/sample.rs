//! Uniform sampling of terms within a stratum, by unranking with the counting tables, and planted growth.

use crate::count::{Class, Tables};
use crate::reduce::parts;
use crate::term::{for_each_variable, Node};
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A chunk's own random stream: what it draws depends on (seed, chunk) alone.
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    pub fn new(seed: u64, chunk: u64) -> Self {
        let mixed = xxhash_rust::xxh3::xxh3_64_with_seed(&chunk.to_le_bytes(), seed);
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Uniform in low..=high.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }
}

/// Draws terms of the classes that `tables` count.
pub struct Sampler<'a> {
    pub tables: &'a Tables,
}

impl Sampler<'_> {
    /// Appends a uniform draw of `class` with `n` nodes, height ≤ `h` and `m` free variables in scope.
    /// The class must not be empty. Recursion is bounded by `h`.
    pub fn draw(&self, random: &mut Random, class: Class, h: usize, m: usize, n: usize, out: &mut Vec<u8>) {
        if n == 1 {
            return out.push(u8::var(random.below(m) as u32));
        }
        let under_lambda = match class {
            Class::Any => Some(Class::Any),
            Class::Normal => Some(Class::Normal),
            Class::Redex(r) if r > 0 => Some(Class::Redex(r - 1)),
            Class::Lambda => return self.draw_lambda(random, Class::Any, h, m, n, out),
            _ => None,
        };
        let mut rank = random.unit() * self.tables.count(class, h, m, n);
        if let Some(body) = under_lambda {
            let lambdas = self.tables.count(body, h - 1, m + 1, n - 1);
            if rank < lambdas {
                return self.draw_lambda(random, body, h, m, n, out);
            }
            rank -= lambdas;
        }
        let (function, argument) = match class {
            Class::Any | Class::Lambda => (Class::Any, Class::Any),
            Class::Neutral | Class::Normal => (Class::Neutral, Class::Normal),
            Class::Redex(0) | Class::RedexInApplication(0) => (Class::Lambda, Class::Any),
            Class::Redex(r) | Class::RedexInApplication(r) => {
                let in_function = (Class::RedexInApplication(r - 1), Class::Any);
                if let Some(size) = self.split(&mut rank, in_function, h, m, n) {
                    return self.draw_application(random, in_function, size, h, m, n, out);
                }
                (Class::Neutral, Class::Redex(r - 1))
            }
        };
        let size = match self.split(&mut rank, (function, argument), h, m, n) {
            Some(size) => size,
            None => match self.largest_split((function, argument), h, m, n) {
                Some(size) => size,
                // Rounding left the rank past the last application: the λ is what remains.
                None => return self.draw_fallback(random, class, h, m, n, out),
            },
        };
        self.draw_application(random, (function, argument), size, h, m, n, out);
    }

    fn draw_lambda(&self, random: &mut Random, body: Class, h: usize, m: usize, n: usize, out: &mut Vec<u8>) {
        out.push(u8::LAM);
        self.draw(random, body, h - 1, m + 1, n - 1, out);
    }

    #[allow(clippy::too_many_arguments)]
    fn draw_application(&self, random: &mut Random, operands: (Class, Class), size: usize, h: usize, m: usize, n: usize, out: &mut Vec<u8>) {
        out.push(u8::APP);
        self.draw(random, operands.0, h - 1, m, size, out);
        self.draw(random, operands.1, h - 1, m, n - 1 - size, out);
    }

    /// The function's size where `rank` falls; None (and `rank` lowered) where it lies past all splits.
    /// Mass sits at both ends, so the scan goes inwards from them.
    fn split(&self, rank: &mut f64, operands: (Class, Class), h: usize, m: usize, n: usize) -> Option<usize> {
        let splits = self.tables.splits(operands.0, operands.1, h, m, n);
        let (mut low, mut high) = (0, splits.len());
        while low < high {
            *rank -= splits.weight(low);
            if *rank < 0.0 {
                return Some(splits.function_size(low));
            }
            low += 1;
            if low == high {
                break;
            }
            high -= 1;
            *rank -= splits.weight(high);
            if *rank < 0.0 {
                return Some(splits.function_size(high));
            }
        }
        None
    }

    fn largest_split(&self, operands: (Class, Class), h: usize, m: usize, n: usize) -> Option<usize> {
        let splits = self.tables.splits(operands.0, operands.1, h, m, n);
        let heaviest = (0..splits.len()).max_by(|&a, &b| splits.weight(a).total_cmp(&splits.weight(b)))?;
        (splits.weight(heaviest) > 0.0).then(|| splits.function_size(heaviest))
    }

    fn draw_fallback(&self, random: &mut Random, class: Class, h: usize, m: usize, n: usize, out: &mut Vec<u8>) {
        match class {
            Class::Redex(r) if r > 0 && self.tables.count(Class::Redex(r - 1), h - 1, m + 1, n - 1) > 0.0 => {
                self.draw_lambda(random, Class::Redex(r - 1), h, m, n, out)
            }
            Class::Redex(r) | Class::RedexInApplication(r) if r > 0 => {
                let in_function = (Class::RedexInApplication(r - 1), Class::Any);
                let size = self.largest_split(in_function, h, m, n).expect("the class is not empty");
                self.draw_application(random, in_function, size, h, m, n, out)
            }
            Class::Normal => self.draw_lambda(random, Class::Normal, h, m, n, out),
            _ => self.draw_lambda(random, Class::Any, h, m, n, out),
        }
    }
}

/// Rebinds random leaves of the body of the redex at `at` to its binder, as many as make the contraction
/// grow: k·(|A|−1) > |A|+2 for k copies of the argument A. Size, height, closedness and the redex's place
/// stay. False, and the term unchanged, where the body has too few leaves or the argument is a variable.
pub fn plant_growth(random: &mut Random, nodes: &mut [u8], at: usize) -> bool {
    let (body, argument) = parts(nodes, at);
    let size = argument.len();
    if size < 2 {
        return false;
    }
    let mut leaves = Vec::new();
    for_each_variable(&nodes[body.clone()], |place, _, binders| leaves.push((body.start + place, binders)));
    let least = (size + 2) / (size - 1) + 1;
    if leaves.len() < least {
        return false;
    }
    let copies = least + random.below((leaves.len() - least + 1).min(4));
    for chosen in 0..copies {
        let other = random.between(chosen, leaves.len() - 1);
        leaves.swap(chosen, other);
        let (place, binders) = leaves[chosen];
        nodes[place] = u8::var(binders);
    }
    true
}
