//! `CancelQuery`: the older form of CancelFlightInfo.

use arrow_flight::{
    FlightInfo,
    sql::{ActionCancelQueryRequest, ActionCancelQueryResult},
};
use ducksync_core::{Error, Result};
use prost::Message;

use super::cancel_flight_info::stop;
use crate::call::Call;

/// CANCEL_RESULT_CANCELLED of the protocol; `arrow-flight` keeps the enumeration to itself.
const CANCELLED: i32 = 1;
/// CANCEL_RESULT_NOT_CANCELLABLE.
const NOT_CANCELLABLE: i32 = 3;

pub(super) async fn run(
    call: &Call,
    request: &ActionCancelQueryRequest,
) -> Result<ActionCancelQueryResult> {
    let info = FlightInfo::decode(request.info.clone())
        .map_err(|error| Error::invalid("the request has no FlightInfo").with_source(error))?;
    let result = if stop(call, &info).await? {
        CANCELLED
    } else {
        NOT_CANCELLABLE
    };
    Ok(ActionCancelQueryResult { result })
}
