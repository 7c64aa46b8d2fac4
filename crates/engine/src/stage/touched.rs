//! What a statement does to rows that are there: delete files, rewritten files, new rows.
//!
//! The statement runs once, into a temporary table; everything else is read from that.

use std::collections::HashMap;

use arrow::{
    array::{Array, AsArray},
    datatypes::Int64Type,
};
use ducksync_core::{
    Error, Result,
    change::{StagedDeletes, StagedFile},
    engine::{BoundStatement, PLACE_FILE, PLACE_KEEP, PLACE_ROW, StageRequest, Touched},
    id::FieldId,
    name::{quote, quote_literal},
    types::{Field, LakeType},
    version::{DataFile, DeleteFile, Version},
};

use super::{
    copy::{Copier, select_list, staged},
    fit::match_names,
};
use crate::{
    query::{bare, describe},
    relation::{Reading, file_list, version_sql},
};

const TABLE: &str = "temp.main.ducksync_touched";
/// Of a file that has lost more than this part of its rows, the rest is written anew.
const MAX_DELETED: f64 = 0.10;

/// Writes what `statement` does to `version`.
pub(super) fn write(
    copier: &mut Copier<'_>,
    request: &StageRequest,
    version: &Version,
    statement: &BoundStatement,
) -> Result<Touched> {
    materialize(copier, request, statement)?;
    refuse_doubles(copier)?;
    let counts = count_by_file(copier, version)?;
    let mut touched = Touched::default();
    let mut files = Vec::new();
    for file in version.files.iter() {
        let Some(rows) = counts.get(file.location.as_str()) else {
            continue;
        };
        touched.touched += rows;
        match fate(file, *rows) {
            Fate::Ends => touched.ended.push(file.location.clone()),
            Fate::Rewritten => {
                files.push(rewrite(copier, request, version, file, *rows)?);
                touched.ended.push(file.location.clone());
            }
            Fate::Deletes => touched.deletes.push(delete(copier, request, file, *rows)?),
        }
    }
    files.extend(write_new(copier, request)?);
    touched.written = staged(files);
    Ok(touched)
}

fn materialize(
    copier: &Copier<'_>,
    request: &StageRequest,
    statement: &BoundStatement,
) -> Result<()> {
    let described = describe(copier.connection, statement, copier.tell)?;
    let names: Vec<_> = described
        .columns
        .iter()
        .map(|column| &*column.name)
        .collect();
    let mut expected = place_columns();
    expected.extend(request.columns.iter().cloned());
    match_names(&expected, &names)?;
    // Deleted rows have no new values, so what they hold is not checked here but when it is written.
    let casts: Vec<_> = expected
        .iter()
        .map(|column| {
            let name = quote(&column.name);
            format!(
                "CAST({name} AS {}) AS {name}",
                column.lake_type.duckdb_sql()
            )
        })
        .collect();
    let sql = format!(
        "CREATE TEMP TABLE ducksync_touched AS SELECT {} FROM ({}\n) AS touched",
        casts.join(", "),
        bare(&statement.sql)
    );
    let prepared = copier.connection.prepare(&sql).map_err(copier.tell)?;
    prepared.bind(statement.parameters.as_ref())?;
    let pending = prepared.start().map_err(copier.tell)?;
    copier.check()?;
    pending.run().map(drop).map_err(copier.tell)
}

fn place_columns() -> Vec<Field> {
    vec![
        Field::new(PLACE_FILE, LakeType::Varchar),
        Field::new(PLACE_ROW, LakeType::Int64),
        Field::new(PLACE_KEEP, LakeType::Boolean),
    ]
}

fn refuse_doubles(copier: &Copier<'_>) -> Result<()> {
    let sql = format!(
        "SELECT count(*)::BIGINT FROM (SELECT 1 FROM {TABLE} WHERE {PLACE_FILE} IS NOT NULL \
         GROUP BY {PLACE_FILE}, {PLACE_ROW} HAVING count(*) > 1 LIMIT 1)"
    );
    let doubles = copier
        .connection
        .query(&sql)
        .and_then(|mut rows| rows.next());
    let doubles = doubles.map_err(copier.tell)?;
    let any = doubles.is_some_and(|row| row.column(0).as_primitive::<Int64Type>().value(0) > 0);
    match any {
        true => Err(Error::invalid("the statement touches one row twice")
            .with_remedy("make sure that each row of the table matches at most one source row")),
        false => Ok(()),
    }
}

fn count_by_file(copier: &Copier<'_>, version: &Version) -> Result<HashMap<String, u64>> {
    let sql = format!(
        "SELECT {PLACE_FILE}, count(*)::BIGINT, coalesce(min({PLACE_ROW}), -1)::BIGINT, \
         count({PLACE_ROW})::BIGINT FROM {TABLE} WHERE {PLACE_FILE} IS NOT NULL GROUP BY 1"
    );
    let mut rows = copier.connection.query(&sql).map_err(copier.tell)?;
    let mut counts = HashMap::new();
    while let Some(chunk) = rows.next().map_err(copier.tell)? {
        let files = chunk.column(0).as_string::<i32>();
        let number =
            |column: usize, row: usize| chunk.column(column).as_primitive::<Int64Type>().value(row);
        for row in 0..chunk.len() {
            let file = files.value(row);
            let known = version.files.iter().any(|known| known.location == file);
            if !known || number(2, row) < 0 || number(1, row) != number(3, row) {
                return Err(Error::internal(
                    "a touched row's place is not one of its table",
                ));
            }
            counts.insert(file.to_owned(), number(1, row).unsigned_abs());
        }
    }
    Ok(counts)
}

enum Fate {
    Ends,
    Rewritten,
    Deletes,
}

fn fate(file: &DataFile, touched: u64) -> Fate {
    let deleted = file.deletes.as_ref().map_or(0, |deletes| deletes.rows) + touched;
    if deleted >= file.rows {
        return Fate::Ends;
    }
    match deleted as f64 > file.rows as f64 * MAX_DELETED {
        true => Fate::Rewritten,
        false => Fate::Deletes,
    }
}

/// Touched rows of one file. Ordering is of no matter in a set of positions.
fn positions(file: &DataFile) -> String {
    let location = quote_literal(&file.location);
    format!("SELECT {PLACE_ROW} FROM {TABLE} WHERE {PLACE_FILE} = {location}")
}

/// Writes what is left of a file. A join would not keep the order of rows, so they are sorted by
/// their place.
fn rewrite(
    copier: &mut Copier<'_>,
    request: &StageRequest,
    version: &Version,
    file: &DataFile,
    touched: u64,
) -> Result<StagedFile> {
    let single = Version {
        files: [file.clone()].into(),
        ..version.clone()
    };
    let reading = Reading {
        places: true,
        deletes: None,
    };
    let mut gone = positions(file);
    if let Some(deletes) = &file.deletes {
        let list = file_list([deletes.location.as_str()].into_iter());
        gone = format!("{gone} UNION ALL SELECT pos FROM read_parquet({list})");
    }
    let query = format!(
        "SELECT {} FROM ({}) AS old WHERE {PLACE_ROW} NOT IN ({gone}) ORDER BY {PLACE_ROW}",
        select_list(&request.columns)?,
        version_sql(&single, reading)
    );
    let written = copier.copy(request, &query, None)?;
    let left = file.live_rows().saturating_sub(touched);
    match written {
        Some(written) if written.rows == left => Ok(written),
        _ => Err(Error::data_loss(format!(
            "{} should have {left} rows left, but other rows were found",
            file.location
        ))),
    }
}

/// Writes the delete file of a data file, with what its old one holds.
fn delete(
    copier: &mut Copier<'_>,
    request: &StageRequest,
    file: &DataFile,
    touched: u64,
) -> Result<StagedDeletes> {
    let mut all = format!("SELECT {PLACE_ROW} AS pos FROM ({})", positions(file));
    if let Some(deletes) = &file.deletes {
        let list = file_list([deletes.location.as_str()].into_iter());
        all = format!("{all} UNION SELECT pos FROM read_parquet({list})");
    }
    let query = format!(
        "SELECT {}::VARCHAR AS file_path, pos::BIGINT AS pos FROM ({all}) ORDER BY pos",
        quote_literal(&file.location)
    );
    let location = copier.next_location(request, "-deletes");
    let (path_id, position_id) = (FieldId(2_147_483_646), FieldId(2_147_483_645));
    let ids = format!("file_path: {path_id}, pos: {position_id}");
    let written = copier.write(&location, &query, &ids, &[], None)?;
    let expected = file.deletes.as_ref().map_or(0, |deletes| deletes.rows) + touched;
    let written = written.filter(|written| written.rows == expected);
    let written = written
        .ok_or_else(|| Error::internal(format!("a row of {} was deleted twice", file.location)))?;
    Ok(StagedDeletes {
        data_file: file.location.clone(),
        file: DeleteFile {
            location,
            rows: written.rows,
            size_bytes: written.size_bytes,
            footer_bytes: written.footer_bytes,
        },
    })
}

/// Writes the new values of touched rows, and rows that are only inserted.
fn write_new(copier: &mut Copier<'_>, request: &StageRequest) -> Result<Option<StagedFile>> {
    let query = format!(
        "SELECT {} FROM {TABLE} WHERE {PLACE_FILE} IS NULL OR {PLACE_KEEP}",
        select_list(&request.columns)?
    );
    copier.copy(request, &query, None)
}
