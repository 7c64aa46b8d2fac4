//! A small table that is printed as aligned columns or as JSON.

use std::io::{self, Write};

use ducksync_core::{Error, Result};
use serde_json::{Map, Value};

use super::Format;

/// Rows of named columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Report {
    /// A table without rows.
    pub(super) fn new(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with a value for each column.
    pub(super) fn row<const N: usize>(&mut self, values: [Value; N]) {
        self.rows.push(values.into());
    }

    /// Prints it to stdout.
    pub(super) fn print(&self, format: Format) -> Result<()> {
        let text = match format {
            Format::Table => self.table(),
            Format::Json => self.json(),
        };
        io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| Error::unavailable("printing the answer failed").with_source(error))
    }

    fn json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let pairs = self.columns.iter().cloned().zip(row.iter().cloned());
            Value::Object(pairs.collect::<Map<_, _>>())
        });
        format!("{:#}\n", Value::Array(rows.collect()))
    }

    fn table(&self) -> String {
        let shown = self.rows.iter().map(|row| row.iter().map(text).collect());
        let lines: Vec<Vec<String>> = [self.columns.clone()].into_iter().chain(shown).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                lines
                    .iter()
                    .map(|line| line[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut table = String::new();
        for line in lines {
            let cells = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            let cells: Vec<_> = cells.collect();
            table.push_str(cells.join("  ").trim_end());
            table.push('\n');
        }
        table
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> Report {
        let mut report = Report::new(&["name", "age"]);
        report.row([json!("sales"), json!(1.5)]);
        report.row([json!("x"), Value::Null]);
        report
    }

    #[test]
    fn o2_tables_are_aligned() {
        assert_eq!(report().table(), "name   age\nsales  1.5\nx      -\n");
    }

    #[test]
    fn o2_json_is_one_array_of_objects() {
        let rows: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(
            rows,
            json!([{"name": "sales", "age": 1.5}, {"name": "x", "age": null}])
        );
    }
}
