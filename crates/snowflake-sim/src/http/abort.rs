//! Stopping a statement, by the id of its request or its own.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use super::authenticate;
use crate::account::Account;
use crate::envelope;
use crate::error::SqlError;
use crate::query::Query;

/// `POST /queries/v1/abort-request` with `{requestId}`.
pub(super) async fn by_request(
    State(account): State<Arc<Account>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let session = match authenticate(&account, &headers) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let request_id = body
        .get("requestId")
        .and_then(Value::as_str)
        .unwrap_or_default();
    abort(account.queries.by_request(session.id, request_id))
}

/// `POST /queries/{id}/abort-request`.
pub(super) async fn by_id(
    State(account): State<Arc<Account>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    match authenticate(&account, &headers) {
        Ok(_) => abort(account.queries.get(&id)),
        Err(refusal) => refusal,
    }
}

fn abort(query: Option<Arc<Query>>) -> Response {
    match query.filter(|query| query.finished().is_none()) {
        Some(query) => {
            query.abort(SqlError::canceled());
            envelope::success(Value::Null)
        }
        None => envelope::failure(
            "000605",
            "Identified SQL statement is not currently executing.",
        ),
    }
}
