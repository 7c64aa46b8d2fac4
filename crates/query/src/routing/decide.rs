//! The decision: which copies answer a statement over source objects. Pure.

use std::collections::{HashMap, HashSet};

use ducksync_core::{
    name::{ObjectName, quote},
    types::Field,
};
use sqlparser::ast::{Expr, OrderByKind};

use crate::dialect::{self, Column, Moved, Place, SourceQuery, Stand, Stop, Type, Types, folded};

use super::{
    CopyOf,
    canonical::canonical,
    shape::{Columns, Part, labels},
    stability,
};

/// What a relation of the statement is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Meaning {
    /// One of ours, with its columns.
    Ours(Stand),
    /// An object of the source.
    Object(ObjectName),
    /// It cannot be told, for this reason.
    Unclear(String),
}

/// A cache that could answer.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// `schema.table` of the lake, for messages.
    pub(crate) name: String,
    /// What it is a copy of.
    pub(crate) of: CopyOf,
    /// Its columns now; or why it may not answer in another's name.
    pub(crate) columns: Result<Vec<Field>, String>,
    /// Columns whose texts compare byte by byte at the source.
    pub(crate) plain_texts: Vec<String>,
}

/// Why a copy that came near did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// The relation as the statement writes it; empty = the whole statement.
    pub(crate) relation: String,
    /// Index of the candidate.
    pub(crate) candidate: usize,
    /// Why not.
    pub(crate) why: String,
}

/// What was decided, and what came near.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    pub(crate) notes: Vec<Note>,
}

/// Where a statement is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// By this candidate as it is (V-5c), in this order (`ORDER BY …` or nothing).
    Whole(usize, String),
    /// By the moved text, its relations being ours or these candidates.
    Moved {
        moved: Moved,
        uses: HashMap<Place, (usize, Proof)>,
    },
    /// By these candidates, once the source has told the type of this result column.
    Untold {
        label: String,
        uses: HashMap<Place, (usize, Proof)>,
    },
    /// Two copies answer for this relation alike.
    Ambiguous(String, Vec<usize>),
    /// By no copy; this construct is the reason, if one is.
    No(Option<String>),
}

/// On what proof a copy stands for a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Proof {
    /// V-5b.
    Full,
    /// V-5d.
    Part,
}

/// Decides. `meanings` and `query.relations` go together; `told` = the result's columns, if the source
/// was asked for them.
pub(crate) fn decide(
    query: &SourceQuery,
    meanings: &[Meaning],
    candidates: &[Candidate],
    told: Option<&[Field]>,
) -> Decision {
    let mut notes = Vec::new();
    let unstable = stability::instability(&query.query);
    if unstable.is_none()
        && let Some(verdict) = whole(query, meanings, candidates, &mut notes)
    {
        return Decision { verdict, notes };
    }
    let verdict = match Choices::of(query, meanings, candidates, &mut notes) {
        Ok(choices) => {
            let objects = meanings.iter().any(|m| matches!(m, Meaning::Object(_)));
            let types = match (objects, told) {
                (false, _) => Types::Free,
                (true, Some(told)) => Types::Told(told),
                (true, None) => Types::Unknown,
            };
            choices.settle(query, meanings, candidates, types, &mut notes)
        }
        Err(verdict) => verdict,
    };
    Decision { verdict, notes }
}

/// The candidate whose query the statement is (V-5c).
fn whole(
    query: &SourceQuery,
    meanings: &[Meaning],
    candidates: &[Candidate],
    notes: &mut Vec<Note>,
) -> Option<Verdict> {
    let mut objects = HashMap::new();
    for (relation, meaning) in query.relations.iter().zip(meanings) {
        let Meaning::Object(object) = meaning else {
            return None;
        };
        objects.insert(relation.place, object.clone());
    }
    let form = canonical(query, &objects)?;
    let mut note = |candidate, why: &str| {
        notes.push(Note {
            relation: String::new(),
            candidate,
            why: why.to_owned(),
        });
    };
    let mut found = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let Ok(known) = &candidate.of.whole else {
            continue;
        };
        if known.form != form {
            continue;
        }
        let ours = labels(&query.query, &query.sql);
        let told = ours.iter().all(Option::is_some) && ours == known.labels;
        let text = query.sql.trim().trim_end_matches(';').trim_end();
        if !told && !known.text.eq_ignore_ascii_case(text) {
            note(
                index,
                "a column without an alias is named after its exact text, which differs",
            );
            continue;
        }
        match &candidate.columns {
            Err(why) => note(index, why),
            Ok(fields) => match order(query, fields, &candidate.plain_texts) {
                Some(order) => found.push((index, order)),
                None => note(
                    index,
                    "a copy does not keep the order of its query, and it is one that \
                                     the copy's columns do not tell",
                ),
            },
        }
    }
    if found.len() > 1 {
        let copies = found.into_iter().map(|(index, _)| index).collect();
        return Some(Verdict::Ambiguous("the statement".into(), copies));
    }
    found
        .pop()
        .map(|(index, order)| Verdict::Whole(index, order))
}

/// The statement's order by columns of the copy, which is a set of files and keeps none itself.
fn order(query: &SourceQuery, fields: &[Field], plain_texts: &[String]) -> Option<String> {
    let Some(order) = &query.query.order_by else {
        return Some(String::new());
    };
    let OrderByKind::Expressions(keys) = &order.kind else {
        return None;
    };
    let mut texts = Vec::new();
    for key in keys {
        let index = match &key.expr {
            Expr::Identifier(name) => {
                let name = folded(name);
                fields.iter().position(|field| field.name == name)?
            }
            other => dialect::ordinal(other)?.checked_sub(1)?,
        };
        let field = fields.get(index)?;
        if !Type::of(field, plain_texts.contains(&field.name)).is_ordered() {
            return None;
        }
        let direction = dialect::direction(key).ok()?;
        texts.push(format!("{}{direction}", quote(&field.name)));
    }
    Some(format!(" ORDER BY {}", texts.join(", ")))
}

/// For each relation of the source, which candidates may still stand for it: the best first.
struct Choices {
    of: Vec<Choice>,
}

/// One relation of the source, and who may still stand for it.
struct Choice {
    place: Place,
    object: ObjectName,
    written: String,
    candidates: Vec<(usize, Proof)>,
}

impl Choices {
    fn of(
        query: &SourceQuery,
        meanings: &[Meaning],
        candidates: &[Candidate],
        notes: &mut Vec<Note>,
    ) -> Result<Self, Verdict> {
        let mut of = Vec::new();
        let mut open = false;
        for (relation, meaning) in query.relations.iter().zip(meanings) {
            let object = match meaning {
                Meaning::Ours(_) => continue,
                Meaning::Object(object) => object,
                Meaning::Unclear(_) => {
                    open = true;
                    continue;
                }
            };
            let (mut full, mut parts) = (Vec::new(), Vec::new());
            for (index, candidate) in candidates.iter().enumerate() {
                if !candidate.of.objects.contains(object) {
                    continue;
                }
                match stands(candidate, object, &relation.conjuncts) {
                    Ok(Proof::Full) => full.push((index, Proof::Full)),
                    Ok(Proof::Part) => parts.push((index, Proof::Part)),
                    Err(why) => notes.push(Note {
                        relation: relation.written(),
                        candidate: index,
                        why,
                    }),
                }
            }
            if full.len() > 1 {
                let copies = full.into_iter().map(|(index, _)| index).collect();
                return Err(Verdict::Ambiguous(relation.written(), copies));
            }
            full.append(&mut parts);
            open |= full.is_empty();
            of.push(Choice {
                place: relation.place,
                object: object.clone(),
                written: relation.written(),
                candidates: full,
            });
        }
        match open {
            false => Ok(Self { of }),
            true => Err(Verdict::No(None)),
        }
    }

    /// Tries the best candidates, and drops one whenever it lacks a column that is used.
    fn settle(
        mut self,
        query: &SourceQuery,
        meanings: &[Meaning],
        candidates: &[Candidate],
        types: Types<'_>,
        notes: &mut Vec<Note>,
    ) -> Verdict {
        loop {
            let mut stands = ours(query, meanings);
            let mut uses = HashMap::new();
            let mut chosen: HashMap<&ObjectName, usize> = HashMap::new();
            for choice in &self.of {
                let Some((index, proof)) = choice.candidates.first() else {
                    return Verdict::No(None);
                };
                // Two copies of one table are of two times: no state of the source is both.
                if *chosen.entry(&choice.object).or_insert(*index) != *index {
                    let written = &choice.written;
                    return Verdict::No(Some(format!(
                        "{written}, of which one copy must hold all,"
                    )));
                }
                uses.insert(choice.place, (*index, *proof));
                stands.insert(choice.place, stand(&candidates[*index]));
            }
            let (at, column) = match dialect::moved(query, &stands, types) {
                Ok(moved) => return Verdict::Moved { moved, uses },
                Err(Stop::Type(label)) => return Verdict::Untold { label, uses },
                Err(Stop::Construct(construct)) => return Verdict::No(Some(construct)),
                Err(Stop::Column(at, column)) => (at, column),
            };
            let lacking =
                |choice: &&mut Choice| choice.place == at && !choice.candidates.is_empty();
            let Some(choice) = self.of.iter_mut().find(lacking) else {
                return Verdict::No(Some(format!("column {column}")));
            };
            let (candidate, _) = choice.candidates.remove(0);
            notes.push(Note {
                relation: choice.written.clone(),
                candidate,
                why: match column.as_str() {
                    "*" => "it does not hold the same columns as *".to_owned(),
                    column => format!("it does not hold column {column}"),
                },
            });
        }
    }
}

/// Whether a candidate holds the rows of `object` that meet `conjuncts`.
fn stands(
    candidate: &Candidate,
    object: &ObjectName,
    conjuncts: &std::collections::BTreeSet<String>,
) -> Result<Proof, String> {
    let Part {
        object: of,
        columns,
        conjuncts: its,
    } = candidate.of.part.as_ref().map_err(Clone::clone)?;
    if of != object {
        return Err(format!("it is a copy of {of}"));
    }
    if let Some(missing) = its.iter().find(|own| !conjuncts.contains(*own)) {
        return Err(format!(
            "it holds only rows with {missing}, which the statement does not ask for"
        ));
    }
    if let Err(why) = &candidate.columns {
        return Err(why.clone());
    }
    Ok(match (columns, its.is_empty()) {
        (Columns::All, true) => Proof::Full,
        _ => Proof::Part,
    })
}

fn ours(query: &SourceQuery, meanings: &[Meaning]) -> HashMap<Place, Stand> {
    let pairs = query.relations.iter().zip(meanings);
    pairs
        .filter_map(|(relation, meaning)| match meaning {
            Meaning::Ours(stand) => Some((relation.place, stand.clone())),
            Meaning::Object(_) | Meaning::Unclear(_) => None,
        })
        .collect()
}

/// A candidate in the place of its table.
fn stand(candidate: &Candidate) -> Stand {
    let fields = candidate.columns.as_deref().unwrap_or_default();
    let named: HashSet<_> = candidate.plain_texts.iter().collect();
    let column = |of: &str, field: &Field| Column {
        name: of.to_owned(),
        here: field.name.clone(),
        ty: Type::of(field, named.contains(&field.name)),
    };
    match candidate.of.part.as_ref().map(|part| &part.columns) {
        Ok(Columns::Some(columns)) => Stand {
            columns: columns
                .iter()
                .filter_map(|(of, label)| {
                    let field = fields.iter().find(|field| field.name == *label)?;
                    Some(column(of, field))
                })
                .collect(),
            complete: false,
        },
        _ => Stand {
            columns: fields
                .iter()
                .map(|field| column(&field.name, field))
                .collect(),
            complete: true,
        },
    }
}
