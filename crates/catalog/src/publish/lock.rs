//! The lake's commit lock: every commit of every process of ours passes through it (G-5).

use crate::db::{DbResult, Engine, Tx, sql};

/// Takes the lock until the transaction ends. It is a statement of its own, so that under READ
/// COMMITTED the next statement sees all that its former holder committed. SQLite's write lock, taken
/// by BEGIN IMMEDIATE, is the same thing.
pub(crate) async fn take(tx: &mut Tx) -> DbResult<()> {
    if tx.engine() == Engine::Postgres {
        let key = tx.commit_lock();
        tx.execute(sql("SELECT pg_advisory_xact_lock($1)").bind(key))
            .await?;
    }
    Ok(())
}
