//! One statement's life: session, access, routing, result cache, admission, execution; and management
//! commands.
//!
//! [`Query`] is all that a wire protocol needs: it prepares and executes statements of a [`Session`],
//! opens the rows behind a ticket, runs [`Command`](ducksync_core::command::Command)s and lists what a
//! principal may see. It knows no protocol, no database driver and no source driver.

mod bind;
mod caches;
mod call;
mod change_query;
mod commands;
mod data_path;
mod dialect;
mod fallback;
mod hint;
mod local;
mod objects;
mod parsed;
mod passthrough;
mod query;
mod read;
mod routing;
mod running;
mod scan;
mod scope;
mod seal;
mod secret;
pub mod session;
mod source_sql;
pub mod statement;
mod system;
mod ticket;
mod transaction;
mod transactions;
mod tree;
mod write;

pub use passthrough::SharingCounts;
pub use query::{Query, QueryConfig, QueryParts};
pub use session::{Session, SessionKey, Sessions};
pub use statement::{
    Affected, Answer, CatalogObject, CommandAnswer, ExecuteRequest, ObjectKind, Prepared, Rows,
    TransactionId,
};
