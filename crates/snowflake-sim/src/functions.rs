//! Functions that the account answers instead of DuckDB.

use crate::catalog::ObjectKind;
use crate::engine::{Context, Engine};
use crate::error::SqlError;
use crate::names;
use crate::rewrite::literal;

/// A DuckDB expression for a call, or `None` if the function is not ours.
pub(crate) fn answer(
    engine: &Engine,
    context: &Context,
    name: &str,
    texts: &[String],
) -> Result<Option<String>, SqlError> {
    let optional = |value: &Option<String>| {
        value
            .as_deref()
            .map_or_else(|| "CAST(NULL AS VARCHAR)".to_owned(), literal)
    };
    Ok(Some(match (name, texts) {
        ("CURRENT_DATABASE", []) => optional(&context.database),
        ("CURRENT_SCHEMA", []) => optional(&context.schema),
        ("CURRENT_WAREHOUSE", []) => optional(&context.warehouse),
        ("CURRENT_USER", []) => literal(&context.user),
        ("CURRENT_ROLE", []) => literal(&context.role),
        ("CURRENT_SESSION", []) => literal(&context.session_id.to_string()),
        ("CURRENT_ACCOUNT", []) => literal("SIMULATOR"),
        ("CURRENT_ACCOUNT_NAME", []) => literal("SIMULATOR"),
        ("CURRENT_ORGANIZATION_NAME", []) => literal("SIMULATED"),
        ("CURRENT_REGION", []) => literal("LOCAL_SIMULATOR"),
        ("CURRENT_VERSION", []) => literal("9.0.0"),
        ("CURRENT_CLIENT", []) => literal("simulated"),
        ("SYSTEM$LAST_CHANGE_COMMIT_TIME", [object]) => {
            let name = context.resolve(&names::parse(object)?)?;
            format!(
                "CAST({} AS DECIMAL(38, 0))",
                engine.catalog().change_token(&name)?
            )
        }
        ("SYSTEM$GET_LOGIN_FAILURE_DETAILS", [id]) => {
            optional(&engine.users.failure(id).map(|details| details.to_string()))
        }
        ("GET_DDL", [_, object]) => literal(&ddl(engine, context, object)?),
        _ => return Ok(None),
    }))
}

/// The statement that would make the object again.
fn ddl(engine: &Engine, context: &Context, object: &str) -> Result<String, SqlError> {
    let name = context.resolve(&names::parse(object)?)?;
    let catalog = engine.catalog();
    let object = catalog.require(&name)?;
    if let ObjectKind::View { text, .. } = &object.kind {
        return Ok(format!("{};", text.trim_end().trim_end_matches(';')));
    }
    let columns: Vec<String> = object
        .columns
        .iter()
        .map(|column| {
            let nullable = if column.nullable { "" } else { " NOT NULL" };
            format!(
                "\t{} {}{nullable}",
                names::display(&column.name),
                column.kind.display()
            )
        })
        .collect();
    Ok(format!(
        "create or replace TABLE {} (\n{}\n);",
        names::display(&name.name),
        columns.join(",\n")
    ))
}
