//! The feed kind `query_cache`: a copy of one source statement's result (C-11).
//!
//! [`prepare`] does everything up to the publish, in the order that makes it safe: T, then tokens,
//! then one source statement, then (its place recorded first) new files. It changes nothing that
//! anybody can see, may be dropped at any moment, and never publishes itself. Where only some rows
//! changed, `changes` loads those; else `load` loads the whole.

mod changes;
mod load;

use std::{sync::Arc, time::Duration};

use ducksync_core::{
    change::TableChange,
    dataset::{Checkpoint, Dataset, InvalidationMode, Proof, QueryCache, SourceState},
    error::Result,
    id::RunId,
    run::{RunOutcome, RunReason},
    savings::Tally,
    source::{Source, SourceContext},
    time::Instant,
    version::Lake,
};

use crate::{
    FeedsConfig,
    decide::{Check, Decision, Verdict, compare, judge},
    due::expiry_of_check,
    runs::{Place, Progress, Watch},
    services::Services,
    tokens::{self, Logins, Purpose, Reading},
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
    /// Whether only a proof will do.
    pub(crate) prove: bool,
    /// Its place among the loads at work.
    pub(crate) place: &'a Place,
    pub(crate) stage1_max_skip: Duration,
    /// T: the catalog's clock before anything was asked of the source (G-7).
    pub(crate) at: Instant,
    pub(crate) context: SourceContext,
}

impl Try<'_> {
    fn count(&self, tally: &Tally) {
        self.services.savings.count(self.dataset.id, tally);
    }

    fn count_bytes(&self, watch: &Watch) {
        self.count(&Tally {
            source_bytes: i64::try_from(watch.bytes()).unwrap_or(i64::MAX),
            ..Tally::default()
        });
    }
}

/// What a try came to.
pub(crate) enum Prepared {
    /// The tokens are those of the last proof; this is the new one.
    Unchanged(Proof),
    /// Nothing to load while the TTL lasts, and no proof.
    WithinTtl,
    /// A first stage saw no change: the same proof, checked now.
    Hinted(Proof),
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
    let logins = logins(a_try.services, source.clone(), cache, a_try.stage1_max_skip).await;
    let logins = a_try.progress.of_source(logins)?;
    let purpose = match a_try.decision {
        Decision::Skip(_) => return Ok(Prepared::WithinTtl),
        Decision::Load(_) => Purpose::Load,
        Decision::Check(check) => checking(a_try.dataset, check, a_try.prove),
    };
    // G-7: the tokens are read after T and before the data, whatever leads to the load. A commit in
    // between makes the data newer than its tokens say, and the next check loads once too often;
    // the other way round it would never be seen.
    let read = tokens::read(&logins, cache, &a_try.context, purpose, a_try.at).await;
    let now = a_try.progress.of_source(read)?;
    let (reason, now) = match (a_try.decision, now) {
        (Decision::Load(reason), Reading::Tokens(now)) => (reason, now),
        (Decision::Check(check), now) => {
            match verdict(a_try.dataset, cache, check, &now, a_try.prove) {
                Verdict::Proved => return Ok(unchanged(a_try, cache, check, now)),
                Verdict::WithinTtl => return Ok(Prepared::WithinTtl),
                Verdict::Hinted => return Ok(hinted(a_try)),
                Verdict::Load(reason) => match now {
                    Reading::Tokens(now) => (reason, now),
                    Reading::Hint => return Ok(hinted(a_try)),
                },
            }
        }
        (Decision::Skip(_), _) | (_, Reading::Hint) => return Ok(Prepared::WithinTtl),
    };
    a_try.place.take().await?;
    let mut now = now;
    let load = match changes::load(a_try, cache, &source, reason, &mut now).await? {
        Some(load) => load,
        None => load::load(a_try, cache, &source, reason, now).await?,
    };
    Ok(Prepared::Load(Box::new(load)))
}

/// The logins by which the tokens of `cache` are read.
///
/// # Errors
/// As [`ducksync_core::source::Sources`].
async fn logins(
    services: &Services,
    main: Arc<dyn Source>,
    cache: &QueryCache,
    max_skip: Duration,
) -> Result<Logins> {
    let metadata = match (cache.invalidation_mode, &cache.metadata_secret) {
        (InvalidationMode::TwoStage, Some(secret)) => {
            Some(services.sources.metadata(&cache.source, secret).await?)
        }
        _ => None,
    };
    Ok(Logins::new(main, metadata, max_skip))
}

/// A hint renews no TTL, and is none where proof is asked for.
fn checking(dataset: &Dataset, check: Check, prove: bool) -> Purpose<'_> {
    Purpose::Check {
        earlier: dataset.proof.as_ref().map(|proof| &proof.tokens),
        hint_will_do: check == Check::Mode && !prove,
    }
}

/// Compares the tokens read now with those of the last proof; without a proof all is changed.
fn verdict(
    dataset: &Dataset,
    cache: &QueryCache,
    check: Check,
    now: &Reading,
    prove: bool,
) -> Verdict {
    let comparison = match (&dataset.proof, now) {
        (Some(_), Reading::Hint) => return Verdict::Hinted,
        (Some(proof), Reading::Tokens(now)) => compare(&proof.tokens, now),
        (None, _) => crate::decide::Comparison::Changed,
    };
    judge(cache, check, comparison, prove)
}

fn unchanged(a_try: &Try<'_>, cache: &QueryCache, check: Check, now: Reading) -> Prepared {
    match now {
        Reading::Tokens(now) => Prepared::Unchanged(proof(a_try, cache, check, now)),
        Reading::Hint => hinted(a_try),
    }
}

/// The proof as it was, but for when the source was last asked.
fn hinted(a_try: &Try<'_>) -> Prepared {
    match &a_try.dataset.proof {
        Some(proof) => Prepared::Hinted(Proof {
            checked_at: a_try.at,
            ..proof.clone()
        }),
        None => Prepared::WithinTtl,
    }
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
        ..SourceContext::default()
    }
}

/// Asks for tokens only: whether a run would load now (`needs_refresh`).
pub(crate) async fn would_load(
    services: &Services,
    dataset: &Dataset,
    cache: &QueryCache,
    check: Check,
    config: &FeedsConfig,
    at: Instant,
) -> Result<Verdict> {
    let source = services.sources.source(&cache.source).await?;
    let logins = logins(services, source, cache, config.stage1_max_skip).await?;
    let context = context(cache, RunId::generate(), config.run_timeout);
    let purpose = checking(dataset, check, false);
    let now = tokens::read(&logins, cache, &context, purpose, at).await?;
    Ok(verdict(dataset, cache, check, &now, false))
}

fn proof(a_try: &Try<'_>, cache: &QueryCache, check: Check, tokens: SourceState) -> Proof {
    let earlier = a_try.dataset.proof.as_ref();
    let loaded = earlier.map(|proof| &proof.tokens);
    Proof {
        // The data is the last load's still.
        tokens: SourceState {
            read_by: loaded.and_then(|loaded| loaded.read_by.clone()),
            no_changes_until: loaded.and_then(|loaded| loaded.no_changes_until),
            ..tokens
        },
        data_timestamp: a_try.at,
        checked_at: a_try.at,
        expires_at: expiry_of_check(cache, earlier, check == Check::Expired, a_try.at),
    }
}
