use arrow::{
    array::{Array, AsArray, DictionaryArray, Int64Array, StringArray},
    compute::concat_batches,
    datatypes::{Int8Type, Int64Type},
};
use arrow_flight::utils::flight_data_to_batches;

use super::*;

fn batch(texts: Vec<String>) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(0..texts.len() as i64);
    RecordBatch::try_from_iter_with_nullable([
        ("n", Arc::new(numbers) as ArrayRef, true),
        ("t", Arc::new(StringArray::from(texts)) as ArrayRef, true),
    ])
    .unwrap()
}

fn messages(batches: &[RecordBatch], compression: Compression) -> Vec<FlightData> {
    let mut encoder = Encoder::new(&batches[0].schema(), compression).unwrap();
    let mut messages = Vec::new();
    for batch in batches {
        encoder.load(batch.clone()).unwrap();
        while let Some(message) = encoder.next_message().unwrap() {
            messages.push(message);
        }
    }
    messages
}

fn decoded(messages: &[FlightData]) -> RecordBatch {
    let batches = flight_data_to_batches(messages).unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[test]
fn i1_skewed_rows_arrive_whole_and_in_order_in_messages_of_bounded_size() {
    // Small rows teach a large piece, then rows of 1 MiB, one of 5 MiB, and small ones again.
    let sizes = (0..3000)
        .map(|_| 8)
        .chain((0..7).map(|_| 1 << 20))
        .chain([5 << 20]);
    let texts: Vec<_> = sizes
        .chain((0..3000).map(|_| 9))
        .map(|size| "x".repeat(size))
        .collect();
    let whole = batch(texts);
    let split = [
        whole.slice(0, 3001),
        whole.slice(3001, whole.num_rows() - 3001),
    ];
    let messages = messages(&split, Compression::None);
    let too_large: Vec<_> = messages
        .iter()
        .filter(|m| m.data_body.len() > MAX_BODY)
        .collect();
    assert_eq!(
        too_large.len(),
        1,
        "only the row that is too large by itself"
    );
    assert_eq!(decoded(&messages), whole);
}

#[test]
fn slices_of_a_large_batch_are_not_cut_to_pieces() {
    let whole = batch((0..100_000).map(|n| format!("row {n}")).collect());
    let slices: Vec<_> = (0..50).map(|n| whole.slice(n * 2000, 2000)).collect();
    let messages = messages(&slices, Compression::None);
    assert_eq!(
        messages.len(),
        51,
        "the schema, and one message for each slice"
    );
    assert_eq!(decoded(&messages), whole);
}

#[test]
fn compressed_rows_read_the_same() {
    let whole = batch((0..5000).map(|n| format!("row {}", n % 7)).collect());
    let plain = messages(std::slice::from_ref(&whole), Compression::None);
    let small = messages(std::slice::from_ref(&whole), Compression::Lz4);
    assert!(small[1].data_body.len() < plain[1].data_body.len());
    assert_eq!(decoded(&small), whole);
}

#[test]
fn v3_dictionaries_travel_as_their_values_in_schema_and_rows() {
    let values: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("b"), Some("a")]
        .into_iter()
        .collect();
    let batch = RecordBatch::try_from_iter([("d", Arc::new(values) as ArrayRef)]).unwrap();
    let schema = wire_schema(&batch.schema());
    assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
    assert_eq!(wire_schema(&schema), schema);
    let read = decoded(&messages(&[batch], Compression::None));
    assert_eq!(read.schema(), schema);
    let texts = read.column(0).as_string::<i32>();
    assert_eq!(
        (texts.value(0), texts.is_null(1), texts.value(3)),
        ("a", true, "a")
    );
}

#[test]
fn large_lists_stay_large_lists() {
    let item = Arc::new(Field::new("item", DataType::Int32, true));
    let schema = Schema::new(vec![Field::new("l", DataType::LargeList(item), true)]);
    assert_eq!(*wire_schema(&schema), schema);
}

#[test]
fn v3_an_empty_result_still_has_its_schema() {
    let schema = batch(vec![]).schema();
    let mut encoder = Encoder::new(&schema, Compression::None).unwrap();
    let first = encoder.next_message().unwrap().unwrap();
    assert_eq!(Schema::try_from(&first).unwrap(), *schema);
    assert!(encoder.next_message().unwrap().is_none());
    assert!(!schema_message(&Schema::empty()).unwrap().is_empty());
}

#[test]
fn i1_a_batch_of_another_schema_is_an_error_not_rows() {
    let mut encoder = Encoder::new(&batch(vec![]).schema(), Compression::None).unwrap();
    let other = batch(vec!["x".into()]).project(&[1, 0]).unwrap();
    assert!(encoder.load(other.clone()).is_err());
    assert!(encoder.load(other.project(&[0]).unwrap()).is_err());
    assert_eq!(other.column(1).as_primitive::<Int64Type>().len(), 1);
}
