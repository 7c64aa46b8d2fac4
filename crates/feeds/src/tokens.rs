//! Reads the version tokens of a cache's objects, by its mode (C-7, C-8).
//!
//! It reads; what equal or unequal tokens mean is [`crate::decide`]'s business. It never caches: a
//! token vouches only for data whose reading began after it (G-7). The one shortcut is the first stage of
//! `two_stage`, in `two_stage`.

mod two_stage;

use ducksync_core::{
    dataset::{InvalidationMode, QueryCache, SourceState},
    error::{Error, ErrorKind, FailureClass, Result},
    name::ObjectName,
    source::{Aspect, ObjectState, Source, SourceContext, TokenKind},
    time::Instant,
};

pub(crate) use two_stage::Logins;

/// What a reading is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// To vouch for a load that follows: every signal is read.
    Load,
    /// To compare with what was read before.
    Check {
        /// The state of the last proof.
        earlier: Option<&'a SourceState>,
        /// Whether a hint that nothing changed will do.
        hint_will_do: bool,
    },
}

/// What a reading found.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    /// The tokens now.
    Tokens(SourceState),
    /// Only the first stage was asked, and it saw nothing: a hint, no proof (C-7).
    Hint,
}

/// Reads the tokens of all objects of `cache`: those it monitors, or those that the source's own plan
/// of the query names and those that its text names (C-10). Empty in modes without tokens. `at` is the
/// catalog's time before the first question.
///
/// # Errors
/// Class DEPENDENCY if an object is missing, or if there is nothing to watch and no TTL either;
/// otherwise what the source says.
pub(crate) async fn read(
    logins: &Logins,
    cache: &QueryCache,
    context: &SourceContext,
    purpose: Purpose<'_>,
    at: Instant,
) -> Result<Reading> {
    use InvalidationMode as Mode;
    let mode = cache.invalidation_mode;
    if matches!(mode, Mode::TtlOnly | Mode::Manual) {
        return Ok(Reading::Tokens(SourceState::default()));
    }
    let objects = objects_of(logins.metadata(), cache, context).await?;
    if objects.is_empty() {
        return nothing_to_watch(cache).map(Reading::Tokens);
    }
    let source = logins.main();
    let states = match mode {
        Mode::ChangeToken => of_kind(source, &objects, TokenKind::ChangeToken).await?,
        Mode::LastAltered => of_kind(source, &objects, TokenKind::LastAltered).await?,
        Mode::Auto => best_of_each(source, &objects).await?,
        Mode::TwoStage => return two_stage::read(logins, &objects, purpose, at).await,
        Mode::TtlOnly | Mode::Manual => Vec::new(),
    };
    let state = collect(states);
    if mode == Mode::Auto && cache.ttl.is_none() {
        must_have_tokens(&state)?;
    }
    Ok(Reading::Tokens(state))
}

/// The identity of an object in stored tokens: parts joined by points, quoted unless plain, so that
/// two objects never share one.
pub(crate) fn key(object: &ObjectName) -> String {
    let plain = |part: &String| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
        !part.is_empty() && part.bytes().all(allowed)
    };
    match [&object.database, &object.schema, &object.name]
        .into_iter()
        .all(plain)
    {
        true => object.to_string(),
        false => object.quoted(),
    }
}

async fn objects_of(
    source: &dyn Source,
    cache: &QueryCache,
    context: &SourceContext,
) -> Result<Vec<ObjectName>> {
    let mut objects = match &cache.monitor_tables {
        Some(given) => given.clone(),
        None => {
            let described = source.describe(&cache.query, context, Aspect::Objects);
            [described.await?.objects, cache.named_tables.clone()].concat()
        }
    };
    objects.sort();
    objects.dedup();
    Ok(objects)
}

/// One signal of every object.
///
/// # Errors
/// The first object's that has one: a mode that names its signal takes no other.
async fn of_kind(
    source: &dyn Source,
    objects: &[ObjectName],
    kind: TokenKind,
) -> Result<Vec<ObjectState>> {
    let answers = answers(source, objects, kind).await?;
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Per object the change token, else the time of last alteration, else none (C-7). Tokens of the two
/// kinds are never equal, so an object that moves between kinds reads as changed.
async fn best_of_each(source: &dyn Source, objects: &[ObjectName]) -> Result<Vec<ObjectState>> {
    let mut states = Vec::with_capacity(objects.len());
    let mut rest = Vec::new();
    for (object, answer) in answers(source, objects, TokenKind::ChangeToken).await? {
        match or_none(&object, answer)? {
            state if state.token.is_some() => states.push(state),
            _ => rest.push(object),
        }
    }
    if rest.is_empty() {
        return Ok(states);
    }
    for (object, answer) in answers(source, &rest, TokenKind::LastAltered).await? {
        states.push(or_none(&object, answer)?);
    }
    Ok(states)
}

type Answer = (ObjectName, Result<ObjectState>);

/// What the source says of each object; C-8: one that the answer lacks is neither changed nor unchanged.
async fn answers(
    source: &dyn Source,
    objects: &[ObjectName],
    kind: TokenKind,
) -> Result<Vec<Answer>> {
    let answers = source.tokens(objects, kind).await?;
    if answers.len() != objects.len() {
        return Err(Error::data_loss(format!(
            "the source was asked about {} objects and answered {}",
            objects.len(),
            answers.len()
        )));
    }
    Ok(objects.iter().cloned().zip(answers).collect())
}

/// An object that the source refuses the signal has none; every other error stays one.
fn or_none(object: &ObjectName, answer: Result<ObjectState>) -> Result<ObjectState> {
    match answer {
        Err(error) if refused(&error) => Ok(ObjectState {
            object: object.clone(),
            token: None,
            view_definition: None,
        }),
        answer => answer,
    }
}

fn refused(error: &Error) -> bool {
    error.kind() == ErrorKind::Unimplemented
        || matches!(
            error.class(),
            FailureClass::Query | FailureClass::Permission
        )
}

fn collect(states: Vec<ObjectState>) -> SourceState {
    let mut collected = SourceState::default();
    for state in states {
        let key = key(&state.object);
        if let Some(definition) = state.view_definition {
            collected.view_definitions.insert(key.clone(), definition);
        }
        collected.tokens.insert(key, state.token);
    }
    collected
}

fn nothing_to_watch(cache: &QueryCache) -> Result<SourceState> {
    match (cache.invalidation_mode, cache.ttl) {
        (InvalidationMode::Auto, Some(_)) => Ok(SourceState::default()),
        _ => Err(Error::failed_precondition(
            "the source's plan of source_query names no object to watch",
        )
        .with_class(FailureClass::Dependency)
        .with_remedy("give monitor_tables, or invalidation_mode 'ttl_only' with ttl_seconds")),
    }
}

fn must_have_tokens(state: &SourceState) -> Result<()> {
    match state.tokens.iter().find(|(_, token)| token.is_none()) {
        None => Ok(()),
        Some((object, _)) => Err(Error::failed_precondition(format!(
            "the source gives neither a change token nor a last_altered time for {object}"
        ))
        .with_class(FailureClass::Dependency)
        .with_remedy("set ttl_seconds, so that the TTL answers for it")),
    }
}
