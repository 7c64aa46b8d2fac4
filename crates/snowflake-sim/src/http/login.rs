//! `POST /session/v1/login-request`: password, key pair, or token.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use serde_json::{Value, json};

use crate::account::Account;
use crate::config::User;
use crate::engine::Context;
use crate::envelope;
use crate::faults::{FaultKind, Target};
use crate::jwt;
use crate::names;

/// Session parameters that drivers rely on.
const DEFAULTS: [(&str, &str); 3] = [
    ("AUTOCOMMIT", "true"),
    ("TIMEZONE", "UTC"),
    ("CLIENT_SESSION_KEEP_ALIVE", "false"),
];

pub(super) async fn login(
    State(account): State<Arc<Account>>,
    Query(options): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let data = body.get("data").cloned().unwrap_or_default();
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let target = Target {
        endpoint: "login",
        ..Target::default()
    };
    if account
        .faults
        .take(FaultKind::LoginRefused, target)
        .is_some()
    {
        return envelope::failure("390100", "Incorrect username or password was specified.");
    }
    let token = text("TOKEN");
    let user = match text("AUTHENTICATOR").to_uppercase().as_str() {
        "SNOWFLAKE_JWT" => by_key_pair(&account, text("LOGIN_NAME"), token),
        "OAUTH" | "PROGRAMMATIC_ACCESS_TOKEN" => by_token(&account, token),
        _ => by_password(&account, text("LOGIN_NAME"), text("PASSWORD")),
    };
    match user {
        Ok(user) => welcome(&account, &user, &options, &data),
        Err((code, message)) => envelope::failure(code, &message),
    }
}

type Refusal = (&'static str, String);

fn named<'a>(account: &'a Account, name: &str) -> Option<&'a User> {
    account
        .config
        .users
        .iter()
        .find(|user| user.name.eq_ignore_ascii_case(name))
}

fn by_password(account: &Account, name: &str, password: &str) -> Result<User, Refusal> {
    let known = named(account, name).filter(|user| user.password.as_deref() == Some(password));
    known.cloned().ok_or_else(|| {
        (
            "390100",
            "Incorrect username or password was specified.".to_owned(),
        )
    })
}

fn by_key_pair(account: &Account, name: &str, token: &str) -> Result<User, Refusal> {
    let user =
        named(account, name).ok_or_else(|| ("390144", "JWT token is invalid.".to_owned()))?;
    match jwt::verify(token, user) {
        Ok(()) => Ok(user.clone()),
        Err(reason) => {
            tracing::warn!(user = user.name, reason, "refused a JWT");
            Err(("390144", format!("JWT token is invalid. [{reason}]")))
        }
    }
}

fn by_token(account: &Account, token: &str) -> Result<User, Refusal> {
    let known = account
        .config
        .users
        .iter()
        .find(|user| user.token.as_deref().is_some_and(|known| known == token));
    known
        .cloned()
        .ok_or_else(|| ("390303", "Invalid OAuth access token.".to_owned()))
}

fn welcome(
    account: &Account,
    user: &User,
    options: &HashMap<String, String>,
    data: &Value,
) -> Response {
    let named = |option: &str| {
        let text = options.get(option).filter(|text| !text.is_empty())?;
        names::parse(text).ok().and_then(|mut parts| parts.pop())
    };
    let mut context = Context {
        user: user.name.to_uppercase(),
        role: named("roleName").unwrap_or_else(|| "SYSADMIN".to_owned()),
        warehouse: named("warehouse"),
        ..Context::default()
    };
    if let Some(database) = named("databaseName") {
        let catalog = account.engine.catalog();
        if catalog.databases.contains_key(&database) {
            let schema = named("schemaName").unwrap_or_else(|| "PUBLIC".to_owned());
            context.schema = catalog.schema(&database, &schema).is_ok().then_some(schema);
            context.database = Some(database);
        }
    }
    for (name, value) in DEFAULTS {
        context.parameters.insert(name.to_owned(), value.to_owned());
    }
    let parameters = data.get("SESSION_PARAMETERS").and_then(Value::as_object);
    for (name, value) in parameters.into_iter().flatten() {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        context.parameters.insert(name.to_uppercase(), value);
    }
    let arrow = data
        .get("CLIENT_APP_ID")
        .and_then(Value::as_str)
        .is_some_and(|id| !id.is_empty());
    let (session, tokens) = account.sessions.open(context, arrow);
    let context = session.context();
    envelope::success(json!({
        "token": tokens.session,
        "masterToken": tokens.master,
        "validityInSeconds": account.config.session_validity.as_secs(),
        "masterValidityInSeconds": account.config.master_validity.as_secs(),
        "sessionId": session.id,
        "displayUserName": context.user,
        "serverVersion": "9.0.0",
        "parameters": context.parameter_list(),
        "sessionInfo": {
            "databaseName": context.database,
            "schemaName": context.schema,
            "warehouseName": context.warehouse,
            "roleName": context.role,
        },
    }))
}
