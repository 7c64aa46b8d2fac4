//! What a run has to do: the order of C-5 and the comparison of tokens (C-7, C-8), without any I/O.
//!
//! It does not read tokens and does not know how a load is done.

use ducksync_core::{
    dataset::{Dataset, Feed, InvalidationMode, QueryCache, SourceState, TtlAction},
    id::DatasetId,
    id::RunId,
    run::RunReason,
    time::Instant,
    version::Lake,
};

/// What is asked of a run, all its askers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Load whatever the checks say.
    pub force: bool,
    /// Check tokens although the TTL is not over.
    pub check: bool,
    /// Only a proof will do, no hint (C-7).
    pub prove: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Load, without asking whether anything changed.
    Load(RunReason),
    /// Nothing.
    Skip(RunReason),
    /// Compare tokens, and load if that is called for.
    Check(Check),
}

/// Why tokens are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The mode's own check, within the TTL.
    Mode,
    /// The TTL is over, and tokens may renew it (`ttl_action = 'revalidate'`).
    Expired,
}

/// Decides by C-5: the first rule that applies wins. Unknown datasets are the caller's NOT_FOUND.
///
/// `overwritten` says that the table is not what our head names, because another DuckLake client
/// changed it (G-5): equal tokens then prove nothing about the rows that readers would see.
pub fn decide(dataset: &Dataset, overwritten: bool, wanted: Wanted, now: Instant) -> Decision {
    let Some(feed) = &dataset.feed else {
        return Decision::Skip(RunReason::Fresh);
    };
    if wanted.force {
        return Decision::Load(RunReason::Forced);
    }
    if dataset.suspended {
        return Decision::Skip(RunReason::Suspended);
    }
    if dataset.quarantine.is_some() {
        return Decision::Skip(RunReason::Quarantined);
    }
    let Feed::QueryCache(cache) = feed;
    if cache.invalidation_mode == InvalidationMode::Manual {
        return Decision::Skip(RunReason::ManualMode);
    }
    let Some(head) = &dataset.head else {
        return Decision::Load(RunReason::Initial);
    };
    if head.definition_hash.as_deref() != Some(feed.definition_hash().as_str()) {
        return Decision::Load(RunReason::DefinitionChanged);
    }
    if overwritten {
        return Decision::Load(RunReason::SourceChanged);
    }
    if expired(dataset, cache, now) {
        return at_end_of_ttl(cache);
    }
    if cache.invalidation_mode == InvalidationMode::TtlOnly && wanted.prove {
        // Without tokens only a load shows the source as it is now (V-1).
        return Decision::Load(RunReason::Unprovable);
    }
    if cache.invalidation_mode == InvalidationMode::TtlOnly || !wanted.check {
        return Decision::Skip(RunReason::Fresh);
    }
    Decision::Check(Check::Mode)
}

fn expired(dataset: &Dataset, cache: &QueryCache, now: Instant) -> bool {
    let end = dataset.proof.as_ref().and_then(|proof| proof.expires_at);
    cache.ttl.is_some() && end.is_some_and(|end| end <= now)
}

fn at_end_of_ttl(cache: &QueryCache) -> Decision {
    match (cache.ttl_action, cache.invalidation_mode) {
        (TtlAction::Reload, _) | (TtlAction::Revalidate, InvalidationMode::TtlOnly) => {
            Decision::Load(RunReason::TtlExpired)
        }
        (TtlAction::Revalidate, _) => Decision::Check(Check::Expired),
    }
}

/// Whether the table in the lake is not the one our checkpoint names: a foreign client's version, or
/// none at all.
pub fn overwritten(lake: &Lake, dataset: &Dataset) -> bool {
    dataset.head.is_some() && !is_ours(lake, dataset.id)
}

fn is_ours(lake: &Lake, dataset: DatasetId) -> bool {
    lake.versions
        .get(&dataset)
        .is_some_and(|version| version.run != RunId::adopted(dataset, version.snapshot))
}

/// What two readings of tokens say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Every object has equal tokens: proof.
    Unchanged,
    /// Something differs, or has lost the token it had.
    Changed,
    /// Nothing differs, but some object has no token in either reading, or there is no object.
    Unprovable,
}

/// Compares the tokens of the last proof with those read now (C-8).
pub fn compare(earlier: &SourceState, now: &SourceState) -> Comparison {
    if now.unchanged_since(earlier) {
        return Comparison::Unchanged;
    }
    if now.tokens == earlier.tokens && now.view_definitions == earlier.view_definitions {
        return Comparison::Unprovable;
    }
    Comparison::Changed
}

/// What a comparison means for a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to load, and it is proved: the data timestamp advances.
    Proved,
    /// Nothing to load, on the word of the TTL: the data timestamp stays.
    WithinTtl,
    /// Nothing to load, on the word of a first stage: the data timestamp stays.
    Hinted,
    /// Load.
    Load(RunReason),
}

/// Judges a comparison. Only mode `auto` takes the TTL's word for an object without token (C-7);
/// elsewhere a NULL token equals nothing (C-8), and nobody's word will do where proof is asked for.
pub fn judge(cache: &QueryCache, check: Check, comparison: Comparison, prove: bool) -> Verdict {
    let trusts_ttl = cache.invalidation_mode == InvalidationMode::Auto && cache.ttl.is_some();
    match (comparison, check) {
        (Comparison::Unchanged, _) => Verdict::Proved,
        (Comparison::Unprovable, Check::Mode) if trusts_ttl && prove => {
            Verdict::Load(RunReason::Unprovable)
        }
        (Comparison::Unprovable, Check::Mode) if trusts_ttl => Verdict::WithinTtl,
        (Comparison::Changed | Comparison::Unprovable, Check::Mode) => {
            Verdict::Load(RunReason::SourceChanged)
        }
        (Comparison::Changed | Comparison::Unprovable, Check::Expired) => {
            Verdict::Load(RunReason::TtlExpired)
        }
    }
}

#[cfg(test)]
mod tests;
