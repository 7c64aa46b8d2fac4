//! Retry, quarantine, breaker (G-9, G-10).

use std::time::Duration;

use ducksync_core::{
    Error,
    dataset::{Feed, QueryCache},
    error::FailureClass,
    run::{RunReason, RunRequests, RunStatus},
};

use crate::testing::{Bench, PublishFault, cache};

fn query_error() -> Error {
    Error::invalid("the source rejects the statement")
}

fn down() -> Error {
    Error::unavailable("the source is unreachable")
}

fn resource() -> Error {
    Error::resource_exhausted("the disk is full")
}

#[tokio::test(start_paused = true)]
async fn g10_a_retryable_failure_is_tried_three_times_more_with_growing_pauses() {
    let bench = Bench::new(cache());
    bench
        .steps
        .fail("stage", [resource(), resource(), resource()]);
    let start = tokio::time::Instant::now();
    let result = bench.run(bench.request()).await;
    assert_eq!(result.status, RunStatus::Completed);
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(3500) && took <= Duration::from_secs(7),
        "{took:?}"
    );
    assert_eq!(bench.world.runs()[0].attempts, 4);
    assert_eq!(
        bench.steps.count("tokens"),
        4,
        "each try reads its tokens anew (G-7)"
    );
    assert_eq!(bench.world.runs().len(), 1, "all tries are one run");
}

#[tokio::test(start_paused = true)]
async fn g10_after_the_last_try_the_run_fails_and_old_data_stays() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    bench.steps.fail("stage", (0..4).map(|_| resource()));
    let result = bench.run(bench.forced()).await;
    assert_eq!(result.status, RunStatus::Failed);
    assert_eq!(
        result.failure.as_ref().unwrap().class,
        FailureClass::Resource
    );
    let dataset = bench.world.dataset(bench.id);
    assert_eq!(dataset.failures_in_a_row, 1);
    assert_eq!(dataset.last_failure, result.failure);
    assert_eq!(bench.world.lake().versions[&bench.id].rows(), 3);
    assert!(bench.world.no_claims());
}

#[tokio::test(start_paused = true)]
async fn g10_query_and_permission_failures_are_not_retried() {
    for error in [
        query_error(),
        Error::permission_denied("no access to ORDERS"),
    ] {
        let bench = Bench::new(cache());
        bench.steps.fail("submit", [error]);
        assert_eq!(bench.run(bench.request()).await.status, RunStatus::Failed);
        assert_eq!(bench.loads(), 1);
        assert!(bench.world.dataset(bench.id).quarantine.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn g10_five_failed_runs_in_a_row_quarantine_and_a_success_starts_anew() {
    let bench = Bench::new(cache());
    bench.steps.fail("submit", (0..4).map(|_| query_error()));
    for _ in 0..4 {
        assert_eq!(bench.refresh().await.0, RunStatus::Failed);
    }
    assert_eq!(bench.refresh().await.0, RunStatus::Completed);
    bench.steps.fail("submit", (0..5).map(|_| query_error()));
    for run in 1..=5 {
        assert!(
            bench.world.dataset(bench.id).quarantine.is_none(),
            "before {run}"
        );
        bench.run(bench.forced()).await;
    }
    let reason = bench
        .world
        .dataset(bench.id)
        .quarantine
        .clone()
        .unwrap()
        .reason;
    assert!(
        reason.contains("5 runs in a row") && reason.contains("ducksync_resume"),
        "{reason}"
    );
    assert_eq!(
        bench.refresh().await,
        (RunStatus::Skipped, Some(RunReason::Quarantined))
    );
}

#[tokio::test(start_paused = true)]
async fn g10_one_schema_failure_quarantines_and_force_ends_it() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    bench.source.result(&["n", "N"], 3);
    let failure = bench.run(bench.forced()).await.failure.unwrap();
    assert_eq!(failure.class, FailureClass::Schema);
    assert!(bench.world.dataset(bench.id).quarantine.is_some());
    assert_eq!(
        bench.steps.count("abort q2"),
        1,
        "its statement is stopped at the source"
    );
    bench.source.result(&["n"], 4);
    assert_eq!(bench.run(bench.forced()).await.status, RunStatus::Completed);
    assert!(bench.world.dataset(bench.id).quarantine.is_none());
}

#[tokio::test(start_paused = true)]
async fn g10_an_unreachable_source_never_quarantines() {
    let bench = Bench::new(cache());
    for _ in 0..8 {
        bench.steps.fail("describe", (0..4).map(|_| down()));
        let failure = bench.run(bench.request()).await.failure.unwrap();
        assert_eq!(failure.class, FailureClass::Source);
    }
    let dataset = bench.world.dataset(bench.id);
    assert_eq!(dataset.failures_in_a_row, 8);
    assert!(dataset.quarantine.is_none());
    bench.steps.fail("submit", [query_error()]);
    bench.run(bench.request()).await;
    let dataset = bench.world.dataset(bench.id);
    assert!(
        dataset.quarantine.is_none(),
        "one failure of its own is not five"
    );
}

#[tokio::test(start_paused = true)]
async fn g10_readers_are_answered_at_once_while_the_breaker_is_open() {
    let bench = Bench::new(cache());
    bench.steps.fail("describe", (0..4).map(|_| down()));
    assert_eq!(bench.read().await.0, RunStatus::Failed);
    bench.steps.clear();
    let result = bench.run(bench.read_request()).await;
    assert_eq!(result.failure.unwrap().class, FailureClass::Source);
    assert_eq!((result.run, bench.steps.count("describe")), (None, 0));
    bench.pass(5).await;
    assert_eq!(
        bench.read().await.0,
        RunStatus::Completed,
        "recovered by itself"
    );
}

#[tokio::test(start_paused = true)]
async fn g10_a_manual_refresh_tries_a_source_whose_breaker_is_open() {
    let bench = Bench::new(cache());
    bench.steps.fail("describe", (0..4).map(|_| down()));
    bench.read().await;
    assert_eq!(bench.refresh().await.0, RunStatus::Completed);
    assert_eq!(
        bench
            .feeds
            .inner()
            .services
            .breakers
            .open_until(&cache().source),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn g10_a_catalog_that_is_down_is_not_the_sources_fault() {
    let bench = Bench::new(cache());
    bench.world.fault([PublishFault::Down; 1000]);
    let failure = bench.run(bench.request()).await.failure.unwrap();
    assert_eq!(failure.class, FailureClass::Resource);
    assert_eq!(
        bench
            .feeds
            .inner()
            .services
            .breakers
            .open_until(&cache().source),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn a18_a_source_that_dies_in_the_middle_leaves_the_old_rows() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    bench.source.commit("ORDERS");
    bench.steps.fail("submit", (0..3).map(|_| down()));
    bench.source.break_after(1);
    bench.steps.hold("publish");
    let waiter = bench.spawn(bench.request()).await;
    assert_eq!(
        waiter.await.unwrap().failure.unwrap().class,
        FailureClass::Source
    );
    assert_eq!(bench.world.lake().versions[&bench.id].rows(), 3);
    assert_eq!(
        bench.storage.files().len(),
        1,
        "only those of the old version"
    );
    bench.steps.let_go("publish");
    bench.pass(600).await;
    assert_eq!(bench.refresh().await.0, RunStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn i1_a_load_of_another_row_count_than_the_source_counted_is_never_published() {
    let bench = Bench::new(cache());
    bench.source.count_wrongly(4);
    let failure = bench.run(bench.request()).await.failure.unwrap();
    assert!(failure.message.contains("4 rows"), "{}", failure.message);
    assert_eq!(bench.steps.count("publish"), 0);
    assert!(bench.storage.files().is_empty());
}

#[tokio::test(start_paused = true)]
async fn g10_a_run_ends_when_its_time_is_over() {
    let config = crate::FeedsConfig {
        schedule: false,
        run_timeout: Duration::from_secs(60),
        ..Default::default()
    };
    let bench = Bench::with(cache(), config);
    bench.steps.hold("submit");
    let failure = bench.run(bench.request()).await.failure.unwrap();
    assert!(failure.remedy.unwrap().contains("refresh.run_timeout"));
    assert_eq!(bench.steps.count("dropped submit"), 1);
    assert!(bench.world.no_claims());
}

#[tokio::test(start_paused = true)]
async fn c14_a_definition_that_changes_during_the_run_is_read_anew() {
    let bench = Bench::new(cache());
    bench.steps.hold("staged");
    let waiter = bench.spawn(bench.request()).await;
    bench.steps.taken("staged", 1).await;
    let altered = QueryCache {
        query: "SELECT n FROM customers".into(),
        ..cache()
    };
    let hash = altered.definition_hash();
    bench.world.edit(bench.id, |dataset| {
        dataset.feed = Some(Feed::QueryCache(altered))
    });
    bench.steps.let_go("staged");
    assert_eq!(waiter.await.unwrap().status, RunStatus::Completed);
    let head = bench.world.dataset(bench.id).head.clone().unwrap();
    assert_eq!(head.definition_hash, Some(hash));
    assert_eq!(bench.loads(), 2);
    assert_eq!(
        bench.storage.files().len(),
        1,
        "what was read by the old one is gone"
    );
}

#[tokio::test(start_paused = true)]
async fn g5_a_table_changed_by_another_client_is_quarantined_when_the_publish_conflicts() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    bench.source.commit("ORDERS");
    bench.world.overwrite(bench.id);
    bench.world.fault([PublishFault::Conflict; 4]);
    let failure = bench.run(bench.request()).await.failure.unwrap();
    assert_eq!(failure.class, FailureClass::Conflict);
    let reason = bench
        .world
        .dataset(bench.id)
        .quarantine
        .clone()
        .unwrap()
        .reason;
    assert!(reason.contains("another DuckLake client"), "{reason}");
    assert_eq!(
        bench.storage.files().len(),
        1,
        "lost publishes leave no files"
    );
}

#[tokio::test(start_paused = true)]
async fn g10_a_lost_race_is_run_again() {
    let bench = Bench::new(cache());
    bench.world.fault([PublishFault::Conflict]);
    assert_eq!(bench.refresh().await.0, RunStatus::Completed);
    assert_eq!(bench.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_source_fails_the_run_and_says_so() {
    let bench = Bench::new(QueryCache {
        source: ducksync_core::name::Name::parse("source", "gone").unwrap(),
        ..cache()
    });
    let failure = bench
        .feeds
        .bring_up_to_date(bench.request())
        .await
        .unwrap()
        .failure
        .unwrap();
    assert_eq!(failure.class, FailureClass::Dependency);
}
