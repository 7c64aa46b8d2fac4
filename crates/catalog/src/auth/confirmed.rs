//! A word of the catalog that is confirmed again and again, and outlives a short outage (V-13).

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ducksync_core::error::{Error, ErrorKind, Result};
use tokio::time::{Instant, timeout};

/// A value this young is not asked for again.
const FRESH: Duration = Duration::from_secs(20);
/// A value older than this waits for another caller's question instead of passing it by, so that what
/// was revoked ends within 60 seconds while the catalog answers.
const WAITS: Duration = Duration::from_secs(45);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// After a question without answer, the next one waits this long.
const PAUSE: Duration = Duration::from_secs(5);

/// A value with the time of its confirmation. One caller asks at a time.
pub(super) struct Confirmed<T> {
    state: Mutex<State<T>>,
    asking: tokio::sync::Mutex<()>,
}

struct State<T> {
    value: Option<(Arc<T>, Instant)>,
    failed_at: Option<Instant>,
}

impl<T> Default for Confirmed<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                value: None,
                failed_at: None,
            }),
            asking: tokio::sync::Mutex::default(),
        }
    }
}

impl<T> Confirmed<T> {
    /// The value, asked for by `load` if it is not fresh. An outage is bridged for `grace`.
    ///
    /// # Errors
    /// As `load`, if there is no value that may still count.
    pub(super) async fn get<F, L>(&self, grace: Duration, load: F) -> Result<Arc<T>>
    where
        F: FnOnce() -> L,
        L: Future<Output = Result<T>>,
    {
        if let Some(value) = self.younger_than(FRESH) {
            return Ok(value);
        }
        let asking = match self.asking.try_lock() {
            Ok(asking) => asking,
            Err(_) => match self.younger_than(WAITS) {
                Some(value) => return Ok(value),
                None => self.asking.lock().await,
            },
        };
        if let Some(value) = self.younger_than(FRESH) {
            return Ok(value);
        }
        if let Some(value) = self.during_outage(grace) {
            return Ok(value);
        }
        let loaded = timeout(PATIENCE, load()).await.unwrap_or_else(|_| {
            Err(Error::unavailable(
                "the catalog did not answer in time about logins",
            ))
        });
        drop(asking);
        self.settle(loaded, grace)
    }

    /// Takes in what was just learned otherwise.
    pub(super) fn set(&self, value: T) -> Arc<T> {
        let value = Arc::new(value);
        let mut state = self.state();
        state.value = Some((value.clone(), Instant::now()));
        state.failed_at = None;
        value
    }

    fn settle(&self, loaded: Result<T>, grace: Duration) -> Result<Arc<T>> {
        let error = match loaded {
            Ok(value) => return Ok(self.set(value)),
            Err(error) => error,
        };
        self.state().failed_at = Some(Instant::now());
        let outage = matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::DeadlineExceeded
        );
        outage
            .then(|| self.younger_than(grace))
            .flatten()
            .ok_or(error)
    }

    fn during_outage(&self, grace: Duration) -> Option<Arc<T>> {
        let recent = self
            .state()
            .failed_at
            .is_some_and(|at| at.elapsed() < PAUSE);
        recent.then(|| self.younger_than(grace)).flatten()
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<T>> {
        let state = self.state();
        let (value, confirmed) = state.value.as_ref()?;
        (confirmed.elapsed() < age).then(|| value.clone())
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(300);

    async fn down() -> Result<u32> {
        Err(Error::unavailable("down"))
    }

    #[tokio::test(start_paused = true)]
    async fn v12_a_change_is_seen_within_a_minute() {
        let word = Confirmed::default();
        assert_eq!(*word.get(GRACE, || async { Ok(1) }).await.unwrap(), 1);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(*word.get(GRACE, || async { Ok(2) }).await.unwrap(), 1);
        tokio::time::advance(Duration::from_secs(49)).await;
        assert_eq!(*word.get(GRACE, || async { Ok(2) }).await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn v13_the_last_word_counts_for_the_grace_and_no_longer() {
        let word = Confirmed::default();
        word.set(1);
        tokio::time::advance(GRACE - Duration::from_secs(1)).await;
        assert_eq!(*word.get(GRACE, down).await.unwrap(), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(word.get(GRACE, down).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn v13_a_catalog_that_hangs_is_asked_by_one_and_not_by_all() {
        let word = Confirmed::default();
        word.set(1);
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = Instant::now();
        let hang = || std::future::pending::<Result<u32>>();
        let all = (0..50).map(|_| word.get(GRACE, hang));
        for value in futures::future::join_all(all).await {
            assert_eq!(*value.unwrap(), 1);
        }
        assert!(start.elapsed() <= PATIENCE + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn v13_entitlement_never_outlives_a_refusal() {
        let word = Confirmed::default();
        word.set(1);
        tokio::time::advance(Duration::from_secs(60)).await;
        let refused = word
            .get(GRACE, || async { Err(Error::data_loss("broken")) })
            .await;
        assert!(refused.is_err());
    }
}
