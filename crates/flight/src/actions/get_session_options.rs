//! `GetSessionOptions`: never makes a session.

use super::session_messages::{GetSessionOptionsResult, SessionOptionValue};
use crate::call::Call;

/// The schema in which names are looked up unless the session says otherwise, as in DuckDB.
const DEFAULT_SCHEMA: &str = "main";

/// Every option that is set, and the current catalog and schema, which drivers ask for.
pub(super) fn run(call: &Call) -> GetSessionOptionsResult {
    let set = call
        .known_session()
        .map(|session| session.options())
        .unwrap_or_default();
    let current = [
        ("catalog", call.query().lake_name()),
        ("schema", DEFAULT_SCHEMA.to_owned()),
    ];
    // What is set comes last and so wins.
    let options = current.into_iter().chain(set);
    let session_options = options
        .map(|(name, value)| (name.to_owned(), SessionOptionValue::text(value)))
        .collect();
    GetSessionOptionsResult { session_options }
}
