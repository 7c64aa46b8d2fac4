//! Limits and settings of the wire; the keys of `[flight]`.

use std::time::Duration;

use ducksync_core::secret::SecretText;

/// Limits and settings of one Flight server.
#[derive(Debug, Clone)]
pub struct FlightConfig {
    /// The largest message taken from a client: a batch of parameters, an action's body.
    pub max_message_bytes: usize,
    /// The largest list of headers taken from a client; JDBC and ODBC send every unknown property of
    /// their URL as one.
    pub max_header_bytes: u32,
    /// Calls at once on one connection.
    pub max_concurrent_streams: u32,
    /// How often a silent connection is asked whether its client still lives; open transactions and
    /// statements of a dead one end then.
    pub keepalive: Duration,
    /// How often the engine is asked for the health service, and how long it may take to answer.
    pub probe_interval: Duration,
    /// How long calls in flight may take to end after shutdown began.
    pub drain: Duration,
    /// How long connections still take new calls after shutdown began: for a client that asked for the
    /// end through the very listener that ends, and has yet to fetch the answer.
    pub linger: Duration,
    /// Encryption; `None` = plain text.
    pub tls: Option<TlsConfig>,
}

impl Default for FlightConfig {
    fn default() -> Self {
        Self {
            max_message_bytes: 64 << 20,
            max_header_bytes: 64 << 10,
            max_concurrent_streams: 1000,
            keepalive: Duration::from_secs(30),
            probe_interval: Duration::from_secs(5),
            drain: Duration::from_secs(30),
            linger: Duration::ZERO,
            tls: None,
        }
    }
}

/// Encryption of a Flight server.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// The certificate chain, PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: SecretText,
    /// Clients must show a certificate of this authority, PEM; `None` = they need none.
    pub client_ca: Option<String>,
}
