//! Reads the file and the environment into [`Settings`], and says where a wrong key stands.

use std::{collections::BTreeMap, path::Path};

use ducksync_core::{Error, Result};
use figment::{
    Figment,
    error::Kind,
    providers::{Format, Toml},
    value::Value,
};
use toml::de::DeTable;

use super::sections::Settings;

/// What every variable of ours begins with.
const PREFIX: &str = "DUCKSYNC__";
/// Sections of the specification that this version does not offer yet.
const LATER: [&str; 2] = ["flush", "schedule"];

/// Variables that set keys, by the key's path: `DUCKSYNC__LAKE__NAME` is `lake.name`.
pub(super) type Variables = BTreeMap<String, (String, String)>;

/// The variables among `environment` that are for us.
pub(super) fn variables(environment: impl Iterator<Item = (String, String)>) -> Variables {
    environment
        .filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?;
            let path = path.to_ascii_lowercase().replace("__", ".");
            Some((path, (name, value)))
        })
        .collect()
}

/// The settings of `text` (of the file at `path`), overridden by `variables`.
pub(super) fn settings(path: &Path, text: &str, variables: &Variables) -> Result<Settings> {
    let origin = Origin {
        path,
        text,
        variables,
    };
    origin.check_syntax()?;
    let mut figment = Figment::from(Toml::string(text));
    for (key, (_, value)) in variables {
        figment = figment.merge((key.as_str(), typed(key, value)));
    }
    figment
        .extract()
        .map_err(|errors| match errors.into_iter().next() {
            Some(error) => origin.explain(&error),
            None => Error::invalid("the configuration cannot be read"),
        })
}

/// Secrets are texts whatever they look like: a password of digits keeps its leading zeros.
fn typed(key: &str, value: &str) -> Value {
    let text = || Value::from(value);
    if key.starts_with("secrets.") {
        return text();
    }
    value.parse().unwrap_or_else(|_| text())
}

/// Where settings come from, to name the place of a wrong one.
struct Origin<'a> {
    path: &'a Path,
    text: &'a str,
    variables: &'a Variables,
}

impl Origin<'_> {
    fn check_syntax(&self) -> Result<()> {
        let Err(error) = DeTable::parse(self.text) else {
            return Ok(());
        };
        let place = match error.span() {
            Some(span) => self.line(span.start),
            None => self.path.display().to_string(),
        };
        let said = error.message().replace('\n', ", ");
        Err(Error::invalid(format!("{place} is not valid TOML: {said}"))
            .with_remedy("mend that line; `ducksync check-config` checks the file"))
    }

    fn explain(&self, error: &figment::Error) -> Error {
        let mut path = error.path.clone();
        match &error.kind {
            Kind::UnknownField(key, known) => {
                if path.last() != Some(key) {
                    path.push(key.clone());
                }
                let key = path.join(".");
                let text = format!("{}: the key {key} is unknown", self.place(&path));
                Error::invalid(text).with_remedy(unknown_remedy(&path, known))
            }
            // What was found there may be a secret, and is not repeated.
            _ if path.first().is_some_and(|section| section == "secrets") => {
                let key = path.join(".");
                Error::invalid(format!("{}: {key} cannot be read", self.place(&path)))
                    .with_remedy("give each parameter a text, a number or a flag")
            }
            kind => {
                let key = path.join(".");
                Error::invalid(format!("{}: {key}: {kind}", self.place(&path)))
                    .with_remedy("correct the value")
            }
        }
    }

    /// The variable or the line that sets `path`.
    fn place(&self, path: &[String]) -> String {
        let key = path.join(".").to_ascii_lowercase();
        let below = |name: &&String| name.starts_with(&format!("{key}."));
        if let Some((variable, _)) = self.variables.get(&key) {
            return format!("variable {variable}");
        }
        if let Some(offset) = self.offset(path) {
            return self.line(offset);
        }
        match self
            .variables
            .keys()
            .find(below)
            .map(|name| &self.variables[name])
        {
            Some((variable, _)) => format!("variable {variable}"),
            None => self.path.display().to_string(),
        }
    }

    fn offset(&self, path: &[String]) -> Option<usize> {
        let document = DeTable::parse(self.text).ok()?;
        let mut table = document.get_ref();
        let (last, parents) = path.split_last()?;
        for part in parents {
            table = table.get(part.as_str())?.get_ref().as_table()?;
        }
        let (key, _) = table.iter().find(|(key, _)| key.get_ref() == last)?;
        Some(key.span().start)
    }

    fn line(&self, offset: usize) -> String {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

fn unknown_remedy(path: &[String], known: &[&str]) -> String {
    let (section, key) = match path.split_last() {
        Some((key, section)) => (section.join("."), key.as_str()),
        None => (String::new(), ""),
    };
    if section.is_empty() && LATER.contains(&key) {
        return "this version does not offer it yet; leave it out".into();
    }
    let full = |name: &str| match section.as_str() {
        "" => name.to_owned(),
        section => format!("{section}.{name}"),
    };
    let nearest = known
        .iter()
        .max_by(|l, r| strsim::jaro_winkler(l, key).total_cmp(&strsim::jaro_winkler(r, key)));
    match nearest {
        Some(name) if strsim::jaro_winkler(name, key) > 0.75 => {
            format!("did you mean {}?", full(name))
        }
        Some(_) => format!("known here: {}", known.join(", ")),
        None => "leave it out".into(),
    }
}
