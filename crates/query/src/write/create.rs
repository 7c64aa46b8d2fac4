//! CREATE and DROP of schemas, tables and views.

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    change::TableChange,
    id::DatasetId,
    name::{TableName, quote},
    types::{Field, Fields, number_fields},
    version::{Version, View},
};

use super::{Effect, Writer, definition, if_exists, managed, name_at, nothing_more};
use crate::{
    bind::{Piece, Replacement, splice},
    parsed::{self, Parsed},
    scan::Tokens,
    scope::Target,
};

impl Writer<'_> {
    pub(super) async fn create(&self, tokens: &Tokens<'_>) -> Result<Effect> {
        let mut at = 1;
        let replace = tokens.are_words(at, &["or", "replace"]);
        if replace {
            at += 2;
        }
        if ["temp", "temporary"]
            .iter()
            .any(|word| tokens.is_word(at, word))
        {
            return Err(Error::unimplemented("temporary tables are not offered yet")
                .with_remedy("create a plain table and drop it afterwards"));
        }
        match tokens.text(at).to_ascii_lowercase().as_str() {
            "schema" => self.create_schema(tokens, at + 1),
            "table" => self.create_table(tokens, at + 1, replace).await,
            "view" => self.create_view(tokens, at + 1, replace).await,
            other => Err(Error::invalid(format!(
                "CREATE {} is not offered",
                other.to_uppercase()
            ))),
        }
    }

    fn create_schema(&self, tokens: &Tokens<'_>, at: usize) -> Result<Effect> {
        let (lenient, at) = if_exists(tokens, at);
        let (parts, behind) = name_at(tokens, at)?;
        nothing_more(tokens, behind)?;
        let name = self.schema_name(&parts)?;
        self.require_schema(&name)?;
        if self.lake().schemas.contains_key(&name.to_lowercase()) {
            return match lenient {
                true => Ok(Effect::Definition),
                false => Err(Error::already_exists(format!(
                    "schema {name} exists already"
                ))),
            };
        }
        self.add(None, TableChange::CreateSchema { name })
    }

    fn schema_name(&self, parts: &[String]) -> Result<String> {
        match parts {
            [name] => Ok(name.clone()),
            [lake, name] if lake.eq_ignore_ascii_case(&self.lake().name) => Ok(name.clone()),
            _ => Err(Error::invalid(format!(
                "{} is not a schema of this lake",
                parts.join(".")
            ))),
        }
    }

    async fn create_table(&self, tokens: &Tokens<'_>, at: usize, replace: bool) -> Result<Effect> {
        let (lenient, at) = if_exists(tokens, at);
        let (parts, at) = name_at(tokens, at)?;
        let name = self.new_name(&parts)?;
        let existing = self.scope.table(&name.schema, &name.name);
        if existing.is_some() && lenient {
            return Ok(Effect::Definition);
        }
        if let (Some(existing), true) = (&existing, replace) {
            self.plain_table(&[existing.name.schema.clone(), existing.name.name.clone()])?;
        } else {
            self.refuse_existing(&name, existing.as_deref())?;
        }
        let (listed, at) = self.listed_columns(tokens, at).await?;
        if tokens.is_word(at, "as") {
            let listed = listed.map(|columns| columns.into_iter().map(|c| c.name).collect());
            let sql = tokens.slice(at + 1, tokens.end());
            return self.create_as(name, existing, listed, sql).await;
        }
        nothing_more(tokens, at)?;
        let columns = listed.ok_or_else(|| {
            Error::invalid(format!("table {name} has no columns"))
                .with_remedy("list them, or use AS")
        })?;
        if self.describing() {
            return Ok(Effect::Definition);
        }
        self.replace_or_create(name, existing, columns)?;
        Ok(Effect::Definition)
    }

    /// Columns in brackets: definitions, or names alone before AS.
    async fn listed_columns(
        &self,
        tokens: &Tokens<'_>,
        at: usize,
    ) -> Result<(Option<Vec<Field>>, usize)> {
        if !tokens.is_symbol(at, b'(') {
            return Ok((None, at));
        }
        let behind = tokens.behind_bracket(at)?;
        let parts = tokens.split_commas(at + 1, behind - 1)?;
        let names_alone = tokens.is_word(behind, "as");
        let engine = self.query.parts.engine.as_ref();
        let mut columns: Vec<Field> = Vec::new();
        for part in parts {
            let column = match names_alone {
                true => definition::name_alone(tokens, part)?,
                false => definition::column(engine, tokens, part).await?,
            };
            if columns
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(&column.name))
            {
                return Err(Error::invalid(format!(
                    "column {} is named twice",
                    column.name
                )));
            }
            columns.push(column);
        }
        Ok((Some(columns), behind))
    }

    async fn create_as(
        &self,
        name: TableName,
        existing: Option<Arc<Version>>,
        names: Option<Vec<String>>,
        sql: &str,
    ) -> Result<Effect> {
        let mut statement = self.bound(sql, None).await?;
        let described = self.describe(&statement).await?;
        if self.describing() {
            return Ok(Effect::Described(described));
        }
        let mut columns: Vec<Field> = described.columns.to_vec();
        if let Some(names) = names {
            if names.len() != columns.len() {
                return Err(Error::invalid(format!(
                    "{} column names were given to {} columns",
                    names.len(),
                    columns.len()
                )));
            }
            columns
                .iter_mut()
                .zip(names)
                .for_each(|(column, name)| column.name = name);
        }
        distinct_names(&columns)?;
        columns.iter_mut().for_each(|column| column.nullable = true);
        let names: Vec<_> = columns.iter().map(|column| quote(&column.name)).collect();
        statement.sql = format!(
            "SELECT * FROM ({}) AS ducksync_rows({})",
            statement.sql,
            names.join(", ")
        );
        let version = self.replace_or_create(name, existing, columns)?;
        let request = self.request(&version).await?;
        let staged = self
            .query
            .parts
            .stager
            .stage_statement(request, statement)
            .await?;
        self.appended(&version, staged)
    }

    /// Adds the new, empty table to the transaction.
    fn replace_or_create(
        &self,
        name: TableName,
        existing: Option<Arc<Version>>,
        mut columns: Vec<Field>,
    ) -> Result<Arc<Version>> {
        if let Some(existing) = existing {
            self.transaction.change(
                Some(&existing),
                TableChange::Drop {
                    dataset: existing.dataset,
                },
            )?;
        }
        number_fields(&mut columns);
        let columns: Fields = columns.into();
        let dataset = DatasetId::generate();
        let directory = self.lake().new_table_directory(&name, dataset);
        let (schema, table) = (name.schema.clone(), name.name.clone());
        self.transaction.change(
            None,
            TableChange::Create {
                dataset,
                name,
                directory,
                columns,
            },
        )?;
        self.transaction
            .table(&schema, &table)
            .flatten()
            .ok_or_else(|| Error::internal("a new table is not in its transaction"))
    }

    async fn create_view(&self, tokens: &Tokens<'_>, at: usize, replace: bool) -> Result<Effect> {
        let (lenient, at) = if_exists(tokens, at);
        let (parts, mut at) = name_at(tokens, at)?;
        let name = self.new_name(&parts)?;
        if let Some(table) = self.scope.table(&name.schema, &name.name) {
            self.refuse_existing(&name, Some(&table))?;
        }
        match self.scope.view(&name.schema, &name.name) {
            Some(_) if lenient => return Ok(Effect::Definition),
            Some(_) if !replace => {
                return Err(Error::already_exists(format!("view {name} exists already")));
            }
            _ => {}
        }
        let mut column_aliases = Vec::new();
        if tokens.is_symbol(at, b'(') {
            let behind = tokens.behind_bracket(at)?;
            for part in tokens.split_commas(at + 1, behind - 1)? {
                column_aliases.push(definition::name_alone(tokens, part)?.name);
            }
            at = behind;
        }
        if !tokens.is_word(at, "as") {
            return Err(Error::invalid("CREATE VIEW needs AS and a query"));
        }
        let sql = tokens.slice(at + 1, tokens.end());
        // What cannot be read now must not become a view.
        self.describe(&self.bound(sql, None).await?).await?;
        let sql = self.qualified(sql).await?;
        self.add(
            None,
            TableChange::CreateView(View {
                name,
                sql,
                column_aliases,
            }),
        )
    }

    /// The text with every relation of the lake named in full, as it means now (V-18).
    async fn qualified(&self, sql: &str) -> Result<String> {
        let engine = self.query.parts.engine.as_ref();
        let Parsed::Query(query) = parsed::query(engine, sql).await? else {
            return Err(Error::invalid("a view needs a query"));
        };
        let mut replacements = Vec::new();
        for relation in &query.names.relations {
            let named = |name: &TableName| {
                let parts = [&self.lake().name, &name.schema, &name.name];
                Replacement::Name(parts.map(|part| quote(part)).join("."))
            };
            replacements.push(match relation.call {
                Some(_) => Replacement::Keep,
                None if relation.at.is_some() => Replacement::Keep,
                None => match self.scope.resolve(&relation.parts)? {
                    Target::Table(version) => named(&version.name),
                    Target::View(view) => named(&view.name),
                    // By its bare name a cache is refreshed when it is due, also through a view.
                    Target::Cache(_) | Target::System(..) | Target::Unknown => Replacement::Keep,
                },
            });
        }
        let text = splice(sql, &query.names, replacements)?;
        Ok(text
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Relation(_) => "",
            })
            .collect())
    }

    pub(super) async fn drop(&self, tokens: &Tokens<'_>) -> Result<Effect> {
        let kind = tokens.text(1).to_ascii_lowercase();
        let (lenient, at) = if_exists(tokens, 2);
        let (parts, mut behind) = name_at(tokens, at)?;
        if tokens.is_word(behind, "restrict") {
            behind += 1;
        }
        nothing_more(tokens, behind)?;
        let done = match kind.as_str() {
            "schema" => self.drop_schema(&parts),
            "table" => self.drop_table(&parts),
            "view" => self.drop_view(&parts),
            other => Err(Error::invalid(format!(
                "DROP {} is not offered",
                other.to_uppercase()
            ))),
        };
        match done {
            Err(error) if lenient && error.kind() == ducksync_core::ErrorKind::NotFound => {
                Ok(Effect::Definition)
            }
            other => other,
        }
    }

    fn drop_schema(&self, parts: &[String]) -> Result<Effect> {
        let name = self.schema_name(parts)?;
        self.require_schema(&name)?;
        let lake = self.lake();
        let schema = lake
            .schemas
            .get(&name.to_lowercase())
            .ok_or_else(|| Error::not_found(format!("schema {name} does not exist")))?;
        let inside = |table: &TableName| table.schema == schema.name;
        let table = lake
            .versions
            .values()
            .map(|v| &v.name)
            .find(|name| inside(name));
        if let Some(table) = table.or(lake.views.values().map(|v| &v.name).find(|n| inside(n))) {
            return Err(
                Error::failed_precondition(format!("schema {name} still holds {table}"))
                    .with_remedy("drop what it holds first"),
            );
        }
        self.add(
            None,
            TableChange::DropSchema {
                name: schema.name.clone(),
            },
        )
    }

    fn drop_table(&self, parts: &[String]) -> Result<Effect> {
        let version = self.plain_table(parts)?;
        self.add(
            Some(&version),
            TableChange::Drop {
                dataset: version.dataset,
            },
        )
    }

    fn drop_view(&self, parts: &[String]) -> Result<Effect> {
        let (schema, name) = self.scope.target(parts)?;
        self.require_schema(&schema)?;
        let view = self
            .scope
            .view(&schema, &name)
            .ok_or_else(|| Error::not_found(format!("view {schema}.{name} does not exist")))?;
        self.add(
            None,
            TableChange::DropView {
                name: view.name.clone(),
            },
        )
    }

    /// The name of something that is made, which the principal may make.
    fn new_name(&self, parts: &[String]) -> Result<TableName> {
        let (schema, name) = self.scope.target(parts)?;
        if crate::system::exists(&schema.to_lowercase(), &name.to_lowercase())
            || ["ducksync", "information_schema"].contains(&schema.to_lowercase().as_str())
        {
            return Err(Error::invalid(format!(
                "schema {schema} is the server's own"
            )));
        }
        self.require_schema(&schema)?;
        // The schema keeps the case of its making.
        let known = self
            .lake()
            .schemas
            .get(&schema.to_lowercase())
            .map(|s| s.name.clone());
        let default = schema.eq_ignore_ascii_case(crate::scope::DEFAULT_SCHEMA);
        match known {
            Some(schema) => Ok(TableName::new(schema, name)),
            None if default => Ok(TableName::new(crate::scope::DEFAULT_SCHEMA, name)),
            None => Err(Error::not_found(format!("schema {schema} does not exist"))
                .with_remedy(format!("CREATE SCHEMA {schema} first"))),
        }
    }

    fn refuse_existing(&self, name: &TableName, existing: Option<&Version>) -> Result<()> {
        if let Some(existing) = existing {
            return Err(match self.scope.fed(existing.dataset) {
                Some(dataset) => managed(&dataset.name.to_string()),
                None => Error::already_exists(format!("table {name} exists already"))
                    .with_remedy("drop it first, or use CREATE OR REPLACE"),
            });
        }
        match self.scope.view(&name.schema, &name.name) {
            Some(_) => Err(Error::already_exists(format!("{name} is a view"))),
            None => Ok(()),
        }
    }

    pub(super) fn add(&self, before: Option<&Arc<Version>>, change: TableChange) -> Result<Effect> {
        if !self.describing() {
            self.transaction.change(before, change)?;
        }
        Ok(Effect::Definition)
    }
}

fn distinct_names(columns: &[Field]) -> Result<()> {
    for (index, column) in columns.iter().enumerate() {
        if columns[..index]
            .iter()
            .any(|known| known.name.eq_ignore_ascii_case(&column.name))
        {
            return Err(
                Error::invalid(format!("two columns are named {:?}", column.name))
                    .with_remedy("give one of them another name with AS"),
            );
        }
    }
    Ok(())
}
