//! Changes that other DuckLake clients made to fed datasets: the dataset is quarantined, and its head
//! moves to what readers now see, so that a run after `resume` or with force starts from there (G-5).

use ducksync_core::{
    dataset::Quarantine,
    error::{Error, FailureClass, Result},
    id::{DatasetId, RunId, SnapshotId},
    name::TableName,
};

use super::{lock, work::Touched};
use crate::{
    Catalog,
    db::{Database, DbResult, Tx, sql},
};

/// A fed dataset as another client left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignChange {
    pub(crate) dataset: DatasetId,
    /// The table's name, if it is still there.
    pub(crate) name: Option<TableName>,
    /// The snapshot that the dataset's head names.
    pub(crate) head: SnapshotId,
    /// The snapshot of the change; `None` = the table was dropped.
    pub(crate) changed: Option<SnapshotId>,
    pub(crate) rows: i64,
}

impl ForeignChange {
    /// The foreign change of a table that was published by us before.
    pub(super) fn of(touched: &Touched) -> Option<Self> {
        let head = touched.head.as_ref()?;
        if touched.live.is_some() && touched.foreign_change().is_none() {
            return None;
        }
        let rows = touched.before.as_ref().map_or(0, |version| version.rows());
        Some(Self {
            dataset: touched.dataset,
            name: touched.live.as_ref().map(|live| live.name.clone()),
            head: head.snapshot,
            changed: touched.foreign_change(),
            rows: i64::try_from(rows).unwrap_or(i64::MAX),
        })
    }

    /// What happened and what to do.
    pub(crate) fn reason(&self) -> String {
        let what = match &self.name {
            Some(name) => format!("another DuckLake client changed {name}"),
            None => "another DuckLake client dropped the table".to_owned(),
        };
        format!("{what}; refresh with force, or resume, to replace its changes")
    }
}

impl Catalog {
    /// Quarantines the dataset; the error that the publish ends with.
    pub(super) async fn refuse_foreign(&self, change: ForeignChange) -> Error {
        let reason = change.reason();
        if let Err(error) = quarantine(&self.db, &change).await {
            tracing::warn!(%error, dataset = %change.dataset, "cannot record the quarantine");
        }
        self.show_own_change().await;
        Error::conflict(reason).with_class(FailureClass::Conflict)
    }
}

/// Records the quarantine and moves the head, unless that was done already.
pub(crate) async fn quarantine(db: &Database, change: &ForeignChange) -> Result<()> {
    let mut tx = db.begin().await?;
    lock::take(&mut tx).await?;
    let still = "SELECT dataset FROM ducksync.heads WHERE dataset = $1 AND snapshot_id = $2";
    let still = sql(still).bind(change.dataset.0).bind(change.head.0);
    if tx.fetch_optional(still).await?.is_none() {
        return Ok(tx.rollback().await?);
    }
    move_head(&mut tx, change).await?;
    let bumped = sql("UPDATE ducksync.state SET revision = revision + 1 RETURNING revision");
    let revision: i64 = tx.fetch_one(bumped).await?.get(0)?;
    let quarantine = Quarantine {
        since: tx.now().await?,
        reason: change.reason(),
    };
    let json = serde_json::to_string(&quarantine)
        .map_err(|error| Error::internal("a quarantine has no JSON").with_source(error))?;
    tx.execute(
        sql("UPDATE ducksync.datasets SET quarantine = $1, revision = $2 WHERE id = $3")
            .bind(json)
            .bind(revision)
            .bind(change.dataset.0),
    )
    .await?;
    Ok(tx.commit().await?)
}

async fn move_head(tx: &mut Tx, change: &ForeignChange) -> DbResult<()> {
    let statement = match change.changed {
        Some(changed) => sql(
            "UPDATE ducksync.heads SET seq = $1, snapshot_id = $1, run_id = $2, rows = $3, \
             published_at = now() WHERE dataset = $4",
        )
        .bind(changed.0)
        .bind(RunId::adopted(change.dataset, changed).0)
        .bind(change.rows)
        .bind(change.dataset.0),
        None => sql("DELETE FROM ducksync.heads WHERE dataset = $1").bind(change.dataset.0),
    };
    tx.execute(statement).await.map(drop)
}
