//! Counting tables for the recursive method (Grygiel & Lescanne 2013; Wang 2005).
//!
//! Terms of `n` nodes, height at most `h` edges, with `m` free variables in scope:
//! ```text
//! T[h,m,n]  = T[h-1,m+1,n-1] + Σ T[h-1,m,i]·T[h-1,m,n-1-i]          T[h,m,1] = m
//! NE (neutral normal) = variable | NE·NF        NF = NE + NF[h-1,m+1,n-1]
//! RN_0 = Σ λ-terms · T                                    the redex at the root
//! RN_r = Σ RN_{r-1}·T + Σ NE·R_{r-1}                      in the function | in the argument
//! R_r  = RN_r + R_{r-1}[h-1,m+1,n-1]                      under a λ
//! ```
//! with `r` the depth of the leftmost-outermost redex. Counts are f64: sums and products of exact
//! integers up to 2⁵³ and rounded above, the same on every IEEE machine.

/// The redex depths that are told apart: 0 to 15.
pub const REDEX_DEPTHS: usize = 16;

/// A set of terms that the tables count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Any,
    /// Abstractions.
    Lambda,
    Neutral,
    Normal,
    /// Applications whose leftmost-outermost redex lies at this depth.
    RedexInApplication(usize),
    /// Terms whose leftmost-outermost redex lies at this depth.
    Redex(usize),
}

/// Counts for all terms of at most `height` edges and `size` nodes below a closed root.
pub struct Tables {
    height: usize,
    size: usize,
    any: Vec<f64>,
    neutral: Vec<f64>,
    normal: Vec<f64>,
    redex_in_application: Vec<Vec<f64>>,
    redex: Vec<Vec<f64>>,
    zeros: Vec<f64>,
}

impl Tables {
    pub fn new(height: usize, size: usize) -> Self {
        let cells = (height + 1) * (height + 2) * (size + 1);
        let table = || vec![0.0; cells];
        let mut tables = Self {
            height,
            size,
            any: table(),
            neutral: table(),
            normal: table(),
            redex_in_application: (0..REDEX_DEPTHS).map(|_| table()).collect(),
            redex: (0..REDEX_DEPTHS).map(|_| table()).collect(),
            zeros: vec![0.0; size + 1],
        };
        for h in 0..=height {
            // A variable may stand where fewer than height − h binders are above it, and under one more.
            for m in 0..=height - h {
                tables.fill(h, m);
            }
        }
        tables
    }

    fn fill(&mut self, h: usize, m: usize) {
        let row = self.row_start(h, m);
        for n in 1..=self.size {
            let mut any = self.count(Class::Lambda, h, m, n);
            let mut neutral = 0.0;
            let mut normal = 0.0;
            if n == 1 {
                any += m as f64;
                neutral += m as f64;
            }
            if h > 0 {
                any += self.pairs(Class::Any, Class::Any, h, m, n);
                neutral += self.pairs(Class::Neutral, Class::Normal, h, m, n);
                normal += self.count(Class::Normal, h - 1, m + 1, n - 1);
            }
            self.any[row + n] = any;
            self.neutral[row + n] = neutral;
            self.normal[row + n] = normal + neutral;
            if h == 0 {
                continue;
            }
            for r in 0..REDEX_DEPTHS.min(h) {
                let in_application = match r {
                    0 => self.pairs(Class::Lambda, Class::Any, h, m, n),
                    _ => {
                        self.pairs(Class::RedexInApplication(r - 1), Class::Any, h, m, n)
                            + self.pairs(Class::Neutral, Class::Redex(r - 1), h, m, n)
                    }
                };
                let under_lambda = if r == 0 { 0.0 } else { self.count(Class::Redex(r - 1), h - 1, m + 1, n - 1) };
                self.redex_in_application[r][row + n] = in_application;
                self.redex[r][row + n] = in_application + under_lambda;
            }
        }
    }

    fn row_start(&self, h: usize, m: usize) -> usize {
        (h * (self.height + 2) + m) * (self.size + 1)
    }

    /// The counts of `class` by size: `row[n]`. For `Lambda` shifted by one: `row[n - 1]`.
    fn row(&self, class: Class, h: usize, m: usize) -> &[f64] {
        let (table, start) = match class {
            Class::Lambda if h == 0 => return &self.zeros,
            Class::Lambda => (&self.any, self.row_start(h - 1, m + 1)),
            Class::Any => (&self.any, self.row_start(h, m)),
            Class::Neutral => (&self.neutral, self.row_start(h, m)),
            Class::Normal => (&self.normal, self.row_start(h, m)),
            Class::RedexInApplication(r) => (&self.redex_in_application[r], self.row_start(h, m)),
            Class::Redex(r) => (&self.redex[r], self.row_start(h, m)),
        };
        &table[start..=start + self.size]
    }

    /// How many terms of `class` have `n` nodes, height ≤ `h` and `m` free variables in scope.
    pub fn count(&self, class: Class, h: usize, m: usize, n: usize) -> f64 {
        self.row(class, h, m)[n - usize::from(class == Class::Lambda)]
    }

    /// The weights of applications of `n` nodes by the size of their function: function · argument.
    pub fn splits(&self, function: Class, argument: Class, h: usize, m: usize, n: usize) -> Splits<'_> {
        let operands = n.saturating_sub(1);
        let shift = usize::from(function == Class::Lambda);
        let functions = self.row(function, h - 1, m);
        Splits {
            // From size 1 + shift (a λ has a body) to operands − 1.
            functions: functions.get(1..operands.saturating_sub(shift)).unwrap_or(&[]),
            arguments: self.row(argument, h - 1, m).get(1..operands.saturating_sub(shift)).unwrap_or(&[]),
            smallest: 1 + shift,
        }
    }

    fn pairs(&self, function: Class, argument: Class, h: usize, m: usize, n: usize) -> f64 {
        let splits = self.splits(function, argument, h, m, n);
        (0..splits.len()).map(|i| splits.weight(i)).sum()
    }

    pub fn fits(&self, height: usize, size: usize) -> bool {
        height <= self.height && size <= self.size
    }
}

/// The ways to divide an application's nodes between function and argument.
pub struct Splits<'a> {
    functions: &'a [f64],
    arguments: &'a [f64],
    smallest: usize,
}

impl Splits<'_> {
    pub fn len(&self) -> usize {
        self.functions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// How many applications divide their nodes in the `i`th way.
    pub fn weight(&self, i: usize) -> f64 {
        self.functions[i] * self.arguments[self.arguments.len() - 1 - i]
    }

    /// The function's size in the `i`th way.
    pub fn function_size(&self, i: usize) -> usize {
        self.smallest + i
    }
}
