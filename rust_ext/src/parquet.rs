//! Rows of kept steps as Arrow batches, and their Parquet file.

use crate::error::Result;
use crate::print::print;
use crate::term::{depth, depth_of};
use crate::trace::Chunk;
use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use ::parquet::schema::types::ColumnPath;
use arrow_array::builder::{BooleanBuilder, Int32Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use std::sync::{Arc, LazyLock};

static SPAN: LazyLock<Fields> = LazyLock::new(|| {
    vec![Field::new("start", DataType::Int32, false), Field::new("end", DataType::Int32, false)].into()
});

pub static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    Arc::new(Schema::new(vec![
        Field::new("trace_id", DataType::Int64, false),
        Field::new("step_k", DataType::Int32, false),
        Field::new("steps_total", DataType::Int32, true),
        Field::new("complete", DataType::Boolean, false),
        Field::new("term", DataType::Utf8, false),
        Field::new("next_term", DataType::Utf8, true),
        Field::new("target_span", DataType::Struct(SPAN.clone()), false),
        Field::new("is_nf", DataType::Boolean, false),
        Field::new("depth", DataType::Int32, false),
        Field::new("size", DataType::Int32, false),
        Field::new("redex_depth", DataType::Int32, true),
        Field::new("growth", DataType::Int32, true),
        Field::new("cycle", DataType::Int32, false),
        Field::new("stratum", DataType::Utf8, false),
    ]))
});

/// No timestamp and no machine's name: the same rows make the same bytes.
pub fn properties() -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("level 1 exists")))
        .set_created_by("lambda_gen_rs".into())
        .set_dictionary_enabled(true);
    for column in ["term", "next_term"] {
        let path = ColumnPath::from(column);
        builder = builder.set_column_dictionary_enabled(path, false);
    }
    builder.build()
}

pub fn writer<W: std::io::Write + Send>(file: W) -> Result<ArrowWriter<W>> {
    Ok(ArrowWriter::try_new(file, SCHEMA.clone(), Some(properties()))?)
}

/// A trace's number over all splits and parts.
pub fn trace_id(chunk: u64, trace: usize) -> i64 {
    ((chunk << 16) | trace as u64) as i64
}

/// The rows of the chunk's kept steps.
pub fn batch(chunk: &Chunk, keep: &[bool]) -> Result<RecordBatch> {
    let rows = keep.iter().filter(|&&k| k).count();
    let text_bytes = rows * 160;
    let (mut trace_ids, mut step_ks) = (Int64Builder::with_capacity(rows), Int32Builder::with_capacity(rows));
    let (mut totals, mut complete) = (Int32Builder::with_capacity(rows), BooleanBuilder::with_capacity(rows));
    let mut terms = StringBuilder::with_capacity(rows, text_bytes);
    let mut next_terms = StringBuilder::with_capacity(rows, text_bytes);
    let (mut starts, mut ends) = (Int32Builder::with_capacity(rows), Int32Builder::with_capacity(rows));
    let (mut is_nf, mut depths) = (BooleanBuilder::with_capacity(rows), Int32Builder::with_capacity(rows));
    let (mut sizes, mut redex_depths) = (Int32Builder::with_capacity(rows), Int32Builder::with_capacity(rows));
    let (mut growths, mut cycles) = (Int32Builder::with_capacity(rows), Int32Builder::with_capacity(rows));
    let mut strata = StringBuilder::with_capacity(rows, rows * 6);

    let (mut text, mut next_text) = (Vec::new(), Vec::new());
    for (number, trace) in chunk.traces.iter().enumerate() {
        let mut printed = usize::MAX;
        for at in trace.steps.clone() {
            if !keep[at] {
                continue;
            }
            let step = &chunk.steps[at];
            let nodes = chunk.nodes(step);
            let mut span = (0, 0);
            text.clear();
            print(nodes, &mut text, |node, start, end| {
                if Some(node as u32) == step.redex {
                    span = (start, end);
                }
            });
            debug_assert!(printed != at || text == next_text);
            trace_ids.append_value(trace_id(chunk.number, number));
            step_ks.append_value(step.step_k as i32);
            totals.append_option(trace.steps_total.map(|t| t as i32));
            complete.append_value(trace.steps_total.is_some());
            terms.append_value(ascii(&text));
            starts.append_value(span.0 as i32);
            ends.append_value(span.1 as i32);
            is_nf.append_value(step.redex.is_none());
            depths.append_value(depth(nodes) as i32);
            sizes.append_value(step.size as i32);
            cycles.append_value(chunk.cycle as i32);
            strata.append_value(trace.stratum.name());
            match step.redex {
                None => {
                    next_terms.append_null();
                    redex_depths.append_null();
                    growths.append_null();
                }
                Some(redex) => {
                    let next = &chunk.steps[at + 1];
                    next_text.clear();
                    print(chunk.nodes(next), &mut next_text, |_, _, _| ());
                    printed = at + 1;
                    next_terms.append_value(ascii(&next_text));
                    redex_depths.append_value(depth_of(nodes, redex as usize) as i32);
                    growths.append_value(next.size as i32 - step.size as i32);
                }
            }
        }
    }
    let span: ArrayRef = Arc::new(StructArray::try_new(
        SPAN.clone(),
        vec![Arc::new(starts.finish()), Arc::new(ends.finish())],
        None,
    )?);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(trace_ids.finish()),
        Arc::new(step_ks.finish()),
        Arc::new(totals.finish()),
        Arc::new(complete.finish()),
        Arc::new(terms.finish()),
        Arc::new(next_terms.finish()),
        span,
        Arc::new(is_nf.finish()),
        Arc::new(depths.finish()),
        Arc::new(sizes.finish()),
        Arc::new(redex_depths.finish()),
        Arc::new(growths.finish()),
        Arc::new(cycles.finish()),
        Arc::new(strata.finish()),
    ];
    Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
}

fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("the notation is ASCII")
}
