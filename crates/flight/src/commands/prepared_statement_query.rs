//! `CommandPreparedStatementQuery`: executes a prepared statement (GetFlightInfo) or binds its values
//! (DoPut).

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::sql::{CommandPreparedStatementQuery, DoPutPreparedStatementResult};
use ducksync_core::Result;
use ducksync_query::ExecuteRequest;

use super::answer::{Described, prepared_schema};
use crate::{call::Call, handle::PreparedHandle};

/// Runs the statement with its bound values. JDBC and Python send DDL and DML this way too.
pub(super) async fn info(
    call: &Call,
    command: &CommandPreparedStatementQuery,
) -> Result<Described> {
    let session = call.session()?;
    let handle = open(call, command)?;
    let parameters = handle.values()?;
    let request = ExecuteRequest {
        parameters,
        transaction: call.transactions().current(&session, handle.transaction()?),
        ..ExecuteRequest::new(handle.sql, call.contract(&session)?)
    };
    Described::answered(call.query().execute(&session, request).await?)
}

/// The schema of the statement's rows, without running it.
pub(super) async fn schema(
    call: &Call,
    command: &CommandPreparedStatementQuery,
) -> Result<SchemaRef> {
    let session = call.session()?;
    let handle = open(call, command)?;
    let transaction = call.transactions().current(&session, handle.transaction()?);
    let prepared = call
        .query()
        .prepare(&session, &handle.sql, transaction)
        .await?;
    Ok(prepared_schema(&prepared))
}

/// Binds values: the answer is a new handle that carries them.
pub(super) fn bind(
    call: &Call,
    command: &CommandPreparedStatementQuery,
    values: Option<&RecordBatch>,
) -> Result<DoPutPreparedStatementResult> {
    let mut handle = open(call, command)?;
    handle.bind(values)?;
    let sealed = handle.seal(call.query(), &call.principal().name)?;
    Ok(DoPutPreparedStatementResult {
        prepared_statement_handle: Some(sealed),
    })
}

fn open(call: &Call, command: &CommandPreparedStatementQuery) -> Result<PreparedHandle> {
    let sealed = &command.prepared_statement_handle;
    PreparedHandle::open(call.query(), &call.principal().name, sealed)
}
