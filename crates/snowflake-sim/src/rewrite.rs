//! Rewrites a statement of Snowflake's SQL into DuckDB's, token by token.
//!
//! Unquoted names fold, quoted ones are encoded, function calls and casts are respelled where
//! DuckDB's differ. It does not parse the statement: what it does not know goes through unchanged,
//! so DuckDB's dialect works as well.

mod calls;
mod casts;
mod past;

pub(crate) use past::{Past, PastRows, PointAsked, PointBy};

use std::collections::BTreeSet;

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::SqlError;
use crate::names;
use crate::tokens::is_word;

/// The attached database that holds our macros.
pub(crate) const MACRO_CATALOG: &str = "\"sim~\".main";
/// The attached database for per-statement copies of the information schema.
pub(crate) const SCRATCH_CATALOG: &str = "\"sim~info\"";

/// Answers the functions that depend on the session or the account (`CURRENT_ROLE`,
/// `SYSTEM$LAST_CHANGE_COMMIT_TIME` …): name and text arguments in, a DuckDB expression out.
pub(crate) type Functions<'a> = dyn Fn(&str, &[String]) -> Result<Option<String>, SqlError> + 'a;

/// What the rewriter needs to know beside the tokens.
#[derive(Clone, Copy)]
pub(crate) struct Rewriter<'a> {
    pub(crate) functions: &'a Functions<'a>,
    pub(crate) past: &'a PastRows<'a>,
    /// Literals for `?` and `:1`, in order.
    pub(crate) bindings: &'a [String],
    /// The current database, for an unqualified `INFORMATION_SCHEMA`.
    pub(crate) database: Option<&'a str>,
    /// Distinguishes this statement's information schema from others'.
    pub(crate) scratch: u64,
}

/// A statement in DuckDB's words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) sql: String,
    /// The databases whose information schema the statement reads.
    pub(crate) information_of: BTreeSet<String>,
}

impl Rewriter<'_> {
    pub(crate) fn rewrite(&self, tokens: &[TokenWithSpan]) -> Result<Rewritten, SqlError> {
        let tokens = tokens
            .iter()
            .map(|token| token.token.clone())
            .filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF | Token::SemiColon))
            .collect();
        let mut pass = Pass {
            rewriter: self,
            tokens,
            at: 0,
            pieces: Vec::new(),
            calls: Vec::new(),
            braces: 0,
            bound: 0,
            information_of: BTreeSet::new(),
        };
        while pass.at < pass.tokens.len() {
            pass.step()?;
        }
        Ok(Rewritten {
            sql: pass.pieces.join(" "),
            information_of: pass.information_of,
        })
    }
}

/// The schema of the scratch database that stands for a database's information schema.
pub(crate) fn scratch_schema(scratch: u64, database: &str) -> String {
    format!(
        "{SCRATCH_CATALOG}.{}",
        names::quoted(&format!("Q{scratch} {database}"))
    )
}

/// A text as a DuckDB literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

struct Pass<'a> {
    rewriter: &'a Rewriter<'a>,
    tokens: Vec<Token>,
    at: usize,
    pieces: Vec<String>,
    /// For each open parenthesis, the piece that called it, if it belongs to a cast.
    calls: Vec<Option<usize>>,
    braces: usize,
    bound: usize,
    information_of: BTreeSet<String>,
}

impl Pass<'_> {
    fn ahead(&self, by: usize) -> Option<&Token> {
        self.tokens.get(self.at + by)
    }

    fn previous(&self) -> Option<&Token> {
        self.at
            .checked_sub(1)
            .and_then(|before| self.tokens.get(before))
    }

    fn emit(&mut self, piece: impl Into<String>, tokens: usize) {
        self.pieces.push(piece.into());
        self.at += tokens;
    }

    fn step(&mut self) -> Result<(), SqlError> {
        let Some(token) = self.ahead(0).cloned() else {
            return Ok(());
        };
        match &token {
            Token::Word(_) if self.past()? => {}
            Token::Word(word) if word.quote_style.is_some() => {
                if !self.information_schema() {
                    self.emit(names::quoted(&word.value), 1);
                }
            }
            Token::Word(word) => return self.word(&word.value.to_uppercase()),
            Token::SingleQuotedString(text) => self.emit(literal(text), 1),
            Token::DollarQuotedString(text) => self.emit(literal(&text.value), 1),
            Token::HexStringLiteral(hex) => self.emit(format!("unhex({})", literal(hex)), 1),
            Token::Placeholder(mark) if mark == "?" => return self.bind(self.bound, 1),
            Token::Colon => return self.colon(),
            Token::DoubleColon => return self.postfix_cast(),
            Token::LParen => {
                self.calls.push(None);
                self.emit("(", 1);
            }
            Token::RParen => {
                self.calls.pop();
                self.emit(")", 1);
            }
            Token::LBrace | Token::RBrace => {
                let open = usize::from(token == Token::LBrace);
                self.braces = (self.braces + open).saturating_sub(1 - open);
                self.emit(token.to_string(), 1);
            }
            other => self.emit(other.to_string(), 1),
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), SqlError> {
        if self.previous() == Some(&Token::Period) {
            self.emit(word, 1);
            return Ok(());
        }
        if self.information_schema() {
            return Ok(());
        }
        if word == "AS" && self.calls.last().is_some_and(Option::is_some) {
            return self.call_cast();
        }
        if self.ahead(1) == Some(&Token::LParen) {
            return self.call(word);
        }
        match word {
            "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" | "SYSTIMESTAMP" => self.emit("now()", 1),
            "CURRENT_DATE" => self.emit("CAST(now() AS DATE)", 1),
            "CURRENT_TIME" | "LOCALTIME" => self.emit("CAST(CAST(now() AS TIMESTAMP) AS TIME)", 1),
            "MINUS" => self.emit("EXCEPT", 1),
            _ => self.emit(word, 1),
        }
        Ok(())
    }

    /// Redirects `[DB.]INFORMATION_SCHEMA.VIEW` to this statement's copy of it.
    fn information_schema(&mut self) -> bool {
        let is_schema = |token: Option<&Token>| {
            token.is_some_and(|token| {
                is_word(token, "INFORMATION_SCHEMA")
                    || matches!(token, Token::Word(word) if word.value == "INFORMATION_SCHEMA")
            })
        };
        let dot = |token: Option<&Token>| token == Some(&Token::Period);
        if self.previous() == Some(&Token::Period) {
            return false;
        }
        let (database, tokens) = if is_schema(self.ahead(0)) && dot(self.ahead(1)) {
            (self.rewriter.database.map(str::to_owned), 2)
        } else if dot(self.ahead(1)) && is_schema(self.ahead(2)) && dot(self.ahead(3)) {
            let Some(Token::Word(word)) = self.ahead(0) else {
                return false;
            };
            (Some(crate::tokens::fold(word)), 4)
        } else {
            return false;
        };
        let Some(database) = database else {
            return false;
        };
        self.emit(
            format!("{}.", scratch_schema(self.rewriter.scratch, &database)),
            tokens,
        );
        self.information_of.insert(database);
        if let Some(Token::Word(word)) = self.ahead(0) {
            let view = names::quoted(&crate::tokens::fold(word));
            if let Some(last) = self.pieces.last_mut() {
                last.push_str(&view);
            }
            self.at += 1;
        }
        true
    }

    fn bind(&mut self, index: usize, tokens: usize) -> Result<(), SqlError> {
        let Some(value) = self.rewriter.bindings.get(index).cloned() else {
            return Err(SqlError::new(
                "002049",
                "42601",
                format!(
                    "SQL compilation error:\nBind variable :{} not set.",
                    index + 1
                ),
            ));
        };
        self.bound += 1;
        self.emit(value, tokens);
        Ok(())
    }

    /// `:1` is a binding, `value:path` reaches into a VARIANT, anything else is DuckDB's.
    fn colon(&mut self) -> Result<(), SqlError> {
        let operand_before = matches!(
            self.previous(),
            Some(Token::Word(_) | Token::RParen | Token::RBracket)
        );
        match self.ahead(1).cloned() {
            Some(Token::Number(index, _)) if !self.rewriter.bindings.is_empty() => {
                let index = index.parse::<usize>().unwrap_or_default();
                self.bind(index.saturating_sub(1), 2)
            }
            Some(Token::Word(_)) if operand_before && self.braces == 0 => {
                self.variant_path();
                Ok(())
            }
            _ => {
                self.emit(":", 1);
                Ok(())
            }
        }
    }

    /// Index of the first piece of the operand that ends with the last piece.
    fn operand_start(&self) -> usize {
        let mut at = self.pieces.len().saturating_sub(1);
        if self.pieces.last().is_some_and(|piece| piece == ")") {
            let mut depth = 0_i32;
            loop {
                match self.pieces.get(at).map(String::as_str) {
                    Some(")") => depth += 1,
                    Some("(") => depth -= 1,
                    _ => {}
                }
                if depth == 0 || at == 0 {
                    break;
                }
                at -= 1;
            }
            let called = at.checked_sub(1).and_then(|before| self.pieces.get(before));
            if called.is_some_and(|piece| {
                piece.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"')
            }) {
                at -= 1;
            }
        }
        while at >= 2 && self.pieces.get(at - 1).is_some_and(|piece| piece == ".") {
            at -= 2;
        }
        at
    }
}

#[cfg(test)]
mod tests;
