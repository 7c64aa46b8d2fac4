//! `POST /session/v1/login-request`: who it is, and what the session begins with.

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
use crate::log::Login;
use crate::names;
use crate::session::Tokens;
use crate::users::{self, Credentials, Refusal};

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
    let credentials = Credentials {
        authenticator: text("AUTHENTICATOR"),
        login_name: text("LOGIN_NAME"),
        password: text("PASSWORD"),
        token: text("TOKEN"),
    };
    let now = users::now(account.settings.get().clock_offset_seconds);
    let mut entry = Login {
        at: chrono::Utc::now(),
        user: text("LOGIN_NAME").to_uppercase(),
        authenticator: match text("AUTHENTICATOR") {
            "" => "SNOWFLAKE".to_owned(),
            other => other.to_uppercase(),
        },
        client: text("CLIENT_APP_ID").to_owned(),
        session_id: None,
        role: None,
        warehouse: None,
        error: None,
    };
    let opened = account
        .engine
        .users
        .authenticate(credentials, now)
        .and_then(|user| context(&account, &user, &options, &data));
    let response = match opened {
        Ok(context) => {
            let arrow = !text("CLIENT_APP_ID").is_empty();
            let (session, tokens) = account.sessions.open(context, arrow);
            let context = session.context();
            entry.user.clone_from(&context.user);
            entry.session_id = Some(session.id);
            entry.role = Some(context.role.clone());
            entry.warehouse.clone_from(&context.warehouse);
            welcome(&account, &context, &tokens)
        }
        Err(refusal) => {
            entry.error = Some(refusal.code.to_owned());
            envelope::failure(refusal.code, &refusal.message)
        }
    };
    account.log.login(entry);
    response
}

/// What the session begins with.
fn context(
    account: &Account,
    user: &User,
    options: &HashMap<String, String>,
    data: &Value,
) -> Result<Context, Refusal> {
    let named = |option: &str| {
        let text = options.get(option).filter(|text| !text.is_empty())?;
        names::parse(text).ok().and_then(|mut parts| parts.pop())
    };
    let mut context = Context {
        user: user.name.to_uppercase(),
        role: named("roleName")
            .or_else(|| user.default_role.clone())
            .unwrap_or_else(|| "SYSADMIN".to_owned()),
        roles: user.roles.clone(),
        warehouse: named("warehouse").or_else(|| user.default_warehouse.clone()),
        ..Context::default()
    };
    if !context.may_take(&context.role) {
        return Err(Refusal::new(
            "390189",
            format!(
                "Role '{}' specified in the connect string does not exist or not authorized. Contact your local system administrator, or attempt to login with another role, e.g. PUBLIC.",
                context.role
            ),
        ));
    }
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
    Ok(context)
}

fn welcome(account: &Account, context: &Context, tokens: &Tokens) -> Response {
    envelope::success(json!({
        "token": tokens.session,
        "masterToken": tokens.master,
        "validityInSeconds": account.config.session_validity.as_secs(),
        "masterValidityInSeconds": account.config.master_validity.as_secs(),
        "sessionId": context.session_id,
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
