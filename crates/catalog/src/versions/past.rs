//! The lake as older snapshots show it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ducksync_core::{
    error::{Error, Result},
    id::{RunId, Seq, SnapshotId},
    version::Lake,
};

use super::Known;
use crate::{
    db::{DbResult, Tx, sql},
    ducklake::{
        schemas,
        snapshot::Snapshot,
        stats::all_stats,
        tables::{LiveTable, Which, live_tables},
    },
};

/// How many older snapshots are remembered: tickets of one dashboard ask for the same one.
const REMEMBERED: usize = 4;

/// Older snapshots that were asked for lately, newest question last.
#[derive(Default)]
pub(super) struct Past(Mutex<Vec<(Snapshot, Arc<Lake>)>>);

impl Known {
    /// The lake as `snapshot` shows it, with today's definitions.
    pub(super) async fn at(&self, snapshot: SnapshotId) -> Result<Arc<Lake>> {
        let current = self.current();
        if current.snapshot == snapshot {
            return Ok(current);
        }
        let mut tx = self.db.snapshot().await?;
        let found = Snapshot::find(&mut tx, snapshot).await?;
        let Some(found) = found else {
            tx.rollback().await?;
            return Err(not_found(snapshot));
        };
        let past = match self.past.get(&found) {
            Some(past) => past,
            None => {
                let past = Arc::new(read(&mut tx, &found, &current).await?);
                self.past.put(found, Arc::clone(&past));
                past
            }
        };
        tx.rollback().await?;
        Ok(Arc::new(with_definitions(&past, &current)))
    }
}

impl Past {
    fn get(&self, snapshot: &Snapshot) -> Option<Arc<Lake>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .find(|(of, _)| of == snapshot)
            .map(|(_, lake)| Arc::clone(lake))
    }

    fn put(&self, snapshot: Snapshot, lake: Arc<Lake>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(of, _)| *of != snapshot);
        if known.len() == REMEMBERED {
            known.remove(0);
        }
        known.push((snapshot, lake));
    }
}

async fn read(tx: &mut Tx, snapshot: &Snapshot, current: &Lake) -> DbResult<Lake> {
    let schemas = schemas::schemas(tx, snapshot.id, &current.data_path).await?;
    let views = schemas::views(tx, snapshot.id, &schemas).await?;
    let tables = live_tables(tx, snapshot.id, &Which::All, &schemas).await?;
    let mut stats = all_stats(tx, snapshot.id).await?;
    let runs = runs(tx, &tables).await?;
    let mut lake = Lake {
        name: current.name.clone(),
        data_path: current.data_path.clone(),
        snapshot: snapshot.id,
        snapshot_time: Some(snapshot.time),
        ..Lake::default()
    };
    lake.schemas = schemas
        .values()
        .map(|s| (s.name.to_lowercase(), Arc::clone(s)))
        .collect();
    lake.views = views
        .into_iter()
        .map(|v| (v.view.name.folded(), v.view))
        .collect();
    for mut table in tables {
        for file in &mut table.files {
            if let Some(found) = stats.remove(&file.id) {
                file.file.stats = found;
            }
        }
        // The same name as in the days when this was the newest state.
        let run = runs.get(&table.changed).copied();
        let run = run.unwrap_or_else(|| RunId::adopted(table.dataset, table.changed));
        let version = table.version(run, Seq(table.changed.0), table.changed);
        lake.tables.insert(version.name.folded(), version.dataset);
        lake.versions.insert(version.dataset, Arc::new(version));
    }
    Ok(lake)
}

/// Which of our runs made the snapshots that last changed these tables.
async fn runs(tx: &mut Tx, tables: &[LiveTable]) -> DbResult<HashMap<SnapshotId, RunId>> {
    let mut snapshots: Vec<i64> = tables.iter().map(|table| table.changed.0).collect();
    snapshots.sort_unstable();
    snapshots.dedup();
    let rows = tx
        .fetch_all(
            sql("SELECT snapshot_id, run_id FROM ducksync.publications \
                 WHERE snapshot_id = ANY($1)")
            .bind(snapshots),
        )
        .await?;
    rows.iter()
        .map(|row| Ok((SnapshotId(row.get(0)?), RunId(row.get(1)?))))
        .collect()
}

fn with_definitions(past: &Lake, current: &Lake) -> Lake {
    Lake {
        revision: current.revision,
        datasets: current.datasets.clone(),
        sources: current.sources.clone(),
        ..past.clone()
    }
}

fn not_found(snapshot: SnapshotId) -> Error {
    Error::not_found(format!("snapshot {snapshot} never was, or has expired"))
        .with_remedy("list the kept ones with ducksync_snapshots()")
}
