//! Binding: versions and rows of ours in the places that a decision gave them.

use std::{collections::HashMap, sync::Arc};

use ducksync_core::{Error, Result, dataset::Dataset, id::DatasetId, name::quote, types::Fields};

use crate::{
    bind::{BoundText, Piece, Replacement},
    dialect::{Place, SourceQuery},
    parsed::ParsedQuery,
    read::{LocalPlan, Planner, empty},
    scope::{Scope, Target},
    tree::RelationRef,
};

use super::{
    Decision, Verdict,
    decide::Proof,
    gather::{Gathered, texts},
};

impl Planner<'_> {
    /// The plan of a decision for copies.
    pub(super) async fn bound(
        &self,
        query: &SourceQuery,
        gathered: &Gathered,
        decision: &Decision,
        scope: &Scope,
        described: &HashMap<DatasetId, Fields>,
    ) -> Result<LocalPlan> {
        let mut plan = LocalPlan::default();
        let mut text = BoundText::default();
        match &decision.verdict {
            Verdict::Whole(index, order) => {
                let cache = &gathered.caches[*index];
                text.push_text("SELECT * FROM ");
                self.push_copy(cache, scope, described, &mut plan, &mut text)?;
                text.push_text(&format!(" AS {}{order}", quote("copy")));
                plan.rule = "V-5c".into();
                plan.reason = format!("the statement is the query of {}", cache.name);
            }
            Verdict::Moved { moved, uses } => {
                for piece in &moved.pieces {
                    let place = match piece {
                        Piece::Text(piece) => {
                            text.push_text(piece);
                            continue;
                        }
                        Piece::Relation(index) => moved.relations.get(*index),
                    };
                    let place = place.ok_or_else(|| Error::internal("a moved relation is lost"))?;
                    match uses.get(place) {
                        Some((index, _)) => {
                            let cache = &gathered.caches[*index];
                            self.push_copy(cache, scope, described, &mut plan, &mut text)?;
                        }
                        None => {
                            let named = query.relations.iter().find(|r| r.place == *place);
                            let parts = named.map(|r| texts(&r.parts)).unwrap_or_default();
                            self.push_ours(parts, scope, described, &mut plan, &mut text)
                                .await?;
                        }
                    }
                }
                (plan.rule, plan.reason) = told(query, gathered, uses);
            }
            Verdict::Untold { .. } | Verdict::Ambiguous(..) | Verdict::No(_) => {
                return Err(Error::internal("a decision without copies was bound"));
            }
        }
        plan.order_versions(text);
        Ok(plan)
    }

    fn push_copy(
        &self,
        cache: &Arc<Dataset>,
        scope: &Scope,
        described: &HashMap<DatasetId, Fields>,
        plan: &mut LocalPlan,
        text: &mut BoundText,
    ) -> Result<()> {
        let replacement = match (scope.lake.versions.get(&cache.id), described.get(&cache.id)) {
            (Some(version), _) => self.version(version.clone(), false, scope, plan)?,
            (None, Some(columns)) => {
                self.require_select(&cache.name.schema, &cache.name.name)?;
                Replacement::Query(BoundText::plain(empty(columns)), Vec::new())
            }
            (None, None) => return Err(Error::internal("a copy without data was chosen")),
        };
        push(replacement, text);
        Ok(())
    }

    /// A relation that the statement names as one of ours.
    async fn push_ours(
        &self,
        parts: Vec<String>,
        scope: &Scope,
        described: &HashMap<DatasetId, Fields>,
        plan: &mut LocalPlan,
        text: &mut BoundText,
    ) -> Result<()> {
        if let Target::Cache(cache) = scope.resolve(&parts)? {
            return self.push_copy(&cache, scope, described, plan, text);
        }
        let relation = RelationRef {
            parts,
            location: 0,
            aliased: true,
            at: None,
            call: None,
        };
        let nothing = ParsedQuery {
            sql: String::new(),
            names: Default::default(),
        };
        let replacement = Box::pin(self.replacement(&relation, &nothing, scope, 0, plan)).await?;
        push(replacement, text);
        Ok(())
    }
}

fn push(replacement: Replacement, text: &mut BoundText) {
    match replacement {
        Replacement::Version(version) => text.push_version(version),
        Replacement::Query(query, columns) if columns.is_empty() => {
            text.push_text("(");
            text.push(&query);
            text.push_text(")");
        }
        Replacement::Query(query, columns) => {
            let columns: Vec<_> = columns.iter().map(|column| quote(column)).collect();
            text.push_text("(SELECT * FROM (");
            text.push(&query);
            text.push_text(&format!(") AS renamed({}))", columns.join(", ")));
        }
        Replacement::Name(name) => text.push_text(&name),
        Replacement::Keep => {}
    }
}

/// Rule and reason of a moved statement: the weakest proof that was needed.
fn told(
    query: &SourceQuery,
    gathered: &Gathered,
    uses: &HashMap<Place, (usize, Proof)>,
) -> (String, String) {
    let mut reasons = Vec::new();
    for relation in &query.relations {
        let Some((index, proof)) = uses.get(&relation.place) else {
            continue;
        };
        let (written, copy) = (relation.written(), &gathered.candidates[*index].name);
        let reason = match proof {
            Proof::Full => format!("{copy} is a full copy of {written}"),
            Proof::Part => format!("{copy} holds all that the statement uses of {written}"),
        };
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let part = uses.values().any(|(_, proof)| *proof == Proof::Part);
    match (reasons.is_empty(), query.relations.is_empty()) {
        (true, true) => ("V-7".into(), "names no relation".into()),
        (true, false) => ("V-5a".into(), "every relation is in the lake".into()),
        (false, _) if part => ("V-5d".into(), reasons.join("; ")),
        (false, _) => ("V-5b".into(), reasons.join("; ")),
    }
}
