//! The record of what clients asked: proof of what was, and was not, sent to the source.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a statement needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementClass {
    /// Answered by the cloud services: SHOW, DESC, EXPLAIN, change tokens, `CURRENT_…`, session commands.
    MetadataFree,
    /// Reads the information schema: metadata, but on a warehouse.
    MetadataWarehouse,
    /// Reads tables on a warehouse.
    Query,
    /// Changes rows on a warehouse.
    Dml,
    /// Changes definitions, without a warehouse.
    Ddl,
}

impl StatementClass {
    /// Whether statements of this class need a warehouse, and so cost credits.
    pub fn needs_warehouse(self) -> bool {
        match self {
            Self::MetadataWarehouse | Self::Query | Self::Dml => true,
            Self::MetadataFree | Self::Ddl => false,
        }
    }
}

/// How far a statement has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementStatus {
    /// Not finished.
    Running,
    /// Finished with a result.
    Success,
    /// Finished with an error.
    Failed,
    /// Aborted by a client or a timeout.
    Canceled,
}

/// One statement of a client. Repeated requests with the same id make one entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogEntry {
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// The text, as sent.
    pub sql: String,
    /// What it needs.
    pub class: StatementClass,
    /// Whether only the columns were asked for.
    pub describe_only: bool,
    /// The id that the reply named.
    pub query_id: String,
    /// The id that the request named.
    pub request_id: String,
    /// The query tag of the session or the request.
    pub query_tag: String,
    /// The parameters that were sent with the statement, names in upper case.
    pub parameters: BTreeMap<String, String>,
    /// The parameters that held for it: the session's, and those.
    pub effective_parameters: BTreeMap<String, String>,
    /// Who asked.
    pub user: String,
    /// In which session.
    pub session_id: u64,
    /// In which role.
    pub role: String,
    /// In which database, if any.
    pub database: Option<String>,
    /// In which schema, if any.
    pub schema: Option<String>,
    /// On which warehouse, if any.
    pub warehouse: Option<String>,
    /// How far it has come.
    pub status: StatementStatus,
    /// Rows of the result, or rows changed.
    pub rows: u64,
    /// The error's code.
    pub error: Option<String>,
}

/// One attempt to log in. No secret is in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// Who wants to log in.
    pub user: String,
    /// By what: `SNOWFLAKE` (a password), `SNOWFLAKE_JWT`, `OAUTH`, `PROGRAMMATIC_ACCESS_TOKEN`.
    pub authenticator: String,
    /// What the client calls itself.
    pub client: String,
    /// The session that was opened.
    pub session_id: Option<u64>,
    /// Its role.
    pub role: Option<String>,
    /// Its warehouse, if it has one.
    pub warehouse: Option<String>,
    /// The refusal's code.
    pub error: Option<String>,
}

/// What warehouses have cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Credits {
    /// One per statement that needed a warehouse.
    pub credits: u64,
    /// Statements that needed none.
    pub free_statements: u64,
}

/// The log of an account.
#[derive(Debug, Default)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    statements: Vec<LogEntry>,
    logins: Vec<Login>,
    requests: BTreeMap<String, u64>,
    credits: u64,
    free: u64,
}

impl Log {
    pub(crate) fn request(&self, endpoint: &str) {
        *self.lock().requests.entry(endpoint.to_owned()).or_default() += 1;
    }

    pub(crate) fn login(&self, login: Login) {
        self.lock().logins.push(login);
    }

    pub(crate) fn logins(&self) -> Vec<Login> {
        self.lock().logins.clone()
    }

    pub(crate) fn begin(&self, entry: LogEntry) {
        let mut inner = self.lock();
        if entry.class.needs_warehouse() && entry.warehouse.is_some() && !entry.describe_only {
            inner.credits += 1;
        } else {
            inner.free += 1;
        }
        inner.statements.push(entry);
    }

    pub(crate) fn end(
        &self,
        query_id: &str,
        status: StatementStatus,
        rows: u64,
        error: Option<String>,
    ) {
        let mut inner = self.lock();
        if let Some(entry) = inner
            .statements
            .iter_mut()
            .rev()
            .find(|entry| entry.query_id == query_id)
        {
            entry.status = status;
            entry.rows = rows;
            entry.error = error;
        }
    }

    pub(crate) fn statements(&self) -> Vec<LogEntry> {
        self.lock().statements.clone()
    }

    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        self.lock().requests.clone()
    }

    pub(crate) fn credits(&self) -> Credits {
        let inner = self.lock();
        Credits {
            credits: inner.credits,
            free_statements: inner.free,
        }
    }

    pub(crate) fn reset(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
