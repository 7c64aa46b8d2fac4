//! GROUP BY, ORDER BY and LIMIT: keys may be positions, aliases or expressions.

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, LimitClause, OrderByExpr, OrderByKind, OrderBySort, SelectItem, Value,
};

use super::{
    Mover, Moving, Stop, folded,
    scope::{Scope, Typed},
    select::Body,
    stop,
    types::Type,
};

impl Mover<'_> {
    pub(super) fn group_by(
        &mut self,
        group_by: &GroupByExpr,
        projection: &[SelectItem],
        scope: &Scope<'_>,
    ) -> Moving<String> {
        let GroupByExpr::Expressions(keys, modifiers) = group_by else {
            return stop("GROUP BY ALL");
        };
        if !modifiers.is_empty() {
            return stop(format!("{group_by}"));
        }
        let mut texts = Vec::new();
        for key in keys {
            let value = match ordinal(key) {
                Some(ordinal) => {
                    let plain = projection.iter().all(|item| {
                        matches!(
                            item,
                            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
                        )
                    });
                    match projection.get(ordinal.wrapping_sub(1)) {
                        Some(
                            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. },
                        ) if plain => self.expression(expr, scope)?,
                        _ => return stop(format!("GROUP BY {ordinal}")),
                    }
                }
                None => self.group_key(key, projection, scope)?,
            };
            if !value.ty.is_groupable() || is_constant(&value) {
                return stop(format!("GROUP BY of {}", value.ty.word()));
            }
            texts.push(value.sql);
        }
        Ok(match texts.is_empty() {
            true => String::new(),
            false => format!(" GROUP BY {}", texts.join(", ")),
        })
    }

    /// A name in GROUP BY is a column if there is one, else the alias of an item of the list.
    fn group_key(
        &mut self,
        key: &Expr,
        projection: &[SelectItem],
        scope: &Scope<'_>,
    ) -> Moving<Typed> {
        let Expr::Identifier(name) = key else {
            return self.expression(key, scope);
        };
        match (column_alone(scope, name), aliased(projection, name)) {
            (Ok(column), _) => Ok(column),
            (Err(Stop::Construct(_)), Some(expr)) => self.expression(expr, scope),
            (Err(error), _) => Err(error),
        }
    }

    pub(super) fn order_by(&mut self, kind: &OrderByKind, body: &Body<'_>) -> Moving<String> {
        let OrderByKind::Expressions(keys) = kind else {
            return stop("ORDER BY ALL");
        };
        let mut texts = Vec::new();
        for key in keys {
            let (text, ty) = self.order_key(&key.expr, body)?;
            if !ty.is_ordered() {
                return stop(format!("ORDER BY of {}", ty.word()));
            }
            texts.push(format!("{text}{}", direction(key)?));
        }
        Ok(format!(" ORDER BY {}", texts.join(", ")))
    }

    fn order_key(&mut self, key: &Expr, body: &Body<'_>) -> Moving<(String, Type)> {
        if let Some(ordinal) = ordinal(key) {
            let output = body.outputs.get(ordinal.wrapping_sub(1));
            let Some(output) = output else {
                return stop(format!("ORDER BY {ordinal}"));
            };
            return Ok((ordinal.to_string(), output.ty.clone()));
        }
        let Expr::Identifier(name) = key else {
            let Some(scope) = &body.scope else {
                return stop(format!("ORDER BY {key} after DISTINCT or a set operation"));
            };
            let value = self.expression(key, scope)?;
            if is_constant(&value) {
                return stop(format!("ORDER BY {key}"));
            }
            return Ok((value.sql, value.ty));
        };
        let column = body.scope.as_ref().map(|scope| column_alone(scope, name));
        let name = folded(name);
        let labelled: Vec<_> = (0..body.outputs.len())
            .filter(|index| body.outputs[*index].label == name)
            .collect();
        match (labelled.as_slice(), column) {
            ([], Some(column)) => column.map(|column| (column.sql, column.ty)),
            ([index], Some(Ok(column))) if body.values[*index] != column.sql => stop(format!(
                "ORDER BY {name}, which is both an alias and a column"
            )),
            ([index], _) => Ok(((index + 1).to_string(), body.outputs[*index].ty.clone())),
            _ => stop(format!(
                "ORDER BY {name}, which is not one column of the result"
            )),
        }
    }

    /// The order inside a window.
    pub(super) fn window_order(
        &mut self,
        keys: &[OrderByExpr],
        scope: &Scope<'_>,
    ) -> Moving<Vec<String>> {
        let mut texts = Vec::new();
        for key in keys {
            let value = self.expression(&key.expr, scope)?;
            if !value.ty.is_ordered() || ordinal(&key.expr).is_some() {
                return stop(format!("ORDER BY {} in a window", key.expr));
            }
            texts.push(format!("{}{}", value.sql, direction(key)?));
        }
        Ok(texts)
    }
}

/// NULLs are the greatest values at Snowflake, whichever the direction.
pub(crate) fn direction(key: &OrderByExpr) -> Moving<&'static str> {
    if key.with_fill.is_some() {
        return stop("ORDER BY … WITH FILL");
    }
    let descending = match &key.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => return stop("ORDER BY … USING"),
    };
    let nulls_first = key.options.nulls_first.unwrap_or(descending);
    Ok(match (descending, nulls_first) {
        (false, false) => " ASC NULLS LAST",
        (false, true) => " ASC NULLS FIRST",
        (true, false) => " DESC NULLS LAST",
        (true, true) => " DESC NULLS FIRST",
    })
}

/// The position that a key is, if it is one.
pub(crate) fn ordinal(key: &Expr) -> Option<usize> {
    match key {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => Some(digits.parse().unwrap_or(0)),
            _ => None,
        },
        _ => None,
    }
}

/// LIMIT and OFFSET of literal numbers.
pub(super) fn limit(clause: &LimitClause) -> Moving<String> {
    let LimitClause::LimitOffset {
        limit,
        offset,
        limit_by,
    } = clause
    else {
        return stop("LIMIT a, b");
    };
    let count = |expr: &Expr| match ordinal(expr) {
        Some(count) if expr.to_string() == count.to_string() => Ok(count),
        _ => stop(format!("LIMIT {expr}")),
    };
    if !limit_by.is_empty() {
        return stop("LIMIT … BY");
    }
    let mut text = String::new();
    if let Some(limit) = limit {
        text = format!(" LIMIT {}", count(limit)?);
    }
    if let Some(offset) = offset {
        text = format!("{text} OFFSET {}", count(&offset.value)?);
    }
    Ok(text)
}

/// Whether a moved value is a bare literal, which DuckDB would take for a position.
fn is_constant(value: &Typed) -> bool {
    !value.sql.contains(['"', '('])
}

/// The column of that name in the SELECT itself, whatever aliases there are.
fn column_alone(scope: &Scope<'_>, name: &Ident) -> Moving<Typed> {
    let here = Scope {
        outer: None,
        relations: scope.relations.clone(),
        labels: Vec::new(),
    };
    here.column(std::slice::from_ref(name))
}

fn aliased<'e>(projection: &'e [SelectItem], name: &Ident) -> Option<&'e Expr> {
    let name = folded(name);
    let mut found = projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if folded(alias) == name => Some(expr),
        _ => None,
    });
    match (found.next(), found.next()) {
        (Some(expr), None) => Some(expr),
        _ => None,
    }
}
