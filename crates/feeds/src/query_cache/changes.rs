//! A load by changes: what came and went in the one table since the last load, instead of all of it
//! (C-11).
//!
//! The source applies the cache's own filter and projection to the images of rows that changed, and
//! yields them all in one statement, which is pinned to one point like a load's. Subtracted from and added
//! to the published rows as bags, they give what a full load would give. Where that cannot be had, or does
//! not come out even, the whole is loaded; why is noted in the run's record, and is no failure.

use std::sync::Arc;

use chrono::TimeDelta;
use ducksync_core::{
    BatchStream,
    change::TableChange,
    dataset::{CHANGE_ACTION, ChangeQuery, QueryCache, RefreshMethod, SourceState},
    engine::{Applied, StageRequest},
    error::{Error, FailureClass, Result},
    run::{RunOutcome, RunReason},
    source::{Source, Submitted},
    types::{Field, result_schema, same_columns},
    version::Version,
};
use futures::StreamExt as _;

use super::{
    Load, Try,
    load::{checkpoint, count, record_staging},
};
use crate::services::ours;

/// How long `auto` does not ask for changes again that the source refused.
const REFUSED: TimeDelta = TimeDelta::hours(24);

/// Loads by changes; `None` if the whole must be loaded. `tokens` were read before, and say afterwards
/// what the next load may build on.
pub(super) async fn load(
    a_try: &Try<'_>,
    cache: &QueryCache,
    source: &Arc<dyn Source>,
    reason: RunReason,
    tokens: &mut SourceState,
) -> Result<Option<Load>> {
    // That of an earlier try.
    a_try.progress.set_note(None);
    let eligible = cache.refresh_method != RefreshMethod::Full && cache.changes.is_some();
    if !eligible || reason != RunReason::SourceChanged {
        return Ok(None);
    }
    let (changes, since, version) = match basis(a_try, cache) {
        Ok(basis) => basis,
        Err(why) => return full(a_try, why),
    };
    let submitted = source.submit(&changes.sql(since), &a_try.context).await;
    let submitted = match a_try.progress.of_source(submitted) {
        Ok(submitted) => submitted,
        Err(error) if refused(&error) => {
            tokens.no_changes_until = a_try.at.checked_add_signed(REFUSED);
            return full(a_try, error.message());
        }
        Err(error) => return Err(error),
    };
    a_try.progress.submitted(source, &submitted.query_id);
    if !same_columns(&version.columns, &images(&submitted.columns)) {
        return full(a_try, "the columns changed");
    }
    let request = StageRequest {
        directory: version.directory.clone(),
        run: a_try.run,
        // Apart from those of a full load of the same try, and two for each.
        ordinal: 1000 + 2 * a_try.number,
        columns: version.columns.clone(),
    };
    let Some(applied) = stage(a_try, source, &submitted, request, version, reason).await? else {
        return full(a_try, "a row that went was not there");
    };
    tokens.read_by = Some(submitted.query_id);
    loaded(a_try, cache, version, applied, reason, tokens.clone()).map(Some)
}

/// What a load by changes starts from, or why there is none.
fn basis<'a>(
    a_try: &'a Try<'_>,
    cache: &'a QueryCache,
) -> Result<(&'a ChangeQuery, &'a str, &'a Arc<Version>), &'static str> {
    let changes = cache.changes.as_ref();
    let changes = changes.ok_or("its query is not rows of one table")?;
    let proof = a_try.dataset.proof.as_ref().map(|proof| &proof.tokens);
    let proof = proof.ok_or("nothing was loaded yet")?;
    let resting = proof.no_changes_until.is_some_and(|end| a_try.at < end);
    if resting && cache.refresh_method == RefreshMethod::Auto {
        return Err("the source refused its changes a while ago");
    }
    let since = proof
        .read_by
        .as_deref()
        .ok_or("the last load left no point to start from")?;
    let ours = crate::decide::overwritten(a_try.lake, a_try.dataset);
    let version = a_try.lake.versions.get(&a_try.dataset.id);
    match version.filter(|_| !ours) {
        Some(version) => Ok((changes, since, version)),
        None => Err("the table is not the one that was loaded"),
    }
}

fn full(a_try: &Try<'_>, why: &str) -> Result<Option<Load>> {
    let note = format!("the whole was loaded instead of changes: {why}");
    a_try.progress.set_note(Some(note));
    Ok(None)
}

/// Whether the source will not give changes: none are tracked, or not from so long ago.
fn refused(error: &Error) -> bool {
    matches!(
        error.class(),
        FailureClass::Query | FailureClass::Permission | FailureClass::Dependency
    )
}

/// The columns of a row's image, without what is told of the change.
fn images(columns: &[Field]) -> Vec<Field> {
    let told = |column: &&Field| !column.name.starts_with("METADATA$");
    columns.iter().filter(told).cloned().collect()
}

async fn stage(
    a_try: &Try<'_>,
    source: &Arc<dyn Source>,
    submitted: &Submitted,
    request: StageRequest,
    version: &Arc<Version>,
    reason: RunReason,
) -> Result<Option<Applied>> {
    record_staging(a_try, &request.directory, reason).await?;
    let stream = source.fetch(&submitted.query_id, &a_try.context).await;
    let stream = a_try.progress.of_source(stream)?;
    let (stream, watch) = a_try.progress.watch(without_metadata(stream)?);
    let stager = &a_try.services.stager;
    let applied = stager.stage_changes(request, version.clone(), CHANGE_ACTION, stream);
    let applied = applied.await;
    if let Some(error) = watch.error() {
        if let Ok(Some(applied)) = applied {
            a_try.progress.touched(&applied.touched);
        }
        return a_try.progress.of_source(Err(error));
    }
    let applied = applied.map_err(ours)?;
    if let Some(applied) = &applied {
        a_try.progress.touched(&applied.touched);
        even(submitted, applied, watch.rows())?;
    }
    Ok(applied)
}

/// I-1: rows that the source counted, that came and that were applied must be the same.
fn even(submitted: &Submitted, applied: &Applied, streamed: u64) -> Result<()> {
    let counted = submitted.rows.unwrap_or(streamed);
    if counted == streamed && streamed == applied.deleted + applied.inserted {
        return Ok(());
    }
    Err(Error::data_loss(format!(
        "source statement {} has {counted} changes, but {streamed} came, {} rows went and {} were added",
        submitted.query_id, applied.deleted, applied.inserted
    ))
    .with_remedy("run the refresh again; nothing was published"))
}

/// The images of rows and the action, in that order.
fn without_metadata(stream: BatchStream) -> Result<BatchStream> {
    let named = |name: &str| stream.fields().iter().position(|field| field.name == name);
    let action = named(CHANGE_ACTION);
    let action =
        action.ok_or_else(|| Error::data_loss("the source told no action of its changes"))?;
    let kept: Vec<usize> = (0..stream.fields().len())
        .filter(|at| !stream.fields()[*at].name.starts_with("METADATA$"))
        .chain([action])
        .collect();
    let fields: Vec<Field> = kept.iter().map(|at| stream.fields()[*at].clone()).collect();
    let schema = result_schema(&fields);
    let projected = stream.map(move |batch| {
        let projected = batch?.project(&kept);
        projected.map_err(|error| Error::internal("changes have other columns").with_source(error))
    });
    Ok(BatchStream::new(schema, fields.into(), projected))
}

fn loaded(
    a_try: &Try<'_>,
    cache: &QueryCache,
    version: &Version,
    applied: Applied,
    reason: RunReason,
    tokens: SourceState,
) -> Result<Load> {
    let dataset = a_try.dataset.id;
    let touched = applied.touched;
    let rows = version.rows() + applied.inserted - applied.deleted;
    let outcome = RunOutcome {
        rows: Some(count("rows", rows)?),
        bytes: Some(count("bytes", touched.written.bytes)?),
        data_timestamp: Some(a_try.at),
        snapshot: None,
        source_query_ids: a_try.progress.query_ids(),
        note: None,
    };
    let mut changes = Vec::new();
    if !touched.deletes.is_empty() || !touched.ended.is_empty() {
        changes.push(TableChange::Delete {
            dataset,
            deletes: touched.deletes,
            ended: touched.ended,
        });
    }
    if !touched.written.files.is_empty() {
        changes.push(TableChange::Append {
            dataset,
            files: touched.written.files,
        });
    }
    Ok(Load {
        changes,
        checkpoint: checkpoint(a_try, cache, tokens),
        reason,
        outcome,
    })
}
