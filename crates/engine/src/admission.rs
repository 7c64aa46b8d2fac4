//! Room for client statements: how many run, how many wait, and how long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ducksync_core::{Error, Result};

use crate::threads::{Permit, Threads};

/// Lets statements onto the pool, or says which option turned them away (V-16).
pub(crate) struct Admission {
    threads: Threads,
    waiting: Arc<AtomicUsize>,
    max_waiting: usize,
    wait: Duration,
}

impl Admission {
    pub(crate) fn new(threads: Threads, max_waiting: usize, wait: Duration) -> Self {
        Self {
            threads,
            waiting: Arc::default(),
            max_waiting,
            wait,
        }
    }

    /// Statements that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for room.
    ///
    /// # Errors
    /// `Unavailable` if too many wait already or this one waited too long.
    pub(crate) async fn enter(&self) -> Result<Permit> {
        if let Some(permit) = self.threads.try_permit() {
            return Ok(permit);
        }
        let _waiting = Waiting::join(&self.waiting, self.max_waiting)?;
        tokio::time::timeout(self.wait, self.threads.permit())
            .await
            .map_err(|_| {
                Error::unavailable("waited too long for other statements to end")
                    .with_remedy("try again, or raise engine.max_running or engine.queue_wait")
            })
    }
}

struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn join(waiting: &Arc<AtomicUsize>, limit: usize) -> Result<Self> {
        let joined = Self(waiting.clone());
        if waiting.fetch_add(1, Ordering::Relaxed) >= limit {
            return Err(Error::unavailable("too many statements are waiting")
                .with_remedy("try again, or raise engine.max_waiting"));
        }
        Ok(joined)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
