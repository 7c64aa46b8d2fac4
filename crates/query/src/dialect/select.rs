//! Queries: what a SELECT is made of, and set operations.

use sqlparser::ast::{Distinct, GroupByExpr, Query, Select, SetExpr, SetOperator, SetQuantifier};

use super::{
    Mover, Moving,
    list::labels,
    order::limit,
    scope::Scope,
    stop,
    types::{Type, unified},
};

/// A result column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Output {
    pub(super) label: String,
    pub(super) ty: Type,
}

/// A moved query.
pub(super) struct MovedQuery {
    pub(super) sql: String,
    pub(super) outputs: Vec<Output>,
}

/// A moved SELECT: what ORDER BY needs of it.
pub(super) struct Body<'a> {
    sql: String,
    pub(super) outputs: Vec<Output>,
    /// The scope in which ORDER BY may compute; `None` after DISTINCT and set operations.
    pub(super) scope: Option<Scope<'a>>,
    /// The text of each output.
    pub(super) values: Vec<String>,
}

impl Mover<'_> {
    /// A query; `top` = its columns are the client's.
    pub(super) fn query(
        &mut self,
        query: &Query,
        outer: Option<&Scope<'_>>,
        top: bool,
    ) -> Moving<MovedQuery> {
        let other = query.fetch.is_some()
            || !query.locks.is_empty()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        if other {
            return stop("FETCH, FOR, SETTINGS, FORMAT or a pipe");
        }
        let ctes = self.ctes.len();
        let with = match &query.with {
            Some(with) => self.with(with)?,
            None => String::new(),
        };
        let body = self.body(&query.body, outer, top)?;
        let order = match &query.order_by {
            Some(order) if order.interpolate.is_none() => self.order_by(&order.kind, &body)?,
            Some(_) => return stop("ORDER BY … INTERPOLATE"),
            None => String::new(),
        };
        let limit = match &query.limit_clause {
            Some(clause) => limit(clause)?,
            None => String::new(),
        };
        self.ctes.truncate(ctes);
        if !top {
            distinct_labels(&body.outputs)?;
        }
        Ok(MovedQuery {
            sql: format!("{with}{}{order}{limit}", body.sql),
            outputs: body.outputs,
        })
    }

    fn body<'s>(
        &mut self,
        body: &SetExpr,
        outer: Option<&'s Scope<'s>>,
        top: bool,
    ) -> Moving<Body<'s>> {
        match body {
            SetExpr::Select(select) => self.select(select, outer, top),
            SetExpr::Query(query) => {
                let inner = self.query(query, outer, top)?;
                Ok(closed(format!("({})", inner.sql), inner.outputs))
            }
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let word = match (op, set_quantifier) {
                    (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
                    (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => "UNION",
                    (SetOperator::Intersect, SetQuantifier::None) => "INTERSECT",
                    (SetOperator::Except | SetOperator::Minus, SetQuantifier::None) => "EXCEPT",
                    _ => return stop(format!("{op} {set_quantifier}")),
                };
                let left = self.body(left, outer, top)?;
                let right = self.body(right, outer, top)?;
                self.set_operation(left, word, &right)
            }
            other => stop(format!("{other} as a query")),
        }
    }

    fn set_operation<'s>(
        &mut self,
        left: Body<'s>,
        word: &str,
        right: &Body<'s>,
    ) -> Moving<Body<'s>> {
        if left.outputs.len() != right.outputs.len() {
            return stop(format!("{word} of different numbers of columns"));
        }
        let mut outputs = Vec::new();
        for (l, r) in left.outputs.iter().zip(&right.outputs) {
            let ty = unified(&[l.ty.clone(), r.ty.clone()], word)?;
            let same = ty.lake_type() == l.ty.lake_type() && ty.lake_type() == r.ty.lake_type();
            if !same || ty == Type::Null || (word != "UNION ALL" && !ty.is_groupable()) {
                let (left, right) = (l.ty.word(), r.ty.word());
                return stop(format!("{word} of columns of {left} and {right}"));
            }
            outputs.push(Output {
                label: l.label.clone(),
                ty,
            });
        }
        distinct_labels(&left.outputs)?;
        // In brackets of their own, so that no precedence of set operations matters.
        let sql = format!(
            "(SELECT * FROM ({})) {word} (SELECT * FROM ({}))",
            left.sql, right.sql
        );
        Ok(closed(sql, outputs))
    }

    fn select<'s>(
        &mut self,
        select: &Select,
        outer: Option<&'s Scope<'s>>,
        top: bool,
    ) -> Moving<Body<'s>> {
        only_known_clauses(select)?;
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(on) => return stop(format!("{on}")),
        };
        let (from, relations) = self.from(&select.from, outer)?;
        let scope = Scope {
            outer,
            relations,
            labels: labels(&select.projection),
        };
        let mut items = Vec::new();
        for item in &select.projection {
            self.item(item, &scope, top, &mut items)?;
        }
        let list = self.list(&items, distinct, top)?;
        let mut sql = format!("SELECT {}{list}", if distinct { "DISTINCT " } else { "" });
        if !from.is_empty() {
            sql.push_str(&format!(" FROM {from}"));
        }
        if let Some(filter) = &select.selection {
            let filter = self.predicate(filter, &scope)?;
            sql.push_str(&format!(" WHERE {filter}"));
        }
        sql.push_str(&self.group_by(&select.group_by, &select.projection, &scope)?);
        if let Some(having) = &select.having {
            let having = self.predicate(having, &scope)?;
            sql.push_str(&format!(" HAVING {having}"));
        }
        if let Some(qualify) = &select.qualify {
            let qualify = self.predicate(qualify, &scope)?;
            sql.push_str(&format!(" QUALIFY {qualify}"));
        }
        let values = items.iter().map(|item| item.value.sql.clone()).collect();
        let outputs = items.into_iter().map(|item| Output {
            label: item.label,
            ty: item.value.ty,
        });
        Ok(Body {
            sql,
            outputs: outputs.collect(),
            scope: (!distinct).then_some(scope),
            values,
        })
    }
}

fn closed<'s>(sql: String, outputs: Vec<Output>) -> Body<'s> {
    Body {
        values: vec![String::new(); outputs.len()],
        sql,
        outputs,
        scope: None,
    }
}

/// Refuses every clause that is not handled: taken away what is, nothing may be left in the text.
fn only_known_clauses(select: &Select) -> Moving<()> {
    let rest = Select {
        distinct: None,
        projection: Vec::new(),
        from: Vec::new(),
        selection: None,
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        having: None,
        qualify: None,
        window_before_qualify: false,
        ..select.clone()
    };
    match rest.to_string().trim() {
        "SELECT" => Ok(()),
        other => stop(format!(
            "the clause {}",
            other.trim_start_matches("SELECT").trim()
        )),
    }
}

fn distinct_labels(outputs: &[Output]) -> Moving<()> {
    for (index, output) in outputs.iter().enumerate() {
        let again = outputs[..index]
            .iter()
            .any(|other| other.label.eq_ignore_ascii_case(&output.label));
        if again {
            let label = &output.label;
            return stop(format!("a subquery with two columns named {label}"));
        }
    }
    Ok(())
}
