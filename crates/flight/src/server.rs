//! A Flight server on a socket that its caller owns.

use std::{sync::Arc, time::Duration};

use arrow_flight::flight_service_server::FlightServiceServer;
use ducksync_core::{Error, Result, auth::Authenticator};
use ducksync_query::Query;
use futures::{FutureExt, future::BoxFuture};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{
    Certificate, Identity, Server, ServerTlsConfig,
    server::{Router, TcpIncoming},
};
use tonic_health::pb::health_server::{Health, HealthServer};
use tracing::warn;

use crate::{
    call::Shared,
    config::{FlightConfig, TlsConfig},
    health,
    service::FlightSql,
    socket::{self, Ending},
};

/// How much a client may upload before it must wait for the server to read on.
const STREAM_WINDOW: u32 = 4 << 20;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// What a Flight server answers with.
#[derive(Clone)]
pub struct FlightParts {
    /// Statements and commands.
    pub query: Arc<Query>,
    /// Says who calls.
    pub authenticator: Arc<dyn Authenticator>,
}

/// A Flight server: `run` it on as many sockets as there are.
pub struct FlightServer {
    config: FlightConfig,
    parts: FlightParts,
    shared: Arc<Shared>,
}

impl FlightServer {
    /// A server that listens nowhere yet.
    pub fn new(config: FlightConfig, parts: FlightParts) -> Self {
        let FlightParts {
            query,
            authenticator,
        } = parts.clone();
        let shared = Arc::new(Shared::new(query, authenticator, config.max_message_bytes));
        Self {
            config,
            parts,
            shared,
        }
    }

    /// Answers on `listener` until `shutdown`; then takes no new connections and lets calls in flight
    /// end, for at most the drain time. What is cut off then is an error to its client, never a short
    /// result.
    ///
    /// # Errors
    /// `InvalidArgument` if certificate or key cannot be used.
    pub fn serve(&self, listener: TcpListener, shutdown: CancellationToken) -> Result<Serving> {
        let (reporter, health_service) = tonic_health::server::health_reporter();
        let router = self.router(health_service)?;
        let socket = TcpIncoming::from(listener)
            .with_nodelay(Some(true))
            .with_keepalive(Some(self.config.keepalive));
        let (closed, cut) = (CancellationToken::new(), CancellationToken::new());
        let connections = socket::connections(
            socket,
            Ending {
                closing: shutdown.clone(),
                closed: closed.clone().drop_guard(),
                cut: cut.clone(),
            },
        );
        let (gone, linger) = (closed.clone(), self.config.linger);
        let goodbye = async move {
            gone.cancelled().await;
            tokio::time::sleep(linger).await;
        };
        let query = self.parts.query.clone();
        let watching = health::watch(
            query.clone(),
            reporter,
            self.config.probe_interval,
            shutdown.clone(),
        );
        let drained = drained(query, self.config.drain, shutdown);
        let ended = async move {
            let _cut_at_the_end = cut.drop_guard();
            tokio::select! {
                served = router.serve_with_incoming_shutdown(connections, goodbye) => served
                    .map_err(|error| {
                        Error::unavailable("the Flight server's socket failed").with_source(error)
                    }),
                () = watching => Ok(()),
                () = drained => Ok(()),
            }
        };
        Ok(Serving {
            closed,
            ended: ended.boxed(),
        })
    }

    fn router(&self, health: HealthServer<impl Health>) -> Result<Router> {
        let flight = FlightServiceServer::new(FlightSql::new(self.shared.clone()))
            .max_decoding_message_size(self.config.max_message_bytes);
        let mut server = Server::builder()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(self.config.max_concurrent_streams)
            .http2_max_header_list_size(self.config.max_header_bytes)
            .http2_keepalive_interval(Some(self.config.keepalive))
            .http2_keepalive_timeout(Some(Duration::from_secs(20)));
        if let Some(tls) = &self.config.tls {
            server = server.tls_config(identity(tls)).map_err(|error| {
                Error::invalid("the TLS certificate or its key cannot be used")
                    .with_source(error)
                    .with_remedy("check flight.tls_cert and flight.tls_key_file: PEM, and a pair")
            })?;
        }
        Ok(server.add_service(health).add_service(flight))
    }
}

/// A server that answers on a socket while [`Serving::ended`] is awaited.
pub struct Serving {
    closed: CancellationToken,
    ended: BoxFuture<'static, Result<()>>,
}

impl Serving {
    /// Tells that the socket is closed, while calls may still be in flight.
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    /// Answers until the end.
    ///
    /// # Errors
    /// `Unavailable` if the socket fails.
    pub async fn ended(self) -> Result<()> {
        self.ended.await
    }
}

/// Ends when calls in flight have had their time to end after `shutdown`.
async fn drained(query: Arc<Query>, drain: Duration, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(drain).await;
    warn!(
        sessions = query.sessions().count(),
        ?drain,
        "calls were still running at the end of the drain time and are cut off"
    );
}

fn identity(tls: &TlsConfig) -> ServerTlsConfig {
    let identity = Identity::from_pem(&tls.certificate, tls.key.expose());
    let config = ServerTlsConfig::new().identity(identity);
    match &tls.client_ca {
        Some(authority) => config.client_ca_root(Certificate::from_pem(authority)),
        None => config,
    }
}
