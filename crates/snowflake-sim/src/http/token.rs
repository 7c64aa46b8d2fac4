//! Renewal, heartbeat and the end of a session.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use super::{authenticate, token};
use crate::account::Account;
use crate::envelope;

/// `POST /session/token-request`, authorized by the master token.
pub(super) async fn renew(State(account): State<Arc<Account>>, headers: HeaderMap) -> Response {
    match account.sessions.renew(token(&headers).unwrap_or_default()) {
        Ok((session, tokens)) => envelope::success(json!({
            "sessionToken": tokens.session,
            "validityInSecondsST": account.config.session_validity.as_secs(),
            "masterToken": tokens.master,
            "validityInSecondsMT": account.config.master_validity.as_secs(),
            "sessionId": session.id,
        })),
        Err(reason) => envelope::refused(reason),
    }
}

/// `POST /session/heartbeat`.
pub(super) async fn heartbeat(State(account): State<Arc<Account>>, headers: HeaderMap) -> Response {
    match authenticate(&account, &headers) {
        Ok(_) => envelope::success(Value::Null),
        Err(refusal) => refusal,
    }
}

/// `POST /session?delete=true`.
pub(super) async fn close(
    State(account): State<Arc<Account>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if !query.unwrap_or_default().contains("delete=true") {
        return envelope::failure("390000", "only delete=true is known");
    }
    match authenticate(&account, &headers) {
        Ok(session) => {
            account.sessions.close(session.id);
            envelope::success(Value::Null)
        }
        Err(refusal) => refusal,
    }
}
