//! Commands as table functions: `SELECT * FROM ducksync_refresh('sales', force := true)` (G-1).

use arrow::{
    array::{Array, RecordBatch},
    util::display::{ArrayFormatter, FormatOptions},
};
use ducksync_core::{
    Error, Result,
    command::{Command, CommandSpec, ParameterKind, spec},
};
use serde_json::{Map, Value};

use crate::tree::RelationRef;

/// Table functions of DuckDB that make rows of their arguments alone, and so are open to everyone.
const FREE_FUNCTIONS: &[&str] = &[
    "range",
    "generate_series",
    "unnest",
    "repeat",
    "repeat_row",
    "json_each",
    "json_tree",
    "values",
    "summary",
];

/// Scalar functions that look outside or tell too much.
const DENIED_FUNCTIONS: &[&str] = &[
    "current_setting",
    "getvariable",
    "which_secret",
    "getenv",
    "txid_current",
    "nextval",
];

/// The command that a table function calls; `None` for a free function of DuckDB.
///
/// # Errors
/// `InvalidArgument` for functions that are not offered.
pub(crate) fn command_of(relation: &RelationRef) -> Result<Option<&'static CommandSpec>> {
    let name = relation
        .parts
        .last()
        .map(|name| name.to_lowercase())
        .unwrap_or_default();
    if let Some(command) = name.strip_prefix("ducksync_") {
        return spec(command).map(Some).ok_or_else(|| {
            Error::not_found(format!("there is no function {name}"))
                .with_remedy("see the documentation for the list of functions")
        });
    }
    if FREE_FUNCTIONS.contains(&name.as_str()) {
        return Ok(None);
    }
    Err(
        Error::invalid(format!("table function {name} is not offered"))
            .with_remedy("read tables of the lake by their names"),
    )
}

/// Refuses functions that look outside.
pub(crate) fn check_functions<'a>(names: impl Iterator<Item = &'a String>) -> Result<()> {
    for name in names {
        let denied = DENIED_FUNCTIONS.contains(&name.as_str())
            || name.starts_with("duckdb_")
            || name.starts_with("pragma_")
            || name.starts_with("ducksync_");
        if denied {
            return Err(Error::invalid(format!(
                "function {name} is not offered here"
            )));
        }
    }
    Ok(())
}

/// The command with the arguments of the call; parameters take their values from `parameters`.
///
/// # Errors
/// `InvalidArgument` for arguments that are no literals, too many, or as [`Command::parse`].
pub(crate) fn command(
    spec: &CommandSpec,
    arguments: &[Value],
    parameters: Option<&RecordBatch>,
) -> Result<Command> {
    Command::parse(spec.name, self::arguments(spec, arguments, parameters)?)
}

/// The arguments of a call by their names.
///
/// # Errors
/// `InvalidArgument` for arguments that are no literals, too many or given twice.
pub(crate) fn arguments(
    spec: &CommandSpec,
    arguments: &[Value],
    parameters: Option<&RecordBatch>,
) -> Result<Map<String, Value>> {
    let mut given = Map::new();
    let mut position = 0;
    for argument in arguments {
        let name = match argument["alias"].as_str().filter(|alias| !alias.is_empty()) {
            Some(alias) => alias.to_owned(),
            None => {
                position += 1;
                spec.parameters
                    .get(position - 1)
                    .map(|p| p.name.to_owned())
                    .ok_or_else(|| {
                        let message =
                            format!("ducksync_{} was given too many arguments", spec.name);
                        Error::invalid(message).with_remedy(spec.usage())
                    })?
            }
        };
        let value = literal(argument, parameters).ok_or_else(|| {
            Error::invalid(format!("ducksync_{}: {name} is not a literal", spec.name))
                .with_remedy("give a literal or a bound parameter")
        })?;
        if given.insert(name.clone(), value).is_some() {
            return Err(Error::invalid(format!(
                "ducksync_{}: {name} is given twice",
                spec.name
            )));
        }
    }
    Ok(given)
}

/// The command for a description: every argument that a parameter will give is left at a stand-in of
/// its type, since the result's columns do not depend on it.
pub(crate) fn check_arguments(spec: &CommandSpec, arguments: &[Value]) -> Result<()> {
    let parameters = arguments
        .iter()
        .any(|argument| argument["class"] == "PARAMETER");
    if !parameters {
        command(spec, arguments, None)?;
    }
    Ok(())
}

/// The parameters of a call, in order of their numbers, by the types the command wants.
pub(crate) fn parameter_kinds(
    spec: &CommandSpec,
    arguments: &[Value],
) -> Vec<(usize, ParameterKind)> {
    let mut position = 0;
    let mut kinds = Vec::new();
    for argument in arguments {
        let parameter = match argument["alias"].as_str().filter(|alias| !alias.is_empty()) {
            Some(alias) => spec.parameters.iter().find(|p| p.name == alias),
            None => {
                position += 1;
                spec.parameters.get(position - 1)
            }
        };
        if let (Some(number), Some(parameter)) = (parameter_number(argument), parameter) {
            kinds.push((number, parameter.kind));
        }
    }
    kinds.sort_by_key(|(number, _)| *number);
    kinds
}

fn parameter_number(node: &Value) -> Option<usize> {
    (node["class"] == "PARAMETER")
        .then(|| node["identifier"].as_str()?.parse().ok())
        .flatten()
}

fn literal(node: &Value, parameters: Option<&RecordBatch>) -> Option<Value> {
    match node["class"].as_str()? {
        "CONSTANT" => constant(&node["value"]),
        "PARAMETER" => bound(parameter_number(node)?, parameters?),
        "CAST" => match (
            literal(&node["child"], parameters)?,
            node["cast_type"]["id"].as_str(),
        ) {
            (Value::String(text), Some("BOOLEAN")) => {
                Some(Value::Bool(text.starts_with(['t', 'T'])))
            }
            (value, _) => Some(value),
        },
        "FUNCTION" if node["function_name"] == "list_value" => {
            let items = node["children"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            items
                .iter()
                .map(|item| literal(item, parameters))
                .collect::<Option<_>>()
                .map(Value::Array)
        }
        "OPERATOR" if node["type"] == "ARRAY_CONSTRUCTOR" => {
            let items = node["children"].as_array()?;
            items
                .iter()
                .map(|item| literal(item, parameters))
                .collect::<Option<_>>()
                .map(Value::Array)
        }
        _ => None,
    }
}

fn constant(value: &Value) -> Option<Value> {
    if value["is_null"] == true {
        return Some(Value::Null);
    }
    match (value["type"]["id"].as_str()?, &value["value"]) {
        ("BOOLEAN", value) => value.as_bool().map(Value::Bool),
        ("VARCHAR", value) => value.as_str().map(Value::from),
        ("DECIMAL", _) => None,
        (_, value @ Value::Number(_)) => Some(value.clone()),
        _ => None,
    }
}

fn bound(number: usize, parameters: &RecordBatch) -> Option<Value> {
    let column = parameters.columns().get(number.checked_sub(1)?)?;
    let null = column.data_type() == &arrow::datatypes::DataType::Null;
    if null || column.is_empty() || column.is_null(0) {
        return Some(Value::Null);
    }
    if let Some(list) = column.as_any().downcast_ref::<arrow::array::ListArray>() {
        let items = list.value(0);
        let format = ArrayFormatter::try_new(&items, &FormatOptions::default()).ok()?;
        return Some(
            (0..items.len())
                .map(|i| Value::from(format.value(i).to_string()))
                .collect(),
        );
    }
    let format = ArrayFormatter::try_new(column, &FormatOptions::default()).ok()?;
    Some(Value::from(format.value(0).to_string()))
}
