//! The SQL by which DuckDB reads a version; pure text.
//!
//! Files are read in the version's order, and DuckDB keeps it: scans, filters, projections and
//! UNION ALL do (with `preserve_insertion_order`), joins do not, so there is none here.

use ducksync_core::{
    engine::{PLACE_FILE, PLACE_ROW},
    name::{quote, quote_literal},
    types::Field,
    version::{DataFile, Version},
};

/// The function that leaves deleted rows out.
pub(crate) const LIVE: &str = "ducksync_live";
/// DuckDB's name for a row's position in its file.
const ROW_NUMBER: &str = "file_row_number";
/// Versions in which files with and without deletes alternate more often are read in one scan.
const MAX_SCANS: usize = 16;

/// How a version is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// Whether rows carry their places.
    pub(crate) places: bool,
    /// The key under which [`LIVE`] knows the version's deleted rows.
    pub(crate) deletes: Option<i64>,
}

/// The query that yields a version's rows.
pub(crate) fn version_sql(version: &Version, reading: Reading) -> String {
    let scans: Vec<String> = scans(&version.files, reading.deletes.is_some())
        .into_iter()
        .map(|scan| scan_sql(version, scan, reading))
        .collect();
    match scans.is_empty() {
        true => empty_sql(&version.columns, reading.places),
        false => scans.join("\nUNION ALL\n"),
    }
}

/// Whether some file carries other names or ids than the version, so that files are read by field id.
pub(crate) fn by_field_id(version: &Version) -> bool {
    version.files.iter().any(|file| !file.current_columns)
}

/// A list of file locations, as DuckDB reads it.
pub(crate) fn file_list<'f>(locations: impl Iterator<Item = &'f str>) -> String {
    let files: Vec<_> = locations.map(quote_literal).collect();
    format!("[{}]", files.join(", "))
}

#[derive(Clone, Copy)]
struct Scan<'v> {
    files: &'v [DataFile],
    filtered: bool,
}

fn scans(files: &[DataFile], deletes: bool) -> Vec<Scan<'_>> {
    let runs: Vec<_> = files
        .chunk_by(|left, right| left.deletes.is_some() == right.deletes.is_some())
        .map(|files| Scan {
            files,
            filtered: deletes && files[0].deletes.is_some(),
        })
        .collect();
    if runs.len() <= MAX_SCANS {
        return runs;
    }
    vec![Scan {
        files,
        filtered: deletes,
    }]
}

fn scan_sql(version: &Version, scan: Scan<'_>, reading: Reading) -> String {
    let list = file_list(scan.files.iter().map(|file| file.location.as_str()));
    let mut options = String::from("hive_partitioning = false, union_by_name = false");
    if by_field_id(version) {
        options.push_str(&format!(", schema = {}", schema_map(&version.columns)));
    }
    if scan.filtered || reading.places {
        let file = quote_literal(PLACE_FILE);
        options.push_str(&format!(", {ROW_NUMBER} = true, filename = {file}"));
    }
    let mut columns = projection(&version.columns, |field| quote(&field.name));
    if reading.places {
        columns.push_str(&format!(", {PLACE_FILE}, {ROW_NUMBER} AS {PLACE_ROW}"));
    }
    let filter = match reading.deletes.filter(|_| scan.filtered) {
        Some(key) => format!("\nWHERE {LIVE}({key}::BIGINT, {PLACE_FILE}, {ROW_NUMBER})"),
        None => String::new(),
    };
    format!("SELECT {columns}\nFROM read_parquet({list}, {options}){filter}")
}

fn empty_sql(columns: &[Field], places: bool) -> String {
    let mut columns = projection(columns, |_| "NULL".into());
    if places {
        columns.push_str(&format!(
            ", NULL::VARCHAR AS {PLACE_FILE}, NULL::BIGINT AS {PLACE_ROW}"
        ));
    }
    format!("SELECT {columns} WHERE false")
}

/// `CAST(value AS type) AS name`, for each column: where the type is right already DuckDB drops the
/// cast, so that filters still reach the files' statistics.
fn projection(columns: &[Field], value: impl Fn(&Field) -> String) -> String {
    let casts: Vec<_> = columns
        .iter()
        .map(|field| {
            let (value, sql_type) = (value(field), field.lake_type.duckdb_sql());
            format!("CAST({value} AS {sql_type}) AS {}", quote(&field.name))
        })
        .collect();
    casts.join(", ")
}

/// Which field id is which column, and what rows of files without it read.
fn schema_map(columns: &[Field]) -> String {
    let entries: Vec<_> = columns
        .iter()
        .map(|field| {
            let default = field
                .initial_default
                .as_deref()
                .map_or("NULL".into(), quote_literal);
            format!(
                "{}: {{name: {}, type: {}, default_value: {default}}}",
                field.id,
                quote_literal(&field.name),
                quote_literal(&field.lake_type.duckdb_sql()),
            )
        })
        .collect();
    format!("MAP {{{}}}", entries.join(", "))
}
