//! Claims: exclusive, expiring rights to run datasets (G-5).
//!
//! A claim is a row with a token that only grows. Taking, voiding and dropping all raise the token,
//! and a publish commits only with the token that its run was given: so a worker that was held for
//! dead, and goes on, can publish nothing. Expiry is compared on the catalog's clock alone.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use chrono::TimeDelta;
use ducksync_core::{
    catalog::{ClaimOutcome, ClaimStore, DeadRun},
    error::{Error, Result},
    id::{ClaimToken, DatasetId, OwnerId, RunId},
    time::Instant,
};
use uuid::Uuid;

use super::lost;
use crate::{
    Catalog,
    db::{DbResult, Tx, sql},
    owner::living_owners,
    publish::lock,
};

/// The claims that this process believes to hold.
#[derive(Debug, Default)]
pub(crate) struct HeldClaims(Mutex<HashMap<DatasetId, ClaimToken>>);

#[async_trait]
impl ClaimStore for Catalog {
    async fn claim(&self, dataset: DatasetId, run: RunId) -> Result<ClaimOutcome> {
        let token = match self.take_free(dataset, run).await? {
            Some(token) => token,
            None => match self.take_over(dataset, run).await? {
                ClaimOutcome::Held(token) => token,
                busy @ ClaimOutcome::Busy(..) => return Ok(busy),
            },
        };
        self.held.lock().insert(dataset, token);
        Ok(ClaimOutcome::Held(token))
    }

    async fn heartbeat(&self) -> Result<Vec<DatasetId>> {
        // What is claimed while we ask is not looked for in the answer. A claim whose caller went away
        // before it knew of it is not renewed, and so expires.
        let believed = self.held.lock().clone();
        if believed.is_empty() {
            return Ok(Vec::new());
        }
        let datasets: Vec<Uuid> = believed.keys().map(|dataset| dataset.0).collect();
        let mut tx = self.db.begin().await?;
        let expires = self.expiry(tx.now().await?);
        let rows = tx
            .fetch_all(
                sql(
                    "UPDATE ducksync.claims SET expires_at = $1 WHERE owner = $2 \
                     AND dataset = ANY($3) RETURNING dataset, token",
                )
                .bind(expires)
                .bind(self.owner.0)
                .bind(datasets),
            )
            .await?;
        tx.commit().await?;
        let kept: HashMap<DatasetId, ClaimToken> = rows
            .iter()
            .map(|row| Ok((DatasetId(row.get(0)?), ClaimToken(row.get(1)?))))
            .collect::<DbResult<_>>()?;
        let lost = believed
            .into_iter()
            .filter(|(id, token)| kept.get(id) != Some(token));
        Ok(self.held.forget_all(lost))
    }

    async fn release(&self, dataset: DatasetId, token: ClaimToken) -> Result<()> {
        self.held.forget_all([(dataset, token)]);
        self.db
            .execute(
                sql(
                    "UPDATE ducksync.claims SET owner = NULL, run_id = NULL, expires_at = NULL \
                     WHERE dataset = $1 AND token = $2 AND owner = $3",
                )
                .bind(dataset.0)
                .bind(token.0)
                .bind(self.owner.0),
            )
            .await?;
        Ok(())
    }

    async fn reap(&self) -> Result<Vec<DeadRun>> {
        self.reap_lost().await
    }
}

impl Catalog {
    /// Takes a claim that nobody holds: the usual case, without the commit lock.
    async fn take_free(&self, dataset: DatasetId, run: RunId) -> Result<Option<ClaimToken>> {
        let mut tx = self.db.begin().await?;
        let expires = self.expiry(tx.now().await?);
        let row = tx
            .fetch_optional(
                sql("INSERT INTO ducksync.claims (dataset, token, owner, run_id, expires_at) \
                     SELECT id, 1, $2, $3, $4 FROM ducksync.datasets WHERE id = $1 \
                     ON CONFLICT (dataset) DO UPDATE SET token = ducksync.claims.token + 1, \
                     owner = excluded.owner, run_id = excluded.run_id, \
                     expires_at = excluded.expires_at WHERE ducksync.claims.owner IS NULL RETURNING token")
                .bind(dataset.0)
                .bind(self.owner.0)
                .bind(run.0)
                .bind(expires),
            )
            .await?;
        tx.commit().await?;
        Ok(row.map(|row| row.get(0).map(ClaimToken)).transpose()?)
    }

    /// Looks at who holds the claim, and takes it from one that is dead or expired.
    async fn take_over(&self, dataset: DatasetId, run: RunId) -> Result<ClaimOutcome> {
        let mut tx = self.db.begin().await?;
        lock::take(&mut tx).await?;
        let Some(held) = holder(&mut tx, dataset).await? else {
            tx.rollback().await?;
            return Err(Error::not_found(format!(
                "there is no dataset {dataset} to claim"
            )));
        };
        let now = tx.now().await?;
        if let Some((owner, holding, expires)) = held.by {
            if owner == self.owner && holding == run {
                // Asked again after an answer was lost.
                tx.rollback().await?;
                return Ok(ClaimOutcome::Held(held.token));
            }
            let living = living_owners(&mut tx, self.owner).await?;
            if living.contains(&owner) && expires > now {
                tx.rollback().await?;
                return Ok(ClaimOutcome::Busy(owner, holding));
            }
            lost::end_run(&mut tx, holding).await?;
        }
        let token = ClaimToken(held.token.0 + 1);
        tx.execute(
            sql(
                "UPDATE ducksync.claims SET token = $1, owner = $2, run_id = $3, \
                 expires_at = $4 WHERE dataset = $5",
            )
            .bind(token.0)
            .bind(self.owner.0)
            .bind(run.0)
            .bind(self.expiry(now))
            .bind(dataset.0),
        )
        .await?;
        tx.commit().await?;
        Ok(ClaimOutcome::Held(token))
    }

    fn expiry(&self, now: Instant) -> Instant {
        let lasts = TimeDelta::from_std(self.config.claim_expiry).unwrap_or(TimeDelta::MAX);
        now.checked_add_signed(lasts).unwrap_or(Instant::MAX_UTC)
    }
}

impl HeldClaims {
    fn lock(&self) -> MutexGuard<'_, HashMap<DatasetId, ClaimToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets these, unless they were taken anew since; returns the datasets it forgot.
    fn forget_all(
        &self,
        claims: impl IntoIterator<Item = (DatasetId, ClaimToken)>,
    ) -> Vec<DatasetId> {
        let mut held = self.lock();
        let claims = claims.into_iter();
        claims
            .filter(|(id, token)| held.get(id) == Some(token))
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
            .into_iter()
            .inspect(|id| {
                held.remove(id);
            })
            .collect()
    }
}

struct Holder {
    token: ClaimToken,
    by: Option<(OwnerId, RunId, Instant)>,
}

async fn holder(tx: &mut Tx, dataset: DatasetId) -> DbResult<Option<Holder>> {
    let row = tx
        .fetch_optional(
            sql(
                "SELECT token, owner, run_id, expires_at FROM ducksync.claims \
                 WHERE dataset = $1 FOR UPDATE",
            )
            .bind(dataset.0),
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let owner: Option<Uuid> = row.optional(1)?;
    let by = match owner {
        Some(owner) => Some((OwnerId(owner), RunId(row.get(2)?), row.get(3)?)),
        None => None,
    };
    Ok(Some(Holder {
        token: ClaimToken(row.get(0)?),
        by,
    }))
}
