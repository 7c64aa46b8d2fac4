//! `GET /chunks/{query}/{number}`: what object storage does for Snowflake.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

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
    if account
        .faults
        .take(FaultKind::ChunkExpired, target)
        .is_some()
    {
        query.expire_chunks();
    }
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
    let strikes = |kind| account.faults.take(kind, target).is_some();
    let mut body = chunk.gzip.clone();
    if strikes(FaultKind::ChunkShort) {
        body = halved(&body).into();
    }
    if strikes(FaultKind::ChunkTruncated) {
        body.truncate(body.len() / 2);
    }
    let content_type = (CONTENT_TYPE, "application/octet-stream");
    match account.config.chunk_encoding {
        ChunkEncoding::Gzip if !strikes(FaultKind::ChunkUnlabelled) => {
            ([content_type, (CONTENT_ENCODING, "gzip")], body).into_response()
        }
        ChunkEncoding::Gzip | ChunkEncoding::UnlabelledGzip => {
            ([content_type], body).into_response()
        }
    }
}

/// The first half of what a compressed body holds, compressed.
fn halved(gzip: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Both ends are memory: neither fails on what we compressed ourselves.
    let half = GzDecoder::new(gzip)
        .read_to_end(&mut plain)
        .and_then(|_| encoder.write_all(plain.get(..plain.len() / 2).unwrap_or_default()))
        .and_then(|()| encoder.finish());
    half.unwrap_or_default()
}

fn refused(status: StatusCode, code: &str) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    (status, [(CONTENT_TYPE, "application/xml")], text).into_response()
}
