//! What column names mean inside a SELECT.
//!
//! A copy may hold fewer columns than its table. So a name is only taken for a column where no relation
//! that it could also mean may have one of that name at the source.

use ducksync_core::name::quote;
use sqlparser::ast::Ident;

use super::{Column, Moving, Place, Stop, folded, stop, types::Type};

/// A relation in FROM.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// By which the statement calls it, folded; `None` = a subquery without a name.
    pub(super) exposed: Option<String>,
    /// By which the moved text calls it.
    pub(super) alias: String,
    pub(super) columns: Vec<Column>,
    /// The relation's place, if it is one of the statement and may have more columns at the source.
    pub(super) partial: Option<Place>,
}

/// The relations of one SELECT and of those around it.
pub(super) struct Scope<'a> {
    pub(super) outer: Option<&'a Scope<'a>>,
    pub(super) relations: Vec<Bound>,
    /// Names that the SELECT gives to its columns: Snowflake would take them for columns elsewhere too.
    pub(super) labels: Vec<String>,
}

/// A moved expression: its text, its type, and what it is if it is a text literal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Typed {
    pub(super) sql: String,
    pub(super) ty: Type,
    pub(super) literal: Option<String>,
}

impl Typed {
    pub(super) fn new(sql: impl Into<String>, ty: Type) -> Self {
        Self {
            sql: sql.into(),
            ty,
            literal: None,
        }
    }
}

impl Bound {
    fn column(&self, name: &str) -> Option<Typed> {
        let column = self.columns.iter().find(|column| column.name == name)?;
        let sql = format!("{}.{}", quote(&self.alias), quote(&column.here));
        Some(Typed::new(sql, column.ty.clone()))
    }
}

impl Scope<'_> {
    /// The column that these parts name.
    pub(super) fn column(&self, parts: &[Ident]) -> Moving<Typed> {
        match parts {
            [name] => self.bare(&folded(name)),
            [relation, name] => self.qualified(&folded(relation), &folded(name)),
            _ => {
                let parts: Vec<_> = parts.iter().map(|part| part.value.as_str()).collect();
                stop(format!("column {} named with its schema", parts.join(".")))
            }
        }
    }

    fn bare(&self, name: &str) -> Moving<Typed> {
        let found: Vec<_> = self
            .relations
            .iter()
            .filter_map(|relation| relation.column(name))
            .collect();
        let unsure = self
            .relations
            .iter()
            .filter(|relation| relation.column(name).is_none())
            .find_map(|relation| relation.partial);
        match (found.as_slice(), unsure) {
            (_, Some(place)) => Err(Stop::Column(place, name.to_owned())),
            ([_], None) if self.labels.iter().any(|label| label == name) => {
                stop(format!("{name}, which is both an alias and a column"))
            }
            ([column], None) => Ok(column.clone()),
            ([], None) if self.labels.iter().any(|label| label == name) => {
                stop(format!("{name}, an alias used as a column"))
            }
            ([], None) => match self.outer {
                Some(outer) => outer.bare(name),
                None => stop(format!("column {name}, which is not there")),
            },
            _ => stop(format!("column {name}, which several relations have")),
        }
    }

    fn qualified(&self, relation: &str, name: &str) -> Moving<Typed> {
        let mut named = self
            .relations
            .iter()
            .filter(|bound| bound.exposed.as_deref() == Some(relation));
        match (named.next(), named.next(), self.outer) {
            (Some(bound), None, _) => match (bound.column(name), bound.partial) {
                (Some(column), _) => Ok(column),
                (None, Some(place)) => Err(Stop::Column(place, name.to_owned())),
                (None, None) => stop(format!("column {relation}.{name}, which is not there")),
            },
            (Some(_), Some(_), _) => stop(format!("{relation}, a name of two relations")),
            (None, _, Some(outer)) => outer.qualified(relation, name),
            (None, _, None) => stop(format!("relation {relation}, which is not there")),
        }
    }
}
