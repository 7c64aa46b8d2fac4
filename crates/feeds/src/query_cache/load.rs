//! One load: one source statement, streamed into new files (C-11).

use std::sync::Arc;

use ducksync_core::{
    change::TableChange,
    dataset::{Checkpoint, Proof, QueryCache, SourceState},
    engine::{StageRequest, Staged},
    error::{Error, Result},
    run::{RunOutcome, RunReason},
    source::{Source, Submitted},
    version::Version,
};

use super::{Load, Try};
use crate::{
    columns::{LoadColumns, columns_of_load},
    due::expiry_of_load,
    services::ours,
};

/// Loads the whole result of the cache's query; `tokens` were read before.
pub(super) async fn load(
    a_try: &Try<'_>,
    cache: &QueryCache,
    source: &Arc<dyn Source>,
    reason: RunReason,
    mut tokens: SourceState,
) -> Result<Load> {
    let submitted = source.submit(&cache.query, &a_try.context).await;
    let submitted = a_try.progress.of_source(submitted)?;
    a_try.progress.submitted(source, &submitted.query_id);
    tokens.read_by = Some(submitted.query_id.clone());
    let existing = a_try.lake.versions.get(&a_try.dataset.id);
    let columns = columns_of_load(&submitted.columns, existing.map(Arc::as_ref))?;
    let request = stage_request(a_try, existing.map(Arc::as_ref), &columns);
    let staged = stage(a_try, source, &submitted, request.clone(), reason).await?;
    let outcome = RunOutcome {
        rows: Some(count("rows", staged.rows)?),
        bytes: Some(count("bytes", staged.bytes)?),
        data_timestamp: Some(a_try.at),
        snapshot: None,
        source_query_ids: a_try.progress.query_ids(),
        note: a_try.progress.note(),
    };
    Ok(Load {
        changes: changes(a_try, existing.map(Arc::as_ref), columns, request, staged),
        checkpoint: checkpoint(a_try, cache, tokens),
        reason,
        outcome,
    })
}

/// Streams the result into files whose place is known to the ledger before the first byte is written
/// (G-4): whatever happens to this process, its files are found and removed.
async fn stage(
    a_try: &Try<'_>,
    source: &Arc<dyn Source>,
    submitted: &Submitted,
    request: StageRequest,
    reason: RunReason,
) -> Result<Staged> {
    record_staging(a_try, &request.directory, reason).await?;
    let stream = source.fetch(&submitted.query_id, &a_try.context).await;
    let stream = a_try.progress.of_source(stream)?;
    let (stream, watch) = a_try.progress.watch(stream);
    let staged = a_try.services.stager.stage(request, stream).await;
    // A stream that failed is never a load, whatever became of the files.
    if let Some(error) = watch.error() {
        if let Ok(staged) = staged {
            a_try.progress.staged(&staged);
        }
        return a_try.progress.of_source(Err(error));
    }
    let staged = staged.map_err(ours)?;
    a_try.progress.staged(&staged);
    complete(submitted, &staged, watch.rows())?;
    Ok(staged)
}

pub(super) async fn record_staging(
    a_try: &Try<'_>,
    directory: &str,
    reason: RunReason,
) -> Result<()> {
    let prefix = StageRequest::prefix(directory, a_try.run);
    let ledger = &a_try.services.ledger;
    let recorded = ledger.record_staging(a_try.run, &prefix, Some(reason));
    recorded.await.map_err(ours)?;
    a_try.progress.staging();
    Ok(())
}

/// I-1: rows that the source counted, rows that came and rows that were written must be the same.
fn complete(submitted: &Submitted, staged: &Staged, streamed: u64) -> Result<()> {
    let in_files: u64 = staged.files.iter().map(|file| file.rows).sum();
    let counted = submitted.rows.unwrap_or(streamed);
    if counted == streamed && streamed == staged.rows && staged.rows == in_files {
        return Ok(());
    }
    Err(Error::data_loss(format!(
        "source statement {} has {counted} rows, but {streamed} came and {in_files} were written",
        submitted.query_id
    ))
    .with_remedy("run the refresh again; nothing was published"))
}

fn stage_request(
    a_try: &Try<'_>,
    existing: Option<&Version>,
    columns: &LoadColumns,
) -> StageRequest {
    let dataset = a_try.dataset;
    StageRequest {
        directory: match existing {
            Some(version) => version.directory.clone(),
            None => a_try.lake.new_table_directory(&dataset.name, dataset.id),
        },
        run: a_try.run,
        ordinal: a_try.number,
        columns: columns.columns.clone(),
    }
}

fn changes(
    a_try: &Try<'_>,
    existing: Option<&Version>,
    columns: LoadColumns,
    request: StageRequest,
    staged: Staged,
) -> Vec<TableChange> {
    let dataset = a_try.dataset.id;
    let files = staged.files;
    if existing.is_some() {
        let columns = columns.changed.then_some(columns.columns);
        return vec![TableChange::Replace {
            dataset,
            columns,
            files,
        }];
    }
    let mut changes = vec![TableChange::Create {
        dataset,
        name: a_try.dataset.name.clone(),
        directory: request.directory,
        columns: columns.columns,
    }];
    if !files.is_empty() {
        changes.push(TableChange::Append { dataset, files });
    }
    changes
}

pub(super) fn checkpoint(a_try: &Try<'_>, cache: &QueryCache, tokens: SourceState) -> Checkpoint {
    Checkpoint {
        definition_hash: cache.definition_hash(),
        proof: Proof {
            tokens,
            data_timestamp: a_try.at,
            checked_at: a_try.at,
            expires_at: expiry_of_load(cache, a_try.at),
        },
    }
}

pub(super) fn count(what: &str, number: u64) -> Result<i64> {
    i64::try_from(number)
        .map_err(|_| Error::resource_exhausted(format!("the load has {number} {what}, too many")))
}
