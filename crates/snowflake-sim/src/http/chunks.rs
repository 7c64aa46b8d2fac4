//! `GET /chunks/{query}/{number}`: what object storage does for Snowflake.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::reply::{ALGORITHM_HEADER, KEY_HEADER, key};
use crate::account::Account;
use crate::config::ChunkEncoding;
use crate::faults::{FaultKind, Target};
use crate::result::Rows;

pub(super) async fn serve(
    State(account): State<Arc<Account>>,
    Path((id, number)): Path<(String, usize)>,
    Query(options): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let Some(query) = account.queries.get(&id) else {
        return refused(StatusCode::NOT_FOUND, "NoSuchKey");
    };
    let target = Target {
        endpoint: "chunk",
        sql: Some(&query.sql),
        chunk: Some(number),
    };
    let signed = options
        .get("X-Amz-Signature")
        .is_some_and(|signature| query.is_signed(signature));
    if !signed
        || account
            .faults
            .take(FaultKind::ChunkForbidden, target)
            .is_some()
    {
        return refused(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header(KEY_HEADER) != Some(key(&id).as_str()) || header(ALGORITHM_HEADER) != Some("AES256") {
        return refused(StatusCode::BAD_REQUEST, "InvalidRequest");
    }
    let Some(Ok(result)) = query.finished() else {
        return refused(StatusCode::NOT_FOUND, "NoSuchKey");
    };
    let chunk = match &result.rows {
        Rows::Arrow(rows) => rows.chunks.get(number),
        Rows::Text(_) | Rows::Values(_) => None,
    };
    let Some(chunk) = chunk else {
        return refused(StatusCode::NOT_FOUND, "NoSuchKey");
    };
    let mut body = chunk.gzip.clone();
    if account
        .faults
        .take(FaultKind::ChunkTruncated, target)
        .is_some()
    {
        body.truncate(body.len() / 2);
    }
    let content_type = (CONTENT_TYPE, "application/octet-stream");
    match account.config.chunk_encoding {
        ChunkEncoding::Gzip => ([content_type, (CONTENT_ENCODING, "gzip")], body).into_response(),
        ChunkEncoding::UnlabelledGzip => ([content_type], body).into_response(),
    }
}

fn refused(status: StatusCode, code: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    (status, [(CONTENT_TYPE, "application/xml")], text).into_response()
}
