//! DoPut: updates and bound values. One result answers each.

use arrow_flight::{
    FlightData, PutResult,
    sql::{Command, DoPutUpdateResult},
};
use ducksync_core::{Error, Result};
use futures::{Stream, StreamExt};
use prost::Message;
use tonic::Status;

use super::{
    command, parameters, prepared_statement_query, prepared_statement_update, statement_update,
    unsupported,
};
use crate::call::Call;

/// Does what the first message's descriptor says with the rows that follow.
///
/// # Errors
/// `InvalidArgument` if there is no command; `Unimplemented` for one that takes no rows here.
pub(crate) async fn put<S>(call: &Call, mut messages: S) -> Result<PutResult>
where
    S: Stream<Item = Result<FlightData, Status>> + Send + Unpin + 'static,
{
    // A client that fails before its first message (an empty reader to ingest) sends nothing at all.
    let first = messages.next().await.ok_or_else(no_command)?;
    let first = first.map_err(parameters::broken_stream)?;
    let descriptor = first.flight_descriptor.as_ref().ok_or_else(no_command)?;
    let command = command(&descriptor.cmd)?;
    let limit = call.max_message_bytes();
    match command {
        Command::CommandStatementUpdate(command) => {
            statement_update::execute(call, command).await.map(count)
        }
        Command::CommandPreparedStatementUpdate(command) => {
            let values = parameters::read(first, messages, limit).await?;
            prepared_statement_update::execute(call, &command, values)
                .await
                .map(count)
        }
        Command::CommandPreparedStatementQuery(command) => {
            let values = parameters::read(first, messages, limit).await?;
            prepared_statement_query::bind(call, &command, values.as_ref())
                .map(|result| put_result(&result))
        }
        command => Err(unsupported(&command)),
    }
}

fn count(record_count: i64) -> PutResult {
    put_result(&DoPutUpdateResult { record_count })
}

fn put_result(message: &impl Message) -> PutResult {
    PutResult {
        app_metadata: message.encode_to_vec().into(),
    }
}

fn no_command() -> Error {
    Error::invalid("the stream's first message has no command in its descriptor")
}
