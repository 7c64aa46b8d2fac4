//! Casts and paths into VARIANT values.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{MACRO_CATALOG, Pass, literal};
use crate::error::SqlError;
use crate::tokens::{Cursor, fold};
use crate::types::SnowflakeType;

impl Pass<'_> {
    /// `operand::TYPE`.
    pub(super) fn postfix_cast(&mut self) -> Result<(), SqlError> {
        let Some((target, tokens)) = self.type_at(1) else {
            self.emit("::", 1);
            return self.verbatim_type();
        };
        match converter(&target) {
            Some(macro_name) => {
                let start = self.operand_start();
                self.pieces
                    .insert(start, format!("{MACRO_CATALOG}.{macro_name}("));
                self.emit(")", 1 + tokens);
            }
            None => self.emit(format!(":: {}", self.spelled(&target, 1)), 1 + tokens),
        }
        Ok(())
    }

    /// The `AS TYPE` inside `CAST( … )`.
    pub(super) fn call_cast(&mut self) -> Result<(), SqlError> {
        let Some((target, tokens)) = self.type_at(1) else {
            self.emit("AS", 1);
            return self.verbatim_type();
        };
        let call = self.calls.last().copied().flatten();
        match (
            converter(&target),
            call.and_then(|at| self.pieces.get_mut(at)),
        ) {
            (Some(macro_name), Some(piece)) => {
                *piece = format!("{MACRO_CATALOG}.{macro_name}");
                self.at += 1 + tokens;
            }
            _ => self.emit(format!("AS {}", self.spelled(&target, 1)), 1 + tokens),
        }
        Ok(())
    }

    /// The Snowflake type `ahead` tokens from here and how many tokens it takes; `None` for a type
    /// that only DuckDB knows (`UUID`, `INTEGER[]`, `STRUCT(…)`).
    fn type_at(&self, ahead: usize) -> Option<(SnowflakeType, usize)> {
        let rest: Vec<TokenWithSpan> = self
            .tokens
            .get(self.at + ahead..)?
            .iter()
            .cloned()
            .map(TokenWithSpan::wrap)
            .collect();
        let all = rest.len();
        let mut cursor = Cursor::new(rest);
        let found = SnowflakeType::parse(&mut cursor).ok()?;
        (cursor.peek() != Some(&Token::LBracket)).then(|| (found, all - cursor.rest().len()))
    }

    /// A type name that must not be mistaken for a function or a column.
    fn verbatim_type(&mut self) -> Result<(), SqlError> {
        if let Some(Token::Word(word)) = self.ahead(0).cloned() {
            self.emit(word.to_string(), 1);
        }
        Ok(())
    }

    /// DuckDB's spelling of a cast's target: its own finer types stay what they are.
    fn spelled(&self, target: &SnowflakeType, ahead: usize) -> String {
        let word = match self.ahead(ahead) {
            Some(Token::Word(word)) => fold(word),
            _ => String::new(),
        };
        match (word.as_str(), target) {
            (
                "HUGEINT" | "UBIGINT" | "UINTEGER" | "TIMESTAMP_NS" | "TIMESTAMP_MS"
                | "TIMESTAMP_S" | "TIME_NS",
                _,
            ) => word,
            ("INT" | "INTEGER" | "BIGINT" | "SMALLINT" | "TINYINT" | "BYTEINT", _) => {
                "BIGINT".to_owned()
            }
            (_, SnowflakeType::TimestampNtz(0)) => "TIMESTAMP_S".to_owned(),
            (_, SnowflakeType::TimestampNtz(1..=3)) => "TIMESTAMP_MS".to_owned(),
            _ => target.physical(),
        }
    }

    /// `operand:a.b[0]` as a JSON path; text (`->>`) if a cast follows, so that strings lose quotes.
    pub(super) fn variant_path(&mut self) {
        let mut path = String::from("$");
        self.at += 1;
        while let Some(token) = self.ahead(0).cloned() {
            match token {
                Token::Word(word) => {
                    path.push_str(&format!(".\"{}\"", word.value));
                    self.at += 1;
                }
                Token::LBracket => {
                    match self.ahead(1).cloned() {
                        Some(Token::Number(index, _)) => path.push_str(&format!("[{index}]")),
                        Some(Token::SingleQuotedString(key)) => {
                            path.push_str(&format!(".\"{key}\""))
                        }
                        _ => break,
                    }
                    self.at += 3;
                }
                _ => break,
            }
            match self.ahead(0) {
                Some(Token::Period) => self.at += 1,
                Some(Token::LBracket) => {}
                _ => break,
            }
        }
        let operator = if self.ahead(0) == Some(&Token::DoubleColon) {
            "->>"
        } else {
            "->"
        };
        let start = self.operand_start();
        self.pieces.insert(start, "(".to_owned());
        self.pieces.push(format!("{operator} {}", literal(&path)));
        self.pieces.push(")".to_owned());
    }
}

/// The macro that converts to a type for which DuckDB's cast does not do.
fn converter(target: &SnowflakeType) -> Option<&'static str> {
    match target {
        SnowflakeType::TimestampTz(_) => Some("TO_TIMESTAMP_TZ"),
        SnowflakeType::TimestampLtz(_) => Some("TO_TIMESTAMP_LTZ"),
        _ => None,
    }
}
