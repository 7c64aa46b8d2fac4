//! Types and values on their way into files and out again (S-10, G-13).

use arrow::{
    array::{Array, AsArray},
    datatypes::{Int64Type, Time64MicrosecondType},
};
use ducksync_core::{
    engine::{BoundStatement, QueryEngine, Stager},
    types::{Field, Fields, LakeType, number_fields, same_columns},
};

use crate::lake::{Lake, append, collect};

/// Three rows of every type: ordinary values, extremes, NULLs.
const EVERY_TYPE: &str = r#"
SELECT * FROM (VALUES
 (true, (-128)::TINYINT, (-32768)::SMALLINT, (-2147483648)::INTEGER, (-9223372036854775808)::BIGINT,
  255::UTINYINT, 65535::USMALLINT, 4294967295::UINTEGER, 18446744073709551615::UBIGINT,
  'nan'::FLOAT, '-inf'::DOUBLE, 1.5::DECIMAL(4,1),
  (-99999999999999999999999999999999999999)::DECIMAL(38,0), 0.00000001::DECIMAL(18,8),
  '0044-03-15 (BC)'::DATE, '23:59:59.999999'::TIME, '10:00:00+00'::TIMETZ,
  '0044-03-15 (BC) 12:00:00'::TIMESTAMP, '1969-12-31 23:59:59'::TIMESTAMP_S,
  '2020-01-01 00:00:00.123'::TIMESTAMP_MS, '2020-01-01 00:00:00.123456789'::TIMESTAMP_NS,
  '9999-12-31 23:59:59.999999+00'::TIMESTAMPTZ, '1 year 2 days 3 hours 4.005 seconds'::INTERVAL,
  'ä' || chr(0) || '🦆', '\x00\xFF'::BLOB, '{"a": [1, null, 1e400]}'::JSON,
  'ffffffff-0000-4000-8000-00000000000a'::UUID,
  [1, NULL, 3], {'a': 1, 'b b': 'x', 'deep': [{'j': '{}'::JSON}]}, MAP {'k': [1.5::DECIMAL(9,2)]}),
 (false, 127, 32767, 2147483647, 9223372036854775807, 0, 0, 0, 0, '-0.0', 'inf', -999.9,
  99999999999999999999999999999999999999, -9999999999.99999999, '9999-12-31', '00:00:00',
  '23:59:59+00', '9999-12-31 23:59:59.999999', '2262-01-01 00:00:00', '1677-12-31 00:00:00',
  '1678-01-01 00:00:00', '0001-01-01 00:00:00+00', '0 seconds', '', '', 'null', 
  '00000000-0000-0000-0000-000000000000', [], {'a': NULL, 'b b': NULL, 'deep': []}, MAP {}),
 (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
) t("bool", i8, i16, i32, i64, u8, u16, u32, u64, f32, f64, d4, d38, d18, "date", "time", timetz,
    ts, ts_s, ts_ms, ts_ns, tstz, iv, vc, bl, js, uu, li, st, ma)"#;

async fn described(lake: &Lake, sql: &str) -> Fields {
    let description = lake
        .engine
        .describe(&BoundStatement::plain(sql))
        .await
        .unwrap();
    let mut fields = description.columns.to_vec();
    number_fields(&mut fields);
    fields.into()
}

#[tokio::test]
async fn g13_every_type_written_by_a_statement_comes_back_exactly() {
    let lake = Lake::open().await;
    let columns = described(&lake, EVERY_TYPE).await;
    let expected = lake
        .engine
        .execute(BoundStatement::plain(EVERY_TYPE))
        .await
        .unwrap();
    let expected = collect(expected).await.unwrap();
    let table = lake.table(&columns, EVERY_TYPE).await;
    let statement = lake.statement(&table, false, "SELECT * FROM {t}");
    let described = lake.engine.describe(&statement).await.unwrap();
    assert!(
        same_columns(&described.columns, &columns),
        "{:?}",
        described.columns
    );
    let actual = lake.engine.execute(statement).await.unwrap();
    assert!(same_columns(actual.fields(), &columns));
    assert_eq!(collect(actual).await.unwrap(), expected);
}

#[tokio::test]
async fn s10_every_type_written_from_a_stream_comes_back_exactly() {
    let lake = Lake::open().await;
    let columns = described(&lake, EVERY_TYPE).await;
    let source = lake
        .engine
        .execute(BoundStatement::plain(EVERY_TYPE))
        .await
        .unwrap();
    let staged = lake
        .engine
        .stage(lake.request(&columns), source)
        .await
        .unwrap();
    assert_eq!(staged.rows, 3);
    let table = append(&lake.empty(&columns), staged);
    let statement = lake.statement(&table, false, "SELECT * FROM {t}");
    let actual = lake.engine.execute(statement).await.unwrap();
    assert!(same_columns(actual.fields(), &columns));
    let expected = lake
        .engine
        .execute(BoundStatement::plain(EVERY_TYPE))
        .await
        .unwrap();
    assert_eq!(
        collect(actual).await.unwrap(),
        collect(expected).await.unwrap()
    );
}

#[tokio::test]
async fn s10_statistics_are_of_leaves_only_and_never_of_what_duckdb_did_not_look_at() {
    let lake = Lake::open().await;
    let columns = described(&lake, EVERY_TYPE).await;
    let table = lake.table(&columns, EVERY_TYPE).await;
    let file = &table.files[0];
    let stats = |name: &str| {
        let id = table.column(name).unwrap().id;
        file.stats.iter().find(|stats| stats.field == id)
    };
    let i64_stats = stats("i64").unwrap();
    assert_eq!(i64_stats.min.as_deref(), Some("-9223372036854775808"));
    assert_eq!((i64_stats.value_count, i64_stats.null_count), (3, 1));
    assert_eq!(stats("f32").unwrap().contains_nan, Some(true));
    assert_eq!(stats("vc").unwrap().max, None, "a NUL cannot be stored");
    for unknown in ["iv", "timetz", "li", "st", "ma"] {
        assert_eq!(stats(unknown), None, "{unknown}");
    }
    let LakeType::List(element) = &table.column("li").unwrap().lake_type else {
        panic!("a list");
    };
    let element = file.stats.iter().find(|stats| stats.field == element.id);
    assert_eq!(element.unwrap().max.as_deref(), Some("3"));
    let on_disk = std::fs::metadata(&file.location).unwrap().len();
    assert_eq!(file.size_bytes, on_disk);
    assert!(file.footer_bytes > 0 && file.footer_bytes < on_disk);
}

#[tokio::test]
async fn v18_values_that_files_would_change_are_refused() {
    let lake = Lake::open().await;
    for (lake_type, sql) in [
        (
            LakeType::Interval,
            "SELECT INTERVAL '0.000001 seconds' AS a",
        ),
        (LakeType::Interval, "SELECT INTERVAL '2000 hours' AS a"),
        (LakeType::Interval, "SELECT INTERVAL '-1 month' AS a"),
        (
            LakeType::list(LakeType::Interval),
            "SELECT [INTERVAL '1 day'] AS a",
        ),
        (
            LakeType::Decimal {
                precision: 38,
                scale: 0,
            },
            "SELECT 170141183460469231731687303715884105727::HUGEINT AS a",
        ),
    ] {
        let mut field = vec![Field::new("a", lake_type)];
        number_fields(&mut field);
        let staged = lake
            .engine
            .stage_statement(lake.request(&field.into()), BoundStatement::plain(sql));
        assert!(staged.await.is_err(), "{sql}");
    }
    assert_eq!(lake.files(), Vec::<String>::new());
}

#[tokio::test]
async fn v18_hugeint_is_a_decimal_and_an_error_beyond_its_digits() {
    let lake = Lake::open().await;
    let none = lake.empty(&crate::lake::columns(&[("k", LakeType::Int32)]));
    let sum = lake
        .query(&none, "SELECT sum(i) AS s FROM range(10) t(i)")
        .await;
    assert_eq!(
        sum.schema().field(0).data_type().to_string(),
        "Decimal128(38, 0)"
    );
    for sql in [
        "SELECT 170141183460469231731687303715884105727::HUGEINT AS a",
        "SELECT [100000000000000000000000000000000000000::HUGEINT] AS a",
    ] {
        let error = lake.try_query(&none, sql).await.unwrap_err();
        assert!(error.to_string().contains("38 digits"), "{error}");
    }
}

#[tokio::test]
async fn g13_a_time_with_zone_travels_in_utc_and_nulls_hide_nothing() {
    let lake = Lake::open().await;
    let none = lake.empty(&crate::lake::columns(&[("k", LakeType::Int32)]));
    let times = lake
        .query(
            &none,
            "VALUES ('01:30:00+02:00'::TIMETZ), ('23:00:00-01:30'), (NULL), ('12:00:00+00')",
        )
        .await;
    let times = times.column(0).as_primitive::<Time64MicrosecondType>();
    let hours: Vec<_> = times
        .iter()
        .map(|time| time.map(|micros| micros / 1_800_000_000))
        .collect();
    assert_eq!(hours, [Some(47), Some(1), None, Some(24)]);

    let sql = "SELECT CASE WHEN i % 3 = 0 THEN NULL ELSE i END AS i, \
               CASE WHEN i % 2 = 0 THEN NULL ELSE 'text of row ' || i END AS s, i % 7 = 0 AS b \
               FROM range(100000) t(i)";
    let rows = lake.query(&none, sql).await;
    let numbers = rows.column(0).as_primitive::<Int64Type>();
    let texts = rows.column(1).as_string::<i32>();
    let flags = rows.column(2).as_boolean();
    assert_eq!(rows.num_rows(), 100_000);
    for row in 0..100_000 {
        let number = numbers.is_valid(row).then(|| numbers.value(row));
        assert_eq!(number, (row % 3 != 0).then_some(row as i64));
        assert!(numbers.is_valid(row) || numbers.value(row) == 0);
        let text = texts.is_valid(row).then(|| texts.value(row).to_owned());
        assert_eq!(text, (row % 2 != 0).then(|| format!("text of row {row}")));
        assert_eq!(flags.value(row), row % 7 == 0);
    }
}

#[tokio::test]
async fn g13_our_conversion_to_arrow_and_duckdbs_agree() {
    let lake = Lake::open().await;
    let none = lake.empty(&crate::lake::columns(&[("k", LakeType::Int32)]));
    // A nested column makes the whole result take DuckDB's way.
    let theirs = lake.query(&none, EVERY_TYPE).await;
    let plain = format!("SELECT * EXCLUDE (li, st, ma) FROM ({EVERY_TYPE})");
    let ours = lake.query(&none, &plain).await;
    assert_eq!(ours.num_columns() + 3, theirs.num_columns());
    for (index, field) in ours.schema().fields().iter().enumerate() {
        assert_eq!(ours.column(index), theirs.column(index), "{field}");
    }
}
