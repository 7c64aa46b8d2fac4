//! `BeginTransaction` and `EndTransaction`.

use arrow_flight::sql::{
    ActionBeginTransactionResult, ActionEndTransactionRequest, EndTransaction,
};
use ducksync_core::{Error, Result};

use crate::{call::Call, transactions};

/// Begins a transaction of the call's session.
pub(super) async fn begin(call: &Call) -> Result<ActionBeginTransactionResult> {
    let session = call.session()?;
    let id = call.query().begin(&session).await?;
    call.transactions().began(&session, id);
    Ok(ActionBeginTransactionResult {
        transaction_id: transactions::to_bytes(id),
    })
}

/// Ends a transaction. Whatever comes of it, later statements no longer belong to it.
pub(super) async fn end(call: &Call, request: &ActionEndTransactionRequest) -> Result<()> {
    let id = transactions::from_bytes(Some(&request.transaction_id))?
        .ok_or_else(|| Error::invalid("the transaction id is empty"))?;
    let session = call.session()?;
    let query = call.query();
    let ended = match request.action() {
        EndTransaction::Commit => query.commit(&session, id).await,
        EndTransaction::Rollback => query.rollback(&session, id).await,
        EndTransaction::Unspecified => {
            return Err(Error::invalid(
                "the action says neither commit nor rollback",
            ));
        }
    };
    call.transactions().ended(&session, id);
    ended
}
