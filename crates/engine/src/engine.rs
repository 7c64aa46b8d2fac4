//! The engine: two DuckDB instances, their threads, and how a broken one is replaced.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::{array::AsArray, datatypes::Int64Type};
use ducksync_core::{Error, Result};
use tokio::runtime::Handle;

use crate::{
    admission::Admission,
    config::EngineConfig,
    duck::library_version,
    files::Files,
    instance::{Instance, Role},
    relations::Naming,
    threads::Threads,
};

/// Threads for what is short: parsing, describing, probing.
const SHORT_THREADS: usize = 8;
/// Threads that wait for the disk.
const FILE_THREADS: usize = 8;

/// DuckDB in its two roles. Answers statements ([`QueryEngine`]) and writes files ([`Stager`]).
///
/// [`QueryEngine`]: ducksync_core::engine::QueryEngine
/// [`Stager`]: ducksync_core::engine::Stager
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// What the engine's jobs hold on to.
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) files: Arc<Files>,
    pub(crate) naming: Naming,
    pub(crate) admission: Admission,
    pub(crate) serving_threads: Threads,
    pub(crate) loading_threads: Threads,
    pub(crate) runtime: Handle,
    short_threads: Threads,
    serving: Mutex<Option<Arc<Instance>>>,
    loading: Mutex<Option<Arc<Instance>>>,
}

impl Engine {
    /// Client statements that wait for room.
    pub fn waiting(&self) -> usize {
        self.shared.admission.waiting()
    }

    /// Opens both instances. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `FailedPrecondition` naming the setting or the file that is missing or wrong.
    pub async fn open(config: EngineConfig) -> Result<Arc<Self>> {
        let files = Arc::new(Files::new(&config, Threads::new("files", FILE_THREADS))?);
        let serving_threads = Threads::new("serving", config.max_running);
        let shared = Arc::new(Shared {
            files,
            naming: Naming::new(),
            admission: Admission::new(
                serving_threads.clone(),
                config.max_waiting,
                config.queue_wait,
            ),
            serving_threads,
            loading_threads: Threads::new("loading", config.loading.max_running),
            short_threads: Threads::new("short", SHORT_THREADS),
            runtime: Handle::current(),
            serving: Mutex::default(),
            loading: Mutex::default(),
            config,
        });
        let opening = shared.clone();
        shared
            .short_threads
            .call(move || {
                opening.serving()?;
                opening.loading().map(drop)
            })
            .await?;
        Ok(Arc::new(Self { shared }))
    }

    /// The lake's files.
    pub fn files(&self) -> Arc<Files> {
        self.shared.files.clone()
    }

    /// Statements and stagings that run now, those with a slow reader included.
    pub fn running(&self) -> usize {
        [&self.shared.serving, &self.shared.loading]
            .iter()
            .filter_map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).clone())
            .map(|instance| instance.running())
            .sum()
    }

    /// Bytes that DuckDB's buffers of both instances hold now.
    ///
    /// # Errors
    /// As [`ducksync_core::engine::QueryEngine::probe`].
    pub async fn memory_bytes(&self) -> Result<u64> {
        let shared = self.shared.clone();
        self.shared
            .short_threads
            .call(move || Ok(memory(&*shared.serving()?)? + memory(&*shared.loading()?)?))
            .await
    }

    /// The version of the linked DuckDB, such as `v1.5.5`.
    pub fn version(&self) -> String {
        library_version()
    }

    /// Treats the serving instance as broken: statements in flight end with `Unavailable`, the next
    /// one is answered by a fresh instance (I-11). For operators and tests.
    pub fn declare_broken(&self) {
        let serving = self.shared.serving.lock();
        let serving = serving.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(instance) = serving {
            instance.break_up();
        }
    }

    /// Runs something short on the serving instance.
    pub(crate) async fn on_serving<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Instance) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let shared = self.shared.clone();
        self.shared
            .short_threads
            .call(move || job(&*shared.serving()?))
            .await
    }
}

impl Drop for Engine {
    /// Closing DuckDB may block, so it happens on a thread of its own, when the last job has ended.
    fn drop(&mut self) {
        let take = |slot: &Mutex<Option<Arc<Instance>>>| {
            slot.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        let instances = (take(&self.shared.serving), take(&self.shared.loading));
        let closing = std::thread::Builder::new().name("closing".into());
        if let Err(error) = closing.spawn(move || drop(instances)) {
            tracing::debug!(%error, "duckdb is closed on the caller's thread");
        }
    }
}

impl Shared {
    /// The serving instance; a fresh one if it is broken. May block.
    pub(crate) fn serving(&self) -> Result<Arc<Instance>> {
        self.instance(&self.serving, Role::Serving)
    }

    /// The loading instance; a fresh one if it is broken. May block.
    pub(crate) fn loading(&self) -> Result<Arc<Instance>> {
        self.instance(&self.loading, Role::Loading)
    }

    fn instance(&self, slot: &Mutex<Option<Arc<Instance>>>, role: Role) -> Result<Arc<Instance>> {
        // Held while an instance is opened: others who need it wait for it.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(instance) = slot.as_ref().filter(|instance| !instance.is_broken()) {
            return Ok(instance.clone());
        }
        *slot = None;
        let instance = Instance::open(role, &self.config, &self.files)?;
        *slot = Some(instance.clone());
        Ok(instance)
    }
}

fn memory(instance: &Instance) -> Result<u64> {
    instance.with_session("UTC", |connection| {
        let chunk = connection
            .query("SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()")
            .and_then(|mut rows| rows.next())
            .map_err(|error| error.into_error("engine.memory_limit"))?
            .ok_or_else(|| Error::internal("duckdb did not tell its memory"))?;
        let bytes = chunk.column(0).as_primitive::<Int64Type>().value(0);
        Ok(bytes.unsigned_abs())
    })
}
