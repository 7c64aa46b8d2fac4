//! What SHOW lists of a schema's objects, matched exactly (C-9). No warehouse is needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ducksync_core::{
    error::{Error, FailureClass, Result},
    name::{ObjectName, quote},
};
use futures::{StreamExt as _, stream};

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

/// A schema by database and name.
type Schema = (String, String);

/// What to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// Tables.
    Tables,
    /// Views.
    Views,
}

/// What is listed of the objects of one schema that were asked for: by name, the cells asked for.
pub(super) type Found = BTreeMap<String, Vec<Option<String>>>;

/// The listings of many objects, schema by schema.
#[derive(Debug)]
pub(super) struct Listing {
    schemas: BTreeMap<Schema, Result<Found>>,
}

impl Listing {
    /// The cells of an object; `None` if it is not listed.
    ///
    /// # Errors
    /// Of class DEPENDENCY if its schema cannot be listed.
    pub(super) fn of(&self, object: &ObjectName) -> Result<Option<&[Option<String>]>> {
        let schema = (object.database.clone(), object.schema.clone());
        match self.schemas.get(&schema) {
            Some(Ok(found)) => Ok(found.get(&object.name).map(Vec::as_slice)),
            Some(Err(error)) => Err(error.duplicate()),
            None => Ok(None),
        }
    }
}

/// Lists those of `objects` that are of that kind, with these columns of each.
///
/// # Errors
/// What keeps anything from being listed; a schema that cannot be listed is the error of its objects.
pub(super) async fn list(
    session: &Arc<Session>,
    objects: &[ObjectName],
    listed: Listed,
    columns: &'static [&'static str],
    manner: &Manner,
    options: Options,
) -> Result<Listing> {
    let mut names: BTreeMap<Schema, BTreeSet<String>> = BTreeMap::new();
    for object in objects {
        let schema = (object.database.clone(), object.schema.clone());
        names.entry(schema).or_default().insert(object.name.clone());
    }
    let listings: Vec<_> = names
        .into_iter()
        .map(|(schema, names)| {
            let request = Request {
                session: session.clone(),
                listed,
                columns,
                manner: manner.clone(),
                options,
            };
            async move { (schema.clone(), request.run(&schema, &names).await) }
        })
        .collect();
    let mut schemas = BTreeMap::new();
    let mut listings = stream::iter(listings).buffered(SIDE_BY_SIDE);
    while let Some((schema, found)) = listings.next().await {
        match found {
            Err(error) if !failure::is_rejection(&error) => return Err(error),
            Err(error) => schemas.insert(schema.clone(), Err(unlisted(listed, &schema, error))),
            Ok(found) => schemas.insert(schema, Ok(found)),
        };
    }
    Ok(Listing { schemas })
}

struct Request {
    session: Arc<Session>,
    listed: Listed,
    columns: &'static [&'static str],
    manner: Manner,
    options: Options,
}

impl Request {
    async fn run(&self, schema: &Schema, names: &BTreeSet<String>) -> Result<Found> {
        // One name is asked for; of several, the whole schema is listed once. Either way the answer
        // may hold more, and is matched exactly.
        let like = match names.iter().next() {
            Some(name) if names.len() == 1 => format!(" LIKE {}", covering_pattern(name)),
            _ => String::new(),
        };
        let (place, what) = (place(schema), self.listed.word());
        let mut found = Found::new();
        let mut after = String::new();
        loop {
            let sql = format!("SHOW {what}{like} IN SCHEMA {place} LIMIT {PAGE}{after}");
            let table = answer::table(&self.session, &sql, &self.manner, self.options).await?;
            let last = gather(&table, names, self.columns, &mut found)?;
            let Some(last) = last.filter(|_| table.rows.len() >= PAGE) else {
                return Ok(found);
            };
            let next = format!(" FROM {}", literal(&last));
            if next == after {
                let text = format!("snowflake lists the {what} of {place} in circles");
                return Err(Error::data_loss(text.to_lowercase()));
            }
            after = next;
        }
    }
}

/// Keeps what was asked for; answers the last name of the page.
fn gather(
    table: &Table,
    names: &BTreeSet<String>,
    columns: &[&str],
    found: &mut Found,
) -> Result<Option<String>> {
    if table.rows.is_empty() {
        return Ok(None);
    }
    let name = table.column("name")?;
    let columns: Vec<_> = columns
        .iter()
        .map(|column| table.column(column))
        .collect::<Result<_>>()?;
    for row in &table.rows {
        let cell = |at: usize| row.get(at).cloned().flatten();
        if let Some(name) = cell(name).filter(|name| names.contains(name)) {
            found.insert(name, columns.iter().map(|at| cell(*at)).collect());
        }
    }
    Ok(table.rows.last().and_then(|row| row.get(name)?.clone()))
}

impl Listed {
    fn word(self) -> &'static str {
        match self {
            Self::Tables => "TABLES",
            Self::Views => "VIEWS",
        }
    }
}

fn place((database, schema): &Schema) -> String {
    format!("{}.{}", quote(database), quote(schema))
}

/// A schema that cannot be listed is a missing dependency, not a wrong statement of the user's.
fn unlisted(listed: Listed, schema: &Schema, error: Error) -> Error {
    let (what, place) = (listed.word().to_lowercase(), place(schema));
    let message = format!(
        "the {what} of {place} cannot be listed: {}",
        error.message()
    );
    Error::new(error.kind(), message)
        .with_class(FailureClass::Dependency)
        .with_remedy("check that the schema exists and that the secret's role may use it")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c9_what_is_listed_is_matched_exactly() {
        let row = |cells: [&str; 3]| cells.map(|cell| Some(cell.to_owned())).to_vec();
        let table = Table {
            columns: ["created_on", "name", "text"].map(str::to_owned).to_vec(),
            rows: vec![
                row(["1", "A_B", "select 1"]),
                row(["2", "AXB", "select 2"]),
                row(["3", "a_b", "select 3"]),
                row(["4", "OTHER", ""]),
            ],
        };
        let mut found = Found::new();
        let names = BTreeSet::from(["A_B", "NONE"].map(str::to_owned));
        let last = gather(&table, &names, &["text", "created_on"], &mut found).unwrap();
        assert_eq!(
            last.as_deref(),
            Some("OTHER"),
            "from where the next page goes on"
        );
        let cells = ["select 1", "1"].map(|cell| Some(cell.to_owned())).to_vec();
        assert_eq!(found, Found::from([("A_B".to_owned(), cells)]));
    }
}
