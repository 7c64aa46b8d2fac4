use std::time::Duration;

use ducksync_core::{
    ErrorKind,
    catalog::{ClaimOutcome, ClaimStore, DatasetStore, RunLedger},
    id::{ClaimToken, DatasetId, RunId},
    run::{RunStatus, RunTrigger},
};

use super::eventually;
use crate::{
    Catalog,
    testing::{define, location, on_each_engine, publish_cache, refresh},
};

async fn held(catalog: &Catalog, dataset: DatasetId, run: RunId) -> ClaimToken {
    match catalog.claim(dataset, run).await.unwrap() {
        ClaimOutcome::Held(token) => token,
        ClaimOutcome::Busy(owner, run) => panic!("busy with run {run} of {owner}"),
    }
}

#[tokio::test]
async fn g5_one_run_at_a_time_and_a_token_that_only_grows() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let sales = define(&catalog, "sales").await;
        let (one, two) = (RunId::generate(), RunId::generate());
        let first = held(&catalog, sales, one).await;
        assert_eq!(
            held(&catalog, sales, one).await,
            first,
            "asking again changes nothing"
        );
        let busy = catalog.claim(sales, two).await.unwrap();
        assert_eq!(busy, ClaimOutcome::Busy(catalog.owner, one));
        catalog.release(sales, first).await.unwrap();
        catalog.release(sales, first).await.unwrap();
        let second = held(&catalog, sales, two).await;
        assert!(second > first);
        catalog.release(sales, first).await.unwrap();
        let busy = catalog.claim(sales, one).await.unwrap();
        assert_eq!(
            busy,
            ClaimOutcome::Busy(catalog.owner, two),
            "an old token releases nothing"
        );
        catalog.forget(sales, false).await.unwrap();
        let gone = catalog.claim(DatasetId::generate(), one).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        place
    })
    .await;
}

#[tokio::test]
async fn g6_of_many_that_claim_at_once_one_gets_it() {
    on_each_engine(|place| async {
        let first = place.open().await;
        let second = match place.is_postgres() {
            true => place.open().await,
            false => first.clone(),
        };
        let sales = define(&first, "sales").await;
        let claims = (0..10).map(|n| {
            let catalog = if n % 2 == 0 { &first } else { &second };
            catalog.claim(sales, RunId::generate())
        });
        let outcomes = futures::future::join_all(claims).await;
        let won = outcomes
            .iter()
            .filter(|o| matches!(o, Ok(ClaimOutcome::Held(_))))
            .count();
        assert_eq!(
            (won, outcomes.iter().filter(|o| o.is_err()).count()),
            (1, 0)
        );
        place
    })
    .await;
}

#[tokio::test]
async fn g5_an_expired_claim_is_taken_over_and_its_run_can_publish_nothing() {
    on_each_engine(|mut place| async {
        place.config.claim_expiry = Duration::ZERO;
        let catalog = place.open().await;
        let sales = define(&catalog, "sales").await;
        let (late, next) = (RunId::generate(), RunId::generate());
        let old = held(&catalog, sales, late).await;
        catalog
            .begin(late, sales, RunTrigger::Scheduled)
            .await
            .unwrap();
        let new = held(&catalog, sales, next).await;
        assert!(new > old);
        let run = catalog.run(late).await.unwrap();
        assert_eq!(run.status, RunStatus::Failed);
        assert_eq!(run.failure.unwrap().code, "WORKER_LOST");
        let one = location(&catalog, sales, "one");
        let error = publish_cache(&catalog, sales, late, old, &one)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        place
    })
    .await;
}

#[tokio::test]
async fn g5_a_heartbeat_keeps_claims_and_names_those_that_were_lost() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let (kept, lost) = (
            define(&catalog, "kept").await,
            define(&catalog, "lost").await,
        );
        held(&catalog, kept, RunId::generate()).await;
        held(&catalog, lost, RunId::generate()).await;
        assert!(catalog.heartbeat().await.unwrap().is_empty());
        catalog.forget(lost, false).await.unwrap();
        assert_eq!(catalog.heartbeat().await.unwrap(), [lost]);
        assert!(
            catalog.heartbeat().await.unwrap().is_empty(),
            "each is named once"
        );
        place
    })
    .await;
}

#[tokio::test]
async fn s13_the_runs_and_claims_of_a_process_end_with_it() {
    on_each_engine(|place| async {
        let dead = place.open().await;
        let sales = define(&dead, "sales").await;
        let (run, staged) = (RunId::generate(), location(&dead, sales, "one"));
        held(&dead, sales, run).await;
        dead.begin(run, sales, RunTrigger::Scheduled).await.unwrap();
        dead.record_staging(run, &staged, None).await.unwrap();
        drop(dead);
        let living = place.open().await;
        let (found, mut named) = (&living, Vec::new());
        eventually(|| async { !found.reap().await.unwrap().is_empty() }).await;
        for gone in living.reap().await.unwrap() {
            assert_eq!((gone.run, gone.dataset), (run, sales));
            named.extend(gone.prefixes);
        }
        assert_eq!(named, [staged], "named until its files are forgotten");
        let ended = living.run(run).await.unwrap();
        assert_eq!(ended.status, RunStatus::Failed);
        assert_eq!(ended.failure.unwrap().code, "WORKER_LOST");
        held(&living, sales, RunId::generate()).await;
        living.forget_staging(run).await.unwrap();
        assert!(living.reap().await.unwrap().is_empty());
        place
    })
    .await;
}

#[tokio::test]
async fn g5_a_claim_of_a_dead_process_needs_no_reaper() {
    on_each_engine(|place| async {
        let dead = place.open().await;
        let sales = define(&dead, "sales").await;
        let run = RunId::generate();
        let old = held(&dead, sales, run).await;
        dead.begin(run, sales, RunTrigger::Scheduled).await.unwrap();
        drop(dead);
        let living = &place.open().await;
        let next = RunId::generate();
        eventually(|| async {
            matches!(
                living.claim(sales, next).await.unwrap(),
                ClaimOutcome::Held(_)
            )
        })
        .await;
        assert!(held(living, sales, next).await > old);
        assert_eq!(living.run(run).await.unwrap().status, RunStatus::Failed);
        place
    })
    .await;
}

#[tokio::test]
async fn i10_the_runs_of_living_processes_are_left_alone() {
    on_each_engine(|place| async {
        let working = place.open().await;
        let sales = define(&working, "sales").await;
        let (run, staged) = (RunId::generate(), location(&working, sales, "one"));
        let token = held(&working, sales, run).await;
        working
            .begin(run, sales, RunTrigger::Scheduled)
            .await
            .unwrap();
        working.record_staging(run, &staged, None).await.unwrap();
        let other = match place.is_postgres() {
            true => place.open().await,
            false => working.clone(),
        };
        assert!(
            other.reap().await.unwrap().is_empty(),
            "its files are not anybody's to delete"
        );
        let busy = other.claim(sales, RunId::generate()).await.unwrap();
        assert_eq!(busy, ClaimOutcome::Busy(working.owner, run));
        publish_cache(&working, sales, run, token, &staged)
            .await
            .unwrap();
        assert_eq!(other.run(run).await.unwrap().status, RunStatus::Completed);
        place
    })
    .await;
}

#[tokio::test]
async fn g4_a_run_that_published_reads_completed_whatever_became_of_its_process() {
    on_each_engine(|place| async {
        let dead = place.open().await;
        let sales = define(&dead, "sales").await;
        let published = refresh(&dead, sales, "one").await;
        let run = dead.history(Some(sales), 1).await.unwrap().remove(0);
        drop(dead);
        let living = place.open().await;
        living.reap().await.unwrap();
        let run = living.run(run.id).await.unwrap();
        assert_eq!(run.status, RunStatus::Completed);
        assert_eq!(run.outcome.snapshot, Some(published.snapshot));
        place
    })
    .await;
}
