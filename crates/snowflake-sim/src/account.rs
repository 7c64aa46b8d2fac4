//! One simulated account: everything that requests share.

use tokio::sync::watch;

use crate::config::SimulatorConfig;
use crate::engine::{Context, Engine};
use crate::error::SqlError;
use crate::execute::Executor;
use crate::faults::Faults;
use crate::gates::Gates;
use crate::log::Log;
use crate::names;
use crate::query::{Interrupt, Queries};
use crate::result::{Format, ResultSet};
use crate::session::Sessions;
use crate::settings::Switches;
use crate::tokens::statements;
use crate::users::Users;

/// The account behind the listener.
pub(crate) struct Account {
    pub(crate) config: SimulatorConfig,
    pub(crate) settings: Switches,
    pub(crate) engine: Engine,
    pub(crate) sessions: Sessions,
    pub(crate) queries: Queries,
    pub(crate) faults: Faults,
    pub(crate) gates: Gates,
    pub(crate) log: Log,
    /// Turns true when the simulator stops: nothing is answered any more.
    pub(crate) closed: watch::Sender<bool>,
}

impl Account {
    pub(crate) fn open(config: SimulatorConfig) -> Result<Self, SqlError> {
        let engine = Engine::open(Users::new(config.users.clone()))?;
        let settings = Switches::default();
        settings.change(|switches| switches.clone_from(&config.settings));
        let account = Self {
            settings,
            sessions: Sessions::new(config.session_validity, config.master_validity),
            queries: Queries::new(config.retained_bytes),
            faults: Faults::default(),
            gates: Gates::default(),
            log: Log::default(),
            closed: watch::Sender::new(false),
            engine,
            config,
        };
        crate::sample::create(&account)?;
        Ok(account)
    }

    /// Forgets what a table's rows were before now.
    pub(crate) fn age_history(&self, table: &str) -> Result<(), SqlError> {
        let name = Context::default().resolve(&names::parse(table)?)?;
        self.engine.age(&name)
    }

    /// Runs statements for the control interface: no session, no log; answers the last result.
    pub(crate) fn run_script(
        &self,
        sql: &str,
        database: Option<String>,
        schema: Option<String>,
    ) -> Result<ResultSet, SqlError> {
        let context = Context {
            user: "SIMULATOR".to_owned(),
            role: "ACCOUNTADMIN".to_owned(),
            schema: schema.or_else(|| database.as_ref().map(|_| "PUBLIC".to_owned())),
            database,
            warehouse: Some("SIMULATOR".to_owned()),
            ..Context::default()
        };
        let mut executor = Executor {
            engine: &self.engine,
            session: None,
            context,
            query_id: None,
            bindings: Vec::new(),
            format: Format::Values,
            describe_only: false,
            interrupt: &Interrupt::default(),
        };
        let mut last = None;
        for statement in statements(sql)? {
            last = Some(executor.execute(&statement)?);
        }
        last.ok_or_else(|| SqlError::syntax(1, 0, "<EOF>"))
    }
}
