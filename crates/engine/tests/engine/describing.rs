//! Parsing and describing without running (V-3, V-6).

use std::sync::Arc;

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field as ArrowField, Schema},
};
use ducksync_core::{
    ErrorKind,
    engine::{BoundStatement, QueryEngine},
    types::LakeType,
};

use crate::lake::{Lake, collect, columns};

#[tokio::test]
async fn v6_parsing_gives_duckdbs_tree_and_its_error_with_a_position() {
    let lake = Lake::open().await;
    let tree = lake
        .engine
        .parse("FROM s.t SELECT a; SELECT 'ä', ?")
        .await
        .unwrap();
    assert_eq!(tree["statements"].as_array().unwrap().len(), 2);
    let from = &tree["statements"][0]["node"]["from_table"];
    assert_eq!(
        (&from["schema_name"], &from["table_name"]),
        (&"s".into(), &"t".into())
    );
    let error = lake.engine.parse("SELECT FROM x y z (").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("at byte"), "{error}");
    assert!(lake.engine.parse("DELETE FROM t").await.is_err());
}

#[tokio::test]
async fn v6_deep_expressions_parse_and_endless_ones_are_refused() {
    let lake = Lake::open().await;
    let sum = |terms: usize| format!("SELECT {}", vec!["1"; terms].join(" + "));
    assert!(lake.engine.parse(&sum(300)).await.is_ok());
    let error = lake.engine.parse(&sum(100_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}

#[tokio::test]
async fn v3_description_and_stream_agree_for_awkward_types() {
    let lake = Lake::open().await;
    for sql in [
        "SELECT 1 AS a, 2 AS a, '{}'::JSON AS j, uuid() AS u, [uuid()] AS lu",
        "SELECT now() AS t, '10:00'::TIMETZ AS z, 'x'::ENUM('x') AS e, ['x'::ENUM('x')] AS le",
        "SELECT [1,2]::INTEGER[2] AS ar, NULL AS n, [NULL] AS ln, MAP {1: now()} AS m",
        "SELECT {'t': now(), 'h': 5::HUGEINT} AS s WHERE false",
        "VALUES (1, 'a'), (2, 'b')",
    ] {
        for zone in ["UTC", "America/New_York"] {
            let statement = BoundStatement {
                time_zone: zone.into(),
                ..BoundStatement::plain(sql)
            };
            let described = lake.engine.describe(&statement).await.unwrap();
            let stream = lake.engine.execute(statement).await.unwrap();
            assert_eq!(&described.columns, stream.fields(), "{sql}");
            collect(stream).await.unwrap();
        }
    }
}

#[tokio::test]
async fn v3_types_that_cannot_leave_are_refused_naming_column_and_cast() {
    let lake = Lake::open().await;
    for sql in [
        "SELECT union_value(a := 1) AS x",
        "SELECT '101'::BIT AS x",
        "SELECT 1::BIGNUM AS x",
        "SELECT 1::UHUGEINT AS x",
        "SELECT ['10:00'::TIME_NS] AS x",
    ] {
        let error = lake
            .engine
            .describe(&BoundStatement::plain(sql))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let text = error.to_string();
        assert!(
            text.contains("\"x\"") && text.contains("cast it to"),
            "{text}"
        );
        assert!(
            lake.engine
                .execute(BoundStatement::plain(sql))
                .await
                .is_err()
        );
    }
}

fn bound(sql: &str, number: i64, text: &str) -> BoundStatement {
    let schema = Schema::new(vec![
        ArrowField::new("0", DataType::Int64, true),
        ArrowField::new("1", DataType::Utf8, true),
    ]);
    let values = RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int64Array::from(vec![number])),
            Arc::new(StringArray::from(vec![text])),
        ],
    );
    BoundStatement {
        parameters: Some(values.unwrap()),
        ..BoundStatement::plain(sql)
    }
}

#[tokio::test]
async fn v3_parameters_are_described_bound_and_decide_types() {
    let lake = Lake::open().await;
    let table = lake
        .table(&columns(&[("k", LakeType::Int32)]), "SELECT 7 AS k")
        .await;
    let statement = lake.statement(&table, false, "SELECT k FROM {t} WHERE k = ? AND 'x' = ?");
    let described = lake.engine.describe(&statement).await.unwrap();
    assert_eq!(
        described.parameters,
        [Some(LakeType::Int32), Some(LakeType::Varchar)]
    );
    assert_eq!(described.columns.len(), 1);

    for sql in [
        "SELECT ? + 1 AS a, ? AS b",
        "SELECT ? + 1 AS a, ? AS b ORDER BY 1 LIMIT 9",
    ] {
        let unbound = lake
            .engine
            .describe(&BoundStatement::plain(sql))
            .await
            .unwrap();
        assert_eq!(unbound.columns.len(), 2);
        let statement = bound(sql, 5_000_000_000, "x");
        let described = lake.engine.describe(&statement).await.unwrap();
        assert_eq!(described.columns[0].lake_type, LakeType::Int64);
        let stream = lake.engine.execute(statement).await.unwrap();
        assert_eq!(&described.columns, stream.fields());
        let rows = collect(stream).await.unwrap();
        assert_eq!(
            crate::lake::Numbers::as_primitive_i64(rows.column(0)),
            [5_000_000_001]
        );
    }
    let missing = lake
        .engine
        .execute(bound("SELECT ?", 1, "x"))
        .await
        .unwrap_err();
    assert!(
        missing.to_string().contains("takes 1 parameters"),
        "{missing}"
    );
    let none = lake
        .engine
        .execute(BoundStatement::plain("SELECT ?"))
        .await
        .unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn v6_only_one_select_runs() {
    let lake = Lake::open().await;
    for sql in [
        "SELECT 1; SELECT 2",
        "CREATE TABLE x (a INT)",
        "SET threads = 1",
        "",
        "CALL x()",
    ] {
        let error = lake
            .engine
            .execute(BoundStatement::plain(sql))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{sql}: {error}");
    }
}

#[tokio::test]
async fn v6_errors_name_tables_and_not_relations() {
    let lake = Lake::open().await;
    let table = lake
        .table(&columns(&[("k", LakeType::Int32)]), "SELECT 7 AS k")
        .await;
    let error = lake
        .try_query(&table, "SELECT {t}.x FROM {t}")
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("ducksync_v_"), "{error}");
    assert!(error.to_string().contains("main.t"), "{error}");
    let other = lake.engine.relation_name(&table, false);
    let guess = format!("SELECT * FROM {}", &other[..other.len() - 1]);
    let error = lake
        .engine
        .execute(BoundStatement::plain(guess))
        .await
        .unwrap_err();
    assert!(!error.to_string().contains(&other), "{error}");
}

#[tokio::test]
async fn v6_time_zones_are_of_the_statement() {
    let lake = Lake::open().await;
    let none = lake.empty(&columns(&[("k", LakeType::Int32)]));
    let text = |zone: &str| BoundStatement {
        time_zone: zone.into(),
        ..BoundStatement::plain("SELECT hour('2024-01-01 12:00:00+00'::TIMESTAMPTZ) AS h")
    };
    for (zone, hour) in [("Asia/Tokyo", 21), ("UTC", 12), ("Asia/Tokyo", 21)] {
        let rows = collect(lake.engine.execute(text(zone)).await.unwrap())
            .await
            .unwrap();
        assert_eq!(
            crate::lake::Numbers::as_primitive_i64(rows.column(0)),
            [hour]
        );
    }
    let error = lake.engine.execute(text("Mars/Crater")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(lake.number(&none, "SELECT 1").await, 1);
}
