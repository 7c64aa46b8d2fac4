//! Our part of a publish: heads, proofs, definitions of plain tables.

use ducksync_core::{
    change::Publication,
    dataset::{Checkpoint, Proof},
    error::{Error, Result},
    id::{DatasetId, OwnerId, RunId},
    version::Version,
};

use super::{
    Stop,
    work::{Touched, Try},
};
use crate::db::{DbResult, sql};

pub(super) async fn write(
    work: &mut Try<'_>,
    publication: &Publication,
    owner: OwnerId,
) -> Result<(), Stop> {
    let bumped = sql("UPDATE ducksync.state SET revision = revision + 1 RETURNING revision");
    let revision: i64 = work.tx.fetch_one(bumped).await?.get(0)?;
    let mut datasets: Vec<DatasetId> = work.tables.keys().copied().collect();
    datasets.sort();
    for dataset in datasets {
        let Some(touched) = work.tables.remove(&dataset) else {
            continue;
        };
        let named = publication
            .checkpoints
            .iter()
            .find(|(of, _)| *of == dataset);
        let checkpoint = named.map(|(_, checkpoint)| checkpoint);
        match &touched.after {
            Some(after) => {
                work.define_plain(&touched, after, revision).await?;
                work.put_head(&touched, after, checkpoint, publication.run)
                    .await?;
            }
            None => work.forget(&touched, revision).await?,
        }
        if let Some(checkpoint) = checkpoint {
            work.put_proof(dataset, &checkpoint.proof).await?;
            work.count_refresh(dataset, publication.run, revision)
                .await?;
        }
        work.tables.insert(dataset, touched);
    }
    if let Some(completion) = &publication.completion {
        work.complete_run(publication.run, completion, owner)
            .await?;
    }
    work.forget_staging(publication.run).await?;
    work.record(publication.run).await
}

impl Try<'_> {
    /// A table that was made without a definition is a plain one; renames reach definitions too.
    async fn define_plain(
        &mut self,
        touched: &Touched,
        after: &Version,
        revision: i64,
    ) -> Result<(), Stop> {
        if touched
            .before
            .as_ref()
            .is_none_or(|before| before.name != after.name)
        {
            self.free_name(touched.dataset, after).await?;
        }
        let now = self.now();
        self.tx
            .execute(
                sql(
                    "INSERT INTO ducksync.datasets (id, schema_name, name, created_at, revision) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
                     schema_name = excluded.schema_name, name = excluded.name, \
                     revision = excluded.revision",
                )
                .bind(touched.dataset.0)
                .bind(after.name.schema.as_str())
                .bind(after.name.name.as_str())
                .bind(now)
                .bind(revision),
            )
            .await?;
        Ok(())
    }

    /// A definition that has the name without a table: a feed's is somebody else's; a plain one is
    /// what a foreign client's DROP left behind.
    async fn free_name(&mut self, dataset: DatasetId, after: &Version) -> Result<(), Stop> {
        let rows = self
            .tx
            .fetch_all(
                sql("SELECT id, feed FROM ducksync.datasets \
                     WHERE lower(schema_name) = lower($1) AND lower(name) = lower($2)")
                .bind(after.name.schema.as_str())
                .bind(after.name.name.as_str()),
            )
            .await?;
        for row in rows {
            let other = DatasetId(row.get(0)?);
            if other == dataset {
                continue;
            }
            if row.optional::<String>(1)?.is_some() {
                let text = format!("a dataset {} is defined already", after.name);
                return Err(Error::already_exists(text).into());
            }
            let forget = sql("DELETE FROM ducksync.datasets WHERE id = $1").bind(other.0);
            self.tx.execute(forget).await?;
            let deleted = sql("UPDATE ducksync.state SET deleted_revision = revision");
            self.tx.execute(deleted).await?;
        }
        Ok(())
    }

    async fn put_head(
        &mut self,
        touched: &Touched,
        after: &Version,
        checkpoint: Option<&Checkpoint>,
        run: RunId,
    ) -> DbResult<()> {
        if touched.before.as_ref() == Some(after) {
            return self.renew_head(touched, checkpoint).await;
        }
        let kept = touched.seq().map(|seq| seq.0).filter(|_| !touched.moved);
        let old = touched.head.as_ref();
        let claim = touched
            .basis
            .and_then(|basis| basis.claim)
            .map(|claim| claim.0);
        let hash = checkpoint.map(|checkpoint| checkpoint.definition_hash.clone());
        let (id, now) = (self.id(), self.now());
        self.tx
            .execute(
                sql(
                    "INSERT INTO ducksync.heads (dataset, seq, run_id, claim_token, \
                     definition_hash, rows, snapshot_id, published_at) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                     ON CONFLICT (dataset) DO UPDATE SET seq = excluded.seq, \
                     run_id = excluded.run_id, claim_token = excluded.claim_token, \
                     definition_hash = excluded.definition_hash, rows = excluded.rows, \
                     snapshot_id = excluded.snapshot_id, published_at = excluded.published_at",
                )
                .bind(touched.dataset.0)
                .bind(kept.unwrap_or(id))
                .bind(run.0)
                .bind(claim.or(old.and_then(|head| head.claim)))
                .bind(hash.or(old.and_then(|head| head.definition_hash.clone())))
                .bind(i64::try_from(after.rows()).unwrap_or(i64::MAX))
                .bind(id)
                .bind(now),
            )
            .await?;
        Ok(())
    }

    /// Nothing was replaced by nothing: no row of the lake shows it, so the version keeps its name and
    /// `seq` its place; only what was loaded is newer.
    async fn renew_head(
        &mut self,
        touched: &Touched,
        checkpoint: Option<&Checkpoint>,
    ) -> DbResult<()> {
        let Some(checkpoint) = checkpoint else {
            return Ok(());
        };
        let claim = touched.basis.and_then(|basis| basis.claim);
        self.tx
            .execute(
                sql(
                    "UPDATE ducksync.heads SET claim_token = $1, definition_hash = $2 \
                     WHERE dataset = $3",
                )
                .bind(claim.map(|claim| claim.0))
                .bind(checkpoint.definition_hash.as_str())
                .bind(touched.dataset.0),
            )
            .await
            .map(drop)
    }

    /// A dropped table's checkpoint goes; so does its definition, unless a feed is defined.
    async fn forget(&mut self, touched: &Touched, revision: i64) -> DbResult<()> {
        for statement in [
            "DELETE FROM ducksync.heads WHERE dataset = $1",
            "DELETE FROM ducksync.proofs WHERE dataset = $1",
            "DELETE FROM ducksync.datasets WHERE feed IS NULL AND id = $1",
        ] {
            self.tx
                .execute(sql(statement).bind(touched.dataset.0))
                .await?;
        }
        let kept = sql("UPDATE ducksync.datasets SET revision = $1 WHERE id = $2");
        self.tx
            .execute(kept.bind(revision).bind(touched.dataset.0))
            .await?;
        let deleted = sql("UPDATE ducksync.state SET deleted_revision = $1").bind(revision);
        self.tx.execute(deleted).await.map(drop)
    }

    async fn put_proof(&mut self, dataset: DatasetId, proof: &Proof) -> Result<(), Stop> {
        let tokens = json(&proof.tokens)?;
        self.tx
            .execute(
                sql(
                    "INSERT INTO ducksync.proofs (dataset, tokens, data_timestamp, checked_at, \
                     expires_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (dataset) DO UPDATE SET \
                     tokens = excluded.tokens, data_timestamp = excluded.data_timestamp, \
                     checked_at = excluded.checked_at, expires_at = excluded.expires_at",
                )
                .bind(dataset.0)
                .bind(tokens)
                .bind(proof.data_timestamp)
                .bind(proof.checked_at)
                .bind(proof.expires_at),
            )
            .await?;
        Ok(())
    }

    /// A load that succeeded: it counts, and ends what failures left.
    async fn count_refresh(
        &mut self,
        dataset: DatasetId,
        run: RunId,
        revision: i64,
    ) -> DbResult<()> {
        let started = "SELECT started_at FROM ducksync.runs WHERE id = $1";
        let started = self.tx.fetch_optional(sql(started).bind(run.0)).await?;
        let started = started
            .map(|row| row.get::<ducksync_core::time::Instant>(0))
            .transpose()?;
        let duration = started.map(|started| (self.now() - started).as_seconds_f64() * 1000.0);
        self.tx
            .execute(
                sql(
                    "UPDATE ducksync.datasets SET refresh_count = refresh_count + 1, \
                     failures_in_a_row = 0, last_failure = NULL, last_duration_ms = $1, \
                     revision = $2 WHERE id = $3",
                )
                .bind(duration)
                .bind(revision)
                .bind(dataset.0),
            )
            .await
            .map(drop)
    }
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a value has no JSON").with_source(error))
}
