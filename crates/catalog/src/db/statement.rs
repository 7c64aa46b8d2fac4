//! Statements: static text and bound values.

use super::{error::DbResult, transaction::Tx, value::Value};

/// Values that one statement of either engine can bind.
const MAX_VALUES: usize = 30_000;

/// A statement with its values.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(super) text: Text,
    pub(super) values: Vec<Value>,
}

#[derive(Debug, Clone)]
pub(super) enum Text {
    /// Written in the source; prepared once per connection.
    Static(&'static str),
    /// Made of static pieces, used once.
    Once(String),
    /// Made of static pieces in few forms, each prepared once per connection.
    Often(String),
}

/// A statement of that text, in the common SQL of [`super::dialect`].
pub(crate) fn sql(text: &'static str) -> Statement {
    Statement {
        text: Text::Static(text),
        values: Vec::new(),
    }
}

impl Statement {
    /// A statement of text that was put together from static pieces: never from anybody's values.
    pub(crate) fn once(text: String) -> Self {
        Self {
            text: Text::Once(text),
            values: Vec::new(),
        }
    }

    /// Binds the next `$n`.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Binds the next `$n`s.
    #[must_use]
    pub(crate) fn bind_all(mut self, values: impl IntoIterator<Item = Value>) -> Self {
        self.values.extend(values);
        self
    }
}

/// Inserts many rows with few statements; `into` reads `INSERT INTO t (a, b)`.
pub(crate) async fn insert_rows(
    tx: &mut Tx,
    into: &'static str,
    rows: Vec<Vec<Value>>,
) -> DbResult<()> {
    let Some(width) = rows.first().map(Vec::len).filter(|width| *width > 0) else {
        return Ok(());
    };
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let chunk: Vec<_> = rows.by_ref().take(MAX_VALUES / width).collect();
        let text = format!("{into} VALUES {}", places(chunk.len(), width));
        let text = match chunk.len() {
            1..=2 => Text::Often(text),
            _ => Text::Once(text),
        };
        let insert = Statement {
            text,
            values: Vec::new(),
        };
        tx.execute(insert.bind_all(chunk.into_iter().flatten()))
            .await?;
    }
    Ok(())
}

/// `($1, $2), ($3, $4)` for two rows of two values.
fn places(rows: usize, width: usize) -> String {
    let row = |row: usize| {
        let values: Vec<_> = (1..=width)
            .map(|n| format!("${}", row * width + n))
            .collect();
        format!("({})", values.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}
