//! Prepared statements: what they take and yield, and running them.

use std::{mem, ptr};

use arrow::array::RecordBatch;
use ducksync_core::{
    Error, Result,
    types::{Field, LakeType},
};
use libduckdb_sys as ffi;

use super::{
    Connection, DuckError, Rows,
    database::{c_text, owned_text, text},
    logical::Logical,
    value,
};

/// A column of a result.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Name and lake type.
    pub(crate) field: Field,
    /// Whether it holds 128-bit integers, whose values must be checked to fit 38 digits.
    pub(crate) huge: bool,
}

impl Column {
    /// The column of that name and type.
    ///
    /// # Errors
    /// `InvalidArgument` naming the column whose type cannot leave DuckDB.
    pub(super) fn new(name: String, logical: &Logical) -> Result<Self> {
        let lake_type = logical.lake_type().map_err(|error| {
            let message = format!("column {name:?}: {}", error.message());
            Error::invalid(message).with_remedy(error.remedy().unwrap_or_default())
        })?;
        Ok(Self {
            field: Field::new(name, lake_type),
            huge: logical.has_huge(),
        })
    }
}

/// One prepared statement.
pub(crate) struct Prepared<'c> {
    raw: ffi::duckdb_prepared_statement,
    _connection: &'c Connection,
}

impl Connection {
    /// Prepares `sql`, which must be exactly one statement: the texts before the last are never run.
    pub(crate) fn prepare(&self, sql: &str) -> Result<Prepared<'_>, DuckError> {
        let sql = c_text(sql)?;
        let mut extracted = Extracted(ptr::null_mut());
        // SAFETY: the connection is open, the text ends in NUL; `Extracted` destroys the list.
        let count =
            unsafe { ffi::duckdb_extract_statements(self.raw, sql.as_ptr(), &mut extracted.0) };
        if count != 1 {
            // SAFETY: the list is alive; the text belongs to it.
            let message = text(unsafe { ffi::duckdb_extract_statements_error(extracted.0) });
            return Err(DuckError::new(message.unwrap_or_else(|| {
                format!("Parser Error: expected one statement, found {count}")
            })));
        }
        let mut raw = ptr::null_mut();
        // SAFETY: as above; the prepared statement is destroyed by `Prepared`, also after a failure.
        let state =
            unsafe { ffi::duckdb_prepare_extracted_statement(self.raw, extracted.0, 0, &mut raw) };
        let prepared = Prepared {
            raw,
            _connection: self,
        };
        if state != ffi::duckdb_state_DuckDBSuccess {
            // SAFETY: the statement is alive; the text belongs to it.
            let message = text(unsafe { ffi::duckdb_prepare_error(prepared.raw) });
            return Err(DuckError::new(message.unwrap_or_default()));
        }
        Ok(prepared)
    }

    /// Prepares and runs `sql` with no parameters.
    pub(crate) fn query(&self, sql: &str) -> Result<Rows, DuckError> {
        self.prepare(sql)?.start()?.run()
    }
}

struct Extracted(ffi::duckdb_extracted_statements);

impl Drop for Extracted {
    fn drop(&mut self) {
        // SAFETY: made by DuckDB for us; destroying null is allowed.
        unsafe { ffi::duckdb_destroy_extracted(&mut self.0) };
    }
}

impl Prepared<'_> {
    /// Whether it is a SELECT, which changes nothing.
    pub(crate) fn is_select(&self) -> bool {
        // SAFETY: the statement is alive.
        unsafe {
            ffi::duckdb_prepared_statement_type(self.raw)
                == ffi::duckdb_statement_type_DUCKDB_STATEMENT_TYPE_SELECT
        }
    }

    /// How many parameters it takes.
    pub(crate) fn parameter_count(&self) -> usize {
        // SAFETY: the statement is alive.
        usize::try_from(unsafe { ffi::duckdb_nparams(self.raw) }).unwrap_or_default()
    }

    /// The parameters' types; `None` where DuckDB cannot tell.
    pub(crate) fn parameter_types(&self) -> Vec<Option<LakeType>> {
        (1..=self.parameter_count())
            .map(|index| {
                // SAFETY: the statement is alive and the index is in range.
                let logical = Logical(unsafe {
                    ffi::duckdb_param_logical_type(self.raw, index as ffi::idx_t)
                });
                logical.lake_type().ok().filter(|_| !logical.is_unknown())
            })
            .collect()
    }

    /// The columns it yields; `None` if they depend on parameters.
    ///
    /// # Errors
    /// `InvalidArgument` naming a column whose type cannot leave DuckDB.
    pub(crate) fn columns(&self) -> Result<Option<Vec<Column>>> {
        // SAFETY (all calls): the statement is alive and the index is below the count.
        let count = unsafe { ffi::duckdb_prepared_statement_column_count(self.raw) };
        let mut columns = Vec::new();
        for index in 0..count {
            let logical = Logical(unsafe {
                ffi::duckdb_prepared_statement_column_logical_type(self.raw, index)
            });
            if logical.is_unknown() {
                return Ok(None);
            }
            let name = unsafe { ffi::duckdb_prepared_statement_column_name(self.raw, index) };
            let name = owned_text(name.cast_mut()).unwrap_or_default();
            columns.push(Column::new(name, &logical)?);
        }
        Ok(Some(columns))
    }

    /// Binds one row of values, a column for each parameter.
    ///
    /// # Errors
    /// `InvalidArgument` for another number of values or a type that cannot be bound.
    pub(crate) fn bind(&self, row: Option<&RecordBatch>) -> Result<()> {
        let (given, rows) = row.map_or((0, 1), |row| (row.num_columns(), row.num_rows()));
        let taken = self.parameter_count();
        if given != taken || rows != 1 {
            return Err(Error::invalid(format!(
                "the statement takes {taken} parameters, but {given} were bound in {rows} rows"
            )));
        }
        let Some(row) = row else { return Ok(()) };
        for (index, column) in row.columns().iter().enumerate() {
            let value = value::of(column, 0).map_err(|error| {
                Error::invalid(format!("parameter {}: {}", index + 1, error.message()))
            })?;
            self.bind_value(index, &value)?;
        }
        Ok(())
    }

    /// Binds NULL to every parameter.
    pub(crate) fn bind_nulls(&self) -> Result<()> {
        (0..self.parameter_count())
            .try_for_each(|index| self.bind_value(index, &value::Value::null()))
    }

    fn bind_value(&self, index: usize, value: &value::Value) -> Result<()> {
        // SAFETY: statement and value are alive; DuckDB copies the value.
        let state =
            unsafe { ffi::duckdb_bind_value(self.raw, index as ffi::idx_t + 1, value.raw()) };
        if state == ffi::duckdb_state_DuckDBSuccess {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "parameter {} cannot be bound",
            index + 1
        )))
    }

    /// Plans it. An interrupt that comes after this is never lost, even if nothing runs yet.
    pub(crate) fn start(&self) -> Result<Pending<'_>, DuckError> {
        let mut raw = ptr::null_mut();
        // SAFETY: the statement is alive; `Pending` destroys the result, also after a failure.
        let state = unsafe { ffi::duckdb_pending_prepared_streaming(self.raw, &mut raw) };
        let pending = Pending {
            raw,
            _statement: self,
        };
        match state {
            ffi::duckdb_state_DuckDBSuccess => Ok(pending),
            _ => Err(pending.error()),
        }
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        // SAFETY: made by DuckDB for us; destroying null is allowed.
        unsafe { ffi::duckdb_destroy_prepare(&mut self.raw) };
    }
}

/// A planned statement.
pub(crate) struct Pending<'p> {
    raw: ffi::duckdb_pending_result,
    _statement: &'p Prepared<'p>,
}

impl Pending<'_> {
    /// Runs it until its first rows are there.
    pub(crate) fn run(self) -> Result<Rows, DuckError> {
        // SAFETY: an all-zero result is what DuckDB expects to fill; `Rows` owns it afterwards, and
        // destroys it also after a failure.
        unsafe {
            let mut result: ffi::duckdb_result = mem::zeroed();
            let state = ffi::duckdb_execute_pending(self.raw, &mut result);
            Rows::new(result, state)
        }
    }

    fn error(&self) -> DuckError {
        // SAFETY: the result is alive; the text belongs to it.
        DuckError::new(text(unsafe { ffi::duckdb_pending_error(self.raw) }).unwrap_or_default())
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // SAFETY: made by DuckDB for us; destroying null is allowed.
        unsafe { ffi::duckdb_destroy_pending(&mut self.raw) };
    }
}
