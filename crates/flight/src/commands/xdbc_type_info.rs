//! `CommandGetXdbcTypeInfo`: the types that columns can have, by the names in field metadata.

use std::sync::LazyLock;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    error::FlightError,
    sql::{
        CommandGetXdbcTypeInfo, Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode,
        metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder},
    },
};
use async_trait::async_trait;
use ducksync_core::{
    Error, Result,
    types::{Field, LakeType},
};

use super::metadata::{Metadata, defect};
use crate::{
    call::Call,
    lake_types::{precision, scale, type_name, xdbc_type},
};

static DATA: LazyLock<Result<XdbcTypeInfoData, FlightError>> = LazyLock::new(|| {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for lake_type in all_types() {
        builder.append(describe(&lake_type));
    }
    builder.build()
});

fn all_types() -> Vec<LakeType> {
    let varchar = || Box::new(Field::new("element", LakeType::Varchar));
    vec![
        LakeType::Boolean,
        LakeType::Int8,
        LakeType::Int16,
        LakeType::Int32,
        LakeType::Int64,
        LakeType::Uint8,
        LakeType::Uint16,
        LakeType::Uint32,
        LakeType::Uint64,
        LakeType::Float32,
        LakeType::Float64,
        LakeType::Decimal {
            precision: 38,
            scale: 38,
        },
        LakeType::Date,
        LakeType::Time,
        LakeType::TimeTz,
        LakeType::Timestamp,
        LakeType::TimestampS,
        LakeType::TimestampMs,
        LakeType::TimestampNs,
        LakeType::TimestampTz,
        LakeType::Interval,
        LakeType::Varchar,
        LakeType::Blob,
        LakeType::Json,
        LakeType::Uuid,
        LakeType::List(varchar()),
        LakeType::Struct(vec![]),
        LakeType::Map {
            key: varchar(),
            value: varchar(),
        },
    ]
}

fn describe(lake_type: &LakeType) -> XdbcTypeInfo {
    let data_type = xdbc_type(lake_type);
    let number = is_number(lake_type);
    let quote = quotes(lake_type).then(|| "'".to_owned());
    let subcode = subcode(lake_type);
    let decimal = matches!(lake_type, LakeType::Decimal { .. });
    XdbcTypeInfo {
        type_name: type_name(lake_type).to_owned(),
        data_type,
        column_size: precision(lake_type),
        literal_prefix: quote.clone(),
        literal_suffix: quote,
        create_params: decimal.then(|| vec!["precision".to_owned(), "scale".to_owned()]),
        nullable: Nullable::NullabilityNullable,
        case_sensitive: matches!(lake_type, LakeType::Varchar | LakeType::Json),
        searchable: Searchable::Full,
        unsigned_attribute: number.then(|| type_name(lake_type).starts_with('U')),
        fixed_prec_scale: false,
        auto_increment: number.then_some(false),
        local_type_name: Some(type_name(lake_type).to_owned()),
        minimum_scale: scale(lake_type).map(|scale| if decimal { 0 } else { scale }),
        maximum_scale: scale(lake_type),
        sql_data_type: if subcode.is_some() {
            XdbcDataType::XdbcDatetime
        } else {
            data_type
        },
        datetime_subcode: subcode,
        num_prec_radix: number.then_some(10),
        interval_precision: None,
    }
}

fn is_number(lake_type: &LakeType) -> bool {
    matches!(
        xdbc_type(lake_type),
        XdbcDataType::XdbcTinyint
            | XdbcDataType::XdbcSmallint
            | XdbcDataType::XdbcInteger
            | XdbcDataType::XdbcBigint
            | XdbcDataType::XdbcReal
            | XdbcDataType::XdbcDouble
            | XdbcDataType::XdbcDecimal
    )
}

fn quotes(lake_type: &LakeType) -> bool {
    !is_number(lake_type) && !lake_type.is_nested() && *lake_type != LakeType::Boolean
}

fn subcode(lake_type: &LakeType) -> Option<XdbcDatetimeSubcode> {
    match lake_type {
        // The enumeration calls 1 a year; it is SQL's code of a date.
        LakeType::Date => Some(XdbcDatetimeSubcode::XdbcSubcodeYear),
        LakeType::Time => Some(XdbcDatetimeSubcode::XdbcSubcodeTime),
        LakeType::TimeTz => Some(XdbcDatetimeSubcode::XdbcSubcodeTimeWithTimezone),
        LakeType::TimestampTz => Some(XdbcDatetimeSubcode::XdbcSubcodeTimestampWithTimezone),
        LakeType::Timestamp
        | LakeType::TimestampS
        | LakeType::TimestampMs
        | LakeType::TimestampNs => Some(XdbcDatetimeSubcode::XdbcSubcodeTimestamp),
        _ => None,
    }
}

fn data() -> Result<&'static XdbcTypeInfoData> {
    DATA.as_ref().map_err(|error| {
        Error::internal(format!(
            "cannot build the answer to GetXdbcTypeInfo: {error}"
        ))
    })
}

#[async_trait]
impl Metadata for CommandGetXdbcTypeInfo {
    fn schema(&self) -> SchemaRef {
        XdbcTypeInfoDataBuilder::new().schema()
    }

    async fn rows(&self, _call: &Call) -> Result<RecordBatch> {
        data()?.record_batch(self.data_type).map_err(defect)
    }
}

#[cfg(test)]
mod tests {
    use arrow::{array::AsArray, datatypes::Int32Type};

    use super::*;

    #[test]
    fn power_bi_finds_every_type_name_of_field_metadata() {
        let batch = data().unwrap().record_batch(None).unwrap();
        let names = batch.column(0).as_string::<i32>();
        for lake_type in all_types() {
            let name = type_name(&lake_type);
            assert!(names.iter().flatten().any(|known| known == name), "{name}");
        }
        assert_eq!(batch.num_rows(), all_types().len());
    }

    #[test]
    fn one_data_type_can_be_asked_for() {
        let varchar = XdbcDataType::XdbcVarchar as i32;
        let batch = data().unwrap().record_batch(varchar).unwrap();
        let types = batch.column(1).as_primitive::<Int32Type>();
        assert!(types.iter().all(|code| code == Some(varchar)));
        assert_eq!(batch.num_rows(), 3);
    }
}
