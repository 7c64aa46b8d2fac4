//! What survives a crash, a lost answer, a dead worker (G-4, O-8).

use std::time::Duration;

use ducksync_core::{
    change::{Publication, TableChange},
    engine::StageRequest,
    id::RunId,
    run::{RunRequests, RunStatus},
};

use crate::testing::{Bench, PublishFault, cache};

#[tokio::test(start_paused = true)]
async fn g4_the_place_of_files_is_recorded_before_writing_and_the_publish_is_last() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    let places = [
        "claim",
        "begin",
        "record staging",
        "stage",
        "staged",
        "publish",
        "release",
    ]
    .map(|step| bench.steps.place(step));
    assert!(places.is_sorted(), "{:?}", bench.steps.log());
    assert_eq!(
        bench.steps.count("finish"),
        0,
        "the publish completes the run record"
    );
}

#[tokio::test(start_paused = true)]
async fn g4_a_publish_whose_answer_is_lost_is_found_and_keeps_its_files() {
    let bench = Bench::new(cache());
    bench.world.fault([PublishFault::AnswerLost]);
    let result = bench.run(bench.request()).await;
    assert_eq!(result.status, RunStatus::Completed);
    assert_eq!(result.outcome.snapshot, Some(bench.world.lake().snapshot));
    assert_eq!(bench.loads(), 1, "nothing is loaded twice");
    assert_eq!(
        bench.world.lake().snapshot.0,
        1,
        "nothing is published twice"
    );
    assert_eq!(bench.storage.files().len(), 1);
    assert_eq!(bench.refresh().await.0, RunStatus::Skipped);
}

#[tokio::test(start_paused = true)]
async fn g4_a_catalog_that_comes_back_gets_the_publish_without_a_new_load() {
    let bench = Bench::new(cache());
    bench.world.fault([PublishFault::Down; 5]);
    assert_eq!(bench.refresh().await.0, RunStatus::Completed);
    assert_eq!(bench.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn g4_an_outcome_that_stays_unknown_leaves_files_and_record_alone() {
    let bench = Bench::new(cache());
    bench.world.fault([PublishFault::Down; 1000]);
    let result = bench.run(bench.request()).await;
    assert_eq!(result.status, RunStatus::Failed);
    assert_eq!(bench.storage.files().len(), 1);
    assert_eq!(bench.steps.count("finish"), 0);
    assert_eq!(bench.world.staging(), [result.run.unwrap()]);
    assert!(bench.world.no_claims());
}

#[tokio::test(start_paused = true)]
async fn o8_files_of_a_dead_worker_are_removed_and_those_of_others_are_not() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    let (other, owner) = bench.another();
    bench.steps.hold("publish");
    let request = bench.forced();
    let task = {
        let other = other.clone();
        tokio::spawn(async move { other.bring_up_to_date(request).await })
    };
    bench.steps.taken("publish", 2).await;
    assert_eq!(bench.storage.files().len(), 2);
    bench.world.kill(owner);
    bench.pass(61).await;
    wait_until(&bench, |bench| bench.storage.files().len() == 1).await;
    let live = bench.world.lake().versions[&bench.id].files[0]
        .location
        .clone();
    assert_eq!(bench.storage.files(), [live]);
    wait_until(&bench, |bench| bench.world.staging().is_empty()).await;
    // the worker was only paused; its publish is refused and its rows are nobody's.
    bench.steps.let_go("publish");
    assert_eq!(task.await.unwrap().unwrap().status, RunStatus::Failed);
    assert_eq!(bench.world.lake().snapshot.0, 1);
    assert_eq!(bench.storage.files().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn o8_files_that_only_an_older_snapshot_names_are_kept() {
    let bench = Bench::new(cache());
    // A first try that fails keeps the place recorded after the publish.
    bench
        .steps
        .fail("staged", [ducksync_core::Error::resource_exhausted("full")]);
    let run = bench.run(bench.request()).await.run.unwrap();
    assert_eq!(bench.world.staging(), [run]);
    let first = bench.storage.files();
    let stray = format!("{}stray.parquet", prefix_of(&bench, run));
    bench.storage.put(&stray);
    bench.run(bench.forced()).await;
    bench.pass(61).await;
    wait_until(&bench, |bench| bench.world.staging().is_empty()).await;
    assert!(
        bench.storage.files().contains(&first[0]),
        "snapshot 1 still names it"
    );
    assert!(!bench.storage.files().contains(&stray));
}

fn prefix_of(bench: &Bench, run: RunId) -> String {
    let directory = bench.world.lake().versions[&bench.id].directory.clone();
    StageRequest::prefix(&directory, run)
}

async fn wait_until(bench: &Bench, condition: impl Fn(&Bench) -> bool) {
    tokio::time::timeout(Duration::from_secs(3600), async {
        while !condition(bench) {
            bench.pass(1).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test(start_paused = true)]
async fn g4_a_new_table_is_created_and_filled_in_one_publication() {
    let bench = Bench::new(cache());
    bench.refresh().await;
    let first: Publication = bench.world.publications()[0].clone();
    assert!(matches!(
        first.changes.as_slice(),
        [TableChange::Create { .. }, TableChange::Append { .. }]
    ));
    assert_eq!(first.basis[0].seq, None);
    assert!(first.basis[0].claim.is_some());
    bench.run(bench.forced()).await;
    let second = bench.world.publications()[1].clone();
    assert!(matches!(
        second.changes.as_slice(),
        [TableChange::Replace { columns: None, .. }]
    ));
    assert_eq!(second.basis[0].seq.unwrap().0, 1);
}
