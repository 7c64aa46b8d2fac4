//! `ClosePreparedStatement`: handles live with the client, so there is nothing to end.

use arrow_flight::sql::ActionClosePreparedStatementRequest;
use ducksync_core::Result;

/// Always succeeds: drivers close what they never used, and what expired long ago.
pub(super) fn run(_request: &ActionClosePreparedStatementRequest) -> Result<()> {
    Ok(())
}
