//! Sessions and their tokens.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use duckdb::Connection;
use uuid::Uuid;

use crate::catalog::Change;
use crate::engine::Context;
use crate::names::ObjectName;

/// An open transaction: its connection, what it sees, and what it has changed.
pub(crate) struct Transaction {
    pub(crate) connection: Connection,
    /// The last change that it sees.
    pub(crate) begun: Change,
    pub(crate) touched: BTreeSet<ObjectName>,
    /// The statements that changed rows; their point is the commit.
    pub(crate) statements: Vec<String>,
}

/// One login.
pub(crate) struct Session {
    pub(crate) id: u64,
    /// Whether the client said who it is, without which Snowflake sends no Arrow.
    pub(crate) arrow: bool,
    context: Mutex<Context>,
    pub(crate) transaction: Mutex<Option<Transaction>>,
}

impl Session {
    pub(crate) fn context(&self) -> Context {
        self.lock().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Context)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Context> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two tokens of a login or a renewal.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) session: String,
    pub(crate) master: String,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The session token has expired; the master token may still renew it.
    SessionExpired,
    /// The master token has expired; only a new login helps.
    MasterExpired,
    /// The session was closed, or never was.
    Gone,
}

#[derive(Default)]
struct Tables {
    sessions: HashMap<u64, Arc<Session>>,
    session_tokens: HashMap<String, (u64, Instant)>,
    master_tokens: HashMap<String, (u64, Instant)>,
}

/// All sessions of an account.
pub(crate) struct Sessions {
    tables: Mutex<Tables>,
    next_id: AtomicU64,
    session_validity: Duration,
    master_validity: Duration,
}

impl Sessions {
    pub(crate) fn new(session_validity: Duration, master_validity: Duration) -> Self {
        Self {
            tables: Mutex::default(),
            next_id: AtomicU64::new(1_001),
            session_validity,
            master_validity,
        }
    }

    pub(crate) fn open(&self, mut context: Context, arrow: bool) -> (Arc<Session>, Tokens) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        context.session_id = id;
        let session = Arc::new(Session {
            id,
            arrow,
            context: Mutex::new(context),
            transaction: Mutex::new(None),
        });
        let mut tables = self.lock();
        tables.sessions.insert(id, session.clone());
        (session, self.issue(&mut tables, id))
    }

    /// The session of a session token.
    pub(crate) fn authenticate(&self, token: &str) -> Result<Arc<Session>, Refused> {
        let tables = self.lock();
        let (id, until) = tables.session_tokens.get(token).ok_or(Refused::Gone)?;
        let session = tables.sessions.get(id).ok_or(Refused::Gone)?;
        if *until <= Instant::now() {
            return Err(Refused::SessionExpired);
        }
        Ok(session.clone())
    }

    /// New tokens for the holder of a master token. Older ones work until they expire.
    pub(crate) fn renew(&self, master: &str) -> Result<(Arc<Session>, Tokens), Refused> {
        let mut tables = self.lock();
        let (id, until) = *tables.master_tokens.get(master).ok_or(Refused::Gone)?;
        let session = tables.sessions.get(&id).cloned().ok_or(Refused::Gone)?;
        if until <= Instant::now() {
            return Err(Refused::MasterExpired);
        }
        let tokens = self.issue(&mut tables, id);
        Ok((session, tokens))
    }

    pub(crate) fn close(&self, id: u64) {
        self.lock().sessions.remove(&id);
    }

    /// Ends the validity of every session token.
    pub(crate) fn expire_sessions(&self) {
        let now = Instant::now();
        self.lock()
            .session_tokens
            .values_mut()
            .for_each(|(_, until)| *until = now);
    }

    /// Ends the validity of every token.
    pub(crate) fn expire_masters(&self) {
        self.expire_sessions();
        let now = Instant::now();
        self.lock()
            .master_tokens
            .values_mut()
            .for_each(|(_, until)| *until = now);
    }

    /// Forgets every session, as a restart of the service would.
    pub(crate) fn forget(&self) {
        self.lock().sessions.clear();
    }

    pub(crate) fn list(&self) -> Vec<Context> {
        self.lock()
            .sessions
            .values()
            .map(|session| session.context())
            .collect()
    }

    fn issue(&self, tables: &mut Tables, id: u64) -> Tokens {
        let now = Instant::now();
        let tokens = Tokens {
            session: format!("ver:1-hint:{id}-session-{}", Uuid::new_v4().simple()),
            master: format!("ver:1-hint:{id}-master-{}", Uuid::new_v4().simple()),
        };
        tables
            .session_tokens
            .insert(tokens.session.clone(), (id, now + self.session_validity));
        tables
            .master_tokens
            .insert(tokens.master.clone(), (id, now + self.master_validity));
        tokens
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_expire_and_renew() {
        let sessions = Sessions::new(Duration::from_secs(60), Duration::from_secs(60));
        let (session, first) = sessions.open(Context::default(), true);
        assert_eq!(
            sessions.authenticate(&first.session).map(|s| s.id),
            Ok(session.id)
        );
        sessions.expire_sessions();
        assert_eq!(
            sessions.authenticate(&first.session).err(),
            Some(Refused::SessionExpired)
        );
        let (_, second) = sessions.renew(&first.master).ok().unwrap();
        assert!(sessions.authenticate(&second.session).is_ok());
        sessions.expire_masters();
        assert_eq!(
            sessions.renew(&second.master).err(),
            Some(Refused::MasterExpired)
        );
        sessions.close(session.id);
        assert_eq!(
            sessions.authenticate(&second.session).err(),
            Some(Refused::Gone)
        );
    }
}
