//! A running result, pulled chunk by chunk as Arrow.

use std::{ffi::c_char, ptr};

use arrow::{
    array::StructArray,
    datatypes::SchemaRef,
    ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi},
};
use ducksync_core::Result as CoreResult;
use libduckdb_sys as ffi;

use super::{Column, DuckError, PlainColumns, database::text, logical::Logical};

/// The rows of a statement. It stays valid only while its connection runs nothing else.
pub(crate) struct Rows {
    result: ffi::duckdb_result,
    options: ffi::duckdb_arrow_options,
    schema: FFI_ArrowSchema,
    names: Vec<String>,
    types: Vec<Logical>,
    ended: bool,
}

impl Rows {
    /// Takes over `result`, filled by a call that ended with `state`.
    ///
    /// # Safety
    /// `result` was filled by DuckDB and belongs to nobody else.
    pub(super) unsafe fn new(
        result: ffi::duckdb_result,
        state: ffi::duckdb_state,
    ) -> Result<Self, DuckError> {
        let mut rows = Self {
            result,
            options: ptr::null_mut(),
            schema: FFI_ArrowSchema::empty(),
            names: Vec::new(),
            types: Vec::new(),
            ended: false,
        };
        if state != ffi::duckdb_state_DuckDBSuccess {
            return Err(rows
                .error()
                .unwrap_or_else(|| DuckError::new(String::new())));
        }
        rows.load_schema()?;
        Ok(rows)
    }

    fn load_schema(&mut self) -> Result<(), DuckError> {
        // SAFETY (all calls): the result is alive and filled, indexes are below its column count;
        // types and names outlive the call that reads them.
        unsafe {
            self.options = ffi::duckdb_result_get_arrow_options(&mut self.result);
            let count = ffi::duckdb_column_count(&mut self.result);
            let mut raw_names: Vec<*const c_char> = Vec::new();
            for index in 0..count {
                let name = ffi::duckdb_column_name(&mut self.result, index);
                raw_names.push(name);
                self.names.push(text(name).unwrap_or_default());
                let logical = ffi::duckdb_column_logical_type(&mut self.result, index);
                self.types.push(Logical(logical));
            }
            let mut raw_types: Vec<_> = self.types.iter().map(|logical| logical.0).collect();
            check(ffi::duckdb_to_arrow_schema(
                self.options,
                raw_types.as_mut_ptr(),
                raw_names.as_mut_ptr(),
                count,
                ptr::from_mut(&mut self.schema).cast(),
            ))
        }
    }

    /// The columns, as they truly are.
    ///
    /// # Errors
    /// `InvalidArgument` naming a column whose type cannot leave DuckDB.
    pub(crate) fn columns(&self) -> CoreResult<Vec<Column>> {
        self.names
            .iter()
            .zip(&self.types)
            .map(|(name, logical)| Column::new(name.clone(), logical))
            .collect()
    }

    /// Columns to be filled with this result in `schema`; `None` if some column is not plain.
    pub(crate) fn plain_columns(&self, schema: SchemaRef) -> Option<PlainColumns> {
        PlainColumns::new(&self.types, schema)
    }

    /// Appends the next rows, at most 2,048, to columns that this result made; false at the end.
    pub(crate) fn next_into(&mut self, columns: &mut PlainColumns) -> Result<bool, DuckError> {
        let Some(chunk) = self.next_chunk()? else {
            return Ok(false);
        };
        // SAFETY: the chunk is alive, DuckDB flattens what it hands out, and the columns were made
        // for this result's types.
        unsafe { columns.append(chunk.0) }.map(|()| true)
    }

    /// The next rows, at most 2,048; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<StructArray>, DuckError> {
        let Some(chunk) = self.next_chunk()? else {
            return Ok(None);
        };
        // SAFETY: result and chunk are alive. Arrow takes over the array, whose memory DuckDB
        // allocated for it.
        unsafe {
            let mut array = FFI_ArrowArray::empty();
            check(ffi::duckdb_data_chunk_to_arrow(
                self.options,
                chunk.0,
                ptr::from_mut(&mut array).cast(),
            ))?;
            let data = from_ffi(array, &self.schema)
                .map_err(|error| DuckError::new(format!("INTERNAL Error: {error}")))?;
            Ok(Some(StructArray::from(data)))
        }
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>, DuckError> {
        // DuckDB closes a stream at its end, and to ask again is an error.
        if self.ended {
            return Ok(None);
        }
        // SAFETY: the result is alive; `Chunk` destroys what it gives.
        let chunk = Chunk(unsafe { ffi::duckdb_fetch_chunk(self.result) });
        // SAFETY: the chunk is alive where it is not null.
        if !chunk.0.is_null() && unsafe { ffi::duckdb_data_chunk_get_size(chunk.0) } > 0 {
            return Ok(Some(chunk));
        }
        self.ended = true;
        self.error().map_or(Ok(None), Err)
    }

    fn error(&mut self) -> Option<DuckError> {
        // SAFETY: the result is alive; the text belongs to it.
        text(unsafe { ffi::duckdb_result_error(&mut self.result) })
            .filter(|message| !message.is_empty())
            .map(DuckError::new)
    }
}

/// A chunk of rows, destroyed when dropped.
struct Chunk(ffi::duckdb_data_chunk);

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: made by DuckDB for us; destroying null is allowed.
        unsafe { ffi::duckdb_destroy_data_chunk(&mut self.0) };
    }
}

/// Turns DuckDB's error data into a result, and frees it.
fn check(mut data: ffi::duckdb_error_data) -> Result<(), DuckError> {
    // SAFETY: made by DuckDB for us; null means no error, and may be destroyed.
    unsafe {
        let failed = !data.is_null() && ffi::duckdb_error_data_has_error(data);
        let message = failed.then(|| text(ffi::duckdb_error_data_message(data)));
        ffi::duckdb_destroy_error_data(&mut data);
        message.map_or(Ok(()), |text| Err(DuckError::new(text.unwrap_or_default())))
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        // SAFETY: both were made by DuckDB for us and are not used again.
        unsafe {
            ffi::duckdb_destroy_arrow_options(&mut self.options);
            ffi::duckdb_destroy_result(&mut self.result);
        }
    }
}
