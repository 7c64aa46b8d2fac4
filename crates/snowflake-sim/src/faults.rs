//! Faults on demand: what goes wrong, where, and how often.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The endpoint answers with `status` (default 503) and does nothing.
    HttpStatus,
    /// The endpoint does its work, then the connection ends in the middle of the reply.
    DropConnection,
    /// The endpoint does its work, then the connection ends without a reply.
    NoReply,
    /// The endpoint waits `ms` before it does its work.
    Slow,
    /// A chunk is refused with 403 and an XML text.
    ChunkForbidden,
    /// A chunk's compressed body is cut off, but ends properly as far as HTTP is concerned.
    ChunkTruncated,
    /// A chunk's rows are cut off, though its compression is whole.
    ChunkShort,
    /// The reply claims one row more than the chunk holds.
    ChunkRowCount,
    /// A chunk is compressed without saying so.
    ChunkUnlabelled,
    /// The addresses of a result's chunks have expired when this one is asked for: all of them are
    /// refused with 403 until the result is asked for again.
    ChunkExpired,
    /// The session's token expires when the request arrives; what needs no token still works.
    TokenExpires,
    /// A session-bound request is answered with 390112.
    SessionExpired,
    /// A login is refused with 390100.
    LoginRefused,
    /// A statement takes `ms` longer.
    QueryDelay,
    /// A finished statement is still reported as pending, at `query` or at `result`.
    Pending,
    /// A statement fails with `code`, `sql_state` and `message`.
    QueryError,
}

/// One fault: where it strikes, and how often.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Only requests to this endpoint: `login`, `token`, `heartbeat`, `close`, `query`, `result`,
    /// `abort`, `monitoring` or `chunk`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Only statements (and chunks of statements) whose text contains this.
    #[serde(default)]
    pub sql: Option<String>,
    /// Only the chunk of this number.
    #[serde(default)]
    pub chunk: Option<usize>,
    /// How often it strikes; 0 means until the faults are cleared.
    #[serde(default = "once")]
    pub count: u32,
    /// How many matching requests are spared first.
    #[serde(default)]
    pub skip: u32,
    /// Milliseconds, for the kinds that wait; for `http_status`, how long the reply asks to be left alone.
    #[serde(default)]
    pub ms: u64,
    /// The HTTP status, for `http_status`: 503, 429, 408, or any.
    #[serde(default = "unavailable")]
    pub status: u16,
    /// The error code, for `query_error`.
    #[serde(default = "internal_code")]
    pub code: String,
    /// The SQL state, for `query_error`.
    #[serde(default = "internal_state")]
    pub sql_state: String,
    /// The message, for `query_error`.
    #[serde(default)]
    pub message: String,
}

impl Fault {
    /// Builds a fault that strikes once, anywhere.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            endpoint: None,
            sql: None,
            chunk: None,
            count: once(),
            skip: 0,
            ms: 0,
            status: unavailable(),
            code: internal_code(),
            sql_state: internal_state(),
            message: String::new(),
        }
    }

    /// Restricts the fault to one endpoint.
    pub fn at(mut self, endpoint: &str) -> Self {
        self.endpoint = Some(endpoint.to_owned());
        self
    }

    /// Restricts the fault to statements that contain a text.
    pub fn on(mut self, sql: &str) -> Self {
        self.sql = Some(sql.to_owned());
        self
    }

    /// Restricts the fault to one chunk.
    pub fn chunk(mut self, chunk: usize) -> Self {
        self.chunk = Some(chunk);
        self
    }

    /// Sets how often it strikes; 0 means always.
    pub fn times(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// Sets the waiting time in milliseconds.
    pub fn ms(mut self, ms: u64) -> Self {
        self.ms = ms;
        self
    }

    fn strikes(&self, kind: FaultKind, target: &Target<'_>) -> bool {
        self.kind == kind
            && self
                .endpoint
                .as_deref()
                .is_none_or(|endpoint| endpoint == target.endpoint)
            && self
                .sql
                .as_deref()
                .is_none_or(|part| target.sql.is_some_and(|sql| sql.contains(part)))
            && self.chunk.is_none_or(|chunk| target.chunk == Some(chunk))
    }
}

/// What a fault could strike.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Target<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) sql: Option<&'a str>,
    pub(crate) chunk: Option<usize>,
}

/// The faults that are armed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Fault>>,
}

impl Faults {
    pub(crate) fn arm(&self, fault: Fault) {
        self.lock().push(fault);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// The fault of this kind that strikes the target now, if any; counts it.
    pub(crate) fn take(&self, kind: FaultKind, target: Target<'_>) -> Option<Fault> {
        let mut armed = self.lock();
        let at = armed
            .iter()
            .position(|fault| fault.strikes(kind, &target))?;
        let fault = armed.get_mut(at)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        let struck = fault.clone();
        match fault.count {
            0 => {}
            1 => {
                armed.remove(at);
            }
            _ => fault.count -= 1,
        }
        Some(struck)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn once() -> u32 {
    1
}

fn unavailable() -> u16 {
    503
}

fn internal_code() -> String {
    "000603".to_owned()
}

fn internal_state() -> String {
    "XX000".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_what_they_match_as_often_as_told() {
        let faults = Faults::default();
        let mut fault = Fault::new(FaultKind::HttpStatus)
            .at("query")
            .on("ORDERS")
            .times(2);
        fault.skip = 1;
        faults.arm(fault);
        let target = |endpoint, sql| Target {
            endpoint,
            sql: Some(sql),
            chunk: None,
        };
        let strikes = |endpoint, sql| {
            faults
                .take(FaultKind::HttpStatus, target(endpoint, sql))
                .is_some()
        };
        assert!(!strikes("login", "ORDERS"));
        assert!(!strikes("query", "PART"));
        assert!(!strikes("query", "FROM ORDERS"), "the first is spared");
        assert!(strikes("query", "FROM ORDERS"));
        assert!(strikes("query", "FROM ORDERS"));
        assert!(!strikes("query", "FROM ORDERS"));
    }
}
