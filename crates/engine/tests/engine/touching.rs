//! Deleting and updating rows in place (V-18).

use std::sync::Arc;

use ducksync_core::{
    ErrorKind, Result,
    change::TableChange,
    engine::{Stager, Touched},
    types::{Fields, LakeType},
    version::Version,
};

use crate::lake::{Lake, Numbers, append, change, columns};

fn shape() -> Fields {
    columns(&[("k", LakeType::Int64), ("v", LakeType::Varchar)])
}

async fn rows(lake: &Lake, from: i64, count: i64) -> Arc<Version> {
    let sql = format!(
        "SELECT i AS k, 'v' || i AS v FROM range({from}, {}) t(i)",
        from + count
    );
    lake.table(&shape(), &sql).await
}

async fn touch(lake: &Lake, table: &Arc<Version>, sql: &str) -> Result<Touched> {
    let statement = lake.statement(table, true, sql);
    let request = lake.request(&table.columns);
    lake.engine
        .stage_touched(request, table.clone(), statement)
        .await
}

fn publish(table: &Arc<Version>, touched: Touched) -> Arc<Version> {
    let deleted = change(
        table,
        TableChange::Delete {
            dataset: table.dataset,
            deletes: touched.deletes,
            ended: touched.ended,
        },
    );
    append(&deleted, touched.written)
}

async fn keys(lake: &Lake, table: &Arc<Version>) -> Vec<i64> {
    let batch = lake.query(table, "SELECT k FROM {t}").await;
    batch.column(0).as_primitive_i64().to_vec()
}

const DELETE: &str =
    "SELECT ducksync_file, ducksync_row, false AS ducksync_keep, k, v FROM {t} WHERE ";

#[tokio::test]
async fn v18_few_deleted_rows_become_a_delete_file_and_order_stays() {
    let lake = Lake::open().await;
    let table = rows(&lake, 0, 1_000_000).await;
    let touched = touch(&lake, &table, &format!("{DELETE} k % 100 = 7"))
        .await
        .unwrap();
    assert_eq!(
        (touched.touched, touched.deletes.len(), touched.ended.len()),
        (10_000, 1, 0)
    );
    assert_eq!(touched.written.rows, 0);
    let after = publish(&table, touched);
    assert_eq!(after.rows(), 990_000);
    let expected: Vec<_> = (0..1_000_000).filter(|k| k % 100 != 7).collect();
    assert_eq!(keys(&lake, &after).await, expected);
    assert_eq!(
        lake.number(&after, "SELECT count(*) FROM {t} WHERE k BETWEEN 0 AND 199")
            .await,
        198
    );

    let more = touch(&lake, &after, &format!("{DELETE} k < 100"))
        .await
        .unwrap();
    assert_eq!((more.touched, more.deletes[0].file.rows), (99, 10_099));
    let after = publish(&after, more);
    assert_eq!(keys(&lake, &after).await.first(), Some(&100));
    assert_eq!(
        keys(&lake, &table).await.len(),
        1_000_000,
        "the old version is as it was"
    );
}

/// Every second of `count` files loses rows; read in as many scans as that needs, or in one.
async fn alternating(count: i64, rows_each: i64) {
    let lake = Lake::open().await;
    let mut table = rows(&lake, 0, rows_each).await;
    for index in 1..count {
        let next = rows(&lake, index * rows_each, rows_each).await;
        let files = table
            .files
            .iter()
            .chain(next.files.iter())
            .cloned()
            .collect();
        Arc::make_mut(&mut table).files = files;
    }
    let delete = format!("{DELETE} k % 20 = 0 AND (k // {rows_each}) % 2 = 1");
    let touched = touch(&lake, &table, &delete).await.unwrap();
    assert_eq!(touched.deletes.len() as i64, count / 2);
    let after = publish(&table, touched);
    let expected: Vec<_> = (0..count * rows_each)
        .filter(|k| !(k % 20 == 0 && (k / rows_each) % 2 == 1))
        .collect();
    assert_eq!(keys(&lake, &after).await, expected);
}

#[tokio::test]
async fn v18_several_files_with_and_without_deletes_keep_their_order() {
    alternating(6, 50_000).await;
    alternating(40, 5_000).await;
}

#[tokio::test]
async fn v18_updates_write_new_values_and_much_touched_files_are_rewritten_or_end() {
    let lake = Lake::open().await;
    let table = rows(&lake, 0, 1_000).await;
    let update = "SELECT ducksync_file, ducksync_row, true AS ducksync_keep, k + 10000 AS k, v FROM {t} WHERE ";
    let small = touch(&lake, &table, &format!("{update} k < 5"))
        .await
        .unwrap();
    assert_eq!(
        (small.touched, small.deletes.len(), small.written.rows),
        (5, 1, 5)
    );
    let after = publish(&table, small);
    assert_eq!(after.rows(), 1_000);
    let expected: Vec<_> = (5..1_000).chain(10_000..10_005).collect();
    assert_eq!(keys(&lake, &after).await, expected);

    let large = touch(&lake, &after, &format!("{update} k < 500"))
        .await
        .unwrap();
    assert_eq!(
        (large.touched, large.deletes.len(), large.ended.len()),
        (495, 0, 1)
    );
    let after = publish(&after, large);
    let mut found = keys(&lake, &after).await;
    found.sort_unstable();
    let expected: Vec<_> = (500..1_000).chain(10_000..10_500).collect();
    assert_eq!(found, expected);

    let all = touch(&lake, &after, &format!("{DELETE} true"))
        .await
        .unwrap();
    assert_eq!((all.touched, all.written.files.len()), (1_000, 0));
    assert_eq!(all.ended.len(), after.files.len());
    assert_eq!(publish(&after, all).files.len(), 0);
}

#[tokio::test]
async fn v18_rows_without_place_are_inserted_and_doubles_are_refused() {
    let lake = Lake::open().await;
    let table = rows(&lake, 0, 100).await;
    let merge = "SELECT ducksync_file, ducksync_row, true AS ducksync_keep, k, 'new' AS v FROM {t} WHERE k = 1 \
                 UNION ALL SELECT NULL, NULL, NULL, 1000, 'inserted'";
    let touched = touch(&lake, &table, merge).await.unwrap();
    assert_eq!((touched.touched, touched.written.rows), (1, 2));
    let after = publish(&table, touched);
    assert_eq!(
        lake.number(
            &after,
            "SELECT count(*) FROM {t} WHERE v IN ('new', 'inserted')"
        )
        .await,
        2
    );
    let doubled = format!("{DELETE} k = 1 UNION ALL {DELETE} k = 1");
    let before = lake.files().len();
    let error = touch(&lake, &table, &doubled).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("twice"), "{error}");
    assert_eq!(lake.files().len(), before);
}

#[tokio::test]
async fn i1_a_delete_file_that_is_not_what_the_catalog_says_is_an_error() {
    let lake = Lake::open().await;
    let table = rows(&lake, 0, 1_000).await;
    let mut touched = touch(&lake, &table, &format!("{DELETE} k = 3"))
        .await
        .unwrap();
    touched.deletes[0].file.rows = 2;
    let wrong = publish(&table, touched);
    let error = lake
        .try_query(&wrong, "SELECT * FROM {t}")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataLoss);
}
