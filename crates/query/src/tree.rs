//! Finds every relation of a query in DuckDB's own syntax tree (V-6).
//!
//! The whole tree is walked: scoped CTEs, subqueries in expressions, set operations, laterals and table
//! functions. Strings and column names are never touched; a node that names a relation says at which
//! byte its name begins.

use std::collections::HashSet;

use ducksync_core::{Error, Result};
use serde_json::Value;

/// A relation or table function that a query names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RelationRef {
    /// The name's parts, as written without quotes: catalog and schema may be missing.
    pub(crate) parts: Vec<String>,
    /// Where the name begins in the text, in bytes.
    pub(crate) location: usize,
    /// Whether the text gives it an alias.
    pub(crate) aliased: bool,
    /// `AT (…)`: the unit (`VERSION` or `TIMESTAMP`) and the value.
    pub(crate) at: Option<(String, String)>,
    /// The call's arguments, if it is a table function.
    pub(crate) call: Option<Vec<Value>>,
}

/// A column reference that also names the relation's schema (`s.t.k`), and so must be spliced too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QualifiedColumn {
    /// All parts, as written without quotes.
    pub(crate) parts: Vec<String>,
    /// Where it begins in the text, in bytes.
    pub(crate) location: usize,
}

/// What a query names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Names {
    /// Relations and table functions, in no particular order; CTE references are left out.
    pub(crate) relations: Vec<RelationRef>,
    /// Column references of three or more parts.
    pub(crate) columns: Vec<QualifiedColumn>,
    /// Names of all functions called, in lower case.
    pub(crate) functions: HashSet<String>,
    /// Whether it has parameters.
    pub(crate) parameters: bool,
    /// `SHOW …` without a relation: what it shows.
    pub(crate) shows: Option<String>,
    /// Whether the top-level query is a plain SELECT whose only FROM item is a table function.
    pub(crate) sole_function: bool,
}

/// The names in the tree of exactly one statement.
///
/// # Errors
/// `InvalidArgument` unless there is exactly one, or if a relation has no position in the text.
pub(crate) fn names(tree: &Value) -> Result<Names> {
    let statements = tree["statements"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let [statement] = statements else {
        return Err(
            Error::invalid(format!("{} statements were sent at once", statements.len()))
                .with_remedy("send exactly one"),
        );
    };
    let mut walk = Walk::default();
    walk.query(&statement["node"], &HashSet::new())?;
    let mut names = walk.names;
    names.sole_function = statement["node"]["from_table"]["type"] == "TABLE_FUNCTION";
    Ok(names)
}

#[derive(Default)]
struct Walk {
    names: Names,
}

type Scope = HashSet<String>;

impl Walk {
    /// A query node: its CTEs are in scope below it, and recursively in their own bodies.
    fn query(&mut self, node: &Value, outer: &Scope) -> Result<()> {
        let mut scope = outer.clone();
        for entry in list(&node["cte_map"]["map"]) {
            let name = text(&entry["key"]).to_lowercase();
            let body = &entry["value"]["query"]["node"];
            // A CTE sees those before it, and itself where it is recursive.
            let mut inner = scope.clone();
            if matches!(text(&body["type"]), "RECURSIVE_CTE_NODE") {
                inner.insert(name.clone());
            }
            self.query(body, &inner)?;
            for key in list(&entry["value"]["key_targets"]) {
                self.expression(key, &inner)?;
            }
            scope.insert(name);
        }
        match text(&node["type"]) {
            "SELECT_NODE" | "SET_OPERATION_NODE" | "STATEMENT_NODE" | "" => {}
            "RECURSIVE_CTE_NODE" | "CTE_NODE" => {
                scope.insert(text(&node["cte_name"]).to_lowercase());
            }
            other => {
                return Err(Error::invalid(format!(
                    "query form {other} is not supported here"
                )));
            }
        }
        let Some(members) = node.as_object() else {
            return Ok(());
        };
        for (key, value) in members {
            match key.as_str() {
                "cte_map" => {}
                "from_table" => self.relation(value, &scope)?,
                "left" | "right" | "child" | "query" if is_query(value) => {
                    self.query(value, &scope)?;
                }
                _ => self.expression(value, &scope)?,
            }
        }
        Ok(())
    }

    /// A FROM item.
    fn relation(&mut self, node: &Value, scope: &Scope) -> Result<()> {
        match text(&node["type"]) {
            "BASE_TABLE" => self.base_table(node, scope),
            "TABLE_FUNCTION" => self.table_function(node, scope),
            "SUBQUERY" => self.query(&node["subquery"]["node"], scope),
            "SHOW_REF" if node["query"].is_null() => {
                self.names.shows = Some(text(&node["table_name"]).trim_matches('"').to_lowercase());
                Ok(())
            }
            // `DESCRIBE t` and `SUMMARIZE t` take no alias behind the name.
            "SHOW_REF" if implied(&node["query"]) => {
                let table = &node["query"]["from_table"];
                self.base_table(table, scope)?;
                self.names
                    .relations
                    .iter_mut()
                    .rev()
                    .take(1)
                    .for_each(|r| r.aliased = true);
                Ok(())
            }
            "SHOW_REF" => self.query(&node["query"], scope),
            _ => self.members(node, scope),
        }
    }

    fn base_table(&mut self, node: &Value, scope: &Scope) -> Result<()> {
        let parts: Vec<_> = ["catalog_name", "schema_name", "table_name"]
            .iter()
            .map(|key| text(&node[key]).to_owned())
            .filter(|part| !part.is_empty())
            .collect();
        if parts.len() == 1 && scope.contains(&parts[0].to_lowercase()) {
            return Ok(());
        }
        self.names.relations.push(RelationRef {
            location: location(node, &parts)?,
            aliased: !text(&node["alias"]).is_empty(),
            at: at_clause(&node["at_clause"])?,
            call: None,
            parts,
        });
        Ok(())
    }

    fn table_function(&mut self, node: &Value, scope: &Scope) -> Result<()> {
        let function = &node["function"];
        let parts: Vec<_> = ["catalog", "schema", "function_name"]
            .iter()
            .map(|key| text(&function[key]).to_owned())
            .filter(|part| !part.is_empty())
            .collect();
        let arguments = list(&function["children"]).to_vec();
        for argument in &arguments {
            self.expression(argument, scope)?;
        }
        self.names.relations.push(RelationRef {
            location: location(node, &parts)?,
            aliased: !text(&node["alias"]).is_empty(),
            at: None,
            call: Some(arguments),
            parts,
        });
        Ok(())
    }

    /// Anything else: looks for what matters in all members.
    fn expression(&mut self, node: &Value, scope: &Scope) -> Result<()> {
        match node {
            Value::Array(items) => items
                .iter()
                .try_for_each(|item| self.expression(item, scope)),
            Value::Object(_) if is_query(node) => self.query(node, scope),
            Value::Object(_) if is_relation(node) => self.relation(node, scope),
            Value::Object(_) => {
                self.note(node);
                self.members(node, scope)
            }
            _ => Ok(()),
        }
    }

    fn members(&mut self, node: &Value, scope: &Scope) -> Result<()> {
        let Some(members) = node.as_object() else {
            return Ok(());
        };
        members
            .values()
            .try_for_each(|value| self.expression(value, scope))
    }

    fn note(&mut self, node: &Value) {
        match text(&node["class"]) {
            "FUNCTION" | "WINDOW" => {
                self.names
                    .functions
                    .insert(text(&node["function_name"]).to_lowercase());
            }
            "PARAMETER" => self.names.parameters = true,
            "COLUMN_REF" => {
                let parts: Vec<_> = list(&node["column_names"])
                    .iter()
                    .map(|p| text(p).to_owned())
                    .collect();
                if let (true, Some(location)) = (parts.len() > 2, offset(node)) {
                    self.names.columns.push(QualifiedColumn { parts, location });
                }
            }
            _ => {}
        }
    }
}

/// Whether the text names a table where the tree has a query.
fn implied(query: &Value) -> bool {
    let written = query["select_list"][0]["query_location"].as_u64();
    query["from_table"]["type"] == "BASE_TABLE" && written == Some(u64::MAX)
}

fn is_query(node: &Value) -> bool {
    text(&node["type"]).ends_with("_NODE")
}

fn is_relation(node: &Value) -> bool {
    let relation = matches!(
        text(&node["type"]),
        "BASE_TABLE"
            | "TABLE_FUNCTION"
            | "SUBQUERY"
            | "SHOW_REF"
            | "JOIN"
            | "PIVOT"
            | "EXPRESSION_LIST"
            | "COLUMN_DATA"
            | "DELIM_GET"
    );
    // A subquery in an expression has a class and is of type SUBQUERY too.
    relation && node["class"].is_null()
}

fn at_clause(node: &Value) -> Result<Option<(String, String)>> {
    if node.is_null() {
        return Ok(None);
    }
    let expression = &node["expr"];
    let expression = if expression["child"].is_object() {
        &expression["child"]
    } else {
        expression
    };
    let value = match &expression["value"]["value"] {
        Value::String(value) => value.clone(),
        Value::Number(value) => value.to_string(),
        _ => return Err(Error::invalid("AT takes a literal version or timestamp")),
    };
    Ok(Some((text(&node["unit"]).to_uppercase(), value)))
}

fn location(node: &Value, parts: &[String]) -> Result<usize> {
    offset(node).ok_or_else(|| {
        Error::invalid(format!(
            "relation {} cannot be used in this place",
            parts.join(".")
        ))
    })
}

fn offset(node: &Value) -> Option<usize> {
    let offset = node["query_location"]
        .as_u64()
        .filter(|offset| *offset != u64::MAX)?;
    usize::try_from(offset).ok()
}

fn text(node: &Value) -> &str {
    node.as_str().unwrap_or_default()
}

fn list(node: &Value) -> &[Value] {
    node.as_array().map(Vec::as_slice).unwrap_or_default()
}
