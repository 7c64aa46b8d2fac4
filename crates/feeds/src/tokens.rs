//! Reads the version tokens of a cache's objects, by its mode (C-7, C-8).
//!
//! It reads; what equal or unequal tokens mean is [`crate::decide`]'s business. It never caches: a
//! token vouches only for data whose reading began after it (G-7).

use std::collections::HashSet;

use ducksync_core::{
    dataset::{InvalidationMode, QueryCache, SourceState},
    error::{Error, ErrorKind, FailureClass, Result},
    name::ObjectName,
    source::{ObjectState, Source, SourceContext, TokenKind},
};

/// Reads the tokens of all objects of `cache`: those it monitors, or those that the source's own plan
/// of the query names and those that its text names (C-10). Empty in modes without tokens.
///
/// # Errors
/// Class DEPENDENCY if an object is missing, or if there is nothing to watch and no TTL either;
/// otherwise what the source says.
pub(crate) async fn read(
    source: &dyn Source,
    cache: &QueryCache,
    context: &SourceContext,
) -> Result<SourceState> {
    use InvalidationMode as Mode;
    if matches!(cache.invalidation_mode, Mode::TtlOnly | Mode::Manual) {
        return Ok(SourceState::default());
    }
    let objects = objects_of(source, cache, context).await?;
    if objects.is_empty() {
        return nothing_to_watch(cache);
    }
    let states = match cache.invalidation_mode {
        Mode::ChangeToken => source.tokens(&objects, TokenKind::ChangeToken).await?,
        Mode::LastAltered => source.tokens(&objects, TokenKind::LastAltered).await?,
        Mode::Auto | Mode::TwoStage => best_of_each(source, &objects).await?,
        Mode::TtlOnly | Mode::Manual => Vec::new(),
    };
    complete(&objects, &states)?;
    let state = collect(states);
    if cache.invalidation_mode == Mode::Auto && cache.ttl.is_none() {
        must_have_tokens(&state)?;
    }
    Ok(state)
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
            let planned = source.describe(&cache.query, context).await?.objects;
            [planned, cache.named_tables.clone()].concat()
        }
    };
    objects.sort();
    objects.dedup();
    Ok(objects)
}

/// Per object the change token, else the time of last alteration, else none (C-7). Tokens of the two
/// kinds are never equal, so an object that moves between kinds reads as changed.
async fn best_of_each(source: &dyn Source, objects: &[ObjectName]) -> Result<Vec<ObjectState>> {
    let mut states = of_kind(source, objects, TokenKind::ChangeToken).await?;
    let with_token: HashSet<_> = states
        .iter()
        .filter(|state| state.token.is_some())
        .map(|state| state.object.clone())
        .collect();
    let rest: Vec<_> = objects
        .iter()
        .filter(|object| !with_token.contains(object))
        .cloned()
        .collect();
    if rest.is_empty() {
        return Ok(states);
    }
    states.retain(|state| state.token.is_some());
    states.extend(of_kind(source, &rest, TokenKind::LastAltered).await?);
    Ok(states)
}

/// One signal of every object; where the source refuses the statement, one by one, so that one object
/// without the signal does not take it from the others. A refused object has no token.
async fn of_kind(
    source: &dyn Source,
    objects: &[ObjectName],
    kind: TokenKind,
) -> Result<Vec<ObjectState>> {
    match source.tokens(objects, kind).await {
        Err(error) if refused(&error) => {}
        answer => return answer,
    }
    let mut states = Vec::with_capacity(objects.len());
    for object in objects {
        match source.tokens(std::slice::from_ref(object), kind).await {
            Ok(answer) => states.extend(answer),
            Err(error) if refused(&error) => states.push(ObjectState {
                object: object.clone(),
                token: None,
                view_definition: None,
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(states)
}

fn refused(error: &Error) -> bool {
    error.kind() == ErrorKind::Unimplemented
        || matches!(
            error.class(),
            FailureClass::Query | FailureClass::Permission
        )
}

/// C-8: an object that the answer lacks is neither changed nor unchanged.
fn complete(objects: &[ObjectName], states: &[ObjectState]) -> Result<()> {
    let answered: HashSet<_> = states.iter().map(|state| &state.object).collect();
    match objects.iter().find(|object| !answered.contains(object)) {
        None => Ok(()),
        Some(missing) => Err(Error::failed_precondition(format!(
            "the source does not show the monitored object {missing}"
        ))
        .with_class(FailureClass::Dependency)
        .with_remedy("create it, grant access to it, or change monitor_tables")),
    }
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
