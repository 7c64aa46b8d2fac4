//! INSERT: new files at the end of a table.

use std::{ops::Range, sync::Arc};

use arrow::array::RecordBatch;
use ducksync_core::{
    BatchStream, Error, Result,
    change::TableChange,
    engine::Staged,
    name::quote,
    types::{Field, Fields, LakeType},
    version::Version,
};

use super::{Effect, Writer, name_at};
use crate::scan::Tokens;

/// An INSERT, taken apart.
struct Insert<'a> {
    version: Arc<Version>,
    /// The columns that get values, in the order of the values.
    targets: Vec<Field>,
    /// The query that yields the values; `None` = DEFAULT VALUES.
    query: Option<&'a str>,
    /// Where the query stands among the tokens.
    range: Range<usize>,
    /// Columns are matched by the query's names.
    by_name: bool,
}

impl Writer<'_> {
    pub(super) async fn insert(&self, tokens: &Tokens<'_>) -> Result<Effect> {
        let insert = self.parse_insert(tokens).await?;
        let Some(query) = insert.query else {
            return self
                .append(&insert.version, &defaults_only(&insert.version))
                .await;
        };
        let inner = self.bound(query, None).await?;
        let described = self.describe(&inner).await?;
        if self.describing() {
            return Ok(Effect::Described(typed(described, tokens, &insert)));
        }
        let targets = match insert.by_name {
            true => described
                .columns
                .iter()
                .map(|c| column(&insert.version, &c.name))
                .collect::<Result<_>>()?,
            false => insert.targets,
        };
        if targets.len() != described.columns.len() {
            return Err(Error::invalid(format!(
                "{} columns of {} were to get {} values",
                targets.len(),
                insert.version.name,
                described.columns.len()
            ))
            .with_remedy("name the columns, or give a value for each"));
        }
        let mut statement = inner;
        statement.sql = projected(&insert.version, &targets, &statement.sql);
        self.append_statement(&insert.version, statement).await
    }

    /// `INSERT … VALUES (?, ?, …)` for many rows: the bound rows are written as they are, in one file.
    pub(super) async fn insert_parameters(
        &self,
        sql: &str,
        rows: &RecordBatch,
    ) -> Result<Option<Effect>> {
        let tokens = Tokens::scan(sql)?;
        if !tokens.is_word(0, "insert") || rows.num_rows() < 2 {
            return Ok(None);
        }
        let insert = self.parse_insert(&tokens).await?;
        let direct = bare_parameters(&tokens, &insert.range)
            .is_some_and(|count| count == rows.num_columns() && count == insert.targets.len());
        if !direct || insert.by_name || rest_has_default(&insert) {
            return Ok(None);
        }
        let named = insert.targets.iter().zip(rows.columns());
        let batch = RecordBatch::try_from_iter_with_nullable(
            named.map(|(target, values)| (&target.name, values.clone(), true)),
        )
        .map_err(|error| Error::invalid(format!("parameters do not fit: {error}")))?;
        let fields: Fields = Field::list_from_arrow(&batch.schema())?.into();
        let stream = self.with_missing(&insert, fields, batch)?;
        let request = self.request(&insert.version).await?;
        let staged = self.query.parts.stager.stage(request, stream).await?;
        self.appended(&insert.version, staged).map(Some)
    }

    /// Columns that got no values are NULL.
    fn with_missing(
        &self,
        insert: &Insert<'_>,
        fields: Fields,
        batch: RecordBatch,
    ) -> Result<BatchStream> {
        use arrow::array::new_null_array;
        let mut columns: Vec<_> = fields
            .iter()
            .map(|f| f.name.clone())
            .zip(batch.columns().to_vec())
            .collect();
        let mut all: Vec<Field> = fields.to_vec();
        for missing in insert.version.columns.iter() {
            if !insert.targets.iter().any(|target| target.id == missing.id) {
                let nulls = new_null_array(&missing.lake_type.to_arrow(), batch.num_rows());
                columns.push((missing.name.clone(), nulls));
                all.push(Field {
                    nullable: true,
                    ..missing.clone()
                });
            }
        }
        let batch = RecordBatch::try_from_iter_with_nullable(
            columns
                .into_iter()
                .map(|(name, values)| (name, values, true)),
        )
        .map_err(|error| Error::invalid(format!("parameters do not fit: {error}")))?;
        Ok(BatchStream::once(all.into(), batch))
    }

    async fn parse_insert<'a>(&self, tokens: &Tokens<'a>) -> Result<Insert<'a>> {
        if !tokens.is_word(1, "into") {
            return Err(Error::invalid("only INSERT INTO is offered"));
        }
        let (parts, mut at) = name_at(tokens, 2)?;
        let version = self.table_to_write(&parts).await?;
        if tokens.is_word(at, "as") {
            at += 2;
        }
        let by_name = tokens.are_words(at, &["by", "name"]);
        if by_name || tokens.are_words(at, &["by", "position"]) {
            at += 2;
        }
        let (targets, at) = targets(tokens, at, &version)?;
        if tokens.are_words(at, &["default", "values"]) {
            super::nothing_more(tokens, at + 2)?;
            return Ok(Insert {
                version,
                targets,
                query: None,
                range: at..at,
                by_name,
            });
        }
        let end = tokens.find(at, |t, i| {
            t.is_word(i, "returning") || t.are_words(i, &["on", "conflict"])
        })?;
        super::nothing_more(tokens, end)?;
        let range = at..tokens.end();
        Ok(Insert {
            version,
            targets,
            query: Some(tokens.slice(at, tokens.end())),
            range,
            by_name,
        })
    }

    async fn append(&self, version: &Arc<Version>, sql: &str) -> Result<Effect> {
        if self.describing() {
            return Ok(Effect::Rows(0));
        }
        self.append_statement(version, self.bound(sql, None).await?)
            .await
    }

    async fn append_statement(
        &self,
        version: &Arc<Version>,
        statement: ducksync_core::engine::BoundStatement,
    ) -> Result<Effect> {
        let request = self.request(version).await?;
        let staged = self
            .query
            .parts
            .stager
            .stage_statement(request, statement)
            .await?;
        self.appended(version, staged)
    }

    pub(super) async fn request(
        &self,
        version: &Version,
    ) -> Result<ducksync_core::engine::StageRequest> {
        let (directory, columns) = (&version.directory, version.columns.clone());
        self.query
            .staging(self.transaction, version.dataset, directory, columns)
            .await
    }

    pub(super) fn appended(&self, version: &Arc<Version>, staged: Staged) -> Result<Effect> {
        if !staged.files.is_empty() {
            let change = TableChange::Append {
                dataset: version.dataset,
                files: staged.files,
            };
            self.transaction.change(Some(version), change)?;
        }
        Ok(Effect::Rows(staged.rows))
    }
}

/// The list of columns at `at`, or all columns if the bracket there is a query's or there is none.
fn targets(tokens: &Tokens<'_>, at: usize, version: &Version) -> Result<(Vec<Field>, usize)> {
    let listed = tokens.is_symbol(at, b'(')
        && !["select", "with", "values", "from"]
            .iter()
            .any(|word| tokens.is_word(at + 1, word))
        && !tokens.is_symbol(at + 1, b'(');
    if !listed {
        return Ok((version.columns.to_vec(), at));
    }
    let behind = tokens.behind_bracket(at)?;
    let mut targets: Vec<Field> = Vec::new();
    for part in tokens.split_commas(at + 1, behind - 1)? {
        let name = tokens.identifier(part.start).unwrap_or_default();
        let field = column(version, &name)?;
        if targets.iter().any(|known| known.id == field.id) {
            return Err(Error::invalid(format!("column {name} is named twice")));
        }
        targets.push(field);
    }
    Ok((targets, behind))
}

fn column(version: &Version, name: &str) -> Result<Field> {
    version
        .column(name)
        .cloned()
        .ok_or_else(|| Error::invalid(format!("{} has no column {name:?}", version.name)))
}

/// All columns of the table, by name, from the values of `targets`.
fn projected(version: &Version, targets: &[Field], inner: &str) -> String {
    let columns: Vec<_> = version
        .columns
        .iter()
        .map(|column| {
            let value = match targets.iter().position(|target| target.id == column.id) {
                Some(position) => format!("c{position}"),
                None => default(column),
            };
            format!("{value} AS {}", quote(&column.name))
        })
        .collect();
    let names: Vec<_> = (0..targets.len()).map(|i| format!("c{i}")).collect();
    let (columns, names) = (columns.join(", "), names.join(", "));
    format!("SELECT {columns} FROM ({inner}) AS ducksync_rows({names})")
}

fn default(column: &Field) -> String {
    let ty = column.lake_type.duckdb_sql();
    match &column.default {
        Some(literal) => format!(
            "CAST({} AS {ty})",
            ducksync_core::name::quote_literal(literal)
        ),
        None => format!("CAST(NULL AS {ty})"),
    }
}

fn defaults_only(version: &Version) -> String {
    let columns: Vec<_> = version
        .columns
        .iter()
        .map(|column| format!("{} AS {}", default(column), quote(&column.name)))
        .collect();
    format!("SELECT {}", columns.join(", "))
}

fn rest_has_default(insert: &Insert<'_>) -> bool {
    insert.version.columns.iter().any(|column| {
        column.default.is_some() && !insert.targets.iter().any(|target| target.id == column.id)
    })
}

/// How many parameters `VALUES (?, ?, …)` has, if it is one row of nothing else.
fn bare_parameters(tokens: &Tokens<'_>, range: &Range<usize>) -> Option<usize> {
    let positions = parameter_positions(tokens, range)?;
    positions
        .iter()
        .all(|is_parameter| *is_parameter)
        .then_some(positions.len())
}

/// For one row of VALUES: which of its values are bare parameters.
fn parameter_positions(tokens: &Tokens<'_>, range: &Range<usize>) -> Option<Vec<bool>> {
    let open = range.start + 1;
    if !tokens.is_word(range.start, "values") || !tokens.is_symbol(open, b'(') {
        return None;
    }
    let behind = tokens.behind_bracket(open).ok()?;
    if behind != range.end {
        return None;
    }
    let values = tokens.split_commas(open + 1, behind - 1).ok()?;
    Some(
        values
            .iter()
            .map(|v| tokens.slice(v.start, v.end) == "?")
            .collect(),
    )
}

/// Parameters that stand alone in VALUES have the type of their column.
fn typed(
    mut described: ducksync_core::engine::StatementDescription,
    tokens: &Tokens<'_>,
    insert: &Insert<'_>,
) -> ducksync_core::engine::StatementDescription {
    let Some(positions) = parameter_positions(tokens, &insert.range) else {
        return described;
    };
    let mut number = 0;
    for (position, is_parameter) in positions.iter().enumerate() {
        let Some(target) = insert.targets.get(position).filter(|_| *is_parameter) else {
            // A value that is an expression may hold parameters of its own, whose number is unknown.
            if tokens.sql.matches('?').count() != positions.iter().filter(|p| **p).count() {
                return described;
            }
            continue;
        };
        if let Some(slot) = described.parameters.get_mut(number) {
            let known: &mut Option<LakeType> = slot;
            *known = Some(target.lake_type.clone());
        }
        number += 1;
    }
    described
}
