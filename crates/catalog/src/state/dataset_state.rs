//! How a dataset stands, moved without a publish.

use ducksync_core::{catalog::StateChange, dataset::Proof, error::Result, id::DatasetId};
use serde::Serialize;

use super::{bump, datasets::not_found};
use crate::{
    Catalog,
    db::{DbError, DbResult, Statement, Tx, sql},
};

impl Catalog {
    pub(super) async fn move_state(&self, id: DatasetId, change: StateChange) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let revision = bump(&mut tx).await?;
        let statement = statement(&change)?.bind(revision).bind(id.0);
        if tx.execute(statement).await? == 0 {
            tx.rollback().await?;
            return Err(not_found(id));
        }
        if let StateChange::Unchanged(proof) = &change {
            write_proof(&mut tx, id, proof).await?;
        }
        self.commit_state(tx).await
    }
}

/// The statement of a change; it lacks the revision and the id, in this order.
fn statement(change: &StateChange) -> DbResult<Statement> {
    Ok(match change {
        StateChange::Suspend => sql(
            "UPDATE ducksync.datasets SET suspended = $1, revision = $2 \
             WHERE id = $3 AND feed IS NOT NULL",
        )
        .bind(true),
        StateChange::Resume => sql("UPDATE ducksync.datasets SET suspended = $1, \
             quarantine = NULL, failures_in_a_row = 0, last_failure = NULL, revision = $2 \
             WHERE id = $3 AND feed IS NOT NULL")
        .bind(false),
        StateChange::Quarantine(quarantine) => {
            sql("UPDATE ducksync.datasets SET quarantine = $1, \
             revision = $2 WHERE id = $3 AND feed IS NOT NULL")
            .bind(json(quarantine)?)
        }
        // A check that passed is a run that did not fail. A quarantine ends by `resume` only.
        StateChange::Unchanged(_) => sql("UPDATE ducksync.datasets SET failures_in_a_row = 0, \
             last_failure = NULL, revision = $1 WHERE id = $2 AND feed IS NOT NULL"),
        StateChange::Failed(failure) => sql("UPDATE ducksync.datasets SET last_failure = $1, \
             failures_in_a_row = failures_in_a_row + 1, revision = $2 \
             WHERE id = $3 AND feed IS NOT NULL")
        .bind(json(failure)?),
    })
}

async fn write_proof(tx: &mut Tx, id: DatasetId, proof: &Proof) -> DbResult<()> {
    tx.execute(
        sql(
            "INSERT INTO ducksync.proofs (dataset, tokens, data_timestamp, checked_at, \
             expires_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (dataset) DO UPDATE SET \
             tokens = excluded.tokens, data_timestamp = excluded.data_timestamp, \
             checked_at = excluded.checked_at, expires_at = excluded.expires_at",
        )
        .bind(id.0)
        .bind(json(&proof.tokens)?)
        .bind(proof.data_timestamp)
        .bind(proof.checked_at)
        .bind(proof.expires_at),
    )
    .await?;
    Ok(())
}

fn json<T: Serialize>(value: &T) -> DbResult<String> {
    serde_json::to_string(value).map_err(|error| DbError::Shape(error.to_string()))
}
