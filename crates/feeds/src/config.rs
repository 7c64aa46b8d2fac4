//! How the feeds work, with the defaults of SPEC O-1.

use std::time::Duration;

/// Settings of [`crate::Feeds`]. Each is a key of the section `refresh` or `maintenance`.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedsConfig {
    /// Whether this process starts runs by itself (`refresh_every`); requests are always served.
    pub schedule: bool,
    /// Loads at work at the same time.
    pub workers: usize,
    /// Runs at work at the same time, those that only check their source included.
    pub checks: usize,
    /// How long a first stage that saw nothing may put the second off (C-7).
    pub stage1_max_skip: Duration,
    /// How often the scheduler looks without being told to.
    pub poll_interval: Duration,
    /// How often claims are kept alive (G-5).
    pub heartbeat: Duration,
    /// When a claim without heartbeat ends. The catalog counts it; here it bounds how long a publish
    /// of unknown outcome is resolved.
    pub claim_expiry: Duration,
    /// How often a dataset is tried that another process runs.
    pub busy_poll: Duration,
    /// Further tries of one run after the first (G-10).
    pub max_retries: u32,
    /// Pause before the first further try; doubles, with jitter.
    pub retry_base: Duration,
    /// The longest pause between two tries.
    pub retry_cap: Duration,
    /// How long one run may take, all tries included.
    pub run_timeout: Duration,
    /// Failed runs in a row that quarantine a dataset.
    pub quarantine_after: u32,
    /// How often files of dead runs are looked for.
    pub reap_interval: Duration,
    /// How often snapshots are expired and files cleaned up.
    pub upkeep_interval: Duration,
    /// Age at which snapshots expire; `None` = never (O-8).
    pub expire_older_than: Option<Duration>,
    /// How long files wait for their deletion; `None` = they are kept.
    pub cleanup_older_than: Option<Duration>,
}

impl Default for FeedsConfig {
    fn default() -> Self {
        const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
        Self {
            schedule: true,
            workers: 4,
            checks: 64,
            stage1_max_skip: Duration::from_secs(900),
            poll_interval: Duration::from_secs(5),
            heartbeat: Duration::from_secs(30),
            claim_expiry: Duration::from_secs(300),
            busy_poll: Duration::from_millis(500),
            max_retries: 3,
            retry_base: Duration::from_secs(1),
            retry_cap: Duration::from_secs(60),
            run_timeout: Duration::from_secs(3600),
            quarantine_after: 5,
            reap_interval: Duration::from_secs(60),
            upkeep_interval: Duration::from_secs(600),
            expire_older_than: Some(WEEK),
            cleanup_older_than: Some(WEEK),
        }
    }
}
