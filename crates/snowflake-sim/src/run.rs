//! The life of a client's statement: logged, gated, executed, answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::account::Account;
use crate::blocking::blocking;
use crate::engine::Context;
use crate::error::SqlError;
use crate::execute::Executor;
use crate::faults::{FaultKind, Target};
use crate::gates::GatePoint;
use crate::log::{LogEntry, StatementClass, StatementStatus};
use crate::query::{Outcome, Query};
use crate::result::{Format, ResultSet};
use crate::rewrite::literal;
use crate::session::Session;
use crate::statement::Statement;
use crate::tokens::statements;

/// The body of a query request, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct QueryRequest {
    pub(crate) sql_text: String,
    pub(crate) async_exec: bool,
    pub(crate) describe_only: bool,
    pub(crate) parameters: Option<Map<String, Value>>,
    pub(crate) bindings: Option<Map<String, Value>>,
}

/// Registers the statement and starts it, unless the same request did so before.
pub(crate) fn submit(
    account: &Arc<Account>,
    session: &Arc<Session>,
    request_id: &str,
    request: QueryRequest,
) -> Arc<Query> {
    let mut context = session.context();
    let parameters: BTreeMap<String, String> = request
        .parameters
        .iter()
        .flatten()
        .map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name.to_uppercase(), text)
        })
        .collect();
    context.parameters.extend(parameters.clone());
    let arrow = session.arrow
        && !context.parameters.iter().any(|(name, value)| {
            name.ends_with("QUERY_RESULT_FORMAT") && value.eq_ignore_ascii_case("JSON")
        });
    let (query, new) = account
        .queries
        .submit(session.id, request_id, &request.sql_text, arrow);
    if new {
        let tokens_cost = account.settings.get().change_tokens_need_warehouse;
        let class =
            Statement::parse(&query.sql).map_or(
                StatementClass::Query,
                |statement| match tokens_cost && statement.reads_change_tokens() {
                    true => StatementClass::MetadataWarehouse,
                    false => statement.class,
                },
            );
        account.log.begin(LogEntry {
            parameters,
            describe_only: request.describe_only,
            ..entry(&query, &context, class)
        });
        let life = Life {
            account: account.clone(),
            session: session.clone(),
            query: query.clone(),
            context,
            class,
        };
        tokio::spawn(life.live(request));
    }
    query
}

fn entry(query: &Query, context: &Context, class: StatementClass) -> LogEntry {
    LogEntry {
        at: chrono::Utc::now(),
        sql: query.sql.clone(),
        class,
        describe_only: false,
        query_id: query.id.clone(),
        request_id: query.request_id.clone(),
        query_tag: context
            .parameter("QUERY_TAG")
            .unwrap_or_default()
            .to_owned(),
        parameters: BTreeMap::new(),
        effective_parameters: context.parameters.clone(),
        user: context.user.clone(),
        session_id: context.session_id,
        role: context.role.clone(),
        database: context.database.clone(),
        schema: context.schema.clone(),
        warehouse: context.warehouse.clone(),
        status: StatementStatus::Running,
        rows: 0,
        error: None,
    }
}

struct Life {
    account: Arc<Account>,
    session: Arc<Session>,
    query: Arc<Query>,
    context: Context,
    class: StatementClass,
}

impl Life {
    async fn live(self, request: QueryRequest) {
        let limit = self
            .context
            .parameter("STATEMENT_TIMEOUT_IN_SECONDS")
            .and_then(|seconds| seconds.parse().ok());
        if let Some(seconds) = limit.filter(|seconds| *seconds > 0) {
            let query = self.query.clone();
            tokio::spawn(async move {
                if query.outcome(Duration::from_secs(seconds)).await.is_none() {
                    query.abort(SqlError::timed_out(seconds));
                }
            });
        }
        let outcome = self.outcome(request).await;
        let rows = outcome.as_ref().map_or(0, |result| result.affected);
        let error = outcome.as_ref().err().map(|error| error.code.clone());
        // The log first: whoever has the answer finds the statement finished there.
        let status = match &outcome {
            Ok(_) => StatementStatus::Success,
            Err(error) if error.is_canceled() => StatementStatus::Canceled,
            Err(_) => StatementStatus::Failed,
        };
        self.account.log.end(&self.query.id, status, rows, error);
        self.query.end(outcome);
        self.account.queries.evict();
    }

    async fn outcome(&self, request: QueryRequest) -> Outcome {
        let count = statements(&self.query.sql)?.len();
        if count > 1 {
            return Err(SqlError::new(
                "000008",
                "0A000",
                format!(
                    "Actual statement count {count} did not match the desired statement count 1."
                ),
            ));
        }
        if self.class.needs_warehouse()
            && self.context.warehouse.is_none()
            && !request.describe_only
        {
            return Err(SqlError::no_warehouse());
        }
        if self.class.needs_warehouse() && self.account.settings.get().suspended {
            return Err(SqlError::suspended());
        }
        let target = Target {
            endpoint: "query",
            sql: Some(&self.query.sql),
            chunk: None,
        };
        if let Some(fault) = self.account.faults.take(FaultKind::QueryDelay, target) {
            self.unless_stopped(tokio::time::sleep(Duration::from_millis(fault.ms)))
                .await?;
        }
        // What is only described is not executed, and so has no point to be held at.
        let describe_only = request.describe_only;
        let gate = |point| async move {
            match describe_only {
                true => Ok(()),
                false => {
                    self.unless_stopped(self.account.gates.pass(&self.query.sql, point))
                        .await
                }
            }
        };
        gate(GatePoint::BeforeExecute).await?;
        if let Some(fault) = self.account.faults.take(FaultKind::QueryError, target) {
            return Err(SqlError::new(&fault.code, &fault.sql_state, fault.message));
        }
        let result = self.execute(request).await?;
        gate(GatePoint::BeforeAnswer).await?;
        Ok(Arc::new(result))
    }

    async fn unless_stopped(&self, wait: impl Future<Output = ()>) -> Result<(), SqlError> {
        tokio::select! {
            () = wait => Ok(()),
            () = self.query.stopped() => Err(self.query.interrupt.reason()),
        }
    }

    async fn execute(&self, request: QueryRequest) -> Result<ResultSet, SqlError> {
        let (account, session, query) = (
            self.account.clone(),
            self.session.clone(),
            self.query.clone(),
        );
        let mut context = self.context.clone();
        // What holds for this statement only must not become the session's.
        context.parameters = session.context().parameters;
        let format = match query.arrow {
            true => Format::Arrow {
                inline_rows: account.config.inline_rows,
                rows_per_chunk: account.config.rows_per_chunk,
            },
            false => Format::Text,
        };
        let work = move || {
            let mut executor = Executor {
                engine: &account.engine,
                session: Some(&session),
                context,
                query_id: Some(&query.id),
                bindings: bindings(request.bindings.as_ref())?,
                format,
                describe_only: request.describe_only,
                interrupt: &query.interrupt,
            };
            let result = executor.execute(&query.sql);
            // What was done before it could be stopped is done; what fails fails for the stop's reason.
            result.map_err(|error| query.interrupt.check().err().unwrap_or(error))
        };
        blocking(work).await
    }
}

/// The bindings `{"1": {"type": "FIXED", "value": "7"}, …}` as literals in order.
fn bindings(bound: Option<&Map<String, Value>>) -> Result<Vec<String>, SqlError> {
    let Some(bound) = bound else {
        return Ok(Vec::new());
    };
    (1..=bound.len())
        .map(|at| {
            let entry = bound
                .get(&at.to_string())
                .ok_or_else(|| SqlError::internal(format!("binding {at} is missing")))?;
            let kind = entry
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or("TEXT")
                .to_uppercase();
            let text = match entry.get("value") {
                None | Some(Value::Null) => return Ok("NULL".to_owned()),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            Ok(bound_literal(&kind, &text))
        })
        .collect()
}

fn bound_literal(kind: &str, text: &str) -> String {
    let quoted = literal(text);
    match kind {
        "FIXED" if text.parse::<i128>().is_ok() || text.parse::<f64>().is_ok() => text.to_owned(),
        "REAL" => format!("CAST({quoted} AS DOUBLE)"),
        "BOOLEAN" => format!("CAST({quoted} AS BOOLEAN)"),
        "BINARY" => format!("unhex({quoted})"),
        // Milliseconds since 1970.
        "DATE" if text.parse::<i64>().is_ok() => format!("CAST(epoch_ms({text}) AS DATE)"),
        "DATE" => format!("CAST({quoted} AS DATE)"),
        // Nanoseconds since midnight, or since 1970.
        "TIME" if text.parse::<i64>().is_ok() => {
            format!("CAST(make_timestamp({text} // 1000) AS TIME)")
        }
        "TIME" => format!("CAST({quoted} AS TIME)"),
        "TIMESTAMP_NTZ" if text.parse::<i64>().is_ok() => format!("make_timestamp({text} // 1000)"),
        "TIMESTAMP_NTZ" => format!("CAST({quoted} AS TIMESTAMP)"),
        "TIMESTAMP_LTZ" if text.parse::<i64>().is_ok() => {
            format!("(make_timestamp({text} // 1000) AT TIME ZONE 'UTC')")
        }
        _ => quoted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_become_literals_in_order() {
        let bound = serde_json::json!({
            "2": { "type": "TEXT", "value": "it's" },
            "1": { "type": "FIXED", "value": "42" },
            "3": { "type": "TEXT", "value": null },
            "4": { "type": "BOOLEAN", "value": "true" },
        });
        let found = bindings(bound.as_object()).unwrap();
        assert_eq!(found, ["42", "'it''s'", "NULL", "CAST('true' AS BOOLEAN)"]);
    }
}
