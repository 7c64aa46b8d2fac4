//! When: the end of a TTL, the next background check, pauses between tries. Pure.

use std::time::Duration;

use ducksync_core::{
    dataset::{Dataset, InvalidationMode, Proof, QueryCache},
    error::FailureClass,
    name::Name,
    time::Instant,
};

pub use ducksync_core::time::{after, back_off};

/// The end of the TTL of a load whose reading began at `read_began` (C-6).
pub fn expiry_of_load(cache: &QueryCache, read_began: Instant) -> Option<Instant> {
    after(read_began, cache.ttl?)
}

/// The end of the TTL after a check that found nothing changed: as it was, unless the TTL was over
/// and the check renews it (C-6). A TTL that was given since then counts from the check.
pub fn expiry_of_check(
    cache: &QueryCache,
    earlier: Option<&Proof>,
    renews: bool,
    checked: Instant,
) -> Option<Instant> {
    let ttl = cache.ttl?;
    match earlier.and_then(|proof| proof.expires_at) {
        Some(end) if !renews => Some(end),
        _ => after(checked, ttl),
    }
}

/// How a dataset's last run of this process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempted {
    /// When.
    pub ended_at: Instant,
    /// The class of its failure, if it failed.
    pub failure: Option<FailureClass>,
}

/// Longest pause before a source that was not reached is tried again (G-10).
const SOURCE_PAUSE: Duration = Duration::from_secs(600);

/// When the scheduler next checks a dataset; `None` = never by itself.
pub fn next_check(dataset: &Dataset, attempted: Option<Attempted>) -> Option<Instant> {
    let cache = dataset.query_cache()?;
    let every = cache.refresh_every?;
    let stopped = dataset.suspended || dataset.quarantine.is_some();
    if stopped || cache.invalidation_mode == InvalidationMode::Manual {
        return None;
    }
    let planned = match (&dataset.head, &dataset.proof) {
        (Some(_), Some(proof)) => moment(&cache.source, every, proof.checked_at)?,
        _ => dataset.created_at,
    };
    let Some(attempted) = attempted else {
        return Some(planned);
    };
    if planned > attempted.ended_at {
        return Some(planned);
    }
    // A run that could not move the proof must not be repeated at every look.
    let pause = match attempted.failure {
        Some(FailureClass::Source) => every.min(SOURCE_PAUSE),
        _ => every,
    };
    after(attempted.ended_at, pause)
}

/// Whether the scheduler starts a run of `dataset` now.
pub fn due(dataset: &Dataset, attempted: Option<Attempted>, now: Instant) -> bool {
    next_check(dataset, attempted).is_some_and(|next| next <= now)
}

/// The next moment for checks of this interval and source, `every` after `checked` at the latest. All
/// caches of a source and an interval have the same moments in every process, so that they are checked
/// together (C-9), and those of an interval that is a multiple have some of them; sources are spread over
/// the interval.
fn moment(source: &Name, every: Duration, checked: Instant) -> Option<Instant> {
    let every = i64::try_from(every.as_micros())
        .ok()
        .filter(|every| *every > 0)?;
    let bytes = source.folded().into_bytes();
    let hash = bytes
        .into_iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let offset = i64::try_from(hash >> 1).ok()?.rem_euclid(every);
    let latest = checked.timestamp_micros().checked_add(every)?;
    let moment = latest - (latest - offset).rem_euclid(every);
    Instant::from_timestamp_micros(moment)
}

/// A pause with jitter: between half of it and all of it, by `chance` in 0..1.
pub fn jittered(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
