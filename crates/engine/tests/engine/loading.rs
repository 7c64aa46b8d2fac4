//! Streams become files (F-4, S-12, I-1, I-2).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arrow::{
    array::{
        ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
    },
    datatypes::{DataType, Field as ArrowField, Int32Type, Schema},
};
use ducksync_core::{
    BatchStream, Error, ErrorKind, Reason,
    engine::{QueryEngine, Stager},
    error::FailureClass,
    types::{Field, Fields, LakeType, number_fields},
};
use futures::{StreamExt, stream};

use crate::lake::{Lake, Numbers, append, columns, stream_of, until};

fn numbers(from: i64, count: i64) -> RecordBatch {
    let schema = Schema::new(vec![ArrowField::new("k", DataType::Int64, true)]);
    let values = Int64Array::from_iter_values(from..from + count);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(values)]).unwrap()
}

fn one_column() -> Fields {
    columns(&[("k", LakeType::Int64)])
}

#[tokio::test]
async fn i1_two_million_rows_keep_their_order() {
    let lake = Lake::open().await;
    let batches = (0..200)
        .map(|index| Ok(numbers(index * 10_000, 10_000)))
        .collect();
    let input = stream_of(&one_column(), batches);
    let staged = lake
        .engine
        .stage(lake.request(&one_column()), input)
        .await
        .unwrap();
    assert_eq!(staged.rows, 2_000_000);
    let table = append(&lake.empty(&one_column()), staged);
    let rows = lake.query(&table, "SELECT k FROM {t}").await;
    assert!(
        rows.column(0)
            .as_primitive_i64()
            .iter()
            .copied()
            .eq(0..2_000_000)
    );
    let rows = lake
        .query(&table, "SELECT k FROM {t} WHERE k % 3 = 0")
        .await;
    assert!(rows.column(0).as_primitive_i64().is_sorted());
}

#[tokio::test]
async fn i1_no_rows_make_no_file_and_a_table_without_files_is_readable() {
    let lake = Lake::open().await;
    let columns = one_column();
    for batches in [vec![], vec![Ok(numbers(0, 0))]] {
        let input = stream_of(&columns, batches);
        let staged = lake
            .engine
            .stage(lake.request(&columns), input)
            .await
            .unwrap();
        assert_eq!((staged.rows, staged.files.len()), (0, 0));
    }
    let empty = lake.table(&columns, "SELECT 1 AS k WHERE false").await;
    assert_eq!(empty.files.len(), 0);
    assert_eq!(lake.files(), Vec::<String>::new());
    assert_eq!(lake.number(&empty, "SELECT count(k) FROM {t}").await, 0);
    let statement = lake.statement(&empty, true, "SELECT * FROM {t}");
    let described = lake.engine.describe(&statement).await.unwrap();
    assert_eq!(described.columns.len(), 3);
}

#[tokio::test]
async fn i1_a_stream_that_breaks_leaves_its_own_error_and_no_file() {
    let lake = Lake::open().await;
    let mut batches: Vec<_> = (0..300)
        .map(|index| Ok(numbers(index * 1000, 1000)))
        .collect();
    batches.push(Err(Error::unavailable("the warehouse fell asleep")));
    let input = stream_of(&one_column(), batches);
    let error = lake
        .engine
        .stage(lake.request(&one_column()), input)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("fell asleep"), "{error}");
    assert_eq!(lake.files(), Vec::<String>::new());
    until("the job ends", || lake.engine.running() == 0).await;
}

#[tokio::test]
async fn i6_a_dropped_staging_stops_and_removes_its_file() {
    let lake = Lake::open().await;
    let endless = stream::iter((0..400).map(|index| Ok(numbers(index * 1000, 1000))))
        .chain(stream::pending());
    let input = BatchStream::of_fields(one_column(), endless);
    let mut staging = Box::pin(lake.engine.stage(lake.request(&one_column()), input));
    let started = until("the file is begun", || !lake.files().is_empty());
    tokio::select! {
        _ = &mut staging => panic!("an endless stream cannot end"),
        () = started => {}
    }
    drop(staging);
    until("the job ends", || lake.engine.running() == 0).await;
    until("the file goes", || lake.files().is_empty()).await;
}

#[tokio::test]
async fn i5_a_source_is_pulled_no_further_than_the_disk_keeps_up() {
    let lake = Lake::open().await;
    let pulled = Arc::new(AtomicUsize::new(0));
    let counter = pulled.clone();
    let batches = stream::iter(0..2_000).map(move |index| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(numbers(index * 10_000, 10_000))
    });
    let input = BatchStream::of_fields(one_column(), batches);
    let mut staging = Box::pin(lake.engine.stage(lake.request(&one_column()), input));
    // Polled once only, the source is asked for no more than the channel holds.
    tokio::select! {
        biased;
        _ = &mut staging => panic!("too early"),
        () = until("some are pulled", || pulled.load(Ordering::Relaxed) > 0) => {}
    }
    assert!(pulled.load(Ordering::Relaxed) < 100, "{pulled:?}");
    assert_eq!(staging.await.unwrap().rows, 20_000_000);
}

#[tokio::test]
async fn s9_columns_are_matched_by_name_and_misfits_are_named() {
    let lake = Lake::open().await;
    let table = columns(&[("b", LakeType::Varchar), ("A", LakeType::Int64)]);
    let batch = |fields: &[(&str, ArrayRef)]| {
        let fields = fields
            .iter()
            .map(|(name, array)| (*name, array.clone(), true));
        RecordBatch::try_from_iter_with_nullable(fields).unwrap()
    };
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let stage = async |batch: RecordBatch| {
        let fields = Field::list_from_arrow(&batch.schema()).unwrap();
        let input = BatchStream::once(fields.into(), batch);
        lake.engine.stage(lake.request(&table), input).await
    };
    let staged = stage(batch(&[("a", number.clone()), ("b", text.clone())]))
        .await
        .unwrap();
    let version = append(&lake.empty(&table), staged);
    assert_eq!(
        lake.number(&version, "SELECT a FROM {t} WHERE b = 'x'")
            .await,
        1
    );
    for (fields, named) in [
        (vec![("a", number.clone())], "\"b\" is missing"),
        (
            vec![
                ("a", number.clone()),
                ("b", text.clone()),
                ("c", text.clone()),
            ],
            "\"c\"",
        ),
        (
            vec![("a", text.clone()), ("b", text.clone())],
            "column \"A\": Utf8 does not fit",
        ),
    ] {
        let error = stage(batch(&fields)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.class()),
            (ErrorKind::InvalidArgument, FailureClass::Schema)
        );
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn s10_what_a_column_cannot_hold_fails_and_names_it() {
    let lake = Lake::open().await;
    let stage = async |column: Field, array: ArrayRef| {
        let mut fields = vec![column];
        number_fields(&mut fields);
        let batch = RecordBatch::try_from_iter_with_nullable([("a", array, true)]).unwrap();
        let given = Field::list_from_arrow(&batch.schema()).unwrap();
        let input = BatchStream::once(given.into(), batch);
        lake.engine.stage(lake.request(&fields.into()), input).await
    };
    let nulls: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
    let strict = Field {
        nullable: false,
        ..Field::new("a", LakeType::Int64)
    };
    let error = stage(strict, nulls).await.unwrap_err();
    assert!(
        error.to_string().contains("column \"a\" takes no NULL"),
        "{error}"
    );
    let large: ArrayRef = Arc::new(Int64Array::from(vec![5_000_000_000]));
    let error = stage(Field::new("a", LakeType::Int32), large)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.class()),
        (ErrorKind::InvalidArgument, FailureClass::Schema)
    );
    let nanos = TimestampNanosecondArray::from(vec![1]).with_timezone("UTC");
    let error = stage(Field::new("a", LakeType::TimestampTz), Arc::new(nanos))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(Reason::PrecisionLoss));
    let dictionary: DictionaryArray<Int32Type> = ["x", "y", "x"].into_iter().collect();
    let staged = stage(Field::new("a", LakeType::Varchar), Arc::new(dictionary))
        .await
        .unwrap();
    assert_eq!(staged.rows, 3);
    let json: ArrayRef = Arc::new(StringArray::from(vec!["{"]));
    assert!(stage(Field::new("a", LakeType::Json), json).await.is_err());
}

#[tokio::test]
async fn i1_a_file_that_is_there_is_never_replaced() {
    let lake = Lake::open().await;
    let request = lake.request(&one_column());
    let stage = async || {
        let input = stream_of(&one_column(), vec![Ok(numbers(0, 10))]);
        lake.engine.stage(request.clone(), input).await
    };
    let staged = stage().await.unwrap();
    assert!(stage().await.is_err());
    let table = append(&lake.empty(&one_column()), staged);
    assert_eq!(lake.number(&table, "SELECT count(*) FROM {t}").await, 10);
}
