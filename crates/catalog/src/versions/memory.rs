//! What a process remembers beside the map, so that the next reading is only of what is newer.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use ducksync_core::{
    id::{DatasetId, RunId, Seq, SnapshotId},
    version::{DataFile, Lake, Version},
};

use super::read::{self, Newest, Revisions};
use crate::{
    db::{DbResult, Tx},
    ducklake::{
        schemas::{self, Schemas},
        snapshot::Snapshot,
        stats::{all_stats, stats_of},
        tables::{LiveTable, Which, live_tables},
    },
    publish::{
        basis::{HeadRow, heads},
        foreign::ForeignChange,
    },
};

/// The map with its catalog ids and the moment it shows.
#[derive(Clone)]
pub(super) struct Memory {
    pub(super) lake: Arc<Lake>,
    snapshot: Snapshot,
    revisions: Revisions,
    schemas: Schemas,
    /// Tables by catalog id.
    tables: HashMap<i64, DatasetId>,
    /// Changes of other clients to fed datasets, found by this reading.
    pub(super) foreign: Vec<ForeignChange>,
}

impl Memory {
    /// Reads everything.
    pub(super) async fn read_all(tx: &mut Tx, name: &str, data_path: &str) -> DbResult<Self> {
        let Newest {
            snapshot,
            revisions,
            ..
        } = read::newest(tx, SnapshotId(-1)).await?;
        let mut lake = Lake {
            name: name.to_owned(),
            data_path: data_path.to_owned(),
            ..Lake::default()
        };
        read::definitions(tx, None, &revisions, &mut lake).await?;
        let mut memory = Self {
            lake: Arc::default(),
            snapshot,
            revisions,
            schemas: schemas::schemas(tx, snapshot.id, data_path).await?,
            tables: HashMap::new(),
            foreign: Vec::new(),
        };
        memory.read_views(tx, &mut lake).await?;
        memory.read_tables(tx, Which::All, &mut lake).await?;
        memory.finish(lake);
        Ok(memory)
    }

    /// Reads what came after this memory; `None` if nothing did.
    pub(super) async fn read_newer(&self, tx: &mut Tx) -> DbResult<Option<Self>> {
        let found = read::newest(tx, self.snapshot.id).await?;
        let (newest, revisions) = (found.snapshot, found.revisions);
        if newest == self.snapshot && revisions == self.revisions {
            return Ok(None);
        }
        if self.went_back(&found) {
            tracing::warn!(
                known = %self.snapshot.id, found = %newest.id,
                "the catalog went back in time: everything is read again"
            );
            return Self::read_all(tx, &self.lake.name, &self.lake.data_path)
                .await
                .map(Some);
        }
        let mut lake = Lake::clone(&self.lake);
        let mut memory = Self {
            foreign: Vec::new(),
            snapshot: newest,
            revisions,
            ..self.clone()
        };
        if revisions != self.revisions {
            read::definitions(tx, Some(&self.revisions), &revisions, &mut lake).await?;
        }
        if newest.schema_version != self.snapshot.schema_version {
            memory.schemas = schemas::schemas(tx, newest.id, &lake.data_path).await?;
            memory.read_views(tx, &mut lake).await?;
        }
        let touched = read::touched_tables(tx, self.snapshot.id, newest.id).await?;
        memory.read_touched(tx, touched, &mut lake).await?;
        memory.finish(lake);
        Ok(Some(memory))
    }

    /// Whether what we know is no longer the past of what is: a restored backup.
    fn went_back(&self, found: &Newest) -> bool {
        found.snapshot.id < self.snapshot.id
            || found.revisions.revision < self.revisions.revision
            || found.known != Some(self.snapshot.time)
    }

    async fn read_touched(
        &mut self,
        tx: &mut Tx,
        touched: BTreeSet<i64>,
        lake: &mut Lake,
    ) -> DbResult<()> {
        if touched.is_empty() {
            return Ok(());
        }
        let which = Which::Tables(touched.iter().copied().collect());
        let found = self.read_tables(tx, which, lake).await?;
        for gone in touched.iter().filter(|id| !found.contains(*id)) {
            // The dataset may have come back under another catalog id.
            if let Some(dataset) = self.tables.remove(gone)
                && !self.tables.values().any(|other| *other == dataset)
            {
                lake.versions.remove(&dataset);
                self.dropped_behind_our_back(lake, dataset);
            }
        }
        Ok(())
    }

    /// Reads tables, with the statistics of files that are not known yet; their catalog ids.
    async fn read_tables(
        &mut self,
        tx: &mut Tx,
        which: Which,
        lake: &mut Lake,
    ) -> DbResult<HashSet<i64>> {
        let snapshot = self.snapshot.id;
        let mut tables = live_tables(tx, snapshot, &which, &self.schemas).await?;
        let datasets: Vec<DatasetId> = tables.iter().map(|table| table.dataset).collect();
        let heads = heads(tx, &datasets).await?;
        reuse_stats(&mut tables, lake);
        let mut stats = match which {
            Which::All => all_stats(tx, snapshot).await?,
            Which::Tables(_) => stats_of(tx, files_without_stats(&tables)).await?,
        };
        for table in &mut tables {
            for file in &mut table.files {
                if let Some(found) = stats.remove(&file.id) {
                    file.file.stats = found;
                }
            }
            let version = self.name(table, heads.get(&table.dataset), lake);
            self.tables.insert(table.id, table.dataset);
            lake.versions.insert(table.dataset, Arc::new(version));
        }
        Ok(tables.iter().map(|table| table.id).collect())
    }

    /// Names a version by the run that published it, or by the snapshot in which another client
    /// changed it: alike in every process (V-3).
    fn name(&mut self, table: &LiveTable, head: Option<&HeadRow>, lake: &Lake) -> Version {
        if let Some(head) = head.filter(|head| table.changed <= head.snapshot) {
            return table.version(head.run, head.seq, head.snapshot);
        }
        let run = RunId::adopted(table.dataset, table.changed);
        let version = table.version(run, Seq(table.changed.0), table.changed);
        let fed = lake
            .datasets
            .get(&table.dataset)
            .is_some_and(|d| d.feed.is_some());
        if let Some(head) = head.filter(|_| fed) {
            self.foreign.push(ForeignChange {
                dataset: table.dataset,
                name: Some(table.name.clone()),
                head: head.snapshot,
                changed: Some(table.changed),
                rows: i64::try_from(version.rows()).unwrap_or(i64::MAX),
            });
        }
        version
    }

    fn dropped_behind_our_back(&mut self, lake: &Lake, dataset: DatasetId) {
        let Some(known) = lake.datasets.get(&dataset) else {
            return;
        };
        if let Some(head) = known.head.as_ref().filter(|_| known.feed.is_some()) {
            self.foreign.push(ForeignChange {
                dataset,
                name: None,
                head: head.snapshot,
                changed: None,
                rows: 0,
            });
        }
    }

    async fn read_views(&self, tx: &mut Tx, lake: &mut Lake) -> DbResult<()> {
        let views = schemas::views(tx, self.snapshot.id, &self.schemas).await?;
        lake.views = views
            .into_iter()
            .map(|v| (v.view.name.folded(), v.view))
            .collect();
        lake.schemas = self
            .schemas
            .values()
            .map(|schema| (schema.name.to_lowercase(), Arc::clone(schema)))
            .collect();
        Ok(())
    }

    /// Completes the map and keeps it.
    fn finish(&mut self, mut lake: Lake) {
        lake.snapshot = self.snapshot.id;
        lake.snapshot_time = Some(self.snapshot.time);
        lake.revision = self.revisions.revision;
        lake.tables = lake
            .versions
            .values()
            .map(|version| (version.name.folded(), version.dataset))
            .collect();
        for change in &self.foreign {
            super::definitions::mark_quarantined(&mut lake, change, self.snapshot.time);
        }
        super::definitions::add_plain_tables(&mut lake, self.snapshot.time);
        self.lake = Arc::new(lake);
    }
}

/// Gives files that are known the statistics that are known: a file never changes.
fn reuse_stats(tables: &mut [LiveTable], lake: &Lake) {
    for table in tables {
        let Some(old) = lake.versions.get(&table.dataset) else {
            continue;
        };
        let known: HashMap<&str, &DataFile> = old
            .files
            .iter()
            .map(|file| (file.location.as_str(), file))
            .collect();
        for file in &mut table.files {
            if let Some(old) = known.get(file.file.location.as_str()) {
                file.file.stats = Arc::clone(&old.stats);
            }
        }
    }
}

fn files_without_stats(tables: &[LiveTable]) -> Vec<i64> {
    let files = tables.iter().flat_map(|table| &table.files);
    files
        .filter(|file| file.file.stats.is_empty())
        .map(|file| file.id)
        .collect()
}
