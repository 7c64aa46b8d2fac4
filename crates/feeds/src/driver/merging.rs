//! Merges the small files that many small writes leave (O-8).
//!
//! Only plain tables: a query cache is replaced whole, in as few files as the stager makes. No row
//! changes and none changes its place: neighbouring files are read in their order and written as one.
//! A statement that changed the same rows meanwhile wins; the merge is tried again at the next look.

use std::{ops::Range, sync::Arc};

use ducksync_core::{
    change::{Basis, Publication, TableChange},
    engine::{StageRequest, Staged},
    error::{Error, ErrorKind, Result},
    id::RunId,
    run::{RunCompletion, RunFailure, RunOutcome, RunStatus, RunTrigger},
    version::{DataFile, Lake, Version},
};

use super::Inner;

/// A file below this size is small, in bytes.
const SMALL: u64 = 32 << 20;
/// A merged file is made of at most this, in bytes.
const LARGEST: u64 = 256 << 20;
/// Neighbouring small files that are worth a merge.
const FEWEST: usize = 8;

/// Merges what is worth it in every plain table; one that fails does not keep the others from it.
pub(super) async fn merge_all(feeds: &Inner) {
    let lake = feeds.services.versions.current();
    for version in lake
        .versions
        .values()
        .filter(|version| plain(&lake, version))
    {
        let Some(files) = worth_merging(&version.files) else {
            continue;
        };
        match merge(feeds, version, files).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => {
                tracing::debug!(table = %version.name, "changed while its files were merged");
            }
            Err(error) => {
                tracing::warn!(table = %version.name, %error, "small files were not merged");
            }
        }
    }
}

fn plain(lake: &Lake, version: &Version) -> bool {
    let dataset = lake.datasets.get(&version.dataset);
    version.unreadable.is_none() && dataset.is_none_or(|dataset| dataset.feed.is_none())
}

/// The longest range of neighbouring small files, if it is long enough. Pure.
fn worth_merging(files: &[DataFile]) -> Option<Range<usize>> {
    let mut best = 0..0;
    let (mut start, mut bytes) = (0, 0);
    for (index, file) in files.iter().enumerate() {
        bytes += file.size_bytes;
        if file.size_bytes >= SMALL {
            (start, bytes) = (index + 1, 0);
        }
        while bytes > LARGEST {
            bytes -= files[start].size_bytes;
            start += 1;
        }
        if index + 1 - start.min(index + 1) > best.len() {
            best = start..index + 1;
        }
    }
    (best.len() >= FEWEST).then_some(best)
}

async fn merge(feeds: &Inner, version: &Version, files: Range<usize>) -> Result<()> {
    let (services, run) = (&feeds.services, RunId::generate());
    let prefix = StageRequest::prefix(&version.directory, run);
    services
        .ledger
        .begin(run, version.dataset, RunTrigger::Scheduled)
        .await?;
    services.ledger.record_staging(run, &prefix, None).await?;
    let request = StageRequest {
        directory: version.directory.clone(),
        run,
        ordinal: 1,
        columns: version.columns.clone(),
    };
    let part = Version {
        run,
        files: version.files[files].into(),
        ..version.clone()
    };
    let ended: Vec<_> = part
        .files
        .iter()
        .map(|file| file.location.clone())
        .collect();
    let rows = part.rows();
    let staged = match services.stager.stage_version(request, Arc::new(part)).await {
        Ok(staged) if staged.rows == rows => staged,
        Ok(staged) => {
            let message = format!("{} rows were merged into {}", rows, staged.rows);
            return give_up(feeds, run, &staged, Error::data_loss(message)).await;
        }
        Err(error) => return give_up(feeds, run, &Staged::default(), error).await,
    };
    let publication = Publication {
        run,
        basis: vec![Basis {
            dataset: version.dataset,
            seq: Some(version.seq),
            claim: None,
        }],
        changes: vec![TableChange::Merge {
            dataset: version.dataset,
            ended,
            files: staged.files.clone(),
        }],
        checkpoints: Vec::new(),
        completion: Some(ended_as(RunStatus::Completed, None)),
    };
    match services.publisher.publish(publication).await {
        Ok(_) => Ok(()),
        // Whether it committed cannot be told: its files stay until the reaper knows (G-4).
        Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
        Err(error) => give_up(feeds, run, &staged, error).await,
    }
}

async fn give_up(feeds: &Inner, run: RunId, staged: &Staged, error: Error) -> Result<()> {
    let services = &feeds.services;
    let locations: Vec<_> = staged.files.iter().map(|f| f.location.clone()).collect();
    let failure = ended_as(RunStatus::Failed, Some(RunFailure::from(&error)));
    services.files.delete(&locations).await?;
    services.ledger.finish(run, failure).await?;
    services.ledger.forget_staging(run).await?;
    Err(error)
}

fn ended_as(status: RunStatus, failure: Option<RunFailure>) -> RunCompletion {
    RunCompletion {
        status,
        reason: None,
        attempts: 1,
        outcome: RunOutcome::default(),
        failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(sizes: &[u64]) -> Vec<DataFile> {
        let file = |(index, mebibytes): (usize, &u64)| DataFile {
            location: format!("/lake/{index}"),
            rows: 1,
            size_bytes: mebibytes << 20,
            footer_bytes: 1,
            stats: Arc::new([]),
            deletes: None,
            current_columns: true,
        };
        sizes.iter().enumerate().map(file).collect()
    }

    #[test]
    fn o8_only_many_small_neighbours_are_merged_and_not_into_too_large_a_file() {
        let rows: &[(&[u64], Option<Range<usize>>)] = &[
            (&[], None),
            (&[1; 7], None),
            (&[1; 8], Some(0..8)),
            (&[64, 1, 1, 1, 1, 1, 1, 1, 1, 64], Some(1..9)),
            (&[1, 1, 1, 1, 64, 1, 1, 1, 1], None),
            (&[31; 20], Some(0..8)),
        ];
        for (sizes, expected) in rows {
            assert_eq!(worth_merging(&files(sizes)), *expected, "{sizes:?}");
        }
    }
}
