//! What each command takes and answers: the one description from which SQL functions, actions and
//! their documentation are made.

use serde_json::{Map, Value};

use crate::{
    auth::Privilege,
    error::{Error, Result},
    types::{Field, LakeType},
};

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// VARCHAR.
    Text,
    /// VARCHAR[].
    TextList,
    /// BIGINT.
    Integer,
    /// BOOLEAN.
    Boolean,
}

/// A parameter of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, in snake_case.
    pub name: &'static str,
    /// Its type.
    pub kind: ParameterKind,
    /// Whether it must be given, and not as NULL.
    pub required: bool,
}

/// A command as its surfaces see it.
#[derive(Debug, Clone, Copy)]
pub struct CommandSpec {
    /// Its name, without `ducksync_` or `ducksync.`.
    pub name: &'static str,
    /// One sentence for ListActions and the documentation.
    pub summary: &'static str,
    /// Its parameters, in positional order.
    pub parameters: &'static [Parameter],
    /// Its result columns.
    pub result: &'static [(&'static str, ResultKind)],
    /// Whether it changes anything, and so runs exactly once and only alone (G-2).
    pub side_effect: bool,
    /// The privilege it needs, on the dataset or source it names, else on the server. `Select` on a
    /// command without target filters its rows instead.
    pub privilege: Privilege,
}

/// The type of a result column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultKind {
    /// VARCHAR.
    Text,
    /// VARCHAR[].
    TextList,
    /// BIGINT.
    Integer,
    /// DOUBLE.
    Double,
    /// BOOLEAN.
    Boolean,
    /// TIMESTAMPTZ.
    Time,
}

impl ResultKind {
    /// The lake type of such a column.
    pub fn lake_type(self) -> LakeType {
        match self {
            Self::Text => LakeType::Varchar,
            Self::TextList => LakeType::list(LakeType::Varchar),
            Self::Integer => LakeType::Int64,
            Self::Double => LakeType::Float64,
            Self::Boolean => LakeType::Boolean,
            Self::Time => LakeType::TimestampTz,
        }
    }
}

impl CommandSpec {
    /// The result's columns.
    pub fn columns(&self) -> Vec<Field> {
        self.result
            .iter()
            .map(|(name, kind)| Field::new(*name, kind.lake_type()))
            .collect()
    }

    /// How the command is called, for error messages.
    pub fn usage(&self) -> String {
        let parameters: Vec<_> = self
            .parameters
            .iter()
            .map(|p| {
                if p.required {
                    p.name.to_owned()
                } else {
                    format!("[{}]", p.name)
                }
            })
            .collect();
        format!("call ducksync_{}({})", self.name, parameters.join(", "))
    }

    /// Checks names, presence and types; camelCase names become snake_case, and text that reads as a
    /// number or truth value becomes one (SQL may bind parameters as text).
    ///
    /// # Errors
    /// `InvalidArgument` naming the argument.
    pub fn check(&self, arguments: Map<String, Value>) -> Result<Map<String, Value>> {
        let mut checked = Map::new();
        for (given, value) in arguments {
            let name = snake_case(&given);
            let Some(parameter) = self.parameters.iter().find(|p| p.name == name) else {
                return Err(self.refuse(format!("there is no argument {given:?}")));
            };
            if value.is_null() && parameter.required {
                return Err(self.refuse(format!("{name} must not be NULL")));
            }
            let value = parameter.kind.coerce(value).map_err(|value| {
                self.refuse(format!(
                    "{name} cannot be {value}; it is {}",
                    parameter.kind.describe()
                ))
            })?;
            if checked.insert(name.clone(), value).is_some() {
                return Err(self.refuse(format!("{name} is given twice")));
            }
        }
        match self
            .parameters
            .iter()
            .find(|p| p.required && !checked.contains_key(p.name))
        {
            Some(missing) => Err(self.refuse(format!("{} is missing", missing.name))),
            None => Ok(checked),
        }
    }

    fn refuse(&self, what: String) -> Error {
        Error::invalid(format!("ducksync_{}: {what}", self.name)).with_remedy(self.usage())
    }
}

impl ParameterKind {
    fn coerce(self, value: Value) -> Result<Value, Value> {
        let parsed = match (self, &value) {
            (_, Value::Null) => Some(Value::Null),
            (Self::Text, Value::String(_)) => Some(value.clone()),
            (Self::Integer, Value::Number(number)) => number.as_i64().map(Value::from),
            (Self::Integer, Value::String(text)) => {
                text.trim().parse::<i64>().ok().map(Value::from)
            }
            (Self::Boolean, Value::Bool(_)) => Some(value.clone()),
            (Self::Boolean, Value::String(text)) => match text.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" => Some(Value::Bool(true)),
                "false" | "f" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            (Self::TextList, Value::Array(items)) if items.iter().all(Value::is_string) => {
                Some(value.clone())
            }
            _ => None,
        };
        parsed.ok_or(value)
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::TextList => "a list of texts",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
        }
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// The command of that name, ignoring case.
pub fn spec(name: &str) -> Option<&'static CommandSpec> {
    SPECS
        .iter()
        .find(|spec| spec.name.eq_ignore_ascii_case(name))
}

const fn must(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter {
        name,
        kind,
        required: true,
    }
}

const fn may(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter {
        name,
        kind,
        required: false,
    }
}

use ParameterKind::{Boolean as Bool, Integer as Int, Text as Str, TextList as StrList};
use ResultKind as R;

const STATUS: &[(&str, ResultKind)] = &[("status", R::Text)];

const CACHE_COLUMNS: &[(&str, ResultKind)] = &[
    ("cache_name", R::Text),
    ("source_name", R::Text),
    ("source_query", R::Text),
    ("monitor_tables", R::TextList),
    ("ttl_seconds", R::Integer),
    ("invalidation_mode", R::Text),
    ("metadata_secret_name", R::Text),
    ("created_at", R::Time),
    ("last_refresh", R::Time),
    ("source_state_hash", R::Text),
    ("expires_at", R::Time),
    ("refresh_count", R::Integer),
    ("last_row_count", R::Integer),
    ("last_duration_ms", R::Double),
    ("status", R::Text),
    ("freshness", R::Text),
    ("age_seconds", R::Double),
    ("snapshot_id", R::Integer),
    ("rows", R::Integer),
    ("bytes", R::Integer),
    ("reason", R::Text),
];

/// Every command.
pub const SPECS: &[CommandSpec] = &[
    CommandSpec {
        name: "setup_storage",
        summary: "Moves catalog and data to another database and path.",
        parameters: &[
            must("pg_connection_string", Str),
            must("data_path", Str),
            may("schema_name", Str),
        ],
        result: STATUS,
        side_effect: true,
        privilege: Privilege::Admin,
    },
    CommandSpec {
        name: "init",
        summary: "Adopts an existing DuckLake of the catalog database.",
        parameters: &[must("catalog_name", Str), may("metadata_schema", Str)],
        result: STATUS,
        side_effect: true,
        privilege: Privilege::Admin,
    },
    CommandSpec {
        name: "add_source",
        summary: "Adds a source.",
        parameters: &[
            must("source_name", Str),
            must("driver_type", Str),
            must("secret_name", Str),
            may("passthrough_enabled", Bool),
            may("or_replace", Bool),
            may("options", Str),
        ],
        result: STATUS,
        side_effect: true,
        privilege: Privilege::Manage,
    },
    CommandSpec {
        name: "drop_source",
        summary: "Drops a source.",
        parameters: &[must("source_name", Str), may("cascade", Bool)],
        result: STATUS,
        side_effect: true,
        privilege: Privilege::Manage,
    },
    CommandSpec {
        name: "list_sources",
        summary: "Lists sources.",
        parameters: &[],
        result: &[
            ("source_name", R::Text),
            ("driver_type", R::Text),
            ("secret_name", R::Text),
            ("passthrough_enabled", R::Boolean),
            ("created_at", R::Time),
        ],
        side_effect: false,
        privilege: Privilege::Select,
    },
    CommandSpec {
        name: "create_cache",
        summary: "Defines a cache of a source query.",
        parameters: &[
            must("cache_name", Str),
            must("source_name", Str),
            must("source_query", Str),
            may("monitor_tables", StrList),
            may("ttl_seconds", Int),
            may("invalidation_mode", Str),
            may("metadata_secret", Str),
            may("ttl_action", Str),
            may("refresh_method", Str),
            may("refresh_every", Str),
            may("options", Str),
            may("or_replace", Bool),
            may("validate", Bool),
        ],
        result: &[("status", R::Text), ("warnings", R::TextList)],
        side_effect: true,
        privilege: Privilege::Manage,
    },
    CommandSpec {
        name: "alter_cache",
        summary: "Changes a cache's definition.",
        parameters: &[
            must("cache_name", Str),
            may("source_query", Str),
            may("monitor_tables", StrList),
            may("ttl_seconds", Int),
            may("invalidation_mode", Str),
            may("metadata_secret", Str),
            may("ttl_action", Str),
            may("refresh_method", Str),
            may("refresh_every", Str),
            may("options", Str),
            may("validate", Bool),
        ],
        result: &[("status", R::Text), ("warnings", R::TextList)],
        side_effect: true,
        privilege: Privilege::Manage,
    },
    CommandSpec {
        name: "drop_cache",
        summary: "Drops a cache.",
        parameters: &[must("cache_name", Str), may("keep_data", Bool)],
        result: STATUS,
        side_effect: true,
        privilege: Privilege::Manage,
    },
    CommandSpec {
        name: "list_caches",
        summary: "Lists caches with their state and freshness.",
        parameters: &[],
        result: CACHE_COLUMNS,
        side_effect: false,
        privilege: Privilege::Select,
    },
    CommandSpec {
        name: "describe_cache",
        summary: "Describes one cache with its state and freshness.",
        parameters: &[must("cache_name", Str)],
        result: CACHE_COLUMNS,
        side_effect: false,
        privilege: Privilege::Select,
    },
    CommandSpec {
        name: "refresh",
        summary: "Brings a cache up to date if its source changed.",
        parameters: &[
            must("cache_name", Str),
            may("force", Bool),
            may("wait", Bool),
        ],
        result: &[
            ("result", R::Text),
            ("message", R::Text),
            ("rows_refreshed", R::Integer),
            ("duration_ms", R::Double),
            ("run_id", R::Text),
            ("reason", R::Text),
            ("data_timestamp", R::Time),
            ("snapshot_id", R::Integer),
        ],
        side_effect: true,
        privilege: Privilege::Refresh,
    },
    CommandSpec {
        name: "needs_refresh",
        summary: "Says whether a refresh would load, without loading.",
        parameters: &[must("cache_name", Str)],
        result: &[("needed", R::Boolean), ("reason", R::Text)],
        side_effect: false,
        privilege: Privilege::Refresh,
    },
    CommandSpec {
        name: "cache_history",
        summary: "Lists a cache's runs, newest first.",
        parameters: &[must("cache_name", Str), may("limit", Int)],
        result: &[
            ("run_id", R::Text),
            ("result", R::Text),
            ("trigger", R::Text),
            ("reason", R::Text),
            ("started_at", R::Time),
            ("completed_at", R::Time),
            ("attempts", R::Integer),
            ("rows", R::Integer),
            ("bytes", R::Integer),
            ("data_timestamp", R::Time),
            ("snapshot_id", R::Integer),
            ("source_query_ids", R::TextList),
            ("error_class", R::Text),
            ("error_code", R::Text),
            ("error", R::Text),
            ("note", R::Text),
        ],
        side_effect: false,
        privilege: Privilege::Select,
    },
    CommandSpec {
        name: "suspend",
        summary: "Stops a dataset's automatic runs.",
        parameters: &[must("name", Str)],
        result: STATUS,
        side_effect: true,
        privilege: Privilege::Manage,
    },
    CommandSpec {
        name: "resume",
        summary: "Lets a dataset's automatic runs go on and ends its quarantine.",
        parameters: &[must("name", Str)],
        result: STATUS,
        side_effect: true,
        privilege: Privilege::Manage,
    },
    CommandSpec {
        name: "explain_route",
        summary: "Says how a statement would be routed, without contacting a source.",
        parameters: &[must("sql", Str), may("source_name", Str)],
        result: &[
            ("relation", R::Text),
            ("dataset", R::Text),
            ("matched", R::Boolean),
            ("reason", R::Text),
            ("route", R::Text),
            ("rule", R::Text),
            ("age_seconds", R::Double),
            ("sql", R::Text),
        ],
        side_effect: false,
        privilege: Privilege::Select,
    },
    CommandSpec {
        name: "snapshots",
        summary: "Lists the lake's snapshots, newest first.",
        parameters: &[may("dataset", Str)],
        result: &[
            ("snapshot_id", R::Integer),
            ("time", R::Time),
            ("datasets", R::TextList),
            ("run_id", R::Text),
        ],
        side_effect: false,
        privilege: Privilege::Select,
    },
    CommandSpec {
        name: "last_result",
        summary: "Tells the story of the session's last answer.",
        parameters: &[],
        result: &[
            ("statement_id", R::Text),
            ("route", R::Text),
            ("rule", R::Text),
            ("reason", R::Text),
            ("cache_status", R::Text),
            ("snapshot_id", R::Integer),
            ("source_query_id", R::Text),
            ("warnings", R::TextList),
            ("datasets", R::Text),
        ],
        side_effect: false,
        privilege: Privilege::Select,
    },
    CommandSpec {
        name: "status",
        summary: "Says how datasets stand.",
        parameters: &[may("name", Str)],
        result: &[
            ("dataset", R::Text),
            ("feed", R::Text),
            ("freshness", R::Text),
            ("age_seconds", R::Double),
            ("target_seconds", R::Double),
            ("run_state", R::Text),
            ("quarantined", R::Boolean),
            ("last_error", R::Text),
        ],
        side_effect: false,
        privilege: Privilege::Select,
    },
];
