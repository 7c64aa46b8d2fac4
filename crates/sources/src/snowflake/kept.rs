//! Replies that wait to be fetched: what lies between a submit and its fetch.
//!
//! Bounded in number and bytes; what falls out is asked for again from Snowflake, which keeps results
//! for a day. Nothing here is the only copy of anything.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{protocol::QueryData, session::Session};

const MOST_QUERIES: usize = 1024;
const MOST_BYTES: usize = 64 << 20;

/// Statements by query id, the oldest first.
#[derive(Debug, Default)]
pub(super) struct KeptReplies {
    queries: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    query_id: String,
    session: Arc<Session>,
    reply: Option<QueryData>,
    /// Bytes of the reply, about.
    weight: usize,
}

impl Kept {
    fn take_reply(&mut self) -> Option<QueryData> {
        self.weight = 0;
        self.reply.take()
    }
}

impl KeptReplies {
    pub(super) fn keep(&self, query_id: &str, session: Arc<Session>, reply: QueryData) {
        let mut queries = self.lock();
        queries.push_back(Kept {
            query_id: query_id.to_owned(),
            session,
            weight: reply.weight(),
            reply: Some(reply),
        });
        if queries.len() > MOST_QUERIES {
            queries.pop_front();
        }
        let mut bytes: usize = queries.iter().map(|kept| kept.weight).sum();
        for kept in queries.iter_mut() {
            if bytes <= MOST_BYTES {
                break;
            }
            bytes -= kept.weight;
            kept.take_reply();
        }
    }

    /// The session of a statement, and its reply unless that was taken or fell out.
    pub(super) fn take(&self, query_id: &str) -> Option<(Arc<Session>, Option<QueryData>)> {
        let mut queries = self.lock();
        let kept = queries
            .iter_mut()
            .rev()
            .find(|kept| kept.query_id == query_id)?;
        Some((kept.session.clone(), kept.take_reply()))
    }

    /// The session of a statement; its reply is given up.
    pub(super) fn forget(&self, query_id: &str) -> Option<Arc<Session>> {
        let mut queries = self.lock();
        let at = queries.iter().rposition(|kept| kept.query_id == query_id)?;
        queries.remove(at).map(|kept| kept.session)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
