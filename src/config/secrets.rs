//! Secrets and sources that the configuration defines.
//!
//! A parameter `x_file` is read from that file and becomes `x` (O-1); a Snowflake login's files are only
//! looked at, since the source reads them itself, at each login, so that they can be rotated. Values stand
//! in [`SecretText`]s from the moment they are read, so that nothing here can print one (I-9).

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

/// What a Snowflake source reads by itself.
const READ_AT_LOGIN: [&str; 4] = [
    "password_file",
    "private_key_file",
    "private_key_passphrase_file",
    "token_file",
];

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
    /// The secret, with the contents of its files, or with their places where they are read later.
    pub(crate) fn resolve(&self, name: &str, base: &Path) -> Result<Secret> {
        let of_snowflake = self.0.iter().any(|(key, Scalar(value))| {
            key.eq_ignore_ascii_case("type") && value.expose().eq_ignore_ascii_case("snowflake")
        });
        let mut values = BTreeMap::new();
        for (key, Scalar(text)) in &self.0 {
            let mut key = key.to_ascii_lowercase();
            let mut text = text.clone();
            let stem = key.strip_suffix("_file").map(str::to_owned);
            let twice = stem.as_ref().is_some_and(|stem| values.contains_key(stem))
                || values.contains_key(&format!("{key}_file"));
            if let Some(stem) = stem {
                let path = base.join(text.expose());
                let content = read_secret_file(&path)?;
                if of_snowflake && READ_AT_LOGIN.contains(&key.as_str()) {
                    text = SecretText::new(absolute(&path)?);
                } else {
                    (key, text) = (stem, content);
                }
            }
            match values.entry(key) {
                Entry::Vacant(place) if !twice => place.insert(text),
                Entry::Vacant(place) => return Err(given_twice(name, place.key())),
                Entry::Occupied(taken) => return Err(given_twice(name, taken.key())),
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

fn given_twice(name: &str, key: &str) -> Error {
    let key = key.trim_end_matches("_file");
    Error::invalid(format!("secrets.{name} gives {key} twice"))
        .with_remedy("keep the value or the file, not both")
}

/// The path from the root, which stays what it is when the process moves.
fn absolute(path: &Path) -> Result<String> {
    let path = std::path::absolute(path).map_err(|error| {
        Error::invalid(format!("{} is no path", path.display())).with_source(error)
    })?;
    let text = path.into_os_string().into_string();
    text.map_err(|_| Error::invalid("the path of a secret's file is not Unicode"))
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
