//! The HTTP surface: Snowflake's endpoints, and `/sim/…` for tests.

mod abort;
mod chunks;
mod control;
mod edge;
mod login;
mod query;
mod reply;
mod token;
mod users;

pub(crate) use control::table;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};

use crate::account::Account;
use crate::envelope;
use crate::session::{Refused, Session};

/// Builds the service of an account.
pub(crate) fn router(account: Arc<Account>) -> Router {
    Router::new()
        .route("/session/v1/login-request", post(login::login))
        .route("/session/token-request", post(token::renew))
        .route("/session/heartbeat", post(token::heartbeat))
        .route("/session", post(token::close))
        .route("/queries/v1/query-request", post(query::submit))
        .route("/queries/v1/abort-request", post(abort::by_request))
        .route("/queries/{id}/abort-request", post(abort::by_id))
        .route("/queries/{id}/result", get(query::result))
        .route("/monitoring/queries/{id}", get(query::monitoring))
        .route("/chunks/{id}/{number}", get(chunks::serve))
        .merge(control::routes())
        .layer(from_fn_with_state(account.clone(), edge::edge))
        .with_state(account)
}

/// The token of `Authorization: Snowflake Token="…"`.
fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Snowflake Token=\"")?.strip_suffix('"')
}

/// The session that sent the request, or the reply that refuses it.
// The reply is what the caller returns at once; boxing it would only add noise.
#[expect(
    clippy::result_large_err,
    reason = "the error is returned as the reply, at once"
)]
fn authenticate(account: &Account, headers: &HeaderMap) -> Result<Arc<Session>, Response> {
    let token = token(headers).unwrap_or_default();
    account
        .sessions
        .authenticate(token)
        .map_err(|reason: Refused| envelope::refused(reason))
}
