//! Snowflake's wire protocol over an in-memory DuckDB, with faults; for tests and the demo only.
//!
//! A client logs in, sends statements and fetches chunks as it would from Snowflake; the answers
//! come from DuckDB, with Snowflake's names, types, errors and change tokens. Tests act on the
//! account through [`Simulator`] or `/sim/…`: they write behind the client's back, arm faults,
//! close gates, and read the log of everything that was asked.
//!
//! It keeps nothing on disk, checks no privileges, and costs nothing but credits that it counts.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod account;
mod blocking;
mod catalog;
mod config;
mod engine;
mod envelope;
mod error;
mod execute;
mod faults;
mod functions;
mod gates;
mod history;
mod http;
mod information;
mod jwt;
mod labels;
mod lineage;
mod log;
mod names;
mod points;
mod query;
mod result;
mod rewrite;
mod run;
mod sample;
mod session;
mod settings;
mod simulator;
mod statement;
mod tokens;
mod types;
mod users;
mod wire;

pub use config::{ChunkEncoding, SimulatorConfig, User};
pub use faults::{Fault, FaultKind};
pub use gates::{GatePoint, GateStatus};
pub use log::{Credits, LogEntry, Login, StatementClass, StatementStatus};
pub use settings::Settings;
pub use simulator::{Gate, Simulator, SimulatorError};
