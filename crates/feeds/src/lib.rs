//! What is due and how it is brought in: scheduler, claims, publish, one module per feed kind.
//!
//! [`Feeds`] answers "bring this dataset up to date" ([`RunRequests`]) and asks itself the same when
//! `refresh_every` is over. A request becomes a flight ([`runs`]): at most one per dataset in this
//! process and, by its claim, in all processes. What a run has to do is decided by pure functions
//! ([`decide`], [`due`]); how it is done is the feed kind's business ([`query_cache`]); every kind
//! publishes through the same door ([`publishing`]).
//!
//! It deliberately knows no database, no engine and no driver: only the traits of `ducksync-core`.
//!
//! ```text
//! request ─▶ runs::flight (join, or) ─▶ runs::execute: permit, claim
//!                                             ▼
//!                       runs::attempts: decide ─▶ begin ─▶ query_cache::prepare: tokens, submit, stage
//!                                             ▼                (cancel and timeout end it here)
//!                                        publishing: one transaction ─▶ waiters
//! ```
//!
//! [`RunRequests`]: ducksync_core::run::RunRequests

mod columns;
mod config;
mod counters;
pub mod decide;
mod driver;
pub mod due;
mod failure;
mod publishing;
mod query_cache;
mod runs;
mod services;
mod tokens;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use config::FeedsConfig;
pub use counters::FeedCounters;
pub use driver::Feeds;
pub use services::Services;
