//! DuckDB's vectors as Arrow columns: each value copied once, straight to its place in a batch.
//!
//! DuckDB's own conversion works chunk by chunk, into buffers that grow, and joining its chunks copies
//! every value again. So values of plain types, which nearly all columns have, are appended here to the
//! batch that is being filled. Results with other columns (nested types, enums) take DuckDB's way.

mod filling;
mod kind;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
    error::ArrowError,
};
use libduckdb_sys as ffi;

use self::{
    filling::{Filling, Values},
    kind::Kind,
};
use super::{DuckError, logical::Logical};

/// The columns of a batch that is being filled.
pub(crate) struct Columns {
    schema: SchemaRef,
    columns: Vec<Filling>,
    rows: usize,
}

impl Columns {
    /// Columns for a result of these types and this schema; `None` if one of them is not plain.
    pub(super) fn new(types: &[Logical], schema: SchemaRef) -> Option<Self> {
        let kinds: Option<Vec<_>> = types.iter().map(Kind::of).collect();
        Some(Self {
            columns: kinds?.into_iter().map(Filling::new).collect(),
            schema,
            rows: 0,
        })
    }

    /// Rows in them.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes in them.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().map(Filling::bytes).sum()
    }

    /// Appends a chunk.
    ///
    /// # Safety
    /// `chunk` is alive, flat, and of the types that this was made for.
    pub(super) unsafe fn append(&mut self, chunk: ffi::duckdb_data_chunk) -> Result<(), DuckError> {
        // SAFETY: as the caller promises; a vector of a flat chunk has as many values as the chunk.
        unsafe {
            let count = usize::try_from(ffi::duckdb_data_chunk_get_size(chunk)).unwrap_or_default();
            for (index, column) in self.columns.iter_mut().enumerate() {
                let vector = ffi::duckdb_data_chunk_get_vector(chunk, index as ffi::idx_t);
                let values = Values {
                    data: ffi::duckdb_vector_get_data(vector).cast(),
                    validity: ffi::duckdb_vector_get_validity(vector),
                    count,
                };
                column.append(&values, self.rows).map_err(|what| {
                    let name = self.schema.field(index).name();
                    DuckError::new(format!("Out of Range Error: column {name:?}: {what}"))
                })?;
            }
            self.rows += count;
        }
        Ok(())
    }

    /// The batch of what was appended; the columns are empty then.
    pub(crate) fn finish(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        let columns = self
            .columns
            .iter_mut()
            .zip(self.schema.fields())
            .map(|(column, field)| column.finish(field.data_type(), rows))
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map(Some)
    }
}
