//! Snowflake's errors: a code, an SQL state, a message and, where known, a position.

use crate::names;

/// An error of a statement, as the envelope of a reply carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlError {
    pub(crate) code: String,
    pub(crate) sql_state: String,
    pub(crate) message: String,
    /// Line and position in the statement, both as Snowflake counts them (1 and 0 first).
    pub(crate) at: Option<(u64, u64)>,
}

impl SqlError {
    pub(crate) fn new(code: &str, sql_state: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            sql_state: sql_state.to_owned(),
            message: message.into(),
            at: None,
        }
    }

    pub(crate) fn syntax(line: u64, position: u64, unexpected: &str) -> Self {
        Self {
            at: Some((line, position)),
            ..Self::new(
                "001003",
                "42000",
                format!(
                    "SQL compilation error:\nsyntax error line {line} at position {position} unexpected '{unexpected}'."
                ),
            )
        }
    }

    /// `kind` is `Object`, `Table`, `View`, `Schema` or `Database`.
    pub(crate) fn missing(kind: &str, name: &str) -> Self {
        let state = if matches!(kind, "Schema" | "Database") {
            "02000"
        } else {
            "42S02"
        };
        Self::new(
            "002003",
            state,
            format!("SQL compilation error:\n{kind} '{name}' does not exist or not authorized."),
        )
    }

    pub(crate) fn exists(name: &str) -> Self {
        Self::new(
            "002002",
            "42710",
            format!("SQL compilation error:\nObject '{name}' already exists."),
        )
    }

    pub(crate) fn canceled() -> Self {
        Self::new("000604", "57014", "SQL execution canceled")
    }

    pub(crate) fn timed_out(seconds: u64) -> Self {
        Self::new(
            "000630",
            "57014",
            format!(
                "Statement reached its statement or warehouse timeout of {seconds} second(s) and was canceled."
            ),
        )
    }

    /// Whether somebody, or a timeout, stopped the statement. The SQL state does not tell: Snowflake
    /// gives a suspended account the same.
    pub(crate) fn is_canceled(&self) -> bool {
        matches!(self.code.as_str(), "000604" | "000630")
    }

    pub(crate) fn suspended() -> Self {
        Self::new(
            "000666",
            "57014",
            "SQL compilation error:\nYour account is suspended due to lack of payment method.",
        )
    }

    pub(crate) fn no_role(role: &str) -> Self {
        Self::new(
            "003013",
            "42501",
            format!(
                "SQL access control error:\nRequested role '{role}' is not assigned to the executing user. Specify another role to activate."
            ),
        )
    }

    pub(crate) fn no_warehouse() -> Self {
        Self::new(
            "000606",
            "57P03",
            "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' command.",
        )
    }

    /// The table is named without its schema, as Snowflake does here.
    pub(crate) fn no_time_travel(table: &str) -> Self {
        Self::new(
            "000707",
            "02000",
            format!(
                "Time travel data is not available for table {table}. The requested time is either beyond the allowed time travel period or before the object creation time."
            ),
        )
    }

    pub(crate) fn not_tracked(table: &str) -> Self {
        Self::new(
            "091930",
            "55000",
            format!(
                "SQL compilation error: Change tracking is not enabled or has been missing for the time range requested on table '{table}'."
            ),
        )
    }

    pub(crate) fn no_database() -> Self {
        Self::new(
            "090105",
            "22000",
            "Cannot perform operation. This session does not have a current database. Call 'USE DATABASE', or use a qualified name.",
        )
    }

    pub(crate) fn unsupported(what: &str) -> Self {
        Self::new("000002", "0A000", format!("Unsupported feature '{what}'."))
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(
            "000603",
            "XX000",
            format!("SQL execution internal error: {}", message.into()),
        )
    }
}

impl From<duckdb::Error> for SqlError {
    fn from(error: duckdb::Error) -> Self {
        from_duckdb(&error.to_string())
    }
}

impl From<arrow::error::ArrowError> for SqlError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::internal(error.to_string())
    }
}

/// Translates DuckDB's message into the error that Snowflake would raise.
fn from_duckdb(message: &str) -> SqlError {
    let text = names::logical(message);
    let first = text.lines().next().unwrap_or_default();
    let compilation = |code: &str, state: &str, message: String| {
        SqlError::new(code, state, format!("SQL compilation error:\n{message}"))
    };
    if first.contains("INTERRUPT") || first.contains("Interrupted") {
        return SqlError::canceled();
    }
    if let Some(word) = between(first, "syntax error at or near \"", "\"") {
        return SqlError::syntax(1, 0, word);
    }
    if first.starts_with("Parser Error") {
        return compilation(
            "001003",
            "42000",
            format!("syntax error line 1 at position 0: {first}"),
        );
    }
    if first.starts_with("Catalog Error") || first.contains("Binder Error: Catalog") {
        if let Some(name) = between(first, "Function with name ", " ") {
            return compilation(
                "002140",
                "42601",
                format!("Unknown function {}", name.to_uppercase()),
            );
        }
        if first.contains("already exists") {
            return SqlError::exists(between(first, "name \"", "\"").unwrap_or(first));
        }
        let name = between(first, "with name ", " does not exist")
            .or_else(|| between(first, "Catalog \"", "\""))
            .unwrap_or(first);
        return SqlError::missing("Object", name.trim_matches('"'));
    }
    if let Some(column) = between(first, "Referenced column \"", "\"") {
        return compilation(
            "000904",
            "42000",
            format!("error line 1 at position 0\ninvalid identifier '{column}'"),
        );
    }
    if first.starts_with("Binder Error") {
        return compilation("001007", "42601", first.to_owned());
    }
    if first.starts_with("Conversion Error") {
        return SqlError::new("100038", "22018", first.to_owned());
    }
    if first.starts_with("Out of Range Error") {
        return SqlError::new("100046", "22003", first.to_owned());
    }
    if first.starts_with("Constraint Error") {
        return SqlError::new("100072", "22000", first.to_owned());
    }
    SqlError::internal(text)
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duckdb_messages_become_snowflake_codes() {
        for (message, code, state) in [
            (
                "Catalog Error: Table with name T does not exist!",
                "002003",
                "42S02",
            ),
            (
                "Binder Error: Catalog \"NOPE\" does not exist!",
                "002003",
                "42S02",
            ),
            (
                "Parser Error: syntax error at or near \"FORM\"",
                "001003",
                "42000",
            ),
            (
                "Binder Error: Referenced column \"id·3\" not found",
                "000904",
                "42000",
            ),
            (
                "Catalog Error: Scalar Function with name foo does not exist!",
                "002140",
                "42601",
            ),
            ("INTERRUPT Error: Interrupted!", "000604", "57014"),
            (
                "Conversion Error: Could not convert string 'x' to INT32",
                "100038",
                "22018",
            ),
        ] {
            let error = from_duckdb(message);
            assert_eq!(
                (error.code.as_str(), error.sql_state.as_str()),
                (code, state),
                "{message}"
            );
        }
    }
}
