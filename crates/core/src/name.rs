//! Names: ours, the lake's and the sources'.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A name that we give: a source, a cache, a secret (G-3). Unique ignoring case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Parses `text`; `what` names the argument in the error.
    ///
    /// # Errors
    /// `InvalidArgument` unless it matches `[A-Za-z_][A-Za-z0-9_]{0,62}`.
    pub fn parse(what: &str, text: &str) -> Result<Self> {
        let mut bytes = text.bytes();
        let head = bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if head && text.len() <= 63 && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Ok(Self(text.to_owned()));
        }
        Err(
            Error::invalid(format!("{what} {text:?} is not a valid name")).with_remedy(
                "use a letter or underscore, then up to 62 letters, digits or underscores",
            ),
        )
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which names are compared.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Whether both name the same thing.
    pub fn matches(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse("name", &text).map_err(serde::de::Error::custom)
    }
}

/// A table or view of the lake: schema and name, compared ignoring case as DuckDB does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// The schema, in the case of its making.
    pub schema: String,
    /// The table, in the case of its making.
    pub name: String,
}

impl TableName {
    /// The table `name` of `schema`.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }

    /// The form by which tables are looked up.
    pub fn folded(&self) -> (String, String) {
        (self.schema.to_lowercase(), self.name.to_lowercase())
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// An object of a source by its full identity: database, schema and name in exact case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectName {
    /// The database (catalog) as the source stores it.
    pub database: String,
    /// The schema as the source stores it.
    pub schema: String,
    /// The object as the source stores it.
    pub name: String,
}

impl ObjectName {
    /// The object with each part quoted by `"`, doubled inside: safe in generated SQL (G-3).
    pub fn quoted(&self) -> String {
        [&self.database, &self.schema, &self.name]
            .map(|part| quote(part))
            .join(".")
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.database, self.schema, self.name)
    }
}

/// Quotes an identifier for SQL.
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Quotes a text literal for SQL where no value can be bound.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// One directory segment of the data path made of `name`: unchanged where that is safe on every
/// file system and object store, percent-encoded byte by byte elsewhere.
pub fn path_segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => segment.push(byte as char),
            _ => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g3_names_are_checked_at_the_edge() {
        for good in ["a", "_", "Sales_2024", &"x".repeat(63)] {
            assert_eq!(Name::parse("cache_name", good).unwrap().as_str(), good);
        }
        for bad in ["", "1a", "a b", "a-b", "ä", "a.b", &"x".repeat(64)] {
            let error = Name::parse("cache_name", bad).unwrap_err();
            assert!(error.to_string().contains("cache_name"), "{error}");
        }
    }

    #[test]
    fn segments_cannot_leave_their_directory() {
        assert_eq!(path_segment("../a b/é"), "%2E%2E%2Fa%20b%2F%C3%A9");
        assert_eq!(path_segment("sales_2024"), "sales_2024");
    }
}
