//! An Arrow stream as a relation of a connection.

use std::{ffi::CString, ptr};

use arrow::{ffi_stream::FFI_ArrowArrayStream, record_batch::RecordBatchReader};
use libduckdb_sys as ffi;

use super::{Connection, DuckError};

/// A stream that a connection reads, once, as the relation of its name; it must outlive the statement
/// that reads it.
pub(crate) struct ArrowScan {
    _stream: Box<FFI_ArrowArrayStream>,
}

impl Connection {
    /// Makes `reader` the relation `name`. DuckDB pulls it on threads of its own; an error that it
    /// yields becomes an error of the statement, so that a stream that broke is never a short one.
    pub(crate) fn scan(
        &self,
        name: &str,
        reader: Box<dyn RecordBatchReader + Send>,
    ) -> Result<ArrowScan, DuckError> {
        let mut stream = Box::new(FFI_ArrowArrayStream::new(reader));
        let c_name = CString::new(name).unwrap_or_default();
        // SAFETY: DuckDB's argument is a pointer to an Arrow C stream; it keeps the address, which
        // the box holds still until the caller drops the scan after its statement.
        let state = unsafe {
            ffi::duckdb_arrow_scan(
                self.raw,
                c_name.as_ptr(),
                ptr::from_mut(stream.as_mut()).cast(),
            )
        };
        if state != ffi::duckdb_state_DuckDBSuccess {
            let message = "Invalid Input Error: the stream's columns cannot be read";
            return Err(DuckError::new(message.into()));
        }
        Ok(ArrowScan { _stream: stream })
    }
}
