//! Definitions of datasets.

use async_trait::async_trait;
use ducksync_core::{
    catalog::{DatasetStore, StateChange},
    change::{Publication, TableChange},
    dataset::Feed,
    error::{Error, ErrorKind, Result},
    id::{DatasetId, RunId},
    name::{Name, TableName},
    source::SourceDefinition,
};
use futures::FutureExt;

use super::{bump, feeds, mark_deleted};
use crate::{
    Catalog,
    db::{DbResult, Tx, sql},
    publish::{Also, Work, lock},
};

/// How often a drop looks again after somebody was faster.
const TRIES: u32 = 5;

#[async_trait]
impl DatasetStore for Catalog {
    async fn put_source(&self, source: SourceDefinition, replace: bool) -> Result<()> {
        self.store_source(source, replace).await
    }

    async fn drop_source(&self, name: &Name) -> Result<()> {
        self.forget_source(name).await
    }

    async fn create(&self, id: DatasetId, name: TableName, feed: Feed) -> Result<()> {
        let mut tx = self.db.begin().await?;
        lock::take(&mut tx).await?;
        let revision = bump(&mut tx).await?;
        if let Some(taken) = taken_by(&mut tx, &name).await? {
            tx.rollback().await?;
            return Err(Error::already_exists(format!(
                "{name} cannot be defined: there is {taken} of that name"
            ))
            .with_remedy("choose another name, or drop it first"));
        }
        let now = tx.now().await?;
        tx.execute(
            sql(
                "INSERT INTO ducksync.datasets (id, schema_name, name, feed, created_at, revision) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(id.0)
            .bind(name.schema)
            .bind(name.name)
            .bind(feeds::write(&feed)?)
            .bind(now)
            .bind(revision),
        )
        .await?;
        self.commit_state(tx).await
    }

    async fn alter(&self, id: DatasetId, feed: Feed) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let revision = bump(&mut tx).await?;
        let altered = tx
            .execute(
                sql("UPDATE ducksync.datasets SET feed = $1, revision = $2 \
                     WHERE id = $3 AND feed IS NOT NULL")
                .bind(feeds::write(&feed)?)
                .bind(revision)
                .bind(id.0),
            )
            .await?;
        if altered == 0 {
            tx.rollback().await?;
            return Err(not_found(id));
        }
        self.commit_state(tx).await
    }

    async fn forget(&self, id: DatasetId, keep_data: bool) -> Result<()> {
        // A run may publish the dataset's first version, or another client drop its table, between
        // our look and our lock: then the other way is the right one.
        for _ in 0..TRIES {
            let done = if self.has_table(id).await? && !keep_data {
                self.drop_with_table(id).await?
            } else {
                self.drop_definition(id, keep_data).await?
            };
            if done {
                return Ok(());
            }
        }
        Err(
            Error::conflict(format!("dataset {id} changes all the time"))
                .with_remedy("suspend it, then drop it again"),
        )
    }

    async fn change_state(&self, id: DatasetId, change: StateChange) -> Result<()> {
        self.move_state(id, change).await
    }
}

impl Catalog {
    /// Ends the definition in the transaction that drops the table; `false` if there is no table.
    async fn drop_with_table(&self, id: DatasetId) -> Result<bool> {
        let publication = Publication {
            run: RunId::generate(),
            basis: Vec::new(),
            changes: vec![TableChange::Drop { dataset: id }],
            checkpoints: Vec::new(),
            completion: None,
        };
        let also: &Also = &move |tx| forget(tx, id).boxed();
        let work = Work {
            publication: &publication,
            guarded: false,
            also: Some(also),
        };
        match self.commit(&work).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends the definition alone; `false` if there is a table that must not stay.
    async fn drop_definition(&self, id: DatasetId, keep_data: bool) -> Result<bool> {
        let mut tx = self.db.begin().await?;
        lock::take(&mut tx).await?;
        let revision = bump(&mut tx).await?;
        if !is_fed(&mut tx, id).await? {
            tx.rollback().await?;
            return Err(not_found(id));
        }
        match (is_published(&mut tx, id).await?, keep_data) {
            (true, false) => {
                tx.rollback().await?;
                return Ok(false);
            }
            (true, true) => make_plain(&mut tx, id, revision).await?,
            (false, _) => {
                forget(&mut tx, id).await?;
                mark_deleted(&mut tx, revision).await?;
            }
        }
        self.commit_state(tx).await?;
        Ok(true)
    }

    async fn has_table(&self, id: DatasetId) -> Result<bool> {
        let mut tx = self.db.snapshot().await?;
        let fed = is_fed(&mut tx, id).await?;
        let published = is_published(&mut tx, id).await?;
        tx.rollback().await?;
        if fed {
            Ok(published)
        } else {
            Err(not_found(id))
        }
    }
}

pub(super) fn not_found(id: DatasetId) -> Error {
    Error::not_found(format!("there is no dataset {id} with a feed"))
}

/// What has this name already. Names of datasets with a feed are unique in all schemas, since they
/// are used bare (C-13); tables and views of the lake clash within their schema.
async fn taken_by(tx: &mut Tx, name: &TableName) -> DbResult<Option<String>> {
    let (schema, table) = name.folded();
    let dataset = tx
        .fetch_optional(
            sql(
                "SELECT schema_name, name FROM ducksync.datasets WHERE lower(name) = $1 \
                 AND (feed IS NOT NULL OR lower(schema_name) = $2)",
            )
            .bind(table.as_str())
            .bind(schema.as_str()),
        )
        .await?;
    if let Some(row) = dataset {
        let (schema, name): (String, String) = (row.get(0)?, row.get(1)?);
        return Ok(Some(format!("the dataset {schema}.{name}")));
    }
    let relation = tx
        .fetch_optional(
            sql("SELECT r.kind, s.schema_name, r.name FROM (\
                 SELECT 'table' AS kind, schema_id, table_name AS name \
                 FROM lake.ducklake_table WHERE end_snapshot IS NULL UNION ALL \
                 SELECT 'view', schema_id, view_name \
                 FROM lake.ducklake_view WHERE end_snapshot IS NULL) r \
                 JOIN lake.ducklake_schema s ON s.schema_id = r.schema_id \
                 WHERE s.end_snapshot IS NULL AND lower(s.schema_name) = $1 AND lower(r.name) = $2")
            .bind(schema)
            .bind(table),
        )
        .await?;
    let Some(row) = relation else { return Ok(None) };
    let (kind, schema, name): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(Some(format!("the {kind} {schema}.{name}")))
}

async fn is_fed(tx: &mut Tx, id: DatasetId) -> DbResult<bool> {
    let row = tx
        .fetch_optional(
            sql("SELECT 1 FROM ducksync.datasets WHERE id = $1 AND feed IS NOT NULL").bind(id.0),
        )
        .await?;
    Ok(row.is_some())
}

async fn is_published(tx: &mut Tx, id: DatasetId) -> DbResult<bool> {
    let row = tx
        .fetch_optional(
            sql("SELECT 1 FROM lake.ducklake_table WHERE table_uuid = $1 \
                 AND end_snapshot IS NULL")
            .bind(id.0),
        )
        .await?;
    Ok(row.is_some())
}

/// A run that holds the claim can no longer publish; the row stays, for the token only grows.
async fn void_claim(tx: &mut Tx, id: DatasetId) -> DbResult<()> {
    tx.execute(
        sql(
            "UPDATE ducksync.claims SET token = token + 1, owner = NULL, run_id = NULL, \
             expires_at = NULL WHERE dataset = $1",
        )
        .bind(id.0),
    )
    .await?;
    Ok(())
}

/// The dataset keeps its table, rows and head, and nothing else.
async fn make_plain(tx: &mut Tx, id: DatasetId, revision: i64) -> DbResult<()> {
    void_claim(tx, id).await?;
    tx.execute(
        sql(
            "UPDATE ducksync.datasets SET feed = NULL, suspended = $1, quarantine = NULL, \
             failures_in_a_row = 0, last_failure = NULL, revision = $2 WHERE id = $3",
        )
        .bind(false)
        .bind(revision)
        .bind(id.0),
    )
    .await?;
    tx.execute(sql("DELETE FROM ducksync.proofs WHERE dataset = $1").bind(id.0))
        .await?;
    Ok(())
}

/// All of it but its runs, which stay as history (G-12), and the row of its claim, whose token only
/// grows. The caller says that something was deleted: a publish does so itself.
async fn forget(tx: &mut Tx, id: DatasetId) -> DbResult<()> {
    void_claim(tx, id).await?;
    for statement in [
        "DELETE FROM ducksync.heads WHERE dataset = $1",
        "DELETE FROM ducksync.proofs WHERE dataset = $1",
        "DELETE FROM ducksync.datasets WHERE id = $1",
    ] {
        tx.execute(sql(statement).bind(id.0)).await?;
    }
    Ok(())
}
