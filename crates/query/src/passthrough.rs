//! The pass-through route: the source answers, unchanged (V-8).
//!
//! GetFlightInfo submits, once. DoGet streams, and may repeat from the result that the source keeps,
//! never by running it again. What nobody reads in time is aborted at the source.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ducksync_core::{
    BatchStream, Error, Result,
    auth::{GrantTarget, Privilege},
    id::StatementId,
    session::{AnswerMetadata, CacheStatus, Route},
    source::{Source, SourceContext},
    types::result_schema,
};
use tokio::task::AbortHandle;

use crate::{
    Query, Session,
    read::PassthroughPlan,
    statement::{Answer, Prepared, Rows},
    ticket::{PassthroughTicket, Ticket},
};

impl Query {
    fn source_context(&self, session: &Session, statement: StatementId) -> SourceContext {
        SourceContext {
            database: session
                .option("catalog")
                .filter(|name| *name != self.lake_name()),
            schema: session.option("schema"),
            tag: Some(format!("ducksync:{statement}")),
            timeout: Some(self.config.statement_timeout),
            ..SourceContext::default()
        }
    }

    pub(crate) async fn describe_passthrough(
        &self,
        session: &Arc<Session>,
        plan: &PassthroughPlan,
    ) -> Result<Prepared> {
        read_only(&plan.sql)?;
        let source = self.parts.sources.source(&plan.source).await?;
        let context = self.source_context(session, StatementId::generate());
        let described = source.describe(&plan.sql, &context).await?;
        Ok(Prepared {
            columns: Some(described.columns),
            parameters: Vec::new(),
        })
    }

    pub(crate) async fn answer_passthrough(
        &self,
        session: &Arc<Session>,
        plan: PassthroughPlan,
    ) -> Result<Answer> {
        read_only(&plan.sql)?;
        let statement_id = StatementId::generate();
        let source = self.parts.sources.source(&plan.source).await?;
        let context = self.source_context(session, statement_id);
        let submitted = source.submit(&plan.sql, &context).await?;
        self.unread.watch(source, submitted.query_id.clone());
        let ticket = Ticket::Passthrough(PassthroughTicket {
            source: plan.source,
            query_id: submitted.query_id.clone(),
            database: context.database,
            schema: context.schema,
            types: context.types,
        });
        let sealed = self.seal("ticket", &session.principal().name, &ticket.encode()?)?;
        let metadata = AnswerMetadata {
            statement_id,
            route: Route::Passthrough,
            rule: plan.rule.into(),
            reason: plan.reason,
            cache_status: CacheStatus::Bypass,
            snapshot_id: None,
            source_query_id: Some(submitted.query_id),
            warnings: submitted.warnings,
            datasets: Vec::new(),
        };
        Ok(Answer::Rows(Rows {
            ticket: sealed.into(),
            schema: result_schema(&submitted.columns),
            columns: submitted.columns,
            total: submitted.rows.and_then(|rows| i64::try_from(rows).ok()),
            metadata,
        }))
    }

    pub(crate) async fn open_passthrough(
        &self,
        session: &Arc<Session>,
        ticket: &PassthroughTicket,
    ) -> Result<BatchStream> {
        let target = GrantTarget::Source(ticket.source.to_string());
        session
            .principal()
            .require(Privilege::Passthrough, &target)?;
        let source = self.parts.sources.source(&ticket.source).await?;
        let context = SourceContext {
            database: ticket.database.clone(),
            schema: ticket.schema.clone(),
            types: ticket.types.clone(),
            ..SourceContext::default()
        };
        self.unread.forget(&ticket.query_id);
        source.fetch(&ticket.query_id, &context).await
    }
}

/// Refuses what is not one read-only statement, in whatever dialect: what a source would run must not
/// change it.
pub(crate) fn read_only(sql: &str) -> Result<()> {
    use sqlparser::{ast::Statement, dialect::SnowflakeDialect, parser::Parser};
    let statements = Parser::parse_sql(&SnowflakeDialect {}, sql).map_err(|error| {
        Error::invalid(format!("the statement cannot be passed through: {error}"))
            .with_remedy("send one SELECT, SHOW or DESCRIBE statement")
    })?;
    let readable = |statement: &Statement| match statement {
        Statement::Query(query) => crate::source_sql::reads_only(query),
        Statement::ShowTables { .. }
        | Statement::ShowViews { .. }
        | Statement::ShowSchemas { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowColumns { .. }
        | Statement::ExplainTable { .. } => true,
        _ => false,
    };
    match statements.as_slice() {
        [statement] if readable(statement) => Ok(()),
        [_] => Err(Error::invalid(
            "only statements that read may pass through to a source",
        )),
        _ => Err(Error::invalid(
            "exactly one statement may pass through to a source",
        )),
    }
}

/// Results at a source that nobody has begun to read.
pub(crate) struct Unread {
    life: Duration,
    timers: Arc<Mutex<HashMap<String, AbortHandle>>>,
}

impl Unread {
    pub(crate) fn new(life: Duration) -> Self {
        Self {
            life,
            timers: Arc::default(),
        }
    }

    /// Aborts the statement unless it is read in time.
    fn watch(&self, source: Arc<dyn Source>, query_id: String) {
        let (life, timers, id) = (self.life, self.timers.clone(), query_id.clone());
        // The lock is held until the timer is in the map, so it cannot end before it is there.
        let mut map = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(life).await;
            timers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
            if let Err(error) = source.abort(&id).await {
                tracing::warn!(query_id = %id, %error, "an unread result could not be aborted");
            }
        });
        map.insert(query_id, timer.abort_handle());
    }

    /// The statement is being read, or was cancelled.
    pub(crate) fn forget(&self, query_id: &str) {
        let timer = self
            .timers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(query_id);
        if let Some(timer) = timer {
            timer.abort();
        }
    }
}
