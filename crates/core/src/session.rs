//! What a statement carries with it: contract, options, and the answer's story.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    freshness::Freshness,
    id::{RunId, SnapshotId, StatementId},
    time::Instant,
};

/// Whether a copy may answer (V-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// By the dataset's policy.
    #[default]
    Cached,
    /// Check tokens now, refresh if changed.
    Fresh,
    /// The source only.
    Exact,
}

/// The freshness contract of one statement (V-1): hint over header over session option.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Contract {
    /// Whether a copy may answer.
    pub consistency: Consistency,
    /// The greatest age that may answer.
    pub max_staleness: Option<Duration>,
    /// No source contact.
    pub only_if_cached: bool,
    /// How old data may be that answers when the source fails; `None` = the server's default.
    pub stale_if_error: Option<Duration>,
    /// Read the lake as of this snapshot.
    pub snapshot: Option<SnapshotId>,
}

impl Contract {
    /// Sets one option by name: of a hint, a `ducksync-*` header or a session option.
    ///
    /// # Errors
    /// `InvalidArgument` naming the option and what it takes (V-4).
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let bad = |takes: &str| {
            Err(Error::invalid(format!("option {name} cannot be {value:?}"))
                .with_remedy(format!("give it {takes}")))
        };
        match name.to_ascii_lowercase().as_str() {
            "consistency" => match value.to_ascii_lowercase().as_str() {
                "cached" => self.consistency = Consistency::Cached,
                "fresh" => self.consistency = Consistency::Fresh,
                "exact" => self.consistency = Consistency::Exact,
                _ => return bad("cached, fresh or exact"),
            },
            "max_staleness" => match seconds(value) {
                Some(age) => self.max_staleness = Some(age),
                None => return bad("a number of seconds"),
            },
            "stale_if_error" => match seconds(value) {
                Some(age) => self.stale_if_error = Some(age),
                None => return bad("a number of seconds"),
            },
            "only_if_cached" => match value.to_ascii_lowercase().as_str() {
                "true" | "1" | "" => self.only_if_cached = true,
                "false" | "0" => self.only_if_cached = false,
                _ => return bad("true or false"),
            },
            "snapshot" => match value.parse() {
                Ok(id) => self.snapshot = Some(SnapshotId(id)),
                Err(_) => return bad("a snapshot id"),
            },
            _ => {
                return Err(Error::invalid(format!("option {name:?} is unknown")).with_remedy(
                    "use consistency, max_staleness, only_if_cached, stale_if_error or snapshot",
                ));
            }
        }
        Ok(())
    }
}

fn seconds(value: &str) -> Option<Duration> {
    let seconds: f64 = value.trim().parse().ok()?;
    (seconds >= 0.0)
        .then(|| Duration::try_from_secs_f64(seconds).ok())
        .flatten()
}

/// Where a statement is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// By the engine, on versions.
    Local,
    /// From the result cache.
    Result,
    /// By the source.
    Passthrough,
    /// By both.
    Mixed,
}

impl Route {
    /// The word as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Result => "result",
            Self::Passthrough => "passthrough",
            Self::Mixed => "mixed",
        }
    }
}

/// How caches took part in an answer (V-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CacheStatus {
    /// Copies answered, within the contract.
    Hit,
    /// A copy had to be loaded first.
    Miss,
    /// Copies answered that are older than they should be.
    Stale,
    /// Copies answered after a check of their source.
    Revalidated,
    /// No copy took part.
    Bypass,
}

impl CacheStatus {
    /// The word as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "HIT",
            Self::Miss => "MISS",
            Self::Stale => "STALE",
            Self::Revalidated => "REVALIDATED",
            Self::Bypass => "BYPASS",
        }
    }
}

/// The story of one answer (V-2): FlightInfo's `app_metadata` and `ducksync_last_result()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerMetadata {
    /// The execution.
    pub statement_id: StatementId,
    /// Where it was answered.
    pub route: Route,
    /// Which rule decided that, such as `V-5a`.
    pub rule: String,
    /// Why, for people.
    pub reason: String,
    /// How caches took part.
    pub cache_status: CacheStatus,
    /// The lake's snapshot it was bound to.
    pub snapshot_id: Option<SnapshotId>,
    /// The source's id of the statement.
    pub source_query_id: Option<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Each dataset that answered.
    pub datasets: Vec<DatasetAnswer>,
}

/// One dataset's part in an answer. Ages are of the time of the answer, never cached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetAnswer {
    /// `schema.table`.
    pub name: String,
    /// What feeds it, if anything.
    pub feed: Option<String>,
    /// The run that published the version.
    pub run_id: RunId,
    /// The snapshot that published the version.
    pub snapshot_id: SnapshotId,
    /// T of the version.
    pub data_timestamp: Option<Instant>,
    /// Its age.
    pub age_seconds: Option<f64>,
    /// How fresh it is.
    pub freshness: Freshness,
}
