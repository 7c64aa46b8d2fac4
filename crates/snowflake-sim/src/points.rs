//! Which state of the account each statement saw, for `AT (STATEMENT => …)`.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::catalog::Change;

/// How many statements are remembered; the oldest go first.
const REMEMBERED: usize = 100_000;

/// The last changes before a statement, and with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) before: Change,
    pub(crate) at: Change,
}

#[derive(Debug, Default)]
struct Inner {
    by_query: HashMap<String, Point>,
    order: VecDeque<String>,
}

/// The points of an account's statements, by query id.
#[derive(Debug, Default)]
pub(crate) struct Points {
    inner: Mutex<Inner>,
}

impl Points {
    /// Sets a statement's point, instead of the one it may have.
    pub(crate) fn set(&self, query_id: &str, point: Point) {
        let mut inner = self.lock();
        if inner.by_query.insert(query_id.to_owned(), point).is_none() {
            inner.order.push_back(query_id.to_owned());
        }
        while inner.order.len() > REMEMBERED {
            if let Some(oldest) = inner.order.pop_front() {
                inner.by_query.remove(&oldest);
            }
        }
    }

    /// Sets a statement's point unless it has one.
    pub(crate) fn set_if_new(&self, query_id: &str, point: Point) {
        if self.get(query_id).is_none() {
            self.set(query_id, point);
        }
    }

    pub(crate) fn get(&self, query_id: &str) -> Option<Point> {
        self.lock().by_query.get(query_id).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
