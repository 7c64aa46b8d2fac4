//! Runs: one effort to bring a dataset up to date, recorded (G-12).

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, FailureClass, Result},
    id::{DatasetId, OwnerId, RunId, SnapshotId},
    time::Instant,
};

macro_rules! stored_keyword {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $type {
            /// The word as it is stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Reads the stored word.
            ///
            /// # Errors
            /// `DataLoss` if it is none of ours.
            pub fn parse(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(Error::data_loss(format!(
                        concat!("stored ", stringify!($type), " {:?} is unknown"), text))),
                }
            }
        }
    };
}

stored_keyword! {
    /// How a run stands.
    RunStatus {
        /// Waits for its turn.
        Pending => "pending",
        /// At work.
        Running => "running",
        /// Published, or proved unchanged after reading.
        Completed => "completed",
        /// Ended with an error; old data stays.
        Failed => "failed",
        /// Nothing needed doing.
        Skipped => "skipped",
        /// Stopped because nobody waited any more, or by hand.
        Cancelled => "cancelled",
    }
}

stored_keyword! {
    /// What started a run.
    RunTrigger {
        /// The first load.
        Initial => "INITIAL",
        /// `refresh_every`.
        Scheduled => "SCHEDULED",
        /// A call of `refresh`.
        Manual => "MANUAL",
        /// A read that needed newer data.
        Read => "READ",
        /// Another try after a failure.
        Retry => "RETRY",
        /// A client's own statement on a plain table.
        Client => "CLIENT",
    }
}

stored_keyword! {
    /// Why a run loaded, or did not (C-5).
    RunReason {
        /// The caller forced it.
        Forced => "FORCED",
        /// Suspended by hand.
        Suspended => "SUSPENDED",
        /// Quarantined by the server.
        Quarantined => "QUARANTINED",
        /// Mode `manual` without force.
        ManualMode => "MANUAL",
        /// Never published.
        Initial => "INITIAL",
        /// The definition changed since the last publish.
        DefinitionChanged => "DEFINITION_CHANGED",
        /// The TTL is over.
        TtlExpired => "TTL_EXPIRED",
        /// Mode `ttl_only` within its TTL.
        Fresh => "FRESH",
        /// Tokens differ.
        SourceChanged => "SOURCE_CHANGED",
        /// Tokens are equal.
        SourceUnchanged => "SOURCE_UNCHANGED",
        /// Proof of "unchanged" was asked for, and there is none to be had.
        Unprovable => "UNPROVABLE",
        /// Rows and bytes are as they were: a hint, no proof (C-7).
        FingerprintUnchanged => "FINGERPRINT_UNCHANGED",
    }
}

/// How a failed run reads (G-9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// Whose fault it is.
    pub class: FailureClass,
    /// A stable word, such as `WORKER_LOST`, `PRECISION_LOSS` or a source's own code.
    pub code: String,
    /// What was tried and what went wrong.
    pub message: String,
    /// Whether another try may succeed.
    pub retryable: bool,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl From<&Error> for RunFailure {
    fn from(error: &Error) -> Self {
        let class = error.class();
        Self {
            class,
            code: error
                .reason()
                .map_or(class.as_str(), |reason| reason.as_str())
                .to_owned(),
            message: error.message().to_owned(),
            retryable: class.retryable(),
            remedy: error.remedy().map(str::to_owned),
        }
    }
}

/// A run as the ledger holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its identity, and that of the version it publishes.
    pub id: RunId,
    /// The dataset.
    pub dataset: DatasetId,
    /// How it stands.
    pub status: RunStatus,
    /// What started it.
    pub trigger: RunTrigger,
    /// Why it loaded or skipped, once that is known.
    pub reason: Option<RunReason>,
    /// The process that runs it.
    pub owner: OwnerId,
    /// When it was started.
    pub started_at: Instant,
    /// When it ended.
    pub completed_at: Option<Instant>,
    /// Tries so far, the first included.
    pub attempts: u32,
    /// What it did.
    pub outcome: RunOutcome,
    /// Why it failed.
    pub failure: Option<RunFailure>,
}

/// What a run did; grows while it runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunOutcome {
    /// Rows published; `None` unless it published.
    pub rows: Option<i64>,
    /// Bytes of the files published.
    pub bytes: Option<i64>,
    /// T of the data (G-7).
    pub data_timestamp: Option<Instant>,
    /// The snapshot it made.
    pub snapshot: Option<SnapshotId>,
    /// Statements it ran at the source.
    pub source_query_ids: Vec<String>,
    /// What else is worth knowing, such as why the whole was loaded instead of changes (C-11).
    pub note: Option<String>,
}

/// How a run record reads after it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunCompletion {
    /// `Completed`, `Failed`, `Skipped` or `Cancelled`.
    pub status: RunStatus,
    /// Why it loaded or skipped.
    pub reason: Option<RunReason>,
    /// Tries.
    pub attempts: u32,
    /// What it did; a publish fills in the snapshot.
    pub outcome: RunOutcome,
    /// Why it failed.
    pub failure: Option<RunFailure>,
}

/// What a caller asks of a run (G-6).
#[derive(Debug, Clone, PartialEq)]
pub struct RunRequest {
    /// The dataset.
    pub dataset: DatasetId,
    /// What started it.
    pub trigger: RunTrigger,
    /// Loads whatever the checks say.
    pub force: bool,
    /// Whether data whose reading began before this request may satisfy it: a read within its
    /// contract says yes; `refresh`, `force` and `fresh` say no.
    pub join_running: bool,
    /// Checks tokens although the TTL is not over: `refresh` and `fresh`.
    pub check: bool,
    /// Whether only a proof will do, and no hint: `fresh`, and `max_staleness` that the data exceeds.
    pub prove: bool,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq)]
pub struct RunResult {
    /// The run; `None` if nothing was recorded (nothing was due).
    pub run: Option<RunId>,
    /// `Completed`, `Skipped`, `Failed` or `Cancelled`.
    pub status: RunStatus,
    /// Why it loaded or skipped.
    pub reason: Option<RunReason>,
    /// What it did.
    pub outcome: RunOutcome,
    /// Why it failed.
    pub failure: Option<RunFailure>,
    /// How long the caller's run took.
    pub duration: Duration,
}

/// "Bring this dataset up to date": implemented by the feeds, called by statements.
#[async_trait]
pub trait RunRequests: Send + Sync {
    /// Joins or starts a run and waits for its end. A caller that drops the future leaves; the run
    /// stops only if nobody waits and nothing scheduled it (G-6).
    ///
    /// # Errors
    /// Bad requests only (no such dataset, catalog down): a failed run is an `Ok` with `Failed`.
    async fn bring_up_to_date(&self, request: RunRequest) -> Result<RunResult>;

    /// Starts a run, or joins one, and returns its id without waiting.
    ///
    /// # Errors
    /// As [`RunRequests::bring_up_to_date`].
    async fn start(&self, request: RunRequest) -> Result<RunId>;

    /// Whether a run would load now, and why; contacts the source for tokens only, loads nothing.
    ///
    /// # Errors
    /// As the check of a run would end.
    async fn needs_refresh(&self, dataset: DatasetId) -> Result<(bool, RunReason)>;

    /// Stops the dataset's run if there is one and waits until it ended.
    async fn cancel(&self, dataset: DatasetId);
}
