//! Who may log in, and by what; all of it can change while the account runs.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::User;
use crate::jwt;

/// How many refused logins are remembered for `SYSTEM$GET_LOGIN_FAILURE_DETAILS`.
const REMEMBERED: usize = 1_000;

/// Why a login is refused: Snowflake's code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn password() -> Self {
        Self::new("390100", "Incorrect username or password was specified.")
    }
}

/// What a login shows of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Credentials<'a> {
    pub(crate) authenticator: &'a str,
    pub(crate) login_name: &'a str,
    pub(crate) password: &'a str,
    pub(crate) token: &'a str,
}

#[derive(Debug, Default)]
struct Failures {
    by_id: HashMap<String, Value>,
    order: VecDeque<String>,
}

/// The account's users.
#[derive(Debug, Default)]
pub(crate) struct Users {
    users: RwLock<Vec<User>>,
    failures: Mutex<Failures>,
}

impl Users {
    pub(crate) fn new(users: Vec<User>) -> Self {
        Self {
            users: RwLock::new(users),
            failures: Mutex::default(),
        }
    }

    /// Changes a user; makes one who does not exist.
    pub(crate) fn alter(&self, name: &str, change: impl FnOnce(&mut User)) {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        let known = |user: &User| user.name.eq_ignore_ascii_case(name);
        let at = users.iter().position(known).unwrap_or_else(|| {
            users.push(User {
                name: name.to_owned(),
                ..User::default()
            });
            users.len() - 1
        });
        if let Some(user) = users.get_mut(at) {
            change(user);
        }
    }

    /// The user whom the credentials prove; `now` is the account's time.
    pub(crate) fn authenticate(
        &self,
        credentials: Credentials<'_>,
        now: DateTime<Utc>,
    ) -> Result<User, Refusal> {
        let user = match credentials.authenticator.to_uppercase().as_str() {
            "SNOWFLAKE_JWT" => self.by_key_pair(credentials, now),
            "OAUTH" => self.by_oauth(credentials),
            "PROGRAMMATIC_ACCESS_TOKEN" => self.by_access_token(credentials),
            // Drivers send an access token as a password, too.
            _ => self
                .by_password(credentials)
                .or_else(|refusal| self.by_token_as_password(credentials).ok_or(refusal)),
        }?;
        if user.disabled {
            return Err(Refusal::new(
                "390101",
                "User access disabled. Contact your local system administrator.",
            ));
        }
        Ok(user)
    }

    /// What an administrator is told about a refused login.
    pub(crate) fn failure(&self, id: &str) -> Option<Value> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.by_id.get(id).cloned()
    }

    fn named(&self, name: &str) -> Option<User> {
        self.found(|user| user.name.eq_ignore_ascii_case(name))
    }

    fn found(&self, is: impl Fn(&User) -> bool) -> Option<User> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.iter().find(|user| is(user)).cloned()
    }

    fn by_password(&self, credentials: Credentials<'_>) -> Result<User, Refusal> {
        self.named(credentials.login_name)
            .filter(|user| user.password.as_deref() == Some(credentials.password))
            .ok_or_else(Refusal::password)
    }

    fn by_token_as_password(&self, credentials: Credentials<'_>) -> Option<User> {
        self.named(credentials.login_name)
            .filter(|user| user.token.as_deref() == Some(credentials.password))
    }

    fn by_access_token(&self, credentials: Credentials<'_>) -> Result<User, Refusal> {
        let holder = self.found(|user| user.token.as_deref() == Some(credentials.token));
        holder
            .filter(|user| meant(user, credentials.login_name))
            .ok_or_else(|| {
                self.refused(
                    "394400",
                    "Programmatic access token is invalid.",
                    "PAT_INVALID",
                )
            })
    }

    fn by_oauth(&self, credentials: Credentials<'_>) -> Result<User, Refusal> {
        let token = |user: &User| user.oauth_token.clone().or_else(|| user.token.clone());
        let holder = self.found(|user| token(user).as_deref() == Some(credentials.token));
        let holder = holder.ok_or_else(|| {
            self.refused(
                "390303",
                "Invalid OAuth access token.",
                "OAUTH_ACCESS_TOKEN_INVALID",
            )
        })?;
        if !meant(&holder, credentials.login_name) {
            return Err(Refusal::new(
                "390309",
                "The user you were trying to authenticate as differs from the user tied to the access token.",
            ));
        }
        Ok(holder)
    }

    fn by_key_pair(
        &self,
        credentials: Credentials<'_>,
        now: DateTime<Utc>,
    ) -> Result<User, Refusal> {
        let proven = jwt::claimed_user(credentials.token).and_then(|name| {
            let user = self
                .named(&name)
                .filter(|user| meant(user, credentials.login_name))
                .ok_or(jwt::Invalid::UserInIssuer)?;
            jwt::verify(credentials.token, &user, now).map(|()| user)
        });
        proven.map_err(|reason| {
            tracing::warn!(
                code = reason.code(),
                reason = reason.name(),
                "refused a JWT"
            );
            self.refused("390144", "JWT token is invalid.", reason.name())
        })
    }

    /// A refusal whose reason only administrators learn, by the id at its end.
    fn refused(&self, code: &'static str, text: &str, reason: &str) -> Refusal {
        let id = Uuid::new_v4().to_string();
        let details = json!({ "clientIP": "127.0.0.1", "clientType": "OTHER", "clientVersion": "", "username": null,
            "errorCode": reason, "timestamp": Utc::now().timestamp() });
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.by_id.insert(id.clone(), details);
        failures.order.push_back(id.clone());
        if failures.order.len() > REMEMBERED
            && let Some(oldest) = failures.order.pop_front()
        {
            failures.by_id.remove(&oldest);
        }
        Refusal::new(code, format!("{text} [{id}]"))
    }
}

/// Whether a login that names somebody names this user.
fn meant(user: &User, login_name: &str) -> bool {
    login_name.is_empty() || user.name.eq_ignore_ascii_case(login_name)
}

/// The account's clock.
pub(crate) fn now(offset_seconds: i64) -> DateTime<Utc> {
    TimeDelta::try_seconds(offset_seconds)
        .and_then(|offset| Utc::now().checked_add_signed(offset))
        .unwrap_or_else(Utc::now)
}
