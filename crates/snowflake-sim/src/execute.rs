//! Executes one statement on the calling thread, whatever its kind.

mod alter;
mod ddl;
mod describe;
mod dml;
mod explain;
mod past;
mod select;
mod session;
mod show;
mod table;
mod view;

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use duckdb::Connection;
use sqlparser::tokenizer::TokenWithSpan;

use crate::engine::{Context, Engine};
use crate::error::SqlError;
use crate::functions;
use crate::history;
use crate::information;
use crate::names::ObjectName;
use crate::points::Point;
use crate::query::Interrupt;
use crate::result::{Format, ResultSet};
use crate::rewrite::{Rewriter, Rewritten, literal};
use crate::session::{Session, Transaction};
use crate::statement::{Kind, Statement};

/// What the open transaction has changed.
struct Changed<'a> {
    touched: &'a mut BTreeSet<ObjectName>,
    statements: &'a mut Vec<String>,
}

/// Everything that a statement runs with.
pub(crate) struct Executor<'a> {
    pub(crate) engine: &'a Engine,
    /// The session, unless the control interface asks.
    pub(crate) session: Option<&'a Session>,
    pub(crate) context: Context,
    /// The statement's id, unless the control interface asks.
    pub(crate) query_id: Option<&'a str>,
    /// Literals for the statement's placeholders.
    pub(crate) bindings: Vec<String>,
    pub(crate) format: Format,
    pub(crate) describe_only: bool,
    pub(crate) interrupt: &'a Interrupt,
}

impl Executor<'_> {
    pub(crate) fn execute(&mut self, sql: &str) -> Result<ResultSet, SqlError> {
        let statement = Statement::parse(sql)?;
        let before = self.engine.catalog().last_change();
        let result = self
            .dispatch(sql, &statement)
            .map_err(|error| located(error, &statement.tokens));
        let at = self.engine.catalog().last_change();
        if let Some(id) = self.query_id {
            self.engine.points.set_if_new(id, Point { before, at });
        }
        result
    }

    fn dispatch(&mut self, sql: &str, statement: &Statement) -> Result<ResultSet, SqlError> {
        if self.describe_only && statement.kind != Kind::Select {
            return Ok(ResultSet::status(statement.kind, &self.context, ""));
        }
        match statement.kind {
            Kind::Select => self.select(statement),
            Kind::Show => self.show(statement),
            Kind::Describe => self.describe(statement),
            Kind::Explain => self.explain(statement),
            Kind::Use => self.switch(statement),
            Kind::AlterSession => self.alter_session(statement),
            Kind::Begin => self.begin(),
            Kind::Commit => self.end_transaction(Kind::Commit),
            Kind::Rollback => self.end_transaction(Kind::Rollback),
            Kind::Insert => self.insert(statement),
            Kind::Update => self.update(statement),
            Kind::Delete => self.delete(statement),
            Kind::Merge => self.merge(statement),
            Kind::Truncate => self.truncate(statement),
            Kind::CreateTableAs | Kind::Create | Kind::Drop | Kind::Alter => {
                self.define(sql, statement)
            }
        }
    }

    /// A change of definitions: it commits the open transaction first, as at Snowflake.
    fn define(&mut self, sql: &str, statement: &Statement) -> Result<ResultSet, SqlError> {
        self.end_transaction(Kind::Commit)?;
        let engine = self.engine;
        let _alone = engine
            .commits
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let result = match statement.kind {
            Kind::Drop => self.drop_object(statement),
            Kind::Alter => self.alter(statement),
            _ => self.create(sql, statement),
        }?;
        history::reconcile(engine)?;
        Ok(result)
    }

    /// The tokens in DuckDB's words.
    fn rewrite(&self, tokens: &[TokenWithSpan], scratch: u64) -> Result<Rewritten, SqlError> {
        let functions = |name: &str, texts: &[String]| match (name, texts) {
            ("SYSTEM$EXPLAIN_PLAN_JSON", [sql]) => Ok(Some(literal(&self.plan_of(sql)?))),
            _ => functions::answer(self.engine, &self.context, name, texts),
        };
        Rewriter {
            functions: &functions,
            past: &|parts, past| self.past(parts, past),
            bindings: &self.bindings,
            database: self.context.database.as_deref(),
            scratch,
        }
        .rewrite(tokens)
    }

    /// Rewrites a query that must not read an information schema.
    fn rewrite_plain(&self, tokens: &[TokenWithSpan]) -> Result<String, SqlError> {
        let rewritten = self.rewrite(tokens, 0)?;
        if rewritten.information_of.is_empty() {
            Ok(rewritten.sql)
        } else {
            Err(SqlError::unsupported(
                "INFORMATION_SCHEMA in this statement",
            ))
        }
    }

    /// Runs `work` on the transaction's connection, or on one of its own.
    fn on_connection<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.in_transaction(|connection, _| work(connection))
    }

    /// As [`Self::on_connection`]; `work` may add to what the open transaction has changed.
    fn in_transaction<T>(
        &self,
        work: impl FnOnce(&Connection, Option<&mut Changed<'_>>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if let Some(session) = self.session {
            let mut open = session
                .transaction
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(Transaction {
                connection,
                touched,
                statements,
                ..
            }) = open.as_mut()
            {
                self.interrupt.begin(connection)?;
                let mut changed = Changed {
                    touched,
                    statements,
                };
                return work(connection, Some(&mut changed));
            }
        }
        let connection = self.engine.connect(&self.context)?;
        self.interrupt.begin(&connection)?;
        work(&connection, None)
    }

    /// Keeps everyone else out while rows change and histories follow.
    fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.engine
            .commits
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps changes out while change tokens are read.
    fn settled(&self) -> RwLockReadGuard<'_, ()> {
        self.engine
            .commits
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the copies of information schemas that a statement reads, and drops them after `work`.
    fn with_information<T>(
        &self,
        rewritten: &Rewritten,
        scratch: u64,
        work: impl FnOnce() -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if rewritten.information_of.is_empty() {
            return work();
        }
        let connection = self.engine.connect(&Context::default())?;
        {
            let _settled = self.settled();
            for database in &rewritten.information_of {
                information::create(self.engine, &connection, scratch, database)?;
            }
        }
        let answer = work();
        for database in &rewritten.information_of {
            information::drop(&connection, scratch, database)?;
        }
        answer
    }
}

/// Points a compilation error that came without a position at the word it complains about.
fn located(mut error: SqlError, tokens: &[TokenWithSpan]) -> SqlError {
    if error.at.is_some_and(|at| at != (1, 0)) {
        return error;
    }
    let quoted = error
        .message
        .rsplit('\'')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let complained = quoted
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .trim_matches('"');
    let token = tokens.iter().find(|token| {
        token
            .token
            .to_string()
            .trim_matches('"')
            .eq_ignore_ascii_case(complained)
    });
    if let Some(token) = token.filter(|_| !complained.is_empty()) {
        let (line, position) = (
            token.span.start.line,
            token.span.start.column.saturating_sub(1),
        );
        error.at = Some((line, position));
        error.message = error.message.replace(
            "line 1 at position 0",
            &format!("line {line} at position {position}"),
        );
    }
    error
}
