use std::time::Duration;

use ducksync_core::{
    ErrorKind,
    catalog::{DatasetStore, Publisher, Upkeep, Versions},
    change::{Basis, Publication, StagedDeletes, TableChange},
    id::{DatasetId, FieldId, RunId},
    name::TableName,
    types::{Field, LakeType},
    version::DeleteFile,
};

use crate::{
    Catalog,
    db::sql,
    testing::{columns, define, file, location, on_each_engine, refresh},
};

async fn count(catalog: &Catalog, text: &'static str) -> i64 {
    catalog
        .db
        .fetch_one(sql(text))
        .await
        .unwrap()
        .get(0)
        .unwrap()
}

async fn publish(catalog: &Catalog, dataset: DatasetId, changes: Vec<TableChange>) {
    let seq = catalog
        .current()
        .versions
        .get(&dataset)
        .map(|version| version.seq);
    let publication = Publication {
        run: RunId::generate(),
        basis: vec![Basis {
            dataset,
            seq,
            claim: None,
        }],
        changes,
        checkpoints: vec![],
        completion: None,
    };
    catalog.publish(publication).await.unwrap();
}

#[tokio::test]
async fn c1_snapshots_name_their_tables_and_runs() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let (sales, other) = (
            define(&catalog, "sales").await,
            define(&catalog, "other").await,
        );
        let first = refresh(&catalog, sales, "one").await;
        let second = refresh(&catalog, other, "two").await;
        let third = refresh(&catalog, sales, "three").await;
        let all = catalog.snapshots(None, 2).await.unwrap();
        assert_eq!(
            all.iter().map(|s| s.id).collect::<Vec<_>>(),
            [third.snapshot, second.snapshot]
        );
        assert_eq!(all[1].tables, ["prod.other"]);
        assert_eq!(all[0].time, third.time);
        assert_eq!(all[0].run, Some(catalog.current().versions[&sales].run));
        let of_sales = catalog.snapshots(Some(sales), 10).await.unwrap();
        let ids: Vec<_> = of_sales.iter().map(|s| s.id).collect();
        assert_eq!(ids, [third.snapshot, first.snapshot]);
        place
    })
    .await;
}

#[tokio::test]
async fn o8_expiry_takes_old_snapshots_and_only_files_that_none_names() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let sales = define(&catalog, "sales").await;
        let mut made = Vec::new();
        for name in ["one", "two", "three"] {
            made.push((
                refresh(&catalog, sales, name).await.snapshot,
                location(&catalog, sales, name),
            ));
        }
        let held = made[1].0;
        let week = Duration::from_secs(7 * 86_400);
        assert_eq!(
            catalog.expire(week, &[]).await.unwrap(),
            0,
            "nothing is that old"
        );
        let before = count(&catalog, "SELECT count(*) FROM lake.ducklake_snapshot").await;
        let expired = catalog.expire(Duration::ZERO, &[held]).await.unwrap();
        assert_eq!(
            i64::try_from(expired).unwrap(),
            before - 2,
            "all but the held and the newest"
        );
        assert_eq!(
            catalog.deletable(Duration::ZERO, 10).await.unwrap(),
            [made[0].1.clone()]
        );
        assert_eq!(
            catalog.deletable(week, 10).await.unwrap(),
            Vec::<String>::new()
        );
        let error = catalog.at(made[0].0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let then = catalog.at(held).await.unwrap();
        assert_eq!(then.versions[&sales].files[0].location, made[1].1);
        let now = catalog.ask().await.unwrap();
        assert_eq!(now.versions[&sales].files[0].location, made[2].1);
        catalog.expire(Duration::ZERO, &[]).await.unwrap();
        let files = catalog.deletable(Duration::ZERO, 10).await.unwrap();
        assert_eq!(files, [made[0].1.clone(), made[1].1.clone()]);
        catalog.forget_deleted(&files[..1]).await.unwrap();
        assert_eq!(
            catalog.deletable(Duration::ZERO, 10).await.unwrap(),
            files[1..]
        );
        refresh(&catalog, sales, "four").await;
        place
    })
    .await;
}

#[tokio::test]
async fn g4_publications_are_kept_while_a_snapshot_a_run_or_a_name_needs_them() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let (sales, still) = (
            define(&catalog, "sales").await,
            define(&catalog, "still").await,
        );
        let unchanged = refresh(&catalog, still, "old").await.snapshot;
        for name in ["one", "two", "three", "four"] {
            refresh(&catalog, sales, name).await;
        }
        let newest = catalog.ask().await.unwrap();
        let named = catalog.at(newest.snapshot).await.unwrap();
        let publications = "SELECT count(*) FROM ducksync.publications";
        let before = count(&catalog, publications).await;
        assert_eq!(catalog.prune_publications().await.unwrap(), 0);
        catalog.expire(Duration::ZERO, &[]).await.unwrap();
        let pruned = catalog.prune_publications().await.unwrap();
        assert!(pruned > 0);
        let after = count(&catalog, publications).await;
        assert_eq!(before - after, i64::try_from(pruned).unwrap());
        assert!(catalog.at(unchanged).await.is_err(), "it has expired");
        let again = catalog.at(newest.snapshot).await.unwrap();
        for table in [sales, still] {
            assert_eq!(again.versions[&table].run, named.versions[&table].run);
        }
        assert_eq!(catalog.prune_publications().await.unwrap(), 0);
        place
    })
    .await;
}

#[tokio::test]
async fn o8_delete_files_and_dropped_tables_leave_nothing_behind() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let dataset = DatasetId::generate();
        let name = TableName::new("prod", "plain");
        let directory = catalog.current().new_table_directory(&name, dataset);
        let data = format!("{directory}a.parquet");
        let change = |changes| publish(&catalog, dataset, changes);
        let create = TableChange::Create {
            dataset,
            name,
            directory: directory.clone(),
            columns: columns(),
        };
        let append = TableChange::Append {
            dataset,
            files: vec![file(data.as_str(), 3)],
        };
        change(vec![create, append]).await;
        let deletes = |rows| TableChange::Delete {
            dataset,
            deletes: vec![StagedDeletes {
                data_file: data.clone(),
                file: DeleteFile {
                    location: format!("{directory}d{rows}.parquet"),
                    rows,
                    size_bytes: 10,
                    footer_bytes: 1,
                },
            }],
            ended: vec![],
        };
        change(vec![deletes(1)]).await;
        change(vec![deletes(2)]).await;
        catalog.expire(Duration::ZERO, &[]).await.unwrap();
        let first = catalog.deletable(Duration::ZERO, 10).await.unwrap();
        assert_eq!(
            first,
            [format!("{directory}d1.parquet")],
            "the newest state keeps its files"
        );
        assert_eq!(catalog.ask().await.unwrap().versions[&dataset].rows(), 1);
        change(vec![TableChange::Drop { dataset }]).await;
        catalog.expire(Duration::ZERO, &[]).await.unwrap();
        let mut all = catalog.deletable(Duration::ZERO, 10).await.unwrap();
        all.sort();
        let gone = ["a", "d1", "d2"].map(|file| format!("{directory}{file}.parquet"));
        assert_eq!(all, gone);
        for left in [
            "SELECT count(*) FROM lake.ducklake_table",
            "SELECT count(*) FROM lake.ducklake_column",
            "SELECT count(*) FROM lake.ducklake_data_file",
            "SELECT count(*) FROM lake.ducklake_delete_file",
            "SELECT count(*) FROM lake.ducklake_file_column_stats",
            "SELECT count(*) FROM lake.ducklake_table_stats",
        ] {
            assert_eq!(count(&catalog, left).await, 0, "{left}");
        }
        place
    })
    .await;
}

#[tokio::test]
async fn o8_a_column_id_is_never_used_twice_after_expiry() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let dataset = DatasetId::generate();
        let name = TableName::new("prod", "plain");
        let one = columns();
        let both: Vec<_> = [(1, "a"), (2, "b")]
            .map(|(id, name)| Field {
                id: FieldId(id),
                ..Field::new(name, LakeType::Int64)
            })
            .into();
        let create = TableChange::Create {
            dataset,
            directory: catalog.current().new_table_directory(&name, dataset),
            name,
            columns: both.into(),
        };
        publish(&catalog, dataset, vec![create]).await;
        let columns = one;
        publish(
            &catalog,
            dataset,
            vec![TableChange::Alter { dataset, columns }],
        )
        .await;
        catalog.expire(Duration::ZERO, &[]).await.unwrap();
        catalog.close().await;
        drop(catalog);
        let version = place.open().await.current().versions[&dataset].clone();
        assert_eq!(version.columns.len(), 1);
        assert_eq!(
            version.next_field,
            FieldId(3),
            "2 is in files that may still be read"
        );
        place
    })
    .await;
}

#[tokio::test]
async fn o8_a_file_that_another_table_names_stays() {
    on_each_engine(|place| async {
        let catalog = place.open().await;
        let (one, two) = (define(&catalog, "one").await, define(&catalog, "two").await);
        refresh(&catalog, one, "shared").await;
        refresh(&catalog, two, "own").await;
        // Another DuckLake client may register one file with two tables.
        let shared = location(&catalog, one, "shared");
        let add = "INSERT INTO lake.ducklake_data_file (data_file_id, table_id, begin_snapshot, \
                   path, path_is_relative, record_count) \
                   SELECT 999, t.table_id, t.begin_snapshot, $1, $2, 3 FROM lake.ducklake_table t \
                   WHERE t.table_uuid = $3";
        let add = sql(add).bind(shared.as_str()).bind(false).bind(two.0);
        catalog.db.execute(add).await.unwrap();
        catalog.forget(one, false).await.unwrap();
        catalog.expire(Duration::ZERO, &[]).await.unwrap();
        assert_eq!(
            catalog.deletable(Duration::ZERO, 10).await.unwrap(),
            Vec::<String>::new()
        );
        place
    })
    .await;
}
