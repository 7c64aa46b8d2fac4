//! Starts runs of datasets whose `refresh_every` is over (C-13, G-10).
//!
//! Looks periodically, and at once when a definition changed or a run ended. It only ever has as many
//! runs waiting as may be at work: what is due beyond that is due at the next look too.
//!
//! The checks of one source go together: when one of its datasets is due, those that are nearly due
//! come along, so that their questions travel in the same statements (C-9).

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use ducksync_core::{dataset::Dataset, run::RunTrigger};

use super::Inner;
use crate::{
    decide::Wanted,
    due::{Due, due_soon},
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
    let mut soon: Vec<(Due, String, &Arc<Dataset>)> = Vec::new();
    for dataset in lake.datasets.values() {
        let Some(cache) = dataset.query_cache() else {
            continue;
        };
        let due = due_soon(dataset, feeds.last_attempt(dataset.id), now);
        if let Some(due) = due.filter(|_| !feeds.flights.has(dataset.id)) {
            soon.push((due, cache.source.folded(), dataset));
        }
    }
    let due: HashSet<String> = soon
        .iter()
        .filter(|(due, ..)| due.is_over)
        .map(|(_, source, _)| source.clone())
        .collect();
    let over = soon.iter().filter(|(due, ..)| due.is_over).count();
    feeds.counters.due.store(over as u64, Relaxed);
    soon.retain(|(_, source, _)| due.contains(source));
    soon.sort_by_key(|(due, _, dataset)| (due.at, dataset.id));
    soon.into_iter()
        .map(|(_, _, dataset)| dataset)
        .filter(|dataset| {
            let cache = dataset.query_cache();
            cache.is_some_and(|cache| feeds.services.breakers.admits(&cache.source, now))
        })
        .take(feeds.checks.available_permits())
        .for_each(|dataset| start(feeds, dataset));
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
