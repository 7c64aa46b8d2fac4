//! Logs: one line per event on stderr, as JSON or text (O-5). Nothing here decides what is logged.

use std::{io::IsTerminal, panic};

use ducksync_core::{Error, Result};
use tracing_subscriber::EnvFilter;

use crate::config::Logs;

/// Sends events to stderr, and panics into the log.
///
/// # Errors
/// `InvalidArgument` if `logs.level` cannot be understood.
pub(crate) fn start(logs: &Logs) -> Result<()> {
    let filter = filter(&logs.level)?;
    let events = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match logs.format.as_str() {
        "text" => events.with_ansi(std::io::stderr().is_terminal()).try_init(),
        _ => events.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Error::internal("logging was started twice").with_source(error))?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A bare level is for our own events; those of libraries are shown from `warn` on.
fn filter(level: &str) -> Result<EnvFilter> {
    let directives = match level {
        "trace" | "debug" | "info" | "warn" | "error" | "off" => format!("warn,ducksync={level}"),
        directives => directives.to_owned(),
    };
    EnvFilter::try_new(directives).map_err(|error| {
        Error::invalid(format!("logs.level {level:?} cannot be understood: {error}"))
            .with_remedy("use error, warn, info, debug or trace, or directives such as \"info,ducksync_query=debug\"")
    })
}

fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let payload = panic.payload();
    let said = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "no message",
    };
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    tracing::error!(%place, thread, "panicked: {said}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o5_a_bare_level_is_for_our_own_events() {
        assert_eq!(filter("debug").unwrap().to_string(), "ducksync=debug,warn");
        assert_eq!(
            filter("info,h2=trace").unwrap().to_string(),
            "h2=trace,info"
        );
        assert!(
            filter("h2=loud")
                .unwrap_err()
                .to_string()
                .contains("logs.level")
        );
    }
}
