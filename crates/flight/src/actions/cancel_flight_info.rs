//! `CancelFlightInfo`: stops a statement of the caller's session (V-15).

use arrow_flight::{
    CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
    sql::{Any, TicketStatementQuery},
};
use bytes::Bytes;
use ducksync_core::{Error, Result};
use prost::Message;

use crate::call::Call;

pub(super) async fn run(
    call: &Call,
    request: &CancelFlightInfoRequest,
) -> Result<CancelFlightInfoResult> {
    let info = request
        .info
        .as_ref()
        .ok_or_else(|| Error::invalid("the request has no FlightInfo"))?;
    let status = if stop(call, info).await? {
        CancelStatus::Cancelled
    } else {
        CancelStatus::NotCancellable
    };
    Ok(CancelFlightInfoResult {
        status: status.into(),
    })
}

/// Stops the statement that `info` describes; `false` if it does not run here, or not any more.
///
/// Only the principal for whom the ticket was made can stop it.
pub(super) async fn stop(call: &Call, info: &FlightInfo) -> Result<bool> {
    let Some(ticket) = statement_ticket(info) else {
        // A statement that ran already, or a metadata command: nothing of theirs runs.
        return Ok(false);
    };
    call.query().cancel(&call.session()?, &ticket).await
}

fn statement_ticket(info: &FlightInfo) -> Option<Bytes> {
    let ticket = info.endpoint.first()?.ticket.as_ref()?;
    let any = Any::decode(ticket.ticket.clone()).ok()?;
    let statement: TicketStatementQuery = any.unpack().ok()??;
    Some(statement.statement_handle)
}

#[cfg(test)]
mod tests {
    use arrow_flight::{
        FlightEndpoint, Ticket,
        sql::{CommandGetCatalogs, ProstMessageExt},
    };

    use super::*;

    #[test]
    fn v15_only_statements_can_be_stopped() {
        let info = |message: Any| {
            let ticket = Ticket::new(message.encode_to_vec());
            FlightInfo::new().with_endpoint(FlightEndpoint::new().with_ticket(ticket))
        };
        let statement_handle = Bytes::from_static(b"sealed");
        let statement = TicketStatementQuery {
            statement_handle: statement_handle.clone(),
        };
        assert_eq!(
            statement_ticket(&info(statement.as_any())),
            Some(statement_handle)
        );
        assert_eq!(
            statement_ticket(&info(CommandGetCatalogs {}.as_any())),
            None
        );
        assert_eq!(statement_ticket(&FlightInfo::new()), None);
    }
}
