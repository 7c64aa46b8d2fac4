//! FROM: relations, subqueries, CTEs and joins.

use std::ops::ControlFlow;

use ducksync_core::name::quote;
use sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, Query, TableAlias, TableFactor,
    TableWithJoins, Visit, Visitor, With,
};

use super::{
    Column, MARK, Mover, Moving, folded,
    scope::{Bound, Scope},
    select::Output,
    source_query::place,
    stop,
};

/// A CTE in scope.
#[derive(Debug, Clone)]
pub(super) struct Cte {
    name: String,
    alias: String,
    columns: Vec<Column>,
}

impl Mover<'_> {
    /// The WITH clause; its CTEs are in scope from here on.
    pub(super) fn with(&mut self, with: &With) -> Moving<String> {
        if with.recursive {
            return stop("WITH RECURSIVE");
        }
        let mut moved = Vec::new();
        for cte in &with.cte_tables {
            if cte.from.is_some() || cte.materialized.is_some() {
                return stop("a CTE with MATERIALIZED");
            }
            let inner = self.query(&cte.query, None, false)?;
            let columns = renamed(inner.outputs, &cte.alias)?;
            let alias = self.alias();
            moved.push(format!("{} AS ({})", quote(&alias), inner.sql));
            self.ctes.push(Cte {
                name: folded(&cte.alias.name),
                alias,
                columns,
            });
        }
        Ok(format!("WITH {} ", moved.join(", ")))
    }

    /// The items of FROM, with the relations they bring into scope.
    pub(super) fn from(
        &mut self,
        items: &[TableWithJoins],
        outer: Option<&Scope<'_>>,
    ) -> Moving<(String, Vec<Bound>)> {
        let mut texts = Vec::new();
        let mut relations: Vec<Bound> = Vec::new();
        for item in items {
            let (mut text, first) = self.factor(&item.relation)?;
            // ON sees the relations of its own item only.
            let mut seen = vec![first];
            for join in &item.joins {
                let (joined, condition) = self.join(join, &mut seen, outer)?;
                text = format!("{text} {joined}{condition}");
            }
            texts.push(text);
            relations.append(&mut seen);
        }
        Ok((texts.join(", "), relations))
    }

    fn join(
        &mut self,
        join: &Join,
        seen: &mut Vec<Bound>,
        outer: Option<&Scope<'_>>,
    ) -> Moving<(String, String)> {
        if join.global {
            return stop("GLOBAL JOIN");
        }
        let (word, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                ("JOIN", constraint)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                ("LEFT JOIN", constraint)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                ("RIGHT JOIN", constraint)
            }
            JoinOperator::CrossJoin(JoinConstraint::None) => {
                let (text, bound) = self.factor(&join.relation)?;
                seen.push(bound);
                return Ok((format!("CROSS JOIN {text}"), String::new()));
            }
            _ => return stop(format!("join {join}")),
        };
        let (text, bound) = self.factor(&join.relation)?;
        seen.push(bound);
        let JoinConstraint::On(condition) = constraint else {
            return stop("a join without ON");
        };
        if has_subquery(condition) {
            return stop("a subquery in ON");
        }
        let scope = Scope {
            outer,
            relations: seen.clone(),
            labels: Vec::new(),
        };
        let condition = self.predicate(condition, &scope)?;
        Ok((format!("{word} {text}"), format!(" ON {condition}")))
    }

    fn factor(&mut self, factor: &TableFactor) -> Moving<(String, Bound)> {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                // Whatever else the syntax allows here shows in the text.
                let plain = match alias {
                    Some(alias) => format!("{name} {alias}"),
                    None => name.to_string(),
                };
                let written = factor.to_string();
                if written != plain && written != plain.replacen(' ', " AS ", 1) {
                    return stop(format!("{written} in FROM"));
                }
                self.relation(name, alias.as_ref())
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                sample: None,
            } => {
                // A subquery in FROM sees nothing of what stands around it.
                let inner = self.query(subquery, None, false)?;
                let bound = Bound {
                    exposed: alias.as_ref().map(|alias| folded(&alias.name)),
                    alias: self.alias(),
                    columns: match alias {
                        Some(alias) => renamed(inner.outputs, alias)?,
                        None => inner.outputs.into_iter().map(column).collect(),
                    },
                    partial: None,
                };
                Ok((format!("({}) AS {}", inner.sql, quote(&bound.alias)), bound))
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } if table_with_joins.joins.is_empty() => self.factor(&table_with_joins.relation),
            other => stop(format!("{other} in FROM")),
        }
    }

    fn relation(
        &mut self,
        name: &sqlparser::ast::ObjectName,
        alias: Option<&TableAlias>,
    ) -> Moving<(String, Bound)> {
        let idents: Option<Vec<&Ident>> = name.0.iter().map(|part| part.as_ident()).collect();
        let Some(([.., last], idents)) = idents.as_deref().map(|all| (all, all)) else {
            return stop(format!("{name} in FROM"));
        };
        if alias.is_some_and(|alias| !alias.columns.is_empty() || alias.at.is_some()) {
            return stop("names for a table's columns");
        }
        let exposed = Some(alias.map_or_else(|| folded(last), |alias| folded(&alias.name)));
        let here = self.alias();
        let cte = match idents {
            [single] => {
                let single = folded(single);
                self.ctes.iter().rev().find(|cte| cte.name == single)
            }
            _ => None,
        };
        if let Some(cte) = cte {
            let text = format!("{} AS {}", quote(&cte.alias), quote(&here));
            let bound = Bound {
                exposed,
                alias: here,
                columns: cte.columns.clone(),
                partial: None,
            };
            return Ok((text, bound));
        }
        let place = idents.first().map_or((0, 0), |ident| place(ident));
        let Some(stand) = self.stands.get(&place) else {
            return stop(format!("{name} in FROM"));
        };
        let text = format!("{MARK}{}{MARK} AS {}", self.relations.len(), quote(&here));
        self.relations.push(place);
        let bound = Bound {
            exposed,
            alias: here,
            columns: stand.columns.clone(),
            partial: (!stand.complete).then_some(place),
        };
        Ok((text, bound))
    }
}

/// Whether a condition asks a query: DuckDB cannot join by such, but inside.
fn has_subquery(condition: &Expr) -> bool {
    struct Queries;
    impl Visitor for Queries {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    condition.visit(&mut Queries).is_break()
}

fn column(output: Output) -> Column {
    Column {
        here: output.label.clone(),
        name: output.label,
        ty: output.ty,
    }
}

/// The columns of a subquery under the names that its alias gives them.
fn renamed(outputs: Vec<Output>, alias: &TableAlias) -> Moving<Vec<Column>> {
    if alias.at.is_some() || alias.columns.iter().any(|named| named.data_type.is_some()) {
        return stop("types in the names of columns");
    }
    if !alias.columns.is_empty() && alias.columns.len() != outputs.len() {
        return stop("another number of names than columns");
    }
    let mut columns: Vec<_> = outputs.into_iter().map(column).collect();
    for (column, named) in columns.iter_mut().zip(&alias.columns) {
        column.name = folded(&named.name);
    }
    Ok(columns)
}
