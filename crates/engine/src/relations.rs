//! The versions that an instance can read now: views, made on first use, bounded in number.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ducksync_core::{Error, Result, engine::BoundRelation, name::quote, version::Version};

use crate::{
    deleted::Deleted,
    duck::{Connection, DuckError},
    nested,
    relation::{Reading, version_sql},
};

const PREFIX: &str = "ducksync_v_";
const MEMORY: &str = "engine.memory_limit";
/// Views that may be registered before unused ones go.
const CAPACITY: usize = 4096;

/// Gives versions names that only this process can make: a keyed hash of all that decides what the
/// name reads. (Dataset and run alone would not do: an open transaction has versions of its own.)
pub(crate) struct Naming {
    high: RandomState,
    low: RandomState,
}

impl Naming {
    pub(crate) fn new() -> Self {
        Self {
            high: RandomState::new(),
            low: RandomState::new(),
        }
    }

    pub(crate) fn name(&self, version: &Version, places: bool) -> String {
        let hash = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            (version.dataset, version.run, places).hash(&mut hasher);
            version.columns.hash(&mut hasher);
            version.unreadable.hash(&mut hasher);
            for file in version.files.iter() {
                let deletes = file.deletes.as_ref().map(|deletes| &deletes.location);
                (&file.location, deletes, file.current_columns).hash(&mut hasher);
            }
            hasher.finish()
        };
        format!("{PREFIX}{:016x}{:016x}", hash(&self.high), hash(&self.low))
    }
}

/// Replaces names of relations in DuckDB's texts: those of `known` by the table's name, others (of
/// which DuckDB may say "did you mean") by nothing to go by.
pub(crate) fn unmask(text: &str, known: &[(String, String)]) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX) {
        let end = at + PREFIX.len() + 32;
        let name = rest.get(at..end).unwrap_or(&rest[at..]);
        plain.push_str(&rest[..at]);
        let table = known.iter().find(|(relation, _)| relation == name);
        plain.push_str(table.map_or("a relation", |(_, table)| table));
        rest = rest.get(end..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// The views of one instance.
pub(crate) struct Relations {
    views: Mutex<Views>,
    deleted: Arc<Deleted>,
}

#[derive(Default)]
struct Views {
    entries: HashMap<String, Entry>,
    clock: u64,
}

struct Entry {
    uses: usize,
    last_use: u64,
    made: Arc<Mutex<Made>>,
}

#[derive(Default)]
struct Made {
    done: bool,
    deletes: Option<i64>,
}

/// While it lives, the view stays.
pub(crate) struct InUse {
    relations: Arc<Relations>,
    name: String,
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(entry) = self.relations.lock().entries.get_mut(&self.name) {
            entry.uses = entry.uses.saturating_sub(1);
        }
    }
}

impl Relations {
    pub(crate) fn new(deleted: Arc<Deleted>) -> Self {
        Self {
            views: Mutex::default(),
            deleted,
        }
    }

    /// Makes sure that `name` can be read while the result lives.
    pub(crate) fn bind(
        self: &Arc<Self>,
        connection: &Connection,
        name: &str,
        relation: &BoundRelation,
    ) -> Result<InUse> {
        if let Some(why) = &relation.version.unreadable {
            let table = &relation.version.name;
            return Err(Error::failed_precondition(format!(
                "table {table} cannot be read: {why}"
            )));
        }
        let made = self.enter(connection, name);
        let in_use = InUse {
            relations: self.clone(),
            name: name.into(),
        };
        // Held while the view is made: others who need it wait here, and find it made.
        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.done {
            let deletes = self.deleted.load(connection, &relation.version)?;
            let outcome = self.make(connection, name, relation, deletes);
            if let (Err(_), Some(key)) = (&outcome, deletes) {
                self.deleted.forget(key);
            }
            outcome?;
            *made = Made {
                done: true,
                deletes,
            };
        }
        drop(made);
        Ok(in_use)
    }

    fn enter(&self, connection: &Connection, name: &str) -> Arc<Mutex<Made>> {
        let mut views = self.lock();
        views.clock += 1;
        let clock = views.clock;
        let entry = views.entries.entry(name.into()).or_insert_with(|| Entry {
            uses: 0,
            last_use: clock,
            made: Arc::default(),
        });
        entry.uses += 1;
        entry.last_use = clock;
        let made = entry.made.clone();
        if views.entries.len() > CAPACITY {
            self.evict(connection, &mut views);
        }
        made
    }

    fn make(
        &self,
        connection: &Connection,
        name: &str,
        relation: &BoundRelation,
        deletes: Option<i64>,
    ) -> Result<()> {
        nested::check(connection, &relation.version)?;
        let reading = Reading {
            places: relation.places,
            deletes,
        };
        let body = version_sql(&relation.version, reading);
        let name = quote(name);
        connection
            .execute(&format!("CREATE VIEW IF NOT EXISTS {name} AS {body}"))
            .map_err(|error| error.into_error(MEMORY))
    }

    /// Drops the view that has been unused longest. The lock is held, so that nobody can begin to use
    /// it between the look and the drop.
    fn evict(&self, connection: &Connection, views: &mut Views) {
        let oldest = views
            .entries
            .iter()
            .filter(|(_, entry)| entry.uses == 0)
            .min_by_key(|(_, entry)| entry.last_use)
            .map(|(name, _)| name.clone());
        let Some(name) = oldest else { return };
        let dropped: Result<(), DuckError> =
            connection.execute(&format!("DROP VIEW IF EXISTS {}", quote(&name)));
        if let Err(error) = dropped {
            tracing::debug!(
                error = error.message(),
                "an unused view could not be dropped"
            );
            return;
        }
        if let Some(entry) = views.entries.remove(&name) {
            let made = entry.made.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(key) = made.deletes {
                self.deleted.forget(key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Views> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v6_relation_names_in_errors_become_table_names_and_others_are_hidden() {
        let ours = format!("{PREFIX}{}", "a".repeat(32));
        let other = format!("{PREFIX}{}", "b".repeat(32));
        let known = [(ours.clone(), "main.t".to_owned())];
        let text = format!("no column x in \"{ours}\"; did you mean {other}?");
        assert_eq!(
            unmask(&text, &known),
            "no column x in \"main.t\"; did you mean a relation?"
        );
    }
}
