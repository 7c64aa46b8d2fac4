//! `/sim/…`: how tests and the demo act on the account from outside Snowflake's protocol.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::account::Account;
use crate::blocking::blocking;
use crate::error::SqlError;
use crate::faults::Fault;
use crate::gates::{GatePoint, GateStatus};
use crate::log::{Credits, LogEntry, Login};
use crate::result::{ResultSet, Rows};
use crate::settings::Settings;

type Shared = State<Arc<Account>>;

pub(super) fn routes() -> Router<Arc<Account>> {
    Router::new()
        .route("/sim/sql", post(sql))
        .route("/sim/faults", get(faults).post(arm).delete(heal))
        .route("/sim/gates", get(gates).post(close_gate))
        .route("/sim/gates/release", post(release))
        .route("/sim/gates/wait", get(wait))
        .route("/sim/log", get(log))
        .route("/sim/reset-log", post(reset_log))
        .route("/sim/requests", get(requests))
        .route("/sim/credits", get(credits))
        .route("/sim/sessions", get(sessions))
        .route("/sim/expire", post(expire))
        .route("/sim/age", post(age))
        .route("/sim/users", post(super::users::alter))
        .route("/sim/settings", get(settings).post(switch))
        .route("/sim/logins", get(logins))
}

/// `POST /sim/sql?database=&schema=`: statements in the body, answered with the last one's rows.
async fn sql(
    State(account): Shared,
    Query(options): Query<HashMap<String, String>>,
    body: String,
) -> Response {
    let option = |name: &str| options.get(name).filter(|value| !value.is_empty()).cloned();
    let (database, schema) = (option("database"), option("schema"));
    match blocking(move || account.run_script(&body, database, schema)).await {
        Ok(result) => Json(table(&result)).into_response(),
        Err(error) => refusal(&error),
    }
}

/// A result as `{columns, rows}`.
pub(crate) fn table(result: &ResultSet) -> Value {
    let columns: Vec<&str> = result
        .columns
        .iter()
        .map(|column| column.label.as_str())
        .collect();
    let rows = match &result.rows {
        Rows::Text(rows) => json!(rows),
        Rows::Values(rows) => json!(rows),
        Rows::Arrow(_) => Value::Null,
    };
    json!({ "columns": columns, "rows": rows })
}

#[derive(Deserialize)]
struct Age {
    table: String,
}

/// `POST /sim/age {"table": "DB.SCHEMA.TABLE"}`: what the table was before now can no longer be asked for.
async fn age(State(account): Shared, Json(age): Json<Age>) -> Response {
    answer(blocking(move || account.age_history(&age.table)).await)
}

async fn settings(State(account): Shared) -> Json<Settings> {
    Json(account.settings.get())
}

/// `POST /sim/settings {"suspended": true}`: what is not given is as by default.
async fn switch(State(account): Shared, Json(settings): Json<Settings>) -> Json<Value> {
    account.settings.change(|switches| *switches = settings);
    done()
}

async fn logins(State(account): Shared) -> Json<Vec<Login>> {
    Json(account.log.logins())
}

/// The answer to a control request that returns nothing.
fn answer(outcome: Result<(), SqlError>) -> Response {
    match outcome {
        Ok(()) => done().into_response(),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &SqlError) -> Response {
    let answer =
        json!({ "code": error.code, "sqlState": error.sql_state, "message": error.message });
    (StatusCode::BAD_REQUEST, Json(answer)).into_response()
}

fn done() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn faults(State(account): Shared) -> Json<Vec<Fault>> {
    Json(account.faults.list())
}

/// One fault is added; a list replaces all.
#[derive(Deserialize)]
#[serde(untagged)]
enum Arming {
    One(Box<Fault>),
    All(Vec<Fault>),
}

async fn arm(State(account): Shared, body: String) -> Response {
    match serde_json::from_str::<Arming>(&body) {
        Ok(Arming::One(fault)) => account.faults.arm(*fault),
        Ok(Arming::All(faults)) => {
            account.faults.clear();
            faults
                .into_iter()
                .for_each(|fault| account.faults.arm(fault));
        }
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
    done().into_response()
}

async fn heal(State(account): Shared) -> Json<Value> {
    account.faults.clear();
    done()
}

async fn gates(State(account): Shared) -> Json<Vec<GateStatus>> {
    Json(account.gates.list())
}

#[derive(Deserialize)]
struct NewGate {
    sql: String,
    #[serde(default = "before")]
    point: GatePoint,
}

fn before() -> GatePoint {
    GatePoint::BeforeExecute
}

async fn close_gate(State(account): Shared, Json(gate): Json<NewGate>) -> Json<Value> {
    Json(json!({ "id": account.gates.arm(&gate.sql, gate.point) }))
}

#[derive(Deserialize, Default)]
struct Release {
    id: Option<u64>,
}

async fn release(State(account): Shared, body: String) -> Json<Value> {
    let release: Release = serde_json::from_str(&body).unwrap_or_default();
    account.gates.release(release.id);
    done()
}

#[derive(Deserialize)]
struct Wait {
    id: u64,
    #[serde(default = "one")]
    count: u64,
}

fn one() -> u64 {
    1
}

/// `GET /sim/gates/wait?id=&count=`: answers when so many statements have come to the gate.
async fn wait(State(account): Shared, Query(wait): Query<Wait>) -> Json<Value> {
    account.gates.reached(wait.id, wait.count).await;
    done()
}

async fn log(State(account): Shared) -> Json<Vec<LogEntry>> {
    Json(account.log.statements())
}

async fn reset_log(State(account): Shared) -> Json<Value> {
    account.log.reset();
    done()
}

async fn requests(State(account): Shared) -> Json<BTreeMap<String, u64>> {
    Json(account.log.requests())
}

async fn credits(State(account): Shared) -> Json<Credits> {
    Json(account.log.credits())
}

async fn sessions(State(account): Shared) -> Json<Value> {
    let sessions = account.sessions.list();
    let entry = |context: &crate::engine::Context| {
        json!({ "session_id": context.session_id, "user": context.user, "role": context.role, "database": context.database,
            "schema": context.schema, "warehouse": context.warehouse, "parameters": context.parameters })
    };
    Json(sessions.iter().map(entry).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expired {
    Session,
    Master,
    Gone,
    Chunks,
}

#[derive(Deserialize)]
struct Expire {
    what: Expired,
}

/// `POST /sim/expire {"what": "session" | "master" | "gone" | "chunks"}`.
async fn expire(State(account): Shared, Json(expire): Json<Expire>) -> Json<Value> {
    match expire.what {
        Expired::Session => account.sessions.expire_sessions(),
        Expired::Master => account.sessions.expire_masters(),
        Expired::Gone => account.sessions.forget(),
        Expired::Chunks => account.queries.expire_chunks(),
    }
    done()
}
