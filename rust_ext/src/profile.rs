//! Named sets of complexity cycles.

use crate::error::{LambdaError, Result};
use crate::plan::{Cycle, Method};

#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub name: &'static str,
    pub cycles: Vec<Cycle>,
    pub method: Method,
}

const SMALLEST_ROOT: usize = 20;
/// Maximum depth and size of the ten cycles.
const COVERING: [(usize, usize); 10] = [
    (6, 80), (7, 100), (8, 120), (9, 140), (10, 160), (11, 180), (12, 200), (13, 150), (14, 130), (15, 110),
];
const SHALLOW: [(usize, usize); 5] = [(6, 80), (7, 90), (8, 100), (9, 110), (10, 120)];
const OOD: [(usize, usize); 3] = [(16, 250), (17, 250), (18, 250)];

impl Profile {
    /// covering | shallow | naive, shallow_naive (plain grammar walks in their limits) | ood (beyond covering's).
    pub fn named(name: &str) -> Result<Self> {
        let cycles = |limits: &[(usize, usize)], min_size| {
            limits.iter().map(|&(max_depth, max_size)| Cycle { min_size, max_size, max_depth }).collect()
        };
        let (name, cycles, method) = match name {
            "covering" => ("covering", cycles(&COVERING, SMALLEST_ROOT), Method::Strata),
            "shallow" => ("shallow", cycles(&SHALLOW, SMALLEST_ROOT), Method::Strata),
            "naive" => ("naive", cycles(&COVERING, 2), Method::Walk),
            "shallow_naive" => ("shallow_naive", cycles(&SHALLOW, 2), Method::Walk),
            "ood" => ("ood", cycles(&OOD, 200), Method::Strata),
            _ => return Err(LambdaError::new(format!("no profile {name:?}. A profile names the complexity of the terms; take covering, shallow, naive, shallow_naive or ood."))),
        };
        Ok(Self { name, cycles, method })
    }
}
