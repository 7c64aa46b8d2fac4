//! Column definitions.

use std::ops::Range;

use ducksync_core::{
    Error, Result,
    engine::{BoundStatement, QueryEngine},
    types::{Field, LakeType},
};

use crate::scan::Tokens;

/// A name alone, as before AS.
pub(super) fn name_alone(tokens: &Tokens<'_>, part: Range<usize>) -> Result<Field> {
    match tokens.identifier(part.start) {
        Some(name) if part.len() == 1 => Ok(Field::new(name, LakeType::Varchar)),
        _ => Err(Error::invalid(format!(
            "{:?} is not a column name",
            tokens.slice(part.start, part.end)
        ))),
    }
}

/// `name TYPE [NOT NULL] [NULL] [DEFAULT literal]`.
pub(super) async fn column(
    engine: &dyn QueryEngine,
    tokens: &Tokens<'_>,
    part: Range<usize>,
) -> Result<Field> {
    let name = tokens.identifier(part.start).ok_or_else(|| {
        Error::invalid(format!(
            "{:?} is not a column",
            tokens.slice(part.start, part.end)
        ))
    })?;
    for clause in [
        "primary",
        "unique",
        "check",
        "foreign",
        "constraint",
        "references",
        "generated",
        "collate",
    ] {
        let found = tokens.find(part.start, |t, i| t.is_word(i, clause))?;
        let table_clause = found == part.start && part.len() > 2;
        if found < part.end && (found > part.start || table_clause && clause != "check") {
            return Err(Error::invalid(format!(
                "{} is not offered on lake tables",
                clause.to_uppercase()
            ))
            .with_remedy("NOT NULL and DEFAULT with a literal are"));
        }
    }
    let ends_type = |t: &Tokens<'_>, i: usize| {
        t.are_words(i, &["not", "null"]) || t.is_word(i, "null") || t.is_word(i, "default")
    };
    let type_end = tokens.find(part.start + 1, ends_type)?.min(part.end);
    let lake_type = column_type(engine, &name, tokens.slice(part.start + 1, type_end)).await?;
    let mut field = Field::new(name, lake_type);
    let mut at = type_end;
    while at < part.end {
        if tokens.are_words(at, &["not", "null"]) {
            field.nullable = false;
            at += 2;
        } else if tokens.is_word(at, "null") {
            at += 1;
        } else if tokens.is_word(at, "default") {
            let end = tokens
                .find(at + 1, |t, i| t.are_words(i, &["not", "null"]))?
                .min(part.end);
            field.default = default(engine, &field, tokens.slice(at + 1, end)).await?;
            at = end;
        } else {
            let rest = tokens.slice(at, part.end);
            return Err(Error::invalid(format!(
                "{rest:?} is not offered for a column"
            )));
        }
    }
    Ok(field)
}

/// The lake type of a type's text; DuckDB says what the text means.
async fn column_type(engine: &dyn QueryEngine, name: &str, text: &str) -> Result<LakeType> {
    if text.is_empty() {
        return Err(Error::invalid(format!("column {name} has no type")));
    }
    let sql = format!("SELECT CAST(NULL AS {text}) AS x");
    // The text stands in a cast: a parser that sees more than one column saw more than a type.
    let described = engine
        .describe(&BoundStatement::plain(sql))
        .await
        .map_err(|error| Error::invalid(format!("column {name}: {}", error.message())))?;
    match described.columns.as_ref() {
        [column] if column.name == "x" => Ok(column.lake_type.clone()),
        _ => Err(Error::invalid(format!(
            "column {name}: {text:?} is not a type"
        ))),
    }
}

/// The literal of a DEFAULT in DuckDB's text form; NULL is none.
async fn default(engine: &dyn QueryEngine, field: &Field, text: &str) -> Result<Option<String>> {
    use arrow::array::{Array, AsArray};
    let literal = Tokens::scan(text)?;
    let words = (0..literal.list.len())
        .filter(|i| literal.identifier(*i).is_some())
        .count();
    let call = (0..literal.list.len()).any(|i| literal.is_symbol(i, b'('));
    let refused = || {
        Error::invalid(format!(
            "column {}: DEFAULT takes a literal, not {text:?}",
            field.name
        ))
    };
    if call || words > 2 {
        return Err(refused());
    }
    let ty = field.lake_type.duckdb_sql();
    let sql = format!("SELECT CAST(CAST(({text}) AS {ty}) AS VARCHAR) AS x");
    let stream = engine
        .execute(BoundStatement::plain(sql))
        .await
        .map_err(|_| refused())?;
    let batches = stream.collect().await.map_err(|_| refused())?;
    let [batch] = batches.as_slice() else {
        return Err(refused());
    };
    let value = batch.column(0).as_string_opt::<i32>().ok_or_else(refused)?;
    Ok((!value.is_null(0)).then(|| value.value(0).to_owned()))
}
