//! Python bindings: one crossing per call, text in and out. The stub `_native.pyi` documents them.

use crate::error::{LambdaError as Error, Result};
use crate::parse::parse as parse_nodes;
use crate::print::{print, to_string, to_string_with_span};
use crate::plan::Cycle;
use crate::claim::SplitShares;
use crate::part::{Format, Places, Record};
use crate::profile::Profile;
use crate::run::{self, Spec};
use crate::trace::Limits;
use crate::write::{self, Order};
use crate::{mistakes, reduce, shards, stats, term};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::hash::{Hash, Hasher};
use std::path::PathBuf;

pyo3::create_exception!(lambda_gen_rs, LambdaError, PyValueError, "A text is no term, or a limit was reached. `position` counts characters; None where there is none.");

impl From<Error> for PyErr {
    fn from(error: Error) -> PyErr {
        let raised = LambdaError::new_err(error.message);
        Python::attach(|py| {
            // Setting an attribute on a fresh exception fails only without memory.
            let _ = raised.value(py).setattr("position", error.position);
        });
        raised
    }
}

/// An immutable λ-term.
#[pyclass(module = "lambda_gen_rs", frozen, eq, hash)]
#[derive(PartialEq, Eq)]
struct Term {
    nodes: Vec<u32>,
}

impl Hash for Term {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nodes.hash(state);
    }
}

#[pymethods]
impl Term {
    #[getter]
    fn size(&self) -> usize {
        self.nodes.len()
    }
    #[getter]
    fn depth(&self) -> usize {
        term::depth(&self.nodes)
    }
    #[getter]
    fn is_closed(&self) -> bool {
        term::is_closed(&self.nodes)
    }
    fn __str__(&self) -> String {
        to_string(&self.nodes)
    }
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("parse({})", PyString::new(py, &to_string(&self.nodes)).repr()?))
    }
}

#[pyfunction]
fn parse(py: Python<'_>, text: &str) -> Result<Term> {
    py.detach(|| Ok(Term { nodes: parse_nodes(text)? }))
}

#[pyfunction]
fn step(py: Python<'_>, text: &str) -> Result<Option<(String, (usize, usize))>> {
    py.detach(|| {
        let nodes = parse_nodes(text)?;
        let Some(at) = reduce::next_redex(&nodes, 0) else { return Ok(None) };
        let (_, span) = to_string_with_span(&nodes, at);
        Ok(Some((to_string(&reduce::contract_checked(&nodes, at)?), span)))
    })
}

#[pyfunction]
#[pyo3(signature = (text, *, max_steps = 1000, max_size = 10_000))]
fn normal_form(py: Python<'_>, text: &str, max_steps: usize, max_size: usize) -> Result<(String, usize)> {
    py.detach(|| {
        let (nodes, steps) = reduce::normal_form(parse_nodes(text)?, max_steps, max_size)?;
        Ok((to_string(&nodes), steps))
    })
}

#[pyfunction]
#[pyo3(signature = (text, target, *, max_steps = 100, max_size = 10_000))]
fn reduces_to(py: Python<'_>, text: &str, target: &str, max_steps: usize, max_size: usize) -> Result<Option<usize>> {
    py.detach(|| Ok(reduce::reduces_to(parse_nodes(text)?, &parse_nodes(target)?, max_steps, max_size)))
}

#[pyfunction]
fn is_closed(py: Python<'_>, text: &str) -> Result<bool> {
    py.detach(|| Ok(term::is_closed(&parse_nodes(text)?)))
}

#[pyfunction]
fn size(py: Python<'_>, text: &str) -> Result<usize> {
    py.detach(|| Ok(parse_nodes(text)?.len()))
}

#[pyfunction]
fn depth(py: Python<'_>, text: &str) -> Result<usize> {
    py.detach(|| Ok(term::depth(&parse_nodes(text)?)))
}

#[pyfunction]
fn redexes(py: Python<'_>, text: &str) -> Result<Vec<(usize, usize)>> {
    py.detach(|| {
        let nodes = parse_nodes(text)?;
        let mut spans = Vec::new();
        print(&nodes, &mut Vec::new(), |at, start, end| {
            if reduce::is_redex(&nodes, at) {
                spans.push((start, end));
            }
        });
        spans.sort_unstable();
        Ok(spans)
    })
}

#[pyfunction]
fn reducts(py: Python<'_>, text: &str) -> Result<Vec<String>> {
    py.detach(|| {
        let nodes = parse_nodes(text)?;
        let contract = |at| Ok(to_string(&reduce::contract_checked(&nodes, at)?));
        reduce::redexes(&nodes).into_iter().map(contract).collect()
    })
}

#[pyfunction]
fn wrong_steps<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyDict>> {
    let wrong = py.detach(|| mistakes::wrong_steps(&parse_nodes(text)?))?;
    let named = PyDict::new(py);
    for (mistake, nodes) in wrong {
        named.set_item(mistake, to_string(&nodes))?;
    }
    Ok(named)
}

#[pyfunction]
fn mistake(py: Python<'_>, text: &str, answer: &str) -> Result<Option<&'static str>> {
    py.detach(|| mistakes::mistake(&parse_nodes(text)?, &parse_nodes(answer)?))
}

#[pyfunction]
fn contract(py: Python<'_>, texts: Vec<String>, spans: Vec<(usize, usize)>) -> PyResult<Vec<Option<String>>> {
    if texts.len() != spans.len() {
        return Err(PyValueError::new_err(format!("{} texts with {} spans. Give one span for each text.", texts.len(), spans.len())));
    }
    let contracted = |(text, &span): (&String, &(usize, usize))| {
        let nodes = parse_nodes(text)?;
        let mut redex = None;
        print(&nodes, &mut Vec::new(), |at, start, end| {
            if (start, end) == span && reduce::is_redex(&nodes, at) {
                redex = Some(at);
            }
        });
        redex.map(|at| Ok(to_string(&reduce::contract_checked(&nodes, at)?))).transpose()
    };
    Ok(py.detach(|| texts.iter().zip(&spans).map(contracted).collect::<Result<_>>())?)
}

#[pyfunction]
#[pyo3(signature = (path, *, seed, rows, min_size, max_size, max_depth, first_chunk = 0, size_limit = 250, max_steps = 1000, workers = 1, progress = None))]
#[allow(clippy::too_many_arguments)]
fn write_traces<'py>(
    py: Python<'py>,
    path: PathBuf,
    seed: u64,
    rows: usize,
    min_size: usize,
    max_size: usize,
    max_depth: usize,
    first_chunk: u64,
    size_limit: usize,
    max_steps: usize,
    workers: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let cycle = Cycle { min_size, max_size, max_depth };
    let order = Order { seed, first_chunk, rows, cycle, limits: Limits { size_limit, max_steps }, workers };
    let mut raised = None;
    let report = py.detach(|| write::write_traces(&path, &order, |done| proceed(done as u64, progress.as_ref(), &mut raised)));
    let report = report.map_err(|error| raised.unwrap_or_else(|| error.into()))?;
    let out = PyDict::new(py);
    out.set_item("rows", report.rows)?;
    out.set_item("duplicates", report.duplicates)?;
    out.set_item("chunks", report.chunks)?;
    Ok(out)
}

/// Tells Python how far the work is, and sees Ctrl-C there. False, and why in `raised`, to stop.
fn proceed(done: u64, progress: Option<&Py<PyAny>>, raised: &mut Option<PyErr>) -> bool {
    Python::attach(|py| {
        let told = progress.map_or(Ok(()), |call| call.call1(py, (done,)).map(|_| ()));
        *raised = told.and_then(|()| py.check_signals()).err();
        raised.is_none()
    })
}

/// What a run makes; all that its bytes depend on.
#[pyclass(module = "lambda_gen_rs", frozen, eq)]
#[derive(PartialEq)]
struct RunSpec(Spec);

#[pymethods]
impl RunSpec {
    #[new]
    #[pyo3(signature = (*, seed, examples, profile = "covering", size_limit = 250, max_steps = 1000, format = "parquet", val_share = 0.01, test_share = 0.01))]
    #[allow(clippy::too_many_arguments)]
    fn new(seed: u64, examples: u64, profile: &str, size_limit: usize, max_steps: usize, format: &str, val_share: f64, test_share: f64) -> Result<Self> {
        let shares = SplitShares { val: millionths(val_share)?, test: millionths(test_share)? };
        let limits = Limits { size_limit, max_steps };
        let spec = Spec { seed, examples, profile: Profile::named(profile)?, limits, format: Format::named(format)?, shares };
        spec.check()?;
        Ok(Self(spec))
    }
    fn __repr__(&self) -> String {
        format!("RunSpec({:?})", self.0)
    }
}

fn millionths(share: f64) -> Result<u32> {
    if !(0.0..=1.0).contains(&share) {
        return Err(Error::new(format!("a split of share {share}. Shares are fractions of all roots; give 0 to 1.")));
    }
    Ok((share * 1e6).round() as u32)
}

#[pyfunction]
#[pyo3(signature = (output, records, spec, *, workers = 1, progress = None))]
fn write_run<'py>(py: Python<'py>, output: PathBuf, records: PathBuf, spec: Bound<'py, RunSpec>, workers: usize, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    let places = Places { output, records };
    let spec = &spec.get().0;
    let mut raised = None;
    let report = py.detach(|| run::write_run(&places, spec, workers, |done| proceed(done, progress.as_ref(), &mut raised)));
    let report = report.map_err(|error| raised.unwrap_or_else(|| error.into()))?;
    let out = reports(py, &report.parts)?;
    out.set_item("reused", report.reused)?;
    Ok(out)
}

#[pyfunction]
fn scan_part(py: Python<'_>, path: PathBuf, spec: Bound<'_, RunSpec>, part: u64) -> Result<()> {
    let spec = &spec.get().0;
    py.detach(|| shards::scan(&path, spec, part))
}

#[pyfunction]
fn resolve_parts(py: Python<'_>, folder: PathBuf, spec: Bound<'_, RunSpec>, scans: Vec<PathBuf>) -> Result<(u64, u64)> {
    let spec = &spec.get().0;
    let resolved = py.detach(|| shards::resolve(&folder, spec, &scans))?;
    Ok((resolved.parts, resolved.rows))
}

#[pyfunction]
fn write_part<'py>(py: Python<'py>, output: PathBuf, records: PathBuf, spec: Bound<'py, RunSpec>, part: u64, keep: PathBuf) -> PyResult<Bound<'py, PyAny>> {
    let places = Places { output, records };
    let spec = &spec.get().0;
    let record = py.detach(|| shards::write(&places, spec, part, &keep))?;
    reports(py, &[record])
}

/// The parts' records and the sum of their figures, as Python's own types.
fn reports<'py>(py: Python<'py>, parts: &[Record]) -> PyResult<Bound<'py, PyAny>> {
    let mut sum = stats::Stats::default();
    parts.iter().for_each(|part| sum.merge(&part.stats));
    let text = serde_json::json!({ "parts": parts, "stats": sum }).to_string();
    py.import("json")?.call_method1("loads", (text,))
}

#[pymodule]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let error = m.py().get_type::<LambdaError>();
    error.setattr("position", m.py().None())?;
    m.add("LambdaError", error)?;
    m.add("SOURCE_HASH", env!("SOURCE_HASH"))?;
    m.add_class::<Term>()?;
    m.add_function(wrap_pyfunction!(parse, m)?)?;
    m.add_function(wrap_pyfunction!(step, m)?)?;
    m.add_function(wrap_pyfunction!(normal_form, m)?)?;
    m.add_function(wrap_pyfunction!(reduces_to, m)?)?;
    m.add_function(wrap_pyfunction!(is_closed, m)?)?;
    m.add_function(wrap_pyfunction!(size, m)?)?;
    m.add_function(wrap_pyfunction!(depth, m)?)?;
    m.add_function(wrap_pyfunction!(redexes, m)?)?;
    m.add_function(wrap_pyfunction!(reducts, m)?)?;
    m.add_function(wrap_pyfunction!(wrong_steps, m)?)?;
    m.add_function(wrap_pyfunction!(mistake, m)?)?;
    m.add_function(wrap_pyfunction!(contract, m)?)?;
    m.add_function(wrap_pyfunction!(write_traces, m)?)?;
    m.add_class::<RunSpec>()?;
    m.add_function(wrap_pyfunction!(write_run, m)?)?;
    m.add_function(wrap_pyfunction!(scan_part, m)?)?;
    m.add_function(wrap_pyfunction!(resolve_parts, m)?)?;
    m.add_function(wrap_pyfunction!(write_part, m)?)?;
    Ok(())
}
