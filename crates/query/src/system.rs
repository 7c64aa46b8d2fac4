//! System relations: `information_schema`, `ducksync.*` and SHOW, answered from our catalog and filtered
//! by grants (V-6, V-12, C-12).
//!
//! Each is a query over literal rows, so that clients can filter, join and order them like any other
//! relation.

use ducksync_core::{
    auth::{GrantTarget, Principal, Privilege},
    dataset::Dataset,
    freshness::freshness,
    name::{quote, quote_literal},
    time::Instant,
    types::{Field, LakeType},
    version::Lake,
};

/// One value of a literal row, in DuckDB's SQL.
pub(crate) type Literal = String;

/// Literal rows with their columns.
pub(crate) struct Rows {
    pub(crate) columns: Vec<Field>,
    pub(crate) rows: Vec<Vec<Literal>>,
}

const RELATIONS: &[(&str, &str)] = &[
    ("information_schema", "schemata"),
    ("information_schema", "tables"),
    ("information_schema", "columns"),
    ("ducksync", "sources"),
    ("ducksync", "caches"),
    ("ducksync", "state"),
    ("ducksync", "table_snapshots"),
    ("ducksync", "cache_status"),
];

/// Whether `schema.name`, both in lower case, is a system relation.
pub(crate) fn exists(schema: &str, name: &str) -> bool {
    RELATIONS.contains(&(schema, name))
}

/// Names of all system relations of the schema `ducksync`.
pub(crate) fn ours() -> impl Iterator<Item = &'static str> {
    RELATIONS
        .iter()
        .filter(|(schema, _)| *schema == "ducksync")
        .map(|(_, name)| *name)
}

impl Rows {
    /// A query that yields them, with names and types also where there are none.
    pub(crate) fn sql(&self) -> String {
        let casts: Vec<_> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| {
                let (ty, name) = (column.lake_type.duckdb_sql(), quote(&column.name));
                format!("CAST(c{i} AS {ty}) AS {name}")
            })
            .collect();
        let names: Vec<_> = (0..self.columns.len()).map(|i| format!("c{i}")).collect();
        let mut rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| format!("({})", row.join(", ")))
            .collect();
        let none = rows.is_empty();
        if none {
            rows.push(format!("({})", vec!["NULL"; self.columns.len()].join(", ")));
        }
        let filter = if none { " WHERE false" } else { "" };
        let (casts, rows, names) = (casts.join(", "), rows.join(", "), names.join(", "));
        format!("SELECT {casts} FROM (VALUES {rows}) AS v({names}){filter}")
    }
}

/// A text literal.
pub(crate) fn text(value: &str) -> Literal {
    // DuckDB texts cannot hold NUL; ours never should.
    quote_literal(&value.replace('\0', ""))
}

/// A literal of an optional value.
pub(crate) fn optional<T>(value: Option<T>, literal: impl Fn(T) -> Literal) -> Literal {
    value.map_or_else(|| "NULL".to_owned(), literal)
}

/// A TIMESTAMPTZ literal.
pub(crate) fn instant(value: Instant) -> Literal {
    format!(
        "CAST('{}' AS TIMESTAMPTZ)",
        value.format("%Y-%m-%d %H:%M:%S%.6f+00")
    )
}

/// A VARCHAR[] literal.
pub(crate) fn text_list(values: impl IntoIterator<Item = impl AsRef<str>>) -> Literal {
    let values: Vec<_> = values
        .into_iter()
        .map(|value| text(value.as_ref()))
        .collect();
    format!("CAST([{}] AS VARCHAR[])", values.join(", "))
}

fn columns(list: &[(&str, LakeType)]) -> Vec<Field> {
    list.iter()
        .map(|(name, ty)| Field::new(*name, ty.clone()))
        .collect()
}

/// Whether the principal may know of that table.
pub(crate) fn visible(principal: &Principal, schema: &str, name: &str) -> bool {
    principal.may(
        Privilege::Select,
        &GrantTarget::Table(schema.to_owned(), name.to_owned()),
    )
}

/// The rows of a system relation.
pub(crate) fn rows(
    schema: &str,
    name: &str,
    lake: &Lake,
    principal: &Principal,
    now: Instant,
) -> Rows {
    match (schema, name) {
        ("information_schema", "schemata") => schemata(lake, principal),
        ("information_schema", "tables") => tables(lake, principal),
        ("information_schema", "columns") => table_columns(lake, principal),
        (_, "sources") => sources(lake, principal),
        (_, "caches") => caches(lake, principal),
        (_, "state") => state(lake, principal),
        (_, "table_snapshots") => table_snapshots(lake, principal),
        _ => cache_status(lake, principal, now),
    }
}

fn schemata(lake: &Lake, principal: &Principal) -> Rows {
    let mut names: Vec<_> = lake
        .schemas
        .values()
        .filter(|s| {
            principal.may(Privilege::Select, &GrantTarget::Schema(s.name.clone()))
                || lake.versions.values().any(|v| {
                    v.name.schema == s.name && visible(principal, &v.name.schema, &v.name.name)
                })
        })
        .map(|schema| schema.name.clone())
        .collect();
    names.sort();
    Rows {
        columns: columns(&[
            ("catalog_name", LakeType::Varchar),
            ("schema_name", LakeType::Varchar),
        ]),
        rows: names
            .iter()
            .map(|name| vec![text(&lake.name), text(name)])
            .collect(),
    }
}

/// SHOW TABLES: names alone.
pub(crate) fn show_tables(lake: &Lake, principal: &Principal) -> Rows {
    let mut names: Vec<_> = named_tables(lake, principal)
        .into_iter()
        .map(|t| t.1)
        .collect();
    names.sort();
    Rows {
        columns: columns(&[("name", LakeType::Varchar)]),
        rows: names.iter().map(|name| vec![text(name)]).collect(),
    }
}

fn named_tables(lake: &Lake, principal: &Principal) -> Vec<(String, String, &'static str)> {
    let tables = lake.versions.values().map(|v| (&v.name, "BASE TABLE"));
    let views = lake.views.values().map(|v| (&v.name, "VIEW"));
    let mut all: Vec<_> = tables
        .chain(views)
        .filter(|(name, _)| visible(principal, &name.schema, &name.name))
        .map(|(name, kind)| (name.schema.clone(), name.name.clone(), kind))
        .collect();
    all.sort();
    all
}

fn tables(lake: &Lake, principal: &Principal) -> Rows {
    let rows = named_tables(lake, principal)
        .into_iter()
        .map(|(schema, name, kind)| vec![text(&lake.name), text(&schema), text(&name), text(kind)])
        .collect();
    Rows {
        columns: columns(&[
            ("table_catalog", LakeType::Varchar),
            ("table_schema", LakeType::Varchar),
            ("table_name", LakeType::Varchar),
            ("table_type", LakeType::Varchar),
        ]),
        rows,
    }
}

fn table_columns(lake: &Lake, principal: &Principal) -> Rows {
    let mut versions: Vec<_> = lake
        .versions
        .values()
        .filter(|v| visible(principal, &v.name.schema, &v.name.name))
        .collect();
    versions.sort_by(|l, r| l.name.cmp(&r.name));
    let mut rows = Vec::new();
    for version in versions {
        for (position, column) in version.columns.iter().enumerate() {
            rows.push(vec![
                text(&lake.name),
                text(&version.name.schema),
                text(&version.name.name),
                text(&column.name),
                (position + 1).to_string(),
                optional(column.default.as_deref(), text),
                text(if column.nullable { "YES" } else { "NO" }),
                text(&column.lake_type.duckdb_sql()),
            ]);
        }
    }
    Rows {
        columns: columns(&[
            ("table_catalog", LakeType::Varchar),
            ("table_schema", LakeType::Varchar),
            ("table_name", LakeType::Varchar),
            ("column_name", LakeType::Varchar),
            ("ordinal_position", LakeType::Int32),
            ("column_default", LakeType::Varchar),
            ("is_nullable", LakeType::Varchar),
            ("data_type", LakeType::Varchar),
        ]),
        rows,
    }
}

/// A row for each source that the principal may know of, by name: of `ducksync.sources` and
/// `list_sources`.
pub(crate) fn source_rows(lake: &Lake, principal: &Principal) -> Vec<Vec<Literal>> {
    let mut sources: Vec<_> = lake
        .sources
        .values()
        .filter(|s| principal.may(Privilege::Select, &GrantTarget::Source(s.name.to_string())))
        .collect();
    sources.sort_by(|l, r| l.name.cmp(&r.name));
    let row = |s: &&std::sync::Arc<ducksync_core::source::SourceDefinition>| {
        vec![
            text(s.name.as_str()),
            text(s.driver.as_str()),
            text(s.secret.as_str()),
            s.passthrough_enabled.to_string(),
            instant(s.created_at),
        ]
    };
    sources.iter().map(row).collect()
}

fn sources(lake: &Lake, principal: &Principal) -> Rows {
    Rows {
        columns: columns(&[
            ("source_name", LakeType::Varchar),
            ("driver_type", LakeType::Varchar),
            ("secret_name", LakeType::Varchar),
            ("passthrough_enabled", LakeType::Boolean),
            ("created_at", LakeType::TimestampTz),
        ]),
        rows: source_rows(lake, principal),
    }
}

/// Caches that the principal may know of, by name.
pub(crate) fn visible_caches<'a>(
    lake: &'a Lake,
    principal: &Principal,
) -> Vec<&'a std::sync::Arc<Dataset>> {
    let mut caches: Vec<_> = lake
        .datasets
        .values()
        .filter(|d| d.query_cache().is_some())
        .filter(|d| visible(principal, &d.name.schema, &d.name.name))
        .collect();
    caches.sort_by(|l, r| l.name.name.cmp(&r.name.name));
    caches
}

/// How a cache is defined: a row of `ducksync.caches`, and the beginning of one of `list_caches`.
pub(crate) fn cache_row(dataset: &Dataset) -> Option<Vec<Literal>> {
    let cache = dataset.query_cache()?;
    let monitored = cache.monitor_tables.as_ref();
    Some(vec![
        text(&dataset.name.name),
        text(cache.source.as_str()),
        text(&cache.query),
        optional(monitored, |m| text_list(m.iter().map(ToString::to_string))),
        optional(cache.ttl, |ttl| ttl.as_secs().to_string()),
        text(cache.invalidation_mode.as_str()),
        optional(cache.metadata_secret.as_ref(), |name| text(name.as_str())),
        instant(dataset.created_at),
    ])
}

fn caches(lake: &Lake, principal: &Principal) -> Rows {
    Rows {
        columns: columns(&[
            ("cache_name", LakeType::Varchar),
            ("source_name", LakeType::Varchar),
            ("source_query", LakeType::Varchar),
            ("monitor_tables", LakeType::list(LakeType::Varchar)),
            ("ttl_seconds", LakeType::Int64),
            ("invalidation_mode", LakeType::Varchar),
            ("metadata_secret_name", LakeType::Varchar),
            ("created_at", LakeType::TimestampTz),
        ]),
        rows: visible_caches(lake, principal)
            .iter()
            .filter_map(|dataset| cache_row(dataset))
            .collect(),
    }
}

fn state_columns() -> Vec<(&'static str, LakeType)> {
    vec![
        ("cache_name", LakeType::Varchar),
        ("last_refresh", LakeType::TimestampTz),
        ("source_state_hash", LakeType::Varchar),
        ("expires_at", LakeType::TimestampTz),
        ("refresh_count", LakeType::Int64),
        ("last_row_count", LakeType::Int64),
        ("last_duration_ms", LakeType::Float64),
    ]
}

/// What a cache's runs came to: a row of `ducksync.state`.
pub(crate) fn state_row(dataset: &Dataset) -> Vec<Literal> {
    vec![
        text(&dataset.name.name),
        optional(dataset.head.as_ref(), |head| instant(head.published_at)),
        optional(dataset.proof.as_ref(), |proof| text(&proof.tokens.hash())),
        optional(
            dataset.proof.as_ref().and_then(|proof| proof.expires_at),
            instant,
        ),
        dataset.refresh_count.to_string(),
        optional(dataset.head.as_ref(), |head| head.rows.to_string()),
        optional(dataset.last_duration_ms, |ms| format!("{ms}::DOUBLE")),
    ]
}

fn state(lake: &Lake, principal: &Principal) -> Rows {
    Rows {
        columns: columns(&state_columns()),
        rows: visible_caches(lake, principal)
            .iter()
            .map(|d| state_row(d))
            .collect(),
    }
}

/// Fingerprints, where the first stage of `two_stage` sees nothing better (C-7).
fn table_snapshots(lake: &Lake, principal: &Principal) -> Rows {
    let mut rows = Vec::new();
    for cache in visible_caches(lake, principal) {
        let stage = cache.proof.as_ref();
        let stage = stage.and_then(|proof| Some((proof, proof.tokens.first_stage.as_ref()?)));
        let Some((proof, stage)) = stage else {
            continue;
        };
        for (table, signal) in &stage.signals {
            let numbers = signal.as_ref().and_then(|signal| {
                let (rows, bytes) = signal.as_str().strip_prefix("fp:")?.split_once(':')?;
                Some((rows.parse::<i64>().ok()?, bytes.parse::<i64>().ok()?))
            });
            if let Some((source_rows, source_bytes)) = numbers {
                rows.push(vec![
                    text(&cache.name.name),
                    text(table),
                    source_rows.to_string(),
                    source_bytes.to_string(),
                    instant(proof.checked_at),
                ]);
            }
        }
    }
    Rows {
        columns: columns(&[
            ("cache_name", LakeType::Varchar),
            ("source_table", LakeType::Varchar),
            ("source_rows", LakeType::Int64),
            ("source_bytes", LakeType::Int64),
            ("snapshot_at", LakeType::TimestampTz),
        ]),
        rows,
    }
}

fn cache_status(lake: &Lake, principal: &Principal, now: Instant) -> Rows {
    let mut names = state_columns();
    names.push(("status", LakeType::Varchar));
    let row = |dataset: &&std::sync::Arc<Dataset>| {
        let mut row = state_row(dataset);
        row.push(text(freshness(dataset, now).cache_status()));
        row
    };
    Rows {
        columns: columns(&names),
        rows: visible_caches(lake, principal).iter().map(row).collect(),
    }
}
