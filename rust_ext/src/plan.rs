//! What a run makes: complexity cycles, strata and their shares.

use crate::count::{Class, Tables, REDEX_DEPTHS};
use crate::error::{LambdaError, Result};
use crate::reduce::next_redex;
use crate::profile::Profile;
use crate::sample::{plant_growth, Random, Sampler};
use crate::walk::walk;

/// Limits for roots; chunks take the cycles in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    pub min_size: usize,
    pub max_size: usize,
    pub max_depth: usize,
}

/// Why a root was drawn. Its rows carry the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stratum {
    /// No redex.
    Normal,
    /// At least three leading λs, and a redex under them.
    Prefix,
    /// The first step makes the term larger.
    Growth,
    /// A redex at a chosen depth.
    Redex,
    /// Drawn without strata.
    Walk,
}

impl Stratum {
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Prefix => "prefix",
            Self::Growth => "growth",
            Self::Redex => "redex",
            Self::Walk => "walk",
        }
    }
}

/// Shares of roots asked for by stratum; the rest, and what cannot be met in three tries, is `Redex`. They were
/// tuned for the coverage of rows.
const NORMAL_SHARE: f64 = 0.05;
const PREFIX_SHARE: f64 = 0.15;
const GROWTH_SHARE: f64 = 0.70;
const SHORTEST_PREFIX: usize = 3;
const LONGEST_PREFIX: usize = 6;
/// Draws of a size that may find the stratum empty, before another stratum is taken.
const TRIES: usize = 3;

/// How roots are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By stratum, each uniformly but for growth, which is planted.
    Strata,
    /// By a walk through the grammar, which knows no strata.
    Walk,
}

/// Draws roots of a profile's cycles.
pub struct Roots {
    tables: Tables,
    cycles: Vec<Cycle>,
    method: Method,
    /// The number of cycles that allow each redex depth.
    cycles_with_depth: [usize; REDEX_DEPTHS],
}

impl Roots {
    pub fn new(profile: &Profile) -> Result<Self> {
        let cycles = &profile.cycles;
        for cycle in cycles {
            let Cycle { min_size, max_size, max_depth } = *cycle;
            if min_size < 2 || min_size > max_size || max_size > 254 || !(1..=30).contains(&max_depth) {
                return Err(LambdaError::new(format!("sizes {min_size} to {max_size} with depth up to {max_depth} cannot be drawn. The generator makes closed terms of 2 to 254 nodes with depth 1 to 30; change the limits.")));
            }
        }
        let tables = Tables::new(max_of(cycles, |c| c.max_depth), max_of(cycles, |c| c.max_size));
        let cycles_with_depth = std::array::from_fn(|r| cycles.iter().filter(|c| r < redex_depths(c)).count());
        let roots = Self { tables, cycles: cycles.clone(), method: profile.method, cycles_with_depth };
        for cycle in cycles {
            let any = (cycle.min_size..=cycle.max_size).any(|n| roots.tables.count(Class::Any, cycle.max_depth, 0, n) > 0.0);
            if !any {
                return Err(LambdaError::new(format!("no closed term has {} to {} nodes and depth up to {}. A term of depth d has fewer than 2^(d+1) nodes; allow more depth or fewer nodes.", cycle.min_size, cycle.max_size, cycle.max_depth)));
            }
        }
        Ok(roots)
    }

    pub fn cycles(&self) -> usize {
        self.cycles.len()
    }

    /// Draws one root of the `cycle`th cycle into `out`, which is emptied before.
    pub fn draw(&self, random: &mut Random, cycle: usize, out: &mut Vec<u8>) -> Stratum {
        let cycle = &self.cycles[cycle];
        if self.method == Method::Walk {
            walk(random, cycle, out);
            return Stratum::Walk;
        }
        let share = random.unit();
        let wanted = match share {
            s if s < NORMAL_SHARE => Stratum::Normal,
            s if s < NORMAL_SHARE + PREFIX_SHARE => Stratum::Prefix,
            s if s < NORMAL_SHARE + PREFIX_SHARE + GROWTH_SHARE => Stratum::Growth,
            _ => Stratum::Redex,
        };
        let depth = self.redex_depth(random, cycle);
        for _ in 0..TRIES {
            let n = self.size(random, cycle);
            if self.draw_stratum(random, cycle, wanted, depth, n, out) {
                return wanted;
            }
        }
        self.draw_relaxed(random, cycle, out)
    }

    fn draw_stratum(&self, random: &mut Random, cycle: &Cycle, stratum: Stratum, depth: usize, n: usize, out: &mut Vec<u8>) -> bool {
        out.clear();
        let h = cycle.max_depth;
        match stratum {
            Stratum::Walk => false,
            Stratum::Normal => self.draw_class(random, Class::Normal, h, 0, n, out),
            Stratum::Redex => self.draw_class(random, Class::Redex(depth), h, 0, n, out),
            Stratum::Growth => {
                self.draw_class(random, Class::Redex(depth), h, 0, n, out)
                    && next_redex(out, 0).is_some_and(|at| plant_growth(random, out, at))
            }
            Stratum::Prefix => {
                let longest = LONGEST_PREFIX.min(h.saturating_sub(3)).max(SHORTEST_PREFIX);
                let prefix = random.between(SHORTEST_PREFIX, longest);
                if h < prefix + 3 || n < prefix + 4 {
                    return false;
                }
                let below = depth.min(h - prefix - 2).min(REDEX_DEPTHS - 1);
                out.resize(prefix, <u8 as crate::term::Node>::LAM);
                self.draw_class(random, Class::Redex(below), h - prefix, prefix, n - prefix, out)
            }
        }
    }

    fn draw_class(&self, random: &mut Random, class: Class, h: usize, m: usize, n: usize, out: &mut Vec<u8>) -> bool {
        let exists = self.tables.count(class, h, m, n) > 0.0;
        if exists {
            Sampler { tables: &self.tables }.draw(random, class, h, m, n, out);
        }
        exists
    }

    /// A redex where there can be one, else any term: never an endless search for an empty stratum.
    fn draw_relaxed(&self, random: &mut Random, cycle: &Cycle, out: &mut Vec<u8>) -> Stratum {
        for _ in 0..TRIES {
            let (depth, n) = (self.redex_depth(random, cycle), self.size(random, cycle));
            if self.draw_stratum(random, cycle, Stratum::Redex, depth, n, out) {
                return Stratum::Redex;
            }
        }
        loop {
            let n = random.between(cycle.min_size, cycle.max_size);
            out.clear();
            if self.draw_class(random, Class::Any, cycle.max_depth, 0, n, out) {
                return if next_redex(out, 0).is_some() { Stratum::Redex } else { Stratum::Normal };
            }
        }
    }

    /// The fewer cycles allow a redex depth, the likelier it is, so that all depths are as frequent.
    fn redex_depth(&self, random: &mut Random, cycle: &Cycle) -> usize {
        let weights = self.cycles_with_depth[..redex_depths(cycle)].iter().map(|&cycles| 1.0 / cycles as f64);
        let mut rank = random.unit() * weights.clone().sum::<f64>();
        weights.clone().position(|weight| { rank -= weight; rank < 0.0 }).unwrap_or(0)
    }

    /// Half of the roots lie in the upper half of their cycle's sizes.
    fn size(&self, random: &mut Random, cycle: &Cycle) -> usize {
        let middle = (cycle.min_size + cycle.max_size).div_ceil(2);
        if random.below(2) == 0 {
            random.between(middle, cycle.max_size)
        } else {
            random.between(cycle.min_size, cycle.max_size)
        }
    }
}

/// A redex needs two levels below its application: the λ and its body.
fn redex_depths(cycle: &Cycle) -> usize {
    cycle.max_depth.saturating_sub(1).clamp(1, REDEX_DEPTHS)
}

fn max_of(cycles: &[Cycle], limit: impl Fn(&Cycle) -> usize) -> usize {
    cycles.iter().map(limit).max().unwrap_or(1)
}
