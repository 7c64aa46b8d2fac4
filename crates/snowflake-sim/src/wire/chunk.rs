//! Cuts a result into the inline part and compressed chunks while DuckDB still produces it.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use arrow_ipc::writer::StreamWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::column::ResultColumn;
use crate::error::SqlError;

/// Rows in one Arrow batch of a chunk; a chunk usually has several.
const ROWS_PER_BATCH: usize = 8_192;

/// A remote part of a result.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) rows: usize,
    pub(crate) uncompressed: usize,
    pub(crate) gzip: Bytes,
}

/// The Arrow form of a result.
#[derive(Debug, Clone, Default)]
pub(crate) struct ArrowRows {
    pub(crate) inline: Bytes,
    pub(crate) inline_rows: usize,
    pub(crate) chunks: Vec<Chunk>,
}

impl ArrowRows {
    pub(crate) fn total(&self) -> usize {
        self.inline_rows + self.chunks.iter().map(|chunk| chunk.rows).sum::<usize>()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.inline.len()
            + self
                .chunks
                .iter()
                .map(|chunk| chunk.gzip.len())
                .sum::<usize>()
    }
}

/// Collects batches into parts of the configured sizes.
pub(crate) struct ChunkWriter<'a> {
    columns: &'a [ResultColumn],
    inline_rows: usize,
    rows_per_chunk: usize,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    inline_done: bool,
    rows: ArrowRows,
}

impl<'a> ChunkWriter<'a> {
    pub(crate) fn new(
        columns: &'a [ResultColumn],
        inline_rows: usize,
        rows_per_chunk: usize,
    ) -> Self {
        Self {
            columns,
            inline_rows,
            rows_per_chunk: rows_per_chunk.max(1),
            waiting: Vec::new(),
            waiting_rows: 0,
            inline_done: inline_rows == 0,
            rows: ArrowRows::default(),
        }
    }

    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<(), SqlError> {
        let mut rest = batch;
        while rest.num_rows() > 0 {
            let limit = if self.inline_done {
                self.rows_per_chunk
            } else {
                self.inline_rows
            };
            let take = rest.num_rows().min(limit - self.waiting_rows);
            self.waiting.push(rest.slice(0, take));
            self.waiting_rows += take;
            rest = rest.slice(take, rest.num_rows() - take);
            if self.waiting_rows == limit {
                self.flush()?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<ArrowRows, SqlError> {
        self.flush()?;
        Ok(self.rows)
    }

    fn flush(&mut self) -> Result<(), SqlError> {
        let Some(first) = self.waiting.first() else {
            return Ok(());
        };
        let batch = concat_batches(&first.schema(), &self.waiting)?;
        let rows = std::mem::take(&mut self.waiting_rows);
        self.waiting.clear();
        let stream = encode(self.columns, &batch)?;
        if self.inline_done {
            self.rows.chunks.push(Chunk {
                rows,
                uncompressed: stream.len(),
                gzip: gzip(&stream)?,
            });
        } else {
            self.inline_done = true;
            self.rows.inline_rows = rows;
            self.rows.inline = stream.into();
        }
        Ok(())
    }
}

/// One Arrow IPC stream of the batch in Snowflake's encoding.
fn encode(columns: &[ResultColumn], batch: &RecordBatch) -> Result<Vec<u8>, SqlError> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for (column, array) in columns.iter().zip(batch.columns()) {
        let (field, encoded) = column.encode(array)?;
        fields.push(field);
        arrays.push(encoded);
    }
    let schema = Arc::new(Schema::new(fields));
    let encoded = RecordBatch::try_new(schema.clone(), arrays)?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    for start in (0..encoded.num_rows()).step_by(ROWS_PER_BATCH) {
        writer.write(&encoded.slice(start, ROWS_PER_BATCH.min(encoded.num_rows() - start)))?;
    }
    Ok(writer.into_inner()?)
}

fn gzip(stream: &[u8]) -> Result<Bytes, SqlError> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let compressed = encoder.write_all(stream).and_then(|()| encoder.finish());
    compressed
        .map(Bytes::from)
        .map_err(|error| SqlError::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field};

    use super::*;
    use crate::types::SnowflakeType;

    #[test]
    fn rows_fill_the_inline_part_first_and_then_chunks() {
        let columns = [ResultColumn::new("N", SnowflakeType::INTEGER)];
        let mut writer = ChunkWriter::new(&columns, 10, 25);
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        for start in [0, 40] {
            let values = Int64Array::from_iter_values(start..start + 40);
            writer
                .write(RecordBatch::try_new(schema.clone(), vec![Arc::new(values)]).unwrap())
                .unwrap();
        }
        let rows = writer.finish().unwrap();
        assert_eq!(rows.inline_rows, 10);
        assert_eq!(
            rows.chunks
                .iter()
                .map(|chunk| chunk.rows)
                .collect::<Vec<_>>(),
            [25, 25, 20]
        );
        assert_eq!(rows.total(), 80);
    }

    #[test]
    fn no_rows_make_no_stream() {
        let columns = [ResultColumn::new("N", SnowflakeType::INTEGER)];
        let rows = ChunkWriter::new(&columns, 10, 25).finish().unwrap();
        assert!(rows.inline.is_empty() && rows.chunks.is_empty());
    }
}
