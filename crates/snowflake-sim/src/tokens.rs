//! Tokens of Snowflake's SQL, and a cursor over them for the statements that we parse ourselves.

use sqlparser::dialect::SnowflakeDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use crate::error::SqlError;

/// Splits a text into tokens, white space and comments included.
pub(crate) fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>, SqlError> {
    Tokenizer::new(&SnowflakeDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| {
            SqlError::syntax(
                error.location.line,
                error.location.column.saturating_sub(1),
                &error.message,
            )
        })
}

/// The statements of a text, split at top-level semicolons; empty ones are left out.
pub(crate) fn statements(sql: &str) -> Result<Vec<String>, SqlError> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut meaningful = false;
    for token in source_tokens(sql)? {
        if token == Token::SemiColon {
            if std::mem::take(&mut meaningful) {
                found.push(std::mem::take(&mut current));
            }
            current.clear();
            continue;
        }
        meaningful |= !matches!(token, Token::Whitespace(_));
        current.push_str(&token.to_string());
    }
    if meaningful {
        found.push(current);
    }
    Ok(found)
}

/// Tokens whose `Display` is the source again: escapes are left as written.
fn source_tokens(sql: &str) -> Result<Vec<Token>, SqlError> {
    Tokenizer::new(&SnowflakeDialect {}, sql)
        .with_unescape(false)
        .tokenize()
        .map_err(|error| {
            SqlError::syntax(
                error.location.line,
                error.location.column.saturating_sub(1),
                &error.message,
            )
        })
}

/// The exact name that a word stands for: folded unless quoted.
pub(crate) fn fold(word: &Word) -> String {
    match word.quote_style {
        Some(_) => word.value.clone(),
        None => word.value.to_uppercase(),
    }
}

/// Whether the token is the given unquoted word.
pub(crate) fn is_word(token: &Token, expected: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected))
}

/// Walks over the significant tokens of one statement.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    tokens: Vec<TokenWithSpan>,
    at: usize,
}

impl Cursor {
    pub(crate) fn over(sql: &str) -> Result<Self, SqlError> {
        Ok(Self::new(tokenize(sql)?))
    }

    pub(crate) fn new(tokens: Vec<TokenWithSpan>) -> Self {
        let tokens = tokens
            .into_iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
            .collect();
        Self { tokens, at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    pub(crate) fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|token| &token.token)
    }

    pub(crate) fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.peek(), None | Some(Token::SemiColon))
    }

    /// The unquoted word ahead, in upper case.
    pub(crate) fn word(&self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                Some(word.value.to_uppercase())
            }
            _ => None,
        }
    }

    pub(crate) fn at_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| {
            self.peek_at(ahead)
                .is_some_and(|token| is_word(token, word))
        })
    }

    /// Steps over the words if all of them are ahead.
    pub(crate) fn eat(&mut self, words: &[&str]) -> bool {
        let here = self.at_words(words);
        if here {
            self.at += words.len();
        }
        here
    }

    pub(crate) fn eat_token(&mut self, token: &Token) -> bool {
        let here = self.peek() == Some(token);
        self.at += usize::from(here);
        here
    }

    pub(crate) fn expect(&mut self, words: &[&str]) -> Result<(), SqlError> {
        if self.eat(words) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> Result<(), SqlError> {
        if self.eat_token(token) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// One identifier, folded.
    pub(crate) fn identifier(&mut self) -> Result<String, SqlError> {
        let Some(Token::Word(word)) = self.peek() else {
            return Err(self.unexpected());
        };
        let name = fold(word);
        self.at += 1;
        Ok(name)
    }

    /// A dotted name of one to three parts; `DB..T` means the schema PUBLIC.
    pub(crate) fn name(&mut self) -> Result<Vec<String>, SqlError> {
        let mut parts = vec![self.identifier()?];
        while self.eat_token(&Token::Period) {
            if self.peek() == Some(&Token::Period) {
                parts.push("PUBLIC".to_owned());
            } else {
                parts.push(self.identifier()?);
            }
        }
        Ok(parts)
    }

    pub(crate) fn string(&mut self) -> Option<String> {
        let text = match self.peek()? {
            Token::SingleQuotedString(text) => text.clone(),
            Token::DollarQuotedString(text) => text.value.clone(),
            _ => return None,
        };
        self.at += 1;
        Some(text)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let Some(Token::Number(digits, _)) = self.peek() else {
            return None;
        };
        let number = digits.parse().ok();
        self.at += usize::from(number.is_some());
        number
    }

    /// What is left, from here to the end.
    pub(crate) fn rest(&self) -> &[TokenWithSpan] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    /// The tokens up to the next of `ends` outside parentheses (or the end); steps over them.
    pub(crate) fn take_until(&mut self, ends: impl Fn(&Token) -> bool) -> Vec<TokenWithSpan> {
        let start = self.at;
        let mut depth = 0_i32;
        while let Some(token) = self.peek() {
            if depth == 0 && ends(token) {
                break;
            }
            match token {
                Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
                Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        self.tokens.get(start..self.at).unwrap_or_default().to_vec()
    }

    /// The syntax error for whatever is ahead.
    pub(crate) fn unexpected(&self) -> SqlError {
        match self.tokens.get(self.at) {
            Some(token) => SqlError::syntax(
                token.span.start.line,
                token.span.start.column.saturating_sub(1),
                &token.token.to_string(),
            ),
            None => SqlError::syntax(1, 0, "<EOF>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_split_outside_strings_only() {
        let found = statements("select ';' ; ; insert into t values ('it''s') -- ;\n;").unwrap();
        assert_eq!(found.len(), 2);
        assert!(found[1].contains("'it''s'"));
    }

    #[test]
    fn cursor_reads_names_and_words() {
        let mut cursor = Cursor::over("Show Tables like 'A%' in db.\"s\"").unwrap();
        assert!(cursor.eat(&["SHOW", "TABLES", "LIKE"]));
        assert_eq!(cursor.string().as_deref(), Some("A%"));
        assert!(cursor.eat(&["IN"]));
        assert_eq!(cursor.name().unwrap(), ["DB", "s"]);
        assert!(cursor.is_done());
    }
}
