//! The local route: the engine answers on versions.

use std::sync::Arc;

use arrow::array::RecordBatch;
use ducksync_core::{
    BatchStream, Result,
    auth::{GrantTarget, Privilege},
    engine::{BoundStatement, StatementDescription},
    id::StatementId,
    session::{AnswerMetadata, CacheStatus, Route},
    types::result_schema,
};

use futures::TryStreamExt as _;

use crate::{
    Query, Session, call,
    fallback::Answerer,
    parsed::ParsedQuery,
    read::{LocalPlan, Plan, no_parameters},
    statement::{Answer, Prepared, Rows},
    ticket::{LocalTicket, Ticket, decode_batch, encode_batch},
    tree::RelationRef,
};

impl Query {
    pub(crate) async fn describe_plan(
        &self,
        session: &Arc<Session>,
        query: &ParsedQuery,
        plan: Plan,
    ) -> Result<Prepared> {
        match plan {
            Plan::Passthrough(_) if query.names.parameters => Err(no_parameters()),
            Plan::Passthrough(plan) => self.describe_passthrough(session, &plan).await,
            Plan::Local(mut plan) => {
                let statement = self.statement(session, &plan, None);
                let StatementDescription {
                    columns,
                    mut parameters,
                } = match self.answerer(&mut plan, &statement).await? {
                    Answerer::Engine(described) => described,
                    Answerer::Source(plan) => {
                        return self.describe_passthrough(session, &plan).await;
                    }
                };
                if parameters.is_empty() {
                    parameters = call_parameters(&query.names.relations);
                }
                Ok(Prepared {
                    columns: Some(columns),
                    parameters,
                })
            }
        }
    }

    pub(crate) fn statement(
        &self,
        session: &Session,
        plan: &LocalPlan,
        parameters: Option<RecordBatch>,
    ) -> BoundStatement {
        let (sql, relations) = plan.text.render(self.parts.engine.as_ref(), &plan.versions);
        BoundStatement {
            sql,
            relations,
            parameters,
            session: Some(session.id),
            time_zone: session.time_zone(),
            timeout: Some(self.config.statement_timeout),
        }
    }

    /// Fixes versions and schema now; the rows are computed when the ticket is opened (V-3).
    pub(crate) async fn answer_local(
        &self,
        session: &Arc<Session>,
        mut plan: LocalPlan,
        parameters: Option<&RecordBatch>,
    ) -> Result<Answer> {
        let statement = self.statement(session, &plan, parameters.cloned());
        let described = match self.answerer(&mut plan, &statement).await? {
            Answerer::Engine(described) => described,
            Answerer::Source(plan) => return self.answer_passthrough(session, plan).await,
        };
        plan.versions
            .iter()
            .for_each(|version| self.remember(version));
        let ticket = Ticket::Local(LocalTicket {
            text: plan.text,
            parameters: parameters.map(encode_batch).transpose()?,
            session: session.id,
            time_zone: session.time_zone(),
        });
        let metadata = AnswerMetadata {
            statement_id: StatementId::generate(),
            route: Route::Local,
            rule: plan.rule,
            reason: plan.reason,
            cache_status: plan.cache_status.unwrap_or(CacheStatus::Bypass),
            snapshot_id: Some(plan.lake.snapshot),
            source_query_id: None,
            warnings: Vec::new(),
            datasets: plan.answers,
        };
        let sealed = self.seal("ticket", &session.principal().name, &ticket.encode()?)?;
        Ok(Answer::Rows(Rows {
            ticket: sealed.into(),
            schema: result_schema(&described.columns),
            columns: described.columns,
            total: None,
            metadata,
        }))
    }

    pub(crate) async fn open_local(
        &self,
        session: &Arc<Session>,
        ticket: &LocalTicket,
    ) -> Result<BatchStream> {
        let principal = session.principal();
        let mut versions = Vec::with_capacity(ticket.text.relations.len());
        for relation in &ticket.text.relations {
            let name = &relation.name;
            let target = GrantTarget::Table(name.schema.clone(), name.name.clone());
            principal.require(Privilege::Select, &target)?;
            versions.push(self.version_of(relation).await?);
        }
        let (sql, relations) = ticket.text.render(self.parts.engine.as_ref(), &versions);
        let opened = self
            .parts
            .engine
            .execute(BoundStatement {
                sql,
                relations,
                parameters: ticket.parameters.as_deref().map(decode_batch).transpose()?,
                session: Some(ticket.session),
                time_zone: ticket.time_zone.clone(),
                timeout: Some(self.config.statement_timeout),
            })
            .await;
        let stream = opened.inspect_err(|error| _ = self.data_path.judge(error))?;
        let (schema, fields) = (stream.schema(), stream.fields().clone());
        let data_path = self.data_path.clone();
        let batches = stream.inspect_err(move |error| _ = data_path.judge(error));
        Ok(BatchStream::new(schema, fields, batches))
    }
}

/// The parameters that a called command takes: the engine never sees them.
fn call_parameters(relations: &[RelationRef]) -> Vec<Option<ducksync_core::types::LakeType>> {
    use ducksync_core::{command::ParameterKind, types::LakeType};
    let mut types = Vec::new();
    for relation in relations {
        let Some(arguments) = &relation.call else {
            continue;
        };
        let Ok(Some(spec)) = call::command_of(relation) else {
            continue;
        };
        for (_, kind) in call::parameter_kinds(spec, arguments) {
            types.push(Some(match kind {
                ParameterKind::Text => LakeType::Varchar,
                ParameterKind::TextList => LakeType::list(LakeType::Varchar),
                ParameterKind::Integer => LakeType::Int64,
                ParameterKind::Boolean => LakeType::Boolean,
            }));
        }
    }
    types
}
