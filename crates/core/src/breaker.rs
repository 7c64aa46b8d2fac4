//! One breaker per source (G-10): a source that was not reached is left alone for a while, and one
//! run or statement tries it again. It lives in memory, shared by all that ask the source of their own
//! accord; another process learns by itself. What a person asks for by hand is tried at once.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    error::{Error, FailureClass, Result},
    name::Name,
    time::{Instant, after, back_off},
};
use chrono::TimeDelta;

/// The breakers of all sources.
#[derive(Debug)]
pub struct Breakers {
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
    /// Breakers that stay open for `base` at first, twice as long with each failure, `cap` at most.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            open: Mutex::default(),
        }
    }

    /// Whether an automatic run may ask the source now. After the pause one may, as a probe.
    pub fn admits(&self, source: &Name, now: Instant) -> bool {
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
    pub fn open_until(&self, source: &Name) -> Option<Instant> {
        self.lock().get(&source.folded()).map(|open| open.until)
    }

    /// As [`Breakers::admits`].
    ///
    /// # Errors
    /// `Unavailable` of class SOURCE while the source is left alone.
    pub fn require(&self, source: &Name, now: Instant) -> Result<()> {
        match self.admits(source, now) {
            true => Ok(()),
            false => Err(self.refusal(source)),
        }
    }

    /// What is told to those who are not admitted.
    pub fn refusal(&self, source: &Name) -> Error {
        let until = self.open_until(source).map(|until| until.to_rfc3339());
        let until = until.unwrap_or_else(|| "the next request".into());
        Error::unavailable(format!("source {source} was not reached a moment ago"))
            .with_class(FailureClass::Source)
            .with_remedy(format!(
                "it is left alone until {until}; ducksync_refresh tries at once"
            ))
    }

    /// Notes what an attempt to ask the source came to.
    pub fn note<T>(&self, source: &Name, answer: &Result<T>, now: Instant) {
        match answer {
            Err(error) if error.class() == FailureClass::Source => self.failed(source, now),
            _ => self.reached(source),
        }
    }

    /// The source was not reached.
    pub fn failed(&self, source: &Name, now: Instant) {
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
    pub fn reached(&self, source: &Name) {
        self.lock().remove(&source.folded());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breakers() -> Breakers {
        Breakers::new(Duration::from_secs(5), Duration::from_secs(600))
    }

    #[test]
    fn g10_an_unreachable_source_is_left_alone_and_then_probed_once() {
        let breakers = breakers();
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
        let breakers = breakers();
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
