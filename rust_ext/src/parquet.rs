//! Rows as Arrow batches, and their Parquet files.

use crate::error::Result;
use crate::rows::Row;
use ::parquet::arrow::arrow_writer::{compute_leaves, ArrowColumnChunk, ArrowRowGroupWriterFactory};
use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, Encoding, ZstdLevel};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
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

/// No timestamp and no machine's name: the same rows make the same bytes. zstd 3 gains nothing over 1.
fn properties() -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).expect("level 1 exists")))
        .set_created_by("lambda_gen_rs".into())
        .set_statistics_enabled(EnabledStatistics::Chunk);
    // Terms are distinct, so a dictionary is of no use; but a step leaves all before its redex, so a term
    // begins like the one before it.
    for column in ["term", "next_term"] {
        builder = builder
            .set_column_dictionary_enabled(ColumnPath::from(column), false)
            .set_column_encoding(ColumnPath::from(column), Encoding::DELTA_BYTE_ARRAY)
            .set_column_statistics_enabled(ColumnPath::from(column), EnabledStatistics::None);
    }
    builder.build()
}

pub fn writer<W: std::io::Write + Send>(file: W) -> Result<ArrowWriter<W>> {
    Ok(ArrowWriter::try_new(file, SCHEMA.clone(), Some(properties()))?)
}

/// Encodes whole row groups away from their file, so that many threads can.
pub struct RowGroups(ArrowRowGroupWriterFactory);

impl RowGroups {
    pub fn new() -> Result<Self> {
        Ok(Self(writer(std::io::sink())?.into_serialized_writer()?.1))
    }

    pub fn encode(&self, batch: &RecordBatch) -> Result<Vec<ArrowColumnChunk>> {
        let mut columns = self.0.create_column_writers(0)?;
        let mut leaves = columns.iter_mut();
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            for leaf in compute_leaves(field, array)? {
                leaves.next().expect("a writer for each leaf").write(&leaf)?;
            }
        }
        Ok(columns.into_iter().map(|column| column.close()).collect::<std::result::Result<_, _>>()?)
    }
}

/// Gathers rows column by column.
#[derive(Default)]
pub struct Columns {
    rows: usize,
    trace_id: Int64Builder,
    step_k: Int32Builder,
    steps_total: Int32Builder,
    complete: BooleanBuilder,
    term: StringBuilder,
    next_term: StringBuilder,
    start: Int32Builder,
    end: Int32Builder,
    is_nf: BooleanBuilder,
    depth: Int32Builder,
    size: Int32Builder,
    redex_depth: Int32Builder,
    growth: Int32Builder,
    cycle: Int32Builder,
    stratum: StringBuilder,
}

impl Columns {
    pub fn push(&mut self, row: &Row) {
        let step = row.step.as_ref();
        let span = step.map_or((0, 0), |s| s.span);
        self.rows += 1;
        self.trace_id.append_value(row.trace_id);
        self.step_k.append_value(row.step_k as i32);
        self.steps_total.append_option(row.steps_total.map(|t| t as i32));
        self.complete.append_value(row.steps_total.is_some());
        self.term.append_value(row.term);
        self.next_term.append_option(step.map(|s| s.next_term));
        self.start.append_value(span.0 as i32);
        self.end.append_value(span.1 as i32);
        self.is_nf.append_value(step.is_none());
        self.depth.append_value(row.depth as i32);
        self.size.append_value(row.size as i32);
        self.redex_depth.append_option(step.map(|s| s.redex_depth as i32));
        self.growth.append_option(step.map(|s| s.growth as i32));
        self.cycle.append_value(row.cycle as i32);
        self.stratum.append_value(row.stratum);
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn finish(mut self) -> Result<RecordBatch> {
        let span = StructArray::try_new(
            SPAN.clone(),
            vec![Arc::new(self.start.finish()), Arc::new(self.end.finish())],
            None,
        )?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.trace_id.finish()),
            Arc::new(self.step_k.finish()),
            Arc::new(self.steps_total.finish()),
            Arc::new(self.complete.finish()),
            Arc::new(self.term.finish()),
            Arc::new(self.next_term.finish()),
            Arc::new(span),
            Arc::new(self.is_nf.finish()),
            Arc::new(self.depth.finish()),
            Arc::new(self.size.finish()),
            Arc::new(self.redex_depth.finish()),
            Arc::new(self.growth.finish()),
            Arc::new(self.cycle.finish()),
            Arc::new(self.stratum.finish()),
        ];
        Ok(RecordBatch::try_new(SCHEMA.clone(), columns)?)
    }
}
