//! Datasets and sources, read into core's words.

use std::sync::Arc;

use ducksync_core::{
    dataset::{Dataset, Head, Proof, Quarantine},
    id::{ClaimToken, DatasetId, RunId, Seq, SnapshotId},
    name::{Name, TableName},
    source::{Driver, SourceDefinition},
    time::Instant,
    version::Lake,
};

use crate::{
    db::{DbError, DbResult, Row, Tx, sql},
    publish::foreign::ForeignChange,
};

/// Datasets that changed after revision `since`.
pub(super) async fn datasets(tx: &mut Tx, since: i64) -> DbResult<Vec<Dataset>> {
    let rows = tx
        .fetch_all(
            sql(
                "SELECT d.id, d.schema_name, d.name, d.feed, d.created_at, d.suspended, \
                 d.quarantine, d.failures_in_a_row, d.last_failure, d.refresh_count, \
                 d.last_duration_ms, h.seq, h.run_id, h.claim_token, h.definition_hash, h.rows, \
                 h.snapshot_id, h.published_at, p.tokens, p.data_timestamp, p.checked_at, \
                 p.expires_at FROM ducksync.datasets d \
                 LEFT JOIN ducksync.heads h ON h.dataset = d.id \
                 LEFT JOIN ducksync.proofs p ON p.dataset = d.id WHERE d.revision > $1",
            )
            .bind(since),
        )
        .await?;
    rows.iter().map(dataset).collect()
}

fn dataset(row: &Row) -> DbResult<Dataset> {
    let failures: i64 = row.get(7)?;
    Ok(Dataset {
        id: DatasetId(row.get(0)?),
        name: TableName::new(row.get::<String>(1)?, row.get::<String>(2)?),
        feed: row.json(3)?,
        created_at: row.get(4)?,
        suspended: row.get(5)?,
        quarantine: row.json(6)?,
        failures_in_a_row: u32::try_from(failures).unwrap_or(u32::MAX),
        last_failure: row.json(8)?,
        refresh_count: row.get(9)?,
        last_duration_ms: row.optional(10)?,
        head: head(row)?,
        proof: proof(row)?,
    })
}

fn head(row: &Row) -> DbResult<Option<Head>> {
    let Some(seq) = row.optional(11)? else {
        return Ok(None);
    };
    Ok(Some(Head {
        seq: Seq(seq),
        run: RunId(row.get(12)?),
        claim: row.optional(13)?.map(ClaimToken),
        definition_hash: row.optional(14)?,
        rows: row.get(15)?,
        snapshot: SnapshotId(row.get(16)?),
        published_at: row.get(17)?,
    }))
}

fn proof(row: &Row) -> DbResult<Option<Proof>> {
    let Some(tokens) = row.json(18)? else {
        return Ok(None);
    };
    Ok(Some(Proof {
        tokens,
        data_timestamp: row.get(19)?,
        checked_at: row.get(20)?,
        expires_at: row.optional(21)?,
    }))
}

/// Sources that changed after revision `since`.
pub(super) async fn sources(tx: &mut Tx, since: i64) -> DbResult<Vec<SourceDefinition>> {
    let rows = tx
        .fetch_all(
            sql(
                "SELECT name, driver, secret, passthrough_enabled, options, created_at \
                 FROM ducksync.sources WHERE revision > $1",
            )
            .bind(since),
        )
        .await?;
    rows.iter().map(source).collect()
}

fn source(row: &Row) -> DbResult<SourceDefinition> {
    let name = |what: &str, place| {
        let text: String = row.get(place)?;
        Name::parse(what, &text).map_err(|error| DbError::Shape(error.to_string()))
    };
    let driver: String = row.get(1)?;
    Ok(SourceDefinition {
        name: name("source", 0)?,
        driver: Driver::parse(&driver).map_err(|error| DbError::Shape(error.to_string()))?,
        secret: name("secret", 2)?,
        passthrough_enabled: row.get(3)?,
        options: row.json(4)?.unwrap_or_default(),
        created_at: row.get(5)?,
    })
}

/// Shows a fed dataset that another client changed as quarantined, before that is recorded.
pub(super) fn mark_quarantined(lake: &mut Lake, change: &ForeignChange, since: Instant) {
    let Some(dataset) = lake.datasets.get(&change.dataset) else {
        return;
    };
    if dataset.quarantine.is_none() {
        let mut dataset = Dataset::clone(dataset);
        dataset.quarantine = Some(Quarantine {
            since,
            reason: change.reason(),
        });
        lake.datasets.insert(change.dataset, Arc::new(dataset));
    }
}

/// Plain tables are datasets whoever made them; those that other clients dropped or renamed are shown
/// as they are now.
pub(super) fn add_plain_tables(lake: &mut Lake, now: Instant) {
    let versions = &lake.versions;
    lake.datasets
        .retain(|id, dataset| dataset.feed.is_some() || versions.contains_key(id));
    for (id, version) in versions {
        match lake.datasets.get(id) {
            Some(dataset) if dataset.feed.is_some() || dataset.name == version.name => {}
            Some(dataset) => {
                let mut dataset = Dataset::clone(dataset);
                dataset.name = version.name.clone();
                lake.datasets.insert(*id, Arc::new(dataset));
            }
            None => {
                lake.datasets
                    .insert(*id, Arc::new(plain(*id, version.name.clone(), now)));
            }
        }
    }
}

fn plain(id: DatasetId, name: TableName, created_at: Instant) -> Dataset {
    Dataset {
        id,
        name,
        feed: None,
        created_at,
        head: None,
        proof: None,
        suspended: false,
        quarantine: None,
        failures_in_a_row: 0,
        last_failure: None,
        refresh_count: 0,
        last_duration_ms: None,
    }
}
