//! The words of DuckSync and the traits at its seams; no I/O.
//!
//! Every other crate depends on this one and on none of its siblings (but `flight`, which speaks for
//! `query`), so that an adapter can be read, tested and replaced alone. What two crates must agree on
//! is written here once: ids and names ([`id`], [`name`]), the lake's types and columns ([`types`]),
//! immutable versions and the changes that lead from one to the next ([`version`], [`change`]),
//! definitions and their state ([`dataset`], [`source`]), runs ([`run`]), freshness ([`freshness`]),
//! the breakers of sources ([`breaker`]) and what they were spared ([`savings`]), errors ([`error`]), streams ([`stream`]) and management commands ([`command`]).
//!
//! Traits live beside the words they use: [`engine`], [`files`], [`source`], [`catalog`], [`auth`],
//! [`run::RunRequests`] and [`time::Clock`].

pub mod auth;
pub mod breaker;
pub mod by_source;
pub mod catalog;
pub mod change;
pub mod command;
pub mod dataset;
pub mod engine;
pub mod error;
pub mod files;
pub mod freshness;
pub mod id;
pub mod name;
pub mod run;
pub mod savings;
pub mod secret;
pub mod session;
pub mod source;
pub mod stream;
pub mod time;
pub mod types;
pub mod version;

pub use error::{Error, ErrorKind, Reason, Result};
pub use stream::BatchStream;
