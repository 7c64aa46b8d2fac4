//! Questions of metadata: what a statement reads, and the signals of change. Put together with what others
//! ask at the same time (C-9), and answered without a warehouse where Snowflake allows.

use std::{sync::Arc, time::Duration};

use ducksync_core::{
    error::Result,
    name::ObjectName,
    source::{ObjectState, TokenKind},
};
use futures::FutureExt as _;

use super::{
    batch::{Answers, Batcher},
    explain,
    pool::{Place, SessionPool},
    settings::Options,
    statement::Manner,
    tokens,
};

/// How long a question of metadata may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

/// Where questions are asked.
#[derive(Clone)]
struct Asker {
    sessions: Arc<SessionPool>,
    options: Options,
}

/// The questions of one source.
pub(super) struct Questions {
    change_tokens: Batcher<ObjectName, ObjectState>,
    last_altered: Batcher<ObjectName, ObjectState>,
    fingerprints: Batcher<ObjectName, ObjectState>,
    plans: Batcher<String, Vec<ObjectName>>,
}

impl Questions {
    pub(super) fn new(sessions: Arc<SessionPool>, options: Options) -> Self {
        let asker = Asker { sessions, options };
        let signals = |kind| {
            let asker = asker.clone();
            Batcher::new(move |objects| asker.clone().signals(objects, kind).boxed())
        };
        let plans = asker.clone();
        Self {
            change_tokens: signals(TokenKind::ChangeToken),
            last_altered: signals(TokenKind::LastAltered),
            fingerprints: signals(TokenKind::Fingerprint),
            plans: Batcher::new(move |statements| plans.clone().plans(statements).boxed()),
        }
    }

    /// One signal of each object, in their order.
    pub(super) async fn signals(
        &self,
        objects: &[ObjectName],
        kind: TokenKind,
    ) -> Result<Vec<Result<ObjectState>>> {
        let batcher = match kind {
            TokenKind::ChangeToken => &self.change_tokens,
            TokenKind::LastAltered => &self.last_altered,
            TokenKind::Fingerprint => &self.fingerprints,
        };
        batcher.ask(objects.to_vec()).await
    }

    /// What a statement reads that runs in the login's own database and schema.
    pub(super) async fn objects(&self, sql: &str) -> Result<Vec<ObjectName>> {
        let answers = self.plans.ask(vec![sql.to_owned()]).await?;
        answers.into_iter().next().unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl Asker {
    async fn signals(
        self,
        objects: Vec<ObjectName>,
        kind: TokenKind,
    ) -> Result<Answers<ObjectName, ObjectState>> {
        let (session, manner) = (
            self.sessions.session(Place::default()),
            manner("ducksync:tokens"),
        );
        match kind {
            TokenKind::ChangeToken => {
                tokens::change_tokens(&session, &objects, &manner, self.options).await
            }
            TokenKind::LastAltered => {
                tokens::altered::last_altered(&session, &objects, &manner, self.options).await
            }
            TokenKind::Fingerprint => {
                tokens::fingerprints(&session, &objects, &manner, self.options).await
            }
        }
    }

    async fn plans(self, statements: Vec<String>) -> Result<Answers<String, Vec<ObjectName>>> {
        let (session, manner) = (
            self.sessions.session(Place::default()),
            manner("ducksync:plans"),
        );
        explain::objects_of_many(&session, &statements, &manner, self.options).await
    }
}

/// How questions of metadata are asked.
pub(super) fn manner(tag: &str) -> Manner {
    Manner {
        tag: Some(tag.to_owned()),
        timeout: Some(TIMEOUT),
        ..Manner::default()
    }
}
