//! Canonical forms: of whole statements (V-5c, V-10) and of the conditions of a filter (V-5d).

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
};

use ducksync_core::name::ObjectName;
use sqlparser::{
    ast::{BinaryOperator, Expr, Ident, VisitMut, VisitorMut},
    dialect::SnowflakeDialect,
    keywords::ALL_KEYWORDS,
    tokenizer::{Token, Tokenizer, Word},
};

use crate::dialect::{Place, SourceQuery, folded};

use super::stability;

/// The tokens of a statement without blanks and comments, words folded, and each relation by its full
/// identity. Two statements with equal forms say the same.
///
/// `None` if the text cannot be read, or a relation's identity is not among `objects`.
pub(super) fn canonical(
    query: &SourceQuery,
    objects: &HashMap<Place, ObjectName>,
) -> Option<Vec<String>> {
    let tokens = Tokenizer::new(&SnowflakeDialect {}, &query.sql)
        .tokenize_with_location()
        .ok()?;
    let mut tokens = tokens
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)));
    let mut form = Vec::new();
    while let Some(token) = tokens.next() {
        let at = (token.span.start.line, token.span.start.column);
        let relation = query.relations.iter().find(|relation| relation.place == at);
        match relation {
            Some(relation) => {
                // A name of n parts is n words and the points between them.
                for _ in 0..2 * (relation.parts.len() - 1) {
                    tokens.next();
                }
                form.push(format!("relation {}", objects.get(&at)?.quoted()));
            }
            None => form.push(match &token.token {
                Token::Word(word) => word_form(word),
                other => other.to_string(),
            }),
        }
    }
    while form.last().is_some_and(|token| token == ";") {
        form.pop();
    }
    Some(form)
}

/// A quoted name that folding would not change is the same name unquoted, unless it is a keyword.
fn word_form(word: &Word) -> String {
    if word.quote_style.is_none() {
        return word.value.to_uppercase();
    }
    let mut bytes = word.value.bytes();
    let head = bytes
        .next()
        .is_some_and(|b| b.is_ascii_uppercase() || b == b'_');
    let plain = head && bytes.all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    match plain && ALL_KEYWORDS.binary_search(&word.value.as_str()).is_err() {
        true => word.value.clone(),
        false => word.to_string(),
    }
}

/// The conditions that `filter` demands of the relation called `exposed` alone, in canonical form: its
/// columns by their bare exact names. `sole` = there is no other relation whose a bare name could be.
pub(crate) fn conjuncts_of(filter: &Expr, exposed: Option<&str>, sole: bool) -> BTreeSet<String> {
    let mut conjuncts = BTreeSet::new();
    split(filter, &mut |part| {
        conjuncts.extend(conjunct(part, exposed, sole));
    });
    conjuncts
}

/// Calls `found` for every part of a conjunction.
fn split(filter: &Expr, found: &mut dyn FnMut(&Expr)) {
    match filter {
        Expr::Nested(inner) => split(inner, found),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            split(left, found);
            split(right, found);
        }
        other => found(other),
    }
}

/// How many conditions a filter has.
pub(super) fn conjunct_count(filter: &Expr) -> usize {
    let mut forms = BTreeSet::new();
    let mut count = 0;
    split(filter, &mut |part| {
        count += usize::from(forms.insert(part.to_string()));
    });
    count
}

/// One condition; `None` if it is about another relation, holds a subquery, or is not the same at all
/// times.
fn conjunct(part: &Expr, exposed: Option<&str>, sole: bool) -> Option<String> {
    if !stability::is_stable(part) {
        return None;
    }
    let mut part = in_order(part.clone());
    let mut names = Names { exposed, sole };
    match part.visit(&mut names) {
        ControlFlow::Continue(()) => Some(part.to_string()),
        ControlFlow::Break(()) => None,
    }
}

/// A comparison with its literal on the right.
fn in_order(part: Expr) -> Expr {
    let Expr::BinaryOp { left, op, right } = part else {
        return part;
    };
    let turned = match op {
        BinaryOperator::Eq => Some(BinaryOperator::Eq),
        BinaryOperator::NotEq => Some(BinaryOperator::NotEq),
        BinaryOperator::Lt => Some(BinaryOperator::Gt),
        BinaryOperator::LtEq => Some(BinaryOperator::GtEq),
        BinaryOperator::Gt => Some(BinaryOperator::Lt),
        BinaryOperator::GtEq => Some(BinaryOperator::LtEq),
        _ => None,
    };
    match (turned, &*left, &*right) {
        (Some(op), Expr::Value(_) | Expr::TypedString(_), right)
            if !matches!(right, Expr::Value(_) | Expr::TypedString(_)) =>
        {
            Expr::BinaryOp {
                left: Box::new(right.clone()),
                op,
                right: left,
            }
        }
        _ => Expr::BinaryOp { left, op, right },
    }
}

/// Brings column names to their bare exact form.
struct Names<'a> {
    exposed: Option<&'a str>,
    sole: bool,
}

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut sqlparser::ast::Query) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let name = match expr {
            Expr::Identifier(name) if self.sole => folded(name),
            Expr::Identifier(_) => return ControlFlow::Break(()),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, name] if Some(folded(relation).as_str()) == self.exposed => folded(name),
                _ => return ControlFlow::Break(()),
            },
            Expr::Function(function) => {
                for part in &mut function.name.0 {
                    if let sqlparser::ast::ObjectNamePart::Identifier(name) = part {
                        *name = Ident::new(folded(name));
                    }
                }
                return ControlFlow::Continue(());
            }
            _ => return ControlFlow::Continue(()),
        };
        *expr = Expr::Identifier(Ident::with_quote('"', name));
        ControlFlow::Continue(())
    }
}
