//! The engine against real DuckDB, real files and, where it is installed, a real object store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may fail loudly"
)]

mod changes;
mod describing;
mod disk;
mod files;
mod lake;
mod limits;
mod loading;
mod object_store;
mod restart;
mod stopping;
mod throughput;
mod touching;
mod types;
mod walls;
