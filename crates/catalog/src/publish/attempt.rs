//! One try of a publish, from BEGIN to COMMIT.

use std::collections::{HashMap, HashSet};

use ducksync_core::{
    change::{Basis, Publication, Published, TableChange},
    error::{Error, Result},
    id::{DatasetId, RunId, Seq, SnapshotId},
};

use super::{
    Stop, Work,
    basis::{check_claim, check_head, check_merges, standings},
    lock,
    names::Names,
    state,
    work::{Touched, Try},
};
use crate::{
    Catalog,
    db::{DbError, Engine, Tx, sql},
    ducklake::{
        changes::Changes,
        new_stats::NewStats,
        schemas::{self, Schemas},
        snapshot::Snapshot,
        tables::{Which, live_tables},
    },
};

impl Catalog {
    pub(super) async fn attempt(&self, work: &Work<'_>) -> Result<Published, Stop> {
        let mut tx = self.db.begin().await?;
        let published = match self.write(&mut tx, work).await {
            Ok(published) => published,
            Err(stop) => {
                // Undone in any case; asked for, it leaves the connection usable.
                let _ = tx.rollback().await;
                return Err(stop);
            }
        };
        match tx.commit().await {
            Ok(()) => Ok(published),
            Err(DbError::Lost(_)) => Err(Stop::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything between BEGIN and COMMIT.
    async fn write(&self, tx: &mut Tx, work: &Work<'_>) -> Result<Published, Stop> {
        let publication = work.publication;
        let datasets = datasets(publication, work.guarded)?;
        let stats_ahead = NewStats::send_ahead(tx, publication).await?;
        lock::take(tx).await?;
        let mut work_try = self.start(tx, &datasets, &publication.basis).await?;
        work_try.stats_ahead = stats_ahead;
        if work.guarded {
            for touched in work_try.tables.values() {
                check_head(touched, publication)?;
                check_claim(work_try.tx, touched, publication.run, self.owner).await?;
            }
            check_merges(&mut work_try, publication).await?;
        }
        work_try.change(&publication.changes).await?;
        state::write(&mut work_try, publication, self.owner).await?;
        if let Some(also) = work.also {
            also(work_try.tx).await?;
        }
        work_try.finish(self.known.channel()).await
    }

    /// Reads everything that the changes are about; the transaction holds the lock.
    async fn start<'t>(
        &self,
        tx: &'t mut Tx,
        datasets: &[DatasetId],
        basis: &[Basis],
    ) -> Result<Try<'t>, Stop> {
        let (newest, now) = Snapshot::newest_and_now(tx).await?;
        let data_path = self.known.data_path().to_owned();
        let schemas = schemas::schemas(tx, newest.id, &data_path).await?;
        let tables = touched(tx, datasets, basis, newest.id, &schemas).await?;
        // Never before the snapshot it follows, whatever the clock did meanwhile.
        let time = now.max(newest.time);
        let next = Snapshot {
            id: SnapshotId(newest.id.0 + 1),
            time,
            ..newest
        };
        Ok(Try {
            tx,
            data_path,
            stats_ahead: false,
            newest,
            next,
            changes: Changes::default(),
            schema_changed: false,
            schemas,
            tables,
        })
    }
}

/// Every dataset that the publication is about; each has a basis, if it is `guarded`.
fn datasets(publication: &Publication, guarded: bool) -> Result<Vec<DatasetId>> {
    let mut datasets: Vec<DatasetId> = publication.basis.iter().map(|b| b.dataset).collect();
    let changed = publication.changes.iter().filter_map(TableChange::dataset);
    let checkpoints = publication.checkpoints.iter().map(|(dataset, _)| *dataset);
    for dataset in changed.chain(checkpoints) {
        if datasets.contains(&dataset) {
            continue;
        }
        if guarded {
            let text = format!("dataset {dataset} is changed without a basis");
            return Err(Error::internal(text));
        }
        datasets.push(dataset);
    }
    Ok(datasets)
}

/// The tables that are changed, as they are now.
async fn touched(
    tx: &mut Tx,
    datasets: &[DatasetId],
    basis: &[Basis],
    newest: SnapshotId,
    schemas: &Schemas,
) -> Result<HashMap<DatasetId, Touched>, Stop> {
    let mut standings = standings(tx, datasets).await?;
    let ids = standings.values().filter_map(|standing| standing.table_id);
    let which = Which::Tables(ids.collect());
    let live = live_tables(tx, newest, &which, schemas).await?;
    let mut live: HashMap<_, _> = live
        .into_iter()
        .map(|table| (table.dataset, table))
        .collect();
    let touched = datasets.iter().copied().map(|dataset| {
        let live = live.remove(&dataset);
        let standing = standings.remove(&dataset).unwrap_or_default();
        // Who commits names the version: these names are only for `apply`.
        let before = live
            .as_ref()
            .map(|live| live.version(RunId(dataset.0), Seq(0), newest));
        let touched = Touched {
            dataset,
            basis: basis.iter().find(|b| b.dataset == dataset).copied(),
            head: standing.head,
            fed: standing.fed,
            table_id: live.as_ref().map(|live| live.id),
            live,
            after: before.clone(),
            before,
            moved: false,
            altered: false,
            older_columns: HashSet::new(),
        };
        (dataset, touched)
    });
    Ok(touched.collect())
}

impl Try<'_> {
    async fn change(&mut self, changes: &[TableChange]) -> Result<(), Stop> {
        let mut names = Names::read(self.tx, self.newest.id, &self.schemas, changes).await?;
        for change in changes {
            self.apply(change, &mut names).await?;
        }
        self.write_tables().await
    }

    /// Writes the snapshot, and tells other processes once it is committed.
    async fn finish(mut self, channel: &str) -> Result<Published, Stop> {
        if self.schema_changed {
            self.next.schema_version += 1;
        }
        self.write_schema_versions().await?;
        let text = self.changes.text();
        self.next.insert(self.tx, &text).await?;
        if self.tx.engine() == Engine::Postgres {
            let notify = sql("SELECT pg_notify($1, $2)").bind(channel);
            self.tx
                .fetch_all(notify.bind(self.next.id.to_string()))
                .await?;
        }
        Ok(Published {
            snapshot: self.next.id,
            time: self.next.time,
        })
    }
}
