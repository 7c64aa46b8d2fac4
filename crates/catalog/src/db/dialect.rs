//! How the common SQL reads on each engine.
//!
//! | written | Postgres | SQLite |
//! |---|---|---|
//! | `ducksync.runs` | `"our schema".runs` | `ducksync_runs` |
//! | `lake.ducklake_table` | `"metadata schema".ducklake_table` | `ducklake_table` |
//! | `now()` | `clock_timestamp()` | microseconds since 1970 |
//! | `= ANY($2)` | `= ANY($2)` | `IN (SELECT value FROM json_each($2))` |
//! | `FOR UPDATE` | `FOR UPDATE` | nothing: a writer is alone |
//!
//! Only our own, static text passes through here; values are always bound.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{SubsecRound, Utc};
use ducksync_core::{name::quote, time::Instant};
use sha2::{Digest, Sha256};

use super::Engine;

/// The engine, where its tables lie, and the texts translated so far.
pub(crate) struct Dialect {
    engine: Engine,
    ours: String,
    lake: String,
    metadata_schema: String,
    commit_lock: i64,
    translated: Mutex<HashMap<&'static str, Arc<str>>>,
}

impl Dialect {
    /// Postgres, with our tables in `schema` and DuckLake's in `metadata_schema`.
    pub(crate) fn postgres(schema: &str, metadata_schema: &str) -> Self {
        Self {
            engine: Engine::Postgres,
            ours: format!("{}.", quote(schema)),
            lake: format!("{}.", quote(metadata_schema)),
            metadata_schema: metadata_schema.to_owned(),
            commit_lock: lock_key(metadata_schema),
            translated: Mutex::default(),
        }
    }

    /// SQLite: no schemas, our tables have a prefix.
    pub(crate) fn sqlite() -> Self {
        Self {
            engine: Engine::Sqlite,
            ours: "ducksync_".into(),
            lake: String::new(),
            metadata_schema: String::new(),
            commit_lock: 0,
            translated: Mutex::default(),
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// The schema of DuckLake's tables; empty on SQLite.
    pub(crate) fn metadata_schema(&self) -> &str {
        &self.metadata_schema
    }

    /// The advisory lock through which all commits to this lake pass. Such locks belong to one
    /// database; the key tells the lakes of one database apart, alike in every process.
    pub(crate) fn commit_lock(&self) -> i64 {
        self.commit_lock
    }

    /// The text as the engine reads it; translated once.
    pub(crate) fn translate(&self, text: &'static str) -> Arc<str> {
        let mut translated = self
            .translated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        translated
            .entry(text)
            .or_insert_with(|| self.translate_text(text).into())
            .clone()
    }

    /// As [`Dialect::translate`] for text that is used once.
    pub(crate) fn translate_text(&self, text: &str) -> String {
        let placed = text
            .replace("ducksync.", &self.ours)
            .replace("lake.", &self.lake);
        match self.engine {
            Engine::Postgres => placed.replace("now()", "clock_timestamp()"),
            Engine::Sqlite => any_to_json_each(
                &placed
                    .replace(
                        "now()",
                        "CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000",
                    )
                    .replace(" FOR UPDATE", ""),
            ),
        }
    }
}

/// This machine's clock in microseconds, as precise as the catalog stores it.
pub(crate) fn local_now() -> Instant {
    Utc::now().trunc_subsecs(6)
}

fn lock_key(metadata_schema: &str) -> i64 {
    let digest = Sha256::digest(format!("ducksync commit {metadata_schema}"));
    digest[..8]
        .iter()
        .fold(0, |key, byte| (key << 8) | i64::from(*byte))
}

fn any_to_json_each(text: &str) -> String {
    let mut parts = text.split("= ANY($");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("IN (SELECT value FROM json_each($");
        match part.split_once(')') {
            Some((number, rest)) => {
                out.push_str(number);
                out.push_str("))");
                out.push_str(rest);
            }
            None => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "SELECT now() FROM ducksync.runs JOIN lake.ducklake_table ON true \
                        WHERE (id = ANY($12)) FOR UPDATE";

    #[test]
    fn common_sql_reads_on_both_engines() {
        assert_eq!(
            Dialect::postgres("our \"s", "dl").translate_text(TEXT),
            "SELECT clock_timestamp() FROM \"our \"\"s\".runs JOIN \"dl\".ducklake_table ON true \
             WHERE (id = ANY($12)) FOR UPDATE"
        );
        assert_eq!(
            Dialect::sqlite().translate_text(TEXT),
            "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000 FROM ducksync_runs \
             JOIN ducklake_table ON true WHERE (id IN (SELECT value FROM json_each($12)))"
        );
    }
}
