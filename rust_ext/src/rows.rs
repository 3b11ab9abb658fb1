//! A chunk's kept steps as rows: what every output format writes and every figure counts.

use crate::measure::Printer;
use crate::term::Node;
use crate::trace::Chunk;

pub struct Row<'a> {
    pub trace_id: i64,
    pub step_k: u32,
    /// None where the trace was cut.
    pub steps_total: Option<u32>,
    pub term: &'a str,
    pub depth: usize,
    pub size: u32,
    /// Leading λs.
    pub prefix: usize,
    /// None in normal form.
    pub step: Option<StepTaken<'a>>,
    pub cycle: usize,
    pub stratum: &'static str,
}

pub struct StepTaken<'a> {
    pub next_term: &'a str,
    /// Characters of the redex in the term, without parentheses around it.
    pub span: (usize, usize),
    pub redex_depth: usize,
    /// Nodes after − nodes before.
    pub growth: i64,
}

/// A trace's number over all splits and parts.
pub fn trace_id(chunk: u64, trace: usize) -> i64 {
    ((chunk << 16) | trace as u64) as i64
}

/// Calls `visit(trace number, row)` for each kept step, in order. A term that is next and then a row is
/// printed once.
pub fn for_each_row(chunk: &Chunk, keep: &[bool], mut visit: impl FnMut(usize, Row)) {
    let (mut here, mut next) = (Printer::default(), Printer::default());
    for (number, trace) in chunk.traces.iter().enumerate() {
        let mut printed = None;
        for at in trace.steps.clone().filter(|&at| keep[at]) {
            let step = &chunk.steps[at];
            let nodes = chunk.nodes(step);
            if printed == Some(at) {
                std::mem::swap(&mut here, &mut next);
            } else {
                here.print(nodes, step.redex);
            }
            let taken = step.redex.map(|_| {
                let after = &chunk.steps[at + 1];
                next.print(chunk.nodes(after), after.redex);
                printed = Some(at + 1);
                StepTaken {
                    next_term: next.text(),
                    span: here.measured.span,
                    redex_depth: here.measured.redex_depth,
                    growth: i64::from(after.size) - i64::from(step.size),
                }
            });
            let row = Row {
                trace_id: trace_id(chunk.number, number),
                step_k: step.step_k,
                steps_total: trace.steps_total,
                term: here.text(),
                depth: here.measured.depth,
                size: step.size,
                prefix: nodes.iter().take_while(|&&node| node == u8::LAM).count(),
                step: taken,
                cycle: chunk.cycle,
                stratum: trace.stratum.name(),
            };
            visit(number, row);
        }
    }
}
