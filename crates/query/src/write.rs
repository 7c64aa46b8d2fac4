//! Statements that change the lake (V-18).
//!
//! Each stages its rows as new files and adds its changes to a transaction: the client's, or one of its
//! own that is published at once. Nothing is visible before that publication and nothing is half-done
//! after it.

mod alter;
mod create;
mod definition;
mod insert;
mod touch;

use std::sync::Arc;

use arrow::array::RecordBatch;
use ducksync_core::{
    Error, ErrorKind, Reason, Result,
    auth::{GrantTarget, Privilege},
    engine::{BoundStatement, StatementDescription},
    session::Contract,
    version::{Lake, Version},
};

use crate::{
    Query, Session,
    parsed::{self, Parsed},
    read::{LocalPlan, Plan, Purpose},
    scan::Tokens,
    scope::Scope,
    statement::{Answer, ExecuteRequest, Prepared},
    transaction::Transaction,
    transactions::GiveUp,
};

/// How often an autocommit statement that lost a race is evaluated again (V-18).
const TRIES: u32 = 4;

/// One statement that writes, on its way.
pub(crate) struct Writer<'a> {
    query: &'a Query,
    session: &'a Arc<Session>,
    transaction: &'a Arc<Transaction>,
    scope: Scope,
    parameters: Option<RecordBatch>,
    purpose: Purpose,
    contract: Contract,
}

/// What a statement did.
pub(crate) enum Effect {
    /// Rows inserted, updated or deleted.
    Rows(u64),
    /// A definition; no rows to count.
    Definition,
    /// Only its parameters were wanted.
    Described(StatementDescription),
}

impl Query {
    pub(crate) async fn prepare_write(
        &self,
        session: &Arc<Session>,
        sql: &str,
        transaction: Option<Arc<Transaction>>,
    ) -> Result<Prepared> {
        let transaction = transaction.unwrap_or_else(|| Arc::new(Transaction::of_statement()));
        let writer = self
            .writer(session, &transaction, None, Purpose::Describe)
            .await?;
        let parameters = match writer.run(sql).await? {
            Effect::Described(description) => description.parameters,
            Effect::Rows(_) | Effect::Definition => Vec::new(),
        };
        Ok(Prepared {
            columns: None,
            parameters,
        })
    }

    pub(crate) async fn write(
        &self,
        session: &Arc<Session>,
        request: &ExecuteRequest,
    ) -> Result<Answer> {
        let open = self.transaction_of(session, request.transaction)?;
        let effect = match open {
            Some(transaction) => {
                let writing = transaction.writing.lock().await;
                let effect = self.run_rows(session, &transaction, request).await;
                drop(writing);
                effect?
            }
            None => self.autocommit(session, request).await?,
        };
        Ok(match effect {
            Effect::Rows(rows) => {
                self.affected(i64::try_from(rows).ok(), "changes rows of the lake")
            }
            Effect::Definition | Effect::Described(_) => self.affected(None, "changes the lake"),
        })
    }

    async fn autocommit(&self, session: &Arc<Session>, request: &ExecuteRequest) -> Result<Effect> {
        let mut tries = 0;
        loop {
            tries += 1;
            let transaction = Arc::new(Transaction::of_statement());
            let gone = GiveUp::unless_disarmed(self, &transaction);
            let ran = self.run_rows(session, &transaction, request).await;
            gone.disarm();
            let done = match ran {
                Ok(effect) => self.publish(&transaction).await.map(|_| effect),
                Err(error) => {
                    self.discard(&transaction).await;
                    Err(error)
                }
            };
            match done {
                Err(error) if error.kind() == ErrorKind::Conflict && tries < TRIES => {
                    self.parts.versions.ask().await?;
                }
                other => return other,
            }
        }
    }

    /// Runs the statement for each row of parameters, all in one transaction.
    async fn run_rows(
        &self,
        session: &Arc<Session>,
        transaction: &Arc<Transaction>,
        request: &ExecuteRequest,
    ) -> Result<Effect> {
        let rows = request.parameters.as_ref();
        let writer = self
            .writer(session, transaction, rows.cloned(), Purpose::Execute)
            .await?;
        if let Some(rows) = rows
            && let Some(effect) = writer.insert_parameters(&request.sql, rows).await?
        {
            return Ok(effect);
        }
        let Some(rows) = rows.filter(|rows| rows.num_rows() != 1) else {
            return writer.run(&request.sql).await;
        };
        let mut total = 0;
        for row in 0..rows.num_rows() {
            let one = Some(rows.slice(row, 1));
            let writer = self
                .writer(session, transaction, one, Purpose::Execute)
                .await?;
            if let Effect::Rows(rows) = writer.run(&request.sql).await? {
                total += rows;
            }
        }
        Ok(Effect::Rows(total))
    }

    async fn writer<'a>(
        &'a self,
        session: &'a Arc<Session>,
        transaction: &'a Arc<Transaction>,
        parameters: Option<RecordBatch>,
        purpose: Purpose,
    ) -> Result<Writer<'a>> {
        let contract = session.contract();
        if contract.snapshot.is_some() {
            return Err(
                Error::failed_precondition("the session reads an older snapshot")
                    .with_remedy("unset the option snapshot before you write"),
            );
        }
        let scope = Scope {
            lake: self.parts.versions.current(),
            transaction: Some(transaction.clone()),
            schema: session.option("schema"),
        };
        Ok(Writer {
            query: self,
            session,
            transaction,
            scope,
            parameters,
            purpose,
            contract,
        })
    }
}

impl Writer<'_> {
    /// Runs the statement by its first words.
    async fn run(&self, sql: &str) -> Result<Effect> {
        let tokens = Tokens::scan(sql)?;
        match tokens.text(0).to_ascii_lowercase().as_str() {
            "insert" => self.insert(&tokens).await,
            "update" => self.update(&tokens).await,
            "delete" => self.delete(&tokens).await,
            "truncate" => self.truncate(&tokens).await,
            "create" => self.create(&tokens).await,
            "drop" => self.drop(&tokens).await,
            "alter" => self.alter(&tokens).await,
            other => Err(Error::unimplemented(format!(
                "{} is not offered yet",
                other.to_ascii_uppercase()
            ))),
        }
    }

    fn describing(&self) -> bool {
        self.purpose == Purpose::Describe
    }

    fn lake(&self) -> &Arc<Lake> {
        &self.scope.lake
    }

    /// The plain table that a statement changes.
    fn plain_table(&self, parts: &[String]) -> Result<Arc<Version>> {
        let (schema, name) = self.scope.target(parts)?;
        let version = self
            .scope
            .table(&schema, &name)
            .ok_or_else(|| Error::not_found(format!("table {schema}.{name} does not exist")))?;
        if let Some(dataset) = self.scope.fed(version.dataset) {
            return Err(managed(&dataset.name.to_string()));
        }
        let target = GrantTarget::Table(schema, name);
        self.session
            .principal()
            .require(Privilege::Manage, &target)?;
        if let Some(why) = &version.unreadable {
            return Err(Error::failed_precondition(format!(
                "{} cannot be changed: {why}",
                version.name
            )));
        }
        Ok(version)
    }

    /// The plain table whose rows a statement changes.
    ///
    /// An autocommit statement whose files were merged meanwhile is evaluated again. An explicit
    /// transaction cannot be, so before its first change of a table it records its place there, which
    /// keeps merges away, and takes the files as they are then: of the same rows as its snapshot's
    /// unless somebody changed them, which its commit will find (G-5, V-18).
    async fn table_to_write(&self, parts: &[String]) -> Result<Arc<Version>> {
        let version = self.plain_table(parts)?;
        let settled = !self.transaction.explicit || self.transaction.writes(version.dataset);
        if self.describing() || settled {
            return Ok(version);
        }
        self.request(&version).await?;
        self.query.parts.publisher.settle().await?;
        let lake = self.query.parts.versions.ask().await?;
        let same_rows = |newest: &&Arc<Version>| newest.seq == version.seq;
        let from = match lake.versions.get(&version.dataset).filter(same_rows) {
            Some(newest) => Arc::new(Version {
                name: version.name.clone(),
                ..Version::clone(newest)
            }),
            None => version,
        };
        self.transaction.write_from(from.clone());
        Ok(from)
    }

    /// The engine's form of a query over the lake, in this transaction; `places_at` is where the
    /// relation stands whose rows are changed.
    async fn bound(&self, sql: &str, places_at: Option<usize>) -> Result<BoundStatement> {
        let engine = self.query.parts.engine.as_ref();
        let query = match parsed::query(engine, sql).await? {
            Parsed::Query(query) => query,
            Parsed::Foreign(foreign) => return Err(Error::invalid(foreign.complaint)),
            _ => return Err(Error::internal("a query was parsed as something else")),
        };
        if query
            .names
            .relations
            .iter()
            .any(|r| r.parts.iter().any(|p| p.starts_with("ducksync_")))
        {
            return Err(
                Error::invalid("commands cannot be used in statements that write")
                    .with_remedy("run the command by itself"),
            );
        }
        let (parameters, transaction) = (self.parameters.as_ref(), self.transaction.clone());
        let mut planner = self.query.planner(
            self.session,
            &self.contract,
            Some(transaction),
            parameters,
            self.purpose,
        );
        planner.places_at = places_at;
        let plan = match planner.plan(&query).await? {
            Plan::Local(plan) => plan,
            Plan::Passthrough(_) => {
                return Err(Error::failed_precondition(
                    "rows of a source cannot be written to the lake by a statement",
                )
                .with_reason(Reason::NotCached)
                .with_remedy("create a cache of them first"));
            }
        };
        Ok(self.statement(&plan))
    }

    fn statement(&self, plan: &LocalPlan) -> BoundStatement {
        let engine = self.query.parts.engine.as_ref();
        let (sql, relations) = plan.text.render(engine, &plan.versions);
        BoundStatement {
            sql,
            relations,
            parameters: self.parameters.clone(),
            session: Some(self.session.id),
            time_zone: self.session.time_zone(),
            timeout: Some(self.query.config.statement_timeout),
        }
    }

    async fn describe(&self, statement: &BoundStatement) -> Result<StatementDescription> {
        self.query.parts.engine.describe(statement).await
    }

    fn require_schema(&self, schema: &str) -> Result<()> {
        let target = GrantTarget::Schema(schema.to_owned());
        self.session.principal().require(Privilege::Manage, &target)
    }
}

fn managed(name: &str) -> Error {
    Error::failed_precondition(format!("{name} has a feed; only its feed changes it"))
        .with_reason(Reason::Managed)
        .with_remedy("change the source, or use ducksync_alter_cache and ducksync_drop_cache")
}

/// Refuses what a statement goes on with.
fn nothing_more(tokens: &Tokens<'_>, at: usize) -> Result<()> {
    if at < tokens.end() {
        let rest = tokens.slice(at, tokens.end());
        return Err(Error::invalid(format!(
            "{rest:?} is not offered in this statement"
        )));
    }
    Ok(())
}

/// The name at `at`.
fn name_at(tokens: &Tokens<'_>, at: usize) -> Result<(Vec<String>, usize)> {
    tokens.name(at).ok_or_else(|| {
        Error::invalid(format!(
            "a name is missing before {:?}",
            tokens.slice(at, tokens.end())
        ))
    })
}

/// Skips `IF [NOT] EXISTS`: whether it was there, and the index behind it.
fn if_exists(tokens: &Tokens<'_>, at: usize) -> (bool, usize) {
    if tokens.are_words(at, &["if", "not", "exists"]) {
        return (true, at + 3);
    }
    if tokens.are_words(at, &["if", "exists"]) {
        return (true, at + 2);
    }
    (false, at)
}
