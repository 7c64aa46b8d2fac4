//! What goes in and out of [`Query`](crate::Query).

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;
use ducksync_core::{
    session::{AnswerMetadata, Contract},
    types::{Fields, LakeType},
};
use uuid::Uuid;

/// A transaction of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub Uuid);

/// What is known of a statement before it runs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The result's columns with their lake types; `None` for statements that yield no rows (DDL,
    /// DML), which clients recognize by an empty schema.
    pub columns: Option<Fields>,
    /// One for each parameter, in order; `None` where the type cannot be told (bind it as text).
    pub parameters: Vec<Option<LakeType>>,
}

/// A statement to run.
#[derive(Debug, Clone)]
pub struct ExecuteRequest {
    /// The text, as the client sent it.
    pub sql: String,
    /// Values for its parameters: a column for each in order. A query takes exactly one row; DDL and
    /// DML run once for each row.
    pub parameters: Option<RecordBatch>,
    /// The transaction it belongs to; `None` = the session's own (`BEGIN`) or autocommit.
    pub transaction: Option<TransactionId>,
    /// The contract that the request's headers set; a hint in the text overrides it.
    pub contract: Contract,
}

impl ExecuteRequest {
    /// A statement without parameters or transaction, under the session's contract.
    pub fn new(sql: impl Into<String>, contract: Contract) -> Self {
        Self {
            sql: sql.into(),
            parameters: None,
            transaction: None,
            contract,
        }
    }
}

/// How a statement was answered.
#[derive(Debug)]
pub enum Answer {
    /// Rows wait behind a ticket.
    Rows(Rows),
    /// It ran; there are no rows to fetch.
    Affected(Affected),
}

/// Rows that wait behind a ticket.
#[derive(Debug)]
pub struct Rows {
    /// Sealed; opens with [`Query::open`](crate::Query::open) on any replica, for its life.
    pub ticket: Bytes,
    /// The schema of the stream, fixed now (V-3); all fields nullable.
    pub schema: SchemaRef,
    /// The lake types beside it.
    pub columns: Fields,
    /// Rows, if they are known.
    pub total: Option<i64>,
    /// The answer's story.
    pub metadata: AnswerMetadata,
}

/// What a statement without rows did.
#[derive(Debug)]
pub struct Affected {
    /// Rows inserted, updated or deleted; `None` for DDL.
    pub rows: Option<i64>,
    /// The answer's story.
    pub metadata: AnswerMetadata,
}

/// What a management command answered.
#[derive(Debug)]
pub struct CommandAnswer {
    /// The columns of the command's spec.
    pub columns: Fields,
    /// The rows.
    pub rows: RecordBatch,
}

/// What kind of object a metadata call lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A lake table, fed or not.
    Table,
    /// A lake view.
    View,
    /// One of ours, such as `ducksync.caches`.
    System,
}

impl ObjectKind {
    /// Flight SQL's table type.
    pub fn table_type(self) -> &'static str {
        match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::System => "SYSTEM TABLE",
        }
    }
}

/// A table or view as metadata calls show it.
#[derive(Debug, Clone)]
pub struct CatalogObject {
    /// The lake's name.
    pub catalog: String,
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
    /// What it is.
    pub kind: ObjectKind,
    /// Its columns with declared nullability.
    pub columns: Fields,
    /// Its feed and freshness, for people.
    pub remarks: Option<String>,
}
