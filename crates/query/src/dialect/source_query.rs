//! A query in Snowflake's dialect: its tree, and every place where it names a relation.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
};

use ducksync_core::{Error, Result, source::SourcePart};
use sqlparser::{
    ast::{
        Cte, Ident, JoinOperator, ObjectName, Query, Select, SetExpr, Statement, TableFactor,
        Visit, Visitor,
    },
    dialect::SnowflakeDialect,
    parser::Parser,
    tokenizer::Location,
};

use crate::{routing::conjuncts_of, source_sql};

/// Where a name begins in a text: line and column, from 1.
pub(crate) type Place = (u64, u64);

/// One query that reads, with its relations.
#[derive(Debug, Clone)]
pub(crate) struct SourceQuery {
    pub(crate) sql: String,
    pub(crate) query: Box<Query>,
    /// Relations in the order of the text; references to CTEs are left out.
    pub(crate) relations: Vec<Occurrence>,
}

/// A relation where the statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occurrence {
    pub(crate) place: Place,
    pub(crate) parts: Vec<SourcePart>,
    /// Conditions that every row of it must meet to take part, in canonical form.
    pub(crate) conjuncts: BTreeSet<String>,
}

impl Occurrence {
    /// The name for messages.
    pub(crate) fn written(&self) -> String {
        let parts: Vec<_> = self.parts.iter().map(|part| part.text.as_str()).collect();
        parts.join(".")
    }
}

impl SourceQuery {
    /// Parses exactly one query that only reads.
    ///
    /// # Errors
    /// `InvalidArgument` for anything else.
    pub(crate) fn parse(sql: &str) -> Result<Self> {
        let statements = Parser::parse_sql(&SnowflakeDialect {}, sql).map_err(|error| {
            Error::invalid(format!("not a statement of Snowflake's dialect: {error}"))
        })?;
        let query = match <[Statement; 1]>::try_from(statements) {
            Ok([Statement::Query(query)]) if source_sql::reads_only(&query) => query,
            Ok(_) => return Err(Error::invalid("not a query that only reads")),
            Err(several) => {
                let count = several.len();
                return Err(
                    Error::invalid(format!("{count} statements were sent at once"))
                        .with_remedy("send exactly one"),
                );
            }
        };
        let mut walk = Walk::default();
        let _ = query.visit(&mut walk);
        let Walk { found, .. } = walk;
        Ok(Self {
            sql: sql.to_owned(),
            query,
            relations: found,
        })
    }
}

/// The name that an identifier stands for: upper case unless quoted.
pub(crate) fn folded(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_uppercase(),
    }
}

/// Where an identifier begins.
pub(super) fn place(ident: &Ident) -> Place {
    let Location { line, column } = ident.span.start;
    (line, column)
}

/// The parts of a relation's name, and where it begins; `None` if that is not told.
fn parts(name: &ObjectName) -> Option<(Place, Vec<SourcePart>)> {
    let idents: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident()).collect();
    let idents = idents?;
    let part = |ident: &&Ident| SourcePart {
        text: ident.value.clone(),
        quoted: ident.quote_style.is_some(),
    };
    let place = place(idents.first()?);
    // Stages have no place in the text that the parser tells.
    (place != (0, 0)).then(|| (place, idents.iter().map(part).collect()))
}

/// A query whose parts are being visited: which of its CTEs are in scope now.
struct Frame {
    ctes: Vec<(String, *const Query)>,
    recursive: bool,
    visible: usize,
}

#[derive(Default)]
struct Walk {
    found: Vec<Occurrence>,
    frames: Vec<Frame>,
    filters: HashMap<Place, BTreeSet<String>>,
}

impl Walk {
    /// The query is the body of a CTE of the innermost frame: this one.
    fn cte_index(&self, query: &Query) -> Option<usize> {
        let frame = self.frames.last()?;
        frame
            .ctes
            .iter()
            .position(|(_, body)| std::ptr::eq(*body, query))
    }

    fn is_cte(&self, name: &str) -> bool {
        let visible = |frame: &Frame| {
            frame.ctes[..frame.visible]
                .iter()
                .any(|(cte, _)| cte == name)
        };
        self.frames.iter().any(visible)
    }

    fn note_filters(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => self.note_filter(select),
            SetExpr::SetOperation { left, right, .. } => {
                self.note_filters(left);
                self.note_filters(right);
            }
            _ => {}
        }
    }

    /// A condition in WHERE removes a table's rows before anything is made of them, unless an outer join
    /// makes rows for those that are missing.
    fn note_filter(&mut self, select: &Select) {
        let Some(filter) = &select.selection else {
            return;
        };
        let joins = || select.from.iter().flat_map(|item| &item.joins);
        let inner = joins().all(|join| {
            matches!(
                join.join_operator,
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
            )
        });
        if !inner {
            return;
        }
        let firsts = select.from.iter().map(|item| &item.relation);
        let factors: Vec<_> = firsts.chain(joins().map(|join| &join.relation)).collect();
        for factor in &factors {
            let TableFactor::Table { name, alias, .. } = factor else {
                continue;
            };
            let Some((place, _)) = parts(name) else {
                continue;
            };
            let exposed = match alias {
                Some(alias) => Some(folded(&alias.name)),
                None => name.0.last().and_then(|p| p.as_ident()).map(folded),
            };
            let conjuncts = conjuncts_of(filter, exposed.as_deref(), factors.len() == 1);
            self.filters.insert(place, conjuncts);
        }
    }
}

impl Visitor for Walk {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(index) = self.cte_index(query)
            && let Some(frame) = self.frames.last_mut()
        {
            frame.visible = index + usize::from(frame.recursive);
        }
        self.note_filters(&query.body);
        let with = query.with.as_ref();
        let named = |cte: &Cte| (folded(&cte.alias.name), std::ptr::from_ref(&*cte.query));
        let ctes = with.iter().flat_map(|with| &with.cte_tables).map(named);
        self.frames.push(Frame {
            ctes: ctes.collect(),
            recursive: with.is_some_and(|with| with.recursive),
            visible: 0,
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.frames.pop();
        if let Some(index) = self.cte_index(query)
            && let Some(frame) = self.frames.last_mut()
        {
            frame.visible = index + 1;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let Some((place, parts)) = parts(relation) else {
            return ControlFlow::Continue(());
        };
        if let [single] = parts.as_slice() {
            let name = match single.quoted {
                true => single.text.clone(),
                false => single.text.to_uppercase(),
            };
            if self.is_cte(&name) {
                return ControlFlow::Continue(());
            }
        }
        self.found.push(Occurrence {
            place,
            parts,
            conjuncts: self.filters.remove(&place).unwrap_or_default(),
        });
        ControlFlow::Continue(())
    }
}
