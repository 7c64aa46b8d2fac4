//! The publish: one transaction that shows data, checkpoint and run record together, or nothing (G-4).
//!
//! ```text
//! BEGIN ─▶ commit lock ─▶ newest snapshot ─▶ heads, claims, tables as they are ─▶ still true?
//!       ─▶ apply the changes in memory (core's `apply`) ─▶ write the difference ─▶ snapshot row
//!       ─▶ heads, proofs, run record ─▶ NOTIFY ─▶ COMMIT ─▶ read back into memory
//! ```
//!
//! Why no row can be lost or doubled: everything under the lock is decided from what the lock's holder
//! reads; a foreign client, which does not take our lock, collides with us on the primary key of
//! `ducklake_snapshot`, and whoever comes second starts again; and a COMMIT without an answer is
//! looked up by the run's name, under the lock, before anything is tried again.

use std::time::Duration;

use async_trait::async_trait;
use ducksync_core::{
    catalog::Publisher,
    change::{Publication, Published},
    error::{Error, Result},
};
use futures::future::BoxFuture;
use tokio::time::{Instant as Monotonic, sleep};

use crate::{
    Catalog,
    db::{DbError, DbResult, Tx},
};

mod apply;
mod attempt;
pub(crate) mod basis;
mod difference;
mod files;
pub(crate) mod foreign;
pub(crate) mod lock;
mod names;
mod outcome;
mod record;
mod state;
mod work;
mod write;

/// Tries after a foreign client took our snapshot id (G-5).
const TRIES: u32 = 10;
/// How long a commit without an answer is looked for, and an unreachable catalog is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

/// More statements for the transaction of a publish; run again with each try.
pub(crate) type Also = dyn for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, DbResult<()>> + Send + Sync;

/// A publication and how it is checked.
pub(crate) struct Work<'a> {
    pub(crate) publication: &'a Publication,
    /// Whether every changed dataset needs a basis, and fed ones a claim. Only DDL of ours, which
    /// voids claims itself, does without.
    pub(crate) guarded: bool,
    /// What else commits with it.
    pub(crate) also: Option<&'a Also>,
}

/// Why one try of a commit ended without success.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Another client was first: nothing was done, try again.
    Again,
    /// The catalog went away before COMMIT was sent: nothing was done.
    Away(Error),
    /// No answer to COMMIT: done or not done.
    Unknown,
    /// A foreign client changed a fed dataset.
    Foreign(foreign::ForeignChange),
    /// It cannot be done.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Lost(_) => Self::Away(error.into()),
            DbError::Unique(_) | DbError::Busy(_) => Self::Again,
            DbError::Full(_)
            | DbError::Forbidden(_)
            | DbError::Refused(_)
            | DbError::NoRow
            | DbError::Shape(_) => Self::Failed(error.into()),
        }
    }
}

#[async_trait]
impl Publisher for Catalog {
    async fn publish(&self, publication: Publication) -> Result<Published> {
        let work = Work {
            publication: &publication,
            guarded: true,
            also: None,
        };
        self.commit(&work).await
    }

    async fn settle(&self) -> Result<()> {
        let mut tx = self.db.begin().await?;
        lock::take(&mut tx).await?;
        Ok(tx.rollback().await?)
    }
}

impl Catalog {
    /// Commits `work`, and shows it in this process's map before it returns.
    pub(crate) async fn commit(&self, work: &Work<'_>) -> Result<Published> {
        let published = self.commit_until_known(work).await?;
        self.show_own_change().await;
        Ok(published)
    }

    async fn commit_until_known(&self, work: &Work<'_>) -> Result<Published> {
        let give_up = Monotonic::now() + PATIENCE;
        let mut tries = 0;
        let mut pause = Duration::from_millis(20);
        loop {
            let stop = match self.attempt(work).await {
                Ok(published) => return Ok(published),
                Err(stop) => stop,
            };
            match stop {
                Stop::Failed(error) => return Err(error),
                Stop::Foreign(change) => return Err(self.refuse_foreign(change).await),
                Stop::Again if tries + 1 < TRIES => {
                    tries += 1;
                    tracing::debug!(run = %work.publication.run, tries, "publishing again");
                }
                Stop::Again => return Err(overtaken()),
                Stop::Away(error) if Monotonic::now() >= give_up => return Err(error),
                Stop::Away(_) => {}
                Stop::Unknown => {
                    let found = self.find_outcome(work.publication.run, give_up).await?;
                    if let Some(published) = found {
                        return Ok(published);
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}

fn overtaken() -> Error {
    Error::conflict(format!(
        "other DuckLake clients committed first {TRIES} times in a row"
    ))
    .with_remedy("let them pause between commits, or write through this server")
}
