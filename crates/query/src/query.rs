//! The facade: what a wire protocol calls.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use arrow::array::RecordBatch;
use ducksync_core::{
    BatchStream, Error, Result,
    auth::GrantStore,
    breaker::Breakers,
    catalog::{DatasetStore, Publisher, RunLedger, SecretStore, StorageMoves, Upkeep, Versions},
    engine::{QueryEngine, Stager},
    files::FileStore,
    id::{DatasetId, RunId, StatementId},
    run::RunRequests,
    session::{AnswerMetadata, CacheStatus, Contract, Route},
    source::Sources,
    time::Clock,
    types::Fields,
    version::Version,
};

use crate::{
    bind::VersionRef,
    data_path::DataPath,
    hint,
    parsed::{self, Foreign, Parsed, ParsedQuery},
    passthrough::{InFlight, SharingCounts, Unread},
    read::{Plan, Planner, Purpose, no_parameters},
    routing::DescriptionKey,
    running::Running,
    seal::Sealer,
    session::{Session, SessionKey, Sessions},
    statement::{Affected, Answer, ExecuteRequest, Prepared, TransactionId},
    ticket::Ticket,
    transaction::Transaction,
};

/// Versions that tickets of this process may name without asking the catalog.
const MAX_BOUND_VERSIONS: u64 = 10_000;

/// Statements whose columns are remembered.
const MAX_DESCRIPTIONS: u64 = 10_000;

/// How long they are.
const DESCRIPTION_LIFE: Duration = Duration::from_secs(600);

/// Limits and defaults of serving; the keys of `[serving]`.
#[derive(Debug, Clone)]
pub struct QueryConfig {
    /// How long a read waits for a run (C-13).
    pub wait_timeout: Duration,
    /// How old data may be that answers when the source fails, unless the contract says.
    pub stale_if_error: Duration,
    /// How long a statement may run.
    pub statement_timeout: Duration,
    /// How long a ticket opens.
    pub ticket_life: Duration,
    /// How long a pass-through result may stay unread before it is aborted at the source (V-8).
    pub unread_life: Duration,
    /// Bytes of one pass-through result in flight, at most.
    pub passthrough_memory: u64,
    /// Sessions at once.
    pub max_sessions: usize,
    /// How long a session lives without a call.
    pub session_idle: Duration,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            wait_timeout: Duration::from_secs(30),
            stale_if_error: Duration::from_secs(3600),
            statement_timeout: Duration::from_secs(600),
            ticket_life: Duration::from_secs(3600),
            unread_life: Duration::from_secs(60),
            passthrough_memory: 64 << 20,
            max_sessions: 500,
            session_idle: Duration::from_secs(1800),
        }
    }
}

/// What statements are answered with.
#[derive(Clone)]
pub struct QueryParts {
    /// The versions this process knows.
    pub versions: Arc<dyn Versions>,
    /// Commits.
    pub publisher: Arc<dyn Publisher>,
    /// Definitions.
    pub datasets: Arc<dyn DatasetStore>,
    /// Secrets.
    pub secrets: Arc<dyn SecretStore>,
    /// Runs.
    pub ledger: Arc<dyn RunLedger>,
    /// Snapshots.
    pub upkeep: Arc<dyn Upkeep>,
    /// Principals and grants.
    pub grants: Arc<dyn GrantStore>,
    /// The engine that answers.
    pub engine: Arc<dyn QueryEngine>,
    /// The engine that writes.
    pub stager: Arc<dyn Stager>,
    /// The lake's files.
    pub files: Arc<dyn FileStore>,
    /// Open sources.
    pub sources: Arc<dyn Sources>,
    /// Brings datasets up to date.
    pub runs: Arc<dyn RunRequests>,
    /// Moves catalog and data elsewhere.
    pub storage: Arc<dyn StorageMoves>,
    /// Sources that are left alone for a while.
    pub breakers: Arc<Breakers>,
    /// Tells the time for ages.
    pub clock: Arc<dyn Clock>,
    /// 32 bytes by which tickets and handles are sealed; the same on every replica.
    pub sealing_key: [u8; 32],
}

/// Answers statements and runs commands.
pub struct Query {
    pub(crate) parts: QueryParts,
    pub(crate) config: QueryConfig,
    sessions: Sessions,
    sealer: Sealer,
    /// Versions that tickets name, by identity; what is forgotten is read from the catalog again.
    bound: moka::sync::Cache<(DatasetId, RunId), Arc<Version>>,
    /// What sources said of the columns of statements that copies answer.
    pub(crate) described: moka::sync::Cache<DescriptionKey, Fields>,
    running: Running,
    pub(crate) unread: Unread,
    pub(crate) data_path: Arc<DataPath>,
    pub(crate) in_flight: InFlight,
    /// For work that goes on when its caller has gone.
    pub(crate) this: Weak<Self>,
}

impl Query {
    /// A service over these parts.
    pub fn new(parts: QueryParts, config: QueryConfig) -> Arc<Self> {
        let bound = moka::sync::Cache::builder()
            .max_capacity(MAX_BOUND_VERSIONS)
            .time_to_idle(config.ticket_life)
            .build();
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            sealer: Sealer::new(&parts.sealing_key),
            sessions: Sessions::new(config.max_sessions, config.session_idle),
            bound,
            described: moka::sync::Cache::builder()
                .max_capacity(MAX_DESCRIPTIONS)
                .time_to_live(DESCRIPTION_LIFE)
                .build(),
            running: Running::default(),
            unread: Unread::new(config.unread_life),
            in_flight: InFlight::default(),
            data_path: Arc::default(),
            parts,
            config,
        })
    }

    /// All sessions of this process.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// How many statements wait for sources, and shared another's.
    pub fn sharing(&self) -> Arc<SharingCounts> {
        self.in_flight.counts()
    }

    /// The lake's name: the catalog that clients see.
    pub fn lake_name(&self) -> String {
        self.parts.versions.current().name.clone()
    }

    /// Whether the engine answers.
    ///
    /// # Errors
    /// `Unavailable` if it does not.
    pub async fn probe(&self) -> Result<()> {
        self.parts.engine.probe().await
    }

    /// Ends a session and rolls its transactions back.
    pub async fn close_session(&self, key: &SessionKey) {
        let Some((session, transactions)) = self.sessions.close(key) else {
            return;
        };
        for transaction in transactions {
            self.discard(&transaction).await;
        }
        self.parts.engine.close_session(session.id).await;
    }

    /// Ends every session: the process ends.
    pub async fn close_sessions(&self) {
        for key in self.sessions.keys() {
            self.close_session(&key).await;
        }
    }

    /// Ends every session that had no call for the idle time.
    pub async fn close_idle_sessions(&self) {
        for key in self.sessions.idle_keys() {
            self.close_session(&key).await;
        }
    }

    /// Seals `payload` for `principal`, for the life of a ticket.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn seal(&self, purpose: &str, principal: &str, payload: &[u8]) -> Result<Vec<u8>> {
        let expires = self.parts.clock.now() + self.config.ticket_life;
        self.sealer.seal(purpose, principal, expires, payload)
    }

    /// Opens what [`Query::seal`] made for the same purpose and principal.
    ///
    /// # Errors
    /// `InvalidArgument` for anything else, `FailedPrecondition` after its life.
    pub fn unseal(&self, purpose: &str, principal: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        self.sealer
            .open(purpose, principal, self.parts.clock.now(), sealed)
    }

    /// Says what a statement would yield and take; runs nothing (G-2).
    ///
    /// # Errors
    /// As the statement itself would end, where that can be told.
    pub async fn prepare(
        &self,
        session: &Arc<Session>,
        sql: &str,
        transaction: Option<TransactionId>,
    ) -> Result<Prepared> {
        let contract = hint::contract(sql, session.contract())?;
        let transaction = self.transaction_of(session, transaction)?;
        match parsed::parse(self.parts.engine.as_ref(), sql).await? {
            Parsed::Query(query) => {
                let planner =
                    self.planner(session, &contract, transaction, None, Purpose::Describe);
                let plan = planner.plan(&query).await?;
                self.describe_plan(session, &query, plan).await
            }
            Parsed::Foreign(foreign) => {
                let planner =
                    self.planner(session, &contract, transaction, None, Purpose::Describe);
                let plan = planner.foreign(&foreign).await?;
                self.describe_plan(session, &foreign.named(), plan).await
            }
            Parsed::Write => self.prepare_write(session, sql, transaction).await,
            Parsed::Begin
            | Parsed::Commit
            | Parsed::Rollback
            | Parsed::Secret
            | Parsed::Set(..) => Ok(Prepared {
                columns: None,
                parameters: Vec::new(),
            }),
        }
    }

    /// Runs a statement. Side effects happen here and nowhere else, once (G-2); rows wait behind the
    /// answer's ticket.
    ///
    /// # Errors
    /// As the statement ends.
    pub async fn execute(&self, session: &Arc<Session>, request: ExecuteRequest) -> Result<Answer> {
        let contract = hint::contract(&request.sql, request.contract.clone())?;
        let engine = self.parts.engine.as_ref();
        let answer = match parsed::parse(engine, &request.sql).await? {
            Parsed::Query(query) => self.read(session, &contract, &request, Ok(query)).await?,
            Parsed::Foreign(foreign) => {
                self.read(session, &contract, &request, Err(foreign))
                    .await?
            }
            Parsed::Write => self.write(session, &request).await?,
            Parsed::Secret => self.secret(session, &request.sql).await?,
            Parsed::Set(name, value) => {
                match value {
                    Some(value) => session.set_option(&name, &value)?,
                    None => session.unset_option(&name),
                }
                self.affected(None, "sets a session option")
            }
            Parsed::Begin => {
                if session.current_transaction().is_some() {
                    return Err(Error::failed_precondition("a transaction is open already")
                        .with_remedy("COMMIT or ROLLBACK it first"));
                }
                let id = self.begin(session).await?;
                session.set_current_transaction(id);
                self.affected(None, "opens a transaction")
            }
            Parsed::Commit => {
                self.commit(session, current(session)?).await?;
                self.affected(None, "commits a transaction")
            }
            Parsed::Rollback => {
                self.rollback(session, current(session)?).await?;
                self.affected(None, "rolls a transaction back")
            }
        };
        let metadata = match &answer {
            Answer::Rows(rows) => &rows.metadata,
            Answer::Affected(affected) => &affected.metadata,
        };
        // A statement that asks for the last answer's story does not become it.
        if metadata.rule != "G-1" {
            session.set_last_answer(metadata.clone());
        }
        Ok(answer)
    }

    async fn read(
        &self,
        session: &Arc<Session>,
        contract: &Contract,
        request: &ExecuteRequest,
        query: Result<ParsedQuery, Foreign>,
    ) -> Result<Answer> {
        let parameters = request.parameters.as_ref();
        if parameters.is_some_and(|rows| rows.num_rows() != 1) {
            return Err(Error::invalid(
                "a query takes exactly one row of parameters",
            ));
        }
        let transaction = self.transaction_of(session, request.transaction)?;
        let planner = self.planner(session, contract, transaction, parameters, Purpose::Execute);
        let plan = match &query {
            Ok(query) => planner.plan(query).await?,
            Err(foreign) => planner.foreign(foreign).await?,
        };
        match plan {
            Plan::Local(plan) => {
                let used = plan.parameters_used;
                self.answer_local(session, plan, parameters.filter(|_| !used))
                    .await
            }
            Plan::Passthrough(_) if parameters.is_some() => Err(no_parameters()),
            Plan::Passthrough(plan) => self.answer_passthrough(session, plan).await,
        }
    }

    pub(crate) fn planner<'a>(
        &'a self,
        session: &'a Arc<Session>,
        contract: &'a Contract,
        transaction: Option<Arc<Transaction>>,
        parameters: Option<&'a RecordBatch>,
        purpose: Purpose,
    ) -> Planner<'a> {
        Planner {
            query: self,
            session,
            contract,
            transaction,
            parameters,
            purpose,
            places_at: None,
        }
    }

    /// Streams the rows behind a ticket. Rights are checked again (V-12); dropping the stream stops
    /// the work behind it.
    ///
    /// # Errors
    /// `InvalidArgument` for a ticket that is not one of this principal, `FailedPrecondition` for one
    /// whose time is over or whose data only another replica has.
    pub async fn open(&self, session: &Arc<Session>, ticket: &[u8]) -> Result<BatchStream> {
        let principal = session.principal();
        let stream = match Ticket::decode(&self.unseal("ticket", &principal.name, ticket)?)? {
            Ticket::Local(ticket) => self.open_local(session, &ticket).await?,
            Ticket::Passthrough(ticket) => self.open_passthrough(session, &ticket).await?,
        };
        Ok(self.running.track(ticket, stream))
    }

    /// Stops the statement of a ticket, here and at its source; `false` if it does not stream in this
    /// process (V-15).
    ///
    /// # Errors
    /// As [`Query::open`] for a ticket that is not one of this principal.
    pub async fn cancel(&self, session: &Arc<Session>, ticket: &[u8]) -> Result<bool> {
        let principal = session.principal();
        let opened = self.unseal("ticket", &principal.name, ticket)?;
        if let Ticket::Passthrough(ticket) = Ticket::decode(&opened)? {
            // Others may want what an equal statement of theirs shares with this one.
            if self.unread.cancelled(&ticket.query_id) {
                let source = self.parts.sources.source(&ticket.source).await?;
                source.abort(&ticket.query_id).await?;
            }
        }
        Ok(self.running.cancel(ticket))
    }

    pub(crate) fn remember(&self, version: &Arc<Version>) {
        self.bound
            .insert((version.dataset, version.run), version.clone());
    }

    /// The version that a ticket names.
    pub(crate) async fn version_of(&self, reference: &VersionRef) -> Result<Arc<Version>> {
        let key = (reference.dataset, reference.run);
        if let Some(version) = self.bound.get(&key) {
            return Ok(version);
        }
        let elsewhere = || {
            Error::failed_precondition(format!(
                "{} was read inside a transaction that another server holds",
                reference.name
            ))
            .with_remedy("send the statements of one transaction to one server")
        };
        let snapshot = reference.snapshot.ok_or_else(elsewhere)?;
        let lake = self.parts.versions.at(snapshot).await?;
        let version = lake.versions.get(&reference.dataset).ok_or_else(|| {
            Error::not_found(format!("{} is gone", reference.name))
                .with_remedy("run the statement again")
        })?;
        self.bound.insert(key, version.clone());
        Ok(version.clone())
    }

    pub(crate) fn affected(&self, rows: Option<i64>, reason: &str) -> Answer {
        let metadata = AnswerMetadata {
            statement_id: StatementId::generate(),
            route: Route::Local,
            rule: "V-18".into(),
            reason: reason.into(),
            cache_status: CacheStatus::Bypass,
            snapshot_id: Some(self.parts.versions.current().snapshot),
            source_query_id: None,
            warnings: Vec::new(),
            datasets: Vec::new(),
        };
        Answer::Affected(Affected { rows, metadata })
    }
}

fn current(session: &Session) -> Result<TransactionId> {
    session.current_transaction().ok_or_else(|| {
        Error::failed_precondition("no transaction is open").with_remedy("BEGIN one first")
    })
}
