//! Which objects a statement reads, as Snowflake's own plan names them.

use std::{collections::BTreeSet, sync::Arc};

use ducksync_core::{
    error::{Error, Result},
    name::ObjectName,
};
use futures::FutureExt as _;
use serde_json::Value;

use super::{
    answer, batch::Answers, bisect::bisect, names::literal, session::Session, settings::Options,
    statement::Manner,
};

/// Statements whose plans are asked for at once.
const BATCH: usize = 50;
/// The longest text of a statement that asks for several plans.
const LONGEST: usize = 256 << 10;

/// The objects in the plans of statements that run in the session's own database and schema: one
/// question for many.
pub(super) async fn objects_of_many(
    session: &Arc<Session>,
    statements: &[String],
    manner: &Manner,
    options: Options,
) -> Result<Answers<String, Vec<ObjectName>>> {
    let ask = |batch| plans(session, batch, manner, options).boxed();
    bisect(statements, BATCH, ask).await
}

async fn plans(
    session: &Arc<Session>,
    statements: &[String],
    manner: &Manner,
    options: Options,
) -> Result<Vec<Vec<ObjectName>>> {
    if let [sql] = statements {
        return Ok(vec![objects(session, sql, manner, options).await?]);
    }
    let calls: Vec<_> = statements
        .iter()
        .map(|sql| format!("SYSTEM$EXPLAIN_PLAN_JSON({})", literal(sql)))
        .collect();
    let sql = format!("SELECT {}", calls.join(", "));
    if sql.len() > LONGEST {
        // Asked for in halves, as if it had been rejected.
        return Err(Error::invalid("too many plans are asked for at once"));
    }
    let plans = answer::row(session, &sql, statements.len(), manner, options).await?;
    let plan = |plan: &Option<String>| parse(plan.as_deref().unwrap_or_default());
    plans.iter().map(plan).collect()
}

/// The objects in the plan of a statement, views expanded but secure ones. No warehouse is needed,
/// and nothing runs.
///
/// The plan can name fewer than the text: what metadata answers (`count(*)`) is not scanned.
pub(super) async fn objects(
    session: &Arc<Session>,
    sql: &str,
    manner: &Manner,
    options: Options,
) -> Result<Vec<ObjectName>> {
    let explained = format!("EXPLAIN USING JSON {sql}");
    let manner = Manner {
        describe_only: false,
        ..manner.clone()
    };
    let table = answer::table(session, &explained, &manner, options).await?;
    let plan = table.rows.first().and_then(|row| row.first()?.as_deref());
    let plan =
        plan.ok_or_else(|| Error::data_loss("snowflake explained a statement by nothing"))?;
    parse(plan)
}

fn parse(plan: &str) -> Result<Vec<ObjectName>> {
    let unfit = || Error::data_loss("snowflake's plan has another form than expected");
    let plan: Value = serde_json::from_str(plan).map_err(|_| unfit())?;
    let stages = plan
        .get("Operations")
        .and_then(Value::as_array)
        .ok_or_else(unfit)?;
    let mut found = BTreeSet::new();
    for operation in stages.iter().filter_map(Value::as_array).flatten() {
        let objects = operation.get("objects").and_then(Value::as_array);
        for object in objects.into_iter().flatten() {
            let name = object.as_str().and_then(super::names::parse_qualified);
            found.insert(name.ok_or_else(unfit)?);
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_every_scanned_object_is_found_once() {
        let plan = r#"{"GlobalStats":{"partitionsTotal":2},"Operations":[[
            {"id":0,"operation":"Result","expressions":["A"]},
            {"id":1,"parent":0,"operation":"TableScan","objects":["DB.S.T"],"alias":"x"},
            {"id":2,"parent":0,"operation":"TableScan","objects":["DB.S.T"]},
            {"id":3,"parent":0,"operation":"TableScan","objects":["DB.\"s\".\"a.b\""]}]]}"#;
        let names: Vec<_> = parse(plan)
            .unwrap()
            .iter()
            .map(ObjectName::quoted)
            .collect();
        assert_eq!(names, [r#""DB"."S"."T""#, r#""DB"."s"."a.b""#]);
        assert!(parse("{}").is_err());
        let partly = r#"{"Operations":[[{"operation":"TableScan","objects":["T"]}]]}"#;
        assert!(
            parse(partly).is_err(),
            "a name that is not understood must not be left out"
        );
    }
}
