//! The SELECT list: values, their types and their names.

use ducksync_core::{
    name::quote,
    types::{Field, LakeType},
};
use sqlparser::ast::{Expr, SelectItem, SelectItemQualifiedWildcardKind};

use super::{
    Mover, Moving, Place, Stop, Types, folded,
    scope::{Scope, Typed},
    source_query::place,
    stop,
    types::Type,
};

/// An item of a SELECT list: its label and what it is.
pub(super) struct Item {
    pub(super) label: String,
    pub(super) value: Typed,
}

impl Mover<'_> {
    /// The SELECT list: every value with its label, and cast where DuckDB would give another type.
    pub(super) fn list(&mut self, items: &[Item], distinct: bool, top: bool) -> Moving<String> {
        let mut texts = Vec::new();
        for (index, Item { label, value }) in items.iter().enumerate() {
            if distinct && !value.ty.is_groupable() {
                return stop(format!("DISTINCT over {}", value.ty.word()));
            }
            let ty = match (value.ty.lake_type(), self.types) {
                (Some(ty), _) => Some(ty),
                (None, _) if !top => None,
                (None, Types::Unknown) => return Err(Stop::Type(label.clone())),
                (None, Types::Free) => Some(free_type(&value.ty)),
                (None, Types::Told(told)) => match told.get(index) {
                    Some(told) => Some(told_type(&value.ty, told)?),
                    None => return stop("a result that the source describes otherwise"),
                },
            };
            let text = match (ty, &value.ty) {
                (Some(_), Type::Opaque(_)) => value.sql.clone(),
                (Some(ty), _) => format!("CAST({} AS {})", value.sql, ty.duckdb_sql()),
                (None, Type::Number(number)) => {
                    format!("CAST({} AS {})", value.sql, number.wide())
                }
                (None, _) => value.sql.clone(),
            };
            texts.push(format!("{text} AS {}", quote(label)));
        }
        Ok(texts.join(", "))
    }

    pub(super) fn item(
        &mut self,
        item: &SelectItem,
        scope: &Scope<'_>,
        top: bool,
        items: &mut Vec<Item>,
    ) -> Moving<()> {
        match item {
            SelectItem::Wildcard(options) if options.to_string().is_empty() => {
                if scope.relations.is_empty() {
                    return stop("SELECT * without FROM");
                }
                for index in 0..scope.relations.len() {
                    all_columns(scope, index, items)?;
                }
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) if options.to_string().is_empty() => {
                let named = match name.0.as_slice() {
                    [part] => part.as_ident().map(folded),
                    _ => None,
                };
                let mut found = (0..scope.relations.len())
                    .filter(|index| named.is_some() && scope.relations[*index].exposed == named);
                match (found.next(), found.next()) {
                    (Some(index), None) => all_columns(scope, index, items)?,
                    _ => return stop(format!("{name}.*")),
                }
            }
            SelectItem::ExprWithAlias { expr, alias } => items.push(Item {
                label: folded(alias),
                value: self.expression(expr, scope)?,
            }),
            SelectItem::UnnamedExpr(expr) => {
                let value = self.expression(expr, scope)?;
                let label = match known_label(expr, self.sql) {
                    Some(label) => label,
                    None if top => {
                        return stop(format!(
                            "{expr} without an alias, whose name is the source's to give"
                        ));
                    }
                    // Nobody can name it, so any name will do.
                    None => format!("{}?", self.alias()),
                };
                items.push(Item { label, value });
            }
            other => return stop(format!("{other} in a SELECT list")),
        }
        Ok(())
    }
}

fn all_columns(scope: &Scope<'_>, index: usize, items: &mut Vec<Item>) -> Moving<()> {
    let bound = &scope.relations[index];
    if let Some(place) = bound.partial {
        return Err(Stop::Column(place, "*".into()));
    }
    for column in &bound.columns {
        items.push(Item {
            label: column.name.clone(),
            value: Typed::new(
                format!("{}.{}", quote(&bound.alias), quote(&column.here)),
                column.ty.clone(),
            ),
        });
    }
    Ok(())
}

/// Aliases that do not just repeat a column's name.
pub(super) fn labels(projection: &[SelectItem]) -> Vec<String> {
    let alias = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { expr, alias } => {
            let same = match expr {
                Expr::Identifier(name) => folded(name) == folded(alias),
                Expr::CompoundIdentifier(parts) => parts
                    .last()
                    .is_some_and(|name| folded(name) == folded(alias)),
                _ => false,
            };
            (!same).then(|| folded(alias))
        }
        _ => None,
    };
    projection.iter().filter_map(alias).collect()
}

/// A type that holds every value of `ty`.
fn free_type(ty: &Type) -> LakeType {
    match ty {
        Type::Number(number) => LakeType::Decimal {
            precision: 38,
            scale: number.scale,
        },
        _ => LakeType::Varchar,
    }
}

/// The type that the source tells, if a value of `ty` keeps all its digits in it.
fn told_type(ty: &Type, told: &Field) -> Moving<LakeType> {
    let fits = match (ty, &told.lake_type) {
        (Type::Number(number), LakeType::Int64) => number.scale == 0,
        (Type::Number(number), LakeType::Decimal { scale, .. }) => number.scale == *scale,
        (Type::Null, _) => true,
        _ => false,
    };
    match fits {
        true => Ok(told.lake_type.clone()),
        false => stop(format!(
            "column {}, which the source describes as {}",
            told.name,
            told.lake_type.duckdb_sql()
        )),
    }
}

/// The name that Snowflake gives to an item without an alias: a column's own; of a plain call its text in
/// upper case, if it is written without blanks. For others the documentation does not say enough.
pub(crate) fn known_label(expr: &Expr, sql: &str) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Function(function) => {
            let compact = expr.to_string();
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_(*)".contains(c);
            let inside = compact.replace("(DISTINCT ", "(");
            let name = function.name.0.first()?.as_ident()?;
            let written = text_at(sql, place(name))?.get(..compact.len())?;
            let known = inside.chars().all(allowed)
                && function.over.is_none()
                && written.eq_ignore_ascii_case(&compact);
            known.then(|| compact.to_uppercase())
        }
        _ => None,
    }
}

/// The text from a place on.
fn text_at(sql: &str, (line, column): Place) -> Option<&str> {
    let line = sql
        .split_inclusive('\n')
        .nth(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let skipped = usize::try_from(column).ok()?.checked_sub(1)?;
    let offset = line.char_indices().nth(skipped)?.0;
    // Both are parts of one text, so the distance between them is where the second begins.
    let start = line.as_ptr() as usize - sql.as_ptr() as usize + offset;
    sql.get(start..)
}
