//! Opens DuckDB with what the configuration and the machine allow.

use std::{fs, sync::Arc, thread};

use ducksync_core::{Error, Result, catalog::SecretStore, name::Name, secret::Secret};
use ducksync_engine::{Engine, EngineConfig, LoadingConfig, S3Settings, UrlStyle};

use crate::config::{Config, Size};

/// Opens the engine for files at `data_path`, which an adopted lake has elsewhere than configured.
///
/// # Errors
/// As [`Engine::open`]; `InvalidArgument` naming a parameter of the S3 secret.
pub(crate) async fn open(
    config: &Config,
    data_path: &str,
    secrets: &dyn SecretStore,
) -> Result<Arc<Engine>> {
    let s3 = match data_path.starts_with("s3://") {
        true => Some(s3_settings(&s3_secret(config, secrets).await?)?),
        false => None,
    };
    Engine::open(settings(config, data_path, s3)).await
}

fn settings(config: &Config, data_path: &str, s3: Option<S3Settings>) -> EngineConfig {
    let engine = &config.engine;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let or = |threads: usize, default: usize| if threads == 0 { default } else { threads };
    let memory = machine_memory();
    let limit = |given: Option<Size>, share: u64| in_bytes(given.unwrap_or(Size(memory / share)));
    EngineConfig {
        data_path: data_path.to_owned(),
        threads: or(engine.threads, cores),
        memory_limit: limit(engine.memory_limit, 2),
        temp_directory: engine.temp_directory.clone().unwrap_or_default(),
        max_temp_size: engine.max_temp_size.map(in_bytes),
        extension_directory: engine.extension_directory.clone().unwrap_or_default(),
        max_running: engine.max_running,
        max_waiting: engine.max_waiting,
        queue_wait: engine.queue_wait.0,
        loading: LoadingConfig {
            threads: or(engine.loading.threads, (cores / 2).max(1)),
            memory_limit: limit(engine.loading.memory_limit, 4),
            max_running: engine.loading.max_running,
        },
        s3,
    }
}

/// A size in DuckDB's notation.
fn in_bytes(size: Size) -> String {
    format!("{}B", size.0)
}

/// Memory this process may use: the machine's, or less where a control group says so.
fn machine_memory() -> u64 {
    const UNKNOWN: u64 = 4 << 30;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(kibibytes * 1024)
    });
    group.into_iter().chain(machine).min().unwrap_or(UNKNOWN)
}

/// The secret that `lake.secret` names, else the only configured one of type `s3`, else the stored one
/// with the name `lake`.
async fn s3_secret(config: &Config, secrets: &dyn SecretStore) -> Result<Secret> {
    if !config.lake.secret.is_empty() {
        return secrets
            .secret(&Name::parse("lake.secret", &config.lake.secret)?)
            .await;
    }
    let mut found = config
        .secrets
        .values()
        .filter(|(_, secret)| secret.kind == "s3");
    match (found.next(), found.next()) {
        (Some((_, secret)), None) => Ok(secret.clone()),
        (None, _) => secrets
            .secret(&Name::parse("secret", "lake")?)
            .await
            .map_err(|_| {
                Error::failed_precondition("the data path is on S3, and there is no secret for it")
                    .with_remedy("add [secrets.lake] with type = \"s3\", key_id, secret and region")
            }),
        (Some(_), Some(_)) => Err(Error::failed_precondition("several secrets are of type s3")
            .with_remedy("name the one of the data path in lake.secret")),
    }
}

fn s3_settings(secret: &Secret) -> Result<S3Settings> {
    const KNOWN: [&str; 6] = [
        "key_id",
        "secret",
        "region",
        "endpoint",
        "url_style",
        "use_ssl",
    ];
    if let Some(unknown) = secret
        .values
        .keys()
        .find(|key| !KNOWN.contains(&key.as_str()))
    {
        return Err(
            Error::invalid(format!("parameter {unknown} of the s3 secret is unknown"))
                .with_remedy(format!("use {}", KNOWN.join(", "))),
        );
    }
    let needed = |key: &str| {
        secret.values.get(key).cloned().ok_or_else(|| {
            Error::invalid(format!("parameter {key} of the s3 secret is missing"))
                .with_remedy("an s3 secret needs key_id and secret")
        })
    };
    let flag = |key: &str, default: bool| match secret.get(key).map(str::to_ascii_lowercase) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| {
            Error::invalid(format!(
                "parameter {key} of the s3 secret is neither true nor false"
            ))
        }),
    };
    Ok(S3Settings {
        endpoint: secret.get("endpoint").map(str::to_owned),
        region: secret.get("region").unwrap_or("us-east-1").to_owned(),
        key: needed("key_id")?.expose().to_owned(),
        secret: needed("secret")?,
        url_style: match secret.get("url_style") {
            None | Some("vhost" | "virtual") => UrlStyle::Virtual,
            Some("path") => UrlStyle::Path,
            Some(_) => {
                return Err(
                    Error::invalid("parameter url_style of the s3 secret is unknown")
                        .with_remedy("use vhost or path"),
                );
            }
        },
        use_ssl: flag("use_ssl", true)?,
    })
}

#[cfg(test)]
mod tests {
    use ducksync_core::secret::SecretText;

    use super::*;

    fn secret(values: &[(&str, &str)]) -> Secret {
        let values = values
            .iter()
            .map(|(k, v)| ((*k).to_owned(), SecretText::new(*v)));
        Secret {
            kind: "s3".into(),
            values: values.collect(),
        }
    }

    #[test]
    fn g11_an_s3_secret_is_read_and_checked() {
        let given = [
            ("key_id", "k"),
            ("secret", "s"),
            ("endpoint", "h:1"),
            ("url_style", "path"),
            ("use_ssl", "false"),
        ];
        let settings = s3_settings(&secret(&given)).unwrap();
        assert_eq!(
            (settings.url_style, settings.use_ssl),
            (UrlStyle::Path, false)
        );
        assert_eq!(settings.endpoint.as_deref(), Some("h:1"));
        for (values, word) in [
            (&[("key_id", "k")][..], "secret"),
            (&[("key_id", "k"), ("secret", "s"), ("regio", "x")], "regio"),
            (
                &[("key_id", "k"), ("secret", "s"), ("use_ssl", "maybe")],
                "use_ssl",
            ),
            (
                &[("key_id", "k"), ("secret", "s"), ("url_style", "odd")],
                "vhost or path",
            ),
        ] {
            let error = s3_settings(&secret(values)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn the_machine_has_some_memory() {
        assert!(machine_memory() > 64 << 20);
    }
}
