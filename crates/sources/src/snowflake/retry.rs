//! How often, and after how long, a request is repeated (G-10).
//!
//! Repeating is safe because a statement is known to Snowflake by its request id: a repeated request
//! with the same id joins the first one instead of running the statement again.

use std::time::Duration;

use reqwest::StatusCode;

/// Waits that double up to a cap, each shortened by chance so that many clients do not come at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    /// Tries after the first.
    pub(super) retries: u32,
    /// The first wait.
    pub(super) first: Duration,
    /// The longest wait.
    pub(super) cap: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: 3,
            first: Duration::from_secs(1),
            cap: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// The same number of tries with waits that a test can afford.
    pub(super) fn quick() -> Self {
        Self {
            first: Duration::from_millis(5),
            cap: Duration::from_millis(50),
            ..Self::default()
        }
    }

    /// Waits before try `retry` (1 for the first repetition).
    pub(super) async fn wait(&self, retry: u32) {
        let share = rand::random_range(0.5..=1.0);
        tokio::time::sleep(self.longest(retry).mul_f64(share)).await;
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

#[cfg(test)]
mod tests {
    use super::*;

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
