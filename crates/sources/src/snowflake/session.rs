//! One session at Snowflake: its login, its tokens, and requests made with them.
//!
//! A session logs in when it is first used. Its token is renewed when Snowflake says it is over, once
//! for all requests that hear so at the same time; no heartbeat is sent. Nothing of a session is
//! changed by statements: database, schema and role are those of its login for life, so statements that run
//! side by side cannot move each other's names.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use ducksync_core::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    failure,
    http::{Answer, Call, Http},
    login::Login,
    pool::Place,
    protocol::{Envelope, QueryData, RenewData, SessionInfo, Token},
};

/// How often one request may find its token over.
const RENEWALS: u32 = 2;

/// A session with a database and schema of its own.
#[derive(Debug)]
pub(super) struct Session {
    http: Arc<Http>,
    login: Arc<Login>,
    place: Place,
    state: Mutex<State>,
    sequence: AtomicU64,
    /// A statement changed its database, schema, role or warehouse.
    moved: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Counts logins and renewals, so that each is done once.
    generation: u64,
    tokens: Option<Tokens>,
    info: SessionInfo,
}

#[derive(Debug)]
struct Tokens {
    session: Token,
    master: Option<Token>,
}

impl Session {
    pub(super) fn new(http: Arc<Http>, login: Arc<Login>, place: Place) -> Self {
        Self {
            http,
            login,
            place,
            state: Mutex::default(),
            sequence: AtomicU64::new(1),
            moved: AtomicBool::new(false),
        }
    }

    pub(super) fn http(&self) -> &Arc<Http> {
        &self.http
    }

    pub(super) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether a statement left the session other than it was.
    pub(super) fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Relaxed)
    }

    /// What the session started with.
    pub(super) async fn info(&self) -> Result<SessionInfo> {
        let mut state = self.state.lock().await;
        if state.tokens.is_none() {
            self.log_in(&mut state).await?;
        }
        Ok(state.info.clone())
    }

    /// Sends a request with the session's token, renewed as often as needed.
    pub(super) async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<Envelope<T>> {
        for _ in 0..=RENEWALS {
            let (generation, token) = self.token().await?;
            match self.http.send(call, Some(&token)).await? {
                Answer::Envelope(envelope) => match envelope.code.as_deref() {
                    Some(failure::SESSION_EXPIRED) => self.renew(generation).await?,
                    Some(code) if failure::SESSION_LOST.contains(&code) => {
                        self.replace(generation).await?;
                    }
                    _ => return Ok(envelope),
                },
                Answer::Unauthorized => self.renew(generation).await?,
            }
        }
        Err(Error::unauthenticated(
            "snowflake refuses the session's token again and again",
        ))
    }

    /// Notes whether the statement changed the session (`USE …`).
    pub(super) async fn observe(&self, reply: &QueryData) {
        let state = self.state.lock().await;
        let differs = |now: &Option<String>, start: &Option<String>| matches!((now, start), (Some(now), Some(start)) if now != start);
        if differs(&reply.final_database_name, &state.info.database_name)
            || differs(&reply.final_schema_name, &state.info.schema_name)
            || differs(&reply.final_role_name, &state.info.role_name)
            || differs(&reply.final_warehouse_name, &state.info.warehouse_name)
        {
            self.moved.store(true, Ordering::Relaxed);
        }
    }

    async fn token(&self) -> Result<(u64, Token)> {
        let mut state = self.state.lock().await;
        if let Some(tokens) = &state.tokens {
            return Ok((state.generation, tokens.session.clone()));
        }
        let token = self.log_in(&mut state).await?;
        Ok((state.generation, token))
    }

    /// New tokens of the same session, unless another request got them already.
    async fn renew(&self, seen: u64) -> Result<()> {
        let mut state = self.state.lock().await;
        if state.generation != seen {
            return Ok(());
        }
        match self.renewed(&state).await? {
            Some(tokens) => {
                state.tokens = Some(tokens);
                state.generation += 1;
            }
            None => {
                self.log_in(&mut state).await?;
            }
        }
        Ok(())
    }

    /// A new session in place of a lost one, unless another request made it already.
    async fn replace(&self, seen: u64) -> Result<()> {
        let mut state = self.state.lock().await;
        if state.generation == seen {
            self.log_in(&mut state).await?;
        }
        Ok(())
    }

    /// `None` if only a new login can help.
    async fn renewed(&self, state: &State) -> Result<Option<Tokens>> {
        let Some(Tokens {
            session,
            master: Some(master),
        }) = &state.tokens
        else {
            return Ok(None);
        };
        let body = json!({ "oldSessionToken": session.0, "requestType": "RENEW" });
        let call =
            Call::post("session/token-request", body).with("requestId", Uuid::new_v4().to_string());
        let Answer::Envelope(envelope) = self.http.send::<RenewData>(&call, Some(master)).await?
        else {
            return Ok(None);
        };
        let data = envelope.data.filter(|_| envelope.success);
        Ok(data.and_then(|data| {
            Some(Tokens {
                session: data.session_token?,
                master: data.master_token.or_else(|| Some(master.clone())),
            })
        }))
    }

    async fn log_in(&self, state: &mut State) -> Result<Token> {
        let data = self.login.enter(&self.http, &self.place).await?;
        let token = data
            .token
            .ok_or_else(|| Error::data_loss("snowflake accepted a login without a token"))?;
        state.info = data.session_info.unwrap_or_default();
        state.generation += 1;
        state.tokens = Some(Tokens {
            session: token.clone(),
            master: data.master_token,
        });
        Ok(token)
    }
}

impl Drop for Session {
    /// Logs out, as a courtesy: Snowflake forgets idle sessions by itself.
    fn drop(&mut self) {
        let Some(tokens) = self.state.get_mut().tokens.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let http = self.http.clone();
        runtime.spawn(async move {
            let call = Call::post("session", json!({}))
                .with("delete", "true")
                .once();
            let _ = http
                .send::<serde::de::IgnoredAny>(&call, Some(&tokens.session))
                .await;
        });
    }
}
