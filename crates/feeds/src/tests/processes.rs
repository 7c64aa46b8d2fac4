//! Single flight across processes (G-5, G-6).

use ducksync_core::run::{RunReason, RunRequests, RunResult, RunStatus};
use tokio::task::JoinHandle;

use crate::{
    Feeds,
    testing::{Bench, cache},
};

async fn ask(
    feeds: &std::sync::Arc<Feeds>,
    request: ducksync_core::run::RunRequest,
) -> JoinHandle<RunResult> {
    let feeds = feeds.clone();
    let task = tokio::spawn(async move { feeds.bring_up_to_date(request).await.unwrap() });
    tokio::task::yield_now().await;
    task
}

#[tokio::test(start_paused = true)]
async fn g6_a_refresh_asked_before_the_others_reading_takes_its_result() {
    let bench = Bench::new(cache());
    let (other, _) = bench.another();
    // The other process has the claim, and looks at the world once more before it reads.
    bench.steps.hold("ask");
    let first = ask(&other, bench.read_request()).await;
    bench.steps.taken("ask", 1).await;
    assert_eq!(bench.steps.count("claim"), 1);
    let second = ask(&bench.feeds, bench.request()).await;
    bench.steps.taken("ask", 2).await;
    bench.steps.hold("submit");
    bench.steps.let_go("ask");
    bench.steps.taken("claim", 2).await;
    bench.steps.let_go("submit");
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(first.status, RunStatus::Completed);
    assert_eq!(second.run, first.run);
    assert_eq!(second.outcome.rows, Some(3));
    assert_eq!(bench.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn g6_a_refresh_asked_during_the_others_reading_checks_again() {
    let bench = Bench::new(cache());
    let (other, _) = bench.another();
    bench.steps.hold("submit");
    let first = ask(&other, bench.request()).await;
    bench.steps.taken("submit", 1).await;
    bench.source.commit("ORDERS");
    let second = ask(&bench.feeds, bench.request()).await;
    bench.steps.taken("claim", 2).await;
    bench.steps.let_go("submit");
    assert_eq!(first.await.unwrap().reason, Some(RunReason::Initial));
    let second = second.await.unwrap();
    assert_eq!(
        second.reason,
        Some(RunReason::SourceChanged),
        "the commit is not missed"
    );
    assert_eq!(bench.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn g6_a_read_takes_what_another_process_is_loading() {
    let bench = Bench::new(cache());
    let (other, _) = bench.another();
    bench.steps.hold("submit");
    let first = ask(&other, bench.request()).await;
    bench.steps.taken("submit", 1).await;
    let reader = ask(&bench.feeds, bench.read_request()).await;
    bench.steps.taken("claim", 2).await;
    bench.steps.let_go("submit");
    assert_eq!(reader.await.unwrap().run, first.await.unwrap().run);
    assert_eq!(bench.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn g5_a_dead_process_is_followed_by_the_one_that_waits() {
    let bench = Bench::new(cache());
    let (other, owner) = bench.another();
    bench.steps.hold("submit");
    let first = ask(&other, bench.request()).await;
    bench.steps.taken("submit", 1).await;
    let second = ask(&bench.feeds, bench.request()).await;
    bench.steps.taken("claim", 2).await;
    bench.world.kill(owner);
    bench.steps.taken("submit", 2).await;
    bench.steps.let_go("submit");
    assert_eq!(second.await.unwrap().status, RunStatus::Completed);
    assert_ne!(first.await.unwrap().status, RunStatus::Completed);
    assert_eq!(
        bench.world.lake().snapshot.0,
        1,
        "exactly one publish (A-36)"
    );
}

#[tokio::test(start_paused = true)]
async fn g5_a_run_stops_when_its_claim_is_lost() {
    let bench = Bench::new(cache());
    bench.steps.hold("submit");
    let waiter = bench.spawn(bench.request()).await;
    bench.steps.taken("submit", 1).await;
    bench.world.void_claim(bench.id);
    bench.pass(31).await;
    let failure = waiter.await.unwrap().failure.unwrap();
    assert_eq!(failure.class.as_str(), "CONFLICT");
    assert_eq!(bench.steps.count("dropped submit"), 1);
    assert!(bench.world.dataset(bench.id).quarantine.is_none());
}
