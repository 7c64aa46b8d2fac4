//! The time of last alteration, of tables; views are expanded to the tables that they read, because
//! their own time tells of their definition only.
//!
//! Never trusted: the time of anything that is still a view after expansion (a secure or materialized
//! one). The information schema needs a warehouse, so one statement asks for all of a database.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use ducksync_core::{
    error::{Error, FailureClass, Result},
    name::{ObjectName, quote},
    source::{ObjectState, VersionToken},
};

use super::lacking;
use crate::snowflake::{
    answer, explain, names::literal, session::Session, settings::Options, statement::Manner, views,
};

/// Tables that one statement asks about.
const BATCH: usize = 1000;

type Times = HashMap<ObjectName, Option<String>>;

/// The times of all objects, in their order.
pub(in crate::snowflake) async fn last_altered(
    session: &Arc<Session>,
    objects: &[ObjectName],
    manner: &Manner,
    options: Options,
) -> Result<Vec<ObjectState>> {
    let definitions = views::definitions(session, objects, manner, options).await?;
    let mut tables = HashMap::new();
    for object in objects {
        if definitions.contains_key(object) && !tables.contains_key(object) {
            let read = tables_of(session, object, manner, options).await?;
            tables.insert(object.clone(), read);
        }
    }
    let plain = objects
        .iter()
        .filter(|object| !definitions.contains_key(object));
    let asked: BTreeSet<_> = plain.chain(tables.values().flatten()).cloned().collect();
    let times = times(session, asked, manner, options).await?;
    let state = |object: &ObjectName| {
        Ok(ObjectState {
            object: object.clone(),
            token: token(object, tables.get(object).map(Vec::as_slice), &times)?,
            view_definition: definitions.get(object).cloned(),
        })
    };
    objects.iter().map(state).collect()
}

/// The token of a table, or of a view by all tables it reads; `None` if any of them has none.
fn token(
    object: &ObjectName,
    tables: Option<&[ObjectName]>,
    times: &Times,
) -> Result<Option<VersionToken>> {
    let time = |table: &ObjectName| times.get(table).ok_or_else(|| lacking(table));
    let Some(tables) = tables else {
        let token = time(object)?.as_ref();
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

/// The tables that a view reads, sorted.
async fn tables_of(
    session: &Arc<Session>,
    view: &ObjectName,
    manner: &Manner,
    options: Options,
) -> Result<Vec<ObjectName>> {
    let sql = format!("SELECT * FROM {}", view.quoted());
    let unknown = |why: &str| {
        Error::failed_precondition(format!(
            "the tables that view {view} reads are unknown: {why}"
        ))
        .with_class(FailureClass::Dependency)
        .with_remedy("use change_token for it, or a ttl")
    };
    let read = explain::objects(session, &sql, manner, options).await;
    let read = read.map_err(|error| unknown(error.message()).with_source(error))?;
    if read.is_empty() {
        return Err(unknown("its plan names none"));
    }
    Ok(read)
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
            let answer = answer::table(session, &sql, manner, options).await?;
            for row in answer.rows {
                let (table, time) = read_row(&database, row)?;
                times.insert(table, time);
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

fn read_row(database: &str, row: Vec<Option<String>>) -> Result<(ObjectName, Option<String>)> {
    let unfit = || Error::data_loss("snowflake's information schema answered in another form");
    let [schema, name, kind, time] = <[_; 4]>::try_from(row).map_err(|_| unfit())?;
    let table = ObjectName {
        database: database.to_owned(),
        schema: schema.ok_or_else(unfit)?,
        name: name.ok_or_else(unfit)?,
    };
    if kind.is_some_and(|kind| kind.to_uppercase().contains("VIEW")) {
        return Err(Error::failed_precondition(format!(
            "{table} is a view that hides the tables it reads, so its time says nothing of its rows"
        ))
        .with_class(FailureClass::Dependency)
        .with_remedy("use change_token for it, or a ttl"));
    }
    Ok((table, time))
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
            (a.clone(), Some("t1".to_owned())),
            (b.clone(), Some("t2".to_owned())),
        ]);
        let read = [a.clone(), b.clone()];
        let before = token(&view, Some(&read), &times).unwrap().unwrap();
        times.insert(b.clone(), Some("t3".to_owned()));
        assert_ne!(token(&view, Some(&read), &times).unwrap().unwrap(), before);
        times.insert(b, None);
        assert_eq!(token(&view, Some(&read), &times).unwrap(), None);
        times.remove(&a);
        let error = token(&view, Some(&read), &times).unwrap_err();
        assert_eq!(error.class(), FailureClass::Dependency);
        assert!(error.to_string().contains("DB.S.A"), "{error}");
    }

    #[test]
    fn c7_the_time_of_a_view_is_never_trusted() {
        let row = ["S", "V", "MATERIALIZED VIEW", "t"].map(|cell| Some(cell.to_owned()));
        let error = read_row("DB", row.to_vec()).unwrap_err();
        assert_eq!(error.class(), FailureClass::Dependency);
    }
}
