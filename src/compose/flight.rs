//! Flight servers: alike behind configured doors and behind those that are opened later.

use std::time::Duration;

use ducksync_core::{Error, Result, secret::SecretText};
use ducksync_flight::{FlightConfig, FlightParts, FlightServer, TlsConfig};

use super::doors::{self, Door};
use crate::config::Config;

/// A server for `door`; see [`FlightConfig::linger`].
///
/// # Errors
/// `FailedPrecondition` if certificate or key are not there or cannot be read.
pub(super) fn server(
    config: &Config,
    door: &Door,
    parts: FlightParts,
    linger: Duration,
) -> Result<FlightServer> {
    let settings = FlightConfig {
        max_message_bytes: usize::try_from(config.flight.max_message_bytes.0).unwrap_or(usize::MAX),
        drain: config.service.drain.0,
        linger,
        tls: door.tls.then(|| tls(config)).transpose()?,
        ..FlightConfig::default()
    };
    Ok(FlightServer::new(settings, parts))
}

fn tls(config: &Config) -> Result<TlsConfig> {
    let flight = &config.flight;
    let pair = flight
        .tls_cert
        .as_deref()
        .zip(flight.tls_key_file.as_deref());
    let (certificate, key) = pair.ok_or_else(|| {
        Error::failed_precondition("the server has no certificate for grpc+tls://")
            .with_remedy("set flight.tls_cert and flight.tls_key_file, and start it again")
    })?;
    let authority = flight.client_ca.as_deref();
    Ok(TlsConfig {
        certificate: doors::read_pem("flight.tls_cert", certificate)?,
        key: SecretText::new(doors::read_pem("flight.tls_key_file", key)?),
        client_ca: authority
            .map(|path| doors::read_pem("flight.client_ca", path))
            .transpose()?,
    })
}
