//! Changes of a source, applied to a version as bags (C-11).
//!
//! The changes become files first, like any stream, and are then read twice by one statement: what came is
//! added, and what went is taken away from rows that are exactly equal. Of several equal rows as many go as
//! went at the source; which of them is all the same. The files of the changes are removed again.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use ducksync_core::{
    BatchStream, Error, Result,
    engine::{
        Applied, BoundRelation, BoundStatement, PLACE_FILE, PLACE_KEEP, PLACE_ROW,
        QueryEngine as _, StageRequest, Staged, Stager as _,
    },
    files::FileStore as _,
    id::{DatasetId, FieldId, RunId},
    name::quote,
    types::{Field, Fields, LakeType},
    version::{DataFile, Version},
};
use futures::StreamExt as _;

use crate::Engine;

/// Rows that came and went, as they pass.
#[derive(Default)]
struct Counts {
    deleted: AtomicU64,
    inserted: AtomicU64,
}

impl Engine {
    pub(super) async fn apply_changes(
        &self,
        request: StageRequest,
        version: Arc<Version>,
        action: &str,
        changes: BatchStream,
    ) -> Result<Option<Applied>> {
        let counts = Arc::new(Counts::default());
        let images = StageRequest {
            columns: with_action(&version, &request.columns, action),
            ..request.clone()
        };
        let columns = images.columns.clone();
        let staged = self
            .stage(images, counted(changes, action, counts.clone()))
            .await?;
        let locations: Vec<_> = staged.files.iter().map(|f| f.location.clone()).collect();
        let images = Arc::new(as_version(&version, columns, staged));
        let applied = self
            .apply_images(request, version, images, action, &counts)
            .await;
        // They were only read here; a file that stays is found by the run's prefix.
        if let Err(error) = self.files().delete(&locations).await {
            tracing::debug!(%error, "the files of a source's changes were left for later");
        }
        applied
    }

    async fn apply_images(
        &self,
        request: StageRequest,
        version: Arc<Version>,
        images: Arc<Version>,
        action: &str,
        counts: &Counts,
    ) -> Result<Option<Applied>> {
        let request = StageRequest {
            ordinal: request.ordinal + 1,
            ..request
        };
        let statement = BoundStatement {
            sql: statement(
                &request.columns,
                &quote(&self.relation_name(&version, true)),
                &quote(&self.relation_name(&images, false)),
                &quote(action),
            ),
            relations: vec![
                BoundRelation {
                    version: version.clone(),
                    places: true,
                },
                BoundRelation {
                    version: images,
                    places: false,
                },
            ],
            ..BoundStatement::plain("")
        };
        let touched = self.stage_touched(request, version, statement).await?;
        let (deleted, inserted) = (counts.deleted.load(Relaxed), counts.inserted.load(Relaxed));
        if touched.touched == deleted {
            return Ok(Some(Applied {
                touched,
                deleted,
                inserted,
            }));
        }
        let written = touched.written.files.iter().map(|f| f.location.clone());
        let deletes = touched.deletes.iter().map(|d| d.file.location.clone());
        let staged: Vec<_> = written.chain(deletes).collect();
        self.files().delete(&staged).await?;
        Ok(None)
    }
}

fn with_action(version: &Version, columns: &Fields, action: &str) -> Fields {
    let mut columns = columns.to_vec();
    columns.push(Field {
        id: version.next_field,
        ..Field::new(action, LakeType::Varchar)
    });
    columns.into()
}

/// The changes as something that can be read.
fn as_version(version: &Version, columns: Fields, staged: Staged) -> Version {
    Version {
        dataset: DatasetId::generate(),
        run: RunId::generate(),
        next_field: FieldId(version.next_field.0 + 1),
        columns,
        files: staged.files.into_iter().map(DataFile::from).collect(),
        unreadable: None,
        ..version.clone()
    }
}

/// One statement that says which rows go and which come.
///
/// Rows are compared column by column as [`exact`] shows them, NULL being equal to NULL.
fn statement(columns: &[Field], version: &str, images: &str, action: &str) -> String {
    let of = |f: &dyn Fn(usize, &Field) -> String| {
        let parts: Vec<_> = columns.iter().enumerate().map(|(i, c)| f(i, c)).collect();
        parts
    };
    let keys = of(&|i, column| format!("{} AS k{i}", exact(column))).join(", ");
    let names = of(&|i, _| format!("k{i}")).join(", ");
    let equal = of(&|i, _| format!("o.k{i} IS NOT DISTINCT FROM g.k{i}")).join(" AND ");
    let nulls = of(&|_, column| {
        let (ty, name) = (column.lake_type.duckdb_sql(), quote(&column.name));
        format!("CAST(NULL AS {ty}) AS {name}")
    })
    .join(", ");
    let new = of(&|_, column| quote(&column.name)).join(", ");
    format!(
        "WITH gone AS (SELECT {names}, count(*) AS n, row_number() OVER () AS id \
         FROM (SELECT {keys} FROM {images} WHERE {action} = 'DELETE') GROUP BY {names}), \
         candidates AS (SELECT o.{PLACE_FILE}, o.{PLACE_ROW}, g.n, \
         row_number() OVER (PARTITION BY g.id ORDER BY o.{PLACE_FILE}, o.{PLACE_ROW}) AS i \
         FROM (SELECT {PLACE_FILE}, {PLACE_ROW}, {keys} FROM {version}) AS o \
         JOIN gone AS g ON {equal}) \
         SELECT {PLACE_FILE}, {PLACE_ROW}, false AS {PLACE_KEEP}, {nulls} \
         FROM candidates WHERE i <= n \
         UNION ALL SELECT NULL, NULL, true, {new} FROM {images} WHERE {action} = 'INSERT'"
    )
}

/// A column by which rows are equal only if they are the same: DuckDB holds `30 days` equal to `1 month`,
/// whose texts differ. It holds `0.0` equal to `-0.0` too, and that is right here: a Parquet dictionary of
/// DuckDB's has one zero, so which one a row had is not known any more.
fn exact(column: &Field) -> String {
    let name = quote(&column.name);
    match compares_loosely(&column.lake_type) {
        true => format!("CAST({name} AS VARCHAR)"),
        false => name,
    }
}

fn compares_loosely(lake_type: &LakeType) -> bool {
    matches!(lake_type, LakeType::Interval)
        || lake_type
            .children()
            .iter()
            .any(|child| compares_loosely(&child.lake_type))
}

/// The stream, its actions counted and checked as it passes.
fn counted(changes: BatchStream, action: &str, counts: Arc<Counts>) -> BatchStream {
    let (schema, fields) = (changes.schema(), changes.fields().clone());
    let place = schema.index_of(action).ok();
    let checked = changes.map(move |batch| {
        let batch = batch?;
        count(&batch, place, &counts)?;
        Ok(batch)
    });
    BatchStream::new(schema, fields, checked)
}

fn count(batch: &RecordBatch, place: Option<usize>, counts: &Counts) -> Result<()> {
    let strange =
        || Error::data_loss("the source named a change that is neither INSERT nor DELETE");
    let actions = place.and_then(|place| batch.columns().get(place));
    let actions = actions.and_then(|column| column.as_string_opt::<i32>());
    let actions = actions.ok_or_else(strange)?;
    for row in 0..actions.len() {
        match actions.is_valid(row).then(|| actions.value(row)) {
            Some("DELETE") => counts.deleted.fetch_add(1, Relaxed),
            Some("INSERT") => counts.inserted.fetch_add(1, Relaxed),
            _ => return Err(strange()),
        };
    }
    Ok(())
}
