//! Health and metrics over HTTP (O-3, O-4), for orchestrators and Prometheus.
//!
//! `/livez` the process answers; `/readyz` catalog, data path and engine answer in time; `/health` the
//! same with every dataset, as JSON; `/metrics` Prometheus' text. There is no login here, so nothing
//! is shown but names, ages and counts, and nothing can be changed. It reads the same services as
//! Flight does, and holds no state of its own but the last probe.

mod exposition;
mod health;
mod metrics;
mod probe;

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use ducksync_core::{Error, Result};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use self::probe::{Probes, Readiness};
use crate::compose::Parts;

/// What the admin server is told.
#[derive(Clone)]
pub(crate) struct Admin {
    probes: Arc<Probes>,
}

impl Admin {
    /// An admin server that shows the newest of `parts` until `ending`.
    pub(crate) fn new(
        parts: watch::Receiver<Option<Arc<Parts>>>,
        probe_timeout: std::time::Duration,
        ending: CancellationToken,
    ) -> Self {
        Self {
            probes: Arc::new(Probes::new(parts, probe_timeout, ending)),
        }
    }

    /// Answers on `listener` until `stop`.
    ///
    /// # Errors
    /// `Unavailable` if the socket fails.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        let routes = Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/health", get(show_health))
            .route("/metrics", get(show_metrics))
            .with_state(self);
        axum::serve(listener, routes)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
            .map_err(|error| {
                Error::unavailable("serving health over HTTP failed").with_source(error)
            })
    }
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let readiness = admin.probes.readiness().await;
    (status(&readiness), readiness.to_string()).into_response()
}

async fn show_health(State(admin): State<Admin>) -> Response {
    let readiness = admin.probes.readiness().await;
    let health = health::health(
        &readiness,
        admin.probes.parts().as_deref(),
        admin.probes.uptime(),
    );
    (StatusCode::OK, axum::Json(health)).into_response()
}

async fn show_metrics(State(admin): State<Admin>) -> Response {
    let text = metrics::metrics(admin.probes.parts().as_deref(), admin.probes.uptime());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

fn status(readiness: &Readiness) -> StatusCode {
    match readiness.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}
