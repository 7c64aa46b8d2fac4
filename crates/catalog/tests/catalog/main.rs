//! The catalog against real databases: the same behaviour on SQLite and on Postgres.
//!
//! Postgres runs where `DUCKSYNC_TEST_POSTGRES` says (`scripts/with-postgres.sh` sets it); each test
//! gets a database of its own. The oracle, a stock DuckDB with the ducklake extension, is always
//! another process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]
#![allow(clippy::print_stderr, reason = "tests say what they skip")]

mod conformance;
mod cost;
mod cut_wire;
mod foreign;
mod histories;
mod oracle;
mod support;
