//! Management commands: each is written once and reached as SQL function, Flight action and CLI verb
//! (G-1).
//!
//! A surface turns its arguments into a JSON object by the parameter names of the command's
//! [`CommandSpec`] and calls [`Command::parse`]; the query crate runs it and answers with rows of the
//! spec's result columns. A new command is a variant, its arguments and its spec.

mod spec;

pub use spec::{CommandSpec, Parameter, ParameterKind, SPECS, spec};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    error::{Error, Result},
    secret::SecretText,
};

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident($arguments:ident) = $name:literal,)+) => {
        /// A management command with its arguments.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            $($(#[$doc])* $variant($arguments),)+
        }

        impl Command {
            /// The command's name, without prefix: `create_cache`.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// Parses the arguments of the command `name`, given as a JSON object by parameter name;
            /// snake_case and camelCase are both understood.
            ///
            /// # Errors
            /// `NotFound` for an unknown command; `InvalidArgument` naming the argument that is
            /// unknown, missing or of the wrong type.
            pub fn parse(name: &str, arguments: Map<String, Value>) -> Result<Self> {
                let spec = spec(name).ok_or_else(|| {
                    Error::not_found(format!("there is no command ducksync_{name}"))
                })?;
                let arguments = spec.check(arguments)?;
                match spec.name {
                    $($name => typed(spec, arguments).map(Self::$variant),)+
                    _ => Err(Error::internal(format!("command {name} has no arguments type"))),
                }
            }
        }
    };
}

commands! {
    /// C-2.
    SetupStorage(SetupStorage) = "setup_storage",
    /// C-1: adopt an existing DuckLake.
    Init(Init) = "init",
    /// Listens on another address (C-4).
    Serve(Serve) = "serve",
    /// Stops that.
    Stop(Stop) = "stop",
    /// Adds a source.
    AddSource(AddSource) = "add_source",
    /// Drops a source.
    DropSource(DropSource) = "drop_source",
    /// Lists sources.
    ListSources(NoArguments) = "list_sources",
    /// Defines a cache.
    CreateCache(CreateCache) = "create_cache",
    /// Changes a cache's definition.
    AlterCache(AlterCache) = "alter_cache",
    /// Drops a cache.
    DropCache(DropCache) = "drop_cache",
    /// Lists caches.
    ListCaches(NoArguments) = "list_caches",
    /// Describes a cache.
    DescribeCache(CacheName) = "describe_cache",
    /// Brings a cache up to date (C-5).
    Refresh(Refresh) = "refresh",
    /// Says whether a refresh would load.
    NeedsRefresh(CacheName) = "needs_refresh",
    /// Lists a cache's runs.
    CacheHistory(CacheHistory) = "cache_history",
    /// What caches spared their sources.
    Savings(Savings) = "savings",
    /// Stops automatic runs.
    Suspend(DatasetName) = "suspend",
    /// Lets automatic runs go on.
    Resume(DatasetName) = "resume",
    /// Says how a statement would be routed.
    ExplainRoute(ExplainRoute) = "explain_route",
    /// Lists snapshots.
    Snapshots(Snapshots) = "snapshots",
    /// The story of the session's last answer (V-2).
    LastResult(NoArguments) = "last_result",
    /// How datasets stand.
    Status(Status) = "status",
}

macro_rules! arguments {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)* })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$fdoc])* #[allow(missing_docs)] pub $field: $type,)*
        }
    )+};
}

arguments! {
    /// No arguments.
    NoArguments {}
    /// Of `setup_storage`.
    SetupStorage {
        pg_connection_string: String,
        data_path: String,
        schema_name: Option<String>,
    }
    /// Of `init`.
    Init { catalog_name: String, metadata_schema: Option<String>, }
    /// Of `serve`.
    Serve {
        listen_uri: String,
        token: Option<SecretText>,
        #[serde(default)] allow_other_hostname: bool,
        #[serde(default)] disable_ssl: bool,
    }
    /// Of `stop`.
    Stop { listen_uri: String, }
    /// Of `add_source`.
    AddSource {
        source_name: String,
        driver_type: String,
        secret_name: String,
        #[serde(default)] passthrough_enabled: bool,
        #[serde(default)] or_replace: bool,
        options: Option<String>,
    }
    /// Of `drop_source`.
    DropSource { source_name: String, #[serde(default)] cascade: bool, }
    /// Of `create_cache`.
    CreateCache {
        cache_name: String,
        source_name: String,
        source_query: String,
        monitor_tables: Option<Vec<String>>,
        ttl_seconds: Option<i64>,
        invalidation_mode: Option<String>,
        metadata_secret: Option<String>,
        ttl_action: Option<String>,
        refresh_method: Option<String>,
        refresh_every: Option<String>,
        options: Option<String>,
        #[serde(default)] or_replace: bool,
        #[serde(default = "yes")] validate: bool,
    }
    /// Of `alter_cache`: what is left out stays; NULL takes an optional setting away.
    AlterCache {
        cache_name: String,
        source_query: Option<String>,
        #[serde(default, deserialize_with = "given")] monitor_tables: Option<Option<Vec<String>>>,
        #[serde(default, deserialize_with = "given")] ttl_seconds: Option<Option<i64>>,
        invalidation_mode: Option<String>,
        #[serde(default, deserialize_with = "given")] metadata_secret: Option<Option<String>>,
        ttl_action: Option<String>,
        refresh_method: Option<String>,
        #[serde(default, deserialize_with = "given")] refresh_every: Option<Option<String>>,
        options: Option<String>,
        #[serde(default = "yes")] validate: bool,
    }
    /// Of `drop_cache`.
    DropCache { cache_name: String, #[serde(default)] keep_data: bool, }
    /// A cache.
    CacheName { cache_name: String, }
    /// Of `refresh`.
    Refresh {
        cache_name: String,
        #[serde(default)] force: bool,
        #[serde(default = "yes")] wait: bool,
    }
    /// Of `cache_history`.
    CacheHistory { cache_name: String, #[serde(default = "hundred")] limit: i64, }
    /// Of `savings`.
    Savings { cache_name: Option<String>, #[serde(default = "thirty")] days: i64, }
    /// A dataset.
    DatasetName { name: String, }
    /// Of `explain_route`.
    ExplainRoute { sql: String, source_name: Option<String>, }
    /// Of `snapshots`.
    Snapshots { dataset: Option<String>, }
    /// Of `status`.
    Status { name: Option<String>, }
}

fn thirty() -> i64 {
    30
}

fn yes() -> bool {
    true
}

fn hundred() -> i64 {
    100
}

/// Tells an argument that is NULL from one that was left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn typed<T: DeserializeOwned>(spec: &CommandSpec, arguments: Map<String, Value>) -> Result<T> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        Error::invalid(format!("ducksync_{}: {error}", spec.name)).with_remedy(spec.usage())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(name: &str, arguments: Value) -> Result<Command> {
        let Value::Object(arguments) = arguments else {
            panic!("not an object")
        };
        Command::parse(name, arguments)
    }

    #[test]
    fn g1_every_spec_has_its_command() {
        for spec in SPECS {
            let all: Map<_, _> = spec
                .parameters
                .iter()
                .filter(|p| p.required)
                .map(|p| (p.name.to_owned(), json!("x")))
                .collect();
            let command = Command::parse(spec.name, all).unwrap();
            assert_eq!(command.name(), spec.name);
        }
    }

    #[test]
    fn g1_json_in_either_spelling_gives_the_same_command() {
        let snake = parse("refresh", json!({"cache_name": "sales", "force": true})).unwrap();
        let camel = parse("refresh", json!({"cacheName": "sales", "force": true})).unwrap();
        assert_eq!(snake, camel);
    }

    #[test]
    fn g9_bad_arguments_are_named() {
        for (arguments, word) in [
            (json!({}), "cache_name"),
            (json!({"cache_name": "x", "forse": true}), "forse"),
            (json!({"cache_name": 7}), "cache_name"),
            (json!({"cache_name": "x", "force": "maybe"}), "force"),
            (json!({"cache_name": "x", "cacheName": "y"}), "cache_name"),
        ] {
            let error = parse("refresh", arguments).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn i9_a_secret_argument_is_never_repeated() {
        for token in [
            json!(12345678),
            json!(["12345678"]),
            json!({"a": "12345678"}),
        ] {
            let error = parse("serve", json!({"listen_uri": "x", "token": token})).unwrap_err();
            assert!(
                error.to_string().contains("token must be a text"),
                "{error}"
            );
            assert!(!error.to_string().contains("12345678"), "{error}");
        }
        let command = parse("serve", json!({"listen_uri": "x", "token": "12345678"})).unwrap();
        assert!(!format!("{command:?}").contains("12345678"));
    }

    #[test]
    fn alter_cache_tells_null_from_absent() {
        let Command::AlterCache(absent) = parse("alter_cache", json!({"cache_name": "x"})).unwrap()
        else {
            panic!("another command")
        };
        assert_eq!(absent.ttl_seconds, None);
        let Command::AlterCache(null) = parse(
            "alter_cache",
            json!({"cache_name": "x", "ttl_seconds": null}),
        )
        .unwrap() else {
            panic!("another command")
        };
        assert_eq!(null.ttl_seconds, Some(None));
    }
}
