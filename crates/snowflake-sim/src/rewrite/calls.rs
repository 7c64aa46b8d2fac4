//! Function calls: renamed, qualified, or answered by the account.

use std::collections::HashSet;
use std::sync::LazyLock;

use sqlparser::tokenizer::Token;

use super::{MACRO_CATALOG, Pass, literal};
use crate::error::SqlError;
use crate::tokens::is_word;

/// The names that `macros.sql` defines.
static MACROS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../macros.sql")
        .lines()
        .filter_map(|line| line.strip_prefix("CREATE MACRO ")?.split('(').next())
        .collect()
});

/// Functions that only have another name; aggregates must be here, for DISTINCT, FILTER and OVER.
const RENAMED: [(&str, &str); 8] = [
    ("BOOLAND_AGG", "bool_and"),
    ("BOOLOR_AGG", "bool_or"),
    ("OBJECT_CONSTRUCT", "json_object"),
    ("ARRAY_CONSTRUCT", "json_array"),
    ("ARRAY_AGG", "list"),
    ("GETDATE", "now"),
    ("APPROXIMATE_COUNT_DISTINCT", "approx_count_distinct"),
    ("RLIKE", "regexp_full_match"),
];

impl Pass<'_> {
    /// A word that an opening parenthesis follows.
    pub(super) fn call(&mut self, word: &str) -> Result<(), SqlError> {
        match word {
            "CAST" | "TRY_CAST" => {
                self.calls.push(Some(self.pieces.len()));
                self.emit(word, 1);
                self.emit("(", 1);
            }
            "DATEADD" | "TIMESTAMPADD" | "TIMEADD" => match self.unit() {
                Some(unit) => self.open(
                    &format!("{MACRO_CATALOG}.DATEADD_{}", unit.to_uppercase()),
                    4,
                    None,
                ),
                None => self.emit(word, 1),
            },
            "DATEDIFF" | "TIMESTAMPDIFF" | "TIMEDIFF" => match self.unit() {
                Some(unit) => self.open("date_diff", 3, Some(literal(unit))),
                None => self.emit("date_diff", 1),
            },
            "DATE_TRUNC" | "DATE_PART" => match self.unit() {
                Some(unit) => self.open(word, 3, Some(literal(unit))),
                None => self.emit(word, 1),
            },
            "LISTAGG" => self.listagg(),
            "TABLE" if self.generator().is_some() => {
                let rows = self.generator().unwrap_or_default();
                self.emit(format!("range({rows})"), 9);
            }
            "SEQ1" | "SEQ2" | "SEQ4" | "SEQ8" => {
                let tokens = self.arguments().map_or(1, |(_, tokens)| tokens);
                self.emit("(row_number() OVER () - 1)", tokens);
            }
            "CURRENT_TIMESTAMP" | "LOCALTIMESTAMP" | "SYSTIMESTAMP" | "GETDATE" => {
                self.replace("now()")
            }
            "SYSDATE" => self.replace("(now() AT TIME ZONE 'UTC')"),
            "CURRENT_DATE" => self.replace("CAST(now() AS DATE)"),
            "CURRENT_TIME" | "LOCALTIME" => self.replace("CAST(CAST(now() AS TIMESTAMP) AS TIME)"),
            _ => return self.other_call(word),
        }
        Ok(())
    }

    fn other_call(&mut self, word: &str) -> Result<(), SqlError> {
        if let Some((texts, tokens)) = self.arguments()
            && let Some(answer) = (self.rewriter.functions)(word, &texts)?
        {
            self.emit(answer, tokens);
            return Ok(());
        }
        if word.starts_with("SYSTEM$") {
            return Err(SqlError::new(
                "002140",
                "42601",
                format!("SQL compilation error:\nUnknown function {word}"),
            ));
        }
        if let Some((_, renamed)) = RENAMED.iter().find(|(name, _)| *name == word) {
            self.emit(*renamed, 1);
        } else if MACROS.contains(word) {
            self.emit(format!("{MACRO_CATALOG}.{word}"), 1);
        } else {
            self.emit(word, 1);
        }
        Ok(())
    }

    /// Opens a call whose unit argument has been taken out, or put in as text.
    fn open(&mut self, function: &str, tokens: usize, first: Option<String>) {
        self.pieces.push(function.to_owned());
        self.pieces.push("(".to_owned());
        self.pieces.extend(first);
        self.calls.push(None);
        self.at += tokens;
    }

    fn replace(&mut self, by: &str) {
        let mut depth = 0_i32;
        let mut tokens = 1;
        while let Some(token) = self.ahead(tokens) {
            depth += match token {
                Token::LParen => 1,
                Token::RParen => -1,
                _ => 0,
            };
            tokens += 1;
            if depth == 0 {
                break;
            }
        }
        self.emit(by, tokens);
    }

    /// The first argument as a unit of time, whether a bare word or a text.
    fn unit(&self) -> Option<&'static str> {
        let name = match (self.ahead(2)?, self.ahead(3)?) {
            (Token::Word(word), Token::Comma) => word.value.to_lowercase(),
            (Token::SingleQuotedString(text), Token::Comma) => text.to_lowercase(),
            _ => return None,
        };
        Some(
            match if name.len() > 2 {
                name.trim_end_matches('s')
            } else {
                &name
            } {
                "year" | "y" | "yy" | "yyy" | "yyyy" | "yr" => "year",
                "quarter" | "q" | "qtr" => "quarter",
                "month" | "mm" | "mon" => "month",
                "week" | "w" | "wk" | "weekofyear" => "week",
                "day" | "d" | "dd" | "dayofmonth" => "day",
                "hour" | "h" | "hh" | "hr" => "hour",
                "minute" | "m" | "mi" | "min" => "minute",
                "second" | "s" | "sec" => "second",
                "millisecond" | "ms" | "msec" => "millisecond",
                "microsecond" | "us" | "usec" => "microsecond",
                _ => return None,
            },
        )
    }

    /// The arguments if all of them are texts, and the tokens of the whole call.
    fn arguments(&self) -> Option<(Vec<String>, usize)> {
        let mut texts = Vec::new();
        let mut at = 2;
        loop {
            match self.ahead(at)? {
                Token::RParen => return Some((texts, at + 1)),
                Token::Comma => {}
                Token::SingleQuotedString(text) => texts.push(text.clone()),
                Token::DollarQuotedString(text) => texts.push(text.value.clone()),
                Token::Placeholder(mark) if mark == "?" => {
                    let bound = self.rewriter.bindings.get(self.bound + texts.len())?;
                    let text = bound.strip_prefix('\'')?.strip_suffix('\'')?;
                    texts.push(text.replace("''", "'"));
                }
                _ => return None,
            }
            at += 1;
        }
    }

    /// `LISTAGG(x, d) WITHIN GROUP (ORDER BY y)` as `string_agg(x, d ORDER BY y)`.
    fn listagg(&mut self) {
        let Some(close) = self.closing(1) else {
            self.emit("string_agg", 1);
            return;
        };
        let word = |ahead: usize, expected: &str| {
            self.ahead(ahead)
                .is_some_and(|token| is_word(token, expected))
        };
        let grouped = word(close + 1, "WITHIN") && word(close + 2, "GROUP");
        let order_end = if grouped {
            self.closing(close + 3)
        } else {
            None
        };
        let here = self.at;
        let mut depth = 0_i32;
        let delimited = self
            .tokens
            .get(here + 2..here + close)
            .unwrap_or_default()
            .iter()
            .any(|token| {
                depth += match token {
                    Token::LParen => 1,
                    Token::RParen => -1,
                    _ => 0,
                };
                depth == 0 && *token == Token::Comma
            });
        let mut inside: Vec<Token> = Vec::new();
        if !delimited {
            inside.extend([Token::Comma, Token::SingleQuotedString(String::new())]);
        }
        if let Some(end) = order_end {
            inside.extend_from_slice(
                self.tokens
                    .get(here + close + 4..here + end)
                    .unwrap_or_default(),
            );
            self.tokens.drain(here + close + 1..=here + end);
        }
        self.tokens.splice(here + close..here + close, inside);
        self.emit("string_agg", 1);
    }

    /// How far ahead the parenthesis that opens `from` tokens ahead is closed.
    fn closing(&self, from: usize) -> Option<usize> {
        let mut depth = 0_i32;
        let mut at = from;
        loop {
            match self.ahead(at)? {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at);
            }
            at += 1;
        }
    }

    /// The row count of `TABLE(GENERATOR(ROWCOUNT => n))`.
    fn generator(&self) -> Option<String> {
        let words = [(2, "GENERATOR"), (4, "ROWCOUNT")];
        if !words
            .iter()
            .all(|(ahead, word)| self.ahead(*ahead).is_some_and(|token| is_word(token, word)))
        {
            return None;
        }
        match (self.ahead(5)?, self.ahead(6)?) {
            (Token::RArrow, Token::Number(rows, _)) => Some(rows.clone()),
            _ => None,
        }
    }
}
