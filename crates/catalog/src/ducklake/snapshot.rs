//! `ducklake_snapshot`: the states of the lake, in the order of their ids.

use ducksync_core::{id::SnapshotId, time::Instant};

use crate::db::{DbResult, LakeTime, Row, Tx, Value, insert_rows, sql};

/// A row of `ducklake_snapshot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) id: SnapshotId,
    pub(crate) time: Instant,
    pub(crate) schema_version: i64,
    /// The next id of a schema, table or view.
    pub(crate) next_catalog_id: i64,
    /// The next id of a data or delete file.
    pub(crate) next_file_id: i64,
}

impl Snapshot {
    pub(crate) fn read(row: &Row) -> DbResult<Self> {
        Ok(Self {
            id: SnapshotId(row.get(0)?),
            time: row.get::<LakeTime>(1)?.0,
            schema_version: row.get(2)?,
            next_catalog_id: row.get(3)?,
            next_file_id: row.get(4)?,
        })
    }

    /// The newest snapshot, and the catalog's clock.
    pub(crate) async fn newest_and_now(tx: &mut Tx) -> DbResult<(Self, Instant)> {
        let row = tx
            .fetch_one(sql(
                "SELECT snapshot_id, snapshot_time, schema_version, next_catalog_id, \
                 next_file_id, now() FROM lake.ducklake_snapshot \
                 ORDER BY snapshot_id DESC LIMIT 1",
            ))
            .await?;
        Ok((Self::read(&row)?, row.get(5)?))
    }

    /// The snapshot of that id, if it was made and has not expired.
    pub(crate) async fn find(tx: &mut Tx, id: SnapshotId) -> DbResult<Option<Self>> {
        let found = tx
            .fetch_optional(
                sql(
                    "SELECT snapshot_id, snapshot_time, schema_version, next_catalog_id, \
                     next_file_id FROM lake.ducklake_snapshot WHERE snapshot_id = $1",
                )
                .bind(id.0),
            )
            .await?;
        found.as_ref().map(Self::read).transpose()
    }

    /// Writes the row. Another client that made a snapshot of this id meanwhile makes it fail with
    /// [`crate::db::DbError::Unique`]: the primary key decides who was first.
    pub(crate) async fn insert(&self, tx: &mut Tx, changes: &str) -> DbResult<()> {
        let row = vec![
            self.id.0.into(),
            Value::LakeTime(Some(self.time)),
            self.schema_version.into(),
            self.next_catalog_id.into(),
            self.next_file_id.into(),
        ];
        insert_rows(
            tx,
            "INSERT INTO lake.ducklake_snapshot (snapshot_id, snapshot_time, schema_version, \
             next_catalog_id, next_file_id)",
            vec![row],
        )
        .await?;
        tx.execute(
            sql(
                "INSERT INTO lake.ducklake_snapshot_changes (snapshot_id, changes_made) \
                 VALUES ($1, $2)",
            )
            .bind(self.id.0)
            .bind(changes),
        )
        .await?;
        Ok(())
    }
}
