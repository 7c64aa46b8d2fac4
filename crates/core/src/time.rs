//! Instants, and who tells them.

use chrono::{DateTime, Utc};

/// A point in time. Compared as an instant, never as text (G-8).
pub type Instant = DateTime<Utc>;

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
