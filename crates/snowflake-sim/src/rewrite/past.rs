//! `FROM t CHANGES (…) AT (…) END (…)`, `FROM t AT (…)`, `FROM t BEFORE (…)`: found here, answered by
//! the account with a query that takes the table's place.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Pass, Rewriter};
use crate::error::SqlError;
use crate::history::Information;
use crate::names;
use crate::tokens::{Cursor, fold, is_word};

/// What tells a point of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointBy {
    Statement,
    Timestamp,
    Offset,
}

/// A point of the past, as a statement asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PointAsked {
    /// Whether it is the point just before what is told.
    pub(crate) before: bool,
    pub(crate) by: PointBy,
    /// In DuckDB's words.
    pub(crate) expression: String,
}

/// What a FROM asks of a table's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Past {
    /// Changes are asked for, rather than rows.
    pub(crate) changes: Option<Information>,
    pub(crate) from: PointAsked,
    pub(crate) to: Option<PointAsked>,
}

/// Answers a table's past: the name's parts and what is asked in, a query in DuckDB's words out.
pub(crate) type PastRows<'a> = dyn Fn(&[String], &Past) -> Result<String, SqlError> + 'a;

/// Words that may follow a table and are no alias.
const NO_ALIAS: [&str; 35] = [
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "FETCH",
    "OFFSET",
    "QUALIFY",
    "WINDOW",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "MINUS",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "NATURAL",
    "ASOF",
    "POSITIONAL",
    "SEMI",
    "ANTI",
    "ON",
    "USING",
    "SAMPLE",
    "TABLESAMPLE",
    "PIVOT",
    "UNPIVOT",
    "MATCH_RECOGNIZE",
    "CONNECT",
    "START",
    "WHEN",
    "SELECT",
];

/// Functions whose value is not known when a statement is compiled.
const MOVING: [&str; 5] = [
    "CURRENT_TIMESTAMP",
    "LOCALTIMESTAMP",
    "SYSTIMESTAMP",
    "GETDATE",
    "SYSDATE",
];

impl Pass<'_> {
    /// Replaces a table and the past asked of it, if that is what is ahead.
    pub(super) fn past(&mut self) -> Result<bool, SqlError> {
        if self.previous() == Some(&Token::Period) {
            return Ok(false);
        }
        let named = self.dotted().filter(|named| {
            self.ahead(*named).is_some_and(|token| {
                ["CHANGES", "AT", "BEFORE"]
                    .iter()
                    .any(|word| is_word(token, word))
            })
        });
        let Some(named) = named else {
            return Ok(false);
        };
        let rest: Vec<TokenWithSpan> = self
            .tokens
            .get(self.at + named..)
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(TokenWithSpan::wrap)
            .collect();
        let mut cursor = Cursor::new(rest);
        if !begins(&cursor) {
            return Ok(false);
        }
        let before = cursor.rest().len();
        let past = self.asked(&mut cursor)?;
        let tokens = named + before - cursor.rest().len();
        let parts: Vec<String> = self.parts(named);
        let query = (self.rewriter.past)(&parts, &past)?;
        self.emit(format!("({query})"), tokens);
        if !self.at_alias() {
            let alias = parts.last().map(|name| names::quoted(name));
            self.pieces.extend(alias.map(|alias| format!("AS {alias}")));
        }
        Ok(true)
    }

    /// How many tokens the dotted name ahead has.
    fn dotted(&self) -> Option<usize> {
        let word = |at: usize| matches!(self.ahead(at), Some(Token::Word(_)));
        let dot = |at: usize| self.ahead(at) == Some(&Token::Period);
        let mut tokens = word(0).then_some(1)?;
        while dot(tokens) {
            tokens += if dot(tokens + 1) { 2 } else { 1 };
            tokens += word(tokens).then_some(1)?;
        }
        Some(tokens)
    }

    /// The parts of the name of so many tokens ahead; `DB..T` means the schema PUBLIC.
    fn parts(&self, tokens: usize) -> Vec<String> {
        let mut parts = Vec::new();
        for at in 0..tokens {
            match self.ahead(at) {
                Some(Token::Word(word)) => parts.push(fold(word)),
                Some(Token::Period) if self.ahead(at + 1) == Some(&Token::Period) => {
                    parts.push("PUBLIC".to_owned());
                }
                _ => {}
            }
        }
        parts
    }

    fn asked(&mut self, cursor: &mut Cursor) -> Result<Past, SqlError> {
        let changes = if cursor.eat(&["CHANGES"]) {
            Some(information(cursor)?)
        } else {
            None
        };
        let before = cursor.eat(&["BEFORE"]);
        if !before {
            cursor.expect(&["AT"])?;
        }
        let from = self.point(cursor, before, changes.is_some())?;
        let to = match changes {
            Some(_) if cursor.eat(&["END"]) => Some(self.point(cursor, false, true)?),
            _ => None,
        };
        Ok(Past { changes, from, to })
    }

    /// `(STATEMENT => …)` and its like; `constant` refuses what moves with the time.
    fn point(
        &mut self,
        cursor: &mut Cursor,
        before: bool,
        constant: bool,
    ) -> Result<PointAsked, SqlError> {
        cursor.expect_token(&Token::LParen)?;
        let by = match cursor.identifier()?.as_str() {
            "STATEMENT" => PointBy::Statement,
            "TIMESTAMP" => PointBy::Timestamp,
            "OFFSET" => PointBy::Offset,
            other => return Err(SqlError::unsupported(&format!("AT ({other} => …)"))),
        };
        cursor.expect_token(&Token::RArrow)?;
        let tokens = cursor.take_until(|token| *token == Token::RParen);
        cursor.expect_token(&Token::RParen)?;
        let moving = tokens.iter().find_map(|token| match &token.token {
            Token::Word(word) => MOVING
                .into_iter()
                .find(|name| word.value.eq_ignore_ascii_case(name)),
            _ => None,
        });
        if let Some(moving) = moving.filter(|_| constant) {
            return Err(SqlError::new(
                "001015",
                "22023",
                format!(
                    "SQL compilation error:\nargument TIMESTAMP to function AT needs to be constant, found '{moving}()'"
                ),
            ));
        }
        let nested = Rewriter {
            bindings: self.rewriter.bindings.get(self.bound..).unwrap_or_default(),
            ..*self.rewriter
        };
        let expression = nested.rewrite(&tokens)?.sql;
        self.bound += tokens
            .iter()
            .filter(|token| matches!(&token.token, Token::Placeholder(mark) if mark == "?"))
            .count();
        Ok(PointAsked {
            before,
            by,
            expression,
        })
    }

    fn at_alias(&self) -> bool {
        match self.ahead(0) {
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                !NO_ALIAS.contains(&word.value.to_uppercase().as_str())
            }
            Some(Token::Word(_)) => true,
            _ => false,
        }
    }
}

/// Whether a past is asked for, and not a table or column of such a name meant.
fn begins(cursor: &Cursor) -> bool {
    let mut cursor = cursor.clone();
    if cursor.eat(&["CHANGES"]) {
        return cursor.eat_token(&Token::LParen) && cursor.at_words(&["INFORMATION"]);
    }
    (cursor.eat(&["AT"]) || cursor.eat(&["BEFORE"]))
        && cursor.eat_token(&Token::LParen)
        && cursor.peek_at(1) == Some(&Token::RArrow)
}

/// `(INFORMATION => DEFAULT | APPEND_ONLY)`.
fn information(cursor: &mut Cursor) -> Result<Information, SqlError> {
    cursor.expect_token(&Token::LParen)?;
    cursor.expect(&["INFORMATION"])?;
    cursor.expect_token(&Token::RArrow)?;
    let information = if cursor.eat(&["DEFAULT"]) {
        Information::Default
    } else {
        cursor.expect(&["APPEND_ONLY"])?;
        Information::AppendOnly
    };
    cursor.expect_token(&Token::RParen)?;
    Ok(information)
}
