//! The scheduler (C-13, G-10).

use std::time::Duration;

use ducksync_core::{
    Error,
    dataset::QueryCache,
    run::{RunStatus, RunTrigger},
};

use crate::{
    FeedsConfig,
    testing::{Bench, cache},
};

fn every(seconds: u64) -> QueryCache {
    QueryCache {
        named_tables: Vec::new(),
        plain_texts: Vec::new(),
        changes: None,
        refresh_every: Some(Duration::from_secs(seconds)),
        ..cache()
    }
}

async fn until(bench: &Bench, condition: impl Fn(&Bench) -> bool) {
    tokio::time::timeout(Duration::from_secs(7200), async {
        while !condition(bench) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn c13_a_new_cache_is_loaded_and_then_checked_at_its_interval() {
    let bench = Bench::with(every(60), FeedsConfig::default());
    until(&bench, |bench| bench.world.dataset(bench.id).head.is_some()).await;
    assert_eq!(bench.world.runs()[0].trigger, RunTrigger::Initial);
    let start = tokio::time::Instant::now();
    until(&bench, |bench| bench.world.runs().len() == 2).await;
    let waited = start.elapsed();
    assert!(waited < Duration::from_secs(66), "{waited:?}");
    until(&bench, |bench| {
        bench.world.runs()[1].status == RunStatus::Skipped
    })
    .await;
    assert_eq!(bench.world.runs()[1].trigger, RunTrigger::Scheduled);
    let avoided = bench.feeds.counters().loads_avoided.each();
    assert_eq!(avoided, [("prod".to_owned(), 1)]);
    bench.source.commit("ORDERS");
    until(&bench, |bench| bench.loads() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn c13_a_cache_without_interval_is_left_alone() {
    let bench = Bench::with(cache(), FeedsConfig::default());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(bench.world.runs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn g10_an_unreachable_source_is_asked_ever_less_and_recovers_by_itself() {
    let bench = Bench::with(every(10), FeedsConfig::default());
    let down = || Error::unavailable("the source is unreachable");
    bench.steps.fail("describe", (0..40).map(|_| down()));
    until(&bench, |bench| bench.world.dataset(bench.id).head.is_some()).await;
    let runs = bench.world.runs();
    assert_eq!(
        runs.len(),
        11,
        "ten failed runs of four tries each, then one that worked"
    );
    assert_eq!(runs[1].trigger, RunTrigger::Retry);
    let pauses = runs
        .windows(2)
        .map(|pair| pair[1].started_at - pair[0].started_at);
    let pauses: Vec<_> = pauses.map(|pause| pause.num_seconds()).collect();
    assert!(pauses[9] > 500, "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause < 660), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn g6_the_scheduler_leaves_a_dataset_to_the_process_that_runs_it() {
    let bench = Bench::new(every(3600));
    bench.steps.hold("submit");
    let waiter = bench.spawn(bench.request()).await;
    bench.steps.taken("submit", 1).await;
    let (_other, _) = bench.another_scheduling();
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.steps.let_go("submit");
    assert_eq!(waiter.await.unwrap().status, RunStatus::Completed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.loads(), 1);
    assert_eq!(bench.world.runs().len(), 1);
}
