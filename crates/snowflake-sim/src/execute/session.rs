//! Statements about the session: USE, ALTER SESSION, transactions.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use sqlparser::tokenizer::Token;

use super::Executor;
use crate::error::SqlError;
use crate::names;
use crate::points::Point;
use crate::result::ResultSet;
use crate::session::Transaction;
use crate::statement::{Kind, Statement};

const DONE: &str = "Statement executed successfully.";

impl Executor<'_> {
    pub(super) fn switch(&mut self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["USE"])?;
        if cursor.eat(&["WAREHOUSE"]) {
            self.context.warehouse = Some(cursor.identifier()?);
        } else if cursor.eat(&["ROLE"]) {
            let role = cursor.identifier()?;
            if !self.context.may_take(&role) {
                return Err(SqlError::no_role(&role));
            }
            self.context.role = role;
        } else if cursor.eat(&["SECONDARY", "ROLES"]) {
            cursor.next();
        } else if cursor.eat(&["SCHEMA"]) {
            let (database, schema) = self.context.resolve_schema(&cursor.name()?)?;
            self.enter(database, Some(schema))?;
        } else {
            cursor.eat(&["DATABASE"]);
            match cursor.name()?.as_slice() {
                [database] => self.enter(database.clone(), None)?,
                [database, schema] => self.enter(database.clone(), Some(schema.clone()))?,
                _ => return Err(cursor.unexpected()),
            }
        }
        self.remember();
        Ok(ResultSet::status(Kind::Use, &self.context, DONE))
    }

    /// Makes a schema (by default PUBLIC, if there is one) the current one.
    fn enter(&mut self, database: String, schema: Option<String>) -> Result<(), SqlError> {
        {
            let catalog = self.engine.catalog();
            let found = catalog
                .databases
                .get(&database)
                .ok_or_else(|| SqlError::missing("Database", &names::display(&database)))?;
            self.context.schema = match schema {
                Some(schema) => {
                    catalog.schema(&database, &schema)?;
                    Some(schema)
                }
                None => found
                    .schemas
                    .contains_key("PUBLIC")
                    .then(|| "PUBLIC".to_owned()),
            };
        }
        self.context.database = Some(database);
        Ok(())
    }

    pub(super) fn alter_session(&mut self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["ALTER", "SESSION"])?;
        let set = cursor.eat(&["SET"]);
        if !set {
            cursor.expect(&["UNSET"])?;
        }
        while !cursor.is_done() {
            let name = cursor.identifier()?;
            if set {
                cursor.expect_token(&Token::Eq)?;
                let value = match cursor.string() {
                    Some(text) => text,
                    None => cursor
                        .next()
                        .map(|token| token.to_string())
                        .unwrap_or_default(),
                };
                self.context.parameters.insert(name, value);
            } else {
                self.context.parameters.remove(&name);
            }
            cursor.eat_token(&Token::Comma);
        }
        self.remember();
        Ok(ResultSet::status(Kind::AlterSession, &self.context, DONE))
    }

    pub(super) fn begin(&self) -> Result<ResultSet, SqlError> {
        let _settled = self.settled();
        if let Some(session) = self.session {
            let mut open = session
                .transaction
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if open.is_none() {
                let connection = self.engine.connect(&self.context)?;
                // DuckDB begins in each database when it is first looked at: so that is now.
                connection.execute_batch("BEGIN TRANSACTION; FROM duckdb_tables();")?;
                *open = Some(Transaction {
                    connection,
                    begun: self.engine.catalog().last_change(),
                    touched: BTreeSet::new(),
                    statements: Vec::new(),
                });
            }
        }
        Ok(ResultSet::status(Kind::Begin, &self.context, DONE))
    }

    pub(super) fn end_transaction(&self, kind: Kind) -> Result<ResultSet, SqlError> {
        let transaction = self.session.and_then(|session| {
            session
                .transaction
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        });
        if let Some(transaction) = transaction {
            let _alone = self.alone();
            let before = self.engine.catalog().last_change();
            let at = if kind == Kind::Commit {
                transaction.connection.execute_batch("COMMIT")?;
                self.engine.committed(&transaction.touched)?
            } else {
                transaction.connection.execute_batch("ROLLBACK")?;
                before
            };
            for statement in &transaction.statements {
                self.engine.points.set(statement, Point { before, at });
            }
        }
        Ok(ResultSet::status(kind, &self.context, DONE))
    }

    /// Makes the statement's view of the session the session's.
    fn remember(&self) {
        if let Some(session) = self.session {
            session.update(|context| context.clone_from(&self.context));
        }
    }
}
