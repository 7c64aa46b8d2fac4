//! The time of last alteration, of tables; views are expanded to the tables that they read, because
//! their own time tells of their definition only.
//!
//! Never trusted: the time of anything that is still a view after expansion (a secure or materialized
//! one). The information schema needs a warehouse, so one statement asks for all of a database.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ducksync_core::{
    error::{Error, FailureClass, Result},
    name::{ObjectName, quote},
    source::{ObjectState, VersionToken},
};

use super::{States, lacking};
use crate::snowflake::{
    answer, batch::Answers, explain, failure, names::literal, session::Session, settings::Options,
    statement::Manner, views::Definitions,
};

/// Tables that one statement asks about.
const BATCH: usize = 1000;

/// What the information schema says of each table.
type Times = BTreeMap<ObjectName, Result<Option<String>>>;

/// The times of all objects.
pub(in crate::snowflake) async fn last_altered(
    session: &Arc<Session>,
    objects: &[ObjectName],
    manner: &Manner,
    options: Options,
) -> Result<States> {
    let definitions = Definitions::read(session, objects, manner, options).await?;
    let views: Vec<_> = objects
        .iter()
        .filter(|object| matches!(definitions.of(object), Ok(Some(_))))
        .cloned()
        .collect();
    let read = tables_of(session, &views, manner, options).await?;
    let plain = objects.iter().filter(|object| !read.contains_key(object));
    let expanded = read.values().filter_map(|tables| tables.as_ref().ok());
    let asked: BTreeSet<_> = plain.chain(expanded.flatten()).cloned().collect();
    let times = times(session, asked, manner, options).await?;
    let state = |object: &ObjectName| {
        let tables = match read.get(object) {
            Some(Ok(tables)) => Some(tables.as_slice()),
            Some(Err(error)) => return Err(error.duplicate()),
            None => None,
        };
        Ok(ObjectState {
            object: object.clone(),
            view_definition: definitions.of(object)?,
            token: token(object, tables, &times)?,
        })
    };
    let state = |object: &ObjectName| (object.clone(), state(object));
    Ok(objects.iter().map(state).collect())
}

/// The token of a table, or of a view by all tables it reads; `None` if any of them has none.
fn token(
    object: &ObjectName,
    tables: Option<&[ObjectName]>,
    times: &Times,
) -> Result<Option<VersionToken>> {
    let time = |table: &ObjectName| match times.get(table) {
        Some(Ok(time)) => Ok(time.as_ref()),
        Some(Err(error)) => Err(error.duplicate()),
        None => Err(lacking(table)),
    };
    let Some(tables) = tables else {
        let token = time(object)?;
        return Ok(token.map(|time| VersionToken::new(format!("la:{time}"))));
    };
    let mut parts = Vec::with_capacity(tables.len());
    for table in tables {
        match time(table)? {
            Some(time) => parts.push(format!("{}={time}", table.quoted())),
            None => return Ok(None),
        }
    }
    Ok(Some(VersionToken::new(format!("la:{}", parts.join(";")))))
}

/// The tables that each of many views reads, sorted.
async fn tables_of(
    session: &Arc<Session>,
    views: &[ObjectName],
    manner: &Manner,
    options: Options,
) -> Result<Answers<ObjectName, Vec<ObjectName>>> {
    let select = |view: &ObjectName| format!("SELECT * FROM {}", view.quoted());
    let statements: Vec<_> = views.iter().map(select).collect();
    let mut plans = explain::objects_of_many(session, &statements, manner, options).await?;
    let read = |view: &ObjectName| {
        let unknown = |why: &str| {
            Error::failed_precondition(format!(
                "the tables that view {view} reads are unknown: {why}"
            ))
            .with_class(FailureClass::Dependency)
            .with_remedy("use change_token for it, or a ttl")
        };
        let tables = match plans.remove(&select(view)) {
            Some(Ok(tables)) if tables.is_empty() => Err(unknown("its plan names none")),
            Some(Ok(tables)) => Ok(tables),
            Some(Err(error)) => Err(unknown(error.message()).with_source(error)),
            None => Err(unknown("nothing was said of it")),
        };
        (view.clone(), tables)
    };
    Ok(views.iter().map(read).collect())
}

async fn times(
    session: &Arc<Session>,
    tables: BTreeSet<ObjectName>,
    manner: &Manner,
    options: Options,
) -> Result<Times> {
    let mut databases: BTreeMap<String, Vec<ObjectName>> = BTreeMap::new();
    for table in tables {
        databases
            .entry(table.database.clone())
            .or_default()
            .push(table);
    }
    let mut times = Times::new();
    for (database, tables) in databases {
        for batch in tables.chunks(BATCH) {
            let sql = statement(&database, batch);
            match answer::table(session, &sql, manner, options).await {
                Ok(answer) => {
                    for row in answer.rows {
                        let (table, time) = read_row(&database, row)?;
                        times.insert(table, time);
                    }
                }
                Err(error) if !failure::is_rejection(&error) => return Err(error),
                // A database that cannot be asked is the fault of its tables alone.
                Err(error) => times.extend(batch.iter().map(|table| {
                    (
                        table.clone(),
                        Err(lacking(table).with_source(error.duplicate())),
                    )
                })),
            }
        }
    }
    Ok(times)
}

/// One statement for many tables of a database, each by its schema and exact name.
fn statement(database: &str, tables: &[ObjectName]) -> String {
    let mut schemas: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for table in tables {
        schemas
            .entry(&table.schema)
            .or_default()
            .push(literal(&table.name));
    }
    let conditions: Vec<_> = schemas
        .into_iter()
        .map(|(schema, names)| {
            let (schema, names) = (literal(schema), names.join(", "));
            format!("(table_schema = {schema} AND table_name IN ({names}))")
        })
        .collect();
    format!(
        "SELECT table_schema, table_name, table_type, last_altered \
         FROM {}.information_schema.tables WHERE {}",
        quote(database),
        conditions.join(" OR ")
    )
}

type Read = (ObjectName, Result<Option<String>>);

fn read_row(database: &str, row: Vec<Option<String>>) -> Result<Read> {
    let unfit = || Error::data_loss("snowflake's information schema answered in another form");
    let [schema, name, kind, time] = <[_; 4]>::try_from(row).map_err(|_| unfit())?;
    let table = ObjectName {
        database: database.to_owned(),
        schema: schema.ok_or_else(unfit)?,
        name: name.ok_or_else(unfit)?,
    };
    if kind.is_some_and(|kind| kind.to_uppercase().contains("VIEW")) {
        let hidden = Error::failed_precondition(format!(
            "{table} is a view that hides the tables it reads, so its time says nothing of its rows"
        ))
        .with_class(FailureClass::Dependency)
        .with_remedy("use change_token for it, or a ttl");
        return Ok((table, Err(hidden)));
    }
    Ok((table, Ok(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(schema: &str, name: &str) -> ObjectName {
        ObjectName {
            database: "DB".into(),
            schema: schema.into(),
            name: name.into(),
        }
    }

    #[test]
    fn c7_one_statement_asks_for_all_tables_of_a_database() {
        let sql = statement(
            "DB",
            &[table("S", "A"), table("S", "it's"), table("T", "A")],
        );
        assert!(
            sql.ends_with(
                "FROM \"DB\".information_schema.tables WHERE \
             (table_schema = 'S' AND table_name IN ('A', 'it''s')) OR \
             (table_schema = 'T' AND table_name IN ('A'))"
            ),
            "{sql}"
        );
    }

    #[test]
    fn c7_a_view_changes_with_each_of_its_tables_and_never_by_itself() {
        let (a, b, view) = (table("S", "A"), table("S", "B"), table("S", "V"));
        let mut times = Times::from([
            (a.clone(), Ok(Some("t1".to_owned()))),
            (b.clone(), Ok(Some("t2".to_owned()))),
        ]);
        let read = [a.clone(), b.clone()];
        let before = token(&view, Some(&read), &times).unwrap().unwrap();
        times.insert(b.clone(), Ok(Some("t3".to_owned())));
        assert_ne!(token(&view, Some(&read), &times).unwrap().unwrap(), before);
        times.insert(b, Ok(None));
        assert_eq!(token(&view, Some(&read), &times).unwrap(), None);
        times.remove(&a);
        let error = token(&view, Some(&read), &times).unwrap_err();
        assert_eq!(error.class(), FailureClass::Dependency);
        assert!(error.to_string().contains("DB.S.A"), "{error}");
    }

    #[test]
    fn c7_the_time_of_a_view_is_never_trusted() {
        let row = ["S", "V", "MATERIALIZED VIEW", "t"].map(|cell| Some(cell.to_owned()));
        let error = read_row("DB", row.to_vec()).unwrap().1.unwrap_err();
        assert_eq!(error.class(), FailureClass::Dependency);
    }
}
