//! `/metrics`: what the parts counted (O-4). Names and labels are here; counting is where it happens.

use std::{fs, sync::atomic::Ordering::Relaxed, time::Duration};

use chrono::Utc;
use ducksync_core::{freshness::age_seconds, version::Lake};
use ducksync_feeds::FeedCounters;
use ducksync_query::{BUCKETS, Labels, SharingCounts};

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
        statements(&mut text, parts);
        sources(&mut text, parts);
        runs(&mut text, &parts.counters);
        passthrough(&mut text, &parts.query.sharing());
        datasets(&mut text, &parts.versions.current());
    }
    text.into_text()
}

/// A label of what was not decided when the statement ended.
const UNDECIDED: &str = "none";

fn statements(text: &mut Exposition, parts: &Parts) {
    let counts = parts.query.counts();
    let statements = counts.statements();
    text.metric("statements_total", "counter", "Statements that ended.");
    for (labels, histogram) in &statements {
        text.sample("statements_total", &words(labels), histogram.count);
    }
    text.metric(
        "statement_seconds",
        "histogram",
        "Time that statements took until their last row was taken.",
    );
    for (labels, histogram) in &statements {
        let buckets = BUCKETS.into_iter().zip(histogram.buckets);
        let sums = (histogram.count, histogram.seconds);
        text.histogram("statement_seconds", &words(labels), buckets, sums);
    }
    text.metric(
        "errors_total",
        "counter",
        "Errors that clients were answered with.",
    );
    for (kind, count) in counts.errors() {
        text.sample("errors_total", &[("error_type", kind)], count);
    }
    text.single(
        "sessions",
        "gauge",
        "Sessions that are open.",
        parts.query.sessions().count(),
    );
    text.single(
        "statement_queue_depth",
        "gauge",
        "Statements that wait for room in the engine.",
        parts.engine.waiting(),
    );
}

fn words(labels: &Labels) -> [(&'static str, &'static str); 3] {
    let route = labels.route.map_or(UNDECIDED, |route| route.as_str());
    let cache_status = labels
        .cache_status
        .map_or(UNDECIDED, |status| status.as_str());
    [
        ("route", route),
        ("status", labels.ending.as_str()),
        ("cache_status", cache_status),
    ]
}

fn sources(text: &mut Exposition, parts: &Parts) {
    let traffic = &parts.traffic;
    for (name, help, counts) in [
        (
            "source_requests_total",
            "Requests that were sent to sources.",
            &traffic.requests,
        ),
        (
            "source_bytes_total",
            "Bytes that sources sent.",
            &traffic.bytes,
        ),
        (
            "source_loads_avoided_total",
            "Loads that a check of the source spared.",
            &parts.counters.loads_avoided,
        ),
    ] {
        text.metric(name, "counter", help);
        for (source, count) in counts.each() {
            text.sample(name, &[("source", &source)], count);
        }
    }
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
