//! The simulator as a value: starts with [`Simulator::start`], stops when dropped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::account::Account;
use crate::blocking::blocking;
use crate::config::{SimulatorConfig, User};
use crate::error::SqlError;
use crate::faults::Fault;
use crate::gates::GatePoint;
use crate::http;
use crate::log::{Credits, LogEntry, Login, StatementClass};
use crate::settings::Settings;

/// Why the simulator could not do something.
#[derive(Debug)]
pub struct SimulatorError(String);

impl std::fmt::Display for SimulatorError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for SimulatorError {}

impl From<SqlError> for SimulatorError {
    fn from(error: SqlError) -> Self {
        Self(format!("{}: {}", error.code, error.message))
    }
}

/// A running simulator with an account of its own.
pub struct Simulator {
    address: SocketAddr,
    account: Arc<Account>,
    server: JoinHandle<()>,
}

/// A gate that was closed by [`Simulator::gate`].
pub struct Gate {
    id: u64,
    account: Arc<Account>,
}

impl Gate {
    /// Waits until a statement has come to the gate.
    pub async fn reached(&self) {
        self.account.gates.reached(self.id, 1).await;
    }

    /// Waits until this many statements have come to the gate.
    pub async fn reached_by(&self, statements: u64) {
        self.account.gates.reached(self.id, statements).await;
    }

    /// Lets everyone through, now and later.
    pub fn release(&self) {
        self.account.gates.release(Some(self.id));
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.release();
    }
}

impl Simulator {
    /// Makes the account, with the sample if one is configured, and listens.
    pub async fn start(config: SimulatorConfig) -> Result<Self, SimulatorError> {
        let listen = config.listen;
        let account = blocking(move || Account::open(config)).await?;
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let account = Arc::new(account);
        let router = http::router(account.clone());
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the simulator stopped");
            }
        });
        Ok(Self {
            address,
            account,
            server,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs statements as an out-of-band writer, with fully qualified names; answers
    /// `{columns, rows}` of the last one.
    pub async fn sql(&self, sql: &str) -> Result<Value, SimulatorError> {
        self.sql_in(None, None, sql).await
    }

    /// As [`Simulator::sql`], with a current database and schema.
    pub async fn sql_in(
        &self,
        database: Option<&str>,
        schema: Option<&str>,
        sql: &str,
    ) -> Result<Value, SimulatorError> {
        let account = self.account.clone();
        let (database, schema) = (database.map(str::to_owned), schema.map(str::to_owned));
        let sql = sql.to_owned();
        let result = blocking(move || account.run_script(&sql, database, schema)).await?;
        Ok(http::table(&result))
    }

    /// What clients have asked, oldest first.
    pub fn log(&self) -> Vec<LogEntry> {
        self.account.log.statements()
    }

    /// What clients have asked of one class.
    pub fn log_of(&self, class: StatementClass) -> Vec<LogEntry> {
        self.log()
            .into_iter()
            .filter(|entry| entry.class == class)
            .collect()
    }

    /// HTTP requests per endpoint, logins and heartbeats included.
    pub fn requests(&self) -> BTreeMap<String, u64> {
        self.account.log.requests()
    }

    /// Who has tried to log in, oldest first.
    pub fn logins(&self) -> Vec<Login> {
        self.account.log.logins()
    }

    /// Changes a user, a secret for instance: what was valid before is refused from now on. Sessions
    /// stay. Whoever is not known is made.
    pub fn alter_user(&self, name: &str, change: impl FnOnce(&mut User)) {
        self.account.engine.users.alter(name, change);
    }

    /// Changes what can be switched.
    pub fn switch(&self, change: impl FnOnce(&mut Settings)) {
        self.account.settings.change(change);
    }

    /// What warehouses have cost.
    pub fn credits(&self) -> Credits {
        self.account.log.credits()
    }

    /// Empties the log and the counters.
    pub fn reset_log(&self) {
        self.account.log.reset();
    }

    /// Arms a fault.
    pub fn fault(&self, fault: Fault) {
        self.account.faults.arm(fault);
    }

    /// Disarms every fault.
    pub fn clear_faults(&self) {
        self.account.faults.clear();
    }

    /// Closes a gate for statements that contain a text; dropping it opens it.
    pub fn gate(&self, sql: &str, point: GatePoint) -> Gate {
        Gate {
            id: self.account.gates.arm(sql, point),
            account: self.account.clone(),
        }
    }

    /// Makes every session token invalid, as its time had run out.
    pub fn expire_sessions(&self) {
        self.account.sessions.expire_sessions();
    }

    /// Makes every master token invalid as well.
    pub fn expire_masters(&self) {
        self.account.sessions.expire_masters();
    }

    /// Forgets every session.
    pub fn forget_sessions(&self) {
        self.account.sessions.forget();
    }

    /// Makes every chunk address invalid.
    pub fn expire_chunks(&self) {
        self.account.queries.expire_chunks();
    }

    /// Forgets what a table (`DB.SCHEMA.TABLE`) was before now, as if its retention were over.
    pub async fn age_history(&self, table: &str) -> Result<(), SimulatorError> {
        let account = self.account.clone();
        let table = table.to_owned();
        Ok(blocking(move || account.age_history(&table)).await?)
    }

    /// How long the simulator waits before it answers "pending".
    pub fn sync_wait(&self) -> Duration {
        self.account.config.sync_wait
    }

    /// Serves until the server ends; for the binary.
    pub async fn wait(mut self) {
        if let Err(error) = (&mut self.server).await {
            tracing::error!(%error, "the simulator stopped");
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        // Connections outlive the listener; whoever still waits on one gets no reply.
        self.account.closed.send_replace(true);
        self.account.gates.release(None);
    }
}

fn failed(error: impl std::fmt::Display) -> SimulatorError {
    SimulatorError(error.to_string())
}
