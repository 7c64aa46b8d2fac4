//! [`QueryEngine`]: client statements on the serving instance.

mod execute;

pub(crate) use execute::stop_after;

use arrow::array::AsArray;
use async_trait::async_trait;
use ducksync_core::{
    BatchStream, Error, Result,
    engine::{BoundRelation, BoundStatement, QueryEngine, StatementDescription},
    id::SessionId,
    name::quote_literal,
    version::Version,
};
use serde_json::Value;

use crate::{
    Engine,
    duck::{Column, Connection, DuckError, Prepared},
    engine::Shared,
    instance::Instance,
    relations::{InUse, unmask},
};

pub(crate) const MEMORY: &str = "engine.memory_limit";

#[async_trait]
impl QueryEngine for Engine {
    async fn parse(&self, sql: &str) -> Result<Value> {
        let sql = sql.to_owned();
        self.on_serving(move |instance| {
            instance.with_session("UTC", |connection| syntax_tree(connection, &sql))
        })
        .await
    }

    fn relation_name(&self, version: &Version, places: bool) -> String {
        self.shared.naming.name(version, places)
    }

    async fn describe(&self, statement: &BoundStatement) -> Result<StatementDescription> {
        let (shared, statement) = (self.shared.clone(), statement.clone());
        self.on_serving(move |instance| {
            let names = shared.names(&statement.relations);
            instance.with_session(&statement.time_zone, |connection| {
                let _views = bind_relations(instance, connection, &names, &statement.relations)?;
                describe(connection, &statement, &|error| {
                    tell(instance, error, &names)
                })
            })
        })
        .await
    }

    async fn execute(&self, statement: BoundStatement) -> Result<BatchStream> {
        execute::execute(&self.shared, statement).await
    }

    async fn probe(&self) -> Result<()> {
        self.on_serving(|instance| {
            instance.with_session("UTC", |connection| {
                connection.execute("SELECT 1").map_err(|error| {
                    instance.hear(&error);
                    Error::unavailable("duckdb does not answer")
                        .with_source(error.message().to_owned())
                })
            })
        })
        .await
    }

    async fn close_session(&self, _session: SessionId) {}
}

/// A relation's name for DuckDB, and for people.
pub(crate) type Names = Vec<(String, String)>;

impl Shared {
    pub(crate) fn names(&self, relations: &[BoundRelation]) -> Names {
        relations
            .iter()
            .map(|relation| {
                let name = self.naming.name(&relation.version, relation.places);
                (name, relation.version.name.to_string())
            })
            .collect()
    }
}

/// Makes the statement's relations readable while the result lives.
pub(crate) fn bind_relations(
    instance: &Instance,
    connection: &Connection,
    names: &Names,
    relations: &[BoundRelation],
) -> Result<Vec<InUse>> {
    names
        .iter()
        .zip(relations)
        .map(|((name, _), relation)| instance.relations.bind(connection, name, relation))
        .collect()
}

/// Prepares the statement, which must be one SELECT.
pub(crate) fn prepare<'c>(
    connection: &'c Connection,
    sql: &str,
    tell: &dyn Fn(DuckError) -> Error,
) -> Result<Prepared<'c>> {
    let prepared = connection.prepare(sql).map_err(tell)?;
    if !prepared.is_select() {
        return Err(Error::invalid("the engine runs SELECT statements only"));
    }
    Ok(prepared)
}

/// DuckDB's error as ours, with the tables' own names; the instance hears of it.
pub(crate) fn tell(instance: &Instance, error: DuckError, names: &Names) -> Error {
    instance.hear(&error);
    if instance.is_broken() {
        return crate::control::StopCause::Broken.error();
    }
    DuckError::new(unmask(error.message(), names)).into_error(MEMORY)
}

fn syntax_tree(connection: &Connection, sql: &str) -> Result<Value> {
    let fail = |error: DuckError| error.into_error(MEMORY);
    let call = format!(
        "SELECT json_serialize_sql({}::VARCHAR)::VARCHAR",
        quote_literal(sql)
    );
    let mut rows = connection.query(&call).map_err(fail)?;
    let chunk = rows.next().map_err(fail)?;
    let chunk = chunk.ok_or_else(|| Error::internal("duckdb parsed nothing"))?;
    let text = chunk.column(0).as_string::<i32>().value(0);
    // The depth is bounded by DuckDB's max_expression_depth.
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let tree = <Value as serde::Deserialize>::deserialize(&mut deserializer).map_err(|error| {
        Error::internal("duckdb's syntax tree could not be read").with_source(error)
    })?;
    match tree["error"].as_bool() {
        Some(true) => Err(parse_error(&tree)),
        _ => Ok(tree),
    }
}

fn parse_error(tree: &Value) -> Error {
    let message = tree["error_message"].as_str().unwrap_or("cannot be parsed");
    let kind = tree["error_type"].as_str().unwrap_or("parser");
    let position = match &tree["position"] {
        Value::String(position) => format!(" (at byte {position})"),
        Value::Number(position) => format!(" (at byte {position})"),
        _ => String::new(),
    };
    match kind {
        // What is no SELECT cannot be serialized: the statement may be right, but is not one.
        "not implemented" => Error::unimplemented(message),
        _ => Error::invalid(format!("{message}{position}")),
    }
}

/// What a statement takes and yields.
pub(crate) fn describe(
    connection: &Connection,
    statement: &BoundStatement,
    tell: &dyn Fn(DuckError) -> Error,
) -> Result<StatementDescription> {
    let prepared = prepare(connection, &statement.sql, tell)?;
    let parameters = prepared.parameter_types();
    // The types of bound values may decide the types of columns, so they must take part.
    let known = match parameters.is_empty() || statement.parameters.is_none() {
        true => prepared.columns()?,
        false => None,
    };
    let columns = match known {
        Some(columns) => columns,
        None => columns_of_values(connection, statement, tell)?,
    };
    Ok(StatementDescription {
        columns: columns.into_iter().map(|column| column.field).collect(),
        parameters,
    })
}

/// Learns the columns from a result without rows; parameters without value are NULL.
fn columns_of_values(
    connection: &Connection,
    statement: &BoundStatement,
    tell: &dyn Fn(DuckError) -> Error,
) -> Result<Vec<Column>> {
    let sql = bare(&statement.sql);
    // The first form keeps equal names of columns, but DuckDB knows it not for every SELECT.
    let forms = [
        format!("({sql}\n) LIMIT 0"),
        format!("SELECT * FROM ({sql}\n) LIMIT 0"),
    ];
    let prepared = connection
        .prepare(&forms[0])
        .or_else(|_| connection.prepare(&forms[1]))
        .map_err(tell)?;
    match &statement.parameters {
        Some(_) => prepared.bind(statement.parameters.as_ref())?,
        None => prepared.bind_nulls()?,
    }
    let rows = prepared
        .start()
        .and_then(|pending| pending.run())
        .map_err(tell)?;
    rows.columns()
}

/// A statement without the semicolon at its end, to stand inside another.
pub(crate) fn bare(sql: &str) -> &str {
    sql.trim_end_matches(|c: char| c.is_whitespace() || c == ';')
}
