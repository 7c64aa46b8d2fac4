//! The checks of a cache's definition (C-15), for `create_cache` and `alter_cache`.

use std::time::Duration;

use ducksync_core::{
    Error, ErrorKind, Result,
    dataset::{ChangeQuery, InvalidationMode, QueryCache, RefreshMethod},
    name::{Name, ObjectName},
    source::{Aspect, Source, SourceContext, SourceDescription, SourcePart, TypeOptions},
};

use crate::{Query, change_query::change_query, source_sql};

/// A definition that passed its checks, with what the user should know.
pub(super) struct Checked {
    pub(super) warnings: Vec<String>,
    /// What the query's text names (C-10).
    pub(super) named_tables: Vec<ObjectName>,
    /// Columns whose texts compare here as there (V-5).
    pub(super) plain_texts: Vec<String>,
    /// How the changes of its rows are asked for (C-11).
    pub(super) changes: Option<ChangeQuery>,
}

impl Query {
    /// Checks a definition; with `validate` also against its source.
    pub(super) async fn check_definition(
        &self,
        name: &str,
        cache: &QueryCache,
        validate: bool,
    ) -> Result<Checked> {
        let query = source_sql::cache_query(&cache.query)?;
        self.check_modes(cache)?;
        if let Some(secret) = &cache.metadata_secret {
            // One that is missing would fail the first check; it fails here instead.
            self.parts.secrets.secret(secret).await?;
        }
        if let (Some(function), None, true) = (
            source_sql::unstable(&query),
            cache.ttl,
            uses_tokens(cache.invalidation_mode),
        ) {
            return Err(Error::invalid(format!(
                "source_query calls {function}, whose value changes without the source changing"
            ))
            .with_remedy("give ttl_seconds, or use invalidation_mode ttl_only"));
        }
        if !validate {
            return Ok(Checked {
                warnings: Vec::new(),
                named_tables: Vec::new(),
                plain_texts: Vec::new(),
                changes: changes(cache, &query, None)?,
            });
        }
        let source = self.parts.sources.source(&cache.source).await?;
        let context = SourceContext {
            types: cache.types.clone(),
            ..SourceContext::default()
        };
        let described = source
            .describe(&cache.query, &context, Aspect::Everything)
            .await
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidArgument | ErrorKind::NotFound => {
                    Error::invalid(format!("source_query is rejected: {}", error.message()))
                }
                _ => error,
            })?;
        distinct_columns(&described)?;
        let named_tables = named_tables(source.as_ref(), &query, &described, &context).await?;
        // Where the plan names tables, it has looked through the views that the text names.
        let read = match described.objects.is_empty() {
            true => &named_tables,
            false => &described.objects,
        };
        check_name(name, cache, read)?;
        let mut warnings = described.warnings;
        warnings.extend(unmonitored(cache, read));
        Ok(Checked {
            warnings,
            named_tables,
            plain_texts: described.plain_texts,
            changes: changes(cache, &query, Some(&described.objects))?,
        })
    }

    fn check_modes(&self, cache: &QueryCache) -> Result<()> {
        use InvalidationMode as Mode;
        let mode = cache.invalidation_mode;
        if mode == Mode::TwoStage && cache.metadata_secret.is_none() {
            return Err(
                Error::invalid("invalidation_mode two_stage needs metadata_secret")
                    .with_remedy("name a secret whose login has no warehouse"),
            );
        }
        if mode == Mode::TtlOnly && cache.ttl.is_none() {
            return Err(Error::invalid(
                "invalidation_mode ttl_only needs ttl_seconds",
            ));
        }
        Ok(())
    }
}

/// How the changes of the cache's rows are asked for, if that is wanted and possible; `planned` are the
/// objects of the source's plan, by which a view is told from a table.
fn changes(
    cache: &QueryCache,
    query: &sqlparser::ast::Query,
    planned: Option<&[ObjectName]>,
) -> Result<Option<ChangeQuery>> {
    let refused = |why: &str| {
        Error::invalid(format!(
            "refresh_method changes cannot serve source_query: {why}"
        ))
        .with_remedy("use auto or full, or SELECT columns of one table with a filter")
    };
    if cache.refresh_method == RefreshMethod::Full {
        return Ok(None);
    }
    let wanted = cache.refresh_method == RefreshMethod::Changes;
    let found = change_query(&cache.query, query).and_then(|found| {
        let last = source_sql::relations(query);
        let name = last
            .first()
            .and_then(|parts| parts.last())
            .map(|(name, _)| name);
        match (planned, name) {
            (Some([table]), Some(name)) if table.name.eq_ignore_ascii_case(name) => Ok(found),
            (None, Some(_)) => Ok(found),
            _ => Err("it does not read one table, but what a view makes of it"),
        }
    });
    match found {
        Ok(found) => Ok(Some(found)),
        Err(why) if wanted => Err(refused(why)),
        Err(_) => Ok(None),
    }
}

/// Tables and views that the query's text names (C-10). A name that the source does not know as one,
/// such as that of a table function, is none.
async fn named_tables(
    source: &dyn Source,
    query: &sqlparser::ast::Query,
    described: &SourceDescription,
    context: &SourceContext,
) -> Result<Vec<ObjectName>> {
    let mut named = Vec::new();
    for relation in source_sql::relations(query) {
        let parts: Vec<_> = relation
            .into_iter()
            .map(|(text, quoted)| SourcePart { text, quoted })
            .collect();
        let object = source.resolve(&parts, context).await?;
        if described.objects.contains(&object) || exists(source, &object, context).await? {
            named.push(object);
        }
    }
    named.sort();
    named.dedup();
    Ok(named)
}

async fn exists(source: &dyn Source, object: &ObjectName, context: &SourceContext) -> Result<bool> {
    let sql = format!("SELECT * FROM {}", object.quoted());
    match source.describe(&sql, context, Aspect::Columns).await {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::InvalidArgument => Ok(false),
            _ => Err(error),
        },
    }
}

/// A cache named like a source table that it does not fully copy would hide that table (C-15).
fn check_name(name: &str, cache: &QueryCache, read: &[ObjectName]) -> Result<()> {
    let named_alike = read
        .iter()
        .any(|object| object.name.eq_ignore_ascii_case(name));
    if named_alike && !is_full_copy(&cache.query) {
        return Err(Error::invalid(format!(
            "cache_name {name} is the name of a source table that source_query does not copy in full"
        ))
        .with_remedy("choose another name, or SELECT * FROM that table"));
    }
    Ok(())
}

/// Whether the query is `SELECT * FROM one_table`.
fn is_full_copy(sql: &str) -> bool {
    use sqlparser::ast::{SelectItem, SetExpr};
    let Ok(query) = source_sql::cache_query(sql) else {
        return false;
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let star = matches!(select.projection.as_slice(), [SelectItem::Wildcard(_)]);
    star && select.from.len() == 1
        && select.from[0].joins.is_empty()
        && select.selection.is_none()
        && select.qualify.is_none()
        && select.distinct.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
}

fn uses_tokens(mode: InvalidationMode) -> bool {
    match mode {
        InvalidationMode::Auto
        | InvalidationMode::ChangeToken
        | InvalidationMode::LastAltered
        | InvalidationMode::TwoStage => true,
        InvalidationMode::TtlOnly | InvalidationMode::Manual => false,
    }
}

fn distinct_columns(described: &SourceDescription) -> Result<()> {
    for (index, column) in described.columns.iter().enumerate() {
        let name = &column.name;
        if described.columns[..index]
            .iter()
            .any(|known| known.name.eq_ignore_ascii_case(name))
        {
            return Err(
                Error::invalid(format!("source_query yields two columns named {name}"))
                    .with_remedy("give one of them another name with AS"),
            );
        }
    }
    Ok(())
}

fn unmonitored(cache: &QueryCache, read: &[ObjectName]) -> Vec<String> {
    let Some(monitored) = &cache.monitor_tables else {
        return Vec::new();
    };
    read.iter()
        .filter(|object| !monitored.contains(object))
        .map(|object| {
            format!(
                "UNMONITORED_RELATION: the query reads {object}, which is not in monitor_tables"
            )
        })
        .collect()
}

/// `DB.SCHEMA.TABLE` names; unquoted parts fold to upper case as the source folds.
pub(super) fn monitor_tables(list: &[String]) -> Result<Vec<ObjectName>> {
    if list.is_empty() {
        return Err(Error::invalid("monitor_tables is empty")
            .with_remedy("leave it out to have the tables found, or name at least one"));
    }
    list.iter().map(|text| object_name(text)).collect()
}

fn object_name(text: &str) -> Result<ObjectName> {
    use crate::scan::{TokenKind, Tokens};
    let unqualified = || {
        Error::invalid(format!(
            "monitor_tables holds {text:?}, which is not DATABASE.SCHEMA.TABLE"
        ))
        .with_remedy("give each table its database and schema")
    };
    let tokens = Tokens::scan(text)?;
    let folded = |index: usize| {
        let name = tokens.identifier(index)?;
        let quoted = tokens.list.get(index)?.kind == TokenKind::Quoted;
        Some(if quoted { name } else { name.to_uppercase() })
    };
    let dots = tokens.is_symbol(1, b'.') && tokens.is_symbol(3, b'.') && tokens.list.len() == 5;
    match (dots, folded(0), folded(2), folded(4)) {
        (true, Some(database), Some(schema), Some(name)) => Ok(ObjectName {
            database,
            schema,
            name,
        }),
        _ => Err(unqualified()),
    }
}

/// A TTL in seconds.
pub(super) fn ttl(seconds: Option<i64>) -> Result<Option<Duration>> {
    match seconds {
        None => Ok(None),
        Some(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds.unsigned_abs()))),
        Some(seconds) => Err(Error::invalid(format!(
            "ttl_seconds is {seconds}; it must be positive"
        ))
        .with_remedy("leave it out for a cache that never expires")),
    }
}

/// An interval such as `5 minutes` or `30s`.
pub(super) fn interval(text: Option<&str>) -> Result<Option<Duration>> {
    let Some(text) = text else { return Ok(None) };
    let bad = || {
        Error::invalid(format!("refresh_every {text:?} is not an interval"))
            .with_remedy("write it as '5 minutes', '30s' or '1h 30m'")
    };
    let every = humantime::parse_duration(text.trim()).map_err(|_| bad())?;
    match every.is_zero() {
        true => Err(bad()),
        false => Ok(Some(every)),
    }
}

/// The options of a cache.
pub(super) fn type_options(text: Option<&str>) -> Result<TypeOptions> {
    let Some(text) = text else {
        return Ok(TypeOptions::default());
    };
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("options cannot be read: {error}")).with_remedy(
            r#"use type_mapping, keep_offset and sub_us, as in '{"keep_offset": true}'"#,
        )
    })
}

/// The name of a secret that is optional.
pub(super) fn secret_name(text: Option<&str>) -> Result<Option<Name>> {
    text.map(|text| Name::parse("metadata_secret", text))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c15_monitored_tables_are_fully_named() {
        let names =
            monitor_tables(&["db.public.orders".into(), "DB.\"s p\".\"Mixed\"".into()]).unwrap();
        assert_eq!(names[0].to_string(), "DB.PUBLIC.ORDERS");
        assert_eq!(names[1].to_string(), "DB.s p.Mixed");
        for bad in ["orders", "public.orders", "a.b.c.d", "", "a..c"] {
            assert!(monitor_tables(&[bad.into()]).is_err(), "{bad}");
        }
        assert!(monitor_tables(&[]).is_err());
    }

    #[test]
    fn c15_ttl_and_interval_are_positive() {
        assert_eq!(ttl(Some(60)).unwrap(), Some(Duration::from_secs(60)));
        assert!(ttl(Some(0)).is_err() && ttl(Some(-5)).is_err());
        assert_eq!(
            interval(Some("5 minutes")).unwrap(),
            Some(Duration::from_secs(300))
        );
        assert!(interval(Some("soon")).is_err() && interval(Some("0s")).is_err());
    }

    #[test]
    fn c15_only_a_plain_star_is_a_full_copy() {
        assert!(is_full_copy("select * from db.s.t"));
        for partial in [
            "select a from t",
            "select * from t where a = 1",
            "select * from t limit 3",
            "select distinct * from t",
            "select * from t join u using (a)",
        ] {
            assert!(!is_full_copy(partial), "{partial}");
        }
    }
}
