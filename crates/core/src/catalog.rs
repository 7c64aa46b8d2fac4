//! The catalog's seams: one database, Postgres or SQLite, that holds DuckLake's metadata and our
//! state, so that both commit together.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{
    change::{Publication, Published},
    command::{Init, SetupStorage},
    dataset::{Feed, Proof, Quarantine},
    error::Result,
    id::{ClaimToken, DatasetId, OwnerId, RunId, SnapshotId},
    name::{Name, TableName},
    run::{Run, RunCompletion, RunFailure, RunReason, RunTrigger},
    secret::Secret,
    source::SourceDefinition,
    time::Instant,
    version::Lake,
};

/// The versions a process knows (G-14).
#[async_trait]
pub trait Versions: Send + Sync {
    /// The newest state this process knows; never waits.
    fn current(&self) -> Arc<Lake>;

    /// Asks the catalog first: the state at least as new as this call.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer in time.
    async fn ask(&self) -> Result<Arc<Lake>>;

    /// The lake as an older snapshot shows it; definitions are today's.
    ///
    /// # Errors
    /// `NotFound` if that snapshot never was or has expired.
    async fn at(&self, snapshot: SnapshotId) -> Result<Arc<Lake>>;

    /// The newest snapshot that was committed at `time` or before.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    async fn snapshot_at(&self, time: Instant) -> Result<SnapshotId>;

    /// Tells of every newer state.
    fn subscribe(&self) -> watch::Receiver<Arc<Lake>>;

    /// The catalog's clock, by which everything is timed that processes compare (G-5, G-7).
    ///
    /// # Errors
    /// As [`Versions::ask`].
    async fn now(&self) -> Result<Instant>;
}

/// The one way in which the lake changes.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Commits a publication in one transaction, or nothing (G-4). When it returns, this process's
    /// [`Versions::current`] shows it. A commit of unknown outcome is resolved before this returns.
    ///
    /// # Errors
    /// `Conflict` if a head moved, a claim was lost or a foreign client changed a fed dataset;
    /// `AlreadyExists`, `NotFound` for names; `Unavailable` if the outcome cannot be learned or the
    /// catalog is down: the run's files must then stay.
    async fn publish(&self, publication: Publication) -> Result<Published>;

    /// Waits until every commit that was under way has ended, of any process: what is asked of the
    /// catalog afterwards shows it, and what was recorded before is seen by every later commit.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer in time.
    async fn settle(&self) -> Result<()>;
}

/// What moves of a dataset's state without a publish.
#[derive(Debug, Clone, PartialEq)]
pub enum StateChange {
    /// Automatic runs stop, by hand.
    Suspend,
    /// Automatic runs go on; ends a quarantine too, and forgets failures.
    Resume,
    /// Automatic runs stop, by the server.
    Quarantine(Quarantine),
    /// A check found the source unchanged: the proof moves, nothing else.
    Unchanged(Proof),
    /// A run failed.
    Failed(RunFailure),
}

/// Definitions of sources and datasets. Every method is one transaction and shows in
/// [`Versions::current`] of this process when it returns.
#[async_trait]
pub trait DatasetStore: Send + Sync {
    /// Stores a source; one of that name is replaced if `replace`.
    ///
    /// # Errors
    /// `AlreadyExists` if there is another of that name and not `replace`.
    async fn put_source(&self, source: SourceDefinition, replace: bool) -> Result<()>;

    /// Forgets a source.
    ///
    /// # Errors
    /// `NotFound`; `FailedPrecondition` naming the datasets that use it.
    async fn drop_source(&self, name: &Name) -> Result<()>;

    /// Defines a dataset that has no table yet.
    ///
    /// # Errors
    /// `AlreadyExists` if a dataset or a lake table has that name, ignoring case.
    async fn create(&self, id: DatasetId, name: TableName, feed: Feed) -> Result<()>;

    /// Replaces a definition; published data stays (C-14).
    async fn alter(&self, id: DatasetId, feed: Feed) -> Result<()>;

    /// Forgets a definition, voids its claim, and drops its table in the same transaction; with
    /// `keep_data` the table stays as a plain one.
    async fn forget(&self, id: DatasetId, keep_data: bool) -> Result<()>;

    /// Moves a dataset's state.
    async fn change_state(&self, id: DatasetId, change: StateChange) -> Result<()>;
}

/// Secrets, encrypted in the catalog with the key of `secret_key_file` (G-11).
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Stores a secret.
    ///
    /// # Errors
    /// `AlreadyExists` if there is one of that name and not `replace`.
    async fn put_secret(&self, name: &Name, secret: &Secret, replace: bool) -> Result<()>;

    /// The secret of that name.
    ///
    /// # Errors
    /// `NotFound`, or `FailedPrecondition` if the key does not open it.
    async fn secret(&self, name: &Name) -> Result<Secret>;

    /// Forgets a secret.
    ///
    /// # Errors
    /// `NotFound`; `FailedPrecondition` naming the sources that use it.
    async fn drop_secret(&self, name: &Name) -> Result<()>;
}

/// A run whose owner vanished, and where its files may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRun {
    /// The run, now `failed/WORKER_LOST` (or `completed`, if its publish was committed).
    pub run: RunId,
    /// The dataset.
    pub dataset: DatasetId,
    /// Prefixes of the files it may have staged.
    pub prefixes: Vec<String>,
}

/// The ledger of runs (G-12).
#[async_trait]
pub trait RunLedger: Send + Sync {
    /// Records a run as `running`, owned by this process.
    async fn begin(&self, run: RunId, dataset: DatasetId, trigger: RunTrigger) -> Result<()>;

    /// Records, before anything is written, where a run stages files (G-4), and what is known of it.
    async fn record_staging(
        &self,
        run: RunId,
        prefix: &str,
        reason: Option<RunReason>,
    ) -> Result<()>;

    /// Records the end of a run that did not publish. A run that has ended already stays as it is (it
    /// may have published although nobody heard of it), and one ended here can no longer publish.
    async fn finish(&self, run: RunId, completion: RunCompletion) -> Result<()>;

    /// A run.
    ///
    /// # Errors
    /// `NotFound`.
    async fn run(&self, run: RunId) -> Result<Run>;

    /// Runs of a dataset (of all without one), newest first.
    async fn history(&self, dataset: Option<DatasetId>, limit: u32) -> Result<Vec<Run>>;

    /// Forgets where a run staged files: they are deleted, or named by a snapshot.
    async fn forget_staging(&self, run: RunId) -> Result<()>;
}

/// How a try to claim a dataset ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// This process may run the dataset.
    Held(ClaimToken),
    /// Another run has it; `OwnerId` names its process.
    Busy(OwnerId, RunId),
}

/// Exclusive, expiring rights to run datasets, on the catalog's clock (G-5). All claims of a process
/// end at once with it.
#[async_trait]
pub trait ClaimStore: Send + Sync {
    /// Claims a dataset for a run of this process. A claim of a dead process is taken over; claiming
    /// again for the same run is the same claim, so an unanswered call may be repeated.
    async fn claim(&self, dataset: DatasetId, run: RunId) -> Result<ClaimOutcome>;

    /// Keeps all claims of this process for another `claim_expiry`; returns those that were lost.
    async fn heartbeat(&self) -> Result<Vec<DatasetId>>;

    /// Gives a claim back.
    async fn release(&self, dataset: DatasetId, token: ClaimToken) -> Result<()>;

    /// Ends claims and runs whose owner is gone, and names all ended runs with staged files left.
    async fn reap(&self) -> Result<Vec<DeadRun>>;
}

/// A snapshot as `snapshots()` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its id.
    pub id: SnapshotId,
    /// When it was committed.
    pub time: Instant,
    /// Tables it changed, as `schema.table`.
    pub tables: Vec<String>,
    /// The run that made it, if it was one of ours.
    pub run: Option<RunId>,
}

/// The lake's upkeep (O-8).
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Snapshots, newest first.
    async fn snapshots(&self, dataset: Option<DatasetId>, limit: u32) -> Result<Vec<SnapshotInfo>>;

    /// Expires snapshots older than `older_than`, never the newest and none of `held`; schedules the
    /// files that no snapshot names any more. Returns the number of expired snapshots.
    async fn expire(&self, older_than: Duration, held: &[SnapshotId]) -> Result<u64>;

    /// Files scheduled for deletion at least `scheduled_for` ago.
    async fn deletable(&self, scheduled_for: Duration, limit: u32) -> Result<Vec<String>>;

    /// Forgets files that are deleted.
    async fn forget_deleted(&self, locations: &[String]) -> Result<()>;
}

/// Moving the catalog and the data elsewhere (C-2).
#[async_trait]
pub trait StorageMoves: Send + Sync {
    /// Checks the new place, copies our state there, leaves a pointer behind and reopens on it. The
    /// same place again does nothing.
    ///
    /// # Errors
    /// `FailedPrecondition` while datasets exist, or naming what is wrong with the new place.
    async fn setup(&self, arguments: SetupStorage) -> Result<()>;

    /// Adopts a DuckLake that stands in the catalog database.
    ///
    /// # Errors
    /// `FailedPrecondition` while we have a lake of our own, or for another format version.
    async fn init(&self, arguments: Init) -> Result<()>;
}
