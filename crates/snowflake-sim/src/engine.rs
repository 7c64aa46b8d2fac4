//! The in-memory DuckDB behind the account, and the catalog beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use duckdb::Connection;
use serde_json::{Value, json};

use crate::catalog::{Catalog, Change};
use crate::error::SqlError;
use crate::history;
use crate::names::{self, ObjectName};
use crate::points::Points;
use crate::rewrite::SCRATCH_CATALOG;
use crate::users::Users;

/// What a statement sees of its session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    pub(crate) session_id: u64,
    pub(crate) user: String,
    pub(crate) role: String,
    /// The roles that may be taken; none listed means any.
    pub(crate) roles: Vec<String>,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) warehouse: Option<String>,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Context {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(crate) fn may_take(&self, role: &str) -> bool {
        self.roles.is_empty() || self.roles.iter().any(|own| own == role)
    }

    /// The parameters as replies list them: numbers and booleans as such.
    pub(crate) fn parameter_list(&self) -> Value {
        let typed = |text: &String| match (text.parse::<i64>(), text.to_lowercase().as_str()) {
            (Ok(number), _) => json!(number),
            (_, "true") => json!(true),
            (_, "false") => json!(false),
            _ => json!(text),
        };
        self.parameters
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": typed(value) }))
            .collect()
    }

    /// Completes a name of one to three parts.
    pub(crate) fn resolve(&self, parts: &[String]) -> Result<ObjectName, SqlError> {
        let current = |part: &Option<String>| part.clone().ok_or_else(SqlError::no_database);
        match parts {
            [name] => Ok(ObjectName::new(
                &current(&self.database)?,
                &current(&self.schema)?,
                name,
            )),
            [schema, name] => Ok(ObjectName::new(&current(&self.database)?, schema, name)),
            [database, schema, name] => Ok(ObjectName::new(database, schema, name)),
            _ => Err(SqlError::missing("Object", &parts.join("."))),
        }
    }

    /// Completes the name of a schema.
    pub(crate) fn resolve_schema(&self, parts: &[String]) -> Result<(String, String), SqlError> {
        match parts {
            [schema] => Ok((
                self.database.clone().ok_or_else(SqlError::no_database)?,
                schema.clone(),
            )),
            [database, schema] => Ok((database.clone(), schema.clone())),
            _ => Err(SqlError::missing("Schema", &parts.join("."))),
        }
    }
}

/// The rows (DuckDB) and the objects (catalog) of an account.
pub(crate) struct Engine {
    root: Mutex<Connection>,
    catalog: Mutex<Catalog>,
    /// Held exclusively while rows change and their change token moves, shared while tokens are
    /// read: nobody sees a change without its token.
    pub(crate) commits: RwLock<()>,
    /// Which state of the account each statement saw.
    pub(crate) points: Points,
    pub(crate) users: Users,
    scratch: AtomicU64,
}

impl Engine {
    pub(crate) fn open(users: Users) -> Result<Self, SqlError> {
        let root = Connection::open_in_memory()?;
        root.execute_batch(&format!(
            // Plans must not leave out tables that statistics know to be empty. NULL is the greatest value.
            "SET GLOBAL TimeZone = 'UTC';
             SET GLOBAL default_null_order = 'nulls_last_on_asc_first_on_desc';
             SET GLOBAL disabled_optimizers = 'statistics_propagation';
             ATTACH ':memory:' AS \"sim~\";
             ATTACH ':memory:' AS {SCRATCH_CATALOG};
             {}
             USE \"sim~\";
             {}
             USE memory;",
            history::SETUP,
            include_str!("macros.sql")
        ))?;
        Ok(Self {
            root: Mutex::new(root),
            catalog: Mutex::default(),
            commits: RwLock::new(()),
            points: Points::default(),
            users,
            scratch: AtomicU64::new(1),
        })
    }

    /// Opens a connection that resolves names as the session does.
    pub(crate) fn connect(&self, context: &Context) -> Result<Connection, SqlError> {
        let connection = self
            .root
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_clone()?;
        self.enter(&connection, context)?;
        Ok(connection)
    }

    /// Points a connection at the session's current schema.
    pub(crate) fn enter(&self, connection: &Connection, context: &Context) -> Result<(), SqlError> {
        let path = match (&context.database, &context.schema) {
            (Some(database), Some(schema)) if self.catalog().schema(database, schema).is_ok() => {
                format!("{}.{}", names::quoted(database), names::quoted(schema))
            }
            (Some(database), _) if self.catalog().databases.contains_key(database) => {
                format!("{}.main", names::quoted(database))
            }
            _ => "memory.main".to_owned(),
        };
        Ok(connection.execute_batch(&format!(
            "SET search_path = {}",
            crate::rewrite::literal(&path)
        ))?)
    }

    pub(crate) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other statement has.
    pub(crate) fn next_scratch(&self) -> u64 {
        self.scratch.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn create_database(
        &self,
        connection: &Connection,
        name: &str,
    ) -> Result<(), SqlError> {
        let quoted = names::quoted(name);
        connection.execute_batch(&format!(
            "ATTACH ':memory:' AS {quoted}; CREATE SCHEMA {quoted}.\"PUBLIC\";"
        ))?;
        self.catalog().add_database(name);
        Ok(())
    }

    pub(crate) fn create_schema(
        &self,
        connection: &Connection,
        database: &str,
        name: &str,
    ) -> Result<(), SqlError> {
        connection.execute_batch(&format!(
            "CREATE SCHEMA {}.{}",
            names::quoted(database),
            names::quoted(name)
        ))?;
        self.catalog().add_schema(database, name);
        Ok(())
    }

    /// Records that the rows of tables changed together: moves their change tokens and adds to the
    /// histories of those whose changes are tracked. For the holder of `commits`, after the commit.
    pub(crate) fn committed(&self, changed: &BTreeSet<ObjectName>) -> Result<Change, SqlError> {
        let change = self.catalog().touch_all(changed, false);
        // Not the statement's connection, which somebody may interrupt.
        let connection = self.connect(&Context::default())?;
        for name in changed {
            let object = self.catalog().get(name).cloned();
            if let Some(object) = object {
                history::record(&connection, name, &object, change)?;
            }
        }
        Ok(change)
    }

    /// Forgets what a table's rows were before now, as if its retention were over.
    pub(crate) fn age(&self, name: &ObjectName) -> Result<(), SqlError> {
        let _alone = self.commits.write().unwrap_or_else(PoisonError::into_inner);
        let change = self.catalog().age(name)?;
        let since = self.catalog().get(name).and_then(|object| object.tracked());
        match since {
            Some(since) => history::forget(&self.connect(&Context::default())?, since, change),
            None => Ok(()),
        }
    }

    /// Rows and bytes of a table, counted once per change.
    pub(crate) fn size(
        &self,
        connection: &Connection,
        name: &ObjectName,
    ) -> Result<(u64, u64), SqlError> {
        let (change, columns) = {
            let catalog = self.catalog();
            let object = catalog.require(name)?;
            if let Some((change, rows, bytes)) = object.size
                && change == object.change
            {
                return Ok((rows, bytes));
            }
            (object.change, object.columns.clone())
        };
        let widths: Vec<String> = columns
            .iter()
            .map(|column| width(&column.kind.physical(), &names::quoted(&column.name)))
            .collect();
        let bytes = if widths.is_empty() {
            "0".to_owned()
        } else {
            format!("coalesce(sum({}), 0)", widths.join(" + "))
        };
        let sql = format!(
            "SELECT CAST(count(*) AS UBIGINT), CAST({bytes} AS UBIGINT) FROM {}",
            name.quoted()
        );
        let (rows, bytes) = connection.query_row(&sql, [], |row| {
            Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?))
        })?;
        if let Some(object) = self.catalog().get_mut(name) {
            object.size = Some((change, rows, bytes));
        }
        Ok((rows, bytes))
    }
}

/// What a value of this DuckDB type counts for in a table's bytes.
fn width(physical: &str, column: &str) -> String {
    match physical {
        "VARCHAR" | "JSON" => format!("coalesce(strlen(CAST({column} AS VARCHAR)), 0) + 1"),
        "BLOB" => format!("coalesce(octet_length({column}), 0) + 1"),
        "BOOLEAN" => "1".to_owned(),
        "DATE" => "4".to_owned(),
        _ => "8".to_owned(),
    }
}
