//! Our state beside DuckLake's metadata: definitions, runs, claims, secrets, logins, upkeep.
//!
//! Each method of the traits implemented here is one transaction. Those that change what
//! [`Lake`](ducksync_core::version::Lake) shows raise the revision first (its row makes them wait for
//! each other), so that a process that knows revision *n* has missed nothing up to *n*. Whatever also
//! touches the lake's tables takes the commit lock before that, as a publish does: one order of locks
//! for all. How the lake itself changes is `publish`'s matter, how it is read `versions`'.

mod changed_tables;
mod claims;
mod dataset_state;
mod datasets;
mod expire;
mod feeds;
mod grants;
mod lost;
mod prune;
mod run_row;
mod runs;
mod savings;
mod secrets;
mod sources;
mod tokens;
mod upkeep;

pub(crate) use self::claims::HeldClaims;

use ducksync_core::error::{Error, Result};

use crate::{
    Catalog,
    db::{DbResult, Engine, Tx, sql},
};

impl Catalog {
    /// Commits a change of our state and tells other processes; this one shows it when this returns.
    async fn commit_state(&self, mut tx: Tx) -> Result<()> {
        if tx.engine() == Engine::Postgres {
            let notify = sql("SELECT pg_notify($1, '')").bind(self.known.channel());
            tx.fetch_all(notify).await?;
        }
        tx.commit().await?;
        self.show_own_change().await;
        Ok(())
    }
}

/// Raises the revision and returns it. Until the transaction ends, no other one changes our state.
async fn bump(tx: &mut Tx) -> DbResult<i64> {
    tx.fetch_one(sql(
        "UPDATE ducksync.state SET revision = revision + 1 RETURNING revision",
    ))
    .await?
    .get(0)
}

/// Says that rows of `datasets` or `sources` went, which no row can say itself.
async fn mark_deleted(tx: &mut Tx, revision: i64) -> DbResult<()> {
    tx.execute(sql("UPDATE ducksync.state SET deleted_revision = $1").bind(revision))
        .await?;
    Ok(())
}

/// The refusal to drop what others need.
fn in_use(what: &str, users: &[String]) -> Error {
    const SHOWN: usize = 10;
    let shown = users[..users.len().min(SHOWN)].join(", ");
    let more = match users.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Error::failed_precondition(format!("{what} is used by {shown}{more}"))
        .with_remedy("drop these first")
}

#[cfg(test)]
mod tests;
