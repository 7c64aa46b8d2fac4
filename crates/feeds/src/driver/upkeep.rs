//! Merges small files, expires old snapshots and deletes the files that were scheduled for it long
//! enough ago (O-8).

use std::{collections::HashSet, sync::Arc, time::Duration};

use ducksync_core::error::Result;

use super::{Inner, merging};

/// Files deleted at once.
const BATCH: u32 = 1000;
/// Batches of one look; the rest waits for the next.
const BATCHES: u32 = 100;

pub(super) async fn run(feeds: Arc<Inner>) {
    loop {
        tokio::time::sleep(feeds.config.upkeep_interval).await;
        if let Err(error) = look(&feeds).await {
            tracing::warn!(%error, "upkeep did not finish");
        }
    }
}

async fn look(feeds: &Inner) -> Result<()> {
    merging::merge_all(feeds).await;
    if let Some(age) = feeds.config.expire_older_than {
        let expired = feeds.services.upkeep.expire(age, &[]).await?;
        if expired > 0 {
            tracing::info!(expired, "expired snapshots");
        }
    }
    match feeds.config.cleanup_older_than {
        Some(age) => clean_up(feeds, age).await,
        None => Ok(()),
    }
}

async fn clean_up(feeds: &Inner, age: Duration) -> Result<()> {
    let services = &feeds.services;
    for _ in 0..BATCHES {
        let scheduled = services.upkeep.deletable(age, BATCH).await?;
        if scheduled.is_empty() {
            return Ok(());
        }
        // Belt and braces: a file of a version that can be read now never goes, whoever scheduled it.
        let lake = services.versions.ask().await?;
        let live: HashSet<&str> = lake
            .versions
            .values()
            .flat_map(|version| version.files.iter().map(|file| file.location.as_str()))
            .collect();
        let (kept, gone): (Vec<_>, Vec<_>) = scheduled
            .into_iter()
            .partition(|file| live.contains(file.as_str()));
        if !kept.is_empty() {
            tracing::error!(files = ?kept, "files of the lake were scheduled for deletion; kept");
        }
        if gone.is_empty() {
            return Ok(());
        }
        services.files.delete(&gone).await?;
        services.upkeep.forget_deleted(&gone).await?;
    }
    Ok(())
}
