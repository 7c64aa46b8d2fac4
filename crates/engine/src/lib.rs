//! DuckDB in two roles, serving and loading, and the files of the lake.
//!
//! [`Engine`] answers statements on immutable versions (the *serving* instance, behind walls: it can
//! reach nothing but the data path) and writes Parquet files (the *loading* instance, which never sees
//! client SQL; what client DML yields is written by the serving one, so that no type is lost on the
//! way). [`Files`] is the lake's storage. All blocking calls happen on this crate's own threads.
//!
//! It deliberately does not know catalogs, sources or sessions' rights: names are resolved and access
//! is checked before a statement comes here.

mod admission;
mod coalesce;
mod config;
mod conform;
mod control;
mod deleted;
mod duck;
mod engine;
mod files;
mod instance;
mod nested;
mod query;
mod relation;
mod relations;
mod spill;
mod stage;
mod threads;

pub use config::{EngineConfig, LoadingConfig, S3Settings, UrlStyle};
pub use engine::Engine;
pub use files::Files;

/// The version of the linked DuckDB, such as `v1.5.5`; nothing is opened for it.
pub fn duckdb_version() -> String {
    duck::library_version()
}
