//! `CommandStatementQuery` and the ticket it leads to.

use arrow::datatypes::SchemaRef;
use arrow_flight::sql::{CommandStatementQuery, TicketStatementQuery};
use ducksync_core::Result;
use ducksync_query::ExecuteRequest;

use super::answer::{Described, prepared_schema};
use crate::{
    call::Call,
    stream::{FlightStream, flight_stream},
    transactions,
};

/// Runs the statement, or fixes where its rows will come from.
pub(super) async fn info(call: &Call, command: CommandStatementQuery) -> Result<Described> {
    let session = call.session()?;
    let request = ExecuteRequest {
        transaction: transactions::from_bytes(command.transaction_id.as_deref())?,
        ..ExecuteRequest::new(command.query, call.contract(&session)?)
    };
    Described::answered(call.query().execute(&session, request).await?)
}

/// The schema of the statement's rows, without running it.
pub(super) async fn schema(call: &Call, command: CommandStatementQuery) -> Result<SchemaRef> {
    let transaction = transactions::from_bytes(command.transaction_id.as_deref())?;
    let session = call.session()?;
    let prepared = call
        .query()
        .prepare(&session, &command.query, transaction)
        .await?;
    Ok(prepared_schema(&prepared))
}

/// The rows behind a ticket.
pub(super) async fn get(call: &Call, ticket: &TicketStatementQuery) -> Result<FlightStream> {
    let compression = call.compression()?;
    let session = call.session()?;
    let rows = call
        .query()
        .open(&session, &ticket.statement_handle)
        .await?;
    flight_stream(rows, compression)
}
