//! How fresh a dataset is: a pure function of its state and the time.

use serde::{Deserialize, Serialize};

use crate::{dataset::Dataset, time::Instant};

/// The states of freshness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Freshness {
    /// No version.
    Never,
    /// The TTL is not over and nothing speaks against it.
    Fresh,
    /// The TTL is over.
    Expired,
    /// The last check failed, or the definition changed since the last publish.
    Stale,
    /// Quarantined.
    Error,
}

impl Freshness {
    /// The word as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "NEVER",
            Self::Fresh => "FRESH",
            Self::Expired => "EXPIRED",
            Self::Stale => "STALE",
            Self::Error => "ERROR",
        }
    }

    /// The original's word of `ducksync.cache_status` (C-12).
    pub fn cache_status(self) -> &'static str {
        match self {
            Self::Never => "NEVER_REFRESHED",
            Self::Expired => "EXPIRED",
            Self::Fresh | Self::Stale | Self::Error => "VALID",
        }
    }
}

/// How fresh `dataset` is at `now`.
pub fn freshness(dataset: &Dataset, now: Instant) -> Freshness {
    let (Some(head), Some(feed)) = (&dataset.head, &dataset.feed) else {
        // A plain table is its own source.
        return if dataset.feed.is_none() {
            Freshness::Fresh
        } else {
            Freshness::Never
        };
    };
    if dataset.quarantine.is_some() {
        return Freshness::Error;
    }
    let expires = dataset.proof.as_ref().and_then(|proof| proof.expires_at);
    if expires.is_some_and(|end| end <= now) {
        return Freshness::Expired;
    }
    let changed = head.definition_hash.as_deref() != Some(feed.definition_hash().as_str());
    if changed || dataset.last_failure.is_some() {
        return Freshness::Stale;
    }
    Freshness::Fresh
}

/// The age at `now` in seconds, at least zero; `None` without data. Plain tables have age zero.
pub fn age_seconds(dataset: &Dataset, now: Instant) -> Option<f64> {
    if dataset.feed.is_none() {
        return Some(0.0);
    }
    let since = dataset.proof.as_ref()?.data_timestamp;
    Some(((now - since).num_milliseconds().max(0)) as f64 / 1000.0)
}

/// Why it is as fresh as it is, for people (C-14).
pub fn reason(dataset: &Dataset, now: Instant) -> String {
    match freshness(dataset, now) {
        Freshness::Never => "never refreshed".into(),
        Freshness::Error => match &dataset.quarantine {
            Some(quarantine) => format!("quarantined: {}", quarantine.reason),
            None => "quarantined".into(),
        },
        Freshness::Expired => "TTL is over".into(),
        Freshness::Stale => match &dataset.last_failure {
            Some(failure) => format!("last check failed: {}", failure.message),
            None => "definition changed since the last publish".into(),
        },
        Freshness::Fresh if dataset.suspended => "suspended; last known state".into(),
        Freshness::Fresh => "within its TTL and the last check passed".into(),
    }
}
