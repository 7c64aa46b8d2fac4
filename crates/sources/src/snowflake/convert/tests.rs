//! Arrays made by hand; the fixtures hold the rest.

use arrow::{
    array::{Int8Array, Int32Array, Int64Array, StringArray, StructArray},
    buffer::NullBuffer,
    datatypes::{Field, Schema},
};
use ducksync_core::source::TypeOptions;

use super::*;
use crate::snowflake::protocol::RowType;

fn plan(rowtype: serde_json::Value, options: TypeOptions) -> Arc<Plan> {
    let rowtype: Vec<RowType> = serde_json::from_value(rowtype).unwrap();
    Plan::of(&rowtype, &options).unwrap()
}

fn batch(arrays: Vec<ArrayRef>) -> RecordBatch {
    let fields: Vec<_> = arrays
        .iter()
        .map(|array| Field::new("whatever", array.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

#[test]
fn s10_names_and_types_are_the_declared_ones_in_every_chunk() {
    let declared = serde_json::json!([
        {"name": "N", "type": "fixed", "precision": 10, "scale": 1, "nullable": false},
        {"name": "n", "type": "text", "nullable": true},
    ]);
    let plan = plan(declared, TypeOptions::default());
    let narrow: ArrayRef = Arc::new(Int8Array::from(vec![Some(-1), None]));
    let wide: ArrayRef = Arc::new(Int64Array::from(vec![Some(9_999_999_999), None]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    for numbers in [narrow, wide] {
        let converted = plan.convert(&batch(vec![numbers, texts.clone()])).unwrap();
        assert_eq!(converted.schema(), plan.schema);
        assert!(converted.schema().field(0).is_nullable(), "G-13");
        assert!(converted.column(0).is_null(1));
    }
    assert!(!plan.fields[0].nullable, "what is declared is kept beside");
}

#[test]
fn s10_what_stands_behind_a_null_is_never_judged() {
    let declared = serde_json::json!([
        {"name": "T", "type": "timestamp_tz", "scale": 9, "nullable": true},
        {"name": "N", "type": "fixed", "precision": 2, "scale": 0, "nullable": true},
    ]);
    let keep = TypeOptions {
        keep_offset: true,
        ..TypeOptions::default()
    };
    let plan = plan(declared, keep);
    let nulls = || Some(NullBuffer::from(vec![false, true]));
    let epoch: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 1]));
    let fraction: ArrayRef = Arc::new(Int32Array::from(vec![-7, 1000]));
    let zone: ArrayRef = Arc::new(Int32Array::from(vec![i32::MIN, 1440]));
    let fields = vec![
        Field::new("epoch", DataType::Int64, true),
        Field::new("fraction", DataType::Int32, true),
        Field::new("timezone", DataType::Int32, true),
    ];
    let instants = StructArray::new(fields.into(), vec![epoch, fraction, zone], nulls());
    let numbers = Int64Array::new(vec![i64::MAX, 99].into(), nulls());
    let converted = plan
        .convert(&batch(vec![Arc::new(instants), Arc::new(numbers)]))
        .unwrap();
    assert_eq!(converted.num_columns(), 3);
    assert!(
        converted
            .columns()
            .iter()
            .all(|column| column.is_null(0) && column.is_valid(1))
    );
}

#[test]
fn s10_errors_name_the_column_and_the_way_out() {
    let declared = serde_json::json!([{"name": "Wann", "type": "timestamp_ntz", "scale": 9}]);
    let plan = plan(declared, TypeOptions::default());
    let fields = vec![
        Field::new("epoch", DataType::Int64, true),
        Field::new("fraction", DataType::Int32, true),
    ];
    let parts: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![0])),
        Arc::new(Int32Array::from(vec![1])),
    ];
    let instants = StructArray::new(fields.into(), parts, None);
    let error = plan.convert(&batch(vec![Arc::new(instants)])).unwrap_err();
    assert_eq!(error.reason(), Some(Reason::PrecisionLoss));
    assert_eq!(error.class(), FailureClass::Schema);
    assert!(error.to_string().contains("Wann"), "{error}");
    assert!(error.to_string().contains("sub_us"), "{error}");
}
