//! Leaves nothing behind of a try that came to nothing: aborts its statement, deletes its files.
//!
//! Best effort: what it cannot do now, the reaper does by the recorded prefix. It must never be
//! called for a publish of unknown outcome.

use super::progress::{LeftOver, Progress};
use crate::services::Services;

/// Undoes what `progress` has noted since the last call.
pub(super) async fn undo(services: &Services, progress: &Progress) {
    let LeftOver { running, files } = progress.take_left_over();
    if let Some((source, query_id)) = running
        && let Err(error) = source.abort(&query_id).await
    {
        tracing::debug!(%query_id, %error, "could not abort a source statement");
    }
    if !files.is_empty()
        && let Err(error) = services.files.delete(&files).await
    {
        tracing::debug!(%error, "could not delete staged files; the reaper will");
    }
}
