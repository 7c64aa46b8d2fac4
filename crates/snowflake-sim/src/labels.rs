//! Labels of result columns: Snowflake's, where DuckDB would make up others.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::names;
use crate::tokens::is_word;

/// What a select item says about its label.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    /// A name or an alias: DuckDB's label is right.
    Named,
    /// An expression: its text is the label.
    Text(String),
    /// Any number of columns.
    Star,
}

/// Words that end the select list at depth 0.
const ENDS: [&str; 14] = [
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "QUALIFY",
    "ORDER",
    "LIMIT",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "MINUS",
    "WINDOW",
    "FETCH",
    "OFFSET",
];

/// Words that end an expression but are no alias.
const NO_ALIAS: [&str; 5] = ["END", "NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP"];

/// Turns DuckDB's labels into Snowflake's.
pub(crate) fn labels(tokens: &[TokenWithSpan], duckdb: &[String]) -> Vec<String> {
    let mut labels: Vec<String> = duckdb.iter().map(|label| names::logical(label)).collect();
    let items = items(tokens);
    let star = items.iter().position(|item| *item == Item::Star);
    if star.is_none() && items.len() != labels.len() {
        return labels;
    }
    let before = star.unwrap_or(items.len());
    for (item, label) in items.iter().take(before).zip(labels.iter_mut()) {
        apply(item, label);
    }
    let from_the_end = items.iter().rev().zip(labels.iter_mut().rev());
    for (item, label) in from_the_end.take_while(|(item, _)| **item != Item::Star) {
        apply(item, label);
    }
    labels
}

fn apply(item: &Item, label: &mut String) {
    if let Item::Text(text) = item {
        text.clone_into(label);
    }
}

/// The select items of the first top-level SELECT.
fn items(tokens: &[TokenWithSpan]) -> Vec<Item> {
    let mut depth = 0_i32;
    let mut inside = false;
    let mut found = Vec::new();
    let mut current: Vec<&Token> = Vec::new();
    for token in tokens.iter().map(|token| &token.token) {
        let top = depth == 0;
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth -= 1,
            _ => {}
        }
        if !inside {
            inside = top && is_word(token, "SELECT");
            continue;
        }
        let word =
            matches!(token, Token::Word(word) if word.quote_style.is_none()) && !within(&current);
        if top
            && (*token == Token::SemiColon || (word && ENDS.iter().any(|end| is_word(token, end))))
        {
            break;
        }
        if top && *token == Token::Comma {
            found.push(item(&std::mem::take(&mut current)));
        } else {
            current.push(token);
        }
    }
    if inside {
        found.push(item(&current));
    }
    found
}

/// Whether the `GROUP` of `WITHIN GROUP` may be next.
fn within(tokens: &[&Token]) -> bool {
    let last = tokens
        .iter()
        .rev()
        .find(|token| !matches!(token, Token::Whitespace(_)));
    last.is_some_and(|token| is_word(token, "WITHIN"))
}

fn item(tokens: &[&Token]) -> Item {
    let blank = |token: &Token| matches!(token, Token::Whitespace(_) | Token::EOF);
    let leading =
        |token: &&&Token| blank(token) || is_word(token, "DISTINCT") || is_word(token, "ALL");
    let tokens = tokens
        .get(tokens.iter().take_while(leading).count()..)
        .unwrap_or_default();
    let significant: Vec<&Token> = tokens
        .iter()
        .copied()
        .filter(|token| !blank(token))
        .collect();
    match significant.as_slice() {
        [Token::Mul, ..] | [.., Token::Period, Token::Mul] => Item::Star,
        [_, Token::Period, Token::Mul, ..] => Item::Star,
        [Token::Word(word), Token::LParen, ..] if word.value.eq_ignore_ascii_case("COLUMNS") => {
            Item::Star
        }
        [.., Token::Period, Token::Word(_)]
            if significant
                .iter()
                .all(|token| matches!(token, Token::Word(_) | Token::Period)) =>
        {
            Item::Named
        }
        [Token::Word(word)] if !NO_ALIAS.contains(&word.value.to_uppercase().as_str()) => {
            Item::Named
        }
        [.., interval, _, Token::Word(_)] if is_word(interval, "INTERVAL") => {
            Item::Text(spelled(tokens))
        }
        [.., before, Token::Word(word)]
            if is_word(before, "AS")
                || (ends_operand(before)
                    && !NO_ALIAS.contains(&word.value.to_uppercase().as_str())) =>
        {
            Item::Named
        }
        _ => Item::Text(spelled(tokens)),
    }
}

fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_some()
                || ![
                    "NOT", "AND", "OR", "IS", "LIKE", "IN", "CASE", "ELSE", "THEN", "WHEN",
                ]
                .contains(&word.value.to_uppercase().as_str())
        }
        Token::RParen | Token::RBracket | Token::Number(..) | Token::SingleQuotedString(_) => true,
        _ => false,
    }
}

/// The expression's text as Snowflake labels it: upper case, texts and quoted names as written.
fn spelled(tokens: &[&Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Whitespace(_) => text.push(' '),
            Token::EOF => {}
            Token::Word(word) if word.quote_style.is_none() => {
                text.push_str(&word.value.to_uppercase())
            }
            other => text.push_str(&other.to_string()),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::tokenize;

    fn labelled(sql: &str, duckdb: &[&str]) -> Vec<String> {
        let duckdb: Vec<String> = duckdb.iter().map(|label| (*label).to_owned()).collect();
        labels(&tokenize(sql).unwrap(), &duckdb)
    }

    #[test]
    fn expressions_are_labelled_by_their_text() {
        assert_eq!(
            labelled(
                "select distinct count(*), sum(a)+1 x, t.b, 'it' as \"low\", max( c ) from t",
                &["count_star()", "X", "B", "low·7", "max(C)"]
            ),
            ["COUNT(*)", "X", "B", "low", "MAX( C )"]
        );
    }

    #[test]
    fn stars_leave_their_columns_alone() {
        assert_eq!(
            labelled("select 1, t.*, 2 from t", &["1", "A", "B", "2"]),
            ["1", "A", "B", "2"]
        );
        assert_eq!(
            labelled("select *, a + 1 from t", &["A", "(A + 1)"]),
            ["A", "A + 1"]
        );
        assert_eq!(
            labelled("with c as (select 1 y) select f(y) from c", &["f(Y)"]),
            ["F(Y)"]
        );
    }

    #[test]
    fn keywords_that_end_an_expression_are_no_alias() {
        assert_eq!(
            labelled("select case when a then 1 end, a is null", &["x", "y"]),
            ["CASE WHEN A THEN 1 END", "A IS NULL"]
        );
        assert_eq!(
            labelled(
                "select listagg(a) within group (order by a), interval 1 day",
                &["x", "y"]
            ),
            ["LISTAGG(A) WITHIN GROUP (ORDER BY A)", "INTERVAL 1 DAY"]
        );
    }
}
