//! Rows as compact JSON lines, `meta` nested; no space after colon or comma.

use crate::rows::Row;
use std::io::Write;

/// Appends one line. Writing to memory cannot fail.
pub fn push(lines: &mut Vec<u8>, row: &Row) {
    let span = row.step.as_ref().map_or((0, 0), |s| s.span);
    let _ = write!(lines, "{{\"trace_id\":{},\"step_k\":{},\"steps_total\":", row.trace_id, row.step_k);
    push_number(lines, row.steps_total);
    let _ = write!(lines, ",\"complete\":{},\"term\":", row.steps_total.is_some());
    push_term(lines, row.term);
    lines.extend_from_slice(b",\"next_term\":");
    match &row.step {
        Some(step) => push_term(lines, step.next_term),
        None => lines.extend_from_slice(b"null"),
    }
    let _ = write!(lines, ",\"target_span\":[{},{}],\"is_nf\":{}", span.0, span.1, row.step.is_none());
    let _ = write!(lines, ",\"meta\":{{\"depth\":{},\"size\":{},\"redex_depth\":", row.depth, row.size);
    push_number(lines, row.step.as_ref().map(|s| s.redex_depth));
    lines.extend_from_slice(b",\"growth\":");
    push_number(lines, row.step.as_ref().map(|s| s.growth));
    let _ = writeln!(lines, ",\"cycle\":{},\"stratum\":\"{}\"}}}}", row.cycle, row.stratum);
}

fn push_number(lines: &mut Vec<u8>, number: Option<impl std::fmt::Display>) {
    let _ = match number {
        Some(number) => write!(lines, "{number}"),
        None => write!(lines, "null"),
    };
}

/// The backslash is the only symbol of the notation that JSON escapes.
fn push_term(lines: &mut Vec<u8>, term: &str) {
    lines.push(b'"');
    for byte in term.bytes() {
        if byte == b'\\' {
            lines.push(b'\\');
        }
        lines.push(byte);
    }
    lines.push(b'"');
}
