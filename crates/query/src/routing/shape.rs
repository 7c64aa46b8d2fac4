//! What a cache is a copy of, from its definition alone.

use std::collections::{BTreeSet, HashMap};

use ducksync_core::{dataset::QueryCache, name::ObjectName, source::TypeOptions};
use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
};

use crate::dialect::{Place, SourceQuery, folded, known_label};

use super::{
    canonical::{canonical, conjunct_count, conjuncts_of},
    stability,
};

/// A cache as a copy of source objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyOf {
    /// The objects its query names.
    pub(crate) objects: Vec<ObjectName>,
    /// Its whole query; `Err` says why no statement can be proved equal to it.
    pub(super) whole: Result<Whole, String>,
    /// The one table it takes rows and columns from; `Err` says why it is no such copy.
    pub(super) part: Result<Part, String>,
}

/// A query in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) form: Vec<String>,
    /// The names of its columns, as far as the text tells.
    pub(super) labels: Vec<Option<String>>,
    /// The text as written, since it may give names.
    pub(super) text: String,
}

/// A filter or projection of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) object: ObjectName,
    pub(super) columns: Columns,
    pub(super) conjuncts: BTreeSet<String>,
}

/// The columns of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Columns {
    /// `*`.
    All,
    /// These of the table, by the names they have in the copy.
    Some(Vec<(String, String)>),
}

impl CopyOf {
    /// Reads a definition.
    pub(crate) fn read(cache: &QueryCache) -> Self {
        let query = match SourceQuery::parse(&cache.query) {
            Ok(query) => query,
            Err(error) => return Self::nothing(cache, error.message()),
        };
        if cache.named_tables.is_empty() {
            return Self::nothing(cache, "its tables were not looked up when it was defined");
        }
        if cache.types != TypeOptions::default() {
            return Self::nothing(cache, "its options change types");
        }
        if let Some(what) = stability::instability(&query.query) {
            return Self::nothing(cache, &format!("its query depends on {what}"));
        }
        Self {
            objects: cache.named_tables.clone(),
            whole: whole(&query, cache),
            part: part(&query, cache),
        }
    }

    fn nothing(cache: &QueryCache, why: &str) -> Self {
        Self {
            objects: cache.named_tables.clone(),
            whole: Err(why.to_owned()),
            part: Err(why.to_owned()),
        }
    }
}

fn whole(query: &SourceQuery, cache: &QueryCache) -> Result<Whole, String> {
    let mut objects: HashMap<Place, ObjectName> = HashMap::new();
    for relation in &query.relations {
        // Only the name's written parts are known here; they must fit one of the looked-up objects.
        let parts: Vec<String> = relation
            .parts
            .iter()
            .map(|part| match part.quoted {
                true => part.text.clone(),
                false => part.text.to_uppercase(),
            })
            .collect();
        let fits = |object: &&ObjectName| {
            let full = [&object.database, &object.schema, &object.name];
            parts
                .iter()
                .rev()
                .zip(full.iter().rev())
                .all(|(part, of)| part == *of)
        };
        let mut fitting = cache.named_tables.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(object), None) => objects.insert(relation.place, object.clone()),
            _ => return Err(format!("{} in its query is not clear", relation.written())),
        };
    }
    let form = canonical(query, &objects).ok_or("its query cannot be compared")?;
    Ok(Whole {
        form,
        labels: labels(&query.query, &query.sql),
        text: query.sql.trim().trim_end_matches(';').to_owned(),
    })
}

/// The names of a query's columns, as far as the text tells.
pub(super) fn labels(query: &Query, sql: &str) -> Vec<Option<String>> {
    fn first(body: &SetExpr) -> Option<&Select> {
        match body {
            SetExpr::Select(select) => Some(select),
            SetExpr::SetOperation { left, .. } => first(left),
            SetExpr::Query(query) => first(&query.body),
            _ => None,
        }
    }
    let Some(select) = first(&query.body) else {
        return vec![None];
    };
    let label = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => known_label(expr, sql),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        // What stands for several columns is the same in both texts.
        other => Some(other.to_string()),
    };
    select.projection.iter().map(label).collect()
}

fn part(query: &SourceQuery, cache: &QueryCache) -> Result<Part, String> {
    let no = |why: &str| Err(why.to_owned());
    let SetExpr::Select(select) = query.query.body.as_ref() else {
        return no("it is no plain SELECT");
    };
    let [item] = select.from.as_slice() else {
        return no("it reads more than one table");
    };
    let (true, TableFactor::Table { name, alias, .. }) = (item.joins.is_empty(), &item.relation)
    else {
        return no("it reads more than one table");
    };
    let ([object], [_]) = (cache.named_tables.as_slice(), query.relations.as_slice()) else {
        return no("it reads more than one table");
    };
    if !is_plain(&query.query, select, item) {
        return no(
            "it groups, limits or computes, and so answers only by its name or its whole query",
        );
    }
    let exposed = match alias {
        Some(alias) if alias.columns.is_empty() => Some(folded(&alias.name)),
        Some(_) => return no("it renames the table's columns"),
        None => name.0.last().and_then(|part| part.as_ident()).map(folded),
    };
    let conjuncts = match &select.selection {
        None => BTreeSet::new(),
        Some(filter) => {
            let conjuncts = conjuncts_of(filter, exposed.as_deref(), true);
            if conjuncts.len() < conjunct_count(filter) {
                return no("its filter has conditions that cannot be compared");
            }
            conjuncts
        }
    };
    Ok(Part {
        object: object.clone(),
        columns: columns(&select.projection)?,
        conjuncts,
    })
}

/// Whether nothing but a list, one table and a filter is there; an order without limit changes nothing.
fn is_plain(query: &Query, select: &Select, item: &TableWithJoins) -> bool {
    let table = match &item.relation {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => (format!("{name} {alias}"), format!("{name} AS {alias}")),
            None => (name.to_string(), name.to_string()),
        },
        _ => return false,
    };
    let written = item.to_string();
    if written != table.0 && written != table.1 {
        return false;
    }
    let bare = Select {
        projection: Vec::new(),
        from: Vec::new(),
        selection: None,
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        ..select.clone()
    };
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, modifiers) => !keys.is_empty() || !modifiers.is_empty(),
    };
    let around = Query {
        body: Box::new(SetExpr::Select(Box::new(bare))),
        order_by: None,
        ..query.clone()
    };
    !grouped && around.to_string().trim() == "SELECT"
}

fn columns(projection: &[SelectItem]) -> Result<Columns, String> {
    if let [SelectItem::Wildcard(options)] = projection
        && options.to_string().is_empty()
    {
        return Ok(Columns::All);
    }
    let bare = |expr: &Expr| match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [_, name] => Some(folded(name)),
            _ => None,
        },
        _ => None,
    };
    let mut columns = Vec::new();
    for item in projection {
        let (expr, alias): (&Expr, Option<&Ident>) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias)),
            other => return Err(format!("its list has {other}")),
        };
        let Some(of) = bare(expr) else {
            return Err(format!("it computes {expr}"));
        };
        let label = alias.map_or_else(|| of.clone(), folded);
        columns.push((of, label));
    }
    Ok(Columns::Some(columns))
}
