//! Instants, and who tells them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// A point in time. Compared as an instant, never as text (G-8).
pub type Instant = DateTime<Utc>;

/// `instant` + `duration`; `None` where that is beyond the calendar, which means never.
pub fn after(instant: Instant, duration: Duration) -> Option<Instant> {
    instant.checked_add_signed(TimeDelta::from_std(duration).ok()?)
}

/// The pause after the `failures`th failure in a row: `base`, doubling, at most `cap`.
pub fn back_off(base: Duration, cap: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    base.saturating_mul(1_u32 << doublings).min(cap)
}

/// Tells the time. A process uses its catalog's clock for everything that is compared between
/// processes; this one is for ages, deadlines and tests.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Instant;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Utc::now()
    }
}
