//! The simulator over HTTP, as a driver sees it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "protocol/abort.rs"]
mod abort;
#[path = "protocol/account.rs"]
mod account;
#[path = "protocol/changes.rs"]
mod changes;
#[path = "protocol/client.rs"]
mod client;
#[path = "protocol/control.rs"]
mod control;
#[path = "protocol/dialect.rs"]
mod dialect;
#[path = "protocol/dml.rs"]
mod dml;
#[path = "protocol/faults.rs"]
mod faults;
#[path = "protocol/login.rs"]
mod login;
#[path = "protocol/metadata.rs"]
mod metadata;
#[path = "protocol/pending.rs"]
mod pending;
#[path = "protocol/results.rs"]
mod results;
#[path = "protocol/secrets.rs"]
mod secrets;
#[path = "protocol/tokens.rs"]
mod tokens;
#[path = "protocol/types.rs"]
mod types;
