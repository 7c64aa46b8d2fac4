//! DuckDB's C API as safe types: databases, connections, prepared statements, results as Arrow.
//!
//! Everything unsafe of this crate is in here. It is a wrapper of our own, not the `duckdb` crate,
//! because it must tell what a statement yields and takes before it runs, interrupt a statement that
//! has only been planned, scan an Arrow stream, filter by a function of ours, and refuse a text of
//! several statements instead of running all but the last. It knows nothing of versions or sessions.

mod columns;
mod database;
mod error;
mod filter;
mod logical;
mod rows;
mod scan;
mod statement;
mod value;

pub(crate) use columns::Columns as PlainColumns;
pub(crate) use database::{Connection, Database, InterruptSlot, library_version};
pub(crate) use error::DuckError;
pub(crate) use filter::RowFilter;
pub(crate) use rows::Rows;
pub(crate) use statement::{Column, Prepared};
