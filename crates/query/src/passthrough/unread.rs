//! Results at a source that nobody has begun to read: aborted there when nobody does in time (V-8), or
//! when everybody they were answered to has cancelled (V-15).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ducksync_core::source::Source;
use tokio::task::AbortHandle;

/// By the source's query id.
type Results = Arc<Mutex<HashMap<String, Answered>>>;

/// One result and those who have a ticket to it.
struct Answered {
    tickets: usize,
    timer: AbortHandle,
}

/// Results at a source that nobody has begun to read.
pub(crate) struct Unread {
    life: Duration,
    results: Results,
}

impl Unread {
    pub(crate) fn new(life: Duration) -> Self {
        Self {
            life,
            results: Arc::default(),
        }
    }

    /// A ticket to the result was given; the result is aborted unless it is read in time from now.
    pub(super) fn watch(&self, source: Arc<dyn Source>, query_id: &str) {
        let (life, results, id) = (self.life, self.results.clone(), query_id.to_owned());
        // The lock is held until the timer is in the map, so it cannot end before it is there.
        let mut map = self.lock();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(life).await;
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
            if let Err(error) = source.abort(&id).await {
                tracing::warn!(query_id = %id, %error, "an unread result could not be aborted");
            }
        });
        let known = map.remove(query_id).inspect(|known| known.timer.abort());
        let answered = Answered {
            tickets: known.map_or(0, |known| known.tickets) + 1,
            timer: timer.abort_handle(),
        };
        map.insert(query_id.to_owned(), answered);
    }

    /// The result is being read.
    pub(super) fn read(&self, query_id: &str) {
        if let Some(answered) = self.lock().remove(query_id) {
            answered.timer.abort();
        }
    }

    /// One of those who have a ticket wants it no more; whether nobody is left who does, and nobody has
    /// begun to read.
    pub(crate) fn cancelled(&self, query_id: &str) -> bool {
        let mut map = self.lock();
        let Some(answered) = map.get_mut(query_id) else {
            return false;
        };
        answered.tickets -= 1;
        if answered.tickets > 0 {
            return false;
        }
        answered.timer.abort();
        map.remove(query_id);
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Answered>> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
