//! How a statement over source objects would be routed, and what came near (for `explain_route`).

use std::collections::HashMap;

use ducksync_core::{Error, Reason, Result, freshness::age_seconds, session::Consistency};

use crate::{dialect::SourceQuery, read::Planner, scope::Target};

use super::{
    Meaning, Verdict, decide,
    decide::Proof,
    gather::{Bounds, texts},
    plan::SourceStatement,
};

/// One line of an explanation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// The relation as written; empty = the whole statement.
    pub(crate) relation: String,
    /// `schema.table` of what answers, or came near.
    pub(crate) dataset: Option<String>,
    pub(crate) matched: bool,
    pub(crate) reason: String,
    pub(crate) rule: &'static str,
    /// The age of its data.
    pub(crate) age_seconds: Option<f64>,
}

/// A route with its reasons.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceRoute {
    /// Whether copies answer.
    pub(crate) local: bool,
    pub(crate) steps: Vec<Step>,
}

impl Planner<'_> {
    /// Explains a statement in the source's dialect; asks no source.
    pub(crate) async fn source_route(
        &self,
        statement: &SourceStatement<'_>,
    ) -> Result<SourceRoute> {
        let query = match SourceQuery::parse(statement.sql) {
            Ok(query) => query,
            Err(error) => return Ok(unread(&error)),
        };
        if self.contract.consistency == Consistency::Exact && !query.relations.is_empty() {
            return Ok(unread(&Error::invalid("consistency is exact")));
        }
        let source = statement.source.clone().or_else(|| self.meant_source());
        let scope = self.scope().await?;
        let bounds = Bounds {
            source: source.as_ref(),
            ours: statement.ours,
            contact: false,
            described: &HashMap::new(),
        };
        let gathered = match self.gather(&query, &scope, &bounds).await {
            Ok(gathered) => gathered,
            Err(error) if error.reason() == Some(Reason::NotCached) => return Ok(unread(&error)),
            Err(error) => return Err(error),
        };
        let decision = decide(&query, &gathered.meanings, &gathered.candidates, None);
        let name = |index: usize| gathered.candidates[index].name.clone();
        let now = self.query.parts.clock.now();
        let age = |name: &str| {
            let mut datasets = scope.lake.datasets.values();
            age_seconds(datasets.find(|known| known.name.to_string() == name)?, now)
        };
        let mut steps = Vec::new();
        let local = !matches!(decision.verdict, Verdict::No(_) | Verdict::Ambiguous(..));
        for (relation, meaning) in query.relations.iter().zip(&gathered.meanings) {
            let (dataset, matched, reason, rule) = match (&decision.verdict, meaning) {
                (Verdict::Whole(index, _), _) => (
                    Some(name(*index)),
                    true,
                    "the statement is its query".to_owned(),
                    "V-5c",
                ),
                (verdict, Meaning::Ours(_)) => {
                    let dataset = match scope.resolve(&texts(&relation.parts))? {
                        Target::Table(version) => Some(version.name.to_string()),
                        Target::Cache(cache) => Some(cache.name.to_string()),
                        Target::View(view) => Some(view.name.to_string()),
                        Target::System(schema, name) => Some(format!("{schema}.{name}")),
                        Target::Unknown => None,
                    };
                    let matched = matches!(verdict, Verdict::Moved { .. } | Verdict::Untold { .. });
                    let reason = match verdict {
                        Verdict::No(Some(construct)) => {
                            format!("{construct} is not moved to a copy")
                        }
                        _ => "named in the lake".to_owned(),
                    };
                    (dataset, matched, reason, "V-5a")
                }
                (Verdict::Moved { uses, .. } | Verdict::Untold { uses, .. }, _) => {
                    match uses.get(&relation.place) {
                        Some((index, Proof::Full)) => (
                            Some(name(*index)),
                            true,
                            "it is a full copy".to_owned(),
                            "V-5b",
                        ),
                        Some((index, Proof::Part)) => (
                            Some(name(*index)),
                            true,
                            "it holds all that the statement uses".to_owned(),
                            "V-5d",
                        ),
                        None => return Err(Error::internal("a relation without its copy")),
                    }
                }
                (Verdict::Ambiguous(..), _) => {
                    (None, false, "several copies could answer".to_owned(), "V-6")
                }
                (Verdict::No(_), Meaning::Unclear(why)) => (None, false, why.clone(), "V-8"),
                (Verdict::No(Some(construct)), _) => (
                    None,
                    false,
                    format!("{construct} is not moved to a copy"),
                    "V-8",
                ),
                (Verdict::No(None), Meaning::Object(object)) => {
                    (None, false, format!("no copy answers for {object}"), "V-8")
                }
            };
            steps.push(Step {
                relation: relation.written(),
                age_seconds: dataset.as_deref().and_then(&age),
                dataset,
                matched,
                reason,
                rule,
            });
        }
        for note in &decision.notes {
            let dataset = name(note.candidate);
            steps.push(Step {
                relation: note.relation.clone(),
                age_seconds: age(&dataset),
                dataset: Some(dataset),
                matched: false,
                reason: note.why.clone(),
                rule: if note.relation.is_empty() {
                    "V-5c"
                } else {
                    "V-5"
                },
            });
        }
        Ok(SourceRoute { local, steps })
    }
}

fn unread(error: &Error) -> SourceRoute {
    SourceRoute {
        local: false,
        steps: vec![Step {
            relation: String::new(),
            dataset: None,
            matched: false,
            reason: error.message().to_owned(),
            rule: "V-7",
            age_seconds: None,
        }],
    }
}
