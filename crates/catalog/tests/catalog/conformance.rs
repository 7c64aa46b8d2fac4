//! What a catalog does, whatever database holds it.

use std::{sync::Arc, time::Duration};

use ducksync_catalog::Catalog;
use ducksync_core::{
    catalog::{ClaimOutcome, ClaimStore, DatasetStore, Publisher, RunLedger, Versions},
    change::{Basis, Publication, TableChange},
    dataset::{
        Checkpoint, Feed, InvalidationMode, Proof, QueryCache, RefreshMethod, SourceState,
        TtlAction,
    },
    error::ErrorKind,
    id::{DatasetId, FieldId, RunId, SnapshotId},
    name::{Name, TableName},
    run::{RunCompletion, RunOutcome, RunReason, RunStatus, RunTrigger},
    source::TypeOptions,
    types::{Field, LakeType},
    version::View,
};

use crate::support::{Site, basis, change, create, file, statement, two_columns, version};

macro_rules! on_each_engine {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(super::Site::sqlite()).await; })+
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                if let Some(site) = super::Site::postgres().await { super::$name(site).await; }
            })+
        }
    };
}

on_each_engine!(
    g4_a_publish_shows_in_the_map_when_it_returns,
    g4_a_moved_head_is_a_conflict_and_nothing_changes,
    g4_a_run_completes_with_its_data,
    g4_a_run_without_its_claim_publishes_nothing,
    g4_a_run_publishes_once,
    g5_appends_rebase_while_columns_are_unchanged,
    g5_a_merge_aborts_nobody_and_keeps_the_order,
    files_older_than_the_columns_are_read_by_field_id,
    names_are_unique_ignoring_case,
    schemas_and_views_come_and_go,
    a_renamed_table_keeps_its_dataset_and_a_dropped_name_is_free,
    v1_older_snapshots_are_as_they_were,
    o9_a_catalog_is_opened_again_as_it_was,
    g14_a_publish_reads_only_what_changed,
    o7_a_second_process,
    g4_a_publish_that_is_given_up_is_whole_or_nothing,
    g4_nothing_replaced_by_nothing_is_the_same_version,
    g5_statistics_of_wide_tables_are_all_there,
);

async fn g4_a_publish_shows_in_the_map_when_it_returns(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 3).await;
    let first = version(&catalog, dataset);
    assert_eq!((first.rows(), first.files.len()), (3, 1));
    assert_eq!(first.columns, two_columns());
    assert_eq!(first.next_field, FieldId(3));
    assert!(first.files[0].current_columns);
    assert_eq!(first.files[0].stats.len(), 2);
    let files = vec![file(&first.directory, 5), file(&first.directory, 6)];
    let locations: Vec<_> = files.iter().map(|file| file.location.clone()).collect();
    let replace = TableChange::Replace {
        dataset,
        columns: None,
        files,
    };
    let published = change(&catalog, dataset, vec![replace]).await.unwrap();
    let second = version(&catalog, dataset);
    assert_eq!(second.snapshot, published.snapshot);
    assert_eq!(catalog.current().snapshot, published.snapshot);
    assert!(second.seq > first.seq && second.run != first.run);
    let found: Vec<_> = second
        .files
        .iter()
        .map(|file| file.location.clone())
        .collect();
    assert_eq!(
        found, locations,
        "files are read in the order in which they were published"
    );
    let known = &catalog.current().datasets[&dataset];
    let head = known.head.as_ref().unwrap();
    assert_eq!(
        (head.rows, head.seq, head.run),
        (11, second.seq, second.run)
    );
}

async fn g4_a_moved_head_is_a_conflict_and_nothing_changes(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 3).await;
    let seen = basis(&catalog, dataset);
    let directory = version(&catalog, dataset).directory.clone();
    let replace = || TableChange::Replace {
        dataset,
        columns: None,
        files: vec![file(&directory, 1)],
    };
    change(&catalog, dataset, vec![replace()]).await.unwrap();
    let before = catalog.current();
    let late = catalog
        .publish(statement(vec![seen], vec![replace()]))
        .await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(catalog.ask().await.unwrap().snapshot, before.snapshot);
}

fn cache(query: &str) -> Feed {
    Feed::QueryCache(QueryCache {
        source: Name::parse("source", "sf").unwrap(),
        query: query.into(),
        monitor_tables: None,
        ttl: None,
        invalidation_mode: InvalidationMode::Auto,
        metadata_secret: None,
        ttl_action: TtlAction::Reload,
        refresh_method: RefreshMethod::Auto,
        named_tables: Vec::new(),
        plain_texts: Vec::new(),
        changes: None,
        refresh_every: None,
        types: TypeOptions::default(),
    })
}

/// A run of a new cache that is about to publish its first version.
pub(crate) async fn first_run(catalog: &Catalog, name: &str) -> Publication {
    let (dataset, run) = (DatasetId::generate(), RunId::generate());
    let name = TableName::new("sf", name);
    catalog
        .create(dataset, name.clone(), cache("SELECT 1"))
        .await
        .unwrap();
    let ClaimOutcome::Held(claim) = catalog.claim(dataset, run).await.unwrap() else {
        panic!("the claim of a new dataset is taken");
    };
    catalog
        .begin(run, dataset, RunTrigger::Initial)
        .await
        .unwrap();
    let directory = catalog.current().new_table_directory(&name, dataset);
    catalog
        .record_staging(run, &directory, Some(RunReason::Initial))
        .await
        .unwrap();
    let now = catalog.now().await.unwrap();
    let files = vec![file(&directory, 7)];
    Publication {
        run,
        basis: vec![Basis {
            dataset,
            seq: None,
            claim: Some(claim),
        }],
        changes: vec![
            TableChange::Create {
                dataset,
                name,
                directory,
                columns: two_columns(),
            },
            TableChange::Append { dataset, files },
        ],
        checkpoints: vec![(
            dataset,
            Checkpoint {
                definition_hash: "hash".into(),
                proof: Proof {
                    tokens: SourceState::default(),
                    data_timestamp: now,
                    checked_at: now,
                    expires_at: None,
                },
            },
        )],
        completion: Some(RunCompletion {
            status: RunStatus::Completed,
            reason: Some(RunReason::Initial),
            attempts: 1,
            outcome: RunOutcome {
                rows: Some(7),
                ..RunOutcome::default()
            },
            failure: None,
        }),
    }
}

async fn g4_a_run_completes_with_its_data(site: Site) {
    let catalog = site.open().await;
    let publication = first_run(&catalog, "sales").await;
    let (run, dataset) = (publication.run, publication.basis[0].dataset);
    let claim = publication.basis[0].claim;
    let published = catalog.publish(publication).await.unwrap();
    let record = catalog.run(run).await.unwrap();
    assert_eq!(record.status, RunStatus::Completed);
    assert_eq!(record.outcome.snapshot, Some(published.snapshot));
    let lake = catalog.current();
    let known = lake.cache("SALES").unwrap();
    let head = known.head.as_ref().unwrap();
    assert_eq!((head.run, head.claim, head.rows), (run, claim, 7));
    assert_eq!(head.definition_hash.as_deref(), Some("hash"));
    assert_eq!(known.refresh_count, 1);
    assert!(known.proof.is_some() && known.last_duration_ms.is_some());
    assert_eq!(lake.table("sf", "sales").unwrap().dataset, dataset);
    assert!(
        lake.schemas.contains_key("sf"),
        "the schema was made with the first table"
    );
}

async fn g4_a_run_without_its_claim_publishes_nothing(site: Site) {
    let catalog = site.open().await;
    let publication = first_run(&catalog, "sales").await;
    let basis = publication.basis[0];
    catalog
        .release(basis.dataset, basis.claim.unwrap())
        .await
        .unwrap();
    let refused = catalog.publish(publication.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let mut unclaimed = publication;
    unclaimed.basis[0].claim = None;
    let refused = catalog.publish(unclaimed).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(catalog.ask().await.unwrap().versions.is_empty());
}

async fn g4_a_run_publishes_once(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 1).await;
    let directory = version(&catalog, dataset).directory.clone();
    let append = TableChange::Append {
        dataset,
        files: vec![file(&directory, 1)],
    };
    let publication = statement(vec![basis(&catalog, dataset)], vec![append]);
    catalog.publish(publication.clone()).await.unwrap();
    let again = catalog.publish(publication).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    assert_eq!(version(&catalog, dataset).rows(), 2);
}

async fn g5_appends_rebase_while_columns_are_unchanged(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 1).await;
    let seen = basis(&catalog, dataset);
    let directory = version(&catalog, dataset).directory.clone();
    let append = || TableChange::Append {
        dataset,
        files: vec![file(&directory, 1)],
    };
    change(&catalog, dataset, vec![append()]).await.unwrap();
    catalog
        .publish(statement(vec![seen], vec![append()]))
        .await
        .unwrap();
    assert_eq!(version(&catalog, dataset).rows(), 3);
    let mut columns = two_columns().to_vec();
    columns.push(Field {
        id: FieldId(3),
        ..Field::new("n", LakeType::Int64)
    });
    let alter = TableChange::Alter {
        dataset,
        columns: columns.into(),
    };
    change(&catalog, dataset, vec![alter]).await.unwrap();
    let late = catalog.publish(statement(vec![seen], vec![append()])).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
}

async fn g5_a_merge_aborts_nobody_and_keeps_the_order(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 1).await;
    let directory = version(&catalog, dataset).directory.clone();
    for _ in 0..4 {
        let files = vec![file(&directory, 1)];
        change(
            &catalog,
            dataset,
            vec![TableChange::Append { dataset, files }],
        )
        .await
        .unwrap();
    }
    let before = version(&catalog, dataset);
    let seen = basis(&catalog, dataset);
    let of = |n: usize| before.files[n].location.clone();
    let merged = vec![file(&directory, 1), file(&directory, 1)];
    let [first, second] = [merged[0].location.clone(), merged[1].location.clone()];
    let merge = TableChange::Merge {
        dataset,
        ended: vec![of(1), of(2)],
        files: merged,
    };
    change(&catalog, dataset, vec![merge]).await.unwrap();
    let after = version(&catalog, dataset);
    let order: Vec<_> = after
        .files
        .iter()
        .map(|file| file.location.clone())
        .collect();
    assert_eq!(order, [of(0), first, second, of(3), of(4)]);
    assert_eq!(after.seq, before.seq, "a merge is no change of data");
    assert_ne!(after.run, before.run, "but other files have another name");
    let replace = TableChange::Replace {
        dataset,
        columns: None,
        files: vec![file(&directory, 9)],
    };
    catalog
        .publish(statement(vec![seen], vec![replace]))
        .await
        .unwrap();
    assert_eq!(version(&catalog, dataset).rows(), 9);
}

async fn files_older_than_the_columns_are_read_by_field_id(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 1).await;
    let directory = version(&catalog, dataset).directory.clone();
    let append = || TableChange::Append {
        dataset,
        files: vec![file(&directory, 1)],
    };
    let mut columns = two_columns().to_vec();
    columns[1].name = "renamed".into();
    let alter = TableChange::Alter {
        dataset,
        columns: columns.clone().into(),
    };
    change(&catalog, dataset, vec![append(), alter, append()])
        .await
        .unwrap();
    let found = version(&catalog, dataset);
    let current: Vec<_> = found
        .files
        .iter()
        .map(|file| file.current_columns)
        .collect();
    assert_eq!(current, [false, false, true]);
    assert_eq!(found.columns[..], columns[..]);
}

async fn names_are_unique_ignoring_case(site: Site) {
    let catalog = site.open().await;
    create(&catalog, "Sales", 1).await;
    let make = |schema: &str, name: &str| {
        let dataset = DatasetId::generate();
        let name = TableName::new(schema, name);
        let directory = catalog.current().new_table_directory(&name, dataset);
        let create = TableChange::Create {
            dataset,
            name,
            directory,
            columns: two_columns(),
        };
        (dataset, create)
    };
    let (dataset, again) = make("MAIN", "sALES");
    let refused = change(&catalog, dataset, vec![again]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    let id = DatasetId::generate();
    catalog
        .create(id, TableName::new("main", "cached"), cache("SELECT 1"))
        .await
        .unwrap();
    let (dataset, taken) = make("main", "CACHED");
    let refused = change(&catalog, dataset, vec![taken]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
}

async fn schemas_and_views_come_and_go(site: Site) {
    let catalog = site.open().await;
    let publish = async |changes| catalog.publish(statement(vec![], changes)).await;
    let view = |sql: &str| {
        TableChange::CreateView(View {
            name: TableName::new("s", "v"),
            sql: sql.into(),
            column_aliases: vec!["x, \"y\"".into()],
        })
    };
    let schema = || TableChange::CreateSchema { name: "s".into() };
    publish(vec![schema(), view("SELECT 1")]).await.unwrap();
    assert_eq!(
        publish(vec![schema()]).await.unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    publish(vec![view("SELECT 2")]).await.unwrap();
    let lake = catalog.current();
    let found = &lake.views[&("s".to_owned(), "v".to_owned())];
    assert_eq!(
        (found.sql.as_str(), found.column_aliases.len()),
        ("SELECT 2", 1)
    );
    let drop_schema = || TableChange::DropSchema { name: "S".into() };
    let refused = publish(vec![drop_schema()]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::FailedPrecondition);
    let drop_view = TableChange::DropView {
        name: TableName::new("S", "V"),
    };
    publish(vec![drop_view, drop_schema()]).await.unwrap();
    let lake = catalog.current();
    assert!(lake.views.is_empty() && !lake.schemas.contains_key("s"));
}

async fn a_renamed_table_keeps_its_dataset_and_a_dropped_name_is_free(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 2).await;
    let seq = version(&catalog, dataset).seq;
    let rename = TableChange::Rename {
        dataset,
        name: TableName::new("main", "u"),
    };
    change(&catalog, dataset, vec![rename]).await.unwrap();
    let lake = catalog.current();
    assert!(lake.table("main", "t").is_none());
    assert_eq!(lake.table("main", "U").unwrap().dataset, dataset);
    assert_eq!(lake.datasets[&dataset].name.name, "u");
    assert_eq!(version(&catalog, dataset).seq, seq, "no row changed");
    let other = create(&catalog, "t", 1).await;
    change(&catalog, dataset, vec![TableChange::Drop { dataset }])
        .await
        .unwrap();
    let lake = catalog.current();
    assert!(!lake.versions.contains_key(&dataset) && !lake.datasets.contains_key(&dataset));
    assert!(lake.versions.contains_key(&other));
    create(&catalog, "u", 1).await;
}

async fn v1_older_snapshots_are_as_they_were(site: Site) {
    let catalog = site.open().await;
    let mut past = vec![catalog.current()];
    let dataset = create(&catalog, "t", 2).await;
    past.push(catalog.current());
    let directory = version(&catalog, dataset).directory.clone();
    let mut columns = two_columns().to_vec();
    columns.push(Field {
        id: FieldId(3),
        ..Field::new("n", LakeType::list(LakeType::Uuid))
    });
    if let LakeType::List(element) = &mut columns[2].lake_type {
        element.id = FieldId(4);
    }
    for changes in [
        vec![TableChange::Append {
            dataset,
            files: vec![file(&directory, 1)],
        }],
        vec![TableChange::Alter {
            dataset,
            columns: columns.into(),
        }],
        vec![TableChange::Rename {
            dataset,
            name: TableName::new("main", "u"),
        }],
        vec![TableChange::Replace {
            dataset,
            columns: None,
            files: vec![file(&directory, 1)],
        }],
        vec![TableChange::Drop { dataset }],
    ] {
        change(&catalog, dataset, changes).await.unwrap();
        past.push(catalog.current());
    }
    for then in &past {
        let found = catalog.at(then.snapshot).await.unwrap();
        assert_eq!(found.tables, then.tables, "{}", then.snapshot);
        for (id, version) in &then.versions {
            let found = &found.versions[id];
            assert_eq!((found.run, &found.files), (version.run, &version.files));
            assert_eq!(
                (&found.columns, &found.name),
                (&version.columns, &version.name)
            );
        }
        let time = then.snapshot_time.unwrap();
        let newest = past
            .iter()
            .filter(|p| p.snapshot_time.unwrap() <= time)
            .count()
            - 1;
        assert_eq!(
            catalog.snapshot_at(time).await.unwrap(),
            past[newest].snapshot
        );
    }
    let never = catalog.at(SnapshotId(99)).await.unwrap_err();
    assert_eq!(never.kind(), ErrorKind::NotFound);
}

async fn o9_a_catalog_is_opened_again_as_it_was(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 2).await;
    let publication = first_run(&catalog, "sales").await;
    catalog.publish(publication).await.unwrap();
    let before = catalog.current();
    catalog.close().await;
    drop(catalog);
    let again = site.open().await.current();
    assert_eq!(again.versions, before.versions);
    assert_eq!(again.datasets, before.datasets);
    assert_eq!(
        (again.snapshot, again.revision),
        (before.snapshot, before.revision)
    );
    assert!(again.versions.contains_key(&dataset));
    let mut elsewhere = site.process();
    elsewhere.data_path = "/elsewhere/".into();
    let refused = Catalog::open(elsewhere).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::FailedPrecondition);
}

async fn g14_a_publish_reads_only_what_changed(site: Site) {
    let catalog = site.open().await;
    let mut datasets = Vec::new();
    for n in 0..20 {
        datasets.push(create(&catalog, &format!("t{n}"), 1).await);
    }
    let before = catalog.current();
    let dataset = datasets[7];
    let files = vec![file(&version(&catalog, dataset).directory, 1)];
    change(
        &catalog,
        dataset,
        vec![TableChange::Append { dataset, files }],
    )
    .await
    .unwrap();
    let after = catalog.current();
    for id in &datasets {
        let same = Arc::ptr_eq(&before.versions[id], &after.versions[id]);
        assert_eq!(same, *id != dataset, "only the changed table is read again");
    }
}

/// On SQLite it is refused (O-7); on Postgres it sees publishes within two seconds (G-14).
async fn o7_a_second_process(site: Site) {
    let catalog = site.open().await;
    if !site.many {
        let refused = Catalog::open(site.process()).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::FailedPrecondition);
        return;
    }
    let other = site.open().await;
    let mut news = other.subscribe();
    let dataset = create(&catalog, "t", 1).await;
    let shown = news.wait_for(|lake| lake.versions.contains_key(&dataset));
    tokio::time::timeout(Duration::from_secs(2), shown)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(other.current().versions, catalog.current().versions);
}

/// The caller went away at any moment: no half transaction stays behind, on no connection.
async fn g4_a_publish_that_is_given_up_is_whole_or_nothing(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 1).await;
    let directory = version(&catalog, dataset).directory.clone();
    for n in 0..120 {
        let before = version(&catalog, dataset);
        let rows = before.rows() + 1;
        let replace = TableChange::Replace {
            dataset,
            columns: None,
            files: vec![file(&directory, rows)],
        };
        let publication = statement(vec![basis(&catalog, dataset)], vec![replace]);
        let run = publication.run;
        let patience = Duration::from_micros(100 * n);
        let given_up = tokio::time::timeout(patience, catalog.publish(publication)).await;
        // A commit that was under way when we left ends before the next transaction begins.
        let files = vec![file(&directory, 1)];
        let append = TableChange::Append { dataset, files };
        tokio::time::timeout(
            Duration::from_secs(5),
            change(&catalog, dataset, vec![append]),
        )
        .await
        .expect("no lock is left behind")
        .ok();
        catalog.ask().await.unwrap();
        let after = version(&catalog, dataset);
        let whole = after.files[0].rows == rows;
        let nothing = after.files[0].location == before.files[0].location;
        assert!(whole || nothing, "{n}: {after:?}");
        assert!(given_up.is_err() || whole, "{n}: {run} was published");
    }
}

async fn g5_statistics_of_wide_tables_are_all_there(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 1).await;
    let directory = version(&catalog, dataset).directory.clone();
    let mut wide = vec![file(&directory, 1), file(&directory, 2)];
    for file in &mut wide {
        let column = file.stats[0].clone();
        file.stats = (1..=1500)
            .map(|n| ducksync_core::version::ColumnStats {
                field: FieldId(n),
                ..column.clone()
            })
            .collect();
        file.stats[7].min = Some("nul\0".into());
    }
    let files = wide.clone();
    let replace = TableChange::Replace {
        dataset,
        columns: None,
        files,
    };
    change(&catalog, dataset, vec![replace]).await.unwrap();
    for (found, staged) in version(&catalog, dataset).files.iter().zip(&wide) {
        assert_eq!(found.stats.len(), 1500);
        assert_eq!(found.stats[1400], staged.stats[1400]);
        assert_eq!((&found.stats[7].min, &found.stats[7].max), (&None, &None));
    }
}

/// `seq` moves only with rows or columns, and whoever reads what is new need not find more.
async fn g4_nothing_replaced_by_nothing_is_the_same_version(site: Site) {
    let catalog = site.open().await;
    let dataset = create(&catalog, "t", 1).await;
    let empty = || {
        vec![TableChange::Replace {
            dataset,
            columns: None,
            files: vec![],
        }]
    };
    change(&catalog, dataset, empty()).await.unwrap();
    let before = version(&catalog, dataset);
    let published = change(&catalog, dataset, empty()).await.unwrap();
    assert_eq!(catalog.current().snapshot, published.snapshot);
    assert_eq!(version(&catalog, dataset), before);
    assert_eq!(
        catalog.at(before.snapshot).await.unwrap().versions[&dataset].run,
        before.run
    );
    change(&catalog, dataset, empty()).await.unwrap();
}
