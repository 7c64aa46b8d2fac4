//! What a move leaves behind: a secret in the old catalog, and a file beside the data.

use std::{collections::BTreeMap, fs, io, path::PathBuf};

use ducksync_core::{
    Error, Result,
    catalog::SecretStore,
    name::Name,
    secret::{Secret, SecretText},
};
use serde::{Deserialize, Serialize};

use crate::config::Config;

const KIND: &str = "storage";
const FILE: &str = "storage-moved.json";

/// The name of the secret that says where the storage was moved to.
pub(super) fn name() -> Result<Name> {
    Name::parse("the pointer's name", "ducksync_storage")
}

/// Where the storage was moved to.
pub(super) struct Pointer {
    url: SecretText,
    data_path: String,
    schema: String,
}

impl Pointer {
    /// To the place of `target`.
    pub(super) fn to(target: &Config) -> Self {
        Self {
            url: target.catalog.address(),
            data_path: target.lake.data_path.clone(),
            schema: target.catalog_schema.clone(),
        }
    }

    /// Leaves it in the old catalog and beside the data, the file first: a start that finds only the
    /// file goes on with the old catalog, whose state is whole.
    pub(super) async fn leave(&self, from: &Config, catalog: &dyn SecretStore) -> Result<()> {
        let target = from.elsewhere(&self.url, &self.data_path, None)?;
        note_move(from, &target)?;
        let values = [
            ("url", self.url.clone()),
            ("data_path", SecretText::new(&*self.data_path)),
            ("schema", SecretText::new(&*self.schema)),
        ];
        let secret = Secret {
            kind: KIND.into(),
            values: values.map(|(key, value)| (key.to_owned(), value)).into(),
        };
        catalog.put_secret(&name()?, &secret, true).await
    }

    /// Reads it from the old catalog's secret.
    pub(super) fn read(secret: &Secret) -> Result<Self> {
        let part = |key: &str| {
            secret.values.get(key).cloned().ok_or_else(|| {
                Error::data_loss(format!("the pointer to the moved storage has no {key}"))
                    .with_remedy("set catalog.url to the catalog that holds the data")
            })
        };
        Ok(Self {
            url: part("url")?,
            data_path: part("data_path")?.expose().to_owned(),
            schema: part("schema")?.expose().to_owned(),
        })
    }

    /// The configuration for the place it points to.
    pub(super) fn follow(&self, config: &Config) -> Result<Config> {
        config.elsewhere(&self.url, &self.data_path, Some(&self.schema))
    }
}

/// All places that the storage of a data directory had, the last being where it is. No passwords.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Moves {
    places: Vec<String>,
}

/// Refuses a configuration that names neither a place the storage was moved from nor where it is now:
/// it would start on an empty lake beside the full one.
///
/// # Errors
/// `FailedPrecondition` naming both.
pub(super) fn refuse_third_place(config: &Config) -> Result<()> {
    let Some(moves) = read_moves(config)? else {
        return Ok(());
    };
    let configured = config.catalog.shown();
    let Some(now) = moves.places.last() else {
        return Ok(());
    };
    if moves.places.contains(&configured) {
        return Ok(());
    }
    Err(Error::failed_precondition(format!(
        "catalog.url is {configured}, but the storage of this data directory was moved to {now}"
    ))
    .with_remedy(format!(
        "set catalog.url to {now}; to begin anew, remove {}",
        file(config).display()
    )))
}

fn note_move(from: &Config, to: &Config) -> Result<()> {
    let mut moves = read_moves(from)?.unwrap_or_default();
    for place in [from.catalog.shown(), to.catalog.shown()] {
        moves.places.retain(|known| *known != place);
        moves.places.push(place);
    }
    let text =
        serde_json::to_vec(&BTreeMap::from([("places", moves.places)])).map_err(|error| {
            Error::internal("the moves cannot be written as JSON").with_source(error)
        })?;
    fs::write(file(from), text).map_err(|error| failed(from, "writing", error))
}

fn read_moves(config: &Config) -> Result<Option<Moves>> {
    match fs::read(file(config)) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| {
            Error::data_loss(format!("{} is not what we wrote", file(config).display()))
                .with_remedy(
                    "set catalog.url to the catalog that holds the data, and remove the file",
                )
                .with_source(error)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(config, "reading", error)),
    }
}

fn file(config: &Config) -> PathBuf {
    config.data_directory.join(FILE)
}

fn failed(config: &Config, doing: &str, error: io::Error) -> Error {
    Error::failed_precondition(format!(
        "{doing} {} failed: {}",
        file(config).display(),
        error.kind()
    ))
    .with_remedy("check the rights of the data directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(home: &std::path::Path, url: &str) -> Config {
        let text = format!("data_directory = \".\"\ncatalog.url = \"{url}\"\n");
        let path = home.join("ducksync.toml");
        Config::parse(&path, Some(&text), std::iter::empty()).unwrap()
    }

    #[test]
    fn c2_a_third_place_is_refused_naming_both() {
        let home = tempfile::tempdir().unwrap();
        let [a, b, c] = ["sqlite:a.db", "postgresql://u:hunter2@h/b", "sqlite:c.db"]
            .map(|url| config(home.path(), url));
        refuse_third_place(&c).unwrap();
        note_move(&a, &b).unwrap();
        refuse_third_place(&a).unwrap();
        refuse_third_place(&b).unwrap();
        let error = refuse_third_place(&c).unwrap_err().to_string();
        assert!(
            error.contains("c.db") && error.contains("postgresql://u@h/b"),
            "{error}"
        );
        let kept = fs::read_to_string(file(&a)).unwrap();
        assert!(!kept.contains("hunter2"), "{kept}");
        note_move(&b, &c).unwrap();
        refuse_third_place(&c).unwrap();
    }

    #[test]
    fn c2_a_pointer_is_followed_to_where_it_was_made() {
        let home = tempfile::tempdir().unwrap();
        let [a, b] =
            ["sqlite:a.db", "postgresql://u:hunter2@h/b"].map(|url| config(home.path(), url));
        let followed = Pointer::to(&b).follow(&a).unwrap();
        assert_eq!(followed.catalog, b.catalog);
        assert_eq!(followed.lake.data_path, b.lake.data_path);
    }
}
