//! DuckLake's format 1.0: its tables, made and read as its specification says.
//!
//! Rows of the format come in and go out here; what a publish does with them is
//! [`crate::publish`]'s matter, what a process remembers of them [`crate::versions`]'s.

pub(crate) mod changes;
pub(crate) mod columns;
mod create;
pub(crate) mod files;
pub(crate) mod new_stats;
pub(crate) mod path;
pub(crate) mod schemas;
pub(crate) mod snapshot;
pub(crate) mod stats;
pub(crate) mod tables;
pub(crate) mod unreadable;

pub(crate) use create::{check, data_path, metadata, open};

/// The only version of the format that we read and write.
pub(crate) const FORMAT: &str = "1.0";
