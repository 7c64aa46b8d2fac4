//! Questions that come together are asked together (C-9).
//!
//! The checks of a source's caches run side by side, each asking about its own objects. A batcher puts
//! what is asked while another question is under way, or within a moment of each other, into one
//! statement, and gives everybody their part of the answer.
//!
//! Nothing is remembered: a question joins only a statement that has not been sent yet, so that an answer
//! is never older than its question (G-7). When everybody who asked has left, the statement is aborted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ducksync_core::error::{Error, Result};
use futures::future::{BoxFuture, join_all};
use tokio::sync::oneshot;

/// How long the first question waits for others.
const GATHER: Duration = Duration::from_millis(5);

/// What is said of each thing that was asked about.
pub(super) type Answers<K, V> = BTreeMap<K, Result<V>>;

type Ask<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, Result<Answers<K, V>>> + Send + Sync;

/// Puts questions of one kind together.
pub(super) struct Batcher<K, V> {
    inner: Arc<Inner<K, V>>,
}

struct Inner<K, V> {
    ask: Box<Ask<K, V>>,
    queue: Mutex<Queue<K, V>>,
}

struct Queue<K, V> {
    waiting: Vec<Waiting<K, V>>,
    /// Whether somebody takes what waits.
    asking: bool,
}

struct Waiting<K, V> {
    keys: Vec<K>,
    answer: oneshot::Sender<Result<Vec<Result<V>>>>,
}

impl<K, V> Batcher<K, V>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    /// A batcher that asks about many things at once by `ask`.
    pub(super) fn new(
        ask: impl Fn(Vec<K>) -> BoxFuture<'static, Result<Answers<K, V>>> + Send + Sync + 'static,
    ) -> Self {
        let queue = Queue {
            waiting: Vec::new(),
            asking: false,
        };
        Self {
            inner: Arc::new(Inner {
                ask: Box::new(ask),
                queue: Mutex::new(queue),
            }),
        }
    }

    /// What is said of each of `keys`, in their order.
    ///
    /// # Errors
    /// Of the statement as a whole; what is refused for one key is that key's error.
    pub(super) async fn ask(&self, keys: Vec<K>) -> Result<Vec<Result<V>>> {
        let (answer, told) = oneshot::channel();
        let first = {
            let mut queue = self.inner.lock();
            queue.waiting.push(Waiting { keys, answer });
            !std::mem::replace(&mut queue.asking, true)
        };
        if first {
            tokio::spawn(take_turns(self.inner.clone()));
        }
        told.await
            .unwrap_or_else(|_| Err(Error::internal("a question to the source broke down")))
    }
}

impl<K, V> Inner<K, V> {
    fn lock(&self) -> MutexGuard<'_, Queue<K, V>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that waits and is still wanted; ends the turn if that is nothing.
    fn next(&self) -> Option<Vec<Waiting<K, V>>> {
        let mut queue = self.lock();
        let mut batch = std::mem::take(&mut queue.waiting);
        batch.retain(|waiting| !waiting.answer.is_closed());
        queue.asking = !batch.is_empty();
        queue.asking.then_some(batch)
    }
}

async fn take_turns<K, V>(inner: Arc<Inner<K, V>>)
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Clone + Send + 'static,
{
    let mut turn = Turn(Some(inner.clone()));
    loop {
        tokio::time::sleep(GATHER).await;
        let Some(mut batch) = inner.next() else {
            break;
        };
        let keys: BTreeSet<K> = batch
            .iter()
            .flat_map(|asked| &asked.keys)
            .cloned()
            .collect();
        let all_left = join_all(batch.iter_mut().map(|asked| asked.answer.closed()));
        let answers = tokio::select! {
            biased;
            answers = (inner.ask)(keys.into_iter().collect()) => answers,
            _ = all_left => continue,
        };
        for asked in batch {
            // Whoever left meanwhile is not told.
            let _ = asked.answer.send(part(&asked.keys, &answers));
        }
    }
    turn.0 = None;
}

/// Ends the turn of a task that broke down: whoever waits is told, and the next question begins anew.
struct Turn<K, V>(Option<Arc<Inner<K, V>>>);

impl<K, V> Drop for Turn<K, V> {
    fn drop(&mut self) {
        if let Some(inner) = &self.0 {
            let mut queue = inner.lock();
            queue.asking = false;
            queue.waiting.clear();
        }
    }
}

fn part<K: Ord, V: Clone>(keys: &[K], answers: &Result<Answers<K, V>>) -> Result<Vec<Result<V>>> {
    let answers = answers.as_ref().map_err(Error::duplicate)?;
    let of = |key: &K| match answers.get(key) {
        Some(Ok(value)) => Ok(value.clone()),
        Some(Err(error)) => Err(error.duplicate()),
        None => Err(Error::internal(
            "the source was asked, and nothing was said",
        )),
    };
    Ok(keys.iter().map(of).collect())
}

#[cfg(test)]
mod tests;
