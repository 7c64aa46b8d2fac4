//! A row filter of ours inside DuckDB: `name(key BIGINT, file VARCHAR, row BIGINT) -> BOOLEAN`.
//!
//! Rows that were deleted from a file are left out by a function and not by a join, because DuckDB
//! gives the result of a join in no particular order, and a cached `ORDER BY` would be lost.

use std::{
    ffi::{CString, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use libduckdb_sys as ffi;

use super::{Connection, DuckError, logical::Logical};

/// Decides which rows of files are there.
pub(crate) trait RowFilter: Send + Sync + 'static {
    /// Fills `keep` for rows that stand in `files` at `rows`, all of one `key`.
    ///
    /// # Errors
    /// If the key or a file is not known: never an answer for them.
    fn keep(
        &self,
        key: i64,
        files: &mut dyn Iterator<Item = &[u8]>,
        rows: &[i64],
        keep: &mut [bool],
    ) -> Result<(), String>;
}

type Shared = Arc<dyn RowFilter>;

impl Connection {
    /// Registers `filter` as a function of the whole database.
    pub(crate) fn register_filter(&self, name: &str, filter: Shared) -> Result<(), DuckError> {
        let c_name = CString::new(name).unwrap_or_default();
        // SAFETY: function and types are alive until destroyed; DuckDB copies the function when it
        // registers it, and calls `release` when it forgets it.
        let state = unsafe {
            let mut function = ffi::duckdb_create_scalar_function();
            ffi::duckdb_scalar_function_set_name(function, c_name.as_ptr());
            for id in [
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_VARCHAR,
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_BIGINT,
            ] {
                let logical = Logical(ffi::duckdb_create_logical_type(id));
                ffi::duckdb_scalar_function_add_parameter(function, logical.0);
            }
            let boolean = Logical(ffi::duckdb_create_logical_type(
                ffi::DUCKDB_TYPE_DUCKDB_TYPE_BOOLEAN,
            ));
            ffi::duckdb_scalar_function_set_return_type(function, boolean.0);
            let extra = Box::into_raw(Box::new(filter)).cast::<c_void>();
            ffi::duckdb_scalar_function_set_extra_info(function, extra, Some(release));
            ffi::duckdb_scalar_function_set_function(function, Some(call));
            let state = ffi::duckdb_register_scalar_function(self.raw, function);
            ffi::duckdb_destroy_scalar_function(&mut function);
            state
        };
        match state {
            ffi::duckdb_state_DuckDBSuccess => Ok(()),
            _ => Err(DuckError::new(format!(
                "Invalid Configuration Error: function {name} cannot be registered"
            ))),
        }
    }
}

unsafe extern "C" fn release(extra: *mut c_void) {
    // SAFETY: the box that `register_filter` made; DuckDB calls this once.
    drop(unsafe { Box::from_raw(extra.cast::<Shared>()) });
}

unsafe extern "C" fn call(
    info: ffi::duckdb_function_info,
    input: ffi::duckdb_data_chunk,
    output: ffi::duckdb_vector,
) {
    // SAFETY: DuckDB calls with a flat chunk of the three declared columns without NULLs in what we
    // write, and an output vector as long; `extra` is the box of `register_filter`.
    let outcome = catch_unwind(AssertUnwindSafe(|| unsafe {
        let filter = &*ffi::duckdb_scalar_function_get_extra_info(info).cast::<Shared>();
        let count = usize::try_from(ffi::duckdb_data_chunk_get_size(input)).unwrap_or_default();
        if count == 0 {
            return Ok(());
        }
        let keys = column::<i64>(input, 0, count);
        let files = column::<ffi::duckdb_string_t>(input, 1, count);
        let rows = column::<i64>(input, 2, count);
        let output = ffi::duckdb_vector_get_data(output).cast::<bool>();
        let keep = std::slice::from_raw_parts_mut(output, count);
        if keys.iter().any(|key| *key != keys[0]) {
            return Err("the key is not constant".to_owned());
        }
        filter.keep(
            keys[0],
            &mut files.iter().map(|file| bytes(file)),
            rows,
            keep,
        )
    }));
    let message = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(message)) => message,
        Err(_) => "the filter of deleted rows failed".to_owned(),
    };
    let message = CString::new(message).unwrap_or_default();
    // SAFETY: DuckDB copies the text.
    unsafe { ffi::duckdb_scalar_function_set_error(info, message.as_ptr()) };
}

/// # Safety
/// Column `index` of the flat chunk holds `count` values of type `T`.
unsafe fn column<'c, T>(chunk: ffi::duckdb_data_chunk, index: u64, count: usize) -> &'c [T] {
    // SAFETY: as the caller promises.
    unsafe {
        let vector = ffi::duckdb_data_chunk_get_vector(chunk, index);
        std::slice::from_raw_parts(ffi::duckdb_vector_get_data(vector).cast::<T>(), count)
    }
}

/// # Safety
/// `text` is a text of a chunk that is alive.
unsafe fn bytes(text: &ffi::duckdb_string_t) -> &[u8] {
    // SAFETY: as the caller promises; DuckDB's function only reads through the pointer.
    unsafe {
        let length = ffi::duckdb_string_t_length(*text) as usize;
        let data = ffi::duckdb_string_t_data(std::ptr::from_ref(text).cast_mut());
        std::slice::from_raw_parts(data.cast::<u8>(), length)
    }
}
