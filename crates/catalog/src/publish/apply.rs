//! One change after the other, in memory: what each table becomes. Schemas and views, which are one
//! row each, are written at once.

use std::sync::Arc;

use ducksync_core::{
    change::{TableChange, apply},
    error::{Error, Result},
    id::DatasetId,
    name::TableName,
    version::{LakeSchema, View},
};

use super::{
    Stop,
    names::{Named, Names},
    work::{Touched, Try},
};

impl Try<'_> {
    pub(super) async fn apply(
        &mut self,
        change: &TableChange,
        names: &mut Names,
    ) -> Result<(), Stop> {
        match change {
            TableChange::CreateSchema { name } => {
                if self.schema_id(name).is_some() {
                    let text = format!("the lake has a schema {name} already");
                    return Err(Error::already_exists(text).into());
                }
                self.create_schema(name).await.map(drop)
            }
            TableChange::DropSchema { name } => self.drop_schema(name, names).await,
            TableChange::CreateView(view) => self.create_view(view, names).await,
            TableChange::DropView { name } => self.drop_view(name, names).await,
            TableChange::Create { name, .. } => {
                names.require_free(name)?;
                if self.schema_id(&name.schema).is_none() {
                    self.create_schema(&name.schema).await?;
                }
                self.apply_to_table(change, names)
            }
            TableChange::Rename { name, .. } => {
                if self.schema_id(&name.schema).is_none() {
                    return Err(no_schema(&name.schema).into());
                }
                self.apply_to_table(change, names)
            }
            TableChange::Replace { .. }
            | TableChange::Append { .. }
            | TableChange::Delete { .. }
            | TableChange::Merge { .. }
            | TableChange::Alter { .. }
            | TableChange::Drop { .. } => self.apply_to_table(change, names),
        }
    }

    fn apply_to_table(&mut self, change: &TableChange, names: &mut Names) -> Result<(), Stop> {
        let dataset = change.dataset().unwrap_or(DatasetId(uuid::Uuid::nil()));
        let Some(touched) = self.tables.get_mut(&dataset) else {
            return Err(Error::internal("a change names a table that was not read").into());
        };
        // The name it has now, which an earlier change of this publication may have given it.
        let name_before = touched.after.as_ref().map(|version| version.name.clone());
        touched.apply(change)?;
        if let (TableChange::Create { .. }, Some(after)) = (change, &touched.after) {
            names.put(&after.name, Named::Table(dataset));
        }
        if let (TableChange::Rename { name, .. }, Some(before)) = (change, &name_before) {
            // Another case of its own name is free.
            if names.get(name) != Some(Named::Table(dataset)) {
                names.require_free(name)?;
            }
            names.remove(before);
            names.put(name, Named::Table(dataset));
        }
        if let (TableChange::Drop { .. }, Some(before)) = (change, &name_before) {
            names.remove(before);
        }
        Ok(())
    }

    /// The catalog id of the schema, ignoring case.
    pub(super) fn schema_id(&self, name: &str) -> Option<i64> {
        let name = name.to_lowercase();
        self.schemas
            .iter()
            .find(|(_, schema)| schema.name.to_lowercase() == name)
            .map(|(id, _)| *id)
    }

    async fn create_schema(&mut self, name: &str) -> Result<i64, Stop> {
        let id = self.new_catalog_id();
        let segment = ducksync_core::name::path_segment(name);
        let schema = LakeSchema {
            name: name.to_owned(),
            directory: format!("{}{segment}/", self.data_path),
        };
        self.write_schema(id, &schema).await?;
        self.schemas.insert(id, Arc::new(schema));
        self.changes.created_schema(name);
        self.schema_changed = true;
        Ok(id)
    }

    async fn drop_schema(&mut self, name: &str, names: &Names) -> Result<(), Stop> {
        let Some(id) = self.schema_id(name) else {
            return Err(no_schema(name).into());
        };
        if !names.is_empty(name) {
            return Err(
                Error::failed_precondition(format!("schema {name} is not empty"))
                    .with_remedy("drop its tables and views first")
                    .into(),
            );
        }
        self.end_schema(id).await?;
        self.schemas.remove(&id);
        self.changes.of("dropped_schema", id);
        self.schema_changed = true;
        Ok(())
    }

    async fn create_view(&mut self, view: &View, names: &mut Names) -> Result<(), Stop> {
        let Some(schema) = self.schema_id(&view.name.schema) else {
            return Err(no_schema(&view.name.schema).into());
        };
        match names.get(&view.name) {
            Some(Named::View(old)) => {
                self.end_view(old).await?;
                self.changes.of("dropped_view", old);
            }
            Some(Named::Table(_)) => names.require_free(&view.name)?,
            None => {}
        }
        let id = self.new_catalog_id();
        self.write_view(id, schema, view).await?;
        names.put(&view.name, Named::View(id));
        self.changes
            .created("view", &view.name.schema, &view.name.name);
        self.schema_changed = true;
        Ok(())
    }

    async fn drop_view(&mut self, name: &TableName, names: &mut Names) -> Result<(), Stop> {
        let Some(Named::View(id)) = names.get(name) else {
            return Err(Error::not_found(format!("the lake has no view {name}")).into());
        };
        self.end_view(id).await?;
        names.remove(name);
        self.changes.of("dropped_view", id);
        self.schema_changed = true;
        Ok(())
    }
}

impl Touched {
    fn apply(&mut self, change: &TableChange) -> Result<()> {
        let unreadable = self
            .after
            .as_ref()
            .and_then(|after| after.unreadable.as_ref());
        if let Some(problem) = unreadable
            && !matches!(change, TableChange::Drop { .. })
        {
            return Err(Error::failed_precondition(format!(
                "the table cannot be changed by this server: {problem}"
            )));
        }
        if matches!(change, TableChange::Create { .. }) && self.after.is_some() {
            let text = format!("dataset {} has a table already", self.dataset);
            return Err(Error::conflict(text));
        }
        let none = || Error::not_found(format!("dataset {} has no table", self.dataset));
        if !matches!(change, TableChange::Create { .. }) && self.after.is_none() {
            return Err(none());
        }
        let after = apply(self.after.as_ref(), change)
            // A file that went meanwhile was merged or rewritten by somebody else.
            .map_err(|error| Error::conflict(error.message().to_owned()))?;
        self.note(change);
        self.after = after;
        Ok(())
    }

    fn note(&mut self, change: &TableChange) {
        match change {
            TableChange::Merge { .. } | TableChange::Rename { .. } => {}
            TableChange::Alter { .. } => {
                self.moved = true;
                self.altered = true;
                let files = self.after.iter().flat_map(|version| version.files.iter());
                let files = files.map(|file| file.location.clone());
                self.older_columns.extend(files);
            }
            TableChange::Replace { columns, .. } => {
                self.moved = true;
                self.altered |= columns.is_some();
            }
            TableChange::Create { .. }
            | TableChange::Append { .. }
            | TableChange::Delete { .. }
            | TableChange::Drop { .. }
            | TableChange::CreateSchema { .. }
            | TableChange::DropSchema { .. }
            | TableChange::CreateView(_)
            | TableChange::DropView { .. } => self.moved = true,
        }
    }
}

fn no_schema(name: &str) -> Error {
    Error::not_found(format!("the lake has no schema {name}"))
}
