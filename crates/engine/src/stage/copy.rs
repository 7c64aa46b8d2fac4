//! COPY: one query becomes one Parquet file, counted and described.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arrow::array::RecordBatch;
use ducksync_core::{
    Error, Reason, Result,
    change::StagedFile,
    engine::{StageRequest, Staged},
    name::{quote, quote_literal},
    types::{Field, LakeType},
};

use super::{feed::Feed, stats::staged_files, unpublished::Unpublished};
use crate::{
    control::Control,
    duck::{Connection, DuckError},
    engine::Shared,
};

/// Marks errors of ours inside DuckDB's text.
const PRECISION: &str = "cannot be stored exactly";
/// The largest interval that Parquet's 32 bits of milliseconds hold is 1,193 hours.
const MAX_INTERVAL_HOURS: u32 = 1192;

static NEXT_STREAM: AtomicU64 = AtomicU64::new(0);

/// Writes the files of one staging.
pub(super) struct Copier<'c> {
    pub(super) connection: &'c Connection,
    /// DuckDB's error as ours.
    pub(super) tell: &'c dyn Fn(DuckError) -> Error,
    shared: &'c Arc<Shared>,
    control: &'c Control,
    files: u32,
    unpublished: Unpublished,
}

impl<'c> Copier<'c> {
    pub(super) fn new(
        shared: &'c Arc<Shared>,
        connection: &'c Connection,
        control: &'c Control,
        tell: &'c dyn Fn(DuckError) -> Error,
    ) -> Self {
        Self {
            connection,
            tell,
            shared,
            control,
            files: 0,
            unpublished: Unpublished::new(shared),
        }
    }

    /// Writes a stream into as many files as it needs.
    pub(super) fn copy_stream(&mut self, request: &StageRequest, feed: Feed) -> Result<Staged> {
        let columns = select_list(&request.columns)?;
        let mut files = Vec::new();
        let cut = |_| Error::cancelled("the stream was cut off");
        while feed.has_more().map_err(cut)? {
            let number = NEXT_STREAM.fetch_add(1, Ordering::Relaxed);
            let name = format!("ducksync_stream_{number}");
            let scan = self
                .connection
                .scan(&name, feed.portion())
                .map_err(self.tell)?;
            let copied = self.copy(request, &format!("SELECT {columns} FROM {name}"), None);
            self.connection
                .execute(&format!("DROP VIEW IF EXISTS {name}"))
                .map_err(self.tell)?;
            drop(scan);
            files.extend(copied?);
        }
        let staged = staged(files);
        if staged.rows != feed.rows() {
            return Err(Error::data_loss(format!(
                "{} rows were received, but {} were written",
                feed.rows(),
                staged.rows
            )));
        }
        Ok(staged)
    }

    /// Writes one file of a query's rows; none for no rows.
    pub(super) fn copy(
        &mut self,
        request: &StageRequest,
        query: &str,
        parameters: Option<&RecordBatch>,
    ) -> Result<Option<StagedFile>> {
        let location = self.next_location(request, "");
        let ids = field_ids(&request.columns);
        self.write(&location, query, &ids, &request.columns, parameters)
    }

    /// A file name of this staging that is not used yet.
    pub(super) fn next_location(&mut self, request: &StageRequest, suffix: &str) -> String {
        let prefix = StageRequest::prefix(&request.directory, request.run);
        let (ordinal, number) = (request.ordinal, self.files);
        self.files += 1;
        format!("{prefix}{ordinal}-{number}{suffix}.parquet")
    }

    /// Writes `location`.
    pub(super) fn write(
        &mut self,
        location: &str,
        query: &str,
        field_ids: &str,
        columns: &[Field],
        parameters: Option<&RecordBatch>,
    ) -> Result<Option<StagedFile>> {
        let directory = location
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory);
        self.shared.files.make_directory(&format!("{directory}/"))?;
        let runtime = &self.shared.runtime;
        // COPY would replace it, and with it rows that a commit may name.
        if self.shared.files.size_now(location, runtime)?.is_some() {
            return Err(Error::internal(format!("{location} is there already")));
        }
        self.unpublished.add(location);
        let sql = format!(
            "COPY ({query}) TO {} (FORMAT parquet, COMPRESSION lz4_raw, PARQUET_VERSION v2, \
             FIELD_IDS {{{field_ids}}}, RETURN_STATS true, USE_TMP_FILE false)",
            quote_literal(location)
        );
        let prepared = self.connection.prepare(&sql).map_err(self.tell)?;
        prepared.bind(parameters)?;
        let pending = prepared.start().map_err(self.tell)?;
        // From here on no interrupt is lost; one that came before is seen by this check.
        self.control.check()?;
        let mut rows = pending.run().map_err(|error| self.precise(error))?;
        let mut files = Vec::new();
        while let Some(chunk) = rows.next().map_err(|error| self.precise(error))? {
            files.extend(staged_files(&chunk, columns)?);
        }
        match files.as_slice() {
            [file] if file.location != location => Err(Error::internal(format!(
                "duckdb wrote {} instead of {location}",
                file.location
            ))),
            [file] if file.rows > 0 => Ok(files.pop()),
            [] | [_] => {
                let empty = [location.to_owned()];
                self.shared.files.remove_now(&empty, &self.shared.runtime);
                self.unpublished.forget(location);
                Ok(None)
            }
            _ => Err(Error::internal("duckdb wrote more files than one")),
        }
    }

    /// # Errors
    /// If the staging was stopped.
    pub(super) fn check(&self) -> Result<()> {
        self.control.check()
    }

    fn precise(&self, error: DuckError) -> Error {
        let precision = error.message().contains(PRECISION);
        let error = (self.tell)(error);
        match precision {
            true => error.with_reason(Reason::PrecisionLoss),
            false => error,
        }
    }

    /// Flushes what was written and hands it over, or removes it.
    pub(super) fn finish<T>(self, outcome: Result<T>) -> Result<(T, Unpublished)> {
        let outcome = outcome.and_then(|staged| {
            self.shared.files.sync_now(self.unpublished.locations())?;
            Ok(staged)
        });
        match outcome {
            Ok(staged) => Ok((staged, self.unpublished)),
            Err(error) => {
                self.unpublished.remove();
                Err(error)
            }
        }
    }
}

/// The sum of files.
pub(super) fn staged(files: Vec<StagedFile>) -> Staged {
    Staged {
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.size_bytes).sum(),
        files,
    }
}

/// The table's columns, cast from an input's of the same names, and checked for what the files could
/// not hold: a NULL where none is allowed, an interval that Parquet would silently change.
///
/// # Errors
/// `Unimplemented` for an interval within another type, which cannot be checked.
pub(super) fn select_list(columns: &[Field]) -> Result<String> {
    let columns: Vec<_> = columns.iter().map(select).collect::<Result<_>>()?;
    Ok(columns.join(", "))
}

fn select(column: &Field) -> Result<String> {
    let name = quote(&column.name);
    let mut value = format!("CAST({name} AS {})", column.lake_type.duckdb_sql());
    if column.lake_type.is_nested() && holds_interval(&column.lake_type) {
        return Err(Error::unimplemented(format!(
            "column {:?}: an INTERVAL within another type cannot be stored",
            column.name
        ))
        .with_remedy("cast it to VARCHAR"));
    }
    if column.lake_type == LakeType::Interval {
        let message = quote_literal(&format!("column {name}: an interval {PRECISION}"));
        value = format!(
            "CASE WHEN microsecond({value}) % 1000 <> 0 \
             OR hour({value}) NOT BETWEEN 0 AND {MAX_INTERVAL_HOURS} \
             THEN error({message}) ELSE {value} END"
        );
    }
    if !column.nullable {
        let message = quote_literal(&format!("column {name} takes no NULL"));
        value = format!("CASE WHEN {value} IS NULL THEN error({message}) ELSE {value} END");
    }
    Ok(format!("{value} AS {name}"))
}

fn holds_interval(lake_type: &LakeType) -> bool {
    *lake_type == LakeType::Interval
        || lake_type
            .children()
            .iter()
            .any(|child| holds_interval(&child.lake_type))
}

/// The ids that the files' columns carry, in DuckDB's notation.
fn field_ids(columns: &[Field]) -> String {
    let ids: Vec<_> = columns.iter().map(field_id).collect();
    ids.join(", ")
}

fn field_id(field: &Field) -> String {
    let children = field.lake_type.children();
    let name = quote(&field.name);
    if children.is_empty() {
        return format!("{name}: {}", field.id);
    }
    let children: Vec<_> = children.into_iter().map(field_id).collect();
    format!(
        "{name}: {{__duckdb_field_id: {}, {}}}",
        field.id,
        children.join(", ")
    )
}
