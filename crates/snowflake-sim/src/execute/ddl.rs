//! CREATE and DROP: databases and schemas here, tables and views by their own files.

use super::Executor;
use super::table::IfTaken;
use crate::error::SqlError;
use crate::names::{self, ObjectName};
use crate::result::ResultSet;
use crate::statement::{Kind, Statement};

pub(super) const DONE: &str = "Statement executed successfully.";

impl Executor<'_> {
    pub(super) fn create(
        &mut self,
        sql: &str,
        statement: &Statement,
    ) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["CREATE"])?;
        let mut taken = if cursor.eat(&["OR", "REPLACE"]) {
            IfTaken::Replace
        } else {
            IfTaken::Fail
        };
        let mut secure = false;
        for word in [
            "LOCAL",
            "GLOBAL",
            "TEMP",
            "TEMPORARY",
            "VOLATILE",
            "TRANSIENT",
            "SECURE",
            "RECURSIVE",
            "MATERIALIZED",
        ] {
            secure |= cursor.eat(&[word]) && word == "SECURE";
        }
        if cursor.eat(&["TABLE"]) {
            return self.create_table(&mut cursor, taken);
        }
        if cursor.eat(&["VIEW"]) {
            return self.create_view(sql, &mut cursor, taken, secure);
        }
        let database = cursor.eat(&["DATABASE"]);
        if !database && !cursor.eat(&["SCHEMA"]) {
            let what = cursor.word().unwrap_or_default();
            return match what.as_str() {
                "WAREHOUSE" | "ROLE" | "USER" => {
                    Ok(ResultSet::status(Kind::Create, &self.context, DONE))
                }
                _ => Err(SqlError::unsupported(&format!("CREATE {what}"))),
            };
        }
        if cursor.eat(&["IF", "NOT", "EXISTS"]) {
            taken = IfTaken::Skip;
        }
        let parts = cursor.name()?;
        if database {
            self.create_database(&parts, taken)
        } else {
            self.create_schema(&parts, taken)
        }
    }

    fn create_database(&mut self, parts: &[String], taken: IfTaken) -> Result<ResultSet, SqlError> {
        let name = parts.first().cloned().unwrap_or_default();
        if self.engine.catalog().databases.contains_key(&name) {
            match taken {
                IfTaken::Fail => return Err(SqlError::exists(&names::display(&name))),
                IfTaken::Skip => return Ok(ResultSet::status(Kind::Create, &self.context, DONE)),
                IfTaken::Replace => self.remove_database(&name)?,
            }
        }
        self.on_connection(|connection| self.engine.create_database(connection, &name))?;
        self.become_current(&name, "PUBLIC");
        Ok(ResultSet::status(
            Kind::Create,
            &self.context,
            format!("Database {name} successfully created."),
        ))
    }

    fn create_schema(&mut self, parts: &[String], taken: IfTaken) -> Result<ResultSet, SqlError> {
        let (database, schema) = self.context.resolve_schema(parts)?;
        if !self.engine.catalog().databases.contains_key(&database) {
            return Err(SqlError::missing("Database", &names::display(&database)));
        }
        if self.engine.catalog().schema(&database, &schema).is_ok() {
            match taken {
                IfTaken::Fail => return Err(SqlError::exists(&names::display(&schema))),
                IfTaken::Skip => return Ok(ResultSet::status(Kind::Create, &self.context, DONE)),
                IfTaken::Replace => self.remove_schema(&database, &schema)?,
            }
        }
        self.on_connection(|connection| self.engine.create_schema(connection, &database, &schema))?;
        self.become_current(&database, &schema);
        Ok(ResultSet::status(
            Kind::Create,
            &self.context,
            format!("Schema {schema} successfully created."),
        ))
    }

    /// What a session creates becomes its current database and schema.
    fn become_current(&mut self, database: &str, schema: &str) {
        self.context.database = Some(database.to_owned());
        self.context.schema = Some(schema.to_owned());
        if let Some(session) = self.session {
            session.update(|context| context.clone_from(&self.context));
        }
    }

    pub(super) fn drop_object(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["DROP"])?;
        let what = cursor.identifier()?;
        let lenient = cursor.eat(&["IF", "EXISTS"]);
        let parts = cursor.name()?;
        let shown = parts.last().cloned().unwrap_or_default();
        let dropped = match what.as_str() {
            "DATABASE" => self.remove_database(&shown),
            "SCHEMA" => self
                .context
                .resolve_schema(&parts)
                .and_then(|(database, schema)| self.remove_schema(&database, &schema)),
            "TABLE" | "VIEW" => self
                .context
                .resolve(&parts)
                .and_then(|name| self.remove_object(&what, &name)),
            "WAREHOUSE" | "ROLE" | "USER" => Ok(()),
            _ => Err(SqlError::unsupported(&format!("DROP {what}"))),
        };
        match dropped {
            Err(error) if lenient && error.code == "002003" => {}
            other => other?,
        }
        Ok(ResultSet::status(
            Kind::Drop,
            &self.context,
            format!("{shown} successfully dropped."),
        ))
    }

    fn remove_object(&self, what: &str, name: &ObjectName) -> Result<(), SqlError> {
        let is_view = self.engine.catalog().require(name)?.is_view();
        if is_view != (what == "VIEW") {
            return Err(SqlError::missing(
                if is_view { "Table" } else { "View" },
                &name.display(),
            ));
        }
        self.on_connection(|connection| self.drop_physical(connection, name))?;
        self.engine.catalog().remove(name);
        Ok(())
    }

    fn remove_schema(&self, database: &str, schema: &str) -> Result<(), SqlError> {
        self.engine.catalog().schema(database, schema)?;
        let sql = format!(
            "DROP SCHEMA {}.{} CASCADE",
            names::quoted(database),
            names::quoted(schema)
        );
        self.engine
            .connect(&crate::engine::Context::default())?
            .execute_batch(&sql)?;
        if let Some(database) = self.engine.catalog().databases.get_mut(database) {
            database.schemas.remove(schema);
        }
        Ok(())
    }

    fn remove_database(&self, name: &str) -> Result<(), SqlError> {
        if !self.engine.catalog().databases.contains_key(name) {
            return Err(SqlError::missing("Database", &names::display(name)));
        }
        let connection = self.engine.connect(&crate::engine::Context::default())?;
        connection.execute_batch(&format!("DETACH {}", names::quoted(name)))?;
        self.engine.catalog().databases.remove(name);
        Ok(())
    }
}
