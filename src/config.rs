//! `ducksync.toml` and the environment, read once and passed down (O-1).
//!
//! [`Config::load`] is the one door: it reads the file, lets `DUCKSYNC__SECTION__KEY` variables
//! override it, refuses what it does not know, makes paths absolute (relative ones begin at the file),
//! reads secrets from their files and checks what values mean together. No other module reads
//! configuration, and this one opens no database, socket or engine.

mod address;
mod check;
mod inert;
mod libpq;
mod offered;
mod read;
mod secrets;
mod sections;
mod units;
mod users;

use std::{
    collections::HashMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use ducksync_core::{
    Error, Result,
    name::Name,
    secret::{Secret, SecretText},
    source::SourceDefinition,
};

pub(crate) use self::{
    address::{CatalogUrl, Listen},
    sections::{
        Engine, Flight, Lake, Logs, Maintenance, Refresh, Service, Serving, Settings, Sync,
    },
    units::Size,
    users::{ConfiguredUser, Users},
};

/// The file that is used when none is named, in the directory of the call.
const DEFAULT_FILE: &str = "ducksync.toml";
/// Names another file.
const FILE_VARIABLE: &str = "DUCKSYNC_CONFIG";

/// Everything the program is told, complete and checked; paths are absolute.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The file it came from; `None` = the embedded defaults.
    pub(crate) file: Option<PathBuf>,
    /// Where relative paths begin.
    base: PathBuf,
    /// Keys that were set and have no effect yet.
    pub(crate) inert: Vec<&'static str>,
    /// Whether limits on ranges are lifted.
    pub(crate) testing: bool,
    /// Where everything lives that is not said otherwise.
    pub(crate) data_directory: PathBuf,
    /// The file of the server's secret key.
    pub(crate) secret_key_file: PathBuf,
    /// What this process is.
    pub(crate) service: Service,
    /// Where health and metrics are served, if anywhere.
    pub(crate) admin_listen: Option<String>,
    /// How long a probe may take.
    pub(crate) probe_timeout: std::time::Duration,
    /// The catalog database.
    pub(crate) catalog: CatalogUrl,
    /// The schema of our state tables.
    pub(crate) catalog_schema: String,
    /// How long the start waits for the catalog.
    pub(crate) catalog_connect_timeout: std::time::Duration,
    /// How long a token lives unused.
    pub(crate) token_idle: std::time::Duration,
    /// Logins and grants to be there at each start.
    pub(crate) users: Users,
    /// How long run records are kept.
    pub(crate) history_retention: std::time::Duration,
    /// The log.
    pub(crate) logs: Logs,
    /// Flight SQL; its paths are absolute.
    pub(crate) flight: Flight,
    /// Where Flight SQL listens.
    pub(crate) listen: Vec<Listen>,
    /// The lake; its data path is absolute.
    pub(crate) lake: Lake,
    /// DuckDB; its paths are there and absolute.
    pub(crate) engine: Engine,
    /// Answering.
    pub(crate) serving: Serving,
    /// Runs.
    pub(crate) refresh: Refresh,
    /// Transfers from sources.
    pub(crate) sync: Sync,
    /// Upkeep of the lake.
    pub(crate) maintenance: Maintenance,
    /// Configured secrets by folded name.
    pub(crate) secrets: HashMap<String, (Name, Secret)>,
    /// Configured sources.
    pub(crate) sources: Vec<SourceDefinition>,
}

impl Config {
    /// Reads the configuration: of `file`, else of the file that `DUCKSYNC_CONFIG` names, else of
    /// `ducksync.toml` here if there is one, else the embedded defaults.
    ///
    /// # Errors
    /// `InvalidArgument` naming the place of what is wrong, and how to mend it.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self> {
        let here = env::current_dir().map_err(|error| {
            Error::unavailable("the current directory is gone").with_source(error)
        })?;
        let environment: Vec<_> = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = file.map(Path::to_owned).or_else(|| {
            let variable = environment.iter().find(|(name, _)| name == FILE_VARIABLE);
            variable.map(|(_, path)| path.into())
        });
        let (path, text) = match named {
            Some(path) => {
                let path = here.join(path);
                let text = read_file(&path)?;
                (path, Some(text))
            }
            None => {
                let path = here.join(DEFAULT_FILE);
                let text = if path.exists() {
                    Some(read_file(&path)?)
                } else {
                    None
                };
                (path, text)
            }
        };
        Self::parse(&path, text.as_deref(), environment.into_iter())
    }

    /// The configuration of `text`, which is the content of the file at the absolute `path`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub(crate) fn parse(
        path: &Path,
        text: Option<&str>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self> {
        let variables = read::variables(environment);
        let settings = read::settings(path, text.unwrap_or_default(), &variables)?;
        check::ranges(&settings)?;
        offered::values(&settings)?;
        let base = path.parent().unwrap_or(Path::new("/"));
        let file = text.is_some().then(|| path.to_owned());
        let config = Self::resolve(settings, base, file)?;
        offered::listeners(&config)?;
        Ok(config)
    }

    /// The same configuration with catalog and data elsewhere (C-2). `url` may also be libpq's
    /// `key=value` form.
    ///
    /// # Errors
    /// `InvalidArgument` naming what cannot be read.
    pub(crate) fn elsewhere(
        &self,
        url: &SecretText,
        data_path: &str,
        schema: Option<&str>,
    ) -> Result<Self> {
        let url = libpq::postgres_url(url);
        let mut config = self.clone();
        config.catalog = CatalogUrl::parse(&url, &self.base, &self.data_directory)?;
        config.lake.data_path = address::data_path(data_path, &self.base, &self.data_directory)?;
        if let Some(schema) = schema {
            config.catalog_schema = Name::parse("schema_name", schema)?.as_str().to_owned();
        }
        Ok(config)
    }

    fn resolve(settings: Settings, base: &Path, file: Option<PathBuf>) -> Result<Self> {
        let inert = inert::changed(&settings);
        let data_directory = base.join(&settings.data_directory);
        let in_data = |given: Option<PathBuf>, name: &str| match given {
            Some(path) => base.join(path),
            None => data_directory.join(name),
        };
        let url = match &settings.catalog.url_file {
            Some(path) => secrets::read_secret_file(&base.join(path))?,
            None => settings.catalog.url.clone(),
        };
        let users = match &settings.auth.users_file {
            Some(path) => Users::read(&base.join(path))?,
            None => Users::default(),
        };
        let mut flight = settings.flight;
        for path in [
            &mut flight.tls_cert,
            &mut flight.tls_key_file,
            &mut flight.client_ca,
        ] {
            *path = path
                .take()
                .filter(|p| !p.as_os_str().is_empty())
                .map(|p| base.join(p));
        }
        let mut lake = settings.lake;
        lake.data_path = address::data_path(&lake.data_path, base, &data_directory)?;
        let mut engine = settings.engine;
        engine.temp_directory = Some(in_data(engine.temp_directory, "spill"));
        engine.extension_directory = Some(in_data(engine.extension_directory, "extensions"));
        Ok(Self {
            file,
            base: base.to_owned(),
            inert,
            testing: settings.testing,
            secret_key_file: in_data(settings.secret_key_file, "secret.key"),
            service: settings.service,
            admin_listen: Some(settings.admin.listen).filter(|listen| !listen.is_empty()),
            probe_timeout: settings.admin.probe_timeout.0,
            catalog: CatalogUrl::parse(&url, base, &data_directory)?,
            catalog_schema: settings.catalog.schema,
            catalog_connect_timeout: settings.catalog.connect_timeout.0,
            token_idle: settings.auth.token_idle.0,
            users,
            history_retention: settings.history.retention.0,
            logs: settings.logs,
            listen: Listen::parse_all(&flight.listen)?,
            flight,
            lake,
            engine,
            serving: settings.serving,
            refresh: settings.refresh,
            sync: settings.sync,
            maintenance: settings.maintenance,
            secrets: secrets::named_secrets(&settings.secrets, base)?,
            sources: secrets::named_sources(&settings.sources)?,
            data_directory,
        })
    }
}

fn read_file(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| {
        let text = format!(
            "reading the configuration {} failed: {}",
            path.display(),
            error.kind()
        );
        match error.kind() {
            io::ErrorKind::NotFound => Error::not_found(text)
                .with_remedy("name the file with --config, or leave it out for the defaults"),
            _ => Error::invalid(text).with_remedy("check its rights and that it is UTF-8 text"),
        }
    })
}

/// The text of a secret that may be shown in messages: the user, host and database of an address.
pub(crate) fn without_password(address: &SecretText) -> String {
    address::without_password(address.expose())
}

#[cfg(test)]
mod tests;
