use ducksync_core::{
    ErrorKind,
    catalog::{
        ClaimOutcome, ClaimStore, DatasetStore, Publisher, RunLedger, StateChange, Versions,
    },
    change::{Basis, Publication, TableChange},
    dataset::{Feed, Quarantine},
    error::FailureClass,
    id::{DatasetId, RunId},
    name::TableName,
    run::{RunFailure, RunStatus, RunTrigger},
    version::View,
};

use crate::{
    Catalog,
    testing::{cache_of, columns, define, location, on_each_engine, proof, publish_cache, refresh},
};

async fn change_lake(catalog: &Catalog, changes: Vec<TableChange>) {
    let basis = changes
        .iter()
        .filter_map(TableChange::dataset)
        .map(|dataset| Basis {
            dataset,
            seq: None,
            claim: None,
        });
    let publication = Publication {
        run: RunId::generate(),
        basis: basis.collect(),
        changes,
        checkpoints: vec![],
        completion: None,
    };
    catalog.publish(publication).await.unwrap();
}

async fn create_error(catalog: &Catalog, schema: &str, table: &str) -> ErrorKind {
    let name = TableName::new(schema, table);
    let created = catalog
        .create(DatasetId::generate(), name, cache_of("prod"))
        .await;
    created.unwrap_err().kind()
}

fn failure() -> RunFailure {
    RunFailure {
        class: FailureClass::Source,
        code: "SOURCE".into(),
        message: "cannot reach it".into(),
        retryable: true,
        remedy: None,
    }
}

#[tokio::test]
async fn g3_names_are_unique_ignoring_case_among_datasets_tables_and_views() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        define(&catalog, "Sales").await;
        assert_eq!(
            create_error(&catalog, "PROD", "sALES").await,
            ErrorKind::AlreadyExists
        );
        // Caches are named bare, so their names are unique in all schemas.
        assert_eq!(
            create_error(&catalog, "other", "sales").await,
            ErrorKind::AlreadyExists
        );
        let dataset = DatasetId::generate();
        let table = TableName::new("prod", "Plain");
        let view = View {
            name: TableName::new("prod", "Seen"),
            sql: "SELECT 1".into(),
            column_aliases: vec![],
        };
        let create = TableChange::Create {
            dataset,
            directory: catalog.current().new_table_directory(&table, dataset),
            name: table,
            columns: columns(),
        };
        change_lake(&catalog, vec![create, TableChange::CreateView(view)]).await;
        assert_eq!(
            create_error(&catalog, "prod", "PLAIN").await,
            ErrorKind::AlreadyExists
        );
        assert_eq!(
            create_error(&catalog, "prod", "seen").await,
            ErrorKind::AlreadyExists
        );
        place
    })
    .await;
}

#[tokio::test]
async fn c14_altering_a_definition_keeps_what_is_published() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let sales = define(&catalog, "sales").await;
        refresh(&catalog, sales, "one").await;
        let before = catalog.current().versions[&sales].clone();
        let mut feed = cache_of("prod");
        let Feed::QueryCache(cache) = &mut feed;
        cache.query = "SELECT 2 AS a".into();
        catalog.alter(sales, feed.clone()).await.unwrap();
        let lake = catalog.current();
        assert_eq!(lake.datasets[&sales].feed.as_ref(), Some(&feed));
        assert_eq!(lake.versions[&sales], before);
        let error = catalog
            .alter(DatasetId::generate(), feed)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        place
    })
    .await;
}

#[tokio::test]
async fn g12_dropping_a_dataset_ends_its_table_and_keeps_its_history() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let never = define(&catalog, "never").await;
        catalog.forget(never, false).await.unwrap();
        let sales = define(&catalog, "sales").await;
        refresh(&catalog, sales, "one").await;
        let published = catalog.current().snapshot;
        catalog.forget(sales, false).await.unwrap();
        let lake = catalog.current();
        assert!(lake.datasets.is_empty() && lake.versions.is_empty() && lake.tables.is_empty());
        assert!(
            lake.snapshot > published,
            "the drop is a snapshot of its own"
        );
        let then = catalog.at(published).await.unwrap();
        assert_eq!(
            then.versions[&sales].rows(),
            3,
            "older snapshots still show it"
        );
        assert_eq!(catalog.history(Some(sales), 10).await.unwrap().len(), 1);
        let error = catalog.forget(sales, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        define(&catalog, "sales").await;
        place
    })
    .await;
}

#[tokio::test]
async fn c1_keep_data_leaves_a_plain_table() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let sales = define(&catalog, "sales").await;
        refresh(&catalog, sales, "one").await;
        catalog.forget(sales, true).await.unwrap();
        let lake = catalog.current();
        assert_eq!(lake.table("prod", "sales").unwrap().rows(), 3);
        assert_eq!(lake.datasets[&sales].feed, None);
        assert_eq!(lake.datasets[&sales].proof, None);
        assert_eq!(
            create_error(&catalog, "prod", "sales").await,
            ErrorKind::AlreadyExists
        );
        place
    })
    .await;
}

#[tokio::test]
async fn g5_a_drop_voids_the_claim_of_the_run_at_work() {
    on_each_engine(|place| async {
        for keep_data in [false, true] {
            let catalog = place.open().await;
            let sales = define(&catalog, &format!("sales_{keep_data}")).await;
            refresh(&catalog, sales, "one").await;
            let run = RunId::generate();
            let ClaimOutcome::Held(token) = catalog.claim(sales, run).await.unwrap() else {
                panic!("busy")
            };
            catalog.begin(run, sales, RunTrigger::Manual).await.unwrap();
            let two = location(&catalog, sales, "two");
            catalog.forget(sales, keep_data).await.unwrap();
            let error = publish_cache(&catalog, sales, run, token, &two)
                .await
                .unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound),
                "{error}"
            );
            assert_eq!(catalog.run(run).await.unwrap().status, RunStatus::Running);
            assert_eq!(catalog.heartbeat().await.unwrap(), [sales]);
            catalog.close().await;
        }
        place
    })
    .await;
}

#[tokio::test]
async fn g10_failures_count_until_a_check_passes_or_somebody_resumes() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let sales = define(&catalog, "sales").await;
        let now = catalog.now().await.unwrap();
        let dataset = || catalog.current().datasets[&sales].clone();
        let change = |change| catalog.change_state(sales, change);
        change(StateChange::Failed(failure())).await.unwrap();
        change(StateChange::Failed(failure())).await.unwrap();
        assert_eq!(dataset().failures_in_a_row, 2);
        assert_eq!(dataset().last_failure, Some(failure()));
        change(StateChange::Unchanged(proof(now))).await.unwrap();
        assert_eq!(
            (dataset().failures_in_a_row, dataset().last_failure.clone()),
            (0, None)
        );
        assert_eq!(dataset().proof, Some(proof(now)));
        let quarantine = Quarantine {
            since: now,
            reason: "5 failed runs in a row".into(),
        };
        change(StateChange::Failed(failure())).await.unwrap();
        change(StateChange::Quarantine(quarantine.clone()))
            .await
            .unwrap();
        change(StateChange::Suspend).await.unwrap();
        assert_eq!(dataset().quarantine, Some(quarantine));
        assert!(dataset().suspended);
        change(StateChange::Resume).await.unwrap();
        assert_eq!(dataset().quarantine, None);
        assert!(!dataset().suspended && dataset().failures_in_a_row == 0);
        let gone = catalog
            .change_state(DatasetId::generate(), StateChange::Suspend)
            .await;
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
        place
    })
    .await;
}

#[tokio::test]
async fn i10_changes_of_many_processes_at_once_are_all_kept() {
    on_each_engine(|place| async {
        let first = place.open().await;
        let second = match place.is_postgres() {
            true => place.open().await,
            false => first.clone(),
        };
        let sales = define(&first, "sales").await;
        let defines = (0..8).map(|n| {
            let catalog = if n % 2 == 0 { &first } else { &second };
            async move {
                define(catalog, &format!("t{n}")).await;
                let failed = StateChange::Failed(failure());
                catalog.change_state(sales, failed).await.unwrap();
            }
        });
        futures::future::join_all(defines).await;
        for catalog in [&first, &second] {
            let lake = catalog.ask().await.unwrap();
            assert_eq!(lake.datasets.len(), 9);
            assert_eq!(lake.datasets[&sales].failures_in_a_row, 8);
        }
        place
    })
    .await;
}
