//! The mistakes that models make in one leftmost-outermost step, as well-formed terms.

use crate::error::Result;
use crate::reduce::{contract_checked, parts, redexes};
use crate::term::{for_each_variable, is_closed, Node};

/// One wrong term for each kind of mistake that is possible here and gives no reduct of the term
/// (`wrong_redex` gives another reduct than the leftmost-outermost one). A closed term gives closed ones.
pub fn wrong_steps(nodes: &[u32]) -> Result<Vec<(&'static str, Vec<u32>)>> {
    let positions = redexes(nodes);
    let Some(&at) = positions.first() else { return Ok(Vec::new()) };
    let reducts = positions.iter().map(|&p| contract_checked(nodes, p)).collect::<Result<Vec<_>>>()?;
    let closed = is_closed(nodes);
    let is_mistake = |term: &Vec<u32>| !reducts.contains(term) && (!closed || is_closed(term));

    let mut wrong = Vec::new();
    if let Some(term) = wrong_index(nodes, at).find(is_mistake) {
        wrong.push(("wrong_index", term));
    }
    if let Some(term) = lost_copy(nodes, at).find(is_mistake) {
        wrong.push(("lost_copy", term));
    }
    if let Some(term) = reducts[1..].iter().find(|&term| *term != reducts[0]) {
        wrong.push(("wrong_redex", term.clone()));
    }
    Ok(wrong)
}

/// What kind of mistake an answer is that is not the leftmost-outermost reduct; None where it is.
///
/// Wider than `wrong_steps`: any other index in the right shape is `wrong_index`, and any reduct that misses one copy of
/// the argument is `lost_copy`, whatever its indices.
pub fn mistake(nodes: &[u32], answer: &[u32]) -> Result<Option<&'static str>> {
    let positions = redexes(nodes);
    let Some(&at) = positions.first() else { return Ok(Some("other")) };
    let right = contract_checked(nodes, at)?;
    if right == answer {
        return Ok(None);
    }
    for &other in &positions[1..] {
        if contract_checked(nodes, other)? == answer {
            return Ok(Some("wrong_redex"));
        }
    }
    if same_shape(&right, answer) {
        return Ok(Some("wrong_index"));
    }
    let is_lost = lost_copy(nodes, at).any(|lost| same_shape(&lost, answer));
    Ok(Some(if is_lost { "lost_copy" } else { "other" }))
}

fn same_shape(one: &[u32], other: &[u32]) -> bool {
    let is_variable = |node: u32| node != u32::LAM && node != u32::APP;
    one.len() == other.len() && one.iter().zip(other).all(|(&a, &b)| a == b || is_variable(a) && is_variable(b))
}

/// What stands where the contraction rule puts variables, and how a mistake changes it.
struct Rule {
    /// Added to the argument's free variables, besides the binders above the place of the paste.
    unshifted: bool,
    off_by: u32,
    /// The body's own free variables lose the redex's binder and so one of their index.
    decrement: bool,
}

const RIGHT: Rule = Rule { unshifted: false, off_by: 0, decrement: true };

fn wrong_index(nodes: &[u32], at: usize) -> impl Iterator<Item = Vec<u32>> + '_ {
    [
        Rule { unshifted: true, ..RIGHT },
        Rule { off_by: 1, ..RIGHT },
        Rule { decrement: false, ..RIGHT },
    ]
    .into_iter()
    .filter_map(move |rule| contract_by(nodes, at, &rule, None))
}

/// The last copies of the argument, each replaced by a variable in scope or dropped from its application.
fn lost_copy(nodes: &[u32], at: usize) -> impl Iterator<Item = Vec<u32>> + '_ {
    let (body, _) = parts(nodes, at);
    let mut occurrences = Vec::new();
    for_each_variable(&nodes[body], |_, index, binders| {
        if index == binders {
            occurrences.push(binders);
        }
    });
    let copies = occurrences.len();
    let outside = binders_above(nodes, at);
    let lost = if copies >= 2 { copies } else { 0 };
    (0..lost).rev().flat_map(move |copy| {
        let in_scope = occurrences[copy].saturating_add(outside);
        (0..in_scope.min(8))
            .map(Some)
            .chain([None])
            .filter_map(move |leaf| contract_by(nodes, at, &RIGHT, Some((copy, leaf))))
    })
}

fn binders_above(nodes: &[u32], at: usize) -> u32 {
    let mut arguments = Vec::new();
    let mut binders = 0;
    for &node in &nodes[..at] {
        if node == u32::LAM {
            binders += 1;
        } else if node == u32::APP {
            arguments.push(binders);
        } else {
            binders = arguments.pop().unwrap_or(0);
        }
    }
    binders
}

/// Contracts by `rule`; `lost` names a copy to replace by a variable, or (None) to drop with its application.
/// None where the result would not be a term.
fn contract_by(nodes: &[u32], at: usize, rule: &Rule, lost: Option<(usize, Option<u32>)>) -> Option<Vec<u32>> {
    let (body, argument) = parts(nodes, at);
    let end = argument.end;
    let argument = &nodes[argument];
    let mut out = nodes[..at].to_vec();
    let mut copy = 0;
    let mut copied_to = 0;
    let body = &nodes[body];
    let mut dropped = None;
    let mut valid = true;
    for_each_variable(body, |place, index, binders| {
        out.extend_from_slice(&body[copied_to..place]);
        copied_to = place + 1;
        if index != binders {
            out.push(if index > binders && rule.decrement { index - 1 } else { index });
            return;
        }
        match lost {
            Some((lost_copy, leaf)) if lost_copy == copy => match leaf {
                Some(leaf) => out.push(leaf),
                None => dropped = Some(out.len()),
            },
            _ => {
                let start = out.len();
                out.extend_from_slice(argument);
                for_each_variable(argument, |place, index, inner| {
                    if index >= inner {
                        let shift = if rule.unshifted { 0 } else { binders + rule.off_by };
                        match index.checked_add(shift).filter(|&i| i <= u32::MAX_INDEX) {
                            Some(index) => out[start + place] = index,
                            None => valid = false,
                        }
                    }
                });
            }
        }
        copy += 1;
    });
    if let Some(gap) = dropped {
        out.remove(application_missing_operand(&out[at..], gap - at)? + at);
    }
    out.extend_from_slice(&nodes[end..]);
    valid.then_some(out)
}

/// The application that lacks the operand at `gap`, if no abstraction stands between them.
fn application_missing_operand(nodes: &[u32], gap: usize) -> Option<usize> {
    let mut open: Vec<(usize, bool)> = Vec::new();
    for (at, &node) in nodes[..gap].iter().enumerate() {
        if node == u32::APP {
            open.push((at, false));
        } else if node == u32::LAM {
            open.push((at, true));
        } else {
            while open.pop_if(|&mut (_, complete)| complete).is_some() {}
            if let Some(application) = open.last_mut() {
                application.1 = true;
            }
        }
    }
    open.last().filter(|&&(at, _)| nodes[at] == u32::APP).map(|&(at, _)| at)
}
