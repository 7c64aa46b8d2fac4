use std::time::Duration;

use chrono::TimeDelta;
use ducksync_core::{
    ErrorKind,
    catalog::{RunLedger, Versions},
    error::FailureClass,
    id::{DatasetId, RunId, SnapshotId},
    run::{Run, RunCompletion, RunFailure, RunOutcome, RunReason, RunStatus, RunTrigger},
};

use crate::{
    Catalog,
    db::sql,
    testing::{completed, on_each_engine},
};

async fn ended(catalog: &Catalog, dataset: DatasetId, completion: RunCompletion) -> RunId {
    let run = RunId::generate();
    catalog
        .begin(run, dataset, RunTrigger::Scheduled)
        .await
        .unwrap();
    catalog.finish(run, completion).await.unwrap();
    run
}

fn failed() -> RunCompletion {
    RunCompletion {
        status: RunStatus::Failed,
        failure: Some(RunFailure {
            class: FailureClass::Query,
            code: "002003".into(),
            message: "object does not exist".into(),
            retryable: false,
            remedy: Some("check the query".into()),
        }),
        ..completed()
    }
}

#[tokio::test]
async fn g12_a_run_is_recorded_from_its_beginning_to_its_end() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let (run, dataset) = (RunId::generate(), DatasetId::generate());
        catalog.begin(run, dataset, RunTrigger::Read).await.unwrap();
        catalog
            .record_staging(run, "/data/x", Some(RunReason::TtlExpired))
            .await
            .unwrap();
        let running = catalog.run(run).await.unwrap();
        assert_eq!(
            (running.status, running.trigger),
            (RunStatus::Running, RunTrigger::Read)
        );
        assert_eq!((running.owner, running.completed_at), (catalog.owner, None));
        let outcome = RunOutcome {
            rows: Some(7),
            bytes: Some(100),
            data_timestamp: Some(catalog.now().await.unwrap()),
            snapshot: Some(SnapshotId(3)),
            source_query_ids: vec!["01a".into(), "01b".into()],
            note: Some("the whole was loaded".into()),
        };
        let completion = RunCompletion {
            reason: None,
            attempts: 3,
            outcome: outcome.clone(),
            ..failed()
        };
        catalog.finish(run, completion.clone()).await.unwrap();
        let Run {
            status,
            reason,
            attempts,
            completed_at,
            failure,
            outcome: stored,
            ..
        } = catalog.run(run).await.unwrap();
        assert_eq!((status, attempts, stored), (RunStatus::Failed, 3, outcome));
        assert_eq!(reason, Some(RunReason::TtlExpired), "what was known stays");
        assert_eq!(failure, completion.failure);
        assert!(completed_at.unwrap() >= running.started_at);
        place
    })
    .await;
}

#[tokio::test]
async fn g12_a_run_ends_once() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let run = ended(&catalog, DatasetId::generate(), failed()).await;
        catalog.finish(run, completed()).await.unwrap();
        assert_eq!(catalog.run(run).await.unwrap().status, RunStatus::Failed);
        let unknown = catalog
            .finish(RunId::generate(), completed())
            .await
            .unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        place
    })
    .await;
}

#[tokio::test]
async fn c1_history_is_newest_first_and_limited() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let (one, other) = (DatasetId::generate(), DatasetId::generate());
        let mut runs = Vec::new();
        for _ in 0..3 {
            runs.push(ended(&catalog, one, completed()).await);
        }
        let last = ended(&catalog, other, completed()).await;
        let ids = |runs: Vec<Run>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
        let of_one = catalog.history(Some(one), 2).await.unwrap();
        assert_eq!(ids(of_one), [runs[2], runs[1]]);
        let of_all = catalog.history(None, 10).await.unwrap();
        assert_eq!(ids(of_all), [last, runs[2], runs[1], runs[0]]);
        place
    })
    .await;
}

#[tokio::test]
async fn g12_old_runs_go_but_never_the_last_success_and_failure() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let dataset = DatasetId::generate();
        for _ in 0..2 {
            ended(&catalog, dataset, completed()).await;
            ended(&catalog, dataset, failed()).await;
        }
        let skipped = RunCompletion {
            status: RunStatus::Skipped,
            ..completed()
        };
        ended(&catalog, dataset, skipped).await;
        let staged = ended(&catalog, DatasetId::generate(), failed()).await;
        catalog
            .record_staging(staged, "/data/x", None)
            .await
            .unwrap();
        let recent = ended(&catalog, DatasetId::generate(), completed()).await;
        let old = catalog.now().await.unwrap() - TimeDelta::days(100);
        let age = "UPDATE ducksync.runs SET started_at = $1, completed_at = $1 WHERE id <> $2";
        catalog
            .db
            .execute(sql(age).bind(old).bind(recent.0))
            .await
            .unwrap();
        let ninety_days = Duration::from_secs(90 * 86_400);
        assert_eq!(catalog.prune_runs(ninety_days).await.unwrap(), 3);
        let left = catalog.history(Some(dataset), 10).await.unwrap();
        let mut statuses: Vec<_> = left.iter().map(|run| run.status.as_str()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, ["completed", "failed"]);
        assert!(
            catalog.run(staged).await.is_ok(),
            "its files are still to be deleted"
        );
        assert_eq!(catalog.prune_runs(ninety_days).await.unwrap(), 0);
        place
    })
    .await;
}
