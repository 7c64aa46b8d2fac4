//! Which declared type each column of a query has, and which objects a query names.
//!
//! DuckDB's parser gives the tree (`json_serialize_sql`); only what passes a base column through
//! unchanged (or through MIN, MAX and the like) keeps its declared type.

use std::collections::{BTreeMap, BTreeSet};

use duckdb::Connection;
use serde_json::Value;

use crate::catalog::{Catalog, Object};
use crate::engine::Context;
use crate::error::SqlError;
use crate::history;
use crate::names::{self, ObjectName};
use crate::types::SnowflakeType;

/// A column's name and, if it is known, its declared type.
type Known = (String, Option<SnowflakeType>);

/// Aggregates and window functions that answer one of their argument's values.
const KEEPS_TYPE: [&str; 9] = [
    "min",
    "max",
    "any_value",
    "first",
    "last",
    "first_value",
    "last_value",
    "lag",
    "lead",
];

/// DuckDB's tree of a query in DuckDB's words.
pub(crate) fn tree(connection: &Connection, sql: &str) -> Result<Value, SqlError> {
    let text: String = connection.query_row(
        "SELECT CAST(json_serialize_sql(CAST(? AS VARCHAR)) AS VARCHAR)",
        [sql],
        |row| row.get(0),
    )?;
    serde_json::from_str(&text).map_err(|error| SqlError::internal(error.to_string()))
}

/// The declared types of a query's columns, one per column; `None` if they cannot be told.
pub(crate) fn declared(
    tree: &Value,
    catalog: &Catalog,
    context: &Context,
) -> Option<Vec<Option<SnowflakeType>>> {
    let walk = Walk { catalog, context };
    let columns = walk.query(tree.pointer("/statements/0/node")?, &BTreeMap::new())?;
    Some(columns.into_iter().map(|(_, kind)| kind).collect())
}

/// The catalog's objects that a query names, views not expanded.
pub(crate) fn references(
    tree: &Value,
    catalog: &Catalog,
    context: &Context,
) -> BTreeSet<ObjectName> {
    let mut found = BTreeSet::new();
    collect(tree, &mut |node| {
        let named = object(node, context).filter(|name| catalog.get(name).is_some());
        let name = named.or_else(|| Some(past_of(node, catalog)?.0));
        found.extend(name);
    });
    found
}

fn collect(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(entries) => {
            visit(value);
            entries.values().for_each(|entry| collect(entry, visit));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, visit)),
        _ => {}
    }
}

fn text<'a>(node: &'a Value, key: &str) -> &'a str {
    node.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(node: &'a Value, key: &str) -> &'a [Value] {
    node.get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The object that a BASE_TABLE node names.
fn object(node: &Value, context: &Context) -> Option<ObjectName> {
    if text(node, "type") != "BASE_TABLE" {
        return None;
    }
    let parts: Vec<String> = ["catalog_name", "schema_name", "table_name"]
        .iter()
        .map(|key| names::logical(text(node, key)))
        .filter(|part| !part.is_empty())
        .collect();
    context.resolve(&parts).ok()
}

/// The table whose history a BASE_TABLE node names.
fn past_of<'a>(node: &Value, catalog: &'a Catalog) -> Option<(ObjectName, &'a Object)> {
    (text(node, "catalog_name") == history::HISTORY_CATALOG)
        .then(|| history::owner(catalog, text(node, "table_name")))?
}

struct Walk<'a> {
    catalog: &'a Catalog,
    context: &'a Context,
}

type Ctes = BTreeMap<String, Vec<Known>>;

struct Relation {
    alias: String,
    columns: Vec<Known>,
}

impl Walk<'_> {
    fn query(&self, node: &Value, outer: &Ctes) -> Option<Vec<Known>> {
        let mut ctes = outer.clone();
        for entry in node
            .pointer("/cte_map/map")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let body = entry.pointer("/value/query/node")?;
            let mut columns = self.query(body, &ctes)?;
            rename(&mut columns, entry.get("value")?, "aliases");
            ctes.insert(text(entry, "key").to_owned(), columns);
        }
        match text(node, "type") {
            "SELECT_NODE" => self.select(node, &ctes),
            "SET_OPERATION_NODE" => {
                let sides = list(node, "children");
                let left = self.query(node.get("left").or_else(|| sides.first())?, &ctes)?;
                let right = self.query(node.get("right").or_else(|| sides.last())?, &ctes)?;
                let agree = |((name, left), (_, right)): (Known, Known)| {
                    (name, left.filter(|kind| Some(kind) == right.as_ref()))
                };
                Some(left.into_iter().zip(right).map(agree).collect())
            }
            _ => None,
        }
    }

    fn select(&self, node: &Value, ctes: &Ctes) -> Option<Vec<Known>> {
        let mut relations = Vec::new();
        let from_known = node
            .get("from_table")
            .is_none_or(|from| self.from(from, ctes, &mut relations).is_some());
        let mut columns = Vec::new();
        for item in list(node, "select_list") {
            if text(item, "class") == "STAR" {
                if !from_known {
                    return None;
                }
                star(item, &relations, &mut columns)?;
                continue;
            }
            let (name, kind) = expression(item, &relations);
            let alias = names::logical(text(item, "alias"));
            columns.push((if alias.is_empty() { name } else { alias }, kind));
        }
        Some(columns)
    }

    fn from(&self, node: &Value, ctes: &Ctes, relations: &mut Vec<Relation>) -> Option<()> {
        let alias = names::logical(text(node, "alias"));
        match text(node, "type") {
            "EMPTY" => {}
            "BASE_TABLE" => {
                let table = names::logical(text(node, "table_name"));
                let unqualified = text(node, "schema_name").is_empty();
                let mut columns = match ctes.get(text(node, "table_name")).filter(|_| unqualified) {
                    Some(columns) => columns.clone(),
                    None => {
                        let named = object(node, self.context);
                        let named = named.and_then(|name| self.catalog.get(&name));
                        let object = named.or_else(|| Some(past_of(node, self.catalog)?.1))?;
                        object
                            .columns
                            .iter()
                            .map(|column| (column.name.clone(), Some(column.kind.clone())))
                            .collect()
                    }
                };
                rename(&mut columns, node, "column_name_alias");
                relations.push(Relation {
                    alias: if alias.is_empty() { table } else { alias },
                    columns,
                });
            }
            "SUBQUERY" => {
                let mut columns = self.query(node.pointer("/subquery/node")?, ctes)?;
                rename(&mut columns, node, "column_name_alias");
                relations.push(Relation { alias, columns });
            }
            "JOIN" => {
                self.from(node.get("left")?, ctes, relations)?;
                let first = relations.len();
                self.from(node.get("right")?, ctes, relations)?;
                if text(node, "ref_type") == "NATURAL" {
                    return None;
                }
                let merged: Vec<&str> = list(node, "using_columns")
                    .iter()
                    .filter_map(Value::as_str)
                    .collect();
                for relation in relations.iter_mut().skip(first) {
                    relation
                        .columns
                        .retain(|(name, _)| !merged.contains(&names::physical(name).as_str()));
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// The name and type of a select item that is no star.
fn expression(item: &Value, relations: &[Relation]) -> Known {
    if text(item, "class") == "COLUMN_REF" {
        let parts: Vec<String> = list(item, "column_names")
            .iter()
            .filter_map(Value::as_str)
            .map(names::logical)
            .collect();
        let name = parts.last().cloned().unwrap_or_default();
        let table = parts.len().checked_sub(2).and_then(|at| parts.get(at));
        let kind = relations
            .iter()
            .filter(|relation| table.is_none_or(|table| *table == relation.alias))
            .flat_map(|relation| &relation.columns)
            .find(|(column, _)| *column == name)
            .and_then(|(_, kind)| kind.clone());
        return (name, kind);
    }
    let keeps = KEEPS_TYPE.contains(&text(item, "function_name").to_ascii_lowercase().as_str());
    let kind = match (keeps, list(item, "children")) {
        (true, [argument, ..]) => expression(argument, relations).1,
        _ => None,
    };
    (String::new(), kind)
}

fn star(item: &Value, relations: &[Relation], columns: &mut Vec<Known>) -> Option<()> {
    let of = names::logical(text(item, "relation_name"));
    let excluded: Vec<String> = list(item, "exclude_list")
        .iter()
        .filter_map(Value::as_str)
        .map(names::logical)
        .collect();
    if !list(item, "replace_list").is_empty()
        || item.get("expr").is_some_and(|expr| !expr.is_null())
    {
        return None;
    }
    let chosen = relations
        .iter()
        .filter(|relation| of.is_empty() || of == relation.alias);
    columns.extend(
        chosen
            .flat_map(|relation| &relation.columns)
            .filter(|(name, _)| !excluded.contains(name))
            .cloned(),
    );
    Some(())
}

fn rename(columns: &mut [Known], node: &Value, key: &str) {
    for ((name, _), alias) in columns.iter_mut().zip(list(node, key)) {
        *name = names::logical(alias.as_str().unwrap_or_default());
    }
}
