//! Other DuckLake clients beside us: what they do to plain tables is adopted, to fed ones a conflict;
//! what we cannot read is said; a lake that they made becomes ours.

use std::sync::Arc;

use ducksync_catalog::Catalog;
use ducksync_core::{
    catalog::{
        ClaimOutcome, ClaimStore, DatasetStore, Publisher, RunLedger, StateChange, Versions,
    },
    change::{Basis, TableChange},
    error::ErrorKind,
    id::{DatasetId, RunId},
    name::Name,
    run::RunTrigger,
};

use crate::{
    conformance::first_run,
    oracle::Oracle,
    support::{Site, change, create, version},
};

macro_rules! on_each_engine {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                let Some(oracle) = super::Oracle::start() else { return };
                super::$name(super::Site::sqlite(), oracle).await;
            })+
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                let Some(oracle) = super::Oracle::start() else { return };
                if let Some(site) = super::Site::postgres().await {
                    super::$name(site, oracle).await;
                }
            })+
        }
    };
}

on_each_engine!(
    g5_a_foreign_change_to_a_fed_dataset_quarantines_it,
    g5_a_fed_dataset_that_was_dropped_by_another_client_is_loaded_again,
    g5_a_plain_table_of_another_client_is_a_dataset_too,
    inlined_rows_are_refused_by_name,
    g14_a_catalog_that_went_back_is_read_again,
    g5_a_client_that_writes_beside_us_costs_nobody_a_row,
);

/// A run of `dataset` that replaces its rows.
async fn replace(catalog: &Catalog, dataset: DatasetId) -> ducksync_core::Result<()> {
    let run = RunId::generate();
    let ClaimOutcome::Held(claim) = catalog.claim(dataset, run).await? else {
        panic!("the claim is taken");
    };
    catalog.begin(run, dataset, RunTrigger::Manual).await?;
    let known = Arc::clone(&catalog.current().datasets[&dataset]);
    let mut publication = first_run(catalog, &format!("other_{}", run.0.simple())).await;
    let basis = Basis {
        dataset,
        seq: known.head.as_ref().map(|head| head.seq),
        claim: Some(claim),
    };
    publication.run = run;
    publication.basis = vec![basis];
    publication.checkpoints[0].0 = dataset;
    let files = publication.changes[1].new_files().to_vec();
    let load = match known.head {
        Some(_) => TableChange::Replace {
            dataset,
            columns: None,
            files,
        },
        None => TableChange::Append { dataset, files },
    };
    let create = TableChange::Create {
        dataset,
        name: known.name.clone(),
        directory: catalog.current().new_table_directory(&known.name, dataset),
        columns: crate::support::two_columns(),
    };
    let made = known.head.is_some();
    publication.changes = if made { vec![load] } else { vec![create, load] };
    let done = catalog.publish(publication).await.map(drop);
    catalog.release(dataset, claim).await?;
    done
}

async fn cached(catalog: &Catalog) -> DatasetId {
    let publication = first_run(catalog, "sales").await;
    let basis = publication.basis[0];
    catalog.publish(publication).await.unwrap();
    catalog
        .release(basis.dataset, basis.claim.unwrap())
        .await
        .unwrap();
    basis.dataset
}

async fn foreign(oracle: &mut Oracle, site: &Site, statement: &str) {
    oracle.attach(&site.config).await;
    oracle.execute(&[statement.to_owned()]).await.unwrap();
}

async fn g5_a_foreign_change_to_a_fed_dataset_quarantines_it(site: Site, mut oracle: Oracle) {
    let catalog = site.open().await;
    let dataset = cached(&catalog).await;
    replace(&catalog, dataset).await.unwrap();
    foreign(
        &mut oracle,
        &site,
        "INSERT INTO lake.sf.sales VALUES (99, 'foreign')",
    )
    .await;
    let refused = replace(&catalog, dataset).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    let known = Arc::clone(&catalog.ask().await.unwrap().datasets[&dataset]);
    assert!(
        known
            .quarantine
            .as_ref()
            .unwrap()
            .reason
            .contains("sf.sales")
    );
    assert_eq!(
        version(&catalog, dataset).rows(),
        8,
        "its data stays readable"
    );
    catalog
        .change_state(dataset, StateChange::Resume)
        .await
        .unwrap();
    assert!(catalog.current().datasets[&dataset].quarantine.is_none());
    replace(&catalog, dataset).await.unwrap();
    assert_eq!(version(&catalog, dataset).rows(), 7);
}

async fn g5_a_fed_dataset_that_was_dropped_by_another_client_is_loaded_again(
    site: Site,
    mut oracle: Oracle,
) {
    let catalog = site.open().await;
    let dataset = cached(&catalog).await;
    foreign(&mut oracle, &site, "DROP TABLE lake.sf.sales").await;
    let lake = catalog.ask().await.unwrap();
    assert!(!lake.versions.contains_key(&dataset));
    assert!(lake.datasets[&dataset].quarantine.is_some());
    catalog
        .change_state(dataset, StateChange::Resume)
        .await
        .unwrap();
    replace(&catalog, dataset).await.unwrap();
    assert_eq!(version(&catalog, dataset).rows(), 7);
}

async fn g5_a_plain_table_of_another_client_is_a_dataset_too(site: Site, mut oracle: Oracle) {
    let catalog = site.open().await;
    foreign(
        &mut oracle,
        &site,
        "CREATE TABLE lake.main.theirs AS SELECT 1::INTEGER a, 'x' s",
    )
    .await;
    let lake = catalog.ask().await.unwrap();
    let theirs = Arc::clone(lake.table("main", "theirs").unwrap());
    assert_eq!(theirs.run, RunId::adopted(theirs.dataset, theirs.snapshot));
    assert_eq!(lake.datasets[&theirs.dataset].name, theirs.name);
    let files = vec![crate::support::file(&theirs.directory, 4)];
    let append = TableChange::Append {
        dataset: theirs.dataset,
        files,
    };
    change(&catalog, theirs.dataset, vec![append])
        .await
        .unwrap();
    assert_eq!(version(&catalog, theirs.dataset).rows(), 5);
    foreign(&mut oracle, &site, "DROP TABLE lake.main.theirs").await;
    let lake = catalog.ask().await.unwrap();
    assert!(lake.table("main", "theirs").is_none());
    assert!(!lake.datasets.contains_key(&theirs.dataset));
    create(&catalog, "theirs", 1).await;
}

async fn inlined_rows_are_refused_by_name(site: Site, mut oracle: Oracle) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 2).await;
    foreign(
        &mut oracle,
        &site,
        "CALL lake.set_option('data_inlining_row_limit', 10)",
    )
    .await;
    foreign(
        &mut oracle,
        &site,
        "INSERT INTO lake.main.t VALUES (1, 'inlined')",
    )
    .await;
    catalog.ask().await.unwrap();
    let found = version(&catalog, dataset);
    let problem = found.unreadable.as_ref().unwrap();
    assert!(problem.contains("ducklake_flush_inlined_data"), "{problem}");
    let files = vec![crate::support::file(&found.directory, 4)];
    let replace = TableChange::Replace {
        dataset,
        columns: None,
        files,
    };
    let refused = change(&catalog, dataset, vec![replace]).await.unwrap_err();
    assert_eq!(
        refused.kind(),
        ErrorKind::FailedPrecondition,
        "rows we cannot see stay"
    );
}

/// A restored backup: what is known is no longer the past of what is.
async fn g14_a_catalog_that_went_back_is_read_again(site: Site, mut oracle: Oracle) {
    let catalog = site.open().await;
    let kept = create(&catalog, "kept", 1).await;
    let lost = create(&catalog, "lost", 1).await;
    let snapshot = catalog.current().snapshot;
    oracle.forget_snapshot(&site.config, snapshot.0).await;
    let lake = catalog.ask().await.unwrap();
    assert!(lake.versions.contains_key(&kept) && !lake.versions.contains_key(&lost));
    assert!(lake.snapshot < snapshot);
}

async fn g5_a_client_that_writes_beside_us_costs_nobody_a_row(site: Site, mut oracle: Oracle) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "ours", 1).await;
    let made = "CREATE TABLE lake.main.theirs (a BIGINT)";
    foreign(&mut oracle, &site, made).await;
    let writer = tokio::spawn(async move {
        for n in 0..25 {
            let insert =
                format!("INSERT INTO lake.main.theirs SELECT range FROM range({n}, {n} + 4)");
            oracle.execute(&[insert]).await.unwrap();
        }
    });
    let directory = version(&catalog, dataset).directory.clone();
    let mut published = 0;
    while !writer.is_finished() {
        published += 1;
        let files = vec![crate::support::file(&directory, published)];
        let replace = TableChange::Replace {
            dataset,
            columns: None,
            files,
        };
        change(&catalog, dataset, vec![replace]).await.unwrap();
        // A client that lost waits 100 ms and longer: let it have its turn.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    writer.await.unwrap();
    let lake = catalog.ask().await.unwrap();
    assert_eq!(lake.table("main", "theirs").unwrap().rows(), 100);
    assert_eq!(lake.versions[&dataset].rows(), published);
}

#[tokio::test]
async fn c1_a_lake_that_others_made_is_adopted() {
    let Some(site) = Site::postgres().await else {
        return;
    };
    let Some(mut oracle) = Oracle::start() else {
        return;
    };
    let mut theirs = site.process();
    theirs.metadata_schema = "theirs".into();
    theirs.data_path = site.config.data_path.replace("/data/", "/theirs/");
    oracle.attach(&theirs).await;
    let made = "CREATE TABLE lake.main.t AS SELECT range AS a FROM range(100)";
    oracle.execute(&[made.to_owned()]).await.unwrap();
    let catalog = site.open().await;
    let name = Name::parse("catalog_name", "warehouse").unwrap();
    let missing = catalog.adopt(&name, "nowhere").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    catalog.adopt(&name, "theirs").await.unwrap();
    catalog.close().await;
    let lake = site.open().await.current();
    assert_eq!(
        (lake.name.as_str(), &lake.data_path),
        ("warehouse", &theirs.data_path)
    );
    assert_eq!(lake.table("main", "t").unwrap().rows(), 100);
}
