//! A world with one source and one cache, and processes that feed it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::NaiveDate;
use ducksync_core::{
    Result,
    breaker::Breakers,
    dataset::{InvalidationMode, QueryCache, RefreshMethod, TtlAction},
    id::{DatasetId, OwnerId},
    name::Name,
    run::{RunReason, RunRequest, RunRequests, RunResult, RunStatus, RunTrigger},
    savings::{DayTally, Savings, SavingsStore},
    source::TypeOptions,
    time::{Clock, SystemClock},
};

use super::{
    process::Process,
    source::{OneSource, ScriptedSource},
    steps::Steps,
    storage::Storage,
    world::{World, WorldClock, pass},
};
use crate::{Feeds, FeedsConfig, Services};

/// What was spared is counted, and nobody asks for it here.
struct Unkept;

#[async_trait]
impl SavingsStore for Unkept {
    async fn add_savings(&self, _tallies: &[DayTally]) -> Result<()> {
        Ok(())
    }

    async fn savings(&self, _since: NaiveDate) -> Result<Vec<DayTally>> {
        Ok(Vec::new())
    }
}

/// A cache of `prod` in mode `auto`, without TTL.
pub(crate) fn cache() -> QueryCache {
    QueryCache {
        source: Name::parse("source", "prod").unwrap(),
        query: "SELECT n FROM orders".into(),
        monitor_tables: None,
        ttl: None,
        invalidation_mode: InvalidationMode::Auto,
        metadata_secret: None,
        ttl_action: TtlAction::Reload,
        refresh_method: RefreshMethod::Auto,
        named_tables: Vec::new(),
        plain_texts: Vec::new(),
        changes: None,
        refresh_every: None,
        types: TypeOptions::default(),
    }
}

/// Everything a test needs.
pub(crate) struct Bench {
    pub(crate) steps: Steps,
    pub(crate) world: Arc<World>,
    pub(crate) source: Arc<ScriptedSource>,
    pub(crate) storage: Storage,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) id: DatasetId,
}

impl Bench {
    /// A cache of that definition, never loaded, and no scheduler.
    pub(crate) fn new(cache: QueryCache) -> Self {
        Self::with(
            cache,
            FeedsConfig {
                schedule: false,
                ..FeedsConfig::default()
            },
        )
    }

    pub(crate) fn with(cache: QueryCache, config: FeedsConfig) -> Self {
        let steps = Steps::default();
        let world = World::new(steps.clone());
        let source = ScriptedSource::new(steps.clone());
        let storage = Storage::new(steps.clone());
        let id = world.define("sales", cache);
        let feeds = process(&world, &source, &storage, config).0;
        Self {
            steps,
            world,
            source,
            storage,
            feeds,
            id,
        }
    }

    /// Another process of the same catalog.
    pub(crate) fn another(&self) -> (Arc<Feeds>, OwnerId) {
        let config = FeedsConfig {
            schedule: false,
            ..FeedsConfig::default()
        };
        process(&self.world, &self.source, &self.storage, config)
    }

    /// Another process of the same catalog, with a scheduler.
    pub(crate) fn another_scheduling(&self) -> (Arc<Feeds>, OwnerId) {
        process(
            &self.world,
            &self.source,
            &self.storage,
            FeedsConfig::default(),
        )
    }

    /// What `refresh(cache)` asks.
    pub(crate) fn request(&self) -> RunRequest {
        RunRequest {
            dataset: self.id,
            trigger: RunTrigger::Manual,
            force: false,
            join_running: false,
            check: true,
            prove: false,
        }
    }

    /// What `refresh(cache, force := true)` asks.
    pub(crate) fn forced(&self) -> RunRequest {
        RunRequest {
            force: true,
            ..self.request()
        }
    }

    /// What a read of an expired cache asks.
    pub(crate) fn read_request(&self) -> RunRequest {
        RunRequest {
            trigger: RunTrigger::Read,
            join_running: true,
            check: false,
            prove: false,
            ..self.request()
        }
    }

    pub(crate) async fn run(&self, request: RunRequest) -> RunResult {
        self.feeds.bring_up_to_date(request).await.unwrap()
    }

    /// Asks in the background, and returns when the request is known to the feeds.
    pub(crate) async fn spawn(&self, request: RunRequest) -> tokio::task::JoinHandle<RunResult> {
        let feeds = self.feeds.clone();
        let task = tokio::spawn(async move { feeds.bring_up_to_date(request).await.unwrap() });
        tokio::task::yield_now().await;
        task
    }

    pub(crate) async fn refresh(&self) -> (RunStatus, Option<RunReason>) {
        let result = self.run(self.request()).await;
        (result.status, result.reason)
    }

    pub(crate) async fn read(&self) -> (RunStatus, Option<RunReason>) {
        let result = self.run(self.read_request()).await;
        (result.status, result.reason)
    }

    /// Loads statements so far.
    pub(crate) fn loads(&self) -> usize {
        self.steps.count("submit")
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        pass(Duration::from_secs(seconds)).await;
    }
}

fn process(
    world: &Arc<World>,
    source: &Arc<ScriptedSource>,
    storage: &Storage,
    config: FeedsConfig,
) -> (Arc<Feeds>, OwnerId) {
    let owner = OwnerId::generate();
    let process = Arc::new(Process {
        world: world.clone(),
        owner,
    });
    let services = Services {
        versions: process.clone(),
        publisher: process.clone(),
        datasets: process.clone(),
        ledger: process.clone(),
        claims: process.clone(),
        upkeep: process,
        sources: Arc::new(OneSource(source.clone())),
        stager: Arc::new(storage.clone()),
        files: Arc::new(storage.clone()),
        clock: Arc::new(WorldClock(world.clone())) as Arc<dyn Clock>,
        savings: Arc::new(Savings::new(Arc::new(Unkept), Arc::new(SystemClock))),
        breakers: Arc::new(Breakers::new(
            Duration::from_secs(5),
            Duration::from_secs(600),
        )),
    };
    (Arc::new(Feeds::start(config, services)), owner)
}
