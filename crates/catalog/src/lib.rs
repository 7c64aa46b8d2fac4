//! The catalog database on Postgres and SQLite: the DuckLake format, our state, the publish transaction.
//!
//! [`Catalog`] implements the catalog's traits of `ducksync-core`. DuckLake's metadata and our state
//! live in one database, so that a publish commits both or neither (G-4):
//!
//! - [`db`] talks to either engine, with deadlines;
//! - [`ducklake`] knows the public format: its tables, columns, files and snapshots;
//! - [`publish`] is the one way in which the lake changes;
//! - [`versions`] keeps what is published in memory, fresh by notification and by asking;
//! - [`state`] stores definitions, runs, claims, secrets and grants;
//! - [`auth`] and [`crypto`] check who comes and seal what must not be read.
//!
//! This crate never opens a Parquet file, and nothing outside it writes SQL to the catalog.

mod adopt;
pub mod auth;
mod carry;
mod config;
mod connect;
pub mod crypto;
mod db;
mod ducklake;
mod migrate;
mod notify;
mod open;
mod owner;
mod private_file;
mod publish;
mod state;
#[cfg(test)]
mod testing;
mod versions;

pub use config::CatalogConfig;
pub use open::Catalog;
