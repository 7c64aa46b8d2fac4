//! `/metrics`: what the parts counted (O-4). Names and labels are here; counting is where it happens.

use std::{fs, sync::atomic::Ordering::Relaxed, time::Duration};

use chrono::Utc;
use ducksync_core::{freshness::age_seconds, version::Lake};
use ducksync_feeds::FeedCounters;
use ducksync_query::SharingCounts;

use super::exposition::Exposition;
use crate::compose::Parts;

/// Everything there is, as Prometheus' text.
pub(super) fn metrics(parts: Option<&Parts>, uptime: Duration) -> String {
    let mut text = Exposition::default();
    text.metric("build_info", "gauge", "The version that runs; always 1.");
    text.sample("build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.single(
        "uptime_seconds",
        "gauge",
        "How long this process runs.",
        uptime.as_secs(),
    );
    if let Some(bytes) = resident_bytes() {
        text.single(
            "memory_bytes",
            "gauge",
            "Resident memory of this process.",
            bytes,
        );
    }
    if let Some(parts) = parts {
        runs(&mut text, &parts.counters);
        passthrough(&mut text, &parts.query.sharing());
        datasets(&mut text, &parts.versions.current());
    }
    text.into_text()
}

fn runs(text: &mut Exposition, counters: &FeedCounters) {
    text.metric("runs_total", "counter", "Runs that ended.");
    for (status, count) in [
        ("completed", &counters.completed),
        ("failed", &counters.failed),
        ("skipped", &counters.skipped),
        ("cancelled", &counters.cancelled),
    ] {
        let labels = [("feed", "query_cache"), ("status", status)];
        text.sample("runs_total", &labels, count.load(Relaxed));
    }
    let seconds = counters.run_milliseconds.load(Relaxed) as f64 / 1000.0;
    text.single(
        "run_seconds_total",
        "counter",
        "Time that ended runs took.",
        seconds,
    );
    for (name, help, count) in [
        (
            "run_retries_total",
            "Further tries after a failed one.",
            &counters.retries,
        ),
        (
            "runs_joined_total",
            "Requests that a run of somebody else answered.",
            &counters.joined,
        ),
        (
            "source_loads_avoided_total",
            "Loads that a proof of unchanged spared.",
            &counters.loads_avoided,
        ),
        (
            "claims_expired_total",
            "Claims this process lost while it worked.",
            &counters.claims_lost,
        ),
        (
            "lake_conflicts_total",
            "Publishes that lost against another change.",
            &counters.conflicts,
        ),
        (
            "files_reaped_total",
            "Files of dead runs that were deleted.",
            &counters.files_reaped,
        ),
    ] {
        text.single(name, "counter", help, count.load(Relaxed));
    }
    text.single(
        "due_refreshes",
        "gauge",
        "Datasets that are due and not at work.",
        counters.due.load(Relaxed),
    );
}

fn passthrough(text: &mut Exposition, counts: &SharingCounts) {
    text.single(
        "source_statements_waiting",
        "gauge",
        "Pass-through statements that wait for their source.",
        counts.waiting.load(Relaxed),
    );
    text.single(
        "source_statements_shared_total",
        "counter",
        "Pass-through statements that an equal one in flight answered.",
        counts.shared.load(Relaxed),
    );
}

fn datasets(text: &mut Exposition, lake: &Lake) {
    let now = Utc::now();
    let fed = || {
        lake.datasets
            .values()
            .filter(|dataset| dataset.feed.is_some())
    };
    text.metric(
        "dataset_age_seconds",
        "gauge",
        "Age of the data that a reader gets.",
    );
    for dataset in fed() {
        if let Some(age) = age_seconds(dataset, now) {
            text.sample(
                "dataset_age_seconds",
                &[("dataset", &dataset.name.to_string())],
                age,
            );
        }
    }
    text.metric(
        "dataset_quarantined",
        "gauge",
        "1 if automatic runs are stopped by the server.",
    );
    for dataset in fed() {
        let labels = [("dataset", &*dataset.name.to_string())];
        text.sample(
            "dataset_quarantined",
            &labels,
            u8::from(dataset.quarantine.is_some()),
        );
    }
    text.single(
        "lake_snapshot_id",
        "gauge",
        "The newest snapshot this process knows.",
        lake.snapshot,
    );
}

/// Resident memory, where the operating system tells.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes * 1024)
}
