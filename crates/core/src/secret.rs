//! Values that must never be shown.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// A secret text. It prints as `[redacted]` and is serialized only where it is encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends or encrypts it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// A named set of connection parameters, such as those of a Snowflake login (G-11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The kind, in lower case: `snowflake`, `s3`, `postgres`.
    pub kind: String,
    /// Parameters by their lower-case name, such as `account` or `private_key`.
    pub values: BTreeMap<String, SecretText>,
}

impl Secret {
    /// The parameter `key`, if it is there.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(SecretText::expose)
    }
}

/// The clear form of a [`Secret`], only ever made to be encrypted.
#[derive(Serialize, Deserialize)]
pub struct ExposedSecret {
    /// As [`Secret::kind`].
    pub kind: String,
    /// As [`Secret::values`], readable.
    pub values: BTreeMap<String, String>,
}

impl From<&Secret> for ExposedSecret {
    fn from(secret: &Secret) -> Self {
        let values = secret
            .values
            .iter()
            .map(|(key, value)| (key.clone(), value.expose().to_owned()))
            .collect();
        Self {
            kind: secret.kind.clone(),
            values,
        }
    }
}

impl From<ExposedSecret> for Secret {
    fn from(exposed: ExposedSecret) -> Self {
        let values = exposed
            .values
            .into_iter()
            .map(|(key, value)| (key, SecretText(value)))
            .collect();
        Self {
            kind: exposed.kind,
            values,
        }
    }
}
