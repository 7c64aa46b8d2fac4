//! Equal statements that are on their way to a source share one execution there (V-14).
//!
//! Only the statement is shared: each reader then pulls the result that the source keeps, at its own pace,
//! so that none waits for a slower one and nothing is buffered here. A statement that has answered is not
//! joined any more: who comes later asks anew, and sees what was committed meanwhile.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use ducksync_core::{
    Error, Result,
    breaker::Breakers,
    name::Name,
    source::{Source, SourceContext, Submitted, TypeOptions},
    time::Clock,
};
use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

/// What two statements must have in common to be one (V-10): everything that may change their answer,
/// and who may see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    source: Name,
    sql: String,
    database: Option<String>,
    schema: Option<String>,
    role: Option<String>,
    parameters: BTreeMap<String, String>,
    types: TypeOptions,
    roles: Vec<String>,
}

impl Key {
    pub(super) fn new(source: &Name, sql: &str, context: &SourceContext, roles: &[String]) -> Self {
        let mut roles = roles.to_vec();
        roles.sort();
        Self {
            source: source.clone(),
            sql: sql.to_owned(),
            database: context.database.clone(),
            schema: context.schema.clone(),
            role: context.role.clone(),
            parameters: context.parameters.clone(),
            types: context.types.clone(),
            roles,
        }
    }
}

type Outcome = std::result::Result<Arc<Submitted>, Arc<Error>>;
type Submitting = BoxFuture<'static, Outcome>;

/// Statements that are on their way to sources.
#[derive(Default)]
pub(crate) struct InFlight {
    statements: Mutex<HashMap<Key, WeakShared<Submitting>>>,
    counts: Arc<SharingCounts>,
}

/// Statements that wait for sources, and those that shared another's.
#[derive(Debug, Default)]
pub struct SharingCounts {
    /// Those that wait now.
    pub waiting: AtomicU64,
    /// Those that joined an equal one.
    pub shared: AtomicU64,
}

/// One statement that waits; it is counted as long as this lives.
struct Waiting(Arc<SharingCounts>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

impl InFlight {
    /// Submits a statement, or joins an equal one that is on its way. It is aborted at the source when
    /// the last who waits for it has left.
    ///
    /// # Errors
    /// The statement's own, the same for all who share it; `Unavailable` while the source's breaker is
    /// open.
    pub(super) async fn submit(
        &self,
        key: Key,
        source: Arc<dyn Source>,
        context: SourceContext,
        breakers: &Arc<Breakers>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Arc<Submitted>> {
        let submitting = self.join(key, |key| {
            breakers.require(&key.source, clock.now())?;
            let (breakers, clock) = (breakers.clone(), clock.clone());
            Ok(async move {
                let submitted = source.submit(&key.sql, &context).await;
                breakers.note(&key.source, &submitted, clock.now());
                submitted.map(Arc::new).map_err(Arc::new)
            }
            .boxed())
        })?;
        self.counts.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(self.counts.clone());
        submitting.await.map_err(|error| error.duplicate())
    }

    /// What was counted so far, for metrics.
    pub(crate) fn counts(&self) -> Arc<SharingCounts> {
        self.counts.clone()
    }

    fn join(
        &self,
        key: Key,
        start: impl FnOnce(Key) -> Result<Submitting>,
    ) -> Result<Shared<Submitting>> {
        let mut statements = self.lock();
        let under_way =
            |weak: &WeakShared<Submitting>| weak.upgrade().filter(|shared| shared.peek().is_none());
        statements.retain(|_, weak| under_way(weak).is_some());
        if let Some(shared) = statements.get(&key).and_then(under_way) {
            self.counts.shared.fetch_add(1, Relaxed);
            return Ok(shared);
        }
        let shared = start(key.clone())?.shared();
        if let Some(weak) = shared.downgrade() {
            statements.insert(key, weak);
        }
        Ok(shared)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, WeakShared<Submitting>>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
