//! Management commands: one implementation for every surface (G-1).

mod alter_cache;
mod create_cache;
mod definition;
mod explain_route;
mod list;
mod listeners;
mod refresh;
mod savings;
mod sources;
mod state;
mod storage;

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    auth::{GrantTarget, Privilege},
    command::Command,
    dataset::Dataset,
    engine::BoundStatement,
    version::Lake,
};

use crate::{
    Query, Session,
    statement::CommandAnswer,
    system::{Rows, text},
};

impl Query {
    /// Runs a command of the session's principal.
    ///
    /// # Errors
    /// As the command's description in SPEC says.
    pub async fn command(&self, session: &Arc<Session>, command: Command) -> Result<CommandAnswer> {
        let rows = self.run_command(session, command).await;
        let rows = self.counts().noting(rows)?;
        let stream = self
            .parts
            .engine
            .execute(BoundStatement::plain(rows.sql()))
            .await?;
        let (schema, columns) = (stream.schema(), stream.fields().clone());
        let batches = stream.collect().await?;
        let rows = arrow::compute::concat_batches(&schema, &batches)
            .map_err(|error| Error::internal("rows could not be joined").with_source(error))?;
        Ok(CommandAnswer { columns, rows })
    }

    pub(crate) async fn run_command(
        &self,
        session: &Arc<Session>,
        command: Command,
    ) -> Result<Rows> {
        match command {
            Command::SetupStorage(arguments) => self.setup_storage(session, arguments).await,
            Command::Init(arguments) => self.init(session, arguments).await,
            Command::Serve(arguments) => self.serve(session, arguments).await,
            Command::Stop(arguments) => self.stop(session, &arguments.listen_uri).await,
            Command::AddSource(arguments) => self.add_source(session, arguments).await,
            Command::DropSource(arguments) => self.drop_source(session, arguments).await,
            Command::ListSources(_) => Ok(self.list_sources(session)),
            Command::CreateCache(arguments) => self.create_cache(session, arguments).await,
            Command::AlterCache(arguments) => self.alter_cache(session, arguments).await,
            Command::DropCache(arguments) => self.drop_cache(session, arguments).await,
            Command::ListCaches(_) => Ok(self.list_caches(session)),
            Command::DescribeCache(arguments) => {
                self.describe_cache(session, &arguments.cache_name)
            }
            Command::Refresh(arguments) => self.refresh(session, arguments).await,
            Command::NeedsRefresh(arguments) => {
                self.needs_refresh(session, &arguments.cache_name).await
            }
            Command::CacheHistory(arguments) => self.cache_history(session, arguments).await,
            Command::Savings(arguments) => self.savings(session, arguments).await,
            Command::Suspend(arguments) => self.suspend(session, &arguments.name).await,
            Command::Resume(arguments) => self.resume(session, &arguments.name).await,
            Command::ExplainRoute(arguments) => self.explain_route(session, arguments).await,
            Command::Snapshots(arguments) => self.snapshots(session, arguments).await,
            Command::LastResult(_) => Ok(last_result(session)),
            Command::Status(arguments) => self.status(session, arguments.name.as_deref()).await,
        }
    }

    /// The cache of that name, if the principal may do `privilege` with it. One that it may not even
    /// read is not there for it (V-12).
    pub(crate) fn cache_for(
        &self,
        session: &Session,
        name: &str,
        privilege: Privilege,
    ) -> Result<(Arc<Lake>, Arc<Dataset>)> {
        let lake = self.parts.versions.current();
        let principal = session.principal();
        let unknown = || {
            Error::not_found(format!("cache {name} does not exist"))
                .with_remedy("see ducksync_list_caches()")
        };
        let cache = lake.cache(name).cloned().ok_or_else(unknown)?;
        let target = GrantTarget::Table(cache.name.schema.clone(), cache.name.name.clone());
        match principal.may(privilege, &target) {
            true => Ok((lake, cache)),
            false if principal.may(Privilege::Select, &target) => Err(principal
                .require(privilege, &target)
                .err()
                .unwrap_or_else(unknown)),
            false => Err(unknown()),
        }
    }
}

/// The rows of a command that answers with a status alone.
pub(crate) fn status_row(command: &str, status: &str) -> Result<Rows> {
    answer(command, vec![vec![text(status)]])
}

/// Rows of a command's columns.
pub(crate) fn answer(command: &str, rows: Vec<Vec<String>>) -> Result<Rows> {
    let spec = ducksync_core::command::spec(command)
        .ok_or_else(|| Error::internal(format!("command {command} has no description")))?;
    Ok(Rows {
        columns: spec.columns(),
        rows,
    })
}

fn last_result(session: &Session) -> Rows {
    use crate::system::{optional, text_list};
    let row = |answer: ducksync_core::session::AnswerMetadata| {
        let datasets = serde_json::to_string(&answer.datasets).unwrap_or_default();
        let status = serde_json::to_value(answer.cache_status).unwrap_or_default();
        vec![
            text(&answer.statement_id.to_string()),
            text(answer.route.as_str()),
            text(&answer.rule),
            text(&answer.reason),
            text(status.as_str().unwrap_or_default()),
            optional(answer.snapshot_id, |id| id.to_string()),
            optional(answer.source_query_id.as_deref(), text),
            text_list(&answer.warnings),
            text(&datasets),
        ]
    };
    let rows = session.last_answer().map(row).into_iter().collect();
    answer("last_result", rows).unwrap_or_else(|_| Rows {
        columns: Vec::new(),
        rows: Vec::new(),
    })
}
