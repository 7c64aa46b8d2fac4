//! Starts runs of datasets whose `refresh_every` is over (C-13, G-10).
//!
//! Looks periodically, and at once when a definition changed or a run ended. It only ever has as many
//! runs waiting as may be at work: what is due beyond that is due at the next look too.
//!
//! The checks of one source fall due at the same moments ([`crate::due`]), so that their questions travel
//! in the same statements (C-9).

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use ducksync_core::{dataset::Dataset, run::RunTrigger, time::Instant};

use super::Inner;
use crate::{
    decide::Wanted,
    due::next_check,
    runs::flight::{Demand, Interest},
};

/// Looks come at least this far apart, however many publishes are heard of.
const BREATH: Duration = Duration::from_millis(100);

pub(super) async fn run(feeds: Arc<Inner>) {
    let mut versions = feeds.services.versions.subscribe();
    loop {
        look(&feeds);
        tokio::time::sleep(BREATH.min(feeds.config.poll_interval)).await;
        tokio::select! {
            () = tokio::time::sleep(feeds.config.poll_interval) => {}
            () = feeds.signal.notified() => {}
            Ok(()) = versions.changed() => {}
        }
    }
}

/// Starts what is due, longest overdue first.
fn look(feeds: &Arc<Inner>) {
    let lake = feeds.services.versions.current();
    let now = feeds.services.clock.now();
    feeds.forget_attempts(|id| lake.datasets.contains_key(id));
    let mut due: Vec<(Instant, &Arc<Dataset>)> = lake
        .datasets
        .values()
        .filter_map(|dataset| {
            let next = next_check(dataset, feeds.last_attempt(dataset.id))?;
            Some((next, dataset))
        })
        .filter(|(next, dataset)| *next <= now && !feeds.flights.has(dataset.id))
        .collect();
    feeds.counters.due.store(due.len() as u64, Relaxed);
    due.sort_by_key(|(next, dataset)| (*next, dataset.id));
    due.into_iter()
        .map(|(_, dataset)| dataset)
        .filter(|dataset| source_admits(feeds, dataset, now))
        .take(feeds.checks.available_permits())
        .for_each(|dataset| start(feeds, dataset));
}

fn source_admits(feeds: &Inner, dataset: &Dataset, now: Instant) -> bool {
    let breakers = &feeds.services.breakers;
    dataset
        .query_cache()
        .is_some_and(|cache| breakers.admits(&cache.source, now))
}

fn start(feeds: &Arc<Inner>, dataset: &Dataset) {
    let trigger = match (&dataset.head, &dataset.last_failure) {
        (_, Some(_)) => RunTrigger::Retry,
        (None, None) => RunTrigger::Initial,
        (Some(_), None) => RunTrigger::Scheduled,
    };
    let demand = Demand {
        trigger,
        wanted: Wanted {
            check: true,
            ..Wanted::default()
        },
        read_after: None,
    };
    drop(feeds.take_off(dataset.id, demand, Interest::Scheduled));
}
