//! `refresh` and `needs_refresh`.

use std::sync::Arc;

use ducksync_core::{
    Result,
    auth::Privilege,
    command::Refresh,
    run::{RunReason, RunRequest, RunResult, RunStatus, RunTrigger},
};

use super::{answer, list::result_word};
use crate::{
    Query, Session,
    system::{Rows, instant, optional, text},
};

impl Query {
    pub(super) async fn refresh(&self, session: &Arc<Session>, arguments: Refresh) -> Result<Rows> {
        let (_, cache) = self.cache_for(session, &arguments.cache_name, Privilege::Refresh)?;
        let request = RunRequest {
            dataset: cache.id,
            trigger: RunTrigger::Manual,
            force: arguments.force,
            join_running: false,
            check: true,
            prove: false,
        };
        if !arguments.wait {
            let run = self.parts.runs.start(request).await?;
            let message = format!("run {run} was started");
            let row = ["STARTED".to_owned(), message]
                .map(|value| text(&value))
                .to_vec();
            let rest = [
                "NULL".into(),
                "NULL".into(),
                text(&run.to_string()),
                "NULL".into(),
            ];
            let nulls = ["NULL".to_owned(), "NULL".to_owned()];
            return answer(
                "refresh",
                vec![[row, rest.to_vec(), nulls.to_vec()].concat()],
            );
        }
        let result = self.parts.runs.bring_up_to_date(request).await?;
        if result.status == RunStatus::Completed {
            // The run may have been another process's; what follows in this session must see it.
            self.parts.versions.ask().await?;
        }
        answer("refresh", vec![row(&result)])
    }

    pub(super) async fn needs_refresh(&self, session: &Session, name: &str) -> Result<Rows> {
        let (_, cache) = self.cache_for(session, name, Privilege::Refresh)?;
        let (needed, reason) = self.parts.runs.needs_refresh(cache.id).await?;
        answer(
            "needs_refresh",
            vec![vec![needed.to_string(), text(reason.as_str())]],
        )
    }
}

fn row(result: &RunResult) -> Vec<String> {
    let refreshed = result.status == RunStatus::Completed;
    vec![
        text(result_word(result.status)),
        text(&message(result)),
        optional(result.outcome.rows.filter(|_| refreshed), |rows| {
            rows.to_string()
        }),
        format!("{}::DOUBLE", result.duration.as_secs_f64() * 1000.0),
        optional(result.run, |run| text(&run.to_string())),
        optional(result.reason, |reason| text(reason.as_str())),
        optional(result.outcome.data_timestamp, instant),
        optional(result.outcome.snapshot, |id| id.to_string()),
    ]
}

fn message(result: &RunResult) -> String {
    if let Some(failure) = &result.failure {
        let remedy = failure.remedy.as_ref().map(|remedy| format!("; {remedy}"));
        return format!(
            "{}: {}{}",
            failure.class.as_str(),
            failure.message,
            remedy.unwrap_or_default()
        );
    }
    let mut message: String = match result.reason {
        Some(RunReason::Forced) => "loaded because force was given".into(),
        Some(RunReason::Suspended) => "suspended; call ducksync_resume to go on".into(),
        Some(RunReason::Quarantined) => "quarantined; call ducksync_resume to go on".into(),
        Some(RunReason::ManualMode) => "mode manual; give force := true to load".into(),
        Some(RunReason::Initial) => "first load".into(),
        Some(RunReason::DefinitionChanged) => "loaded because the definition changed".into(),
        Some(RunReason::TtlExpired) => "loaded because the TTL is over".into(),
        Some(RunReason::Fresh) => "within its TTL".into(),
        Some(RunReason::SourceChanged) => "loaded because the source changed".into(),
        Some(RunReason::SourceUnchanged) => "the source did not change".into(),
        Some(RunReason::Unprovable) => {
            "loaded because nothing could prove that the source did not change".into()
        }
        Some(RunReason::FingerprintUnchanged) => {
            "rows and bytes of the source's tables are as they were, which proves nothing".into()
        }
        None => result.status.as_str().to_owned(),
    };
    if let Some(note) = &result.outcome.note {
        message.push_str("; ");
        message.push_str(note);
    }
    message
}
