//! The feed kind `query_cache`: a copy of one source statement's result (C-11).
//!
//! [`prepare`] does everything up to the publish, in the order that makes it safe: T, then tokens,
//! then one source statement, then (its place recorded first) new files. It changes nothing that
//! anybody can see, may be dropped at any moment, and never publishes itself.

mod load;

use ducksync_core::{
    change::TableChange,
    dataset::{Checkpoint, Dataset, Proof, QueryCache, SourceState},
    error::Result,
    id::RunId,
    run::{RunOutcome, RunReason},
    source::{Source, SourceContext},
    time::Instant,
    version::Lake,
};

use crate::{
    decide::{Check, Decision, Verdict, compare, judge},
    due::expiry_of_check,
    runs::Progress,
    services::Services,
    tokens,
};

/// One try of one run.
pub(crate) struct Try<'a> {
    pub(crate) services: &'a Services,
    pub(crate) progress: &'a Progress,
    pub(crate) run: RunId,
    /// Counts the tries of the run from 1, so that their files' names differ.
    pub(crate) number: u32,
    pub(crate) lake: &'a Lake,
    pub(crate) dataset: &'a Dataset,
    pub(crate) decision: Decision,
    /// T: the catalog's clock before anything was asked of the source (G-7).
    pub(crate) at: Instant,
    pub(crate) context: SourceContext,
}

/// What a try came to.
pub(crate) enum Prepared {
    /// The tokens are those of the last proof; this is the new one.
    Unchanged(Proof),
    /// Nothing to load while the TTL lasts, and no proof.
    WithinTtl,
    /// New rows on stable storage, to be published.
    Load(Box<Load>),
}

/// What a load publishes.
pub(crate) struct Load {
    pub(crate) changes: Vec<TableChange>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) reason: RunReason,
    pub(crate) outcome: RunOutcome,
}

/// Checks, and loads if that is called for.
///
/// # Errors
/// The source's, the stager's or the catalog's; nothing visible has changed.
pub(crate) async fn prepare(a_try: &Try<'_>, cache: &QueryCache) -> Result<Prepared> {
    let source = a_try.services.sources.source(&cache.source).await;
    let source = a_try.progress.of_source(source)?;
    // G-7: the tokens are read after T and before the data, whatever leads to the load. A commit in
    // between makes the data newer than its tokens say, and the next check loads once too often;
    // the other way round it would never be seen.
    let read = tokens::read(source.as_ref(), cache, &a_try.context).await;
    let now = a_try.progress.of_source(read)?;
    let reason = match a_try.decision {
        Decision::Load(reason) => reason,
        Decision::Skip(_) => return Ok(Prepared::WithinTtl),
        Decision::Check(check) => match verdict(a_try.dataset, cache, check, &now) {
            Verdict::Proved => return Ok(Prepared::Unchanged(proof(a_try, cache, check, now))),
            Verdict::WithinTtl => return Ok(Prepared::WithinTtl),
            Verdict::Load(reason) => reason,
        },
    };
    let load = load::load(a_try, cache, &source, reason, now).await?;
    Ok(Prepared::Load(Box::new(load)))
}

/// Compares the tokens read now with those of the last proof; without a proof all is changed.
pub(crate) fn verdict(
    dataset: &Dataset,
    cache: &QueryCache,
    check: Check,
    now: &SourceState,
) -> Verdict {
    let comparison = match &dataset.proof {
        Some(proof) => compare(&proof.tokens, now),
        None => crate::decide::Comparison::Changed,
    };
    judge(cache, check, comparison)
}

/// How and with which tag statements of a run go to the source.
pub(crate) fn context(
    cache: &QueryCache,
    run: RunId,
    timeout: std::time::Duration,
) -> SourceContext {
    SourceContext {
        database: None,
        schema: None,
        tag: Some(format!("ducksync:{run}")),
        timeout: Some(timeout),
        types: cache.types.clone(),
    }
}

/// Asks for tokens only: whether a run would load now (`needs_refresh`).
pub(crate) async fn would_load(
    source: &dyn Source,
    dataset: &Dataset,
    cache: &QueryCache,
    check: Check,
    context: &SourceContext,
) -> Result<Verdict> {
    let now = tokens::read(source, cache, context).await?;
    Ok(verdict(dataset, cache, check, &now))
}

fn proof(a_try: &Try<'_>, cache: &QueryCache, check: Check, tokens: SourceState) -> Proof {
    let earlier = a_try.dataset.proof.as_ref();
    Proof {
        tokens,
        data_timestamp: a_try.at,
        checked_at: a_try.at,
        expires_at: expiry_of_check(cache, earlier, check == Check::Expired, a_try.at),
    }
}
