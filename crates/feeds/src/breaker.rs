//! One breaker per source (G-10): a source that was not reached is left alone for a while, and one
//! run tries it again. It lives in memory: another process learns by itself.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use ducksync_core::{name::Name, time::Instant};

use crate::due::{after, back_off};

/// The breakers of all sources.
#[derive(Debug)]
pub(crate) struct Breakers {
    base: Duration,
    cap: Duration,
    open: Mutex<HashMap<String, Open>>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    failures: u32,
    until: Instant,
}

/// How long a probe has the source for itself.
const PROBE: TimeDelta = TimeDelta::seconds(30);

impl Breakers {
    pub(crate) fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            open: Mutex::default(),
        }
    }

    /// Whether an automatic run may ask the source now. After the pause one may, as a probe.
    pub(crate) fn admits(&self, source: &Name, now: Instant) -> bool {
        let mut open = self.lock();
        let Some(breaker) = open.get_mut(&source.folded()) else {
            return true;
        };
        if now < breaker.until {
            return false;
        }
        breaker.until = now + PROBE;
        true
    }

    /// Until when automatic runs leave the source alone.
    pub(crate) fn open_until(&self, source: &Name) -> Option<Instant> {
        self.lock().get(&source.folded()).map(|open| open.until)
    }

    /// The source was not reached.
    pub(crate) fn failed(&self, source: &Name, now: Instant) {
        let mut open = self.lock();
        let breaker = open.entry(source.folded()).or_insert(Open {
            failures: 0,
            until: now,
        });
        breaker.failures = breaker.failures.saturating_add(1);
        let pause = back_off(self.base, self.cap, breaker.failures);
        breaker.until = after(now, pause).unwrap_or(now);
    }

    /// The source answered.
    pub(crate) fn reached(&self, source: &Name) {
        self.lock().remove(&source.folded());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_an_unreachable_source_is_left_alone_and_then_probed_once() {
        let breakers = Breakers::new(Duration::from_secs(5), Duration::from_secs(600));
        let source = Name::parse("source", "prod").unwrap();
        let start = Instant::UNIX_EPOCH;
        assert!(breakers.admits(&source, start));
        breakers.failed(&source, start);
        assert!(!breakers.admits(&source, start + TimeDelta::seconds(4)));
        let later = start + TimeDelta::seconds(5);
        assert!(breakers.admits(&source, later), "one probe");
        assert!(!breakers.admits(&source, later), "and only one");
        breakers.reached(&source);
        assert!(breakers.admits(&source, later), "recovered by itself");
    }

    #[test]
    fn g10_the_pause_never_exceeds_ten_minutes() {
        let breakers = Breakers::new(Duration::from_secs(5), Duration::from_secs(600));
        let source = Name::parse("source", "prod").unwrap();
        let start = Instant::UNIX_EPOCH;
        for _ in 0..40 {
            breakers.failed(&source, start);
        }
        assert_eq!(
            breakers.open_until(&source),
            Some(start + TimeDelta::seconds(600))
        );
    }
}
