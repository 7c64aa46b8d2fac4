//! `ducksync_query(sql_query, source_name)`: a statement in its source's dialect, as a relation (C-1).
//!
//! `SELECT * FROM ducksync_query('…', 'prod')` is that statement itself: routed, streamed and named like
//! it. Inside of a bigger statement it must be answered by copies; rows of a source are never written
//! into the text of a statement.

use ducksync_core::{
    Error, Result,
    auth::Privilege,
    command::{CommandSpec, Parameter, ParameterKind},
    name::Name,
};
use serde_json::Value;

use crate::{
    bind::Replacement,
    call,
    parsed::ParsedQuery,
    read::{LocalPlan, Plan, Planner},
    scan::Tokens,
    tree::RelationRef,
};

use super::plan::SourceStatement;

/// The function's name.
const NAME: &str = "ducksync_query";

const fn text(name: &'static str) -> Parameter {
    Parameter {
        name,
        kind: ParameterKind::Text,
        required: true,
    }
}

/// How it is called. It is no command: its columns are the statement's own.
const SPEC: CommandSpec = CommandSpec {
    name: "query",
    summary: "Answers a statement in its source's dialect.",
    parameters: &[text("sql_query"), text("source_name")],
    result: &[],
    side_effect: false,
    privilege: Privilege::Select,
};

/// A call of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueryCall {
    sql: String,
    source: Name,
}

impl QueryCall {
    fn statement(&self) -> SourceStatement<'_> {
        SourceStatement {
            sql: &self.sql,
            source: Some(self.source.clone()),
            ours: true,
        }
    }
}

/// The call, if the relation is one.
///
/// # Errors
/// `InvalidArgument` for arguments that are no literals.
pub(crate) fn query_call(relation: &RelationRef) -> Result<Option<QueryCall>> {
    let Some(arguments) = relation.call.as_ref().filter(|_| is_named(relation)) else {
        return Ok(None);
    };
    if arguments
        .iter()
        .any(|argument| argument["class"] == "PARAMETER")
    {
        return Err(Error::invalid(format!("{NAME} takes literals only"))
            .with_remedy("write statement and source into the call: its columns depend on them"));
    }
    let arguments = SPEC.check(call::arguments(&SPEC, arguments, None)?)?;
    let text = |name: &str| match arguments.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        _ => Err(Error::invalid(format!("{NAME}: {name} is missing")).with_remedy(SPEC.usage())),
    };
    Ok(Some(QueryCall {
        sql: text("sql_query")?,
        source: Name::parse("source_name", &text("source_name")?)?,
    }))
}

fn is_named(relation: &RelationRef) -> bool {
    relation
        .parts
        .last()
        .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
}

impl Planner<'_> {
    /// The plan of a query that is nothing but a call.
    pub(crate) async fn sole_query_call(&self, query: &ParsedQuery) -> Result<Option<Plan>> {
        let [relation] = query.names.relations.as_slice() else {
            return Ok(None);
        };
        let Some(call) = query_call(relation)? else {
            return Ok(None);
        };
        if !is_sole(&query.sql)? {
            return Ok(None);
        }
        self.known_source(&call.source)?;
        self.source_statement(&call.statement()).await.map(Some)
    }

    /// A call inside of a bigger statement: what copies answer.
    pub(crate) async fn inner_query_call(
        &self,
        call: &QueryCall,
        plan: &mut LocalPlan,
    ) -> Result<Replacement> {
        self.known_source(&call.source)?;
        match Box::pin(self.source_statement(&call.statement())).await? {
            Plan::Local(inner) => {
                let text = inner.text.clone();
                plan.take(inner);
                Ok(Replacement::Query(text, Vec::new()))
            }
            Plan::Passthrough(_) => Err(Error::failed_precondition(format!(
                "{NAME} inside of a bigger statement must be answered by copies, and this one is not"
            ))
            .with_reason(ducksync_core::Reason::NotCached)
            .with_remedy(format!(
                "write SELECT * FROM {NAME}(…) alone, or cache what it reads"
            ))),
        }
    }

    fn known_source(&self, name: &Name) -> Result<()> {
        let lake = self.query.parts.versions.current();
        match lake.source(name) {
            Some(_) => Ok(()),
            None => Err(Error::not_found(format!("source {name} does not exist"))
                .with_remedy("see ducksync_list_sources()")),
        }
    }
}

/// Whether a text is `SELECT * FROM f(…)` and no more.
fn is_sole(sql: &str) -> Result<bool> {
    let tokens = Tokens::scan(sql)?;
    let begins =
        tokens.is_word(0, "select") && tokens.is_symbol(1, b'*') && tokens.is_word(2, "from");
    match tokens.name(3) {
        Some((_, open)) if begins && tokens.is_symbol(open, b'(') => {
            Ok(tokens.behind_bracket(open)? == tokens.end())
        }
        _ => Ok(false),
    }
}
