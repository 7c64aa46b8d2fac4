//! Stopping a statement: why, and how it is heard wherever the statement waits.

use std::sync::{Mutex, PoisonError};

use ducksync_core::Error;
use tokio_util::sync::CancellationToken;

use crate::duck::InterruptSlot;

/// Why a statement is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopCause {
    /// Its reader went away.
    Dropped,
    /// It took longer than its timeout.
    Timeout,
    /// DuckDB is being restarted.
    Broken,
}

impl StopCause {
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Dropped => Error::cancelled("the statement was cancelled"),
            Self::Timeout => Error::deadline_exceeded("the statement took longer than its timeout")
                .with_remedy("raise the timeout, or make the statement smaller"),
            Self::Broken => {
                Error::unavailable("duckdb declared itself broken and is being restarted")
                    .with_remedy("repeat the statement")
            }
        }
    }
}

/// One running statement, as others may stop it.
#[derive(Default)]
pub(crate) struct Control {
    cause: Mutex<Option<StopCause>>,
    /// Ends every wait of the statement that is ours: for a thread, a reader, a source.
    pub(crate) stopped: CancellationToken,
    /// Ends the work inside DuckDB.
    pub(crate) interrupt: InterruptSlot,
}

impl Control {
    /// Stops the statement; only the first cause counts. The token goes first: DuckDB may be waiting
    /// for a stream that waits for the token, and does not hear an interrupt meanwhile.
    pub(crate) fn stop(&self, cause: StopCause) {
        self.cause
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(cause);
        self.stopped.cancel();
        self.interrupt.interrupt();
    }

    /// Why it was stopped, if it was.
    pub(crate) fn cause(&self) -> Option<StopCause> {
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// That of the cause, if it was stopped.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.cause().map_or(Ok(()), |cause| Err(cause.error()))
    }
}

/// Stops its statement when dropped: held by the future or stream that wants the statement.
pub(crate) struct StopOnDrop(pub(crate) std::sync::Arc<Control>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop(StopCause::Dropped);
    }
}
