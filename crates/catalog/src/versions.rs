//! What this process knows of the lake: one map for the newest snapshot, replaced whole (G-14).
//!
//! Readers take the map and ask nobody. It becomes newer by [`Known::refresh`], which reads what came
//! after the last snapshot in one read transaction: called after every commit of ours, by notification,
//! each `notice_interval`, and by whoever must know ([`Versions::ask`]). A catalog that does not answer
//! leaves the map as it is.

use std::sync::Arc;

use async_trait::async_trait;
use ducksync_core::{
    catalog::Versions,
    error::{Error, Result},
    id::SnapshotId,
    time::Instant,
    version::Lake,
};
use tokio::{
    sync::{Mutex, watch},
    time::Instant as Monotonic,
};

use self::memory::Memory;
use crate::{
    Catalog,
    db::{Database, DbResult, Engine, LakeTime, sql},
    ducklake,
    publish::foreign,
};

mod definitions;
mod memory;
mod past;
mod read;

/// The map, and what is needed to read only what is newer.
pub(crate) struct Known {
    db: Database,
    data_path: String,
    channel: String,
    lake: watch::Sender<Arc<Lake>>,
    reader: Mutex<Reader>,
    past: past::Past,
}

/// One reading at a time: who waits for one that began after the question needs none of its own.
struct Reader {
    memory: Memory,
    began: Monotonic,
}

impl Known {
    /// Reads everything.
    pub(crate) async fn load(db: Database, lake_name: &str) -> Result<Self> {
        let began = Monotonic::now();
        let mut tx = db.snapshot().await?;
        let data_path = ducklake::data_path(&mut tx).await?;
        let memory = Memory::read_all(&mut tx, lake_name, &data_path).await?;
        tx.rollback().await?;
        let (lake, _) = watch::channel(Arc::clone(&memory.lake));
        Ok(Self {
            channel: format!("ducksync_{:016x}", db.commit_lock()),
            db,
            data_path,
            lake,
            reader: Mutex::new(Reader { memory, began }),
            past: past::Past::default(),
        })
    }

    /// Where the lake's files lie; fixed when the lake was made.
    pub(crate) fn data_path(&self) -> &str {
        &self.data_path
    }

    /// The channel on which commits are told of (Postgres).
    pub(crate) fn channel(&self) -> &str {
        &self.channel
    }

    pub(crate) fn current(&self) -> Arc<Lake> {
        Arc::clone(&self.lake.borrow())
    }

    /// Reads what is newer, and returns a map at least as new as this call.
    pub(crate) async fn refresh(&self) -> Result<Arc<Lake>> {
        let asked = Monotonic::now();
        let mut reader = self.reader.lock().await;
        if reader.began >= asked {
            return Ok(self.current());
        }
        let began = Monotonic::now();
        let mut tx = self.db.snapshot().await?;
        let newer = reader.memory.read_newer(&mut tx).await?;
        tx.rollback().await?;
        reader.began = began;
        if let Some(memory) = newer {
            let foreign = memory.foreign.clone();
            reader.memory = memory;
            self.lake.send_replace(Arc::clone(&reader.memory.lake));
            for change in foreign {
                // The map says it already; the record is for other processes and later ones.
                if let Err(error) = foreign::quarantine(&self.db, &change).await {
                    tracing::warn!(%error, dataset = %change.dataset, "cannot record a quarantine");
                }
            }
        }
        Ok(self.current())
    }
}

#[async_trait]
impl Versions for Catalog {
    fn current(&self) -> Arc<Lake> {
        self.known.current()
    }

    async fn ask(&self) -> Result<Arc<Lake>> {
        self.known.refresh().await
    }

    async fn at(&self, snapshot: SnapshotId) -> Result<Arc<Lake>> {
        self.known.at(snapshot).await
    }

    async fn snapshot_at(&self, time: Instant) -> Result<SnapshotId> {
        let found = newest_until(&self.db, time).await?;
        found.ok_or_else(|| {
            Error::not_found(format!("no snapshot of {time} or before is kept"))
                .with_remedy("ask for a later time")
        })
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Lake>> {
        self.known.lake.subscribe()
    }

    async fn now(&self) -> Result<Instant> {
        Ok(self.db.now().await?)
    }
}

async fn newest_until(db: &Database, time: Instant) -> DbResult<Option<SnapshotId>> {
    if db.engine() == Engine::Postgres {
        let newest = sql("SELECT max(snapshot_id) FROM lake.ducklake_snapshot \
                          WHERE snapshot_time <= $1");
        let row = db.fetch_one(newest.bind(time)).await?;
        return Ok(row.optional(0)?.map(SnapshotId));
    }
    // SQLite holds times as text of any precision and offset: compared as instants, page by page.
    let mut below = i64::MAX;
    loop {
        let page = sql(
            "SELECT snapshot_id, snapshot_time FROM lake.ducklake_snapshot \
                        WHERE snapshot_id < $1 ORDER BY snapshot_id DESC LIMIT 1000",
        );
        let page = db.fetch_all(page.bind(below)).await?;
        for row in &page {
            below = row.get(0)?;
            if row.get::<LakeTime>(1)?.0 <= time {
                return Ok(Some(SnapshotId(below)));
            }
        }
        if page.is_empty() {
            return Ok(None);
        }
    }
}
