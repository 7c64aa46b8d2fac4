//! DuckDB's calls block; this is where they leave the runtime's threads.

use crate::error::SqlError;

/// Runs `work` on a thread of its own; a panic in it becomes an internal error.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulator has no engine with threads of its own; what blocks here can be interrupted"
)]
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(SqlError::internal(error.to_string())))
}
