//! What caches spared their sources, by cache and day: counted where it happens, never guessed.
//!
//! Counts gather in memory and are added to the catalog's every few seconds, so those of several
//! processes add up. A process that dies takes its last seconds with it, and a commit of unknown outcome
//! counts as lost: the numbers are never too high.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::NaiveDate;

use crate::{
    error::{Error, Result},
    id::DatasetId,
    time::Clock,
};

/// What was counted of one cache on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Statements that the cache answered; one that reads two caches counts for both.
    pub answers: i64,
    /// Arrow bytes of their rows, as they left.
    pub answered_bytes: i64,
    /// Checks after which nothing had to be loaded.
    pub loads_avoided: i64,
    /// Loads that were published.
    pub loads: i64,
    /// Statements that loads ran at the source, failed loads included.
    pub source_statements: i64,
    /// Arrow bytes that came of them.
    pub source_bytes: i64,
    /// How long the source took to answer them, without the fetching of rows.
    pub source_milliseconds: i64,
    /// The size of the warehouse that ran them, in the source's words.
    pub warehouse_size: Option<String>,
}

impl Tally {
    /// Counts `other` too.
    pub fn add(&mut self, other: &Self) {
        self.answers += other.answers;
        self.answered_bytes += other.answered_bytes;
        self.loads_avoided += other.loads_avoided;
        self.loads += other.loads;
        self.source_statements += other.source_statements;
        self.source_bytes += other.source_bytes;
        self.source_milliseconds += other.source_milliseconds;
        if other.warehouse_size.is_some() {
            self.warehouse_size.clone_from(&other.warehouse_size);
        }
    }
}

/// A cache's tally of a day in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayTally {
    /// The cache.
    pub dataset: DatasetId,
    /// The day.
    pub day: NaiveDate,
    /// What was counted.
    pub tally: Tally,
}

/// Where tallies are kept.
#[async_trait]
pub trait SavingsStore: Send + Sync {
    /// Adds to what is stored, all or nothing. A commit of unknown outcome is no error.
    ///
    /// # Errors
    /// `Unavailable`: nothing was added.
    async fn add_savings(&self, tallies: &[DayTally]) -> Result<()>;

    /// What is stored of that day and later.
    async fn savings(&self, since: NaiveDate) -> Result<Vec<DayTally>>;
}

/// The tallies of this process, on their way to the store.
pub struct Savings {
    store: Arc<dyn SavingsStore>,
    clock: Arc<dyn Clock>,
    counted: Mutex<HashMap<(DatasetId, NaiveDate), Tally>>,
    /// One at a time, so that what a flush took is stored when the next has ended.
    flushing: tokio::sync::Mutex<()>,
}

impl Savings {
    /// Nothing counted yet.
    pub fn new(store: Arc<dyn SavingsStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            counted: Mutex::default(),
            flushing: tokio::sync::Mutex::default(),
        }
    }

    /// Counts something of today.
    pub fn count(&self, dataset: DatasetId, tally: &Tally) {
        let key = (dataset, self.today());
        self.lock().entry(key).or_default().add(tally);
    }

    /// The day now, in UTC.
    pub fn today(&self) -> NaiveDate {
        self.clock.now().date_naive()
    }

    /// Stores what was counted.
    ///
    /// # Errors
    /// As [`SavingsStore::add_savings`]; what was counted is kept for the next time.
    pub async fn flush(self: &Arc<Self>) -> Result<()> {
        // Goes on when who asked for it goes away: what was taken is stored or put back.
        let this = self.clone();
        let flushed = tokio::spawn(async move { this.store_all().await }).await;
        flushed.map_err(|error| Error::internal("savings were not stored").with_source(error))?
    }

    async fn store_all(&self) -> Result<()> {
        let _alone = self.flushing.lock().await;
        let taken: Vec<DayTally> = self
            .lock()
            .drain()
            .map(|((dataset, day), tally)| DayTally {
                dataset,
                day,
                tally,
            })
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        let stored = self.store.add_savings(&taken).await;
        if stored.is_err() {
            let mut counted = self.lock();
            for taken in &taken {
                let key = (taken.dataset, taken.day);
                counted.entry(key).or_default().add(&taken.tally);
            }
        }
        stored
    }

    /// Everything of that day and later, what this process counted until now included.
    ///
    /// # Errors
    /// `Unavailable` if the store does not answer.
    pub async fn since(self: &Arc<Self>, day: NaiveDate) -> Result<Vec<DayTally>> {
        self.flush().await?;
        self.store.savings(day).await
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(DatasetId, NaiveDate), Tally>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Credits that a standard warehouse of this size takes in an hour; `None` for a size not known here.
///
/// Source: Snowflake's documentation of standard warehouses.
pub fn credits_per_hour(size: &str) -> Option<f64> {
    const SIZES: [&str; 10] = [
        "xsmall", "small", "medium", "large", "xlarge", "2xlarge", "3xlarge", "4xlarge", "5xlarge",
        "6xlarge",
    ];
    let size = size.to_lowercase().replace('-', "");
    let step = SIZES.iter().position(|known| *known == size)?;
    Some(f64::from(1_u32 << step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SystemClock;

    #[derive(Default)]
    struct Store {
        stored: Mutex<Vec<DayTally>>,
        down: Mutex<bool>,
    }

    #[async_trait]
    impl SavingsStore for Store {
        async fn add_savings(&self, tallies: &[DayTally]) -> Result<()> {
            if *self.down.lock().unwrap() {
                return Err(Error::unavailable("down"));
            }
            self.stored.lock().unwrap().extend_from_slice(tallies);
            Ok(())
        }

        async fn savings(&self, _since: NaiveDate) -> Result<Vec<DayTally>> {
            Ok(self.stored.lock().unwrap().clone())
        }
    }

    #[tokio::test]
    async fn o4_what_cannot_be_stored_is_kept_and_stored_once() {
        let store = Arc::new(Store::default());
        let savings = Arc::new(Savings::new(store.clone(), Arc::new(SystemClock)));
        let (dataset, one) = (
            DatasetId::generate(),
            Tally {
                answers: 1,
                ..Tally::default()
            },
        );
        savings.count(dataset, &one);
        *store.down.lock().unwrap() = true;
        assert!(savings.flush().await.is_err());
        savings.count(dataset, &one);
        *store.down.lock().unwrap() = false;
        let since = savings.since(savings.today()).await.unwrap();
        let answers: Vec<_> = since.iter().map(|day| day.tally.answers).collect();
        assert_eq!(answers, [2]);
        assert_eq!(savings.since(savings.today()).await.unwrap().len(), 1);
    }

    #[test]
    fn o4_a_size_up_is_twice_the_credits() {
        assert_eq!(credits_per_hour("X-Small"), Some(1.0));
        assert_eq!(credits_per_hour("Medium"), Some(4.0));
        assert_eq!(credits_per_hour("2X-LARGE"), Some(32.0));
        assert_eq!(credits_per_hour("6X-Large"), Some(512.0));
        assert_eq!(credits_per_hour("Adaptive"), None);
    }
}
