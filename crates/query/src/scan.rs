//! A scanner for DuckDB's SQL text: just enough to find names, brackets and clauses by byte range.
//!
//! DuckDB's own parser says what a statement means; this says where its pieces stand, so that text is
//! spliced and never generated from a tree.

use std::ops::Range;

use ducksync_core::{Error, Result};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A bare word or keyword.
    Word,
    /// A `"quoted identifier"`.
    Quoted,
    /// A string literal of any form.
    Text,
    /// A number.
    Number,
    /// Any other character.
    Symbol(u8),
}

/// A token: its kind and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) range: Range<usize>,
}

/// The tokens of one text.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    pub(crate) sql: &'a str,
    pub(crate) list: Vec<Token>,
}

impl<'a> Tokens<'a> {
    /// Scans `sql`, leaving white space and comments out.
    ///
    /// # Errors
    /// `InvalidArgument` for a string, comment or quoted name that does not end.
    pub(crate) fn scan(sql: &'a str) -> Result<Self> {
        let mut list = Vec::new();
        let mut at = 0;
        while let Some(start) = skip_trivia(sql, at)? {
            let (kind, end) = token_at(sql, start)?;
            list.push(Token {
                kind,
                range: start..end,
            });
            at = end;
        }
        Ok(Self { sql, list })
    }

    /// The index of the first token at or behind byte `offset`.
    pub(crate) fn index_at(&self, offset: usize) -> usize {
        self.list
            .partition_point(|token| token.range.start < offset)
    }

    /// The text of token `index`; empty behind the last.
    pub(crate) fn text(&self, index: usize) -> &'a str {
        self.list
            .get(index)
            .map_or("", |token| &self.sql[token.range.clone()])
    }

    /// Whether token `index` is that bare word.
    pub(crate) fn is_word(&self, index: usize, word: &str) -> bool {
        self.kind(index) == Some(TokenKind::Word) && self.text(index).eq_ignore_ascii_case(word)
    }

    /// Whether tokens from `index` on are these bare words.
    pub(crate) fn are_words(&self, index: usize, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(offset, word)| self.is_word(index + offset, word))
    }

    /// Whether token `index` is that symbol.
    pub(crate) fn is_symbol(&self, index: usize, symbol: u8) -> bool {
        self.kind(index) == Some(TokenKind::Symbol(symbol))
    }

    fn kind(&self, index: usize) -> Option<TokenKind> {
        self.list.get(index).map(|token| token.kind)
    }

    /// Where token `index` begins; the end of the text behind the last.
    pub(crate) fn start(&self, index: usize) -> usize {
        self.list
            .get(index)
            .map_or(self.sql.len(), |token| token.range.start)
    }

    /// Where the token before `index` ends.
    pub(crate) fn end_before(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .and_then(|i| self.list.get(i))
            .map_or(0, |token| token.range.end)
    }

    /// The name at token `index` with the index behind it: `a."B c".d`.
    pub(crate) fn name(&self, index: usize) -> Option<(Vec<String>, usize)> {
        let mut parts = vec![self.identifier(index)?];
        let mut next = index + 1;
        while self.is_symbol(next, b'.') {
            let Some(part) = self.identifier(next + 1) else {
                break;
            };
            parts.push(part);
            next += 2;
        }
        Some((parts, next))
    }

    /// The identifier at token `index`, without quotes.
    pub(crate) fn identifier(&self, index: usize) -> Option<String> {
        match self.kind(index)? {
            TokenKind::Word => Some(self.text(index).to_owned()),
            TokenKind::Quoted => {
                let text = self.text(index);
                Some(text[1..text.len() - 1].replace("\"\"", "\""))
            }
            _ => None,
        }
    }

    /// The index behind the bracket that closes the one at `open`.
    pub(crate) fn behind_bracket(&self, open: usize) -> Result<usize> {
        let mut depth = 0_usize;
        for index in open..self.list.len() {
            match self.list[index].kind {
                TokenKind::Symbol(b'(' | b'[' | b'{') => depth += 1,
                TokenKind::Symbol(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return Ok(index + 1);
            }
        }
        Err(Error::invalid("a bracket is not closed"))
    }

    /// The index of the first token from `from` on, outside brackets, for which `is` holds; the
    /// number of tokens if there is none.
    pub(crate) fn find(&self, from: usize, is: impl Fn(&Self, usize) -> bool) -> Result<usize> {
        let mut index = from;
        while index < self.list.len() {
            if is(self, index) {
                return Ok(index);
            }
            index = match self.list[index].kind {
                TokenKind::Symbol(b'(' | b'[' | b'{') => self.behind_bracket(index)?,
                _ => index + 1,
            };
        }
        Ok(self.list.len())
    }

    /// The text from token `from` up to token `to`, without what surrounds it.
    pub(crate) fn slice(&self, from: usize, to: usize) -> &'a str {
        if from >= to {
            ""
        } else {
            &self.sql[self.start(from)..self.end_before(to)]
        }
    }

    /// The number of tokens, a closing `;` not counted.
    pub(crate) fn end(&self) -> usize {
        let mut end = self.list.len();
        while end > 0 && self.is_symbol(end - 1, b';') {
            end -= 1;
        }
        end
    }

    /// Parts between commas outside brackets, from `from` up to `to`.
    pub(crate) fn split_commas(&self, from: usize, to: usize) -> Result<Vec<Range<usize>>> {
        let mut parts = Vec::new();
        let mut start = from;
        while start < to {
            let comma = self
                .find(start, |tokens, i| i >= to || tokens.is_symbol(i, b','))?
                .min(to);
            parts.push(start..comma);
            start = comma + 1;
        }
        Ok(parts)
    }
}

fn unended(what: &str) -> Error {
    Error::invalid(format!("{what} does not end"))
}

/// Where the next token begins; `None` at the end.
fn skip_trivia(sql: &str, mut at: usize) -> Result<Option<usize>> {
    let bytes = sql.as_bytes();
    loop {
        let rest = &sql[at..];
        let Some(c) = rest.chars().next() else {
            return Ok(None);
        };
        if c.is_whitespace() || c == '\u{feff}' {
            at += c.len_utf8();
        } else if rest.starts_with("--") {
            at = rest.find('\n').map_or(bytes.len(), |end| at + end + 1);
        } else if rest.starts_with("/*") {
            at += comment_length(rest)?;
        } else {
            return Ok(Some(at));
        }
    }
}

/// The length of the block comment that `rest` begins with; they nest, as in Postgres.
fn comment_length(rest: &str) -> Result<usize> {
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Ok(at);
        }
    }
    Err(unended("a comment"))
}

fn token_at(sql: &str, start: usize) -> Result<(TokenKind, usize)> {
    let rest = &sql[start..];
    let bytes = rest.as_bytes();
    let end = |length: usize| start + length;
    match bytes[0] {
        b'\'' => Ok((TokenKind::Text, end(quoted_length(bytes, b'\'', false)?))),
        b'"' => Ok((TokenKind::Quoted, end(quoted_length(bytes, b'"', false)?))),
        b'e' | b'E' if bytes.get(1) == Some(&b'\'') => Ok((
            TokenKind::Text,
            end(1 + quoted_length(&bytes[1..], b'\'', true)?),
        )),
        b'x' | b'X' if bytes.get(1) == Some(&b'\'') => Ok((
            TokenKind::Text,
            end(1 + quoted_length(&bytes[1..], b'\'', false)?),
        )),
        b'$' => match dollar_length(rest) {
            Some(length) => Ok((TokenKind::Text, end(length?))),
            None => Ok((TokenKind::Symbol(b'$'), end(1))),
        },
        b'0'..=b'9' => Ok((TokenKind::Number, end(number_length(bytes)))),
        b if is_word_byte(b) && !b.is_ascii_digit() => {
            let length = bytes
                .iter()
                .take_while(|b| is_word_byte(**b) || **b == b'$')
                .count();
            Ok((TokenKind::Word, end(length)))
        }
        b => Ok((TokenKind::Symbol(b), end(1))),
    }
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

fn number_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(b) = bytes.get(length) {
        let sign = matches!(b, b'+' | b'-') && matches!(bytes[length - 1], b'e' | b'E');
        if !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_') || sign && length > 0) {
            break;
        }
        length += 1;
    }
    length
}

fn quoted_length(bytes: &[u8], quote: u8, escapes: bool) -> Result<usize> {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return Ok(at + 1),
            _ => at += 1,
        }
    }
    Err(unended(if quote == b'"' {
        "a quoted name"
    } else {
        "a text"
    }))
}

/// The length of a `$tag$…$tag$` literal; `None` if this is none (a parameter `$1`).
fn dollar_length(rest: &str) -> Option<Result<usize>> {
    let tag_end = rest[1..].find('$')? + 2;
    let tag = &rest[..tag_end];
    let inner = &tag[1..tag_end - 1];
    let valid = inner.bytes().all(is_word_byte) && !inner.starts_with(|c: char| c.is_ascii_digit());
    valid.then(|| {
        let close = rest[tag_end..].find(tag).ok_or_else(|| unended("a text"))?;
        Ok(tag_end + close + tag_end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<String> {
        let tokens = Tokens::scan(sql).unwrap();
        (0..tokens.list.len())
            .map(|i| tokens.text(i).to_owned())
            .collect()
    }

    #[test]
    fn tokens_are_whole_and_comments_are_none() {
        let rows: &[(&str, &[&str])] = &[
            ("a.\"B \"\"c\"", &["a", ".", "\"B \"\"c\""]),
            ("x -- 'y\n z", &["x", "z"]),
            ("/* a /* b */ c */ q", &["q"]),
            (
                "'it''s' E'a\\'b' $$a'b$$ $t$x$t$",
                &["'it''s'", "E'a\\'b'", "$$a'b$$", "$t$x$t$"],
            ),
            ("$1 + 1e-5", &["$", "1", "+", "1e-5"]),
            ("größe=1", &["größe", "=", "1"]),
        ];
        for (sql, expected) in rows {
            assert_eq!(texts(sql), *expected, "{sql}");
        }
        for open in ["'a", "\"a", "/* a", "$$a"] {
            assert!(Tokens::scan(open).is_err(), "{open}");
        }
    }

    #[test]
    fn names_and_brackets_are_found_by_position() {
        let tokens = Tokens::scan("SELECT f(a, (b)) FROM lake . \"S\".t, u").unwrap();
        assert_eq!(tokens.behind_bracket(2).unwrap(), 9);
        let from = tokens.find(0, |t, i| t.is_word(i, "from")).unwrap();
        let (name, next) = tokens.name(from + 1).unwrap();
        assert_eq!(name, ["lake", "S", "t"]);
        assert!(tokens.is_symbol(next, b','));
    }
}
