//! Requests to Snowflake's HTTP interface: deadlines, repetition, envelopes.
//!
//! What a request means, and what a refusal of it means, is for the callers. Addresses are taken out
//! of every error: the pre-signed ones are secrets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use ducksync_core::error::{Error, Result};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode, Url, header, redirect::Policy,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use uuid::Uuid;

use super::{
    clock,
    protocol::{Envelope, Token},
    retry::{RetryPolicy, is_transient, retry_after},
    settings::is_loopback,
};

/// The longest silence within a reply; Snowflake holds a request for 45 s before it answers "pending".
const SILENCE: Duration = Duration::from_secs(90);
/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// The largest reply; rows beyond the first few megabytes come in chunks.
const LARGEST_REPLY: usize = 256 << 20;

/// A connection pool to one account, and to the object store with its results.
#[derive(Debug)]
pub(super) struct Http {
    api: Client,
    objects: Client,
    base: Url,
    retry: RetryPolicy,
    traffic: Traffic,
    /// By how many seconds the account's clock is ahead, by its last reply.
    ahead: AtomicI64,
}

/// What is counted of the requests of a source.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic {
    pub(super) requests: Arc<AtomicU64>,
    pub(super) bytes: Arc<AtomicU64>,
}

/// No reply has said what time it is.
const UNKNOWN: i64 = i64::MIN;

/// One request to the account.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// Tries after the first, if not the usual.
    pub(super) retries: Option<u32>,
}

impl Call {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            body: None,
            retries: None,
        }
    }

    pub(super) fn post(path: impl Into<String>, body: Value) -> Self {
        Self {
            method: Method::POST,
            body: Some(body),
            ..Self::get(path)
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn once(mut self) -> Self {
        self.retries = Some(0);
        self
    }
}

/// What the account answered.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// An envelope, of success or failure.
    Envelope(Envelope<T>),
    /// The token was not accepted.
    Unauthorized,
}

/// Why a try failed.
enum Failed {
    /// It may be repeated.
    Passing {
        /// The status, which tells Snowflake why.
        reason: u16,
        /// How long the server asks to be left alone.
        after: Option<Duration>,
        error: Error,
    },
    Lasting(Error),
}

impl Http {
    pub(super) fn new(base: Url, retry: RetryPolicy, traffic: Traffic) -> Result<Self> {
        let local = base.host_str().is_some_and(is_loopback);
        let client = |compressed: bool| {
            let mut builder = Client::builder()
                .user_agent(concat!("DuckSync/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT)
                .read_timeout(SILENCE)
                .gzip(compressed)
                .https_only(base.scheme() == "https")
                .redirect(Policy::none());
            if local {
                builder = builder.no_proxy();
            }
            builder.build().map_err(|error| {
                Error::internal("could not set up the http client for snowflake").with_source(error)
            })
        };
        Ok(Self {
            api: client(true)?,
            objects: client(false)?,
            base,
            retry,
            traffic,
            ahead: AtomicI64::new(UNKNOWN),
        })
    }

    pub(super) fn retry(&self) -> RetryPolicy {
        self.retry
    }

    /// By how many seconds the account's clock was ahead of this machine's, if it ever said.
    pub(super) fn ahead(&self) -> Option<i64> {
        let ahead = self.ahead.load(Ordering::Relaxed);
        (ahead != UNKNOWN).then_some(ahead)
    }

    /// Sends a request, again where that is safe and may help. The request id stays the same, so a
    /// statement runs once however often its request is sent.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        call: &Call,
        token: Option<&Token>,
    ) -> Result<Answer<T>> {
        let started = chrono::Utc::now().timestamp_millis();
        let retries = call.retries.unwrap_or(self.retry.retries);
        let mut repetition = Vec::new();
        for retry in 1.. {
            let (reason, after, error) = match self.attempt(call, token, &repetition).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Lasting(error)) => return Err(error),
                Err(Failed::Passing {
                    reason,
                    after,
                    error,
                }) => (reason, after, error),
            };
            if retry > retries {
                return Err(error);
            }
            tracing::debug!(path = call.path, retry, %error, "repeating a request to snowflake");
            repetition = vec![
                ("clientStartTime", started.to_string()),
                ("retryCount", retry.to_string()),
                ("retryReason", reason.to_string()),
            ];
            self.retry.wait(retry, after).await;
        }
        Err(Error::internal("a request to snowflake was never sent"))
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        call: &Call,
        token: Option<&Token>,
        repetition: &[(&'static str, String)],
    ) -> Result<Answer<T>, Failed> {
        let request = self
            .request(call, token, repetition)
            .map_err(Failed::Lasting)?;
        self.sent();
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if let Some(ahead) = clock::ahead(response.headers(), chrono::Utc::now()) {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        if status == StatusCode::UNAUTHORIZED {
            return Ok(Answer::Unauthorized);
        }
        if !status.is_success() {
            let host = self.host();
            let error = Error::unavailable(format!("snowflake at {host} answered http {status}"));
            return Err(match status {
                _ if is_transient(status) => Failed::Passing {
                    reason: status.as_u16(),
                    after: retry_after(response.headers(), chrono::Utc::now()),
                    error: error.with_remedy("snowflake is busy or down: try again later"),
                },
                // What Snowflake answers for an account that it does not know.
                StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                    Failed::Lasting(error.with_remedy(
                        "there may be no such account: check the secret's account \
                         (organization-account, or locator.region) and host, and what a proxy or \
                         firewall on the way refuses",
                    ))
                }
                _ => Failed::Lasting(error.with_remedy("check that the service is up")),
            });
        }
        let body = read_body(response, LARGEST_REPLY).await;
        let body = body.map_err(|error| match error {
            BodyError::Broken(error) => self.unreachable(error),
            BodyError::TooLarge => Failed::Lasting(Error::resource_exhausted(
                "a reply of snowflake is larger than 256 MiB",
            )),
        })?;
        self.received(body.len());
        envelope(&body)
            .map(Answer::Envelope)
            .map_err(Failed::Lasting)
    }

    fn request(
        &self,
        call: &Call,
        token: Option<&Token>,
        repetition: &[(&'static str, String)],
    ) -> Result<RequestBuilder> {
        let url = self.base.join(&call.path).map_err(|error| {
            Error::internal("a path of snowflake is not a path").with_source(error)
        })?;
        let mut request = self
            .api
            .request(call.method.clone(), url)
            .header(header::ACCEPT, "application/snowflake")
            .query(&call.query)
            .query(&[("request_guid", Uuid::new_v4().to_string())])
            .query(repetition);
        if let Some(token) = token {
            let value = format!("Snowflake Token=\"{}\"", token.0);
            let mut value = header::HeaderValue::try_from(value)
                .map_err(|_| Error::data_loss("snowflake issued an unusable token"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        Ok(match &call.body {
            Some(body) => request.json(body),
            None => request,
        })
    }

    /// Starts the download of a part of a result; the address itself carries the right to it.
    pub(super) fn download(&self, address: &str) -> Result<RequestBuilder> {
        let url = Url::parse(address)
            .map_err(|_| Error::data_loss("snowflake named an unusable address of a result"))?;
        if url.scheme() != "https" && url.scheme() != self.base.scheme() {
            return Err(Error::data_loss(
                "snowflake named an address of a result without https",
            ));
        }
        Ok(self.objects.get(url))
    }

    /// Counts a request that goes out.
    pub(super) fn sent(&self) {
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of a reply.
    pub(super) fn received(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.traffic.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn unreachable(&self, error: reqwest::Error) -> Failed {
        let what = if error.is_timeout() {
            "did not answer in time"
        } else {
            "cannot be reached"
        };
        let error = Error::unavailable(format!("snowflake at {} {what}", self.host()))
            .with_remedy("check the secret's account, host and port, and the network")
            .with_source(error.without_url());
        Failed::Passing {
            reason: 0,
            after: None,
            error,
        }
    }

    fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }
}

/// Why a body could not be read.
pub(super) enum BodyError {
    Broken(reqwest::Error),
    TooLarge,
}

/// The whole body of a reply, unless it is larger than `most`.
async fn read_body(mut response: Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + piece.len() > most {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// Reads an envelope; the data of a refusal may have any form.
fn envelope<T: DeserializeOwned>(body: &[u8]) -> Result<Envelope<T>> {
    let broken = match serde_json::from_slice::<Envelope<T>>(body) {
        Ok(envelope) => return Ok(envelope),
        Err(error) => error,
    };
    match serde_json::from_slice::<Envelope<IgnoredAny>>(body) {
        Ok(refusal) if !refusal.success => Ok(Envelope {
            data: None,
            code: refusal.code,
            message: refusal.message,
            success: false,
        }),
        // Only the place: the text around it may hold rows or tokens.
        _ => Err(Error::data_loss(format!(
            "a reply of snowflake is not what its protocol says (line {}, column {})",
            broken.line(),
            broken.column()
        ))),
    }
}

#[cfg(test)]
mod tests;
