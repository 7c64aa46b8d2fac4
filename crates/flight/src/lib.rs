//! Speaks Arrow Flight SQL and the DuckSync actions.
//!
//! [`FlightServer`] takes a listening socket and answers on it until it is told to stop. Who calls is
//! asked of the [`Authenticator`](ducksync_core::auth::Authenticator); everything else is asked of
//! [`Query`](ducksync_query::Query). One file for each Flight SQL command in `commands`, one for each
//! action in `actions`, one mapping of errors in `status`, one of streams in `stream`.
//!
//! It keeps no results, no prepared statements and no tickets: those are sealed and travel with the
//! client, so that any replica can take up the next call (V-3). It knows no SQL.

mod actions;
mod call;
mod commands;
mod config;
mod credentials;
mod handle;
mod headers;
mod health;
mod lake_types;
mod messages;
mod server;
mod service;
mod session_key;
mod socket;
mod status;
mod stream;
mod transactions;
mod wire;

pub use config::{FlightConfig, TlsConfig};
pub use server::{FlightParts, FlightServer, Serving};
