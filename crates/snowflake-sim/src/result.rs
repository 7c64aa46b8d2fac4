//! What a statement answers.

use serde_json::Value;

use crate::engine::Context;
use crate::statement::Kind;
use crate::types::SnowflakeType;
use crate::wire::chunk::ArrowRows;
use crate::wire::column::ResultColumn;
use crate::wire::text::TextRow;

/// Rows in one of the forms that somebody asked for.
#[derive(Debug, Clone)]
pub(crate) enum Rows {
    Arrow(ArrowRows),
    Text(Vec<TextRow>),
    Values(Vec<Vec<Value>>),
}

/// The form in which to make a SELECT's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Arrow {
        inline_rows: usize,
        rows_per_chunk: usize,
    },
    Text,
    Values,
}

/// A statement's answer.
#[derive(Debug, Clone)]
pub(crate) struct ResultSet {
    pub(crate) kind: Kind,
    pub(crate) columns: Vec<ResultColumn>,
    pub(crate) rows: Rows,
    /// Rows that a change affected; for others the rows of the result.
    pub(crate) affected: u64,
    /// The session's names after the statement.
    pub(crate) context: Context,
}

impl ResultSet {
    /// A result of texts, as SHOW and DESC give it.
    pub(crate) fn table(
        kind: Kind,
        context: &Context,
        columns: Vec<ResultColumn>,
        rows: Vec<TextRow>,
    ) -> Self {
        Self {
            kind,
            columns,
            affected: rows.len() as u64,
            rows: Rows::Text(rows),
            context: context.clone(),
        }
    }

    /// The one-cell answer of statements that return nothing else.
    pub(crate) fn status(kind: Kind, context: &Context, message: impl Into<String>) -> Self {
        let columns = vec![ResultColumn::new("status", SnowflakeType::TEXT)];
        Self::table(kind, context, columns, vec![vec![Some(message.into())]])
    }

    /// The answer of a change: one counter per column.
    pub(crate) fn counts(kind: Kind, context: &Context, counts: &[(&str, u64)]) -> Self {
        let columns = counts.iter().map(|(label, _)| {
            ResultColumn::new(
                label,
                SnowflakeType::Number {
                    precision: 19,
                    scale: 0,
                },
            )
        });
        let row = counts
            .iter()
            .map(|(_, count)| Some(count.to_string()))
            .collect();
        Self {
            affected: counts.iter().map(|(_, count)| count).sum(),
            ..Self::table(kind, context, columns.collect(), vec![row])
        }
    }

    pub(crate) fn total(&self) -> usize {
        match &self.rows {
            Rows::Arrow(rows) => rows.total(),
            Rows::Text(rows) => rows.len(),
            Rows::Values(rows) => rows.len(),
        }
    }

    /// Roughly what keeping the result costs.
    pub(crate) fn bytes(&self) -> usize {
        match &self.rows {
            Rows::Arrow(rows) => rows.bytes(),
            Rows::Text(rows) => rows.len() * self.columns.len() * 16,
            Rows::Values(_) => 0,
        }
    }
}
