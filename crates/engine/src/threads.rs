//! The engine's threads: the only place where a call may block (I-8).
//!
//! A pool runs at most as many jobs at once as it has threads; callers wait without blocking until
//! one is free, so nothing queues inside.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use ducksync_core::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

type Job = Box<dyn FnOnce() + Send>;

/// DuckDB transforms deep expressions recursively, and syntax trees of them are read so too.
const STACK_BYTES: usize = 16 << 20;
const IDLE: Duration = Duration::from_secs(30);

/// A bounded pool of threads that may block. Threads start on demand and end when idle.
#[derive(Clone)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

struct Shared {
    name: &'static str,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
}

/// The right to run one job.
pub(crate) struct Permit(
    #[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>,
);

impl Threads {
    /// A pool of at most `limit` threads.
    pub(crate) fn new(name: &'static str, limit: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                state: Mutex::default(),
                wake: Condvar::new(),
            }),
            permits: Arc::new(Semaphore::new(limit.max(1))),
        }
    }

    /// Waits for a free thread, in order of arrival.
    pub(crate) async fn permit(&self) -> Permit {
        // It fails only when closed, which never happens.
        Permit(self.permits.clone().acquire_owned().await.ok())
    }

    /// A free thread, if there is one now.
    pub(crate) fn try_permit(&self) -> Option<Permit> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(Permit(Some(permit)))
    }

    /// Runs `job` on a thread of its own; it gives the permit back when it ends.
    pub(crate) fn run(&self, permit: Permit, job: impl FnOnce() + Send + 'static) -> Result<()> {
        let job: Job = Box::new(move || {
            // A panic ends the job alone: whoever waits for it sees its channel closed.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a job of an engine thread panicked");
            }
            drop(permit);
        });
        let mut state = self.shared.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.shared.wake.notify_one();
            return Ok(());
        }
        drop(state);
        let shared = self.shared.clone();
        thread::Builder::new()
            .name(self.shared.name.into())
            .stack_size(STACK_BYTES)
            .spawn(move || shared.work())
            .map(drop)
            .map_err(|error| {
                Error::resource_exhausted("no thread could be started").with_source(error)
            })
    }

    /// Runs `job` on a thread and waits for what it yields. Dropping the future does not stop the
    /// job: only for what is short.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let permit = self.permit().await;
        self.run(permit, move || {
            sender.send(job()).ok();
        })?;
        receiver.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// What a caller is told whose job panicked.
pub(crate) fn lost() -> Error {
    Error::internal("an engine thread ended without an answer")
}

impl Shared {
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (woken, timeout) = self
                .wake
                .wait_timeout(state, IDLE)
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
