//! What the state keeps its word on, on each engine.

mod claims;
mod datasets;
mod definitions;
mod grants;
mod history;
mod savings;
mod upkeep;

use std::time::Duration;

/// Waits until `check` says so; the test fails if it does not within ten seconds.
async fn eventually<F: Future<Output = bool>>(mut check: impl FnMut() -> F) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !check().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("the condition never became true");
}
