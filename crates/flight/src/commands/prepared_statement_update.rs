//! `CommandPreparedStatementUpdate`: executes a prepared statement once for each row of values.

use arrow::array::RecordBatch;
use arrow_flight::sql::CommandPreparedStatementUpdate;
use ducksync_core::Result;
use ducksync_query::ExecuteRequest;

use super::statement_update::record_count;
use crate::{call::Call, handle::PreparedHandle};

/// Runs the statement for each row of `values`, else of those bound before, else once; the counts add
/// up.
pub(super) async fn execute(
    call: &Call,
    command: &CommandPreparedStatementUpdate,
    values: Option<RecordBatch>,
) -> Result<i64> {
    let session = call.session()?;
    let sealed = &command.prepared_statement_handle;
    let handle = PreparedHandle::open(call.query(), &call.principal().name, sealed)?;
    let parameters = match values {
        Some(values) => Some(values),
        None => handle.values()?,
    };
    let request = ExecuteRequest {
        parameters,
        transaction: call.transactions().current(&session, handle.transaction()?),
        ..ExecuteRequest::new(handle.sql, call.contract(&session)?)
    };
    let answer = call.query().execute(&session, request).await?;
    Ok(record_count(&answer))
}
