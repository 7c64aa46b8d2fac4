//! The engine's seams: answering statements on versions, and writing Parquet files.

use std::{sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use async_trait::async_trait;

use crate::{
    change::{StagedDeletes, StagedFile},
    error::Result,
    id::{RunId, SessionId},
    stream::BatchStream,
    types::{Fields, LakeType},
    version::Version,
};

/// The name of the column that says which data file a row stands in (its location), in relations
/// bound with places.
pub const PLACE_FILE: &str = "ducksync_file";
/// The name of the column that says where in its data file a row stands, from 0.
pub const PLACE_ROW: &str = "ducksync_row";
/// The name of the column that says whether a touched row is written again with new values.
pub const PLACE_KEEP: &str = "ducksync_keep";

/// A relation of a bound statement: a version under the name of [`QueryEngine::relation_name`].
#[derive(Debug, Clone)]
pub struct BoundRelation {
    /// What the name stands for.
    pub version: Arc<Version>,
    /// Whether the relation also has [`PLACE_FILE`] and [`PLACE_ROW`].
    pub places: bool,
}

/// A statement of which every relation is a version or a temporary table of its session.
#[derive(Debug, Clone)]
pub struct BoundStatement {
    /// One SELECT in DuckDB's dialect; its relations carry the engine's names.
    pub sql: String,
    /// The versions it reads.
    pub relations: Vec<BoundRelation>,
    /// Values for its parameters: one row, a column for each in order; `None` = no parameters.
    pub parameters: Option<RecordBatch>,
    /// Whose temporary tables it sees.
    pub session: Option<SessionId>,
    /// The zone in which instants are read and shown as text.
    pub time_zone: String,
    /// How long it may run; `None` = as long as its reader wants.
    pub timeout: Option<Duration>,
}

impl BoundStatement {
    /// A statement without relations, parameters or session, in UTC.
    pub fn plain(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            relations: Vec::new(),
            parameters: None,
            session: None,
            time_zone: "UTC".into(),
            timeout: None,
        }
    }
}

/// What the engine says of a statement without running it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementDescription {
    /// The result's columns.
    pub columns: Fields,
    /// One for each parameter, in order; `None` where DuckDB cannot tell.
    pub parameters: Vec<Option<LakeType>>,
}

/// DuckDB, serving: runs client SQL behind walls, on versions only.
///
/// It holds nothing that cannot be rebuilt in a moment but sessions' temporary tables. If DuckDB
/// declares itself broken, statements in flight end with `Unavailable` and a fresh instance takes over
/// (I-11).
#[async_trait]
pub trait QueryEngine: Send + Sync {
    /// DuckDB's own syntax tree of `sql` as JSON (`json_serialize_sql`): nothing is bound or run.
    ///
    /// # Errors
    /// `InvalidArgument` with DuckDB's text and position for what it cannot parse.
    async fn parse(&self, sql: &str) -> Result<serde_json::Value>;

    /// The name by which statements read `version`; not to be guessed by clients. It stays the same
    /// for the life of the process.
    fn relation_name(&self, version: &Version, places: bool) -> String;

    /// Describes a statement without running it.
    ///
    /// # Errors
    /// `InvalidArgument` with DuckDB's text for what it cannot bind.
    async fn describe(&self, statement: &BoundStatement) -> Result<StatementDescription>;

    /// Runs a statement and streams its rows; dropping the stream interrupts it.
    ///
    /// # Errors
    /// `InvalidArgument` for what it cannot bind or compute, `ResourceExhausted` for a limit.
    async fn execute(&self, statement: BoundStatement) -> Result<BatchStream>;

    /// Whether the engine answers, now.
    ///
    /// # Errors
    /// `Unavailable` if it does not.
    async fn probe(&self) -> Result<()>;

    /// Forgets the temporary tables of a session.
    async fn close_session(&self, session: SessionId);
}

/// Where staged rows go.
#[derive(Debug, Clone)]
pub struct StageRequest {
    /// The table's directory, ending in `/`.
    pub directory: String,
    /// The run (or client statement) that stages.
    pub run: RunId,
    /// Counts the stagings of one run, so that their file names differ.
    pub ordinal: u32,
    /// The table's columns, with the ids that the files carry.
    pub columns: Fields,
}

impl StageRequest {
    /// The common beginning of all file names that a run stages in `directory`: recorded with the run
    /// before anything is written, so that a dead run's files can be found and removed.
    pub fn prefix(directory: &str, run: RunId) -> String {
        format!("{directory}{run}-")
    }
}

/// New data files on stable storage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Staged {
    /// The files, in the order of their rows; none for no rows.
    pub files: Vec<StagedFile>,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// What a statement did to the rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Touched {
    /// New delete files.
    pub deletes: Vec<StagedDeletes>,
    /// Data files of which no row is left.
    pub ended: Vec<String>,
    /// New rows.
    pub written: Staged,
    /// Rows that were deleted or given new values.
    pub touched: u64,
}

/// What the changes of a source did to the rows of a version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// The files: deleted rows, and new ones.
    pub touched: Touched,
    /// Rows that were taken away.
    pub deleted: u64,
    /// Rows that were added.
    pub inserted: u64,
}

/// DuckDB, writing: turns streams and statements into Parquet files that a commit can name.
///
/// When a method returns, its files and their directories are on stable storage; when it fails or its
/// future is dropped, its partial files are removed as far as the disk allows.
#[async_trait]
pub trait Stager: Send + Sync {
    /// Writes a stream, in order and in bounded memory. Its columns are matched to the request's by
    /// name and cast to their lake types.
    ///
    /// # Errors
    /// The stream's own error; `InvalidArgument` of class SCHEMA naming a column that is missing or
    /// does not fit; `ResourceExhausted` for a full disk.
    async fn stage(&self, request: StageRequest, input: BatchStream) -> Result<Staged>;

    /// Writes a statement's rows, which never leave DuckDB, so that no type is lost.
    ///
    /// # Errors
    /// As [`Stager::stage`], and as [`QueryEngine::execute`].
    async fn stage_statement(
        &self,
        request: StageRequest,
        statement: BoundStatement,
    ) -> Result<Staged>;

    /// Writes all rows of a version, in their order, as new files: how small files are merged.
    ///
    /// # Errors
    /// As [`Stager::stage`].
    async fn stage_version(&self, request: StageRequest, version: Arc<Version>) -> Result<Staged>;

    /// Writes what a statement does to the rows of `version`. The statement is run once and yields
    /// [`PLACE_FILE`], [`PLACE_ROW`] (both NULL for a row that is only inserted), [`PLACE_KEEP`] and
    /// then the table's columns. Positions already deleted are kept in the new delete files.
    ///
    /// # Errors
    /// As [`Stager::stage_statement`]; `InvalidArgument` if one row is touched twice.
    async fn stage_touched(
        &self,
        request: StageRequest,
        version: Arc<Version>,
        statement: BoundStatement,
    ) -> Result<Touched>;

    /// Applies changes to the rows of `version` as bags (C-11): of the stream's rows, those whose column
    /// `action` holds `DELETE` are taken away, each from one row that is exactly equal, NULLs included;
    /// those with `INSERT` are added. The other columns are the request's. `None` if a row to take away
    /// is not there: then nothing is staged.
    ///
    /// # Errors
    /// As [`Stager::stage`]; `DataLoss` for another action.
    async fn stage_changes(
        &self,
        request: StageRequest,
        version: Arc<Version>,
        action: &str,
        changes: BatchStream,
    ) -> Result<Option<Applied>>;
}
