//! `CloseSession`: open transactions roll back (V-15).

use ducksync_core::Result;

use super::session_messages::{CloseSessionResult, CloseStatus};
use crate::call::Call;

pub(super) async fn run(call: &Call) -> Result<CloseSessionResult> {
    call.close_session().await?;
    Ok(CloseSessionResult {
        status: CloseStatus::Closed.into(),
    })
}
