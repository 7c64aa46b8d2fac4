//! Which transactions clients opened by action, so that a prepared statement can move on with its
//! session.
//!
//! Python's driver is always in a transaction: after a commit it begins the next one and goes on using
//! handles that were made in the one before. Such a handle belongs to the session's open transaction.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use ducksync_core::{Error, Result, id::SessionId};
use ducksync_query::{Session, TransactionId};
use uuid::Uuid;

/// Transactions opened by action and not ended by one, oldest first, for each living session.
#[derive(Default)]
pub(crate) struct OpenTransactions(Mutex<HashMap<SessionId, Opened>>);

struct Opened {
    /// Gone when the session is: ended, lost or idle. Then its transactions are rolled back.
    session: Weak<Session>,
    open: Vec<TransactionId>,
}

impl OpenTransactions {
    fn map(&self) -> MutexGuard<'_, HashMap<SessionId, Opened>> {
        // Each change below is one insertion or removal, so a panic cannot leave half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a transaction that the session began.
    pub(crate) fn began(&self, session: &Arc<Session>, id: TransactionId) {
        let mut map = self.map();
        // Forgetting the dead here keeps the map as small as the number of sessions.
        map.retain(|_, opened| opened.session.strong_count() > 0);
        let opened = map.entry(session.id).or_insert_with(|| Opened {
            session: Arc::downgrade(session),
            open: Vec::new(),
        });
        opened.open.push(id);
    }

    /// Forgets a transaction that the session ended.
    pub(crate) fn ended(&self, session: &Session, id: TransactionId) {
        let mut map = self.map();
        if let Some(opened) = map.get_mut(&session.id) {
            opened.open.retain(|open| *open != id);
            if opened.open.is_empty() {
                map.remove(&session.id);
            }
        }
    }

    /// The transaction in which a statement runs that was prepared in `prepared_in`: that one while it
    /// is open, else the session's newest, else none of an action's.
    pub(crate) fn current(
        &self,
        session: &Session,
        prepared_in: Option<TransactionId>,
    ) -> Option<TransactionId> {
        let map = self.map();
        let open = &map.get(&session.id)?.open;
        prepared_in
            .filter(|id| open.contains(id))
            .or_else(|| open.last().copied())
    }
}

/// A transaction's id as clients carry it.
pub(crate) fn to_bytes(id: TransactionId) -> Bytes {
    Bytes::copy_from_slice(id.0.as_bytes())
}

/// Reads a transaction's id; absent or empty means none.
///
/// # Errors
/// `InvalidArgument` if it is not one of ours.
pub(crate) fn from_bytes(bytes: Option<&[u8]>) -> Result<Option<TransactionId>> {
    match bytes {
        None | Some([]) => Ok(None),
        Some(bytes) => Uuid::from_slice(bytes)
            .map(|id| Some(TransactionId(id)))
            .map_err(|_| Error::invalid("the transaction id is not one of ours")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ducksync_core::auth::Principal;
    use ducksync_query::{SessionKey, Sessions};

    use super::*;

    fn session(sessions: &Sessions, key: &str) -> Arc<Session> {
        let ann = Principal {
            name: "ann".into(),
            roles: vec![],
            grants: Arc::new([]),
        };
        sessions.open(&SessionKey(key.into()), &ann).unwrap()
    }

    fn id() -> TransactionId {
        TransactionId(Uuid::now_v7())
    }

    #[test]
    fn v15_a_prepared_statement_moves_on_to_the_sessions_open_transaction() {
        let sessions = Sessions::new(10, Duration::from_secs(60));
        let (one, other) = (session(&sessions, "1"), session(&sessions, "2"));
        let open = OpenTransactions::default();
        let (first, second) = (id(), id());
        open.began(&one, first);
        assert_eq!(open.current(&one, Some(first)), Some(first));
        open.ended(&one, first);
        assert_eq!(
            open.current(&one, Some(first)),
            None,
            "autocommit when none is open"
        );
        open.began(&one, second);
        assert_eq!(open.current(&one, Some(first)), Some(second));
        assert_eq!(open.current(&one, None), Some(second));
        assert_eq!(
            open.current(&other, Some(first)),
            None,
            "sessions share nothing"
        );
    }

    #[test]
    fn transaction_ids_survive_the_client() {
        let id = id();
        assert_eq!(from_bytes(Some(&to_bytes(id))).unwrap(), Some(id));
        assert_eq!(from_bytes(Some(&[])).unwrap(), None);
        assert!(from_bytes(Some(b"x")).is_err());
    }
}
