//! Which objects are views, and what defines them: read by SHOW, which needs no warehouse.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ducksync_core::{
    error::{Error, FailureClass, Result},
    name::{ObjectName, quote},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::{
    answer::{self, Table},
    failure,
    names::{covering_pattern, literal},
    session::Session,
    settings::Options,
    statement::Manner,
};

/// The most rows that one SHOW returns.
const PAGE: usize = 10_000;
/// Schemas that are asked about at the same time.
const SIDE_BY_SIDE: usize = 4;

/// The hash of the definition of each of `objects` that is a view.
pub(super) async fn definitions(
    session: &Arc<Session>,
    objects: &[ObjectName],
    manner: &Manner,
    options: Options,
) -> Result<HashMap<ObjectName, String>> {
    let mut schemas: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for object in objects {
        let schema = (object.database.clone(), object.schema.clone());
        schemas
            .entry(schema)
            .or_default()
            .insert(object.name.clone());
    }
    let listings: Vec<_> = schemas
        .into_iter()
        .map(|(schema, names)| in_schema(session.clone(), schema, names, manner.clone(), options))
        .collect();
    let listings = stream::iter(listings).buffered(SIDE_BY_SIDE);
    let found: Vec<_> = listings.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn in_schema(
    session: Arc<Session>,
    (database, schema): (String, String),
    names: BTreeSet<String>,
    manner: Manner,
    options: Options,
) -> Result<Vec<(ObjectName, String)>> {
    // One name is asked for; of several, the whole schema is listed once. Either way the answer may
    // hold more, and is matched exactly (C-9).
    let like = match names.iter().next() {
        Some(name) if names.len() == 1 => format!(" LIKE {}", covering_pattern(name)),
        _ => String::new(),
    };
    let place = format!("{}.{}", quote(&database), quote(&schema));
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let sql = format!("SHOW VIEWS{like} IN SCHEMA {place} LIMIT {PAGE}{after}");
        let table = answer::table(&session, &sql, &manner, options).await;
        let table = table.map_err(|error| unlisted(&place, error))?;
        let last = gather(&table, &names, &mut found)?;
        let Some(last) = last.filter(|_| table.rows.len() >= PAGE) else {
            break;
        };
        let next = format!(" FROM {}", literal(&last));
        if next == after {
            return Err(Error::data_loss(format!(
                "snowflake lists the views of {place} in circles"
            )));
        }
        after = next;
    }
    let named = |(name, hash)| {
        let object = ObjectName {
            database: database.clone(),
            schema: schema.clone(),
            name,
        };
        (object, hash)
    };
    Ok(found.into_iter().map(named).collect())
}

/// A schema that cannot be listed is a missing dependency, not a wrong statement of the user's.
fn unlisted(place: &str, error: Error) -> Error {
    if !failure::is_rejection(&error) {
        return error;
    }
    let message = format!("the views of {place} cannot be listed: {}", error.message());
    Error::new(error.kind(), message)
        .with_class(FailureClass::Dependency)
        .with_remedy("check that the schema exists and that the secret's role may use it")
        .with_source(error)
}

/// Keeps the views that were asked for; answers the last name of the page.
fn gather(
    table: &Table,
    names: &BTreeSet<String>,
    found: &mut Vec<(String, String)>,
) -> Result<Option<String>> {
    if table.rows.is_empty() {
        return Ok(None);
    }
    let (name, text) = (table.column("name")?, table.column("text")?);
    let created = table.column("created_on")?;
    for row in &table.rows {
        let cell = |at: usize| row.get(at).and_then(Option::as_deref);
        let Some(view) = cell(name).filter(|view| names.contains(*view)) else {
            continue;
        };
        // The text of another's secure view is hidden; the time of its making then stands for it.
        let definition = match cell(text).filter(|text| !text.is_empty()) {
            Some(text) => format!("text:{text}"),
            None => format!("created:{}", cell(created).unwrap_or_default()),
        };
        found.push((view.to_owned(), hash(&definition)));
    }
    Ok(table.rows.last().and_then(|row| row.get(name)?.clone()))
}

fn hash(definition: &str) -> String {
    Sha256::digest(definition)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 3]) -> Vec<Option<String>> {
        cells.map(|cell| Some(cell.to_owned())).to_vec()
    }

    #[test]
    fn c9_views_are_matched_exactly_and_hashed_by_their_text() {
        let table = Table {
            columns: ["created_on", "name", "text"].map(str::to_owned).to_vec(),
            rows: vec![
                row(["1", "A_B", "select 1"]),
                row(["2", "AXB", "select 2"]),
                row(["3", "a_b", "select 3"]),
                row(["4", "SECRET", ""]),
            ],
        };
        let mut found = Vec::new();
        let last = gather(
            &table,
            &BTreeSet::from(["A_B", "SECRET"].map(str::to_owned)),
            &mut found,
        )
        .unwrap();
        assert_eq!(last.as_deref(), Some("SECRET"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], ("A_B".to_owned(), hash("text:select 1")));
        assert_eq!(found[1].1, hash("created:4"));
    }
}
