//! Refused logins are remembered, so that repeating them locks nobody out.
//!
//! Snowflake locks a user after a handful of failed logins within a quarter of an hour, and every
//! statement of a source wants a session. So a source logs in one session at a time, and what was
//! refused is not sent again for a pause that grows: at most four times in any quarter of an hour. Another
//! credential is tried at once.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ducksync_core::error::Error;

use super::credential::Digest;

/// How long a refused credential rests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    /// The first pause; each further one is four times as long.
    pub(super) first: Duration,
    /// The longest.
    pub(super) cap: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(15),
            cap: Duration::from_secs(15 * 60),
        }
    }
}

impl Pauses {
    /// Pauses that a test can wait for.
    pub(super) fn quick() -> Self {
        Self {
            first: Duration::from_millis(500),
            cap: Duration::from_secs(2),
        }
    }

    fn after(self, refusals: u32) -> Duration {
        let factor = 4_u32.saturating_pow(refusals.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.cap)
    }
}

/// What a source remembers of its refused logins.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pauses: Pauses,
    last: Mutex<Option<Refused>>,
}

#[derive(Debug)]
struct Refused {
    digest: Digest,
    times: u32,
    until: Instant,
    error: Error,
}

impl Refusals {
    pub(super) fn new(pauses: Pauses) -> Self {
        Self {
            pauses,
            last: Mutex::default(),
        }
    }

    /// The refusal that stands against sending this credential now.
    pub(super) fn bar(&self, digest: Digest, now: Instant) -> Option<Error> {
        let last = self.lock();
        let refused = last.as_ref().filter(|refused| refused.digest == digest)?;
        let rest = refused.until.checked_duration_since(now)?;
        (!rest.is_zero()).then(|| resting(&refused.error, rest))
    }

    /// Notes a refusal; the error that says so and how long it holds.
    pub(super) fn note(&self, digest: Digest, error: Error, now: Instant) -> Error {
        let mut last = self.lock();
        let before = last.as_ref().filter(|refused| refused.digest == digest);
        let times = before.map_or(0, |refused| refused.times).saturating_add(1);
        let pause = self.pauses.after(times);
        let told = resting(&error, pause);
        *last = Some(Refused {
            digest,
            times,
            until: now + pause,
            error,
        });
        told
    }

    /// Notes that a login went well.
    pub(super) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Refused>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resting(error: &Error, rest: Duration) -> Error {
    let seconds = rest.as_secs_f64().ceil();
    let message = format!(
        "{}; the same login is not sent again for {seconds} s, so that it locks nobody out",
        error.message()
    );
    let told = Error::new(error.kind(), message).with_class(error.class());
    match error.remedy() {
        Some(remedy) => told.with_remedy(remedy),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snowflake::credential::digest_of;

    #[test]
    fn g10_a_refused_login_rests_for_a_growing_pause() {
        let refusals = Refusals::default();
        let wrong = digest_of("wrong");
        let start = Instant::now();
        let mut now = start;
        let mut sent = Vec::new();
        while now < start + Duration::from_secs(3600) {
            if refusals.bar(wrong, now).is_none() {
                sent.push(now);
                let error = Error::unauthenticated("snowflake refused the login");
                refusals.note(wrong, error, now);
            }
            now += Duration::from_secs(1);
        }
        let seconds: Vec<u64> = sent.iter().map(|at| (*at - start).as_secs()).collect();
        assert_eq!(seconds, [0, 15, 75, 315, 1215, 2115, 3015]);
        for window in sent.windows(5) {
            assert!(window[4] - window[0] > Duration::from_secs(15 * 60));
        }
    }

    #[test]
    fn g10_another_credential_is_sent_at_once() {
        let refusals = Refusals::default();
        let now = Instant::now();
        let error = Error::unauthenticated("no").with_remedy("look");
        let told = refusals.note(digest_of("old"), error, now);
        assert!(told.to_string().contains("15 s"), "{told}");
        let barred = refusals.bar(digest_of("old"), now + Duration::from_secs(5));
        assert!(barred.unwrap().to_string().contains("10 s"));
        assert!(refusals.bar(digest_of("new"), now).is_none());
        refusals.forget();
        assert!(refusals.bar(digest_of("old"), now).is_none());
    }
}
