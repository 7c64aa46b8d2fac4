//! What one try of a publish knows and has decided so far.

use std::collections::{HashMap, HashSet};

use ducksync_core::{
    change::Basis,
    id::{DatasetId, Seq, SnapshotId},
    time::Instant,
    version::Version,
};

use super::basis::HeadRow;
use crate::{
    db::Tx,
    ducklake::{changes::Changes, schemas::Schemas, snapshot::Snapshot, tables::LiveTable},
};

/// One try: its transaction, and the snapshot it is about to make.
pub(super) struct Try<'t> {
    pub(super) tx: &'t mut Tx,
    pub(super) data_path: String,
    /// Whether the statistics of new files wait in a temporary table.
    pub(super) stats_ahead: bool,
    /// The snapshot it starts from.
    pub(super) newest: Snapshot,
    /// The snapshot it makes.
    pub(super) next: Snapshot,
    pub(super) changes: Changes,
    /// Whether tables, columns, schemas or views change.
    pub(super) schema_changed: bool,
    pub(super) schemas: Schemas,
    pub(super) tables: HashMap<DatasetId, Touched>,
}

/// A table that the publication changes.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) dataset: DatasetId,
    pub(super) basis: Option<Basis>,
    pub(super) head: Option<HeadRow>,
    /// Whether a feed fills it.
    pub(super) fed: bool,
    /// The table as the lock's holder found it.
    pub(super) live: Option<LiveTable>,
    pub(super) before: Option<Version>,
    /// The table as the changes make it.
    pub(super) after: Option<Version>,
    /// Whether rows or columns change: then `seq` moves.
    pub(super) moved: bool,
    /// Whether columns change.
    pub(super) altered: bool,
    /// New files that were written before the columns changed.
    pub(super) older_columns: HashSet<String>,
    /// The catalog id, once there is one.
    pub(super) table_id: Option<i64>,
}

impl Try<'_> {
    pub(super) fn id(&self) -> i64 {
        self.next.id.0
    }

    pub(super) fn now(&self) -> Instant {
        self.next.time
    }

    pub(super) fn new_catalog_id(&mut self) -> i64 {
        let id = self.next.next_catalog_id;
        self.next.next_catalog_id += 1;
        id
    }

    pub(super) fn new_file_id(&mut self) -> i64 {
        let id = self.next.next_file_id;
        self.next.next_file_id += 1;
        id
    }
}

impl Touched {
    /// The last snapshot at which another client changed the table behind our back.
    pub(super) fn foreign_change(&self) -> Option<SnapshotId> {
        let live = self.live.as_ref()?;
        let ours = self
            .head
            .as_ref()
            .map_or(SnapshotId(-1), |head| head.snapshot);
        (live.changed > ours).then_some(live.changed)
    }

    /// Where the dataset stands: the head's `seq`, or the snapshot of a foreign change since.
    pub(super) fn seq(&self) -> Option<Seq> {
        self.live.as_ref()?;
        match (self.foreign_change(), &self.head) {
            (Some(changed), _) => Some(Seq(changed.0)),
            (None, Some(head)) => Some(head.seq),
            (None, None) => None,
        }
    }
}
