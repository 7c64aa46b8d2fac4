//! CREATE TABLE: from declarations, from a query, like another, as a clone.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::Executor;
use super::dml::text;
use crate::catalog::{Column, ObjectKind, RETENTION_DAYS};
use crate::error::SqlError;
use crate::labels::labels;
use crate::names::{self, ObjectName};
use crate::result::ResultSet;
use crate::statement::Kind;
use crate::tokens::{Cursor, is_word};
use crate::types::SnowflakeType;

/// How to treat a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfTaken {
    Fail,
    Replace,
    Skip,
}

impl Executor<'_> {
    pub(super) fn create_table(
        &self,
        cursor: &mut Cursor,
        mut taken: IfTaken,
    ) -> Result<ResultSet, SqlError> {
        if cursor.eat(&["IF", "NOT", "EXISTS"]) {
            taken = IfTaken::Skip;
        }
        let name = self.context.resolve(&cursor.name()?)?;
        self.engine.catalog().schema(&name.database, &name.schema)?;
        if self.engine.catalog().get(&name).is_some() {
            match taken {
                IfTaken::Fail => return Err(SqlError::exists(&name.display())),
                IfTaken::Skip => {
                    let message = format!("{} already exists, statement succeeded.", name.name);
                    return Ok(ResultSet::status(Kind::Create, &self.context, message));
                }
                IfTaken::Replace => {}
            }
        }
        let mut columns = None;
        if cursor.peek() == Some(&Token::LParen) {
            columns = Some(declarations(cursor)?);
        } else if cursor.at_words(&["LIKE"]) || cursor.at_words(&["CLONE"]) {
            return self.copy_table(cursor, &name);
        }
        let kind = options(cursor.take_until(|token| is_word(token, "AS")));
        if cursor.eat(&["AS"]) {
            return self.create_table_as(cursor.rest(), &name, kind, columns);
        }
        let columns = columns.ok_or_else(|| cursor.unexpected())?;
        self.on_connection(|connection| self.make_table(connection, &name, kind, columns))?;
        Ok(self.created(&name))
    }

    fn created(&self, name: &ObjectName) -> ResultSet {
        ResultSet::status(
            Kind::Create,
            &self.context,
            format!("Table {} successfully created.", name.name),
        )
    }

    /// Replaces whatever has the name with an empty table.
    fn make_table(
        &self,
        connection: &duckdb::Connection,
        name: &ObjectName,
        kind: ObjectKind,
        columns: Vec<Column>,
    ) -> Result<(), SqlError> {
        let functions = |_: &str, _: &[String]| Ok(None);
        let rewriter = crate::rewrite::Rewriter {
            functions: &functions,
            past: &|_, _| Err(SqlError::unsupported("the past in a default")),
            bindings: &[],
            database: None,
            scratch: 0,
        };
        let mut declared = Vec::new();
        for column in &columns {
            let nullable = if column.nullable { "" } else { " NOT NULL" };
            let default = match &column.default {
                Some(default) => format!(
                    " DEFAULT {}",
                    rewriter.rewrite(&crate::tokens::tokenize(default)?)?.sql
                ),
                None => String::new(),
            };
            declared.push(format!(
                "{} {}{nullable}{default}",
                names::quoted(&column.name),
                column.kind.physical()
            ));
        }
        self.drop_physical(connection, name)?;
        connection.execute_batch(&format!(
            "CREATE TABLE {} ({})",
            name.quoted(),
            declared.join(", ")
        ))?;
        self.engine.catalog().define(name, kind, columns);
        Ok(())
    }

    /// `LIKE other` copies the definition, `CLONE other` the rows too.
    fn copy_table(&self, cursor: &mut Cursor, name: &ObjectName) -> Result<ResultSet, SqlError> {
        let with_rows = cursor.eat(&["CLONE"]);
        if !with_rows {
            cursor.expect(&["LIKE"])?;
        }
        let source = self.table(cursor)?;
        let object = self.engine.catalog().require(&source)?.clone();
        self.on_connection(|connection| {
            self.make_table(connection, name, object.kind, object.columns)?;
            if with_rows {
                connection.execute(
                    &format!(
                        "INSERT INTO {} SELECT * FROM {}",
                        name.quoted(),
                        source.quoted()
                    ),
                    [],
                )?;
            }
            Ok(())
        })?;
        Ok(self.created(name))
    }

    fn create_table_as(
        &self,
        query: &[TokenWithSpan],
        name: &ObjectName,
        kind: ObjectKind,
        declared: Option<Vec<Column>>,
    ) -> Result<ResultSet, SqlError> {
        let sql = self.rewrite_plain(query)?;
        self.on_connection(|connection| {
            let bound = self.bind(connection, &sql)?;
            let found: Vec<String> = bound
                .columns
                .iter()
                .map(|column| column.label.clone())
                .collect();
            let derived = bound.columns.iter().zip(labels(query, &found));
            let columns = declared.unwrap_or_else(|| {
                derived
                    .map(|(column, label)| Column::new(&label, column.kind.clone()))
                    .collect()
            });
            let list: Vec<String> = columns
                .iter()
                .enumerate()
                .map(|(at, column)| {
                    format!(
                        "CAST(c{at} AS {}) AS {}",
                        column.kind.physical(),
                        names::quoted(&column.name)
                    )
                })
                .collect();
            let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
            let rows = format!(
                "SELECT {} FROM ({sql}) AS q({})",
                list.join(", "),
                names.join(", ")
            );
            // The query may read the table that it replaces.
            let staging = ObjectName::new(
                &name.database,
                &name.schema,
                &format!("{} (new)", name.name),
            );
            connection.execute_batch(&format!("CREATE TABLE {} AS {rows}", staging.quoted()))?;
            self.drop_physical(connection, name)?;
            connection.execute_batch(&format!(
                "ALTER TABLE {} RENAME TO {}",
                staging.quoted(),
                names::quoted(&name.name)
            ))?;
            self.engine.catalog().define(name, kind, columns);
            Ok(())
        })?;
        Ok(self.created(name))
    }

    /// Drops DuckDB's side of an object, if the catalog has it.
    pub(super) fn drop_physical(
        &self,
        connection: &duckdb::Connection,
        name: &ObjectName,
    ) -> Result<(), SqlError> {
        let kind = match self.engine.catalog().get(name) {
            Some(object) if object.is_view() => "VIEW",
            Some(_) => "TABLE",
            None => return Ok(()),
        };
        Ok(connection.execute_batch(&format!("DROP {kind} IF EXISTS {}", name.quoted()))?)
    }
}

/// What the options after a table's columns say.
fn options(tokens: Vec<TokenWithSpan>) -> ObjectKind {
    let mut cursor = Cursor::new(tokens);
    let (mut tracked, mut retention_days) = (None, RETENTION_DAYS);
    while !cursor.is_done() {
        if cursor.eat(&["CHANGE_TRACKING"]) && cursor.eat_token(&Token::Eq) {
            // Which change it is, is known when it is made.
            tracked = cursor.eat(&["TRUE"]).then_some(0);
        } else if cursor.eat(&["DATA_RETENTION_TIME_IN_DAYS"]) && cursor.eat_token(&Token::Eq) {
            retention_days = cursor.number().unwrap_or(RETENTION_DAYS);
        } else {
            cursor.next();
        }
    }
    ObjectKind::Table {
        tracked,
        retention_days,
    }
}

/// `(name TYPE [NOT NULL] [DEFAULT expr] …, …)`.
fn declarations(cursor: &mut Cursor) -> Result<Vec<Column>, SqlError> {
    cursor.expect_token(&Token::LParen)?;
    let mut columns: Vec<Column> = Vec::new();
    loop {
        if cursor.at_words(&["CONSTRAINT"])
            || cursor.at_words(&["PRIMARY", "KEY"])
            || cursor.at_words(&["UNIQUE"])
            || cursor.at_words(&["FOREIGN", "KEY"])
        {
            let constraint =
                cursor.take_until(|token| matches!(token, Token::Comma | Token::RParen));
            mark_keys(&constraint, &mut columns);
        } else {
            columns.push(declaration(cursor)?);
        }
        if !cursor.eat_token(&Token::Comma) {
            cursor.expect_token(&Token::RParen)?;
            return Ok(columns);
        }
    }
}

/// One column: name, type, and what follows up to the comma.
pub(super) fn declaration(cursor: &mut Cursor) -> Result<Column, SqlError> {
    let name = cursor.identifier()?;
    let kind = match cursor.peek() {
        Some(Token::Comma | Token::RParen) => SnowflakeType::TEXT,
        _ => SnowflakeType::parse(cursor)?,
    };
    let mut column = Column::new(&name, kind);
    let mut rest =
        Cursor::new(cursor.take_until(|token| matches!(token, Token::Comma | Token::RParen)));
    while !rest.is_done() {
        if rest.eat(&["NOT", "NULL"]) {
            column.nullable = false;
        } else if rest.eat(&["PRIMARY", "KEY"]) {
            column.primary_key = true;
            column.nullable = false;
        } else if rest.eat(&["COMMENT"]) {
            column.comment = rest.string();
        } else if rest.eat(&["DEFAULT"]) {
            let ends = ["NOT", "PRIMARY", "COMMENT", "UNIQUE", "CONSTRAINT"];
            let value = rest.take_until(|token| ends.iter().any(|end| is_word(token, end)));
            column.default = Some(text(&value));
        } else {
            rest.next();
        }
    }
    Ok(column)
}

fn mark_keys(constraint: &[TokenWithSpan], columns: &mut [Column]) {
    if !constraint
        .iter()
        .any(|token| is_word(&token.token, "PRIMARY"))
    {
        return;
    }
    let listed = constraint
        .iter()
        .skip_while(|token| token.token != Token::LParen);
    for token in listed {
        if let Token::Word(word) = &token.token {
            let name = crate::tokens::fold(word);
            for column in columns.iter_mut().filter(|column| column.name == name) {
                column.primary_key = true;
                column.nullable = false;
            }
        }
    }
}
