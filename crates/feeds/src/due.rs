//! When: the end of a TTL, the next background check, pauses between tries. Pure.

use std::time::Duration;

use chrono::TimeDelta;
use ducksync_core::{
    dataset::{Dataset, InvalidationMode, Proof, QueryCache},
    error::FailureClass,
    id::DatasetId,
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
        (Some(_), Some(proof)) => after(proof.checked_at, shortened(every, dataset.id, proof))?,
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

/// A check that is due, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: Instant,
    /// Whether that is now or was before; else it may go along with another of its source.
    pub is_over: bool,
}

/// The next check of `dataset`, if it is due at `now` or within a tenth of its interval. One that was
/// tried early already waits for its time.
pub fn due_soon(dataset: &Dataset, attempted: Option<Attempted>, now: Instant) -> Option<Due> {
    let at = next_check(dataset, attempted)?;
    if at <= now {
        return Some(Due { at, is_over: true });
    }
    let every = dataset.query_cache()?.refresh_every?;
    let from = at.checked_sub_signed(TimeDelta::from_std(every / 10).ok()?)?;
    let tried = attempted.is_some_and(|attempted| attempted.ended_at >= from);
    (from <= now && !tried).then_some(Due { at, is_over: false })
}

/// The interval less up to a tenth, so that many caches of one interval spread out. The same for the
/// same dataset and check in every process: they agree on when it is due.
fn shortened(every: Duration, dataset: DatasetId, proof: &Proof) -> Duration {
    let micros = proof.checked_at.timestamp_micros().to_be_bytes();
    let hash = dataset.0.as_bytes().iter().chain(&micros);
    let hash = hash.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    every.mul_f64(1.0 - 0.1 * (hash >> 11) as f64 / (1_u64 << 53) as f64)
}

/// A pause with jitter: between half of it and all of it, by `chance` in 0..1.
pub fn jittered(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
