//! Versions whose columns changed after their files were written.

use ducksync_core::{
    ErrorKind,
    change::TableChange,
    types::{Field, Fields, LakeType},
};

use crate::lake::{Lake, append, change, column_with_id, columns};

fn alter(
    table: &ducksync_core::version::Version,
    columns: Vec<Field>,
) -> std::sync::Arc<ducksync_core::version::Version> {
    change(
        table,
        TableChange::Alter {
            dataset: table.dataset,
            columns: columns.into(),
        },
    )
}

#[tokio::test]
async fn v18_renamed_added_widened_and_dropped_columns_read_old_and_new_files() {
    let lake = Lake::open().await;
    let before = columns(&[
        ("a", LakeType::Int32),
        ("b", LakeType::Varchar),
        ("c", LakeType::Int32),
    ]);
    let table = lake.table(&before, "SELECT 1 AS a, 'x' AS b, 9 AS c").await;
    let added = Field {
        initial_default: Some("42".into()),
        ..column_with_id(4, "d", LakeType::Int64)
    };
    let table = alter(
        &table,
        vec![
            column_with_id(2, "a", LakeType::Varchar),
            column_with_id(1, "wide", LakeType::Int64),
            added,
            column_with_id(5, "e", LakeType::Date),
        ],
    );
    let sql = "SELECT 'y' AS a, 5000000000 AS wide, 1 AS d, DATE '2024-01-01' AS e";
    let statement = ducksync_core::engine::BoundStatement::plain(sql);
    let request = lake.request(&table.columns);
    let staged = ducksync_core::engine::Stager::stage_statement(&*lake.engine, request, statement);
    let table = append(&table, staged.await.unwrap());
    let rows = lake
        .query(
            &table,
            "SELECT a || ':' || wide || ':' || d || ':' || coalesce(e::VARCHAR, '-') AS x FROM {t}",
        )
        .await;
    let text = arrow::array::AsArray::as_string::<i32>(rows.column(0));
    assert_eq!(
        text.iter().flatten().collect::<Vec<_>>(),
        ["x:1:42:-", "y:5000000000:1:2024-01-01"]
    );
}

#[tokio::test]
async fn v18_nested_columns_whose_parts_changed_are_refused_and_others_read() {
    let lake = Lake::open().await;
    let part = |name: &str| Field::new(name, LakeType::Int32);
    let before: Fields = columns(&[
        ("s", LakeType::Struct(vec![part("p"), part("q")])),
        ("l", LakeType::list(LakeType::Int32)),
        ("k", LakeType::Int32),
    ]);
    let table = lake
        .table(&before, "SELECT {'p': 1, 'q': 2} AS s, [1, 2] AS l, 3 AS k")
        .await;
    let mut renamed = before.to_vec();
    renamed[2].name = "key".into();
    let ok = alter(&table, renamed.clone());
    assert_eq!(
        lake.number(&ok, "SELECT s.q + l[1] + key FROM {t}").await,
        6
    );
    let LakeType::Struct(parts) = &mut renamed[0].lake_type else {
        panic!("a struct");
    };
    parts[1].name = "r".into();
    let changed = alter(&table, renamed);
    let error = lake
        .try_query(&changed, "SELECT s.r FROM {t}")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unimplemented);
    assert!(
        error.to_string().contains("column \"s\" of main.t"),
        "{error}"
    );
}
