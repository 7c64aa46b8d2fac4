//! `CommandStatementUpdate`: a statement without values whose rows, if any, nobody will fetch.

use arrow_flight::sql::CommandStatementUpdate;
use ducksync_core::Result;
use ducksync_query::{Answer, ExecuteRequest};

use crate::{call::Call, transactions};

/// Runs the statement once and says how many rows it changed.
pub(super) async fn execute(call: &Call, command: CommandStatementUpdate) -> Result<i64> {
    let session = call.session()?;
    let request = ExecuteRequest {
        transaction: transactions::from_bytes(command.transaction_id.as_deref())?,
        ..ExecuteRequest::new(command.query, call.contract(&session)?)
    };
    let answer = call.query().execute(&session, request).await?;
    Ok(record_count(&answer))
}

/// Rows changed; zero for DDL, as JDBC wants it, and -1 for a query, whose rows nobody counted.
pub(super) fn record_count(answer: &Answer) -> i64 {
    match answer {
        Answer::Affected(affected) => affected.rows.unwrap_or(0),
        Answer::Rows(rows) => rows.total.unwrap_or(-1),
    }
}
