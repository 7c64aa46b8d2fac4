//! UPDATE, DELETE and TRUNCATE: one query yields the touched rows' places and new values (V-18).

use std::{ops::Range, sync::Arc};

use ducksync_core::{
    Error, Result,
    change::TableChange,
    engine::{PLACE_FILE, PLACE_KEEP, PLACE_ROW},
    name::quote,
    version::Version,
};

use super::{Effect, Writer, name_at, nothing_more};
use crate::{read::nulls, scan::Tokens};

/// The table that a statement changes, and the name by which the statement knows it.
struct Touched {
    version: Arc<Version>,
    name: String,
    alias: String,
}

impl Writer<'_> {
    pub(super) async fn update(&self, tokens: &Tokens<'_>) -> Result<Effect> {
        let (table, at) = self.touched(tokens, 1).await?;
        if !tokens.is_word(at, "set") {
            return Err(Error::invalid("UPDATE needs SET column = value"));
        }
        let from = tokens.find(at, |t, i| t.is_word(i, "from"))?;
        let filter = tokens.find(at, |t, i| t.is_word(i, "where"))?;
        let end = tokens.end();
        no_returning(tokens, at)?;
        let assignments = tokens.split_commas(at + 1, from.min(filter).min(end))?;
        let values = assigned(tokens, &assignments, &table.version)?;
        let columns: Vec<_> = table
            .version
            .columns
            .iter()
            .map(|column| {
                let value = values.iter().find(|(id, _)| *id == column.id);
                let value = value.map_or_else(
                    || format!("{}.{}", quote(&table.alias), quote(&column.name)),
                    |(_, expression)| {
                        format!("CAST(({expression}) AS {})", column.lake_type.duckdb_sql())
                    },
                );
                format!("{value} AS {}", quote(&column.name))
            })
            .collect();
        let joined = match from < filter.min(end) {
            true => format!(", {}", tokens.slice(from + 1, filter.min(end))),
            false => String::new(),
        };
        let condition = tokens.slice(filter, end);
        self.touch(&table, true, &columns.join(", "), &joined, condition)
            .await
    }

    pub(super) async fn delete(&self, tokens: &Tokens<'_>) -> Result<Effect> {
        if !tokens.is_word(1, "from") {
            return Err(Error::invalid("only DELETE FROM is offered"));
        }
        let (table, at) = self.touched(tokens, 2).await?;
        let end = tokens.end();
        no_returning(tokens, at)?;
        if at >= end {
            return self.delete_all(&table.version);
        }
        let using = tokens.is_word(at, "using");
        let filter = tokens.find(at, |t, i| t.is_word(i, "where"))?.min(end);
        if !using && filter != at {
            nothing_more(tokens, at)?;
        }
        let joined = match using {
            true => format!(", {}", tokens.slice(at + 1, filter)),
            false => String::new(),
        };
        let nulls = nulls(&table.version.columns);
        let condition = tokens.slice(filter, end);
        self.touch(&table, false, &nulls, &joined, condition).await
    }

    pub(super) async fn truncate(&self, tokens: &Tokens<'_>) -> Result<Effect> {
        let at = if tokens.is_word(1, "table") { 2 } else { 1 };
        let (parts, behind) = name_at(tokens, at)?;
        nothing_more(tokens, behind)?;
        let version = self.table_to_write(&parts).await?;
        self.delete_all(&version)
    }

    fn delete_all(&self, version: &Arc<Version>) -> Result<Effect> {
        let rows = version.rows();
        if !self.describing() && !version.files.is_empty() {
            let ended = version
                .files
                .iter()
                .map(|file| file.location.clone())
                .collect();
            let change = TableChange::Delete {
                dataset: version.dataset,
                deletes: Vec::new(),
                ended,
            };
            self.transaction.change(Some(version), change)?;
        }
        Ok(Effect::Rows(rows))
    }

    async fn touched(&self, tokens: &Tokens<'_>, at: usize) -> Result<(Touched, usize)> {
        let (parts, mut at) = name_at(tokens, at)?;
        let version = self.table_to_write(&parts).await?;
        let keyword = ["set", "where", "using", "returning"];
        let mut alias = parts.last().cloned().unwrap_or_default();
        if tokens.is_word(at, "as") {
            at += 1;
        }
        let named = tokens.identifier(at).filter(|_| at < tokens.end());
        if let Some(name) = named.filter(|name| !keyword.contains(&name.to_lowercase().as_str())) {
            alias = name;
            at += 1;
        }
        let name = [&version.name.schema, &version.name.name]
            .map(|part| quote(part))
            .join(".");
        Ok((
            Touched {
                version,
                name,
                alias,
            },
            at,
        ))
    }

    async fn touch(
        &self,
        table: &Touched,
        keep: bool,
        columns: &str,
        joined: &str,
        condition: &str,
    ) -> Result<Effect> {
        let alias = quote(&table.alias);
        // A row that several joined rows delete is deleted once; one that several would update is an
        // error of the stager, since which value wins is nowhere said.
        let distinct = if keep { "" } else { "DISTINCT " };
        let select = format!(
            "SELECT {distinct}{alias}.{PLACE_FILE}, {alias}.{PLACE_ROW}, {keep} AS {PLACE_KEEP}, \
             {columns} FROM "
        );
        let places_at = Some(select.len());
        let sql = format!("{select}{} AS {alias}{joined} {condition}", table.name);
        let statement = self.bound(&sql, places_at).await?;
        if self.describing() {
            return self.describe(&statement).await.map(Effect::Described);
        }
        let version = &table.version;
        let request = self.request(version).await?;
        let stager = &self.query.parts.stager;
        let touched = stager
            .stage_touched(request, version.clone(), statement)
            .await?;
        if !touched.deletes.is_empty() || !touched.ended.is_empty() {
            let change = TableChange::Delete {
                dataset: version.dataset,
                deletes: touched.deletes,
                ended: touched.ended,
            };
            self.transaction.change(Some(version), change)?;
        }
        self.appended(version, touched.written)?;
        Ok(Effect::Rows(touched.touched))
    }
}

fn no_returning(tokens: &Tokens<'_>, at: usize) -> Result<()> {
    let returning = tokens.find(at, |t, i| t.is_word(i, "returning"))?;
    nothing_more(tokens, returning)
}

type Assignment = (ducksync_core::id::FieldId, String);

/// The columns of `SET a = x, b = y` with their expressions.
fn assigned(
    tokens: &Tokens<'_>,
    parts: &[Range<usize>],
    version: &Version,
) -> Result<Vec<Assignment>> {
    let mut values: Vec<Assignment> = Vec::new();
    for part in parts {
        let (name, at) = name_at(tokens, part.start)?;
        let name = name.last().cloned().unwrap_or_default();
        if !tokens.is_symbol(at, b'=') {
            return Err(Error::invalid(format!("SET {name} has no value")));
        }
        let column = version
            .column(&name)
            .ok_or_else(|| Error::invalid(format!("{} has no column {name:?}", version.name)))?;
        if values.iter().any(|(id, _)| *id == column.id) {
            return Err(Error::invalid(format!("column {name} is set twice")));
        }
        values.push((column.id, tokens.slice(at + 1, part.end).to_owned()));
    }
    match values.is_empty() {
        true => Err(Error::invalid("UPDATE sets no column")),
        false => Ok(values),
    }
}
