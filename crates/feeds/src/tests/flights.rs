//! Single flight within a process (G-6).

use std::time::Duration;

use ducksync_core::{
    dataset::QueryCache,
    run::{RunReason, RunRequests, RunStatus},
};

use crate::testing::{Bench, cache};

#[tokio::test(start_paused = true)]
async fn a12_fifty_reads_of_an_expired_cache_are_one_load() {
    let bench = Bench::new(QueryCache {
        ttl: Some(Duration::from_secs(60)),
        ..cache()
    });
    bench.refresh().await;
    bench.pass(60).await;
    bench.steps.clear();
    bench.steps.hold("submit");
    let mut readers = Vec::new();
    for _ in 0..50 {
        readers.push(bench.spawn(bench.read_request()).await);
    }
    bench.steps.taken("submit", 2).await;
    bench.steps.let_go("submit");
    let mut runs = std::collections::HashSet::new();
    for reader in readers {
        let result = reader.await.unwrap();
        assert_eq!(result.reason, Some(RunReason::TtlExpired));
        runs.insert(result.run);
    }
    assert_eq!(runs.len(), 1);
    assert_eq!(bench.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn g6_fifty_refreshes_before_the_reading_begins_are_one_load() {
    let bench = Bench::new(cache());
    bench.steps.hold("claim");
    let mut waiters = Vec::new();
    for _ in 0..50 {
        waiters.push(bench.spawn(bench.request()).await);
    }
    bench.steps.taken("claim", 1).await;
    bench.steps.let_go("claim");
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().status, RunStatus::Completed);
    }
    assert_eq!(bench.loads(), 1);
    assert_eq!(bench.steps.count("tokens"), 1);
}

#[tokio::test(start_paused = true)]
async fn g6_a_refresh_during_the_reading_gets_a_follow_up_that_all_later_ones_share() {
    let bench = Bench::new(cache());
    bench.steps.hold("submit");
    let first = bench.spawn(bench.request()).await;
    bench.steps.taken("submit", 1).await;
    bench.source.commit("ORDERS");
    let second = bench.spawn(bench.request()).await;
    let third = bench.spawn(bench.request()).await;
    let reader = bench.spawn(bench.read_request()).await;
    bench.steps.let_go("submit");
    let (first, second, third, reader) = (
        first.await.unwrap(),
        second.await.unwrap(),
        third.await.unwrap(),
        reader.await.unwrap(),
    );
    assert_eq!(reader.run, first.run, "a read takes what is on its way");
    assert_ne!(second.run, first.run);
    assert_eq!(second.run, third.run);
    assert_eq!(second.reason, Some(RunReason::SourceChanged));
    assert_eq!(bench.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn g6_a_force_that_joins_before_the_reading_forces_the_run() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    bench.steps.hold("claim");
    let first = bench.spawn(bench.request()).await;
    bench.steps.taken("claim", 2).await;
    let forced = bench.spawn(bench.forced()).await;
    bench.steps.let_go("claim");
    let (first, forced) = (first.await.unwrap(), forced.await.unwrap());
    assert_eq!(first.run, forced.run);
    assert_eq!(forced.reason, Some(RunReason::Forced));
    assert_eq!(bench.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn g6_a_leaving_waiter_does_not_stop_the_others() {
    let bench = Bench::new(cache());
    bench.steps.hold("submit");
    let leaving = bench.spawn(bench.read_request()).await;
    bench.steps.taken("submit", 1).await;
    let staying = bench.spawn(bench.read_request()).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    bench.steps.let_go("submit");
    assert_eq!(staying.await.unwrap().status, RunStatus::Completed);
    assert_eq!(bench.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn g6_the_run_stops_at_the_source_when_the_last_waiter_leaves() {
    let bench = Bench::new(cache());
    bench.steps.hold("submit");
    let waiters = [
        bench.spawn(bench.read_request()).await,
        bench.spawn(bench.read_request()).await,
    ];
    bench.steps.taken("submit", 1).await;
    waiters.iter().for_each(|waiter| waiter.abort());
    for waiter in waiters {
        assert!(waiter.await.unwrap_err().is_cancelled());
    }
    bench.feeds.cancel(bench.id).await;
    assert_eq!(bench.steps.count("dropped submit"), 1);
    assert_eq!(bench.world.runs()[0].status, RunStatus::Cancelled);
    assert!(bench.world.no_claims());
    bench.steps.let_go("submit");
    assert_eq!(bench.refresh().await.0, RunStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn g6_a_follow_up_without_waiters_is_not_run() {
    let bench = Bench::new(cache());
    bench.steps.hold("submit");
    let first = bench.spawn(bench.request()).await;
    bench.steps.taken("submit", 1).await;
    let second = bench.spawn(bench.request()).await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    bench.steps.let_go("submit");
    first.await.unwrap();
    bench.feeds.shutdown(Duration::from_secs(1)).await;
    assert_eq!(bench.world.runs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn c1_a_started_run_goes_on_without_waiters_and_is_recorded_whatever_comes_of_it() {
    let bench = Bench::new(cache());
    bench.steps.hold("submit");
    let run = bench.feeds.start(bench.request()).await.unwrap();
    bench.steps.taken("submit", 1).await;
    assert_ne!(
        bench.feeds.start(bench.request()).await.unwrap(),
        run,
        "a follow-up"
    );
    bench.steps.let_go("submit");
    let joined = bench.run(bench.read_request()).await;
    assert_eq!(joined.run, Some(run));
    bench
        .world
        .edit(bench.id, |dataset| dataset.suspended = true);
    let skipped = bench.feeds.start(bench.request()).await.unwrap();
    bench.feeds.shutdown(Duration::from_secs(1)).await;
    let runs = bench.world.runs();
    let row = runs.iter().find(|row| row.id == skipped).unwrap();
    assert_eq!(
        (row.status, row.reason),
        (RunStatus::Skipped, Some(RunReason::Suspended))
    );
}

#[tokio::test(start_paused = true)]
async fn g5_drop_cancels_the_run_and_its_files_go() {
    let bench = Bench::new(cache());
    bench.steps.hold("staged");
    let waiter = bench.spawn(bench.request()).await;
    bench.steps.taken("staged", 1).await;
    bench.feeds.cancel(bench.id).await;
    bench.world.forget(bench.id);
    assert_eq!(waiter.await.unwrap().status, RunStatus::Cancelled);
    assert_eq!(bench.steps.count("dropped staged"), 1);
    assert_eq!(bench.steps.count("publish"), 0);
    assert_eq!(bench.steps.count("abort q1"), 1);
    assert!(bench.world.no_claims());
}

#[tokio::test(start_paused = true)]
async fn o1_no_more_runs_work_at_once_than_there_are_workers() {
    let config = crate::FeedsConfig {
        schedule: false,
        workers: 2,
        ..Default::default()
    };
    let bench = Bench::with(cache(), config);
    let ids: Vec<_> = (0..5)
        .map(|n| bench.world.define(&format!("c{n}"), cache()))
        .collect();
    bench.steps.hold("submit");
    for dataset in ids {
        let request = ducksync_core::run::RunRequest {
            dataset,
            ..bench.request()
        };
        bench.feeds.start(request).await.unwrap();
    }
    bench.steps.taken("submit", 2).await;
    assert_eq!(bench.steps.count("claim"), 2, "the others hold no claim");
    bench.steps.let_go("submit");
    assert!(
        bench
            .feeds
            .shutdown(Duration::from_secs(5))
            .await
            .is_empty()
    );
    assert_eq!(bench.loads(), 5);
}

#[tokio::test(start_paused = true)]
async fn o6_shutdown_lets_runs_publish_then_aborts_them_and_names_them() {
    let bench = Bench::new(cache());
    bench.steps.hold("submit");
    let waiter = bench.spawn(bench.request()).await;
    bench.steps.taken("submit", 1).await;
    let aborted = bench.feeds.shutdown(Duration::from_secs(5)).await;
    assert_eq!(aborted, ["prod.sales"]);
    assert_eq!(waiter.await.unwrap().status, RunStatus::Cancelled);
    assert!(bench.world.no_claims());
    let error = bench
        .feeds
        .bring_up_to_date(bench.request())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ducksync_core::ErrorKind::Unavailable);
}
