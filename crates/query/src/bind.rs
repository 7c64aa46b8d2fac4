//! Binding: a statement's text with every relation replaced by a version.
//!
//! Text is spliced, never generated: what the client wrote reaches DuckDB byte for byte but for the
//! names of relations. A bound text names its versions by identity, so that a ticket can carry it to
//! another process; the engine's names are put in just before it runs.

use std::{ops::Range, sync::Arc};

use ducksync_core::{
    Error, Result,
    engine::{BoundRelation, QueryEngine},
    id::{DatasetId, RunId, SnapshotId},
    name::{TableName, quote},
    version::Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    scan::Tokens,
    tree::{Names, RelationRef},
};

/// A version as a ticket names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct VersionRef {
    pub(crate) dataset: DatasetId,
    pub(crate) run: RunId,
    /// A snapshot that shows it; `None` = only the transaction of this process does.
    pub(crate) snapshot: Option<SnapshotId>,
    pub(crate) name: TableName,
    pub(crate) places: bool,
}

/// A piece of a bound text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Piece {
    /// The client's text, or ours.
    Text(String),
    /// The place of a relation: an index into [`BoundText::relations`].
    Relation(usize),
}

/// A statement whose relations are versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BoundText {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) relations: Vec<VersionRef>,
}

/// What takes the place of a relation.
#[derive(Debug, Clone)]
pub(crate) enum Replacement {
    /// A version.
    Version(VersionRef),
    /// A bound query, put in brackets; with names for its columns if there are any.
    Query(BoundText, Vec<String>),
    /// A name in full, for the text of a view.
    Name(String),
    /// Nothing: the text stays (functions of DuckDB).
    Keep,
}

impl BoundText {
    /// A text of our own, without relations.
    pub(crate) fn plain(sql: impl Into<String>) -> Self {
        Self {
            pieces: vec![Piece::Text(sql.into())],
            relations: Vec::new(),
        }
    }

    /// Adds text.
    pub(crate) fn push_text(&mut self, text: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    /// Adds a relation.
    pub(crate) fn push_version(&mut self, version: VersionRef) {
        let known = self
            .relations
            .iter()
            .position(|relation| *relation == version);
        let index = known.unwrap_or_else(|| {
            self.relations.push(version);
            self.relations.len() - 1
        });
        self.pieces.push(Piece::Relation(index));
    }

    /// Adds another bound text.
    pub(crate) fn push(&mut self, other: &Self) {
        for piece in &other.pieces {
            match piece {
                Piece::Text(text) => self.push_text(text),
                Piece::Relation(index) => {
                    if let Some(version) = other.relations.get(*index) {
                        self.push_version(version.clone());
                    }
                }
            }
        }
    }

    /// The text for the engine, with the names of these versions (in the order of `relations`).
    pub(crate) fn render(
        &self,
        engine: &dyn QueryEngine,
        versions: &[Arc<Version>],
    ) -> (String, Vec<BoundRelation>) {
        let relations: Vec<_> = self
            .relations
            .iter()
            .zip(versions)
            .map(|(relation, version)| BoundRelation {
                version: version.clone(),
                places: relation.places,
            })
            .collect();
        let mut sql = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => sql.push_str(text),
                Piece::Relation(index) => {
                    if let Some(bound) = relations.get(*index) {
                        sql.push_str(&quote(&engine.relation_name(&bound.version, bound.places)));
                    }
                }
            }
        }
        (sql, relations)
    }
}

/// Replaces the relations of `sql`; `replacements` are those of `names.relations`, in order.
///
/// # Errors
/// `InvalidArgument` if the tree and the text do not agree on where a relation stands.
pub(crate) fn splice(
    sql: &str,
    names: &Names,
    replacements: Vec<Replacement>,
) -> Result<BoundText> {
    let tokens = Tokens::scan(sql)?;
    let mut cuts: Vec<(Range<usize>, BoundText)> = Vec::new();
    for (relation, replacement) in names.relations.iter().zip(replacements) {
        if let Some(text) = replaced(relation, replacement) {
            cuts.push((span(&tokens, relation)?, text));
        }
    }
    for column in &names.columns {
        if let Some(cut) = shortened(&tokens, names, column) {
            cuts.push(cut);
        }
    }
    cuts.sort_by_key(|(range, _)| range.start);
    let mut bound = BoundText::default();
    let mut at = 0;
    for (range, text) in cuts {
        let between = sql
            .get(at..range.start)
            .ok_or_else(|| Error::internal("relations of a statement overlap in its text"))?;
        bound.push_text(between);
        bound.push(&text);
        at = range.end;
    }
    let end = tokens.end_before(tokens.end()).max(at);
    bound.push_text(&sql[at..end]);
    Ok(bound)
}

fn replaced(relation: &RelationRef, replacement: Replacement) -> Option<BoundText> {
    let alias = |columns: &[String]| {
        let Some(name) = relation.parts.last().filter(|_| !relation.aliased) else {
            return String::new();
        };
        let columns: Vec<_> = columns.iter().map(|column| quote(column)).collect();
        match columns.is_empty() {
            true => format!(" AS {}", quote(name)),
            false => format!(" AS {}({})", quote(name), columns.join(", ")),
        }
    };
    let mut text = BoundText::default();
    match replacement {
        Replacement::Keep => return None,
        Replacement::Name(name) => {
            text.push_text(&name);
            text.push_text(&alias(&[]));
        }
        Replacement::Version(version) => {
            text.push_version(version);
            text.push_text(&alias(&[]));
        }
        Replacement::Query(query, columns) if relation.aliased && !columns.is_empty() => {
            let columns: Vec<_> = columns.iter().map(|column| quote(column)).collect();
            text.push_text("(SELECT * FROM (");
            text.push(&query);
            text.push_text(&format!(") AS renamed({}))", columns.join(", ")));
        }
        Replacement::Query(query, columns) => {
            text.push_text("(");
            text.push(&query);
            text.push_text(")");
            text.push_text(&alias(&columns));
        }
    }
    Some(text)
}

/// Where a relation stands: its name, its arguments if it is a function, its AT clause.
fn span(tokens: &Tokens<'_>, relation: &RelationRef) -> Result<Range<usize>> {
    let first = tokens.index_at(relation.location);
    let lost = || {
        Error::invalid(format!(
            "relation {} cannot be used in this place",
            relation.parts.join(".")
        ))
    };
    // A text literal as a relation (`FROM 'file'`) has no name here and is refused before.
    let (parts, mut next) = tokens.name(first).ok_or_else(lost)?;
    if tokens.start(first) != relation.location || !ends_alike(&parts, &relation.parts) {
        return Err(lost());
    }
    if relation.call.is_some() && tokens.is_symbol(next, b'(') {
        next = tokens.behind_bracket(next)?;
    }
    if relation.at.is_some() && tokens.is_word(next, "at") {
        next = tokens.behind_bracket(next + 1)?;
    }
    Ok(relation.location..tokens.end_before(next))
}

fn ends_alike(text: &[String], tree: &[String]) -> bool {
    text.last().map(|name| name.to_lowercase()) == tree.last().map(|name| name.to_lowercase())
}

/// A column reference `s.t.k` becomes `"t"."k"`, since the relation is now known as `t`.
fn shortened(
    tokens: &Tokens<'_>,
    names: &Names,
    column: &crate::tree::QualifiedColumn,
) -> Option<(Range<usize>, BoundText)> {
    let folded = |parts: &[String]| parts.iter().map(|p| p.to_lowercase()).collect::<Vec<_>>();
    let parts = folded(&column.parts);
    let relation = names
        .relations
        .iter()
        .filter(|r| !r.aliased && r.parts.len() > 1)
        .find(|r| {
            let name = folded(&r.parts);
            (0..name.len() - 1).any(|skip| parts.starts_with(&name[skip..]))
        })?;
    let name = folded(&relation.parts);
    let skip = (0..name.len() - 1).find(|skip| parts.starts_with(&name[*skip..]))?;
    let used = name.len() - skip;
    let first = tokens.index_at(column.location);
    let (_, behind) = tokens.name(first)?;
    let kept: Vec<_> = column.parts[used - 1..]
        .iter()
        .map(|part| quote(part))
        .collect();
    let range = tokens.start(first)..tokens.end_before(behind);
    Some((range, BoundText::plain(kept.join("."))))
}
