//! `ducksync serve`, as a story: open the doors, compose the parts, answer, end in order (O-6).

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use ducksync_core::{Error, Result};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Admin,
    cli::Outcome,
    compose::{self, Door, Doors, Parts},
    config::Config,
    life::Life,
    logs,
};

/// How long tasks that nobody waits for may take to notice the end of the process.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Runs the server until a signal ends it.
///
/// # Errors
/// What kept it from starting, or what broke while it ran, with the remedy.
pub(crate) fn run(config: Config) -> Result<Outcome> {
    logs::start(&config.logs)?;
    for key in &config.inert {
        tracing::warn!(key, "this key is set and has no effect yet");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::unavailable("starting the runtime failed").with_source(error))?;
    let outcome = runtime.block_on(until_killed(config));
    runtime.shutdown_timeout(LAST_MOMENT);
    outcome
}

async fn until_killed(config: Config) -> Result<Outcome> {
    let life = Life::begin()?;
    tokio::select! {
        outcome = Box::pin(live(&config, &life)) => outcome,
        () = life.killed.cancelled() => {
            tracing::warn!("ended at once; runs and transactions in flight are undone by the next start");
            Ok(Outcome::Failed)
        }
    }
}

async fn live(config: &Config, life: &Life) -> Result<Outcome> {
    let doors = Doors::open(config).await?;
    let (show, shown) = watch::channel(None);
    let stop_admin = CancellationToken::new();
    let _stop_admin_at_the_end = stop_admin.clone().drop_guard();
    if let Some(listener) = doors.admin {
        let admin = Admin::new(shown, config.probe_timeout, life.ending.clone());
        tokio::spawn(admin.serve(listener, stop_admin));
    }
    loop {
        let composing = life
            .ending
            .run_until_cancelled(Box::pin(compose::compose(config, &doors.flight)));
        let Some(parts) = composing.await else {
            return Ok(Outcome::Done);
        };
        let parts = Arc::new(parts?);
        show.send_replace(Some(parts.clone()));
        let ended = answer(config, &parts, &doors.flight, life).await;
        // Nobody but us may hold the old parts when new ones are made: a catalog has one owner.
        show.send_replace(None);
        drop(parts);
        match ended? {
            Ended::Moved => tracing::info!("the storage was moved; serving from its new place"),
            Ended::Asked(outcome) => return Ok(outcome),
        }
    }
}

/// Why a server stopped answering.
enum Ended {
    /// By a signal.
    Asked(Outcome),
    /// The storage was moved (C-2).
    Moved,
}

/// Answers until a signal, a move of the storage or a broken socket ends it, in order.
async fn answer(config: &Config, parts: &Parts, doors: &[Door], life: &Life) -> Result<Ended> {
    // Its own token: the servers are told to end after it was noted why.
    let ending = CancellationToken::new();
    let mut flight = JoinSet::new();
    for door in doors {
        flight.spawn(parts.serve(config, door, ending.clone())?.ended());
    }
    announce(doors);
    let broken = tokio::select! {
        () = life.ending.cancelled() => None,
        () = parts.moved().cancelled() => None,
        Some(ended) = flight.join_next() => Some(why(ended)),
    };
    ending.cancel();
    let outcome = end(config, parts, flight).await?;
    match broken {
        Some(error) => Err(error),
        None if life.ending.is_cancelled() => Ok(Ended::Asked(outcome)),
        None => Ok(Ended::Moved),
    }
}

/// Says where to connect: programs wait for this line.
fn announce(doors: &[Door]) {
    for door in doors {
        tracing::info!(url = %door.url, "serving Flight SQL");
    }
    if let Some(door) = doors.first() {
        let mut out = io::stdout();
        // Nobody may be listening to stdout; that is no reason not to serve.
        let _ = writeln!(out, "ducksync ready {}", door.url).and_then(|()| out.flush());
    }
}

/// A Flight server only ends by itself when its socket breaks.
fn why(ended: Result<Result<()>, tokio::task::JoinError>) -> Error {
    match ended {
        Ok(Ok(())) => Error::internal("a Flight listener ended without being asked to"),
        Ok(Err(error)) => error,
        Err(error) => Error::internal("a Flight listener panicked").with_source(error),
    }
}

/// Ends in order: statements and runs side by side, then sessions, then the catalog.
async fn end(config: &Config, parts: &Parts, mut flight: JoinSet<Result<()>>) -> Result<Outcome> {
    let drain = config.service.drain.0;
    tracing::info!(
        drain_seconds = drain.as_secs(),
        "ending: no new statements, no new runs"
    );
    let statements = async {
        while let Some(ended) = flight.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::warn!(%error, "a Flight listener did not end well");
            }
        }
    };
    let (aborted, (), ()) = tokio::join!(
        parts.feeds.shutdown(drain),
        statements,
        parts.extra_doors.end()
    );
    parts.close().await?;
    Ok(match aborted.is_empty() {
        true => {
            tracing::info!("ended");
            Outcome::Done
        }
        false => {
            tracing::warn!(datasets = ?aborted, "ended; the runs of these datasets were aborted");
            Outcome::Partial
        }
    })
}
