//! One statement: sent once, waited for, aborted when nobody waits any more.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ducksync_core::error::{Error, ErrorKind, Result};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    failure,
    http::Call,
    protocol::{Envelope, QueryData, QueryRequest},
    session::Session,
};

/// How long beyond its own timeout a statement is waited for, so that Snowflake's error wins.
const GRACE: Duration = Duration::from_secs(10);
/// The longest pause between two questions whether a statement is finished.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How a statement runs; never part of its text, which the result cache compares.
#[derive(Debug, Clone, Default)]
pub(super) struct Manner {
    pub(super) tag: Option<String>,
    pub(super) timeout: Option<Duration>,
    /// Only the columns are asked for; nothing runs.
    pub(super) describe_only: bool,
    /// Session parameters that hold for this statement.
    pub(super) parameters: BTreeMap<String, String>,
}

impl Manner {
    fn parameters(&self) -> BTreeMap<&str, Value> {
        let given = self.parameters.iter();
        let given = given.map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
        let mut parameters: BTreeMap<_, _> = given.collect();
        parameters.insert("MULTI_STATEMENT_COUNT", 1.into());
        if let Some(tag) = &self.tag {
            parameters.insert("QUERY_TAG", tag.as_str().into());
        }
        if let Some(timeout) = self.timeout {
            let whole = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
            parameters.insert("STATEMENT_TIMEOUT_IN_SECONDS", whole.max(1).into());
        }
        parameters
    }
}

/// Runs a statement and waits until its first rows can be had. Dropping the future aborts it.
pub(super) async fn run(session: &Arc<Session>, sql: &str, manner: &Manner) -> Result<QueryData> {
    let Some(timeout) = manner.timeout else {
        return run_unbounded(session, sql, manner).await;
    };
    match tokio::time::timeout(timeout + GRACE, run_unbounded(session, sql, manner)).await {
        Ok(ended) => ended,
        Err(_) => Err(Error::new(
            ErrorKind::DeadlineExceeded,
            format!(
                "the statement at snowflake took longer than {} s",
                timeout.as_secs_f64()
            ),
        )
        .with_remedy("raise the statement's timeout, or narrow the statement")),
    }
}

async fn run_unbounded(session: &Arc<Session>, sql: &str, manner: &Manner) -> Result<QueryData> {
    let request_id = Uuid::new_v4().to_string();
    let body = QueryRequest {
        sql_text: sql,
        async_exec: false,
        sequence_id: session.next_sequence(),
        query_submission_time: chrono::Utc::now().timestamp_millis(),
        is_internal: false,
        describe_only: manner.describe_only,
        parameters: manner.parameters(),
    };
    let body = serde_json::to_value(&body)
        .map_err(|error| Error::internal("a statement cannot be encoded").with_source(error))?;
    let call = Call::post("queries/v1/query-request", body).with("requestId", request_id.as_str());
    // Logged in first: a statement that was never sent needs no abort.
    session.info().await?;
    let mut abort = AbortOnDrop::of(session, request_id);
    let first = session.call(&call).await?;
    let envelope = finished(session, first).await?;
    abort.disarm();
    let data = judged(envelope)?;
    session.observe(&data).await;
    Ok(data)
}

/// Asks for the result of a statement that runs or ran, without running it again.
pub(super) async fn result(session: &Arc<Session>, query_id: &str) -> Result<QueryData> {
    let first = session.call(&Call::get(result_path(query_id)?)).await?;
    judged(finished(session, first).await?).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Error::not_found(format!("snowflake keeps no result of query {query_id}"))
                .with_remedy("run the statement again")
                .with_source(error)
        }
        _ => error,
    })
}

/// Stops a statement by the id of its query. One that ended already is no error.
pub(super) async fn abort(session: &Arc<Session>, query_id: &str) -> Result<()> {
    let path = format!("queries/{}/abort-request", checked_id(query_id)?);
    let envelope = session
        .call::<QueryData>(&Call::post(path, json!({})))
        .await?;
    if !envelope.success {
        let error = failure::of_statement(&envelope);
        if matches!(
            error.kind(),
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied
        ) {
            return Err(error);
        }
        tracing::debug!(query_id, %error, "the query had ended before it could be aborted");
    }
    Ok(())
}

/// Polls until Snowflake says that the statement has ended.
async fn finished(
    session: &Arc<Session>,
    mut envelope: Envelope<QueryData>,
) -> Result<Envelope<QueryData>> {
    let mut pause = Duration::from_millis(5);
    while envelope
        .code
        .as_deref()
        .is_some_and(|code| failure::PENDING.contains(&code))
    {
        let call = Call::get(next_path(&envelope)?);
        // Snowflake holds the request until there is news; the pause is for servers that do not.
        let asked = Instant::now();
        envelope = session.call(&call).await?;
        if asked.elapsed() < LONGEST_PAUSE {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
    Ok(envelope)
}

fn next_path(envelope: &Envelope<QueryData>) -> Result<String> {
    let data = envelope.data.as_ref();
    let told = data.and_then(|data| data.get_result_url.as_deref());
    if let Some(path) = told.and_then(|path| path.strip_prefix("/queries/")) {
        return Ok(format!("queries/{path}"));
    }
    let id = data.and_then(|data| data.query_id.as_deref());
    result_path(
        id.ok_or_else(|| Error::data_loss("snowflake promised a result without naming it"))?,
    )
}

fn result_path(query_id: &str) -> Result<String> {
    Ok(format!("queries/{}/result", checked_id(query_id)?))
}

/// A query id goes into a path, so it may hold nothing that has a meaning there.
fn checked_id(query_id: &str) -> Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !query_id.is_empty() && query_id.chars().all(plain) {
        return Ok(query_id);
    }
    Err(Error::invalid(format!(
        "{query_id:?} is not a snowflake query id"
    )))
}

fn judged(envelope: Envelope<QueryData>) -> Result<QueryData> {
    if !envelope.success {
        return Err(failure::of_statement(&envelope));
    }
    envelope
        .data
        .ok_or_else(|| Error::data_loss("snowflake reported success without a result"))
}

/// Aborts a statement by the id of its request, unless it is known to have ended.
struct AbortOnDrop {
    session: Arc<Session>,
    request_id: Option<String>,
}

impl AbortOnDrop {
    fn of(session: &Arc<Session>, request_id: String) -> Self {
        Self {
            session: session.clone(),
            request_id: Some(request_id),
        }
    }

    fn disarm(&mut self) {
        self.request_id = None;
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        let Some(request_id) = self.request_id.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(abort_request(self.session.clone(), request_id));
    }
}

/// Tries a few times: the abort may overtake the statement it is meant for.
async fn abort_request(session: Arc<Session>, request_id: String) {
    let policy = session.http().retry();
    for retry in 1..=policy.retries {
        let call = Call::post(
            "queries/v1/abort-request",
            json!({ "requestId": request_id }),
        )
        .with("requestId", Uuid::new_v4().to_string());
        match session.call::<IgnoredAny>(&call).await {
            Ok(envelope) if envelope.success => return,
            Ok(_) => policy.wait(retry).await,
            Err(error) => {
                tracing::warn!(%error, "a statement at snowflake could not be aborted");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v8_tag_and_timeout_travel_beside_the_text() {
        let manner = Manner {
            tag: Some("cache:orders".into()),
            timeout: Some(Duration::from_millis(1500)),
            describe_only: false,
            ..Manner::default()
        };
        let parameters = manner.parameters();
        assert_eq!(parameters["QUERY_TAG"], "cache:orders");
        assert_eq!(parameters["STATEMENT_TIMEOUT_IN_SECONDS"], 2);
        assert_eq!(parameters["MULTI_STATEMENT_COUNT"], 1);
    }

    #[test]
    fn query_ids_cannot_leave_their_path() {
        assert!(result_path("01b2-aa_9").is_ok());
        for bad in ["", "../x", "a/b", "a?b"] {
            assert!(result_path(bad).is_err(), "{bad}");
        }
    }
}
