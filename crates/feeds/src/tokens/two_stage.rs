//! Mode `two_stage`: a first stage by a login without warehouse, and a sure second one (C-7).
//!
//! The first stage is the change token, where the login gets it: equal tokens are then a proof as good as
//! the second stage's. Where that needs a warehouse it is the fingerprint of each table, which an update
//! of the same width or an insert balanced by a delete leaves as it was. So a fingerprint only ever puts
//! the second stage off, for `stage1_max_skip` at most, and the data timestamp stands still meanwhile.

use std::{sync::Arc, time::Duration};

use ducksync_core::{
    dataset::{FirstStage, SourceState},
    error::{ErrorKind, Result},
    name::ObjectName,
    source::{ObjectState, Source, TokenKind},
    time::Instant,
};

use super::{Purpose, Reading, answers, best_of_each, collect, or_none, refused};
use crate::due::after;

/// The logins by which a source is asked.
pub(crate) struct Logins {
    main: Arc<dyn Source>,
    /// Without a warehouse.
    metadata: Option<Arc<dyn Source>>,
    max_skip: Duration,
}

impl Logins {
    pub(crate) fn new(
        main: Arc<dyn Source>,
        metadata: Option<Arc<dyn Source>>,
        max_skip: Duration,
    ) -> Self {
        Self {
            main,
            metadata,
            max_skip,
        }
    }

    /// The login that loads.
    pub(crate) fn main(&self) -> &dyn Source {
        self.main.as_ref()
    }

    /// The login for what needs no warehouse.
    pub(crate) fn metadata(&self) -> &dyn Source {
        self.metadata.as_ref().unwrap_or(&self.main).as_ref()
    }
}

/// Reads by stages; the second is left out if the first proves, or suffices as a hint, that nothing
/// changed.
pub(super) async fn read(
    logins: &Logins,
    objects: &[ObjectName],
    purpose: Purpose<'_>,
    at: Instant,
) -> Result<Reading> {
    let (seen, states) = first_stage(logins.metadata(), objects, at).await?;
    if let Some(reading) = by_first_stage(logins, &seen, &states, purpose) {
        return Ok(reading);
    }
    let mut state = collect(best_of_each(logins.main(), objects).await?);
    state.first_stage = Some(seen);
    Ok(Reading::Tokens(state))
}

async fn first_stage(
    source: &dyn Source,
    objects: &[ObjectName],
    at: Instant,
) -> Result<(FirstStage, SourceState)> {
    let (kind, states) = signals(source, objects).await?;
    let state = collect(states);
    let seen = FirstStage {
        kind,
        signals: state.tokens.clone(),
        confirmed_at: at,
    };
    Ok((seen, state))
}

/// The change token of every object, else the fingerprint of every object: of one kind, so that two
/// readings can be compared.
async fn signals(
    source: &dyn Source,
    objects: &[ObjectName],
) -> Result<(TokenKind, Vec<ObjectState>)> {
    let tokens: Result<Vec<_>> = match answers(source, objects, TokenKind::ChangeToken).await {
        Ok(answers) => answers.into_iter().map(|(_, answer)| answer).collect(),
        Err(error) => Err(error),
    };
    match tokens {
        Ok(states) => return Ok((TokenKind::ChangeToken, states)),
        // A login without warehouse is refused what needs one, as a failed precondition.
        Err(error) if refused(&error) || error.kind() == ErrorKind::FailedPrecondition => {}
        Err(error) => return Err(error),
    }
    let fingerprints = answers(source, objects, TokenKind::Fingerprint).await?;
    let states = fingerprints
        .into_iter()
        .map(|(object, answer)| or_none(&object, answer));
    Ok((TokenKind::Fingerprint, states.collect::<Result<_>>()?))
}

/// What the first stage alone says, if that is enough.
fn by_first_stage(
    logins: &Logins,
    seen: &FirstStage,
    states: &SourceState,
    purpose: Purpose<'_>,
) -> Option<Reading> {
    let Purpose::Check {
        earlier: Some(earlier),
        hint_will_do,
    } = purpose
    else {
        return None;
    };
    let before = earlier.first_stage.as_ref()?;
    if !seen.agrees_with(before) {
        return None;
    }
    match seen.kind {
        TokenKind::ChangeToken => {
            let unchanged = states.view_definitions == earlier.view_definitions;
            unchanged.then(|| {
                Reading::Tokens(SourceState {
                    first_stage: Some(seen.clone()),
                    ..earlier.clone()
                })
            })
        }
        TokenKind::Fingerprint | TokenKind::LastAltered => {
            let end = after(before.confirmed_at, logins.max_skip);
            let in_time = end.is_none_or(|end| seen.confirmed_at < end);
            (hint_will_do && in_time).then_some(Reading::Hint)
        }
    }
}
