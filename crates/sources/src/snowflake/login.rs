//! Who logs in, and how a login is made: with the credential as it is at that moment, one at a time, and
//! not again and again where Snowflake said no.
//!
//! Secrets are exposed in [`Login::body`] alone, which goes straight onto the wire.

use std::time::Instant;

use ducksync_core::error::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    clock,
    credential::{Credential, Presented, Proof},
    failure,
    http::{Answer, Call, Http},
    pool::Place,
    protocol::LoginData,
    refusals::{Pauses, Refusals},
};

/// Snowflake sends Arrow only to clients whose name it knows; this is its Go driver's, whose wire
/// format is the plain one. The application's own name goes beside it.
const CLIENT: (&str, &str) = ("Go", "1.19.0");

/// The parameters of a login, and what became of the last ones.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) account: String,
    pub(super) user: String,
    pub(super) database: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) warehouse: Option<String>,
    pub(super) role: Option<String>,
    pub(super) chunk_size_mb: u64,
    credential: Credential,
    refusals: Refusals,
    /// Held while a login is under way: sessions that start together must not be refused together.
    turn: Mutex<()>,
}

impl Login {
    /// A login of the account's user, with nothing else said.
    pub(super) fn new(account: &str, user: &str, credential: Credential, pauses: Pauses) -> Self {
        Self {
            account: account.to_owned(),
            user: user.to_owned(),
            database: None,
            schema: None,
            warehouse: None,
            role: None,
            chunk_size_mb: 16,
            credential,
            refusals: Refusals::new(pauses),
            turn: Mutex::default(),
        }
    }

    /// Finds a file that is not there, or a key that cannot sign, before anybody waits for a login.
    pub(super) async fn check(&self) -> Result<()> {
        self.credential.present().await.map(drop)
    }

    /// Logs in. A credential in files that were replaced meanwhile is read once more; a signed login that
    /// was refused while the clocks differ is dated once more, by Snowflake's clock.
    pub(super) async fn enter(&self, http: &Http, place: &Place) -> Result<LoginData> {
        let _turn = self.turn.lock().await;
        let mut presented = self.credential.present().await?;
        let (mut read_again, mut dated_again) = (false, false);
        loop {
            if let Some(error) = self.refusals.bar(presented.digest, Instant::now()) {
                return Err(error);
            }
            let dated = clock::correction(http.ahead());
            let error = match self.attempt(http, place, &presented, dated).await? {
                Ok(data) => {
                    self.refusals.forget();
                    return Ok(data);
                }
                Err(error) => error,
            };
            let is_signed = matches!(presented.proof, Proof::KeyPair(_));
            if is_signed && !dated_again && dated != clock::correction(http.ahead()) {
                dated_again = true;
                clock::warn(http.ahead());
                continue;
            }
            if self.credential.is_in_files() && !read_again {
                read_again = true;
                let now = self.credential.present().await?;
                if now.digest != presented.digest {
                    presented = now;
                    continue;
                }
            }
            let error = match is_signed {
                true => clock::blamed(http.ahead(), error),
                false => error,
            };
            return Err(self.refusals.note(presented.digest, error, Instant::now()));
        }
    }

    /// One login: the session, or why the credential was refused. What says nothing about the
    /// credential is an error like any other.
    async fn attempt(
        &self,
        http: &Http,
        place: &Place,
        presented: &Presented,
        dated: i64,
    ) -> Result<Result<LoginData, Error>> {
        let call = self.call(place, presented, dated)?;
        let refused = match http.send::<LoginData>(&call, None).await? {
            Answer::Envelope(envelope) if envelope.success => match envelope.data {
                Some(data) if data.token.is_some() => return Ok(Ok(data)),
                _ => {
                    return Err(Error::data_loss(
                        "snowflake accepted a login without issuing a token",
                    ));
                }
            },
            Answer::Envelope(envelope) => failure::of_login(&envelope, &self.user),
            Answer::Unauthorized => failure::of_login_without_words(&self.user),
        };
        match refused.kind() {
            ErrorKind::Unauthenticated => Ok(Err(refused)),
            _ => Err(refused),
        }
    }

    fn call(&self, place: &Place, presented: &Presented, dated: i64) -> Result<Call> {
        let mut call = Call::post("session/v1/login-request", self.body(presented, dated)?)
            .with("requestId", Uuid::new_v4().to_string());
        for (name, here, everywhere) in [
            ("databaseName", place.database.as_ref(), &self.database),
            ("schemaName", place.schema.as_ref(), &self.schema),
            ("warehouse", None, &self.warehouse),
            ("roleName", place.role.as_ref(), &self.role),
        ] {
            if let Some(value) = here.or(everywhere.as_ref()) {
                call = call.with(name, value.clone());
            }
        }
        Ok(call)
    }

    /// The account without its region, as tokens and logins name it.
    fn account_name(&self) -> String {
        let locator = self.account.split('.').next().unwrap_or_default();
        locator.to_uppercase()
    }

    /// The body of a login request; `dated` seconds are added to this machine's time.
    fn body(&self, presented: &Presented, dated: i64) -> Result<Value> {
        let mut data = json!({
            "CLIENT_APP_ID": CLIENT.0,
            "CLIENT_APP_VERSION": CLIENT.1,
            "SVN_REVISION": "",
            "ACCOUNT_NAME": self.account_name(),
            "LOGIN_NAME": self.user,
            "CLIENT_ENVIRONMENT": {
                "APPLICATION": "DuckSync",
                "OS": std::env::consts::OS,
                "OS_VERSION": std::env::consts::ARCH,
            },
            "SESSION_PARAMETERS": {
                "CLIENT_RESULT_CHUNK_SIZE": self.chunk_size_mb,
                "GO_QUERY_RESULT_FORMAT": "ARROW",
            },
        });
        match &presented.proof {
            Proof::Password(password) => data["PASSWORD"] = password.expose().into(),
            Proof::KeyPair(key) => {
                let identity = format!("{}.{}", self.account_name(), self.user.to_uppercase());
                let now = chrono::Utc::now().timestamp() + dated;
                data["AUTHENTICATOR"] = "SNOWFLAKE_JWT".into();
                data["TOKEN"] = key.token(&identity, now)?.into();
            }
            Proof::Token(token, kind) => {
                data["AUTHENTICATOR"] = (*kind).into();
                data["TOKEN"] = token.expose().into();
            }
        }
        Ok(json!({ "data": data }))
    }
}

#[cfg(test)]
mod tests;
