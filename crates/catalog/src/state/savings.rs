//! What caches spared their sources, by cache and day.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{Days, NaiveDate, TimeDelta};
use ducksync_core::{
    error::{Error, Result},
    id::DatasetId,
    savings::{DayTally, SavingsStore, Tally},
    time::Instant,
};

use crate::{
    Catalog,
    db::{DbResult, Row, Statement, sql},
};

#[async_trait]
impl SavingsStore for Catalog {
    async fn add_savings(&self, tallies: &[DayTally]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        for tally in tallies {
            tx.execute(add(tally)).await?;
        }
        // Whether it was stored is not known: to add it again could count it twice.
        if let Err(error) = tx.commit().await {
            let error = Error::from(error);
            tracing::warn!(%error, "what caches spared in these seconds may not have been stored");
        }
        Ok(())
    }

    async fn savings(&self, since: NaiveDate) -> Result<Vec<DayTally>> {
        let rows = self
            .db
            .fetch_all(
                sql(
                    "SELECT dataset, day, answers, answered_bytes, loads_avoided, loads, \
                     source_statements, source_bytes, source_milliseconds, warehouse_size \
                     FROM ducksync.savings WHERE day >= $1 ORDER BY day, dataset",
                )
                .bind(number(since)),
            )
            .await?;
        let tallies: DbResult<Vec<_>> = rows.iter().map(read).collect();
        Ok(tallies?)
    }
}

impl Catalog {
    /// Forgets days longer than `retention` ago. Returns how many rows went.
    ///
    /// # Errors
    /// `Unavailable` if the catalog does not answer.
    pub async fn prune_savings(&self, retention: Duration) -> Result<u64> {
        let retention = TimeDelta::from_std(retention).unwrap_or(TimeDelta::MAX);
        let now = self.db.now().await?;
        let before = now
            .checked_sub_signed(retention)
            .unwrap_or(Instant::MIN_UTC);
        let forget = sql("DELETE FROM ducksync.savings WHERE day < $1");
        let forget = forget.bind(number(before.date_naive()));
        Ok(self.db.execute(forget).await?)
    }
}

fn add(
    DayTally {
        dataset,
        day,
        tally,
    }: &DayTally,
) -> Statement {
    sql(
        "INSERT INTO ducksync.savings AS kept (dataset, day, answers, answered_bytes, \
         loads_avoided, loads, source_statements, source_bytes, source_milliseconds, \
         warehouse_size) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (dataset, day) DO UPDATE SET \
         answers = kept.answers + excluded.answers, \
         answered_bytes = kept.answered_bytes + excluded.answered_bytes, \
         loads_avoided = kept.loads_avoided + excluded.loads_avoided, \
         loads = kept.loads + excluded.loads, \
         source_statements = kept.source_statements + excluded.source_statements, \
         source_bytes = kept.source_bytes + excluded.source_bytes, \
         source_milliseconds = kept.source_milliseconds + excluded.source_milliseconds, \
         warehouse_size = coalesce(excluded.warehouse_size, kept.warehouse_size)",
    )
    .bind(dataset.0)
    .bind(number(*day))
    .bind(tally.answers)
    .bind(tally.answered_bytes)
    .bind(tally.loads_avoided)
    .bind(tally.loads)
    .bind(tally.source_statements)
    .bind(tally.source_bytes)
    .bind(tally.source_milliseconds)
    .bind(tally.warehouse_size.as_deref())
}

fn read(row: &Row) -> DbResult<DayTally> {
    Ok(DayTally {
        dataset: DatasetId(row.get(0)?),
        day: day(row.get(1)?),
        tally: Tally {
            answers: row.get(2)?,
            answered_bytes: row.get(3)?,
            loads_avoided: row.get(4)?,
            loads: row.get(5)?,
            source_statements: row.get(6)?,
            source_bytes: row.get(7)?,
            source_milliseconds: row.get(8)?,
            warehouse_size: row.optional(9)?,
        },
    })
}

/// A day as it is stored: days since 1970, which both engines compare alike.
fn number(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}

fn day(number: i64) -> NaiveDate {
    let days = Days::new(number.unsigned_abs());
    NaiveDate::default()
        .checked_add_days(days)
        .unwrap_or(NaiveDate::MAX)
}
