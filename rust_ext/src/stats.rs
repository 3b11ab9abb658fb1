//! Figures of coverage over rows, added up in any order.

use crate::rows::Row;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of rows. Histograms map a value to its number of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    pub rows: u64,
    pub normal_forms: u64,
    pub incomplete: u64,
    pub growing: u64,
    pub first_steps: u64,
    pub growing_first_steps: u64,
    /// At least three leading λs, and a redex.
    pub prefixed: u64,
    pub under_ten_nodes: u64,
    pub depth: Histogram,
    pub size: Histogram,
    pub redex_depth: Histogram,
    pub cycle: Histogram,
    pub stratum: BTreeMap<String, u64>,
}

/// Counts by value, up to the largest value met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Histogram(pub Vec<u64>);

impl Histogram {
    fn add(&mut self, value: usize) {
        if value >= self.0.len() {
            self.0.resize(value + 1, 0);
        }
        self.0[value] += 1;
    }

    fn merge(&mut self, other: &Self) {
        if other.0.len() > self.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

impl Stats {
    pub fn add(&mut self, row: &Row) {
        self.rows += 1;
        self.depth.add(row.depth);
        self.size.add(row.size as usize);
        self.cycle.add(row.cycle);
        self.incomplete += u64::from(row.steps_total.is_none());
        self.under_ten_nodes += u64::from(row.size < 10);
        match self.stratum.get_mut(row.stratum) {
            Some(count) => *count += 1,
            None => drop(self.stratum.insert(row.stratum.into(), 1)),
        }
        let Some(step) = &row.step else {
            self.normal_forms += 1;
            return;
        };
        let grows = u64::from(step.growth > 0);
        self.growing += grows;
        self.redex_depth.add(step.redex_depth);
        self.prefixed += u64::from(row.prefix >= 3);
        if row.step_k == 0 {
            self.first_steps += 1;
            self.growing_first_steps += grows;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.normal_forms += other.normal_forms;
        self.incomplete += other.incomplete;
        self.growing += other.growing;
        self.first_steps += other.first_steps;
        self.growing_first_steps += other.growing_first_steps;
        self.prefixed += other.prefixed;
        self.under_ten_nodes += other.under_ten_nodes;
        self.depth.merge(&other.depth);
        self.size.merge(&other.size);
        self.redex_depth.merge(&other.redex_depth);
        self.cycle.merge(&other.cycle);
        for (stratum, count) in &other.stratum {
            *self.stratum.entry(stratum.clone()).or_default() += count;
        }
    }
}
