//! The account's objects as Snowflake knows them: declared types, times, change tokens.
//!
//! DuckDB holds the rows; what it would forget (a type's scale, who refers to whom, when something
//! changed) is here.

mod object;

pub(crate) use object::{Change, Column, Object, ObjectKind, RETENTION_DAYS, change_at, time_of};

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::error::SqlError;
use crate::names::{self, ObjectName};

#[derive(Debug, Clone)]
pub(crate) struct Schema {
    pub(crate) created: DateTime<Utc>,
    pub(crate) objects: BTreeMap<String, Object>,
}

#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) created: DateTime<Utc>,
    pub(crate) schemas: BTreeMap<String, Schema>,
}

/// All databases of the account.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(crate) databases: BTreeMap<String, Database>,
    changes: Change,
}

impl Catalog {
    pub(crate) fn add_database(&mut self, name: &str) {
        let database = Database {
            created: Utc::now(),
            schemas: BTreeMap::new(),
        };
        self.databases.insert(name.to_owned(), database);
        self.add_schema(name, "PUBLIC");
    }

    pub(crate) fn add_schema(&mut self, database: &str, name: &str) {
        let schema = Schema {
            created: Utc::now(),
            objects: BTreeMap::new(),
        };
        if let Some(database) = self.databases.get_mut(database) {
            database.schemas.insert(name.to_owned(), schema);
        }
    }

    pub(crate) fn schema(&self, database: &str, name: &str) -> Result<&Schema, SqlError> {
        self.databases
            .get(database)
            .ok_or_else(|| SqlError::missing("Database", &names::display(database)))?
            .schemas
            .get(name)
            .ok_or_else(|| {
                SqlError::missing(
                    "Schema",
                    &format!("{}.{}", names::display(database), names::display(name)),
                )
            })
    }

    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Object> {
        self.databases
            .get(&name.database)?
            .schemas
            .get(&name.schema)?
            .objects
            .get(&name.name)
    }

    pub(crate) fn require(&self, name: &ObjectName) -> Result<&Object, SqlError> {
        self.get(name)
            .ok_or_else(|| SqlError::missing("Object", &name.display()))
    }

    pub(crate) fn get_mut(&mut self, name: &ObjectName) -> Option<&mut Object> {
        self.databases
            .get_mut(&name.database)?
            .schemas
            .get_mut(&name.schema)?
            .objects
            .get_mut(&name.name)
    }

    pub(crate) fn remove(&mut self, name: &ObjectName) -> Option<Object> {
        self.databases
            .get_mut(&name.database)?
            .schemas
            .get_mut(&name.schema)?
            .objects
            .remove(&name.name)
    }

    pub(crate) fn put(&mut self, name: &ObjectName, object: Object) {
        if let Some(schema) = self
            .databases
            .get_mut(&name.database)
            .and_then(|db| db.schemas.get_mut(&name.schema))
        {
            schema.objects.insert(name.name.clone(), object);
        }
    }

    /// Makes (or replaces) an object, as of now.
    pub(crate) fn define(
        &mut self,
        name: &ObjectName,
        mut kind: ObjectKind,
        columns: Vec<Column>,
    ) -> Change {
        let change = self.next_change();
        let now = time_of(change);
        if let ObjectKind::Table {
            tracked: Some(since),
            ..
        } = &mut kind
        {
            *since = change;
        }
        self.put(
            name,
            Object {
                kind,
                columns,
                comment: String::new(),
                created: now,
                last_altered: now,
                last_ddl: now,
                born: change,
                forgotten: 0,
                change,
                size: None,
            },
        );
        change
    }

    /// Records that rows (or, with `ddl`, the definition) of an object changed.
    pub(crate) fn touch(&mut self, name: &ObjectName, ddl: bool) -> Change {
        self.touch_all(&BTreeSet::from([name.clone()]), ddl)
    }

    /// Records that objects changed together.
    pub(crate) fn touch_all(&mut self, names: &BTreeSet<ObjectName>, ddl: bool) -> Change {
        let change = self.next_change();
        for name in names {
            let Some(object) = self.get_mut(name) else {
                continue;
            };
            object.change = change;
            object.last_altered = time_of(change);
            if ddl {
                object.last_ddl = object.last_altered;
            }
        }
        change
    }

    /// Forgets what a table's rows were before now.
    pub(crate) fn age(&mut self, name: &ObjectName) -> Result<Change, SqlError> {
        let change = self.next_change();
        let object = self
            .get_mut(name)
            .ok_or_else(|| SqlError::missing("Table", &name.display()))?;
        object.forgotten = change;
        Ok(change)
    }

    /// The last change so far.
    pub(crate) fn last_change(&self) -> Change {
        self.changes
    }

    /// The table whose changes have been tracked since this change.
    pub(crate) fn tracked_since(&self, since: Change) -> Option<(ObjectName, &Object)> {
        self.objects()
            .find(|(_, object)| object.tracked() == Some(since))
    }

    /// Every table and view.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (ObjectName, &Object)> {
        self.databases.iter().flat_map(|(database, schemas)| {
            schemas.schemas.iter().flat_map(move |(schema, objects)| {
                objects
                    .objects
                    .iter()
                    .map(move |(name, object)| (ObjectName::new(database, schema, name), object))
            })
        })
    }

    /// The change token: for a view, it moves with every object behind it.
    pub(crate) fn change_token(&self, name: &ObjectName) -> Result<u64, SqlError> {
        let object = self.require(name)?;
        let mut newest = object.change;
        if let ObjectKind::View { references, .. } = &object.kind {
            for reference in references {
                newest = newest.max(self.change_token(reference)?);
            }
        }
        Ok(newest)
    }

    /// The tables (and secure views, which stay closed) behind an object.
    pub(crate) fn base_objects(&self, name: &ObjectName, found: &mut BTreeSet<ObjectName>) {
        match self.get(name).map(|object| &object.kind) {
            Some(ObjectKind::View {
                references,
                secure: false,
                ..
            }) => {
                for reference in references {
                    self.base_objects(reference, found);
                }
            }
            Some(_) => {
                found.insert(name.clone());
            }
            None => {}
        }
    }

    /// Numbers that only grow, look like times, and mean nothing.
    fn next_change(&mut self) -> Change {
        let now = u64::try_from(Utc::now().timestamp_micros()).unwrap_or_default() * 1_000;
        self.changes = now.max(self.changes + 1_000);
        self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ObjectKind {
        ObjectKind::Table {
            tracked: None,
            retention_days: RETENTION_DAYS,
        }
    }

    fn view(reference: &ObjectName, secure: bool) -> ObjectKind {
        ObjectKind::View {
            text: String::new(),
            references: BTreeSet::from([reference.clone()]),
            secure,
        }
    }

    #[test]
    fn a_views_token_moves_with_the_tables_behind_it() {
        let mut catalog = Catalog::default();
        catalog.add_database("DB");
        let [base, first, second] =
            ["T", "V", "W"].map(|name| ObjectName::new("DB", "PUBLIC", name));
        catalog.define(&base, table(), Vec::new());
        catalog.define(&first, view(&base, false), Vec::new());
        catalog.define(&second, view(&first, false), Vec::new());
        let before = catalog.change_token(&second).unwrap();
        let altered = catalog.get(&second).unwrap().last_altered;
        catalog.touch(&base, false);
        assert!(catalog.change_token(&second).unwrap() > before);
        assert_eq!(
            catalog.get(&second).unwrap().last_altered,
            altered,
            "a view's own time is its DDL's"
        );

        let mut found = BTreeSet::new();
        catalog.base_objects(&second, &mut found);
        assert_eq!(found, BTreeSet::from([base.clone()]));

        catalog.remove(&base);
        assert_eq!(catalog.change_token(&second).unwrap_err().code, "002003");
    }

    #[test]
    fn secure_views_stay_closed() {
        let mut catalog = Catalog::default();
        catalog.add_database("DB");
        let [base, secure] = ["T", "V"].map(|name| ObjectName::new("DB", "PUBLIC", name));
        catalog.define(&base, table(), Vec::new());
        catalog.define(&secure, view(&base, true), Vec::new());
        let mut found = BTreeSet::new();
        catalog.base_objects(&secure, &mut found);
        assert_eq!(found, BTreeSet::from([secure]));
    }
}
