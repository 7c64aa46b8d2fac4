//! Sessions: the state of one authenticated connection.
//!
//! A session is found by what the client shows with every call (a cookie, a minted token, its
//! connection), never by its principal: two connections of one login share nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ducksync_core::{
    Error, Result,
    auth::Principal,
    id::SessionId,
    session::{AnswerMetadata, Contract},
};

use crate::{statement::TransactionId, transaction::Transaction};

/// What finds a session again. Opaque and unguessable: a digest of a token, cookie or connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey(pub String);

/// The names of session options, in the order in which they are listed.
pub const OPTIONS: &[&str] = &[
    "catalog",
    "schema",
    "source",
    "dialect",
    "role",
    "source_parameters",
    "TimeZone",
    "consistency",
    "max_staleness",
    "only_if_cached",
    "stale_if_error",
    "snapshot",
];

/// The state of one authenticated connection.
pub struct Session {
    /// Its identity, in logs and for temporary tables.
    pub id: SessionId,
    principal: Mutex<Arc<Principal>>,
    state: Mutex<State>,
}

struct State {
    options: BTreeMap<String, String>,
    contract: Contract,
    last_answer: Option<AnswerMetadata>,
    transactions: HashMap<TransactionId, Arc<Transaction>>,
    /// Of SQL `BEGIN`.
    current: Option<TransactionId>,
    used: Instant,
}

impl Session {
    fn new(principal: Principal) -> Self {
        Self {
            id: SessionId::generate(),
            principal: Mutex::new(Arc::new(principal)),
            state: Mutex::new(State {
                options: BTreeMap::new(),
                contract: Contract::default(),
                last_answer: None,
                transactions: HashMap::new(),
                current: None,
                used: Instant::now(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every write below is one assignment, so a panic elsewhere cannot leave half a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who acts, with the rights of the last call.
    pub fn principal(&self) -> Arc<Principal> {
        self.principal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn confirm(&self, principal: &Principal) {
        let mut known = self
            .principal
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if **known != *principal {
            *known = Arc::new(principal.clone());
        }
    }

    /// The contract of its statements, unless a header or hint says otherwise.
    pub fn contract(&self) -> Contract {
        self.state().contract.clone()
    }

    /// The value of an option that was set.
    pub fn option(&self, name: &str) -> Option<String> {
        self.state()
            .options
            .get(&name.to_ascii_lowercase())
            .cloned()
    }

    /// All options that were set, by their listed names.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let state = self.state();
        let value = |name: &&'static str| {
            Some((
                *name,
                state.options.get(&name.to_ascii_lowercase())?.clone(),
            ))
        };
        OPTIONS.iter().filter_map(value).collect()
    }

    /// Sets an option; a bad one leaves the session as it was (V-4).
    ///
    /// # Errors
    /// `InvalidArgument` naming the option and what it takes.
    pub fn set_option(&self, name: &str, value: &str) -> Result<()> {
        let folded = name.to_ascii_lowercase();
        let mut state = self.state();
        match folded.as_str() {
            "catalog" | "schema" | "source" => {}
            "dialect" if ["duckdb", "snowflake"].contains(&value) => {}
            "dialect" => {
                return Err(
                    Error::invalid(format!("option dialect cannot be {value:?}"))
                        .with_remedy("give it duckdb or snowflake"),
                );
            }
            "role" => may_act_as(&self.principal(), value)?,
            "source_parameters" => drop(source_parameters(value)?),
            "timezone" if is_zone(value) => {}
            "timezone" => {
                return Err(
                    Error::invalid(format!("option TimeZone cannot be {value:?}"))
                        .with_remedy("give it a zone such as UTC or Europe/Berlin"),
                );
            }
            _ => state.contract.set(&folded, value)?,
        }
        state.options.insert(folded, value.to_owned());
        Ok(())
    }

    /// Takes an option back to its default.
    pub fn unset_option(&self, name: &str) {
        let mut state = self.state();
        state.options.remove(&name.to_ascii_lowercase());
        let kept: Vec<_> = state.options.clone().into_iter().collect();
        let mut contract = Contract::default();
        for (name, value) in kept {
            // What was set before was valid; options outside the contract are not its own.
            let _ = contract.set(&name, &value);
        }
        state.contract = contract;
    }

    /// Whether its queries are in Snowflake's dialect (V-7).
    pub(crate) fn is_snowflake(&self) -> bool {
        self.option("dialect").as_deref() == Some("snowflake")
    }

    /// The zone in which its instants are shown.
    pub fn time_zone(&self) -> String {
        self.option("timezone").unwrap_or_else(|| "UTC".into())
    }

    /// Session parameters of the source for its pass-through statements: those of the option
    /// `source_parameters`, and its zone if it chose one.
    pub(crate) fn source_parameters(&self) -> BTreeMap<String, String> {
        let given = self.option("source_parameters");
        let given = given.and_then(|text| source_parameters(&text).ok());
        let mut parameters = given.unwrap_or_default();
        if let Some(zone) = self.option("timezone") {
            parameters.entry("TIMEZONE".into()).or_insert(zone);
        }
        parameters
    }

    /// The story of its last answer (V-2).
    pub fn last_answer(&self) -> Option<AnswerMetadata> {
        self.state().last_answer.clone()
    }

    pub(crate) fn set_last_answer(&self, answer: AnswerMetadata) {
        self.state().last_answer = Some(answer);
    }

    pub(crate) fn add_transaction(&self, id: TransactionId, transaction: Arc<Transaction>) {
        self.state().transactions.insert(id, transaction);
    }

    pub(crate) fn take_transaction(&self, id: TransactionId) -> Option<Arc<Transaction>> {
        let mut state = self.state();
        if state.current == Some(id) {
            state.current = None;
        }
        state.transactions.remove(&id)
    }

    pub(crate) fn transaction(&self, id: TransactionId) -> Option<Arc<Transaction>> {
        self.state().transactions.get(&id).cloned()
    }

    pub(crate) fn current_transaction(&self) -> Option<TransactionId> {
        self.state().current
    }

    pub(crate) fn set_current_transaction(&self, id: TransactionId) {
        self.state().current = Some(id);
    }

    fn take_transactions(&self) -> Vec<Arc<Transaction>> {
        let mut state = self.state();
        state.current = None;
        state
            .transactions
            .drain()
            .map(|(_, transaction)| transaction)
            .collect()
    }

    fn touch(&self) {
        self.state().used = Instant::now();
    }

    fn idle(&self) -> Duration {
        self.state().used.elapsed()
    }
}

/// Whether a principal may act at a source in that role: a service login may hold many, so only those
/// that are also the principal's own.
fn may_act_as(principal: &Principal, role: &str) -> Result<()> {
    let own = principal
        .roles
        .iter()
        .any(|own| own.eq_ignore_ascii_case(role.trim_matches('"')));
    if own || principal.is_admin() {
        return Ok(());
    }
    Err(Error::permission_denied(format!(
        "option role cannot be {role:?}: {} has no such role",
        principal.name
    ))
    .with_remedy("use a role of yours, or ask an administrator for it"))
}

/// Session parameters that change what a statement means or how its values are read, and nothing else.
const SOURCE_PARAMETERS: &[&str] = &[
    "BINARY_INPUT_FORMAT",
    "BINARY_OUTPUT_FORMAT",
    "DATE_INPUT_FORMAT",
    "DATE_OUTPUT_FORMAT",
    "QUOTED_IDENTIFIERS_IGNORE_CASE",
    "TIMESTAMP_INPUT_FORMAT",
    "TIMESTAMP_LTZ_OUTPUT_FORMAT",
    "TIMESTAMP_NTZ_OUTPUT_FORMAT",
    "TIMESTAMP_OUTPUT_FORMAT",
    "TIMESTAMP_TYPE_MAPPING",
    "TIMESTAMP_TZ_OUTPUT_FORMAT",
    "TIMEZONE",
    "TIME_INPUT_FORMAT",
    "TIME_OUTPUT_FORMAT",
    "TWO_DIGIT_CENTURY_START",
    "USE_CACHED_RESULT",
    "WEEK_OF_YEAR_POLICY",
    "WEEK_START",
];

/// `NAME=value` pairs, separated by `;`.
fn source_parameters(text: &str) -> Result<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    for pair in text
        .split(';')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = name.trim().to_ascii_uppercase();
        if !SOURCE_PARAMETERS.contains(&name.as_str()) || value.trim().is_empty() {
            return Err(
                Error::invalid(format!("option source_parameters cannot hold {pair:?}"))
                    .with_remedy(format!(
                        "write NAME=value; NAME=value with names of {}",
                        SOURCE_PARAMETERS.join(", ")
                    )),
            );
        }
        parameters.insert(name, value.trim().to_owned());
    }
    Ok(parameters)
}

/// Whether `text` has the shape of a zone name: it is quoted where it is used, this is for the error.
fn is_zone(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+-:".contains(c);
    !text.is_empty() && text.len() <= 64 && text.chars().all(allowed)
}

/// All sessions of this process, bounded in number and idle time (V-16).
pub struct Sessions {
    sessions: Mutex<HashMap<SessionKey, Arc<Session>>>,
    max: usize,
    idle: Duration,
}

impl Sessions {
    /// At most `max` sessions, each ended after `idle` without a call.
    pub fn new(max: usize, idle: Duration) -> Self {
        Self {
            sessions: Mutex::default(),
            max,
            idle,
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<SessionKey, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of `key`, made if there is none. A key shown by another principal than the one who
    /// made it gets a session of its own instead.
    ///
    /// # Errors
    /// `Unavailable` when there are too many.
    pub fn open(&self, key: &SessionKey, principal: &Principal) -> Result<Arc<Session>> {
        let mut map = self.map();
        if let Some(session) = map
            .get(key)
            .filter(|s| s.principal().name == principal.name)
        {
            session.touch();
            session.confirm(principal);
            return Ok(session.clone());
        }
        if map.len() >= self.max && !map.contains_key(key) {
            return Err(
                Error::unavailable(format!("{} sessions are open already", self.max))
                    .with_remedy("try again later or raise serving.max_sessions"),
            );
        }
        let session = Arc::new(Session::new(principal.clone()));
        map.insert(key.clone(), session.clone());
        Ok(session)
    }

    /// The session of `key`, if there is one.
    pub fn find(&self, key: &SessionKey) -> Option<Arc<Session>> {
        self.map().get(key).cloned()
    }

    /// Sessions now.
    pub fn count(&self) -> usize {
        self.map().len()
    }

    /// Ends the session of `key`; its open transactions are returned to be rolled back.
    pub(crate) fn close(&self, key: &SessionKey) -> Option<(Arc<Session>, Vec<Arc<Transaction>>)> {
        let session = self.map().remove(key)?;
        let transactions = session.take_transactions();
        Some((session, transactions))
    }

    /// Keys of sessions without a call for the idle time.
    pub(crate) fn keys(&self) -> Vec<SessionKey> {
        self.map().keys().cloned().collect()
    }

    pub(crate) fn idle_keys(&self) -> Vec<SessionKey> {
        let map = self.map();
        let idle = map
            .iter()
            .filter(|(_, session)| session.idle() >= self.idle);
        idle.map(|(key, _)| key.clone()).collect()
    }
}
