//! `CommandGetSqlInfo`: what this server is and can do.
//!
//! Every code is answered, each in the union child that drivers read, which is not always the one that
//! the specification names: JDBC fails on codes that are missing or unknown to it, and both JDBC and
//! ODBC on a value in another child.

mod facts;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    error::FlightError,
    sql::{
        CommandGetSqlInfo, SqlInfo,
        metadata::{SqlInfoData, SqlInfoDataBuilder},
    },
};
use async_trait::async_trait;
use ducksync_core::{Error, Result};

use super::metadata::{Metadata, defect};
use crate::call::Call;

/// Beyond every code of the specification.
const FIRST_UNKNOWN: u32 = 10_000;

static DATA: LazyLock<Result<SqlInfoData, FlightError>> = LazyLock::new(|| {
    let mut builder = SqlInfoDataBuilder::new();
    for (name, text) in facts::TEXTS {
        builder.append(*name, *text);
    }
    for (name, truth) in facts::BOOLEANS {
        builder.append(*name, *truth);
    }
    for (name, number) in facts::INTEGERS {
        builder.append(*name, *number);
    }
    for (name, number) in facts::BIG_INTEGERS {
        builder.append(*name, *number);
    }
    for (name, words) in facts::LISTS {
        builder.append(*name, *words);
    }
    // No type converts into another by CONVERT; CAST is SQL.
    builder.append(SqlInfo::SqlSupportsConvert, HashMap::new());
    builder.build()
});

/// The answers to `codes`; all without any.
fn select(codes: &[u32]) -> Result<RecordBatch> {
    // Every code costs a pass over the table: each is looked up once, unknown ones together once.
    let codes: BTreeSet<u32> = codes
        .iter()
        .map(|code| (*code).min(FIRST_UNKNOWN))
        .collect();
    let data = DATA.as_ref().map_err(|error| {
        Error::internal(format!("cannot build the answer to GetSqlInfo: {error}"))
    })?;
    data.record_batch(codes).map_err(defect)
}

#[async_trait]
impl Metadata for CommandGetSqlInfo {
    fn schema(&self) -> SchemaRef {
        Arc::new(SqlInfoDataBuilder::schema().clone())
    }

    async fn rows(&self, _call: &Call) -> Result<RecordBatch> {
        select(&self.info)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::{array::AsArray, datatypes::UInt32Type};

    use super::*;

    /// The union child of each code that is answered.
    fn children(codes: &[u32]) -> BTreeMap<u32, i8> {
        let batch = select(codes).unwrap();
        let names = batch.column(0).as_primitive::<UInt32Type>();
        let values = batch.column(1).as_union();
        (0..batch.num_rows())
            .map(|row| (names.value(row), values.type_id(row)))
            .collect()
    }

    #[test]
    fn every_code_is_answered_once_in_the_child_that_drivers_read() {
        let ranges = |ranges: &[std::ops::RangeInclusive<u32>]| -> Vec<u32> {
            ranges.iter().cloned().flatten().collect()
        };
        let text = ranges(&[0..=2, 6..=7, 504..=504, 513..=514, 529..=531]);
        let truth = ranges(&[
            3..=5,
            9..=11,
            500..=502,
            506..=506,
            515..=516,
            518..=521,
            523..=524,
            527..=527,
            532..=532,
            536..=537,
            539..=539,
            556..=556,
            563..=563,
            565..=566,
            572..=576,
        ]);
        let big = ranges(&[503..=503, 505..=505, 507..=507, 541..=555, 557..=562]);
        let int = ranges(&[
            8..=8,
            100..=101,
            522..=522,
            525..=526,
            528..=528,
            533..=535,
            538..=538,
            540..=540,
            564..=564,
            567..=571,
        ]);
        let expected: BTreeMap<u32, i8> = [
            (0, text),
            (1, truth),
            (2, big),
            (3, int),
            (4, ranges(&[508..=512])),
            (5, vec![517]),
        ]
        .into_iter()
        .flat_map(|(child, codes)| codes.into_iter().map(move |code| (code, child)))
        .collect();
        assert_eq!(children(&[]), expected);
        assert_eq!(expected.len(), select(&[]).unwrap().num_rows());
    }

    #[test]
    fn asked_codes_are_answered_and_unknown_ones_left_out() {
        assert_eq!(children(&[8]), [(8, 3)].into());
        assert_eq!(children(&[0, 8, 99_999]), [(0, 0), (8, 3)].into());
        assert!(children(&[99_999]).is_empty());
    }

    #[test]
    fn the_answer_has_the_schema_that_was_announced() {
        let command = CommandGetSqlInfo { info: vec![] };
        assert_eq!(select(&[]).unwrap().schema(), Metadata::schema(&command));
    }
}
