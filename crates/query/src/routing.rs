//! Routing of statements that name tables of a source: which copies may answer, and on what proof (V-5).
//!
//! A statement over tables of a source means what it means there. A copy answers in the source's place
//! only if it can be proved that the answer is the same:
//!
//! - **V-5b** the copy is `SELECT *` from that very table, without loss;
//! - **V-5c** the statement is the query of the copy, token by token, over the same objects;
//! - **V-5d** the copy is a filter or projection of that table, the statement's own filter has every
//!   condition of the copy's, and the copy has every column that the statement uses.
//!
//! For (b) and (d) the statement must also move to DuckDB unchanged in meaning (`dialect`). Proofs are
//! pure functions of parsed texts; `plan` asks for what they need, and has the copies refreshed that
//! answer, as if they had been named.
//!
//! A view at the source is an object like a table: its copy proves for its own name, never for the tables
//! it reads.

mod bound;
mod canonical;
mod decide;
mod explain;
mod gather;
mod plan;
mod query_function;
mod shape;
mod stability;
mod why;

#[cfg(test)]
mod tests;

pub(crate) use canonical::conjuncts_of;
pub(crate) use explain::Step;
pub(crate) use plan::{DescriptionKey, SourceStatement};
pub(crate) use query_function::query_call;

use decide::{Decision, Meaning, Verdict, decide};
use shape::CopyOf;
