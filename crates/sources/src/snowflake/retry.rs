//! How often, and after how long, a request is repeated (G-10).
//!
//! Repeating is safe because a statement is known to Snowflake by its request id: a repeated request
//! with the same id joins the first one instead of running the statement again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{
    StatusCode,
    header::{self, HeaderMap},
};

/// Waits that double up to a cap, each shortened by chance so that many clients do not come at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    /// Tries after the first.
    pub(super) retries: u32,
    /// The first wait.
    pub(super) first: Duration,
    /// The longest wait.
    pub(super) cap: Duration,
    /// The longest wait that a server can ask for.
    pub(super) longest_asked: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 3,
            first: Duration::from_secs(1),
            cap: Duration::from_secs(60),
            longest_asked: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// The same number of tries with waits that a test can afford.
    pub(super) fn quick() -> Self {
        Self {
            first: Duration::from_millis(5),
            cap: Duration::from_millis(50),
            longest_asked: Duration::from_secs(2),
            ..Self::default()
        }
    }

    /// Waits before try `retry` (1 for the first repetition), and at least for as long as the server
    /// asked, within bounds.
    pub(super) async fn wait(&self, retry: u32, asked: Option<Duration>) {
        let own = self.longest(retry).mul_f64(rand::random_range(0.5..=1.0));
        let asked = asked.unwrap_or_default().min(self.longest_asked);
        tokio::time::sleep(own.max(asked)).await;
    }

    fn longest(&self, retry: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(retry.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.cap)
    }
}

/// Whether a status says that the same request may succeed in a moment.
pub(super) fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// How long a reply asks to be left alone, in seconds or until an instant.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let asked = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(asked).ok()?;
    until.signed_duration_since(now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_a_server_may_say_for_how_long() {
        let now = DateTime::parse_from_rfc3339("2026-11-27T12:00:00Z")
            .unwrap()
            .to_utc();
        let asked = |text: &'static str| {
            let header = (header::RETRY_AFTER, header::HeaderValue::from_static(text));
            retry_after(&[header].into_iter().collect(), now)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        let later = asked("Fri, 27 Nov 2026 12:00:30 GMT");
        assert_eq!(later, Some(Duration::from_secs(30)));
        assert_eq!(asked("Fri, 27 Nov 2026 11:00:00 GMT"), None);
        assert_eq!(asked("soon"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn g10_what_a_server_asks_for_is_honoured_within_bounds() {
        let policy = RetryPolicy::default();
        for (asked, least, most) in [
            (None, 500, 1000),
            (Some(7), 7000, 7001),
            (Some(3600), 60_000, 60_001),
        ] {
            let start = tokio::time::Instant::now();
            policy.wait(1, asked.map(Duration::from_secs)).await;
            let waited = start.elapsed().as_millis();
            assert!(
                (least..=most + 1).contains(&waited),
                "{asked:?}: {waited} ms"
            );
        }
    }

    #[test]
    fn g10_waits_double_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let seconds: Vec<u64> = (1..=8)
            .map(|retry| policy.longest(retry).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn g10_only_passing_troubles_are_repeated() {
        assert!(is_transient(StatusCode::SERVICE_UNAVAILABLE));
        assert!(is_transient(StatusCode::TOO_MANY_REQUESTS));
        assert!(!is_transient(StatusCode::FORBIDDEN));
        assert!(!is_transient(StatusCode::INTERNAL_SERVER_ERROR));
    }
}
