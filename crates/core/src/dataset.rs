//! Datasets: what they are fed by, and how they stand.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    id::{ClaimToken, DatasetId, RunId, Seq, SnapshotId},
    name::{Name, ObjectName, TableName},
    run::RunFailure,
    source::{TokenKind, TypeOptions, VersionToken},
    time::Instant,
};

/// A lake table and its state, as the catalog holds them.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Its permanent identity.
    pub id: DatasetId,
    /// Where it lives in the lake; also for a cache that has no table yet.
    pub name: TableName,
    /// What feeds it; `None` = a plain lake table.
    pub feed: Option<Feed>,
    /// When it was defined.
    pub created_at: Instant,
    /// Its checkpoint; `None` = never published.
    pub head: Option<Head>,
    /// What is known of its sources; moves also without a publish, by proof of "unchanged".
    pub proof: Option<Proof>,
    /// Whether its automatic runs are stopped by hand.
    pub suspended: bool,
    /// Why its automatic runs are stopped by the server.
    pub quarantine: Option<Quarantine>,
    /// Runs that failed since the last that did not.
    pub failures_in_a_row: u32,
    /// The last failure, until a run succeeds.
    pub last_failure: Option<RunFailure>,
    /// Publishes so far.
    pub refresh_count: i64,
    /// How long the last publishing run took.
    pub last_duration_ms: Option<f64>,
}

impl Dataset {
    /// The cache definition, if a query cache feeds it.
    pub fn query_cache(&self) -> Option<&QueryCache> {
        match &self.feed {
            Some(Feed::QueryCache(cache)) => Some(cache),
            None => None,
        }
    }
}

/// How a dataset is fed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "feed", rename_all = "snake_case")]
pub enum Feed {
    /// A copy of a source query's result.
    QueryCache(QueryCache),
}

impl Feed {
    /// The feed's name in SPEC's vocabulary.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::QueryCache(_) => "query_cache",
        }
    }

    /// SHA-256 of what decides the dataset's content: a change of it makes a published version
    /// outdated (C-5).
    pub fn definition_hash(&self) -> String {
        match self {
            Self::QueryCache(cache) => cache.definition_hash(),
        }
    }
}

/// How a cache learns that its source changed (C-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvalidationMode {
    /// Per object the change token, else `last_altered`, else a TTL is required.
    Auto,
    /// `SYSTEM$LAST_CHANGE_COMMIT_TIME` of every monitored object.
    ChangeToken,
    /// `information_schema.tables.last_altered`.
    LastAltered,
    /// A cheap first check, a sure second one.
    TwoStage,
    /// Only the TTL.
    TtlOnly,
    /// Only by hand, with force.
    Manual,
}

/// What the end of a TTL does (C-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TtlAction {
    /// Loads again.
    Reload,
    /// Loads again only if tokens differ.
    Revalidate,
}

/// How new data is brought in (C-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshMethod {
    /// By changes where possible, else full.
    Auto,
    /// The whole result.
    Full,
    /// The source's change feed.
    Changes,
}

macro_rules! keyword {
    ($type:ident, $what:literal, $($variant:ident => $text:literal),+ $(,)?) => {
        impl $type {
            /// Parses the keyword.
            ///
            /// # Errors
            /// `InvalidArgument` naming the argument and listing what is allowed.
            pub fn parse(text: &str) -> Result<Self> {
                match text.to_ascii_lowercase().as_str() {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(Error::invalid(format!("{} {text:?} is unknown", $what))
                        .with_remedy(concat!("use one of" $(, " ", $text)+))),
                }
            }

            /// The keyword.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

keyword!(InvalidationMode, "invalidation_mode",
    Auto => "auto", ChangeToken => "change_token", LastAltered => "last_altered",
    TwoStage => "two_stage", TtlOnly => "ttl_only", Manual => "manual");
keyword!(TtlAction, "ttl_action", Reload => "reload", Revalidate => "revalidate");
keyword!(RefreshMethod, "refresh_method", Auto => "auto", Full => "full", Changes => "changes");

/// The definition of a query cache (C-1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryCache {
    /// The source it reads.
    pub source: Name,
    /// One read-only statement in the source's dialect, unchanged as the user gave it.
    pub query: String,
    /// Objects to watch, in the source's exact names; `None` = discovered (C-10).
    pub monitor_tables: Option<Vec<ObjectName>>,
    /// Tables and views that the query's text names, in exact names, found when it was defined; they
    /// are watched with those of the source's plan, which can answer from metadata alone and then
    /// names none (C-10).
    #[serde(default)]
    pub named_tables: Vec<ObjectName>,
    /// Columns whose texts compare here as at the source (V-5); found when it was defined. Others may be
    /// handed on for the source, but not compared or ordered.
    #[serde(default)]
    pub plain_texts: Vec<String>,
    /// Life of a load; `None` = for ever.
    pub ttl: Option<Duration>,
    /// How it learns of changes.
    pub invalidation_mode: InvalidationMode,
    /// A login without warehouse for the first stage of `two_stage`.
    pub metadata_secret: Option<Name>,
    /// What the end of the TTL does.
    pub ttl_action: TtlAction,
    /// How new data is brought in.
    pub refresh_method: RefreshMethod,
    /// How often it is checked in the background; `None` = only when read expired, and by hand.
    pub refresh_every: Option<Duration>,
    /// How source types become lake types (S-10).
    pub types: TypeOptions,
    /// How the changes of its rows are asked for; `None` = they cannot be (C-11).
    #[serde(default)]
    pub changes: Option<ChangeQuery>,
}

/// A query that only filters and projects one table, taken apart around the table's name, so that the
/// same filter and projection can be asked of the table's changes (C-11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeQuery {
    /// The table's name, as written.
    pub table: String,
    /// The text before it; yields the column [`CHANGE_ACTION`] too.
    pub before: String,
    /// The text behind it.
    pub after: String,
}

/// The column that says whether a change is an `INSERT` or a `DELETE`.
pub const CHANGE_ACTION: &str = "METADATA$ACTION";

impl ChangeQuery {
    /// The statement that yields what changed since the statement `since`.
    pub fn sql(&self, since: &str) -> String {
        let Self {
            table,
            before,
            after,
        } = self;
        let since = since.replace('\'', "''");
        format!(
            "{before}{table} CHANGES (INFORMATION => DEFAULT) AT (STATEMENT => '{since}'){after}"
        )
    }
}

impl QueryCache {
    /// SHA-256 of source, query and type options: what decides the rows.
    pub fn definition_hash(&self) -> String {
        let content = (self.source.folded(), &self.query, &self.types);
        let json = serde_json::to_vec(&content).unwrap_or_default();
        hex(&Sha256::digest(json))
    }
}

/// The checkpoint of a dataset: one row, replaced by each publish (G-4).
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// Grows with each publish of rows or columns.
    pub seq: Seq,
    /// The run that published.
    pub run: RunId,
    /// The claim it held.
    pub claim: Option<ClaimToken>,
    /// The definition it loaded.
    pub definition_hash: Option<String>,
    /// Rows published.
    pub rows: i64,
    /// The snapshot it made.
    pub snapshot: SnapshotId,
    /// When it committed.
    pub published_at: Instant,
}

/// What a publish says of its sources; becomes the head's hash and the proof.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The definition that was loaded.
    pub definition_hash: String,
    /// What the sources looked like before the load (G-7).
    pub proof: Proof,
}

/// What is known of a dataset's sources, and since when.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Tokens read before the data they vouch for; empty in modes without tokens.
    pub tokens: SourceState,
    /// T: the dataset provably reflects all its sources had committed then; the catalog's clock
    /// just before the token statement was sent.
    pub data_timestamp: Instant,
    /// When the sources were last asked.
    pub checked_at: Instant,
    /// End of the TTL; `None` = never.
    pub expires_at: Option<Instant>,
}

/// Version tokens of all objects of a dataset, and what else a check compares (C-8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceState {
    /// One entry for each object, sorted; a NULL token equals nothing, not even itself.
    pub tokens: BTreeMap<String, Option<VersionToken>>,
    /// Definition hash of each view among them, by the same names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub view_definitions: BTreeMap<String, String>,
    /// What the first stage of mode `two_stage` saw. It is no part of the hash: it proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_stage: Option<FirstStage>,
    /// The statement that read the data, of which the source knows the point in time; no part of the
    /// hash either. `None` where changes since then are of no use (C-11).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_by: Option<String>,
    /// Until when changes are not asked for, because the source refused them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_changes_until: Option<Instant>,
}

/// The signals of the first stage of `two_stage`, and since when they stand for sure ones (C-7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstStage {
    /// Which signal it is: the change token, or a fingerprint where that needs a warehouse.
    pub kind: TokenKind,
    /// One for each object, by the names of [`SourceState::tokens`].
    pub signals: BTreeMap<String, Option<VersionToken>>,
    /// When the second stage was last asked.
    pub confirmed_at: Instant,
}

impl FirstStage {
    /// Whether the signals are those of `earlier`, none of them NULL.
    pub fn agrees_with(&self, earlier: &Self) -> bool {
        self.kind == earlier.kind
            && !self.signals.is_empty()
            && self.signals.values().all(Option::is_some)
            && self.signals == earlier.signals
    }
}

impl SourceState {
    /// Whether nothing changed between `earlier` and this: the same objects, no NULL token, equal
    /// tokens and equal view definitions.
    pub fn unchanged_since(&self, earlier: &Self) -> bool {
        !self.tokens.is_empty()
            && self.tokens.values().all(Option::is_some)
            && self.tokens == earlier.tokens
            && self.view_definitions == earlier.view_definitions
    }

    /// SHA-256 of the canonical JSON: `source_state_hash`.
    pub fn hash(&self) -> String {
        let vouched = Self {
            first_stage: None,
            read_by: None,
            no_changes_until: None,
            ..self.clone()
        };
        hex(&Sha256::digest(
            serde_json::to_vec(&vouched).unwrap_or_default(),
        ))
    }
}

/// Why a dataset's automatic runs are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when.
    pub since: Instant,
    /// What happened and what to do.
    pub reason: String,
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(tokens: &[(&str, Option<&str>)]) -> SourceState {
        SourceState {
            tokens: tokens
                .iter()
                .map(|(k, v)| ((*k).to_owned(), v.map(VersionToken::new)))
                .collect(),
            ..SourceState::default()
        }
    }

    #[test]
    fn c8_a_null_token_equals_nothing() {
        let known = state(&[("A", Some("1")), ("B", Some("2"))]);
        assert!(known.unchanged_since(&known.clone()));
        let null = state(&[("A", Some("1")), ("B", None)]);
        assert!(!null.unchanged_since(&null.clone()));
        assert!(
            !state(&[]).unchanged_since(&state(&[])),
            "no token proves nothing"
        );
        assert!(
            !known.unchanged_since(&state(&[("A", Some("1"))])),
            "the set of objects counts"
        );
    }

    #[test]
    fn c8_the_hash_does_not_depend_on_the_order_of_reading() {
        let one = state(&[("A", Some("1")), ("B", Some("2"))]);
        let other = state(&[("B", Some("2")), ("A", Some("1"))]);
        assert_eq!(one.hash(), other.hash());
        assert_ne!(one.hash(), state(&[("A", Some("1"))]).hash());
    }
}
