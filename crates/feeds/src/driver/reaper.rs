//! Removes the files of dead runs (O-8), found by the prefixes they recorded before writing.
//!
//! A file that a snapshot names must never go. A run that published has its files named by its own
//! snapshot: they are kept, and if that snapshot is gone or cannot be read, nothing is touched, since
//! from then on expiry looks after them. A run that did not publish is named by none.

use std::{collections::HashSet, sync::Arc};

use ducksync_core::{
    catalog::DeadRun,
    error::{ErrorKind, Result},
    run::RunStatus,
    version::{Lake, Version},
};

use super::Inner;
use crate::FeedCounters;

pub(super) async fn run(feeds: Arc<Inner>) {
    loop {
        if let Err(error) = reap(&feeds).await {
            tracing::warn!(%error, "could not look for dead runs");
        }
        tokio::time::sleep(feeds.config.reap_interval).await;
    }
}

/// Looks once.
async fn reap(feeds: &Inner) -> Result<()> {
    for dead in feeds.services.claims.reap().await? {
        if let Err(error) = bury(feeds, &dead).await {
            tracing::warn!(run = %dead.run, %error, "could not remove a dead run's files");
        }
    }
    Ok(())
}

async fn bury(feeds: &Inner, dead: &DeadRun) -> Result<()> {
    match fate(feeds, dead).await? {
        Fate::Wait => return Ok(()),
        Fate::Keep => {}
        Fate::Remove { named } => {
            for prefix in &dead.prefixes {
                remove(feeds, prefix, &named).await?;
            }
        }
    }
    feeds.services.ledger.forget_staging(dead.run).await
}

/// What becomes of a run's files.
enum Fate {
    /// It may still publish: look again later.
    Wait,
    /// They are not ours to judge any more: expiry looks after them.
    Keep,
    /// All but these go.
    Remove { named: HashSet<String> },
}

async fn fate(feeds: &Inner, dead: &DeadRun) -> Result<Fate> {
    let services = &feeds.services;
    let run = match services.ledger.run(dead.run).await {
        Ok(run) => run,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Fate::Wait),
        Err(error) => return Err(error),
    };
    // Asked, not remembered, and after the record: a publish that this process has not heard of counts.
    let mut named = files_of(services.versions.ask().await?.as_ref());
    match run.status {
        RunStatus::Pending | RunStatus::Running => Ok(Fate::Wait),
        RunStatus::Failed | RunStatus::Skipped | RunStatus::Cancelled => Ok(Fate::Remove { named }),
        RunStatus::Completed => {
            let Some(snapshot) = run.outcome.snapshot else {
                return Ok(Fate::Keep);
            };
            match services.versions.at(snapshot).await {
                Ok(lake) => named.extend(files_of(&lake)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Fate::Keep),
                Err(error) => return Err(error),
            }
            Ok(Fate::Remove { named })
        }
    }
}

fn files_of(lake: &Lake) -> HashSet<String> {
    let of_version = |version: &Arc<Version>| -> Vec<String> {
        let files = version.files.iter();
        files
            .flat_map(|file| {
                let deletes = file
                    .deletes
                    .as_ref()
                    .map(|deletes| deletes.location.clone());
                [Some(file.location.clone()), deletes]
            })
            .flatten()
            .collect()
    };
    lake.versions.values().flat_map(of_version).collect()
}

async fn remove(feeds: &Inner, prefix: &str, named: &HashSet<String>) -> Result<()> {
    let files = &feeds.services.files;
    let mut garbage: Vec<String> = files
        .list(prefix)
        .await?
        .into_iter()
        .map(|f| f.location)
        .collect();
    garbage.retain(|location| !named.contains(location));
    if garbage.is_empty() {
        return Ok(());
    }
    files.delete(&garbage).await?;
    FeedCounters::add(&feeds.counters.files_reaped, garbage.len() as u64);
    Ok(())
}
