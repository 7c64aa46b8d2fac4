//! Why no copy answers: for errors, and for the story of what the source answers instead.

use super::{Decision, Meaning, Verdict, gather::Gathered};

/// Why the source is asked.
pub(super) struct Why {
    reason: String,
    /// What did not move.
    pub(super) construct: Option<String>,
    /// Copies that came near.
    pub(super) notes: Vec<String>,
    /// Relations of ours that the statement names.
    pub(super) local: Vec<String>,
}

impl Why {
    pub(super) fn plain(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            construct: None,
            notes: Vec::new(),
            local: Vec::new(),
        }
    }

    pub(super) fn of(decision: &Decision, gathered: &Gathered) -> Self {
        let construct = match &decision.verdict {
            Verdict::No(construct) => construct.clone(),
            Verdict::Untold { label, .. } => Some(format!(
                "column {label}, whose exact type only the source knows (cast it),"
            )),
            Verdict::Whole(..) | Verdict::Moved { .. } | Verdict::Ambiguous(..) => None,
        };
        let notes = decision.notes.iter().filter_map(|note| {
            let candidate = gathered.candidates.get(note.candidate)?;
            Some(format!("{}: {}", candidate.name, note.why))
        });
        let ours = gathered
            .meanings
            .iter()
            .any(|meaning| matches!(meaning, Meaning::Ours(_)));
        let unclear = gathered.meanings.iter().find_map(|meaning| match meaning {
            Meaning::Unclear(why) => Some(why.clone()),
            Meaning::Ours(_) | Meaning::Object(_) => None,
        });
        let copies = ours || !gathered.candidates.is_empty();
        Self {
            reason: unclear.unwrap_or_else(|| "no copy holds these relations".into()),
            construct: construct.filter(|_| copies),
            notes: notes.collect(),
            local: match ours {
                true => vec!["a relation of the lake".into()],
                false => Vec::new(),
            },
        }
    }

    pub(super) fn reason(&self) -> String {
        match (&self.construct, self.notes.as_slice()) {
            (Some(construct), _) => format!("{construct} is not moved to a copy"),
            (None, []) => self.reason.clone(),
            (None, notes) => format!("{}: {}", self.reason, notes.join("; ")),
        }
    }
}
