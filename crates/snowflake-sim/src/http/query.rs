//! Submitting statements and asking for their results.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::{authenticate, reply};
use crate::account::Account;
use crate::envelope;
use crate::faults::{FaultKind, Target};
use crate::log::StatementStatus;
use crate::run::{self, QueryRequest};

/// `POST /queries/v1/query-request`.
pub(super) async fn submit(
    State(account): State<Arc<Account>>,
    Query(options): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let session = match authenticate(&account, &headers) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let Some(request_id) = options.get("requestId").filter(|id| !id.is_empty()) else {
        return envelope::failure("390000", "requestId is missing");
    };
    let request: QueryRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => {
            return envelope::failure("391911", &format!("the body is not understood: {error}"));
        }
    };
    let asynchronous = request.async_exec;
    let query = run::submit(&account, &session, request_id, request);
    if asynchronous {
        return envelope::pending("333334", &query.id);
    }
    answer(&account, &query, &headers, ("query", "333333")).await
}

/// `GET /queries/{id}/result`: waits like a submission does, and signs fresh chunk addresses.
pub(super) async fn result(
    State(account): State<Arc<Account>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = authenticate(&account, &headers) {
        return refusal;
    }
    match account.queries.get(&id) {
        Some(query) => answer(&account, &query, &headers, ("result", "333334")).await,
        None => envelope::failure("000709", &format!("Statement {id} not found")),
    }
}

async fn answer(
    account: &Account,
    query: &Arc<crate::query::Query>,
    headers: &HeaderMap,
    (endpoint, pending): (&str, &str),
) -> Response {
    let target = Target {
        endpoint,
        sql: Some(&query.sql),
        chunk: None,
    };
    let wait = account.config.sync_wait;
    match query.outcome(wait).await {
        Some(_) if account.faults.take(FaultKind::Pending, target).is_some() => {
            envelope::pending(pending, &query.id)
        }
        Some(Ok(result)) => envelope::success(reply::data(account, query, &result, headers)),
        Some(Err(error)) => envelope::sql_error(&query.id, &error),
        None => envelope::pending(pending, &query.id),
    }
}

/// `GET /monitoring/queries/{id}`.
pub(super) async fn monitoring(
    State(account): State<Arc<Account>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = authenticate(&account, &headers) {
        return refusal;
    }
    let Some(query) = account.queries.get(&id) else {
        return envelope::success(json!({ "queries": [] }));
    };
    let status = match query.status() {
        StatementStatus::Running => "RUNNING",
        StatementStatus::Success => "SUCCESS",
        StatementStatus::Failed => "FAILED_WITH_ERROR",
        StatementStatus::Canceled => "ABORTED",
    };
    let error = query.finished().and_then(Result::err);
    envelope::success(json!({ "queries": [{
        "id": query.id,
        "status": status,
        "state": status,
        "sqlText": query.sql,
        "sessionId": query.session_id,
        "totalDuration": u64::try_from(query.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "errorCode": error.as_ref().map(|error| error.code.clone()),
        "errorMessage": error.map(|error| error.message),
    }] }))
}
