//! Snowflake's dialect: reading its statements, and moving those to DuckDB that mean the same there.
//!
//! A statement moves only if every construct in it is on a list, is computed on types whose behaviour
//! is known, and yields what Snowflake would have yielded: the same values, result types, names and
//! order (V-7). What the statement becomes is written anew, with every column qualified, every order of
//! NULLs said and every computed type cast, so that nothing is left to DuckDB's own habits. Anything
//! else stops the move with the construct's name. No list of what differs is kept: what is not known to
//! agree does not move.
//!
//! Deliberately absent: anything that depends on session parameters, on time or on chance; and
//! emulations, which would make almost equal what must be equal.

mod aggregates;
mod casts;
mod dates;
mod expression;
mod from;
mod functions;
mod list;
mod numbers;
mod order;
mod predicates;
mod scope;
mod select;
mod source_query;
mod text;
mod types;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use ducksync_core::types::Field;

use crate::bind::Piece;

pub(crate) use list::known_label;
pub(crate) use order::{direction, ordinal};
pub(crate) use source_query::{Place, SourceQuery, folded};
pub(crate) use types::Type;

use select::Output;

/// Stands around the number of a relation in moved text; no text that holds it is moved.
const MARK: char = '\u{e000}';

/// Why a statement does not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// This construct is not on the list.
    Construct(String),
    /// The relation at that place may have this column at the source, and has it not here.
    Column(Place, String),
    /// Only the source can tell the type of this result column.
    Type(String),
}

/// The result of moving a part.
pub(crate) type Moving<T> = Result<T, Stop>;

/// A stop at `construct`.
fn stop<T>(construct: impl Into<String>) -> Moving<T> {
    Err(Stop::Construct(construct.into()))
}

/// A column of a relation that a statement may name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// Its name at the source.
    pub(crate) name: String,
    /// Its name here.
    pub(crate) here: String,
    /// Its type.
    pub(crate) ty: Type,
}

/// What stands for a relation of the statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stand {
    /// Its columns, in order.
    pub(crate) columns: Vec<Column>,
    /// Whether these are all columns that the relation has at the source.
    pub(crate) complete: bool,
}

/// A moved statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Its text; a relation is an index into `relations`.
    pub(crate) pieces: Vec<Piece>,
    /// Where the statement names the relations of the text.
    pub(crate) relations: Vec<Place>,
}

/// Where the types of results come from that a copy cannot tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Types<'a> {
    /// They are not known.
    Unknown,
    /// The source describes the result so.
    Told(&'a [Field]),
    /// No source could answer the statement, so that any type that holds the values will do.
    Free,
}

/// Moves a statement whose relations are replaced by `stands`.
///
/// # Errors
/// The first construct that does not move, a column that a stand lacks, or a type that must be told.
pub(crate) fn moved(
    query: &SourceQuery,
    stands: &HashMap<Place, Stand>,
    types: Types<'_>,
) -> Moving<Moved> {
    if query.sql.contains(['\\', MARK, '\0']) {
        return stop("a text with a backslash or a control character");
    }
    let mut mover = Mover {
        sql: &query.sql,
        stands,
        types,
        relations: Vec::new(),
        ctes: Vec::new(),
        aliases: 0,
    };
    let result = mover.query(&query.query, None, true)?;
    if let Types::Told(told) = types
        && !agree(&result.outputs, told)
    {
        return stop("a result that the source describes otherwise");
    }
    Ok(Moved {
        pieces: pieces(&result.sql),
        relations: mover.relations,
    })
}

/// One statement being moved.
struct Mover<'a> {
    sql: &'a str,
    stands: &'a HashMap<Place, Stand>,
    types: Types<'a>,
    relations: Vec<Place>,
    /// CTEs in scope, the innermost query's last.
    ctes: Vec<from::Cte>,
    aliases: usize,
}

impl Mover<'_> {
    /// A name that nothing else in the moved text has.
    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("r{}", self.aliases)
    }
}

/// Whether names, and types as far as they are known here, are those that the source describes.
fn agree(outputs: &[Output], told: &[Field]) -> bool {
    let same = |(output, field): (&Output, &Field)| {
        let ty = output.ty.lake_type();
        output.label == field.name && ty.is_none_or(|ty| ty == field.lake_type)
    };
    outputs.len() == told.len() && outputs.iter().zip(told).all(same)
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (index, part) in text.split(MARK).enumerate() {
        match (index % 2, part.parse()) {
            (1, Ok(relation)) => pieces.push(Piece::Relation(relation)),
            _ => pieces.push(Piece::Text(part.to_owned())),
        }
    }
    pieces
}
