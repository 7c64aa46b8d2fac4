//! What happens to every request before and after its endpoint: counting, decompression, faults.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, DATE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use futures::{StreamExt, stream};

use crate::account::Account;
use crate::envelope;
use crate::faults::{FaultKind, Target};
use crate::session::Refused;
use crate::users;

/// The largest request that is read.
const BODY_LIMIT: usize = 256 << 20;

/// Answers a request, unless the simulator stops meanwhile.
pub(super) async fn edge(
    State(account): State<Arc<Account>>,
    request: Request,
    next: Next,
) -> Response {
    let mut closed = account.closed.subscribe();
    tokio::select! {
        biased;
        _ = closed.wait_for(|closed| *closed) => no_reply(),
        mut response = answer(&account, request, next) => {
            date(&account, &mut response);
            response
        }
    }
}

/// Dates a reply by the account's clock, where that is not the machine's.
fn date(account: &Account, response: &mut Response) {
    let offset = account.settings.get().clock_offset_seconds;
    if offset == 0 {
        return;
    }
    let text = users::now(offset).format("%a, %d %b %Y %H:%M:%S GMT");
    if let Ok(date) = HeaderValue::try_from(text.to_string()) {
        response.headers_mut().insert(DATE, date);
    }
}

fn no_reply() -> Response {
    Response::new(Body::from_stream(stream::iter([Err::<Bytes, _>(cut())])))
}

async fn answer(account: &Account, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let Some((endpoint, id)) = endpoint(&path) else {
        return next.run(request).await;
    };
    account.log.request(endpoint);
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Some(body) = inflated(body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    parts.headers.remove(CONTENT_ENCODING);
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));

    let sql = match id {
        Some(id) => account.queries.get(id).map(|query| query.sql.clone()),
        None => statement(endpoint, &body),
    };
    let target = Target {
        endpoint,
        sql: sql.as_deref(),
        chunk: path
            .rsplit('/')
            .next()
            .filter(|_| endpoint == "chunk")
            .and_then(|number| number.parse().ok()),
    };
    if let Some(fault) = account.faults.take(FaultKind::Slow, target) {
        tokio::time::sleep(Duration::from_millis(fault.ms)).await;
    }
    if let Some(fault) = account.faults.take(FaultKind::HttpStatus, target) {
        let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let mut response = (status, "simulated fault").into_response();
        if fault.ms > 0 {
            let seconds = HeaderValue::from(fault.ms.div_ceil(1_000));
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        return response;
    }
    if account
        .faults
        .take(FaultKind::TokenExpires, target)
        .is_some()
    {
        account.sessions.expire_sessions();
    }
    let bound = !matches!(endpoint, "login" | "token" | "chunk");
    if bound
        && account
            .faults
            .take(FaultKind::SessionExpired, target)
            .is_some()
    {
        return envelope::refused(Refused::SessionExpired);
    }
    let dropped = account.faults.take(FaultKind::DropConnection, target);
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if dropped.is_some() {
        return broken_off(response).await;
    }
    if account.faults.take(FaultKind::NoReply, target).is_some() {
        return no_reply();
    }
    response
}

/// The endpoint's name in faults and counters, and the statement's id if the path has one.
fn endpoint(path: &str) -> Option<(&'static str, Option<&str>)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    Some(match parts.as_slice() {
        ["session", "v1", "login-request"] => ("login", None),
        ["session", "token-request"] => ("token", None),
        ["session", "heartbeat"] => ("heartbeat", None),
        ["session"] => ("close", None),
        ["queries", "v1", "query-request"] => ("query", None),
        ["queries", "v1", "abort-request"] => ("abort", None),
        ["queries", id, "abort-request"] => ("abort", Some(*id)),
        ["queries", id, "result"] => ("result", Some(*id)),
        ["monitoring", "queries", id] => ("monitoring", Some(*id)),
        ["chunks", id, _] => ("chunk", Some(*id)),
        _ => return None,
    })
}

fn inflated(body: Bytes) -> Option<Bytes> {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return Some(body);
    }
    let mut plain = Vec::new();
    GzDecoder::new(body.as_ref()).read_to_end(&mut plain).ok()?;
    Some(plain.into())
}

fn statement(endpoint: &str, body: &[u8]) -> Option<String> {
    if endpoint != "query" {
        return None;
    }
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body.get("sqlText")?.as_str()?.to_owned())
}

/// The same reply, whose connection ends half-way through the body.
async fn broken_off(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = body.slice(..body.len() / 2);
    // The pause lets the first half leave; otherwise the client might not even see the headers.
    let cut = stream::once(async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(cut())
    });
    Response::from_parts(
        parts,
        Body::from_stream(stream::iter([Ok(half)]).chain(cut)),
    )
}

fn cut() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "simulated fault")
}
