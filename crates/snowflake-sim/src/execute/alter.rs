//! ALTER TABLE, ALTER VIEW and COMMENT ON; each counts as a change of the definition.

use sqlparser::tokenizer::Token;

use super::Executor;
use super::ddl::DONE;
use super::dml::unknown_column;
use super::table::declaration;
use crate::catalog::{Column, Object, ObjectKind, RETENTION_DAYS};
use crate::error::SqlError;
use crate::history;
use crate::names::{self, ObjectName};
use crate::result::ResultSet;
use crate::statement::{Kind, Statement};
use crate::tokens::Cursor;

impl Executor<'_> {
    pub(super) fn alter(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        let comment = cursor.eat(&["COMMENT"]);
        if comment {
            cursor.eat(&["IF", "EXISTS"]);
            cursor.expect(&["ON"])?;
        } else {
            cursor.expect(&["ALTER"])?;
        }
        let what = cursor.identifier()?;
        let done = ResultSet::status(Kind::Alter, &self.context, DONE);
        if !matches!(what.as_str(), "TABLE" | "VIEW") {
            return Ok(done);
        }
        cursor.eat(&["IF", "EXISTS"]);
        let name = self.context.resolve(&cursor.name()?)?;
        self.engine.catalog().require(&name)?;
        if comment {
            cursor.expect(&["IS"])?;
            let text = cursor.string().unwrap_or_default();
            if let Some(object) = self.engine.catalog().get_mut(&name) {
                object.comment = text;
            }
            self.engine.catalog().touch(&name, true);
        } else {
            self.alter_object(&what, &name, &mut cursor)?;
        }
        Ok(done)
    }

    fn alter_object(
        &self,
        what: &str,
        name: &ObjectName,
        cursor: &mut Cursor,
    ) -> Result<(), SqlError> {
        let mut object = self.engine.catalog().require(name)?.clone();
        if cursor.eat(&["RENAME", "TO"]) {
            let renamed = self.context.resolve(&cursor.name()?)?;
            let rename = format!(
                "ALTER {what} {} RENAME TO {}",
                name.quoted(),
                names::quoted(&renamed.name)
            );
            self.on_connection(|connection| Ok(connection.execute_batch(&rename)?))?;
            let mut catalog = self.engine.catalog();
            catalog.remove(name);
            catalog.put(&renamed, object);
            catalog.touch(&renamed, true);
            return Ok(());
        }
        let tables = Altered::of(what, name, &object);
        if cursor.eat(&["RENAME", "COLUMN"]) {
            let from = cursor.identifier()?;
            cursor.expect(&["TO"])?;
            let to = cursor.identifier()?;
            let change = format!(
                "RENAME COLUMN {} TO {}",
                names::quoted(&from),
                names::quoted(&to)
            );
            self.alter_physical(&tables, &change)?;
            column_of(&mut object.columns, &from)?.name = to;
        } else if cursor.eat(&["ADD"]) {
            cursor.eat(&["COLUMN"]);
            cursor.eat(&["IF", "NOT", "EXISTS"]);
            let column = declaration(cursor)?;
            let default = column
                .default
                .as_ref()
                .map_or_else(String::new, |default| format!(" DEFAULT {default}"));
            let change = format!(
                "ADD COLUMN {} {}{default}",
                names::quoted(&column.name),
                column.kind.physical()
            );
            self.alter_physical(&tables, &change)?;
            object.columns.push(column);
        } else if cursor.eat(&["DROP"]) && !cursor.at_words(&["CONSTRAINT"]) {
            cursor.eat(&["COLUMN"]);
            let column = cursor.identifier()?;
            let change = format!("DROP COLUMN {}", names::quoted(&column));
            self.alter_physical(&tables, &change)?;
            object.columns.retain(|other| other.name != column);
        } else if cursor.eat(&["ALTER"]) || cursor.eat(&["MODIFY"]) {
            cursor.eat(&["COLUMN"]);
            self.alter_column(&tables, cursor, &mut object.columns)?;
        } else if cursor.eat(&["SET"]) {
            set(cursor, &mut object)?;
        } else if cursor.eat(&["UNSET", "DATA_RETENTION_TIME_IN_DAYS"])
            && let ObjectKind::Table { retention_days, .. } = &mut object.kind
        {
            *retention_days = RETENTION_DAYS;
        }
        let mut catalog = self.engine.catalog();
        catalog.put(name, object);
        let change = catalog.touch(name, true);
        // Tracking that was switched on begins here.
        if let Some(Object {
            kind:
                ObjectKind::Table {
                    tracked: Some(since @ 0),
                    ..
                },
            ..
        }) = catalog.get_mut(name)
        {
            *since = change;
        }
        Ok(())
    }

    /// Alters a table and, if it has one, its history.
    fn alter_physical(&self, tables: &Altered, change: &str) -> Result<(), SqlError> {
        self.on_connection(|connection| {
            for table in &tables.0 {
                connection.execute_batch(&format!("{table} {change}"))?;
            }
            Ok(())
        })
    }

    fn alter_column(
        &self,
        tables: &Altered,
        cursor: &mut Cursor,
        columns: &mut [Column],
    ) -> Result<(), SqlError> {
        let name = cursor.identifier()?;
        let column = column_of(columns, &name)?;
        let alter = format!("ALTER COLUMN {}", names::quoted(&name));
        let table = Altered(tables.0.first().cloned().into_iter().collect());
        if cursor.eat(&["DROP", "NOT", "NULL"]) {
            self.alter_physical(&table, &format!("{alter} DROP NOT NULL"))?;
            column.nullable = true;
        } else if cursor.eat(&["SET", "NOT", "NULL"]) {
            self.alter_physical(&table, &format!("{alter} SET NOT NULL"))?;
            column.nullable = false;
        } else {
            cursor.eat(&["SET", "DATA"]);
            cursor.eat(&["TYPE"]);
            let kind = crate::types::SnowflakeType::parse(cursor)?;
            self.alter_physical(tables, &format!("{alter} TYPE {}", kind.physical()))?;
            column.kind = kind;
        }
        Ok(())
    }
}

/// The beginnings of the statements that alter a table: the table's first, then its history's.
struct Altered(Vec<String>);

impl Altered {
    fn of(what: &str, name: &ObjectName, object: &Object) -> Self {
        let history = object
            .tracked()
            .map(|since| format!("ALTER TABLE {}", history::table(since)));
        let table = format!("ALTER {what} {}", name.quoted());
        Self([table].into_iter().chain(history).collect())
    }
}

/// `SET property = value [, …]`.
fn set(cursor: &mut Cursor, object: &mut Object) -> Result<(), SqlError> {
    while !cursor.is_done() {
        let property = cursor.identifier()?;
        let value = cursor.eat_token(&Token::Eq);
        match (property.as_str(), &mut object.kind) {
            ("CHANGE_TRACKING", ObjectKind::Table { tracked, .. }) => {
                *tracked = cursor.eat(&["TRUE"]).then(|| tracked.unwrap_or_default());
                cursor.eat(&["FALSE"]);
            }
            ("DATA_RETENTION_TIME_IN_DAYS", ObjectKind::Table { retention_days, .. }) => {
                *retention_days = cursor.number().ok_or_else(|| cursor.unexpected())?;
            }
            ("COMMENT", _) => object.comment = cursor.string().unwrap_or_default(),
            ("SECURE", ObjectKind::View { secure, .. }) => *secure = true,
            _ if value => {
                cursor.next();
            }
            _ => {}
        }
        cursor.eat_token(&Token::Comma);
    }
    Ok(())
}

fn column_of<'a>(columns: &'a mut [Column], name: &str) -> Result<&'a mut Column, SqlError> {
    columns
        .iter_mut()
        .find(|column| column.name == name)
        .ok_or_else(|| unknown_column(name))
}
