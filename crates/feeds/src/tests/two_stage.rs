//! Mode `two_stage` (C-7): a first stage without warehouse, a sure second one.

use std::time::Duration;

use ducksync_core::{
    dataset::{InvalidationMode, Proof, QueryCache, TtlAction},
    name::Name,
    run::{RunReason, RunRequest, RunRequests, RunStatus},
};

use crate::testing::{Bench, cache};

const DONE: RunStatus = RunStatus::Completed;
const SKIPPED: RunStatus = RunStatus::Skipped;

fn two_stage() -> QueryCache {
    QueryCache {
        invalidation_mode: InvalidationMode::TwoStage,
        metadata_secret: Some(Name::parse("secret", "sf_meta").unwrap()),
        ..cache()
    }
}

/// A loaded cache whose first stage sees fingerprints only.
async fn by_fingerprint(cache: QueryCache) -> Bench {
    let bench = Bench::new(cache);
    bench.source.change_token_needs_warehouse();
    assert_eq!(bench.refresh().await, (DONE, Some(RunReason::Initial)));
    bench.steps.clear();
    bench
}

fn proof(bench: &Bench) -> Proof {
    bench.world.dataset(bench.id).proof.clone().unwrap()
}

#[tokio::test(start_paused = true)]
async fn c7_an_equal_change_token_of_the_first_stage_is_a_proof() {
    let bench = Bench::new(two_stage());
    bench.refresh().await;
    let before = proof(&bench);
    bench.steps.clear();
    bench.pass(5).await;
    assert_eq!(
        bench.refresh().await,
        (SKIPPED, Some(RunReason::SourceUnchanged))
    );
    assert_eq!(
        bench.steps.count("tokens"),
        0,
        "the second stage is not asked"
    );
    assert!(proof(&bench).data_timestamp > before.data_timestamp);
    bench.source.commit("ORDERS");
    assert_eq!(
        bench.refresh().await,
        (DONE, Some(RunReason::SourceChanged))
    );
}

#[tokio::test(start_paused = true)]
async fn a6_a_same_width_update_hides_from_the_fingerprint_until_stage_two_is_due() {
    let bench = by_fingerprint(two_stage()).await;
    let loaded = proof(&bench);
    bench.source.update_in_place("ORDERS");
    for _ in 0..8 {
        bench.pass(100).await;
        let hint = (SKIPPED, Some(RunReason::FingerprintUnchanged));
        assert_eq!(bench.refresh().await, hint);
        assert_eq!(
            proof(&bench).data_timestamp,
            loaded.data_timestamp,
            "the age grows: a hint proves nothing"
        );
    }
    assert_eq!(bench.steps.count("tokens"), 0);
    bench.pass(100).await;
    assert_eq!(
        bench.refresh().await,
        (DONE, Some(RunReason::SourceChanged))
    );
}

#[tokio::test(start_paused = true)]
async fn c7_equal_tokens_of_the_second_stage_store_the_fingerprint_and_skip() {
    let bench = by_fingerprint(two_stage()).await;
    let loaded = proof(&bench);
    bench.pass(900).await;
    assert_eq!(
        bench.refresh().await,
        (SKIPPED, Some(RunReason::SourceUnchanged))
    );
    assert_eq!(bench.steps.count("tokens"), 1);
    let confirmed = proof(&bench);
    assert!(confirmed.data_timestamp > loaded.data_timestamp);
    bench.pass(800).await;
    assert_eq!(
        bench.refresh().await,
        (SKIPPED, Some(RunReason::FingerprintUnchanged)),
        "the skip counts from the last sure check"
    );
}

#[tokio::test(start_paused = true)]
async fn c7_a_moved_fingerprint_asks_the_second_stage_at_once() {
    let bench = by_fingerprint(two_stage()).await;
    bench.source.commit("ORDERS");
    assert_eq!(
        bench.refresh().await,
        (DONE, Some(RunReason::SourceChanged))
    );
    assert_eq!(bench.steps.count("tokens"), 1);
}

#[tokio::test(start_paused = true)]
async fn v1_fresh_takes_no_hint_for_a_proof() {
    let bench = by_fingerprint(two_stage()).await;
    bench.source.update_in_place("ORDERS");
    let fresh = RunRequest {
        prove: true,
        ..bench.request()
    };
    let result = bench.feeds.bring_up_to_date(fresh).await.unwrap();
    assert_eq!(
        (result.status, result.reason),
        (DONE, Some(RunReason::SourceChanged))
    );
}

#[tokio::test(start_paused = true)]
async fn c6_a_hint_renews_no_ttl() {
    let cache = QueryCache {
        ttl: Some(Duration::from_secs(60)),
        ttl_action: TtlAction::Revalidate,
        ..two_stage()
    };
    let bench = by_fingerprint(cache).await;
    bench.pass(61).await;
    assert_eq!(
        bench.refresh().await,
        (SKIPPED, Some(RunReason::SourceUnchanged))
    );
    assert_eq!(bench.steps.count("tokens"), 1, "asked for sure");
}

#[tokio::test(start_paused = true)]
async fn c8_a_table_without_fingerprint_is_asked_for_sure_each_time() {
    let bench = by_fingerprint(two_stage()).await;
    bench.source.without_fingerprint("ORDERS");
    for _ in 0..2 {
        assert_eq!(
            bench.refresh().await,
            (SKIPPED, Some(RunReason::SourceUnchanged))
        );
    }
    assert_eq!(bench.steps.count("tokens"), 2);
}
