//! Secrets and sources that the configuration defines.
//!
//! A parameter `x_file` is read from that file and becomes `x` (O-1). Values stand in
//! [`SecretText`]s from the moment they are read, so that nothing here can print one (I-9).

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    fmt, fs,
    path::{Path, PathBuf},
};

use ducksync_core::{
    Error, Result,
    name::Name,
    secret::{Secret, SecretText},
    source::{Driver, SourceDefinition},
};
use serde::{Deserialize, Deserializer, de};

/// A secret as it is written: parameters by name, `type` among them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretSettings(BTreeMap<String, Scalar>);

/// A source as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceSettings {
    driver: String,
    secret: String,
    #[serde(default)]
    passthrough_enabled: bool,
    /// `service` (our grants); `caller` is not offered yet.
    #[serde(default)]
    entitlement: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, serde_json::Value>,
}

impl SecretSettings {
    /// The secret, with the contents of its files.
    pub(crate) fn resolve(&self, name: &str, base: &Path) -> Result<Secret> {
        let mut values = BTreeMap::new();
        for (key, Scalar(text)) in &self.0 {
            let key = key.to_ascii_lowercase();
            let (key, text) = match key.strip_suffix("_file") {
                Some(stem) => (
                    stem.to_owned(),
                    read_secret_file(&base.join(text.expose()))?,
                ),
                None => (key, text.clone()),
            };
            match values.entry(key) {
                Entry::Vacant(place) => place.insert(text),
                Entry::Occupied(taken) => {
                    return Err(Error::invalid(format!(
                        "secrets.{name} gives {} twice",
                        taken.key()
                    ))
                    .with_remedy("keep the value or the file, not both"));
                }
            };
        }
        let Some(kind) = values.remove("type") else {
            return Err(Error::invalid(format!("secrets.{name} has no type"))
                .with_remedy("add type = \"snowflake\", \"s3\" or \"postgres\""));
        };
        Ok(Secret {
            kind: kind.expose().to_ascii_lowercase(),
            values,
        })
    }
}

impl SourceSettings {
    /// The definition that is put into the catalog.
    pub(crate) fn resolve(&self, name: &str) -> Result<SourceDefinition> {
        let entitlement = self.entitlement.as_deref().unwrap_or("service");
        if entitlement != "service" {
            return Err(Error::unimplemented(format!(
                "sources.{name}.entitlement {entitlement:?} is not offered"
            ))
            .with_remedy("use \"service\": who may read what is decided by this server's grants"));
        }
        Ok(SourceDefinition {
            name: Name::parse(&format!("sources.{name}"), name)?,
            driver: Driver::parse(&self.driver)?,
            secret: Name::parse(&format!("sources.{name}.secret"), &self.secret)?,
            passthrough_enabled: self.passthrough_enabled,
            options: self.options.clone(),
            created_at: chrono::Utc::now(),
        })
    }
}

/// The configured secrets by folded name.
pub(super) fn named_secrets(
    settings: &BTreeMap<String, SecretSettings>,
    base: &Path,
) -> Result<HashMap<String, (Name, Secret)>> {
    let mut named = HashMap::new();
    for (text, secret) in settings {
        let name = Name::parse(&format!("secrets.{text}"), text)?;
        let secret = secret.resolve(text, base)?;
        if let Some((other, _)) = named.insert(name.folded(), (name, secret)) {
            return Err(twice("secrets", text, &other));
        }
    }
    Ok(named)
}

/// The configured sources.
pub(super) fn named_sources(
    settings: &BTreeMap<String, SourceSettings>,
) -> Result<Vec<SourceDefinition>> {
    let mut sources: Vec<SourceDefinition> = Vec::new();
    for (text, source) in settings {
        let source = source.resolve(text)?;
        if let Some(other) = sources.iter().find(|other| other.name.matches(text)) {
            return Err(twice("sources", text, &other.name));
        }
        sources.push(source);
    }
    Ok(sources)
}

fn twice(section: &str, name: &str, other: &Name) -> Error {
    Error::invalid(format!(
        "{section}.{name} and {section}.{other} have the same name"
    ))
    .with_remedy("names are unique ignoring case: rename one")
}

/// The content of a file that holds one secret, without the newline that editors add.
pub(crate) fn read_secret_file(path: &PathBuf) -> Result<SecretText> {
    let text = fs::read_to_string(path).map_err(|error| {
        Error::failed_precondition(format!(
            "reading the secret file {} failed: {}",
            path.display(),
            error.kind()
        ))
        .with_remedy(
            "check the path and its rights; relative paths begin at the configuration file",
        )
    })?;
    Ok(SecretText::new(text.trim_end_matches(['\r', '\n'])))
}

/// A text, number or flag, kept as secret text.
#[derive(Debug, Clone)]
struct Scalar(SecretText);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl Visitor {
            fn keep<E>(text: impl fmt::Display) -> Result<Scalar, E> {
                Ok(Scalar(SecretText::new(text.to_string())))
            }
        }
        impl de::Visitor<'_> for Visitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a flag")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Self::keep(text)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
                Self::keep(flag)
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Self::keep(number)
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Self::keep(number)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
