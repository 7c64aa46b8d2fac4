//! `grpc.health.v1`: outside authentication, true to what the engine says.

use std::{sync::Arc, time::Duration};

use ducksync_core::{Error, Result};
use ducksync_query::Query;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{info, warn};

/// The names that load balancers ask for: the server as a whole, and Flight.
const SERVICES: [&str; 2] = ["", "arrow.flight.protocol.FlightService"];

/// Asks the engine again and again and reports what it says; ends only when it is dropped. An engine
/// that does not answer within one interval is not serving, nor is a server that shuts down.
pub(crate) async fn watch(
    query: Arc<Query>,
    reporter: HealthReporter,
    every: Duration,
    shutdown: CancellationToken,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut healthy = true;
    while !shutdown.is_cancelled() {
        let probed = async {
            ticks.tick().await;
            probe(&query, every).await
        };
        let Some(now) = shutdown.run_until_cancelled(probed).await else {
            break;
        };
        match &now {
            Ok(()) if !healthy => info!("the engine answers again"),
            Err(error) if healthy => warn!("the server is not healthy: {error}"),
            Ok(()) | Err(_) => {}
        }
        healthy = now.is_ok();
        report(&reporter, healthy).await;
    }
    report(&reporter, false).await;
    std::future::pending().await
}

async fn probe(query: &Query, limit: Duration) -> Result<()> {
    timeout(limit, query.probe()).await.unwrap_or_else(|_| {
        Err(Error::unavailable(format!(
            "the engine did not answer within {limit:?}"
        )))
    })
}

/// Tells whether the server serves.
async fn report(reporter: &HealthReporter, serving: bool) {
    let status = if serving {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}
