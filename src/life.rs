//! The process's life: signals, and the order in which things end (O-6).
//!
//! The first SIGINT or SIGTERM asks for an orderly end; the second ends at once. [`Life`] only tells
//! of them: what an orderly end is, [`crate::serve`] says.

use ducksync_core::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What signals have asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Life {
    /// An orderly end.
    pub(crate) ending: CancellationToken,
    /// The end, now.
    pub(crate) killed: CancellationToken,
}

impl Life {
    /// Listens for signals from now on; must be called within a runtime.
    ///
    /// # Errors
    /// `Unavailable` if the operating system refuses.
    pub(crate) fn begin() -> Result<Self> {
        let life = Self::default();
        let refused = |error| Error::unavailable("listening for signals failed").with_source(error);
        let interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        let terminate = signal(SignalKind::terminate()).map_err(refused)?;
        tokio::spawn(life.clone().watch(interrupt, terminate));
        Ok(life)
    }

    async fn watch(self, mut interrupt: Signal, mut terminate: Signal) {
        for asked in [&self.ending, &self.killed] {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
            tracing::info!(signal = name, "asked to end");
            asked.cancel();
        }
    }
}
