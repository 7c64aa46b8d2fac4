//! The pass-through route: the source answers, unchanged (V-8).
//!
//! GetFlightInfo submits, once, equal statements together (`shared`). DoGet streams, and may repeat from
//! the result that the source keeps, never by running it again. What nobody reads in time is aborted at
//! the source (`unread`). A source that was not reached is left alone for a while, so that it does not
//! tie up those who ask for it.

mod shared;
mod unread;

pub(crate) use shared::InFlight;
pub use shared::SharingCounts;
pub(crate) use unread::Unread;

use std::sync::Arc;

use ducksync_core::{
    BatchStream, Error, Result,
    auth::{GrantTarget, Privilege},
    id::StatementId,
    session::{AnswerMetadata, CacheStatus, Route},
    source::{Aspect, SourceContext},
    types::result_schema,
};

use crate::{
    Query, Session,
    read::PassthroughPlan,
    statement::{Answer, Prepared, Rows},
    ticket::{PassthroughTicket, Ticket},
};

impl Query {
    /// Where and how a statement of the session runs at a source: in the caller's database, schema,
    /// role and session parameters, with a tag beside its text. The query of a cache runs as its loads do.
    fn source_context(
        &self,
        session: &Session,
        statement: StatementId,
        plan: &PassthroughPlan,
    ) -> SourceContext {
        let bare = SourceContext {
            tag: Some(format!("ducksync:{statement}")),
            timeout: Some(self.config.statement_timeout),
            ..SourceContext::default()
        };
        if let Some(types) = &plan.of_cache {
            let types = types.clone();
            return SourceContext { types, ..bare };
        }
        SourceContext {
            database: session
                .option("catalog")
                .filter(|name| *name != self.lake_name()),
            schema: session.option("schema"),
            role: session.option("role"),
            parameters: session.source_parameters(),
            ..bare
        }
    }

    pub(crate) async fn describe_passthrough(
        &self,
        session: &Arc<Session>,
        plan: &PassthroughPlan,
    ) -> Result<Prepared> {
        read_only(&plan.sql)?;
        let source = self.parts.sources.source(&plan.source).await?;
        let context = self.source_context(session, StatementId::generate(), plan);
        let (breakers, clock) = (&self.parts.breakers, &self.parts.clock);
        breakers.require(&plan.source, clock.now())?;
        let described = source.describe(&plan.sql, &context, Aspect::Columns).await;
        breakers.note(&plan.source, &described, clock.now());
        Ok(Prepared {
            columns: Some(described?.columns),
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
        let context = self.source_context(session, statement_id, &plan);
        let key = shared::Key::new(
            &plan.source,
            &plan.sql,
            &context,
            &session.principal().roles,
        );
        let (breakers, clock) = (&self.parts.breakers, &self.parts.clock);
        let submitted = self
            .in_flight
            .submit(key, source.clone(), context.clone(), breakers, clock)
            .await?;
        self.unread.watch(source, &submitted.query_id);
        let ticket = Ticket::Passthrough(PassthroughTicket {
            source: plan.source,
            query_id: submitted.query_id.clone(),
            database: context.database,
            schema: context.schema,
            role: context.role,
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
            source_query_id: Some(submitted.query_id.clone()),
            warnings: submitted.warnings.clone(),
            datasets: Vec::new(),
        };
        Ok(Answer::Rows(Rows {
            ticket: sealed.into(),
            schema: result_schema(&submitted.columns),
            columns: submitted.columns.clone(),
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
            role: ticket.role.clone(),
            types: ticket.types.clone(),
            memory_budget: Some(self.config.passthrough_memory),
            ..SourceContext::default()
        };
        self.unread.read(&ticket.query_id);
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
