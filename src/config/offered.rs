//! What this version offers: values and listeners that would promise more, or show more, than it does
//! are refused by name.

use ducksync_core::{Error, Result};

use super::{Config, sections::Settings};

/// Refuses values that would promise what this version does not do.
pub(super) fn values(settings: &Settings) -> Result<()> {
    let one_of = |key: &str, value: &str, offered: &[&str], later: &[&str]| {
        if offered.contains(&value) {
            return Ok(());
        }
        let use_these = format!("use {}", offered.join(" or "));
        Err(match later.contains(&value) {
            true => {
                Error::unimplemented(format!("{key} = {value:?} is not offered by this version"))
                    .with_remedy(use_these)
            }
            false => Error::invalid(format!("{key} cannot be {value:?}")).with_remedy(use_these),
        })
    };
    let (service, serving) = (&settings.service, &settings.serving);
    one_of(
        "service.role",
        &service.role,
        &["all"],
        &["serve", "worker", "scheduler"],
    )?;
    one_of("logs.format", &settings.logs.format, &["json", "text"], &[])?;
    one_of("logs.dir", &settings.logs.dir, &[""], &[&settings.logs.dir])?;
    one_of(
        "auth.jwks_url",
        &settings.auth.jwks_url,
        &[""],
        &[&settings.auth.jwks_url],
    )?;
    one_of(
        "serving.consistency",
        &serving.consistency,
        &["cached"],
        &["fresh", "exact"],
    )?;
    one_of(
        "sync.transfer",
        &settings.sync.transfer,
        &["stream"],
        &["staged", "auto"],
    )?;
    if settings.engine.allow_download {
        return Err(
            Error::unimplemented("engine.allow_download is not offered by this version")
                .with_remedy("leave it out; put the extensions into engine.extension_directory"),
        );
    }
    if serving.verify_sample > 0.0 {
        return Err(
            Error::unimplemented("serving.verify_sample is not offered by this version")
                .with_remedy("leave it at 0"),
        );
    }
    Ok(())
}

/// Refuses listeners that would show passwords or rows to a network by accident.
pub(super) fn listeners(config: &Config) -> Result<()> {
    let flight = &config.flight;
    for listen in &config.listen {
        let shown = listen.client_url(listen.port);
        if listen.tls && (flight.tls_cert.is_none() || flight.tls_key_file.is_none()) {
            return Err(Error::invalid(format!("{shown} needs a certificate"))
                .with_remedy("set flight.tls_cert and flight.tls_key_file"));
        }
        if !listen.tls && !listen.is_loopback() && !flight.allow_plaintext {
            return Err(Error::invalid(format!(
                "flight.listen has grpc:// on {}: passwords and rows would cross the network unencrypted",
                listen.host
            ))
            .with_remedy(
                "use grpc+tls://, or set flight.allow_plaintext = true behind a proxy that encrypts",
            ));
        }
    }
    Ok(())
}
