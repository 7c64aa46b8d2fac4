//! What values must be, alone and together. Limits on ranges are lifted by `testing = true`.

use ducksync_core::{Error, Result};

use super::{
    sections::Settings,
    units::{Period, Size},
};

/// Checks ranges, and relations between values that would lose something if they did not hold.
pub(super) fn ranges(settings: &Settings) -> Result<()> {
    fractions(settings)?;
    if settings.refresh.claim_expiry.0 < 2 * settings.refresh.heartbeat.0 {
        return Err(
            Error::invalid("refresh.claim_expiry is less than two heartbeats").with_remedy(
                "a claim must outlive a lost heartbeat: raise it or lower refresh.heartbeat",
            ),
        );
    }
    if settings.testing {
        return Ok(());
    }
    for (key, value, least, most) in periods(settings) {
        if value < least || value > most {
            return Err(out_of_range(key, &value, &least, &most));
        }
    }
    counts(settings)?;
    cleanup_waits_for_readers(settings)
}

fn periods(settings: &Settings) -> Vec<(&'static str, Period, Period, Period)> {
    let (serving, refresh) = (&settings.serving, &settings.refresh);
    let day = Period::hours(24);
    let second = Period::seconds(1);
    vec![
        (
            "service.drain",
            settings.service.drain,
            second,
            Period::minutes(10),
        ),
        (
            "admin.probe_timeout",
            settings.admin.probe_timeout,
            Period::milliseconds(100),
            Period::minutes(1),
        ),
        (
            "catalog.connect_timeout",
            settings.catalog.connect_timeout,
            second,
            Period::hours(1),
        ),
        (
            "auth.token_idle",
            settings.auth.token_idle,
            Period::minutes(1),
            Period::days(90),
        ),
        (
            "history.retention",
            settings.history.retention,
            day,
            Period::days(3650),
        ),
        (
            "flight.ticket_life",
            settings.flight.ticket_life,
            Period::minutes(1),
            day,
        ),
        (
            "flight.kept_result",
            settings.flight.kept_result,
            second,
            day,
        ),
        (
            "engine.queue_wait",
            settings.engine.queue_wait,
            Period::seconds(0),
            Period::hours(1),
        ),
        (
            "serving.wait_timeout",
            serving.wait_timeout,
            second,
            Period::hours(1),
        ),
        (
            "serving.stale_if_error",
            serving.stale_if_error,
            Period::seconds(0),
            Period::days(365),
        ),
        (
            "serving.statement_timeout",
            serving.statement_timeout,
            second,
            day,
        ),
        (
            "serving.session_idle",
            serving.session_idle,
            Period::minutes(1),
            Period::days(7),
        ),
        (
            "serving.unread_life",
            serving.unread_life,
            second,
            Period::hours(1),
        ),
        (
            "serving.catalog_grace",
            serving.catalog_grace,
            Period::seconds(0),
            Period::hours(1),
        ),
        (
            "refresh.poll_interval",
            refresh.poll_interval,
            second,
            Period::hours(1),
        ),
        (
            "refresh.notice_interval",
            refresh.notice_interval,
            Period::milliseconds(100),
            Period::seconds(2),
        ),
        (
            "refresh.heartbeat",
            refresh.heartbeat,
            second,
            Period::minutes(5),
        ),
        (
            "refresh.claim_expiry",
            refresh.claim_expiry,
            Period::seconds(30),
            Period::hours(1),
        ),
        (
            "refresh.retry_base",
            refresh.retry_base,
            Period::milliseconds(10),
            Period::minutes(1),
        ),
        ("refresh.run_timeout", refresh.run_timeout, second, day),
        (
            "refresh.stage1_max_skip",
            refresh.stage1_max_skip,
            second,
            day,
        ),
    ]
}

fn counts(settings: &Settings) -> Result<()> {
    let cases: [(&str, usize, usize, usize); 7] = [
        ("engine.max_running", settings.engine.max_running, 1, 10_000),
        (
            "engine.max_waiting",
            settings.engine.max_waiting,
            0,
            100_000,
        ),
        (
            "engine.loading.max_running",
            settings.engine.loading.max_running,
            1,
            64,
        ),
        ("engine.threads", settings.engine.threads, 0, 1024),
        (
            "serving.max_sessions",
            settings.serving.max_sessions,
            1,
            100_000,
        ),
        ("refresh.workers", settings.refresh.workers, 1, 256),
        ("sync.prefetch", settings.sync.prefetch.unwrap_or(1), 1, 64),
    ];
    for (key, value, least, most) in cases {
        if !(least..=most).contains(&value) {
            return Err(out_of_range(key, &value, &least, &most));
        }
    }
    if settings.refresh.max_retries > 100 {
        return Err(out_of_range(
            "refresh.max_retries",
            &settings.refresh.max_retries,
            &0,
            &100,
        ));
    }
    let message = settings.flight.max_message_bytes;
    if message < Size::mebibytes(4) || message > Size::gibibytes(1) {
        return Err(out_of_range(
            "flight.max_message_bytes",
            &message.0,
            &"4MiB",
            &"1GiB",
        ));
    }
    Ok(())
}

fn fractions(settings: &Settings) -> Result<()> {
    let sample = settings.serving.verify_sample;
    if (0.0..=1.0).contains(&sample) {
        return Ok(());
    }
    Err(out_of_range("serving.verify_sample", &sample, &0, &1))
}

/// A file must outlive every ticket and statement that may still name it (O-8).
fn cleanup_waits_for_readers(settings: &Settings) -> Result<()> {
    let readers = settings.flight.ticket_life.0 + settings.serving.statement_timeout.0;
    match settings.maintenance.cleanup_older_than.0 {
        Some(age) if age < readers => Err(Error::invalid(
            "maintenance.cleanup_older_than is less than flight.ticket_life + serving.statement_timeout",
        )
        .with_remedy(format!(
            "a statement could lose its files: raise it to at least {}",
            Period(readers)
        ))),
        _ => Ok(()),
    }
}

fn out_of_range(
    key: &str,
    value: &dyn std::fmt::Display,
    least: &dyn std::fmt::Display,
    most: &dyn std::fmt::Display,
) -> Error {
    Error::invalid(format!("{key} is {value}"))
        .with_remedy(format!("it must be between {least} and {most}"))
}
