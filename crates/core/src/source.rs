//! Sources: external systems that own the data.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    name::{Name, ObjectName},
    secret::Secret,
    stream::BatchStream,
    time::Instant,
    types::Fields,
};

/// A named external system.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceDefinition {
    /// Its name.
    pub name: Name,
    /// How it is spoken to.
    pub driver: Driver,
    /// The secret with its login.
    pub secret: Name,
    /// Whether statements may pass through to it.
    pub passthrough_enabled: bool,
    /// Settings of the driver.
    pub options: BTreeMap<String, serde_json::Value>,
    /// When it was added.
    pub created_at: Instant,
}

/// The drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Driver {
    /// Snowflake over its HTTP protocol.
    Snowflake,
}

impl Driver {
    /// Parses a driver's name.
    ///
    /// # Errors
    /// `InvalidArgument` listing the drivers.
    pub fn parse(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "snowflake" => Ok(Self::Snowflake),
            _ => Err(Error::invalid(format!("driver_type {text:?} is unknown"))
                .with_remedy("use snowflake")),
        }
    }

    /// The driver's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Snowflake => "snowflake",
        }
    }
}

/// An opaque value of a source object: equal = unchanged, unequal = assume changed. Never ordered,
/// never a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionToken(String);

impl VersionToken {
    /// Wraps what the source said; prefix it with the kind of token, so that tokens of two kinds are
    /// never equal.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to store it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How source types become lake types (S-10).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TypeOptions {
    /// `lossless` (default) or `double`.
    pub type_mapping: TypeMapping,
    /// Keeps the offset of TIMESTAMP_TZ in a column of its own.
    pub keep_offset: bool,
    /// What non-zero digits below microseconds do.
    pub sub_us: SubMicroseconds,
}

/// The column of S-10 that is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeMapping {
    /// Exact types.
    #[default]
    Lossless,
    /// Numbers as DOUBLE, semi-structured values as VARCHAR.
    Double,
}

/// What non-zero digits below microseconds do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubMicroseconds {
    /// The load fails with SCHEMA / PRECISION_LOSS.
    #[default]
    Fail,
    /// They are cut off.
    Truncate,
    /// The column becomes TIMESTAMP_NS.
    Ns,
}

/// Where and how a statement runs at the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceContext {
    /// Current database; `None` = the secret's.
    pub database: Option<String>,
    /// Current schema; `None` = the login's default.
    pub schema: Option<String>,
    /// Sent beside the text (Snowflake: QUERY_TAG), never in it.
    pub tag: Option<String>,
    /// How long it may run there.
    pub timeout: Option<Duration>,
    /// How its types become lake types.
    pub types: TypeOptions,
    /// The role it runs in; `None` = the secret's.
    pub role: Option<String>,
    /// Session parameters it runs with, by the source's names.
    pub parameters: BTreeMap<String, String>,
    /// Bytes of its result in flight, at most; `None` = the source's own setting.
    pub memory_budget: Option<u64>,
}

/// What of a statement's description is wanted: nothing else is asked of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// Columns and objects.
    Everything,
    /// The result's columns.
    Columns,
    /// The objects it reads.
    Objects,
}

/// What a source says of a statement without running it.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceDescription {
    /// The result's columns; none if they were not asked for.
    pub columns: Fields,
    /// Every object it reads, views expanded, as the source's own plan names them. May be less than
    /// what the text names (a plan can answer from metadata alone).
    pub objects: Vec<ObjectName>,
    /// Result columns of a text type that compares byte by byte at the source too: without collation,
    /// and no other type that only travels as text.
    pub plain_texts: Vec<String>,
    /// What the user should know, such as a type that becomes text.
    pub warnings: Vec<String>,
}

/// Which signal of change to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// The source's change token.
    ChangeToken,
    /// The time of last alteration, views expanded to base tables.
    LastAltered,
    /// Rows and bytes of a table, without a warehouse: a hint that proves nothing (C-7). An object that
    /// has none, such as a view, gives NULL. Its token is `fp:<rows>:<bytes>`.
    Fingerprint,
}

/// What a source says of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// The object.
    pub object: ObjectName,
    /// Its token; `None` = the source gave NULL.
    pub token: Option<VersionToken>,
    /// SHA-256 of its definition if it is a view.
    pub view_definition: Option<String>,
}

/// A statement that runs, or ran, at a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Submitted {
    /// The source's own id of it, for logs, runs and abort.
    pub query_id: String,
    /// The result's columns, of the same types on every route (G-13).
    pub columns: Fields,
    /// Rows of the result, if the source says.
    pub rows: Option<u64>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// An external system, logged in as one secret.
///
/// Dropping a future or a stream of it stops the work behind it at the source (I-6).
#[async_trait]
pub trait Source: Send + Sync {
    /// Describes one read-only statement; runs nothing that a warehouse is needed for.
    async fn describe(
        &self,
        sql: &str,
        context: &SourceContext,
        wanted: Aspect,
    ) -> Result<SourceDescription>;

    /// Reads one signal of every object, in as few statements as possible, put together with what is
    /// asked at the same time (C-9): one answer for each object, in their order. What the source
    /// refuses for one object is that object's error; an object that does not exist is one of class
    /// DEPENDENCY naming it, neither changed nor unchanged (C-8).
    async fn tokens(
        &self,
        objects: &[ObjectName],
        kind: TokenKind,
    ) -> Result<Vec<Result<ObjectState>>>;

    /// Runs a statement, once, and waits until its first rows can be fetched.
    async fn submit(&self, sql: &str, context: &SourceContext) -> Result<Submitted>;

    /// Streams a result from its beginning, in order, in bounded memory; its row count is checked.
    /// May be called again while the source keeps the result; never runs the statement again.
    async fn fetch(&self, query_id: &str, context: &SourceContext) -> Result<BatchStream>;

    /// Stops a statement. Not an error if it ended already.
    async fn abort(&self, query_id: &str) -> Result<()>;

    /// The names that a bare or partly qualified name of the statement can mean: folded as the source
    /// folds, completed with the session's database and schema.
    async fn resolve(&self, parts: &[SourcePart], context: &SourceContext) -> Result<ObjectName>;
}

/// One part of a name as written at a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePart {
    /// The text, without quotes.
    pub text: String,
    /// Whether it was quoted, and so keeps its case.
    pub quoted: bool,
}

/// Makes [`Source`]s from definitions; one per driver, known to the composition alone.
#[async_trait]
pub trait SourceFactory: Send + Sync {
    /// A source for that definition and secret; no contact is made yet.
    ///
    /// # Errors
    /// `InvalidArgument` naming the missing or unknown parameter of the secret or option.
    async fn open(&self, definition: &SourceDefinition, secret: &Secret)
    -> Result<Arc<dyn Source>>;
}

/// Finds the open source of a name; sources are opened on first use and again after a change of
/// definition or secret.
#[async_trait]
pub trait Sources: Send + Sync {
    /// The source of that name.
    ///
    /// # Errors
    /// `NotFound` if there is none, or as [`SourceFactory::open`].
    async fn source(&self, name: &Name) -> Result<Arc<dyn Source>>;

    /// The source of that name, logged in by another secret: for questions of metadata that need no
    /// warehouse (C-7).
    ///
    /// # Errors
    /// As [`Sources::source`]; `NotFound` if there is no such secret.
    async fn metadata(&self, name: &Name, secret: &Name) -> Result<Arc<dyn Source>>;
}
