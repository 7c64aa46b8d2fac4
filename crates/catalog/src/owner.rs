//! Which processes are alive. On Postgres each holds a session advisory lock for as long as it lives:
//! Postgres frees it the moment the connection ends, so that the claims of a dead process can be
//! taken over at once (G-5). On SQLite there is only this process.
//!
//! This module ends no claims: it only says who lives.

use std::{collections::HashSet, time::Duration};

use ducksync_core::{
    error::{Error, Result},
    id::OwnerId,
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::db::{DbResult, Engine, Tx, sql};

/// Keeps this process's lock, and takes it again whenever its connection was lost.
pub(crate) struct OwnerLock(
    #[expect(dead_code, reason = "held, never read")] AbortOnDropHandle<()>,
);

impl OwnerLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// `FailedPrecondition` if another living process has that owner id; `Unavailable`.
    pub(crate) async fn take(
        options: PgConnectOptions,
        owner: OwnerId,
        deadline: Duration,
    ) -> Result<Self> {
        let connection = acquire(&options, owner, deadline).await?;
        let keeper = keep(connection, options, owner, deadline);
        Ok(Self(AbortOnDropHandle::new(tokio::spawn(keeper))))
    }
}

/// The owners among `ducksync.owners` that live now, as the transaction sees it.
pub(crate) async fn living_owners(tx: &mut Tx, own: OwnerId) -> DbResult<HashSet<OwnerId>> {
    let mut living = HashSet::from([own]);
    if tx.engine() == Engine::Sqlite {
        return Ok(living);
    }
    let held = tx
        .fetch_all(sql(
            "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks \
             WHERE locktype = 'advisory' AND objsubid = 1 AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        ))
        .await?;
    let held: HashSet<i64> = held.iter().map(|row| row.get(0)).collect::<DbResult<_>>()?;
    for row in tx.fetch_all(sql("SELECT id FROM ducksync.owners")).await? {
        let owner = OwnerId(row.get::<Uuid>(0)?);
        if held.contains(&lock_key(owner)) {
            living.insert(owner);
        }
    }
    Ok(living)
}

/// The key of a process's lock: the random half of its id.
fn lock_key(owner: OwnerId) -> i64 {
    let (_, random) = owner.0.as_u64_pair();
    i64::from_be_bytes(random.to_be_bytes())
}

async fn keep(
    mut connection: PgConnection,
    options: PgConnectOptions,
    owner: OwnerId,
    deadline: Duration,
) {
    let pause = Duration::from_secs(1).min(deadline);
    loop {
        tokio::time::sleep(pause).await;
        if matches!(timeout(deadline, connection.ping()).await, Ok(Ok(()))) {
            continue;
        }
        tracing::warn!("the connection that shows other processes that we live was lost");
        // Until the lock is ours again others may end our claims; our publishes then find that out.
        while let Err(error) = reacquire(&mut connection, &options, owner, deadline).await {
            tracing::warn!(%error, "cannot show other processes that we live");
            tokio::time::sleep(pause).await;
        }
    }
}

async fn reacquire(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
    owner: OwnerId,
    deadline: Duration,
) -> Result<()> {
    *connection = acquire(options, owner, deadline).await?;
    Ok(())
}

async fn acquire(
    options: &PgConnectOptions,
    owner: OwnerId,
    deadline: Duration,
) -> Result<PgConnection> {
    let work = async {
        let mut connection = PgConnection::connect_with(options).await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(lock_key(owner))
            .fetch_one(&mut connection)
            .await?;
        Ok::<_, sqlx::Error>((connection, taken))
    };
    let lost = || Error::unavailable("the catalog database does not give this process its lock");
    match timeout(deadline, work).await {
        Ok(Ok((connection, true))) => Ok(connection),
        Ok(Ok((_, false))) => Err(Error::failed_precondition(format!(
            "another process lives under the owner id {owner}"
        ))),
        Ok(Err(error)) => Err(lost().with_source(error)),
        Err(_) => Err(lost()),
    }
}
