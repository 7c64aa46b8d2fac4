//! The reply that wraps every answer: `{data, code, message, success}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::SqlError;
use crate::session::Refused;

pub(crate) fn success(data: Value) -> Response {
    Json(json!({ "data": data, "code": null, "message": null, "success": true })).into_response()
}

/// A refusal that is not about a statement.
pub(crate) fn failure(code: &str, message: &str) -> Response {
    Json(json!({ "data": null, "code": code, "message": message, "success": false, "headers": null })).into_response()
}

/// The statement runs on; its result is to be had at `getResultUrl`.
pub(crate) fn pending(code: &str, query_id: &str) -> Response {
    let data = json!({
        "getResultUrl": format!("/queries/{query_id}/result"),
        "queryAbortsAfterSecs": 300,
        "queryId": query_id,
        "progressDesc": null,
    });
    let message = "Query execution in progress.";
    Json(json!({ "data": data, "code": code, "message": message, "success": true })).into_response()
}

pub(crate) fn sql_error(query_id: &str, error: &SqlError) -> Response {
    let data = json!({
        "internalError": error.code == "000603",
        "errorCode": error.code,
        "sqlState": error.sql_state,
        "queryId": query_id,
        "line": error.at.map_or(-1, |(line, _)| i64::try_from(line).unwrap_or(-1)),
        "pos": error.at.map_or(-1, |(_, position)| i64::try_from(position).unwrap_or(-1)),
        "age": 0,
        "type": "COMPILATION",
    });
    Json(json!({ "data": data, "code": error.code, "message": error.message, "success": false, "headers": null })).into_response()
}

pub(crate) fn refused(reason: Refused) -> Response {
    match reason {
        Refused::SessionExpired => failure(
            "390112",
            "Session token has expired. Renew it or log in again.",
        ),
        Refused::MasterExpired => failure(
            "390114",
            "Authentication token has expired.  The user must authenticate again.",
        ),
        Refused::Gone => failure(
            "390111",
            "Session no longer exists.  New login required to access the service.",
        ),
    }
}
