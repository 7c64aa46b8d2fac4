//! `list_caches`, `describe_cache`, `cache_history`, `snapshots`, `status`.

use std::sync::Arc;

use ducksync_core::{
    Error, Result,
    auth::Privilege,
    command::{CacheHistory, Snapshots},
    dataset::Dataset,
    freshness::{age_seconds, freshness, reason},
    id::DatasetId,
    run::{Run, RunStatus},
    time::Instant,
    version::Lake,
};

use super::answer;
use crate::{
    Query, Session,
    scope::DEFAULT_SCHEMA,
    system::{
        Literal, Rows, cache_row, instant, optional, state_row, text, text_list, visible,
        visible_caches,
    },
};

/// Snapshots listed at most.
const MAX_SNAPSHOTS: u32 = 10_000;

impl Query {
    pub(super) fn list_caches(&self, session: &Session) -> Rows {
        let (lake, now) = (self.parts.versions.current(), self.parts.clock.now());
        let caches = visible_caches(&lake, &session.principal());
        let rows = caches
            .iter()
            .filter_map(|cache| whole_row(&lake, cache, now))
            .collect();
        answer("list_caches", rows).unwrap_or_else(|_| Rows {
            columns: vec![],
            rows: vec![],
        })
    }

    pub(super) fn describe_cache(&self, session: &Session, name: &str) -> Result<Rows> {
        let (lake, cache) = self.cache_for(session, name, Privilege::Select)?;
        let row = whole_row(&lake, &cache, self.parts.clock.now());
        answer("describe_cache", row.into_iter().collect())
    }

    pub(super) async fn cache_history(
        &self,
        session: &Session,
        arguments: CacheHistory,
    ) -> Result<Rows> {
        let (_, cache) = self.cache_for(session, &arguments.cache_name, Privilege::Select)?;
        let limit = u32::try_from(arguments.limit)
            .ok()
            .filter(|limit| *limit > 0);
        let limit = limit.ok_or_else(|| {
            Error::invalid(format!("limit is {}; it must be positive", arguments.limit))
        })?;
        let runs = self.parts.ledger.history(Some(cache.id), limit).await?;
        answer("cache_history", runs.iter().map(run_row).collect())
    }

    pub(super) async fn snapshots(&self, session: &Session, arguments: Snapshots) -> Result<Rows> {
        let dataset = match &arguments.dataset {
            Some(name) => Some(self.dataset_named(session, name)?),
            None => None,
        };
        let principal = session.principal();
        let seen = |table: &String| match table.split_once('.') {
            Some((schema, name)) => visible(&principal, schema, name),
            None => principal.is_admin(),
        };
        let snapshots = self.parts.upkeep.snapshots(dataset, MAX_SNAPSHOTS).await?;
        let rows = snapshots
            .iter()
            .map(|snapshot| {
                vec![
                    snapshot.id.to_string(),
                    instant(snapshot.time),
                    text_list(snapshot.tables.iter().filter(|table| seen(table))),
                    optional(snapshot.run, |run| text(&run.to_string())),
                ]
            })
            .collect();
        answer("snapshots", rows)
    }

    fn dataset_named(&self, session: &Session, name: &str) -> Result<DatasetId> {
        let lake = self.parts.versions.current();
        let found = match name.rsplit_once('.') {
            Some((schema, name)) => {
                let schema = schema.rsplit('.').next().unwrap_or(schema);
                lake.table(schema, name)
                    .map(|v| (v.dataset, v.name.clone()))
            }
            None => lake
                .cache(name)
                .map(|d| (d.id, d.name.clone()))
                .or_else(|| {
                    lake.table(DEFAULT_SCHEMA, name)
                        .map(|v| (v.dataset, v.name.clone()))
                }),
        };
        found
            .filter(|(_, name)| visible(&session.principal(), &name.schema, &name.name))
            .map(|(id, _)| id)
            .ok_or_else(|| Error::not_found(format!("dataset {name} does not exist")))
    }

    pub(super) async fn status(&self, session: &Session, name: Option<&str>) -> Result<Rows> {
        let (lake, now) = (self.parts.versions.current(), self.parts.clock.now());
        let datasets = match name {
            Some(name) => {
                let id = self.dataset_named(session, name)?;
                lake.datasets.get(&id).into_iter().collect()
            }
            None => visible_caches(&lake, &session.principal()),
        };
        let mut rows = Vec::new();
        for dataset in datasets {
            let last = self.parts.ledger.history(Some(dataset.id), 1).await?;
            rows.push(status_row(dataset, last.first(), now));
        }
        answer("status", rows)
    }
}

fn status_row(dataset: &Arc<Dataset>, last: Option<&Run>, now: Instant) -> Vec<Literal> {
    let target = dataset.query_cache().and_then(|cache| cache.ttl);
    let failure = dataset
        .last_failure
        .as_ref()
        .map(|failure| failure.message.as_str());
    vec![
        text(&dataset.name.to_string()),
        optional(dataset.feed.as_ref(), |feed| text(feed.kind())),
        text(freshness(dataset, now).as_str()),
        optional(age_seconds(dataset, now), double),
        optional(target, |ttl| double(ttl.as_secs_f64())),
        optional(last, |run| text(run.status.as_str())),
        dataset.quarantine.is_some().to_string(),
        optional(failure, text),
    ]
}

fn double(value: f64) -> Literal {
    format!("{value}::DOUBLE")
}

/// How a cache is defined, what its runs came to, and how it stands now.
fn whole_row(lake: &Lake, dataset: &Arc<Dataset>, now: Instant) -> Option<Vec<Literal>> {
    let mut row = cache_row(dataset)?;
    // Its name stands there already.
    row.extend(state_row(dataset).into_iter().skip(1));
    let head = dataset.head.as_ref();
    let version = lake.versions.get(&dataset.id);
    let fresh = freshness(dataset, now);
    row.extend([
        text(fresh.cache_status()),
        text(fresh.as_str()),
        optional(age_seconds(dataset, now), double),
        optional(head, |head| head.snapshot.to_string()),
        optional(version, |version| version.rows().to_string()),
        optional(version, |version| version.size_bytes().to_string()),
        text(&reason(dataset, now)),
    ]);
    Some(row)
}

/// C-1's word for how a run ended.
pub(super) fn result_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed => "REFRESHED",
        RunStatus::Skipped => "SKIPPED",
        RunStatus::Failed => "ERROR",
        RunStatus::Cancelled => "CANCELLED",
        RunStatus::Pending | RunStatus::Running => "STARTED",
    }
}

fn run_row(run: &Run) -> Vec<Literal> {
    let (outcome, failure) = (&run.outcome, run.failure.as_ref());
    vec![
        text(&run.id.to_string()),
        text(result_word(run.status)),
        text(run.trigger.as_str()),
        optional(run.reason, |reason| text(reason.as_str())),
        instant(run.started_at),
        optional(run.completed_at, instant),
        run.attempts.to_string(),
        optional(outcome.rows, |rows| rows.to_string()),
        optional(outcome.bytes, |bytes| bytes.to_string()),
        optional(outcome.data_timestamp, instant),
        optional(outcome.snapshot, |id| id.to_string()),
        text_list(&outcome.source_query_ids),
        optional(failure, |failure| text(failure.class.as_str())),
        optional(failure, |failure| text(&failure.code)),
        optional(failure, |failure| text(&failure.message)),
        optional(outcome.note.as_deref(), text),
    ]
}
