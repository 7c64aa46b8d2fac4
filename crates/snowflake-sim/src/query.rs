//! Statements that clients sent: their state, their results, and how to stop them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use duckdb::{Connection, InterruptHandle};
use tokio::sync::watch;
use uuid::Uuid;

use crate::error::SqlError;
use crate::log::StatementStatus;
use crate::result::ResultSet;

/// How a statement ended.
pub(crate) type Outcome = Result<Arc<ResultSet>, SqlError>;

/// Stops a statement, wherever it is.
#[derive(Default)]
pub(crate) struct Interrupt {
    reason: Mutex<Option<SqlError>>,
    stopped: AtomicBool,
    handle: Mutex<Option<Arc<InterruptHandle>>>,
}

impl Interrupt {
    /// Called before DuckDB works on a connection for the statement.
    pub(crate) fn begin(&self, connection: &Connection) -> Result<(), SqlError> {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(connection.interrupt_handle());
        self.check()
    }

    /// The reason to stop, if there is one.
    pub(crate) fn check(&self) -> Result<(), SqlError> {
        if self.stopped.load(Ordering::SeqCst) {
            Err(self.reason())
        } else {
            Ok(())
        }
    }

    pub(crate) fn reason(&self) -> SqlError {
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .unwrap_or_else(SqlError::canceled)
    }

    fn stop(&self, reason: SqlError) {
        self.reason
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(reason);
        self.stopped.store(true, Ordering::SeqCst);
        self.nudge();
    }

    /// Interrupts whatever DuckDB does now; what has not begun yet is caught by [`Self::check`].
    fn nudge(&self) {
        if let Some(handle) = self
            .handle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
        {
            handle.interrupt();
        }
    }
}

/// One statement of a client.
pub(crate) struct Query {
    pub(crate) id: String,
    pub(crate) session_id: u64,
    pub(crate) request_id: String,
    pub(crate) sql: String,
    pub(crate) arrow: bool,
    pub(crate) started: Instant,
    pub(crate) interrupt: Interrupt,
    /// Whether somebody asked to stop it.
    stop: watch::Sender<bool>,
    outcome: watch::Sender<Option<Outcome>>,
    /// Tokens in the addresses of its chunks, and until when they work.
    signatures: Mutex<HashMap<String, Instant>>,
}

impl Query {
    /// Waits at most this long for the end; `None` means it is still running.
    pub(crate) async fn outcome(&self, wait: Duration) -> Option<Outcome> {
        let mut changes = self.outcome.subscribe();
        let ended = tokio::time::timeout(wait, changes.wait_for(Option::is_some)).await;
        ended
            .ok()
            .and_then(|seen| seen.ok().and_then(|outcome| outcome.clone()))
    }

    pub(crate) fn finished(&self) -> Option<Outcome> {
        self.outcome.borrow().clone()
    }

    pub(crate) fn end(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }

    /// Resolves when somebody asks to stop it.
    pub(crate) async fn stopped(&self) {
        let mut changes = self.stop.subscribe();
        if changes.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Asks it to stop, and repeats that until DuckDB has heard it.
    pub(crate) fn abort(self: &Arc<Self>, reason: SqlError) {
        if self.finished().is_some() {
            return;
        }
        self.interrupt.stop(reason);
        self.stop.send_replace(true);
        let query = self.clone();
        tokio::spawn(async move {
            while query.outcome(Duration::from_millis(20)).await.is_none() {
                query.interrupt.nudge();
            }
        });
    }

    pub(crate) fn status(&self) -> StatementStatus {
        match self.finished() {
            None => StatementStatus::Running,
            Some(Ok(_)) => StatementStatus::Success,
            Some(Err(error)) if error.is_canceled() => StatementStatus::Canceled,
            Some(Err(_)) => StatementStatus::Failed,
        }
    }

    /// Ends the validity of every chunk address of its result.
    pub(crate) fn expire_chunks(&self) {
        self.signatures().clear();
    }

    /// A fresh token for the addresses of the chunks.
    pub(crate) fn sign(&self, validity: Duration) -> String {
        let signature = Uuid::new_v4().simple().to_string();
        self.signatures()
            .insert(signature.clone(), Instant::now() + validity);
        signature
    }

    pub(crate) fn is_signed(&self, signature: &str) -> bool {
        self.signatures()
            .get(signature)
            .is_some_and(|until| *until > Instant::now())
    }

    fn signatures(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.signatures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Tables {
    by_id: HashMap<String, Arc<Query>>,
    by_request: HashMap<(u64, String), String>,
    order: VecDeque<String>,
}

/// All statements that are still known.
pub(crate) struct Queries {
    tables: Mutex<Tables>,
    next: AtomicU64,
    retained_bytes: usize,
}

impl Queries {
    pub(crate) fn new(retained_bytes: usize) -> Self {
        Self {
            tables: Mutex::default(),
            next: AtomicU64::new(1),
            retained_bytes,
        }
    }

    /// The statement of a request: a new one, or (`false`) the one that the same request made before.
    pub(crate) fn submit(
        &self,
        session_id: u64,
        request_id: &str,
        sql: &str,
        arrow: bool,
    ) -> (Arc<Query>, bool) {
        let mut tables = self.lock();
        let key = (session_id, request_id.to_owned());
        if let Some(known) = tables
            .by_request
            .get(&key)
            .and_then(|id| tables.by_id.get(id))
        {
            return (known.clone(), false);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!(
            "01{number:06x}-0000-{:04x}-0000-{:012x}",
            session_id & 0xffff,
            number
        );
        let query = Arc::new(Query {
            id: id.clone(),
            session_id,
            request_id: request_id.to_owned(),
            sql: sql.to_owned(),
            arrow,
            started: Instant::now(),
            interrupt: Interrupt::default(),
            stop: watch::Sender::new(false),
            outcome: watch::Sender::new(None),
            signatures: Mutex::default(),
        });
        tables.by_id.insert(id.clone(), query.clone());
        tables.by_request.insert(key, id.clone());
        tables.order.push_back(id);
        (query, true)
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Query>> {
        self.lock().by_id.get(id).cloned()
    }

    pub(crate) fn by_request(&self, session_id: u64, request_id: &str) -> Option<Arc<Query>> {
        let tables = self.lock();
        let id = tables
            .by_request
            .get(&(session_id, request_id.to_owned()))?;
        tables.by_id.get(id).cloned()
    }

    /// Forgets the oldest finished statements while the results are larger than they may be.
    pub(crate) fn evict(&self) {
        let mut tables = self.lock();
        let size = |query: &Arc<Query>| match query.finished() {
            Some(Ok(result)) => result.bytes(),
            _ => 0,
        };
        let mut bytes: usize = tables.by_id.values().map(size).sum();
        let mut at = 0;
        while bytes > self.retained_bytes && at + 1 < tables.order.len() {
            let oldest = tables
                .order
                .get(at)
                .and_then(|id| tables.by_id.get(id))
                .cloned();
            match oldest.filter(|query| query.finished().is_some()) {
                Some(query) => {
                    bytes -= size(&query).min(bytes);
                    tables.by_id.remove(&query.id);
                    tables
                        .by_request
                        .remove(&(query.session_id, query.request_id.clone()));
                    tables.order.remove(at);
                }
                None => at += 1,
            }
        }
    }

    /// Ends the validity of every chunk address.
    pub(crate) fn expire_chunks(&self) {
        for query in self.lock().by_id.values() {
            query.expire_chunks();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
