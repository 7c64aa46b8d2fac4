//! What changed after a known moment.

use std::collections::BTreeSet;

use ducksync_core::{
    id::{DatasetId, SnapshotId},
    time::Instant,
    version::Lake,
};

use super::definitions;
use crate::{
    db::{DbResult, LakeTime, Tx, sql},
    ducklake::{changes::named_ids, snapshot::Snapshot},
};

/// How far our state has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Revisions {
    pub(super) revision: i64,
    /// The revision of the last deletion.
    pub(super) deleted: i64,
}

/// The newest moment.
pub(super) struct Newest {
    pub(super) snapshot: Snapshot,
    pub(super) revisions: Revisions,
    /// When the snapshot that was asked about was committed, if it is still there.
    pub(super) known: Option<Instant>,
}

/// Reads the newest moment, and whether the snapshot `known` is part of its past.
pub(super) async fn newest(tx: &mut Tx, known: SnapshotId) -> DbResult<Newest> {
    let row = tx
        .fetch_one(
            sql(
                "SELECT s.snapshot_id, s.snapshot_time, s.schema_version, s.next_catalog_id, \
                 s.next_file_id, o.revision, o.deleted_revision, \
                 (SELECT k.snapshot_time FROM lake.ducklake_snapshot k WHERE k.snapshot_id = $1) \
                 FROM lake.ducklake_snapshot s, ducksync.state o \
                 ORDER BY s.snapshot_id DESC LIMIT 1",
            )
            .bind(known.0),
        )
        .await?;
    Ok(Newest {
        snapshot: Snapshot::read(&row)?,
        revisions: Revisions {
            revision: row.get(5)?,
            deleted: row.get(6)?,
        },
        known: row.optional::<LakeTime>(7)?.map(|time| time.0),
    })
}

/// Reads definitions newer than `known` (all without it) into the map, and takes out deleted ones.
pub(super) async fn definitions(
    tx: &mut Tx,
    known: Option<&Revisions>,
    now: &Revisions,
    lake: &mut Lake,
) -> DbResult<()> {
    let since = known.map_or(-1, |known| known.revision);
    for dataset in definitions::datasets(tx, since).await? {
        lake.datasets.insert(dataset.id, dataset.into());
    }
    for source in definitions::sources(tx, since).await? {
        lake.sources.insert(source.name.folded(), source.into());
    }
    let Some(known) = known else {
        return Ok(());
    };
    if now.deleted <= known.revision {
        return Ok(());
    }
    let mut ids = BTreeSet::new();
    for row in tx
        .fetch_all(sql("SELECT id FROM ducksync.datasets"))
        .await?
    {
        ids.insert(DatasetId(row.get(0)?));
    }
    lake.datasets.retain(|id, _| ids.contains(id));
    let mut names = BTreeSet::new();
    for row in tx
        .fetch_all(sql("SELECT name_folded FROM ducksync.sources"))
        .await?
    {
        names.insert(row.get::<String>(0)?);
    }
    lake.sources.retain(|name, _| names.contains(name));
    Ok(())
}

/// The catalog ids of tables that changed after `known`: those whose rows began or ended since, and
/// those that snapshots say they changed.
pub(super) async fn touched_tables(
    tx: &mut Tx,
    known: SnapshotId,
    newest: SnapshotId,
) -> DbResult<BTreeSet<i64>> {
    if known == newest {
        return Ok(BTreeSet::new());
    }
    let rows = tx
        .fetch_all(
            sql(
                "SELECT table_id, NULL FROM lake.ducklake_table WHERE begin_snapshot > $1 \
                 UNION SELECT table_id, NULL FROM lake.ducklake_table WHERE end_snapshot > $1 \
                 UNION SELECT table_id, NULL FROM lake.ducklake_column WHERE begin_snapshot > $1 \
                 UNION SELECT table_id, NULL FROM lake.ducklake_column WHERE end_snapshot > $1 \
                 UNION SELECT table_id, NULL FROM lake.ducklake_data_file \
                 WHERE begin_snapshot > $1 \
                 UNION SELECT table_id, NULL FROM lake.ducklake_data_file WHERE end_snapshot > $1 \
                 UNION SELECT table_id, NULL FROM lake.ducklake_delete_file \
                 WHERE begin_snapshot > $1 \
                 UNION SELECT table_id, NULL FROM lake.ducklake_delete_file \
                 WHERE end_snapshot > $1 \
                 UNION SELECT NULL, changes_made FROM lake.ducklake_snapshot_changes \
                 WHERE snapshot_id > $1",
            )
            .bind(known.0),
        )
        .await?;
    let mut ids = BTreeSet::new();
    for row in rows {
        ids.extend(row.optional::<i64>(0)?);
        ids.extend(named_ids(&row.optional::<String>(1)?.unwrap_or_default()));
    }
    Ok(ids)
}
