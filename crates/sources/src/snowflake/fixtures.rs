//! Decodes every result in `tests/fixtures/wire`, whose bytes and values another hand wrote.

use std::{fs, path::Path};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
        Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
        TimestampNanosecondType,
    },
};
use base64::Engine as _;
use ducksync_core::{error::Result, source::TypeOptions};
use serde_json::{Value, json};

use super::{
    columns::Plan,
    protocol::QueryData,
    wire::{self, Unpacking},
};

struct Fixture {
    name: String,
    content: Value,
}

impl Fixture {
    fn all() -> Vec<Self> {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/wire");
        let mut found: Vec<_> = fs::read_dir(place)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                Self {
                    name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                    content: serde_json::from_slice(&fs::read(&path).unwrap()).unwrap(),
                }
            })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn decode(&self) -> Result<(usize, Vec<RecordBatch>, Vec<String>)> {
        let mut reply: QueryData = serde_json::from_value(self.content["reply"].clone()).unwrap();
        let options: TypeOptions = serde_json::from_value(self.content["options"].clone()).unwrap();
        let plan = Plan::of(reply.rowtype.as_deref().unwrap(), &options)?;
        let json = reply.is_json();
        let mut wire = wire::inline(&plan, &mut reply)?;
        for chunk in self.content["chunks"].as_array().unwrap() {
            let body = base64::engine::general_purpose::STANDARD
                .decode(chunk.as_str().unwrap())
                .unwrap();
            let mut unpacking = Unpacking::with_capacity(0);
            for piece in body.chunks(100) {
                unpacking.push(piece)?;
            }
            let bytes = unpacking.finish()?;
            wire.extend(if json {
                wire::json(&plan, &bytes)?
            } else {
                wire::arrow(bytes)?
            });
        }
        let mut batches = vec![RecordBatch::new_empty(plan.schema.clone())];
        for batch in &wire {
            batches.push(plan.convert(batch)?);
        }
        let declared = reply.rowtype.unwrap();
        for field in plan.fields.iter() {
            let source = declared
                .iter()
                .find(|column| field.name.starts_with(&column.name));
            assert_eq!(field.nullable, source.unwrap().nullable, "{}", self.name);
        }
        Ok((plan.warnings.len(), batches, schema(&plan)))
    }

    fn check(&self) {
        let decoded = self.decode();
        if let Some(expected) = self.content.get("error") {
            let error = decoded.expect_err(&self.name);
            let shown = |key: &str, value: Value| {
                if let Some(expected) = expected.get(key) {
                    assert_eq!(*expected, value, "{}: {error}", self.name);
                }
            };
            shown("kind", serde_json::to_value(error.kind()).unwrap());
            shown("class", error.class().as_str().into());
            shown(
                "reason",
                error.reason().map(|reason| reason.as_str()).into(),
            );
            return;
        }
        let (warnings, batches, schema) =
            decoded.unwrap_or_else(|error| panic!("{}: {error:?}", self.name));
        assert_eq!(json!(schema), self.content["schema"], "{}", self.name);
        assert_eq!(json!(warnings), self.content["warnings"], "{}", self.name);
        let rows: Vec<Value> = batches.iter().flat_map(rows).collect();
        let expected = self.content["rows"].as_array().unwrap();
        assert_eq!(
            &rows,
            &expected.iter().map(normal).collect::<Vec<_>>(),
            "{}",
            self.name
        );
        for batch in &batches {
            assert!(
                batch
                    .schema()
                    .fields()
                    .iter()
                    .all(|field| field.is_nullable()),
                "G-13"
            );
        }
    }
}

fn schema(plan: &Plan) -> Vec<String> {
    plan.schema
        .fields()
        .iter()
        .map(|field| shown(field.data_type()))
        .collect()
}

fn shown(data_type: &DataType) -> String {
    let unit = |unit: &TimeUnit| match unit {
        TimeUnit::Microsecond => "µs",
        TimeUnit::Nanosecond => "ns",
        TimeUnit::Second | TimeUnit::Millisecond => "coarse",
    };
    match data_type {
        DataType::List(element) => format!("List({})", shown(element.data_type())),
        DataType::Time64(u) => format!("Time64({})", unit(u)),
        DataType::Timestamp(u, None) => format!("Timestamp({})", unit(u)),
        DataType::Timestamp(u, Some(zone)) => format!("Timestamp({}, \"{zone}\")", unit(u)),
        other => format!("{other:?}"),
    }
}

/// Doubles are compared bit by bit, as `f64:<bits>`.
fn normal(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(normal).collect(),
        Value::String(text) => match text.strip_prefix('~') {
            Some(number) => bits(number.parse().unwrap()),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

fn bits(value: f64) -> Value {
    format!("f64:{:016x} {value:?}", value.to_bits()).into()
}

fn rows(batch: &RecordBatch) -> Vec<Value> {
    (0..batch.num_rows())
        .map(|row| {
            batch
                .columns()
                .iter()
                .map(|column| cell(column, row))
                .collect()
        })
        .collect()
}

fn cell(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float32 => bits(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => bits(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => array
            .as_primitive::<Decimal128Type>()
            .value_as_string(row)
            .into(),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).into(),
        DataType::Time64(_) => array
            .as_primitive::<Time64MicrosecondType>()
            .value(row)
            .into(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => array
            .as_primitive::<TimestampNanosecondType>()
            .value(row)
            .into(),
        DataType::Timestamp(..) => array
            .as_primitive::<TimestampMicrosecondType>()
            .value(row)
            .into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::Binary => {
            let bytes = array.as_binary::<i32>().value(row);
            bytes
                .iter()
                .map(|byte| format!("{byte:02X}"))
                .collect::<String>()
                .into()
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            (0..list.len()).map(|at| cell(&list, at)).collect()
        }
        other => panic!("no cell of {other}"),
    }
}

#[test]
fn s10_every_fixture_decodes_to_exactly_its_values() {
    let fixtures = Fixture::all();
    assert!(fixtures.len() >= 140, "only {} fixtures", fixtures.len());
    for fixture in fixtures {
        fixture.check();
    }
}
