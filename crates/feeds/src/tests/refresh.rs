//! `refresh` by C-5 to C-8, and the acceptance scenarios of it.

use std::time::Duration;

use ducksync_core::{
    dataset::{InvalidationMode, QueryCache, TtlAction},
    run::{RunReason, RunRequests, RunStatus},
};

use crate::testing::{Bench, cache, object};

const DONE: RunStatus = RunStatus::Completed;
const SKIPPED: RunStatus = RunStatus::Skipped;

fn with_ttl(seconds: u64) -> QueryCache {
    QueryCache {
        ttl: Some(Duration::from_secs(seconds)),
        ..cache()
    }
}

#[tokio::test(start_paused = true)]
async fn c5_the_first_refresh_loads_and_the_result_says_what_it_did() {
    let bench = Bench::new(cache());
    let result = bench.run(bench.request()).await;
    assert_eq!(
        (result.status, result.reason),
        (DONE, Some(RunReason::Initial))
    );
    assert_eq!(result.outcome.rows, Some(3));
    assert_eq!(result.outcome.source_query_ids, ["q1"]);
    let version = bench.world.lake().versions[&bench.id].clone();
    assert_eq!(Some(version.run), result.run);
    assert_eq!(Some(version.snapshot), result.outcome.snapshot);
    assert_eq!(version.rows(), 3);
    let proof = bench.world.dataset(bench.id).proof.clone().unwrap();
    assert_eq!(Some(proof.data_timestamp), result.outcome.data_timestamp);
    assert!(bench.world.no_claims());
    assert!(bench.world.staging().is_empty(), "its place is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a2_an_unchanged_source_is_skipped_by_metadata_alone() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    let before = bench.world.dataset(bench.id);
    bench.steps.clear();
    assert_eq!(
        bench.refresh().await,
        (SKIPPED, Some(RunReason::SourceUnchanged))
    );
    assert_eq!(bench.steps.count("tokens"), 1);
    assert_eq!(bench.loads(), 0);
    let after = bench.world.dataset(bench.id);
    assert_eq!(after.head, before.head, "only the proof moves");
    let moved = |d: &ducksync_core::dataset::Dataset| d.proof.clone().unwrap().data_timestamp;
    assert!(moved(&after) > moved(&before));
    assert_eq!(bench.world.runs()[1].status, SKIPPED, "and it is recorded");
}

#[tokio::test(start_paused = true)]
async fn a3_a_changed_table_is_loaded() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    bench.source.commit("ORDERS");
    bench.source.result(&["n"], 5);
    let result = bench.run(bench.request()).await;
    assert_eq!(
        (result.status, result.reason),
        (DONE, Some(RunReason::SourceChanged))
    );
    assert_eq!(result.outcome.rows, Some(5));
    assert_eq!(bench.world.lake().versions[&bench.id].rows(), 5);
}

#[tokio::test(start_paused = true)]
async fn a4_the_end_of_a_ttl_reloads_although_tokens_are_equal() {
    let bench = Bench::new(with_ttl(60));
    bench.refresh().await;
    bench.pass(60).await;
    assert_eq!(bench.refresh().await, (DONE, Some(RunReason::TtlExpired)));
}

#[tokio::test(start_paused = true)]
async fn a4_revalidation_skips_by_equal_tokens_and_renews_the_ttl() {
    let bench = Bench::new(QueryCache {
        ttl_action: TtlAction::Revalidate,
        ..with_ttl(60)
    });
    bench.refresh().await;
    bench.pass(61).await;
    assert_eq!(
        bench.refresh().await,
        (SKIPPED, Some(RunReason::SourceUnchanged))
    );
    let proof = bench.world.dataset(bench.id).proof.clone().unwrap();
    let ttl = proof.expires_at.unwrap() - proof.data_timestamp;
    assert_eq!(ttl.num_seconds(), 60);
    bench.pass(61).await;
    bench.source.commit("ORDERS");
    assert_eq!(bench.refresh().await, (DONE, Some(RunReason::TtlExpired)));
}

#[tokio::test(start_paused = true)]
async fn c6_a_check_does_not_extend_the_ttl() {
    let bench = Bench::new(with_ttl(60));
    bench.refresh().await;
    let end = bench
        .world
        .dataset(bench.id)
        .proof
        .clone()
        .unwrap()
        .expires_at;
    bench.pass(30).await;
    assert_eq!(bench.refresh().await.0, SKIPPED);
    assert_eq!(
        bench
            .world
            .dataset(bench.id)
            .proof
            .clone()
            .unwrap()
            .expires_at,
        end
    );
    bench.pass(30).await;
    assert_eq!(bench.read().await, (DONE, Some(RunReason::TtlExpired)));
}

#[tokio::test(start_paused = true)]
async fn a5_a_commit_between_token_and_load_is_found_by_the_next_refresh() {
    let bench = Bench::new(cache());
    bench.steps.hold("submit");
    let first = bench.spawn(bench.request()).await;
    bench.steps.taken("submit", 1).await;
    bench.source.commit("ORDERS");
    bench.steps.let_go("submit");
    assert_eq!(first.await.unwrap().status, DONE);
    assert_eq!(
        bench.refresh().await,
        (DONE, Some(RunReason::SourceChanged))
    );
    assert_eq!(bench.refresh().await.0, SKIPPED);
}

#[tokio::test(start_paused = true)]
async fn g7_tokens_are_read_before_the_data_also_when_the_load_is_forced() {
    let bench = Bench::new(cache());
    bench.run(bench.forced()).await;
    let places = [
        "describe",
        "tokens",
        "submit",
        "record staging",
        "fetch",
        "stage",
        "publish",
    ]
    .map(|step| bench.steps.place(step));
    assert!(places.is_sorted(), "{:?}", bench.steps.log());
    assert!(
        bench
            .world
            .dataset(bench.id)
            .proof
            .clone()
            .unwrap()
            .tokens
            .tokens
            .contains_key("DB.S.ORDERS")
    );
}

#[tokio::test(start_paused = true)]
async fn a7_manual_mode_loads_with_force_only_and_reads_no_token() {
    let bench = Bench::new(QueryCache {
        invalidation_mode: InvalidationMode::Manual,
        ..cache()
    });
    assert_eq!(
        bench.refresh().await,
        (SKIPPED, Some(RunReason::ManualMode))
    );
    assert_eq!(bench.read().await, (SKIPPED, Some(RunReason::ManualMode)));
    let result = bench.run(bench.forced()).await;
    assert_eq!(
        (result.status, result.reason),
        (DONE, Some(RunReason::Forced))
    );
    assert_eq!(bench.steps.count("tokens"), 0);
}

#[tokio::test(start_paused = true)]
async fn a9_a_change_of_a_similar_name_changes_nothing() {
    let bench = Bench::new(QueryCache {
        monitor_tables: Some(vec![object("ORDER_A")]),
        ..cache()
    });
    bench.source.commit("ORDER_A");
    bench.source.commit("ORDERXA");
    bench.refresh().await;
    bench.source.commit("ORDERXA");
    assert_eq!(bench.refresh().await.0, SKIPPED);
    bench.source.commit("ORDER_A");
    assert_eq!(bench.refresh().await.0, DONE);
    assert_eq!(
        bench.steps.count("describe"),
        0,
        "a given list needs no plan"
    );
}

#[tokio::test(start_paused = true)]
async fn c8_an_object_more_in_the_plan_is_a_change() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    bench.source.commit("CUSTOMERS");
    bench.source.plan(&["ORDERS", "CUSTOMERS"]);
    assert_eq!(
        bench.refresh().await,
        (DONE, Some(RunReason::SourceChanged))
    );
    assert_eq!(bench.refresh().await.0, SKIPPED);
}

#[tokio::test(start_paused = true)]
async fn c8_a_missing_object_is_neither_changed_nor_unchanged() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    bench.source.lose("ORDERS");
    let result = bench.run(bench.request()).await;
    assert_eq!(result.status, RunStatus::Failed);
    assert_eq!(result.failure.unwrap().class.as_str(), "DEPENDENCY");
    assert_eq!(bench.loads(), 1, "nothing was loaded again");
}

#[tokio::test(start_paused = true)]
async fn c7_auto_takes_last_altered_where_the_change_token_is_refused() {
    let bench = Bench::new(cache());
    bench.source.commit("EXTERNAL");
    bench.source.refuse_change_token("EXTERNAL");
    bench.source.plan(&["ORDERS", "EXTERNAL"]);
    bench.refresh().await;
    let tokens = bench
        .world
        .dataset(bench.id)
        .proof
        .clone()
        .unwrap()
        .tokens
        .tokens;
    let kinds: Vec<_> = tokens
        .values()
        .map(|t| t.clone().unwrap().as_str().to_owned())
        .collect();
    assert_eq!(kinds, ["altered:1", "change:1"]);
    assert_eq!(bench.refresh().await.0, SKIPPED);
    bench.source.commit("EXTERNAL");
    assert_eq!(bench.refresh().await.0, DONE);
}

#[tokio::test(start_paused = true)]
async fn c7_auto_without_any_token_needs_a_ttl_and_lives_by_it() {
    let bench = Bench::new(cache());
    bench.source.without_tokens("ORDERS");
    let failure = bench.run(bench.request()).await.failure.unwrap();
    assert!(failure.remedy.unwrap().contains("ttl_seconds"));

    let bench = Bench::new(with_ttl(60));
    bench.source.without_tokens("ORDERS");
    bench.refresh().await;
    let before = bench.world.dataset(bench.id).proof.clone();
    assert_eq!(bench.refresh().await, (SKIPPED, Some(RunReason::Fresh)));
    let after = bench.world.dataset(bench.id).proof.clone();
    assert_eq!(after, before, "no proof: the data timestamp stays");
    bench.pass(60).await;
    assert_eq!(bench.refresh().await, (DONE, Some(RunReason::TtlExpired)));
}

#[tokio::test(start_paused = true)]
async fn columns_keep_their_ids_until_they_change() {
    let bench = Bench::new(cache());
    let ids = |bench: &Bench| {
        let version = bench.world.lake().versions[&bench.id].clone();
        version
            .columns
            .iter()
            .map(|c| (c.name.clone(), c.id.0))
            .collect::<Vec<_>>()
    };
    bench.refresh().await;
    bench.run(bench.forced()).await;
    assert_eq!(ids(&bench), [("n".to_owned(), 1)]);
    bench.source.result(&["n", "m"], 2);
    bench.run(bench.forced()).await;
    assert_eq!(ids(&bench), [("n".to_owned(), 2), ("m".to_owned(), 3)]);
}

#[tokio::test(start_paused = true)]
async fn c13_an_empty_result_is_a_version_too() {
    let bench = Bench::new(cache());
    bench.source.result(&["n"], 0);
    let result = bench.run(bench.request()).await;
    assert_eq!((result.status, result.outcome.rows), (DONE, Some(0)));
    assert!(bench.world.lake().versions[&bench.id].files.is_empty());
}

#[tokio::test(start_paused = true)]
async fn needs_refresh_asks_for_tokens_and_loads_nothing() {
    let bench = Bench::new(cache());
    let needs = || bench.feeds.needs_refresh(bench.id);
    assert_eq!(needs().await.unwrap(), (true, RunReason::Initial));
    bench.refresh().await;
    assert_eq!(needs().await.unwrap(), (false, RunReason::SourceUnchanged));
    bench.source.commit("ORDERS");
    assert_eq!(needs().await.unwrap(), (true, RunReason::SourceChanged));
    assert_eq!(bench.loads(), 1);
    assert_eq!(bench.world.runs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn c5_an_unknown_dataset_is_not_found() {
    let bench = Bench::new(cache());
    bench.world.forget(bench.id);
    let error = bench
        .feeds
        .bring_up_to_date(bench.request())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ducksync_core::ErrorKind::NotFound);
    let error = bench.feeds.start(bench.request()).await.unwrap_err();
    assert_eq!(error.kind(), ducksync_core::ErrorKind::NotFound);
}
