//! Changes of rows; each moves its table's change token, even if it touched no row.

use std::collections::BTreeSet;
use std::sync::RwLockWriteGuard;

use duckdb::Connection;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Executor;
use crate::catalog::Column;
use crate::error::SqlError;
use crate::names::{self, ObjectName};
use crate::points::Point;
use crate::result::ResultSet;
use crate::rewrite::MACRO_CATALOG;
use crate::statement::{Kind, Statement};
use crate::tokens::{Cursor, is_word};
use crate::types::SnowflakeType;

impl Executor<'_> {
    pub(super) fn insert(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["INSERT"])?;
        let overwrite = cursor.eat(&["OVERWRITE"]);
        cursor.expect(&["INTO"])?;
        cursor.eat(&["TABLE"]);
        let alone = self.alone();
        let target = self.table(&mut cursor)?;
        let columns = self.target_columns(&mut cursor, &target)?;
        let source = self.rewrite_plain(cursor.rest())?;
        let list: Vec<String> = columns
            .iter()
            .map(|column| names::quoted(&column.name))
            .collect();
        let sql = format!(
            "INSERT INTO {} ({}) {}",
            target.quoted(),
            list.join(", "),
            converted(&columns, &source)
        );
        let inserted = self.change(&alone, &target, |connection| {
            if overwrite {
                connection.execute(&format!("DELETE FROM {}", target.quoted()), [])?;
            }
            Ok(connection.execute(&sql, [])? as u64)
        })?;
        Ok(ResultSet::counts(
            Kind::Insert,
            &self.context,
            &[("number of rows inserted", inserted)],
        ))
    }

    pub(super) fn update(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["UPDATE"])?;
        let alone = self.alone();
        let target = self.table(&mut cursor)?;
        let sql = self.rewrite_plain(&statement.tokens)?;
        let updated = self.change(&alone, &target, |connection| {
            Ok(connection.execute(&sql, [])? as u64)
        })?;
        let counts = [
            ("number of rows updated", updated),
            ("number of multi-joined rows updated", 0),
        ];
        Ok(ResultSet::counts(Kind::Update, &self.context, &counts))
    }

    pub(super) fn delete(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["DELETE", "FROM"])?;
        let alone = self.alone();
        let target = self.table(&mut cursor)?;
        let sql = self.rewrite_plain(&statement.tokens)?;
        let deleted = self.change(&alone, &target, |connection| {
            Ok(connection.execute(&sql, [])? as u64)
        })?;
        Ok(ResultSet::counts(
            Kind::Delete,
            &self.context,
            &[("number of rows deleted", deleted)],
        ))
    }

    pub(super) fn merge(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["MERGE", "INTO"])?;
        let alone = self.alone();
        let target = self.table(&mut cursor)?;
        let has = |word: &str| {
            cursor
                .rest()
                .iter()
                .any(|token| is_word(&token.token, word))
        };
        let clauses: Vec<(&str, &str)> = [
            ("INSERT", "number of rows inserted"),
            ("UPDATE", "number of rows updated"),
            ("DELETE", "number of rows deleted"),
        ]
        .into_iter()
        .filter(|(word, _)| has(word))
        .collect();
        let sql = format!(
            "{} RETURNING merge_action",
            self.rewrite_plain(&statement.tokens)?
        );
        let actions = self.change(&alone, &target, |connection| {
            let mut statement = connection.prepare(&sql)?;
            let actions = statement.query_map([], |row| row.get::<_, String>(0))?;
            Ok(actions.collect::<Result<Vec<_>, _>>()?)
        })?;
        let counts: Vec<(&str, u64)> = clauses
            .iter()
            .map(|(word, label)| {
                (
                    *label,
                    actions.iter().filter(|action| action == word).count() as u64,
                )
            })
            .collect();
        Ok(ResultSet::counts(Kind::Merge, &self.context, &counts))
    }

    pub(super) fn truncate(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["TRUNCATE"])?;
        cursor.eat(&["TABLE"]);
        let lenient = cursor.eat(&["IF", "EXISTS"]);
        let alone = self.alone();
        match self.table(&mut cursor) {
            Ok(target) => {
                let sql = format!("DELETE FROM {}", target.quoted());
                self.change(&alone, &target, |connection| {
                    Ok(connection.execute(&sql, [])?)
                })?;
            }
            Err(error) if lenient && error.code == "002003" => {}
            Err(error) => return Err(error),
        }
        Ok(ResultSet::status(
            Kind::Truncate,
            &self.context,
            "Statement executed successfully.",
        ))
    }

    /// The table named at the cursor.
    pub(super) fn table(&self, cursor: &mut Cursor) -> Result<ObjectName, SqlError> {
        let name = self.context.resolve(&cursor.name()?)?;
        let catalog = self.engine.catalog();
        if catalog.require(&name)?.is_view() {
            return Err(SqlError::unsupported("changing a view"));
        }
        Ok(name)
    }

    /// The columns of an optional list after the table's name, by default all.
    fn target_columns(
        &self,
        cursor: &mut Cursor,
        target: &ObjectName,
    ) -> Result<Vec<Column>, SqlError> {
        let all = self.engine.catalog().require(target)?.columns.clone();
        let is_query = cursor
            .peek_at(1)
            .is_some_and(|token| is_word(token, "SELECT") || is_word(token, "WITH"));
        if is_query || !cursor.eat_token(&Token::LParen) {
            return Ok(all);
        }
        let mut chosen = Vec::new();
        loop {
            let name = cursor.identifier()?;
            let column = all.iter().find(|column| column.name == name);
            chosen.push(column.cloned().ok_or_else(|| unknown_column(&name))?);
            if !cursor.eat_token(&Token::Comma) {
                cursor.expect_token(&Token::RParen)?;
                return Ok(chosen);
            }
        }
    }

    /// Runs a change and moves the change token, in one step as far as readers of tokens can see.
    /// What the change reads of the past is looked up after everyone else is kept out.
    fn change<T>(
        &self,
        _alone: &RwLockWriteGuard<'_, ()>,
        target: &ObjectName,
        work: impl FnOnce(&Connection) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.in_transaction(|connection, open| {
            if let Some(open) = open {
                let answer = work(connection)?;
                open.touched.insert(target.clone());
                open.statements.extend(self.query_id.map(str::to_owned));
                return Ok(answer);
            }
            // The connection is this statement's own: an error ends it, and the transaction.
            connection.execute_batch("BEGIN TRANSACTION")?;
            let answer = work(connection)?;
            connection.execute_batch("COMMIT")?;
            let before = self.engine.catalog().last_change();
            let at = self.engine.committed(&BTreeSet::from([target.clone()]))?;
            if let Some(id) = self.query_id {
                self.engine.points.set(id, Point { before, at });
            }
            Ok(answer)
        })
    }
}

pub(super) fn unknown_column(name: &str) -> SqlError {
    SqlError::new(
        "000904",
        "42000",
        format!(
            "SQL compilation error: error line 1 at position 0\ninvalid identifier '{}'",
            names::display(name)
        ),
    )
}

/// The source with conversions for the types that DuckDB would not take from a text.
fn converted(columns: &[Column], source: &str) -> String {
    let converter = |column: &Column| match column.kind {
        SnowflakeType::TimestampTz(_) => Some("TO_TIMESTAMP_TZ"),
        SnowflakeType::TimestampLtz(_) => Some("TO_TIMESTAMP_LTZ"),
        _ => None,
    };
    if columns.iter().all(|column| converter(column).is_none()) {
        return source.to_owned();
    }
    let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
    let values = columns
        .iter()
        .zip(&names)
        .map(|(column, name)| match converter(column) {
            Some(macro_name) => format!("{MACRO_CATALOG}.{macro_name}({name})"),
            None => name.clone(),
        });
    let values: Vec<String> = values.collect();
    format!(
        "SELECT {} FROM ({source}) AS s({})",
        values.join(", "),
        names.join(", ")
    )
}

/// The tokens of a slice, for messages and stored definitions.
pub(super) fn text(tokens: &[TokenWithSpan]) -> String {
    tokens
        .iter()
        .map(|token| token.token.to_string())
        .collect::<Vec<_>>()
        .join(" ")
}
