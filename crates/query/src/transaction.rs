//! A client's open transaction: staged files and the changes that would publish them.
//!
//! Nothing is in the catalog before the commit, which is one publication (V-18). Tables without feed are
//! read at the lake of the transaction's first touch plus its own changes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ducksync_core::{
    Result,
    change::{Basis, TableChange, apply},
    id::{DatasetId, RunId},
    version::{Lake, Version, View},
};

/// An open transaction, or the one statement of an autocommit one.
pub(crate) struct Transaction {
    /// The run that its publication will be.
    pub(crate) run: RunId,
    state: Mutex<State>,
    /// Statements that write take turns: each sees what the one before it wrote.
    pub(crate) writing: tokio::sync::Mutex<()>,
    /// Whether a client opened it and ends it: what it has done cannot be evaluated again.
    pub(crate) explicit: bool,
}

#[derive(Default)]
struct State {
    base: Option<Arc<Lake>>,
    tables: HashMap<DatasetId, Table>,
    views: HashMap<(String, String), Option<Arc<View>>>,
    changes: Vec<TableChange>,
    staged: Vec<String>,
    prefixes: Vec<String>,
    ordinal: u32,
}

/// A table that the transaction changed.
struct Table {
    before: Option<Arc<Version>>,
    after: Option<Arc<Version>>,
}

/// What a transaction publishes.
pub(crate) struct Work {
    pub(crate) basis: Vec<Basis>,
    pub(crate) changes: Vec<TableChange>,
}

impl Transaction {
    /// The transaction of one autocommit statement.
    pub(crate) fn of_statement() -> Self {
        Self {
            run: RunId::generate(),
            state: Mutex::default(),
            writing: tokio::sync::Mutex::new(()),
            explicit: false,
        }
    }

    /// A transaction that a client opens; it has touched nothing.
    pub(crate) fn explicit() -> Self {
        Self {
            explicit: true,
            ..Self::of_statement()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lake of its first touch of a table without feed; `newest` if this is the first.
    pub(crate) fn base(&self, newest: &Arc<Lake>) -> Arc<Lake> {
        self.state()
            .base
            .get_or_insert_with(|| newest.clone())
            .clone()
    }

    /// Its own state of a table, if it changed one of that name: `Some(None)` = it dropped it.
    pub(crate) fn table(&self, schema: &str, name: &str) -> Option<Option<Arc<Version>>> {
        let state = self.state();
        let key = (schema.to_lowercase(), name.to_lowercase());
        let named = |version: &Option<Arc<Version>>| {
            version
                .as_ref()
                .is_some_and(|version| version.name.folded() == key)
        };
        if let Some(table) = state.tables.values().find(|table| named(&table.after)) {
            return Some(table.after.clone());
        }
        state
            .tables
            .values()
            .any(|table| named(&table.before))
            .then_some(None)
    }

    /// Its own state of a view, if it changed one of that name.
    pub(crate) fn view(&self, schema: &str, name: &str) -> Option<Option<Arc<View>>> {
        self.state()
            .views
            .get(&(schema.to_lowercase(), name.to_lowercase()))
            .cloned()
    }

    /// Adds a change. `before` is the version that it changes, of which the transaction may know
    /// nothing yet. Its new version gets a name of its own, which no other statement ever sees.
    pub(crate) fn change(&self, before: Option<&Arc<Version>>, change: TableChange) -> Result<()> {
        let mut state = self.state();
        match &change {
            TableChange::CreateView(view) => {
                state
                    .views
                    .insert(view.name.folded(), Some(Arc::new(view.clone())));
            }
            TableChange::DropView { name } => {
                state.views.insert(name.folded(), None);
            }
            _ => {}
        }
        if let Some(dataset) = change.dataset() {
            let known = state.tables.get(&dataset);
            let from = known.map_or_else(|| before.cloned(), |table| table.after.clone());
            let after = apply(from.as_deref(), &change)?.map(|version| {
                Arc::new(Version {
                    run: RunId::generate(),
                    ..version
                })
            });
            match state.tables.get_mut(&dataset) {
                Some(table) => table.after = after,
                None => {
                    let before = before.cloned();
                    state.tables.insert(dataset, Table { before, after });
                }
            }
        }
        let staged = change.new_files().iter().map(|file| file.location.clone());
        let mut locations: Vec<_> = staged.collect();
        if let TableChange::Delete { deletes, .. } = &change {
            locations.extend(deletes.iter().map(|delete| delete.file.location.clone()));
        }
        state.staged.extend(locations);
        state.changes.push(change);
        Ok(())
    }

    /// Whether it writes that table, or is about to.
    pub(crate) fn writes(&self, dataset: DatasetId) -> bool {
        self.state().tables.contains_key(&dataset)
    }

    /// Begins to write a table from `version`, whose rows are those of the transaction's snapshot.
    pub(crate) fn write_from(&self, version: Arc<Version>) {
        let (before, after) = (Some(version.clone()), Some(version.clone()));
        let table = Table { before, after };
        self.state().tables.insert(version.dataset, table);
    }

    /// Whether that version is one that only this transaction sees.
    pub(crate) fn owns(&self, version: &Version) -> bool {
        let named = |known: &Option<Arc<Version>>| {
            known.as_ref().is_some_and(|known| known.run == version.run)
        };
        let state = self.state();
        let table = state.tables.get(&version.dataset);
        table.is_some_and(|table| named(&table.after) && !named(&table.before))
    }

    /// The next number for file names, and whether `prefix` is new to this transaction.
    pub(crate) fn next_staging(&self, prefix: &str) -> (u32, bool) {
        let mut state = self.state();
        let new = !state.prefixes.iter().any(|known| known == prefix);
        if new {
            state.prefixes.push(prefix.to_owned());
        }
        state.ordinal += 1;
        (state.ordinal, new)
    }

    /// Whether it recorded staged files.
    pub(crate) fn has_staged(&self) -> bool {
        !self.state().prefixes.is_empty()
    }

    /// What it would publish. A table that only gains rows is based on its columns alone: its head may
    /// move meanwhile (G-5), which the publisher decides by the kind of the changes.
    pub(crate) fn work(&self) -> Work {
        let state = self.state();
        let changed = |dataset: &DatasetId| {
            let mut changes = state.changes.iter();
            changes.any(|change| change.dataset() == Some(*dataset))
        };
        let basis = state
            .tables
            .iter()
            .filter(|(dataset, _)| changed(dataset))
            .map(|(dataset, table)| Basis {
                dataset: *dataset,
                seq: table.before.as_ref().map(|before| before.seq),
                claim: None,
            })
            .collect();
        Work {
            basis,
            changes: state.changes.clone(),
        }
    }

    /// Everything it staged, to be deleted when it does not publish.
    pub(crate) fn staged(&self) -> Vec<String> {
        self.state().staged.clone()
    }
}
