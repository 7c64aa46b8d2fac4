//! ALTER TABLE: columns and names; rows stay as they are.

use std::sync::Arc;

use ducksync_core::{
    Error, Result, change::TableChange, name::TableName, types::Field, version::Version,
};

use super::{Effect, Writer, definition, if_exists, name_at, nothing_more};
use crate::scan::Tokens;

impl Writer<'_> {
    pub(super) async fn alter(&self, tokens: &Tokens<'_>) -> Result<Effect> {
        if !tokens.is_word(1, "table") {
            return Err(Error::invalid("only ALTER TABLE is offered"));
        }
        let (lenient, at) = if_exists(tokens, 2);
        let (parts, at) = name_at(tokens, at)?;
        let version = match self.plain_table(&parts) {
            Err(error) if lenient && error.kind() == ducksync_core::ErrorKind::NotFound => {
                return Ok(Effect::Definition);
            }
            other => other?,
        };
        let words = |index: usize| tokens.text(index).to_ascii_lowercase();
        match (words(at).as_str(), words(at + 1).as_str()) {
            ("rename", "to") => self.rename_table(tokens, at + 2, &version),
            ("rename", "column") => self.rename_column(tokens, at + 2, &version),
            ("rename", _) => self.rename_column(tokens, at + 1, &version),
            ("add", "column") => self.add_column(tokens, at + 2, &version).await,
            ("add", _) => self.add_column(tokens, at + 1, &version).await,
            ("drop", "column") => self.drop_column(tokens, at + 2, &version),
            ("drop", _) => self.drop_column(tokens, at + 1, &version),
            _ => Err(Error::invalid(format!(
                "ALTER TABLE … {:?} is not offered",
                tokens.slice(at, tokens.end())
            ))
            .with_remedy("use ADD COLUMN, DROP COLUMN, RENAME COLUMN … TO or RENAME TO")),
        }
    }

    fn rename_table(
        &self,
        tokens: &Tokens<'_>,
        at: usize,
        version: &Arc<Version>,
    ) -> Result<Effect> {
        let (parts, behind) = name_at(tokens, at)?;
        nothing_more(tokens, behind)?;
        let [name] = parts.as_slice() else {
            return Err(Error::invalid("a table is renamed within its schema"));
        };
        let name = TableName::new(version.name.schema.clone(), name.clone());
        let taken = self
            .scope
            .table(&name.schema, &name.name)
            .is_some_and(|t| t.dataset != version.dataset)
            || self.scope.view(&name.schema, &name.name).is_some();
        if taken {
            return Err(Error::already_exists(format!("{name} exists already")));
        }
        self.add(
            Some(version),
            TableChange::Rename {
                dataset: version.dataset,
                name,
            },
        )
    }

    fn rename_column(
        &self,
        tokens: &Tokens<'_>,
        at: usize,
        version: &Arc<Version>,
    ) -> Result<Effect> {
        let (old, at) = name_at(tokens, at)?;
        if !tokens.is_word(at, "to") {
            return Err(Error::invalid("RENAME COLUMN needs TO and the new name"));
        }
        let (new, behind) = name_at(tokens, at + 1)?;
        nothing_more(tokens, behind)?;
        let ([old], [new]) = (old.as_slice(), new.as_slice()) else {
            return Err(Error::invalid("only whole columns are renamed"));
        };
        let id = existing(version, old)?.id;
        if version.column(new).is_some_and(|column| column.id != id) {
            return Err(Error::already_exists(format!(
                "{} has a column {new}",
                version.name
            )));
        }
        self.columns(version, |columns| {
            columns
                .iter_mut()
                .filter(|c| c.id == id)
                .for_each(|c| c.name.clone_from(new));
        })
    }

    async fn add_column(
        &self,
        tokens: &Tokens<'_>,
        at: usize,
        version: &Arc<Version>,
    ) -> Result<Effect> {
        let (lenient, at) = if_exists(tokens, at);
        let engine = self.query.parts.engine.as_ref();
        let mut column = definition::column(engine, tokens, at..tokens.end()).await?;
        if version.column(&column.name).is_some() {
            return match lenient {
                true => Ok(Effect::Definition),
                false => Err(Error::already_exists(format!(
                    "{} has a column {}",
                    version.name, column.name
                ))),
            };
        }
        if !column.nullable && column.default.is_none() && version.rows() > 0 {
            return Err(Error::invalid(format!(
                "column {} would be NULL in old rows",
                column.name
            ))
            .with_remedy("give it a DEFAULT, or let it be NULL"));
        }
        column.initial_default.clone_from(&column.default);
        let mut next = version.next_field;
        column.assign_ids(&mut next);
        self.columns(version, |columns| columns.push(column))
    }

    fn drop_column(
        &self,
        tokens: &Tokens<'_>,
        at: usize,
        version: &Arc<Version>,
    ) -> Result<Effect> {
        let (lenient, at) = if_exists(tokens, at);
        let (parts, behind) = name_at(tokens, at)?;
        nothing_more(tokens, behind)?;
        let name = parts.last().cloned().unwrap_or_default();
        if lenient && version.column(&name).is_none() {
            return Ok(Effect::Definition);
        }
        let id = existing(version, &name)?.id;
        if version.columns.len() == 1 {
            return Err(Error::invalid(format!(
                "{name} is the only column of {}",
                version.name
            )));
        }
        self.columns(version, |columns| columns.retain(|column| column.id != id))
    }

    fn columns(
        &self,
        version: &Arc<Version>,
        change: impl FnOnce(&mut Vec<Field>),
    ) -> Result<Effect> {
        let mut columns = version.columns.to_vec();
        change(&mut columns);
        let dataset = version.dataset;
        self.add(
            Some(version),
            TableChange::Alter {
                dataset,
                columns: columns.into(),
            },
        )
    }
}

fn existing<'a>(version: &'a Version, name: &str) -> Result<&'a Field> {
    version
        .column(name)
        .ok_or_else(|| Error::not_found(format!("{} has no column {name:?}", version.name)))
}
