//! Identifiers: Snowflake's folding, and the spelling that DuckDB gets to see.
//!
//! Snowflake folds unquoted identifiers to upper case and compares exactly; DuckDB compares without
//! case. So a name with lower-case letters carries their positions as a suffix (`orders` becomes
//! `orders·3f`), which makes `"ORDERS"` and `"orders"` two tables for DuckDB as well.

use crate::error::SqlError;
use crate::tokens::Cursor;

/// Separates a name from the bit mask of its lower-case letters.
const MARK: char = '·';

/// A fully qualified object, each part exactly as Snowflake stores it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectName {
    pub(crate) database: String,
    pub(crate) schema: String,
    pub(crate) name: String,
}

impl ObjectName {
    pub(crate) fn new(database: &str, schema: &str, name: &str) -> Self {
        Self {
            database: database.to_owned(),
            schema: schema.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The three parts as DuckDB gets them, quoted.
    pub(crate) fn quoted(&self) -> String {
        format!(
            "{}.{}.{}",
            quoted(&self.database),
            quoted(&self.schema),
            quoted(&self.name)
        )
    }

    /// The three parts as Snowflake prints them in plans: quoted only where a part needs it.
    pub(crate) fn display(&self) -> String {
        [&self.database, &self.schema, &self.name]
            .map(|part| display(part))
            .join(".")
    }
}

/// The name as DuckDB stores it.
pub(crate) fn physical(name: &str) -> String {
    if !name.chars().any(|c| c.is_ascii_lowercase()) {
        return name.to_owned();
    }
    let letters: Vec<bool> = name.chars().map(|c| c.is_ascii_lowercase()).collect();
    let mask: String = letters
        .chunks(4)
        .filter_map(|bits| {
            let digit = bits
                .iter()
                .enumerate()
                .map(|(at, lower)| u32::from(*lower) << at)
                .sum();
            char::from_digit(digit, 16)
        })
        .collect();
    format!("{name}{MARK}{mask}")
}

/// The name as a quoted DuckDB identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", physical(name).replace('"', "\"\""))
}

/// The name as it reads in Snowflake's messages and plans.
pub(crate) fn display(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '$')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Takes every mask out of a text that DuckDB wrote: a label, a message, a stored name.
pub(crate) fn logical(text: &str) -> String {
    if !text.contains(MARK) {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARK) {
        plain.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || ('a'..='f').contains(&c));
    }
    plain.push_str(rest);
    plain
}

/// Parses `a.b."c"` as Snowflake reads a name given as text.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, SqlError> {
    let mut cursor = Cursor::over(text)?;
    let parts = cursor.name()?;
    if cursor.is_done() {
        Ok(parts)
    } else {
        Err(cursor.unexpected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_case_stay_apart() {
        assert_eq!(physical("ORDERS"), "ORDERS");
        assert_eq!(physical("orders"), "orders·f3");
        assert_eq!(physical("Orders"), "Orders·e3");
        assert_eq!(quoted("a\"B"), "\"a\"\"B·1\"");
    }

    #[test]
    fn masks_are_taken_out_of_labels_and_messages() {
        assert_eq!(
            logical("sum(\"amount·f3\") of Orders·e3!"),
            "sum(\"amount\") of Orders!"
        );
        assert_eq!(logical("PLAIN"), "PLAIN");
    }

    #[test]
    fn text_names_fold_like_sql() {
        assert_eq!(parse("db.s.\"Orders\"").unwrap(), ["DB", "S", "Orders"]);
        assert!(parse("a b").is_err());
    }

    #[test]
    fn display_quotes_only_what_needs_it() {
        let name = ObjectName::new("DB", "S", "orders");
        assert_eq!(name.display(), "DB.S.\"orders\"");
        assert_eq!(name.quoted(), "\"DB\".\"S\".\"orders·f3\"");
    }
}
