//! ALTER TABLE, ALTER VIEW and COMMENT ON; each counts as a change of the definition.

use sqlparser::tokenizer::Token;

use super::Executor;
use super::ddl::DONE;
use super::dml::unknown_column;
use super::table::declaration;
use crate::catalog::{Column, ObjectKind};
use crate::error::SqlError;
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
        let table = format!("ALTER {what} {}", name.quoted());
        let physical =
            |sql: String| self.on_connection(|connection| Ok(connection.execute_batch(&sql)?));
        let mut object = self.engine.catalog().require(name)?.clone();
        if cursor.eat(&["RENAME", "TO"]) {
            let renamed = self.context.resolve(&cursor.name()?)?;
            physical(format!(
                "{table} RENAME TO {}",
                names::quoted(&renamed.name)
            ))?;
            let mut catalog = self.engine.catalog();
            catalog.remove(name);
            catalog.put(&renamed, object);
            catalog.touch(&renamed, true);
            return Ok(());
        }
        if cursor.eat(&["RENAME", "COLUMN"]) {
            let from = cursor.identifier()?;
            cursor.expect(&["TO"])?;
            let to = cursor.identifier()?;
            physical(format!(
                "{table} RENAME COLUMN {} TO {}",
                names::quoted(&from),
                names::quoted(&to)
            ))?;
            column_of(&mut object.columns, &from)?.name = to;
        } else if cursor.eat(&["ADD"]) {
            cursor.eat(&["COLUMN"]);
            cursor.eat(&["IF", "NOT", "EXISTS"]);
            let column = declaration(cursor)?;
            let default = column
                .default
                .as_ref()
                .map_or_else(String::new, |default| format!(" DEFAULT {default}"));
            physical(format!(
                "{table} ADD COLUMN {} {}{default}",
                names::quoted(&column.name),
                column.kind.physical()
            ))?;
            object.columns.push(column);
        } else if cursor.eat(&["DROP"]) && !cursor.at_words(&["CONSTRAINT"]) {
            cursor.eat(&["COLUMN"]);
            let column = cursor.identifier()?;
            physical(format!("{table} DROP COLUMN {}", names::quoted(&column)))?;
            object.columns.retain(|other| other.name != column);
        } else if cursor.eat(&["ALTER"]) || cursor.eat(&["MODIFY"]) {
            cursor.eat(&["COLUMN"]);
            self.alter_column(&table, cursor, &mut object.columns)?;
        } else if cursor.eat(&["SET", "CHANGE_TRACKING"]) {
            cursor.eat_token(&Token::Eq);
            if let ObjectKind::Table { change_tracking } = &mut object.kind {
                *change_tracking = cursor.eat(&["TRUE"]);
            }
        } else if cursor.eat(&["SET", "COMMENT"]) {
            cursor.eat_token(&Token::Eq);
            object.comment = cursor.string().unwrap_or_default();
        } else if let (true, ObjectKind::View { secure, .. }) =
            (cursor.eat(&["SET", "SECURE"]), &mut object.kind)
        {
            *secure = true;
        }
        let mut catalog = self.engine.catalog();
        catalog.put(name, object);
        catalog.touch(name, true);
        Ok(())
    }

    fn alter_column(
        &self,
        table: &str,
        cursor: &mut Cursor,
        columns: &mut [Column],
    ) -> Result<(), SqlError> {
        let name = cursor.identifier()?;
        let column = column_of(columns, &name)?;
        let physical =
            |sql: String| self.on_connection(|connection| Ok(connection.execute_batch(&sql)?));
        let alter = format!("{table} ALTER COLUMN {}", names::quoted(&name));
        if cursor.eat(&["DROP", "NOT", "NULL"]) {
            physical(format!("{alter} DROP NOT NULL"))?;
            column.nullable = true;
        } else if cursor.eat(&["SET", "NOT", "NULL"]) {
            physical(format!("{alter} SET NOT NULL"))?;
            column.nullable = false;
        } else {
            cursor.eat(&["SET", "DATA"]);
            cursor.eat(&["TYPE"]);
            let kind = crate::types::SnowflakeType::parse(cursor)?;
            physical(format!("{alter} TYPE {}", kind.physical()))?;
            column.kind = kind;
        }
        Ok(())
    }
}

fn column_of<'a>(columns: &'a mut [Column], name: &str) -> Result<&'a mut Column, SqlError> {
    columns
        .iter_mut()
        .find(|column| column.name == name)
        .ok_or_else(|| unknown_column(name))
}
