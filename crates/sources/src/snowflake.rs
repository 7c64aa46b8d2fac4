//! Snowflake as a source, over its HTTP protocol.
//!
//! The client is ours because rows must stream in order and in bounded memory, which no published one
//! does. From the outside in: [`SnowflakeFactory`] reads secret and options (`settings`), a source has
//! sessions (`pool`, `session`) that log in (`login`, `credential`, `key`, `refusals`, `clock`) and send requests
//! (`http`, `retry`, `protocol`); a statement
//! is run and waited for (`statement`, `failure`); its rows are streamed (`result`, `chunk`, `wire`,
//! `rowset`) and converted as declared (`columns`, `convert`). Questions of metadata (`questions`,
//! `explain`, `listing`, `views`, `tokens`, `warehouse`) are statements like others, of a kind that needs no warehouse
//! where Snowflake allows; what is asked at the same time is asked at once (`batch`, `bisect`), and
//! `answer` reads what comes back.
//!
//! Deliberately absent: writing to Snowflake, stages, bindings, and any change of a statement's text.

mod answer;
mod batch;
mod bisect;
mod chunk;
mod clock;
mod columns;
mod convert;
mod credential;
mod explain;
mod failure;
#[cfg(test)]
mod fixtures;
mod http;
mod kept;
mod key;
mod listing;
mod login;
mod names;
mod pool;
mod protocol;
mod questions;
mod refusals;
mod result;
mod retry;
mod rowset;
mod session;
mod settings;
mod statement;
mod tokens;
mod views;
mod warehouse;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use ducksync_core::{
    BatchStream,
    by_source::SourceTraffic,
    error::{Error, Result},
    name::ObjectName,
    secret::Secret,
    source::{
        Aspect, ObjectState, Source, SourceContext, SourceDefinition, SourceDescription,
        SourceFactory, SourcePart, Submitted, TokenKind,
    },
};

use columns::Plan;
use http::{Http, Traffic};
use kept::KeptReplies;
use pool::{Place, SessionPool};
use protocol::QueryData;
use questions::Questions;
use session::Session;
use settings::{Options, Settings};
use statement::Manner;
use warehouse::Warehouse;

/// Makes Snowflake sources.
///
/// The secret's parameters are `account`, `user`, one of `password`, `private_key` (PEM; with
/// `private_key_passphrase` if it is encrypted) or `token` (with `authenticator`), and `database`,
/// `schema`, `warehouse`, `role`, `host`, `port`, `protocol`. Each of the secret ones may be given as a
/// file instead (`password_file` …), which is read whenever a login is made. The source's options are `prefetch` (4), `memory_budget` (64
/// MiB, in bytes, for each stream), `chunk_size_mb` (16) and `sessions` (8).
///
/// Database and schema, of a secret and of a [`SourceContext`] alike, are identifiers as written in
/// SQL: folded to upper case unless they are in double quotes.
#[derive(Debug, Clone, Default)]
pub struct SnowflakeFactory {
    testing: bool,
    traffic: Arc<SourceTraffic>,
}

impl SnowflakeFactory {
    /// A factory for production: `http` to this machine only.
    pub fn new() -> Self {
        Self::default()
    }

    /// A factory for tests: `http` to any host, and short waits before repetitions.
    pub fn for_testing() -> Self {
        Self {
            testing: true,
            ..Self::default()
        }
    }

    /// The same, counting what its sources send and receive.
    #[must_use]
    pub fn counting(self, traffic: Arc<SourceTraffic>) -> Self {
        Self { traffic, ..self }
    }
}

#[async_trait]
impl SourceFactory for SnowflakeFactory {
    async fn open(
        &self,
        definition: &SourceDefinition,
        secret: &Secret,
    ) -> Result<Arc<dyn Source>> {
        let settings = Settings::read(secret, &definition.options, self.testing).await?;
        let traffic = Traffic {
            requests: self.traffic.requests.of(&definition.name),
            bytes: self.traffic.bytes.of(&definition.name),
        };
        Ok(Arc::new(Snowflake::new(settings, traffic)?))
    }
}

/// One account, logged in as one secret.
struct Snowflake {
    sessions: Arc<SessionPool>,
    questions: Questions,
    warehouse: Warehouse,
    kept: KeptReplies,
    options: Options,
}

impl Snowflake {
    fn new(settings: Settings, traffic: Traffic) -> Result<Self> {
        let http = Arc::new(Http::new(settings.base, settings.retry, traffic)?);
        let sessions = SessionPool::new(http, settings.login, settings.options.sessions);
        let sessions = Arc::new(sessions);
        Ok(Self {
            questions: Questions::new(sessions.clone(), settings.options),
            sessions,
            warehouse: Warehouse::default(),
            kept: KeptReplies::default(),
            options: settings.options,
        })
    }

    async fn columns(&self, sql: &str, context: &SourceContext) -> Result<Option<Arc<Plan>>> {
        let describing = Manner {
            timeout: context.timeout.or(Some(questions::TIMEOUT)),
            describe_only: true,
            ..manner(context)
        };
        let reply = statement::run(&self.session(context), sql, &describing).await?;
        declared(&reply, context).map(Some)
    }

    async fn objects(&self, sql: &str, context: &SourceContext) -> Result<Vec<ObjectName>> {
        if context.database.is_none() && context.schema.is_none() && context.role.is_none() {
            return self.questions.objects(sql).await;
        }
        let manner = Manner {
            timeout: context.timeout.or(Some(questions::TIMEOUT)),
            ..manner(context)
        };
        explain::objects(&self.session(context), sql, &manner, self.options).await
    }

    fn session(&self, context: &SourceContext) -> Arc<Session> {
        self.sessions.session(Place {
            database: context.database.clone(),
            schema: context.schema.clone(),
            role: context.role.clone(),
        })
    }
}

fn manner(context: &SourceContext) -> Manner {
    Manner {
        tag: context.tag.clone(),
        timeout: context.timeout,
        describe_only: false,
        parameters: context.parameters.clone(),
    }
}

fn declared(reply: &QueryData, context: &SourceContext) -> Result<Arc<Plan>> {
    Plan::of(reply.rowtype.as_deref().unwrap_or_default(), &context.types)
}

#[async_trait]
impl Source for Snowflake {
    async fn describe(
        &self,
        sql: &str,
        context: &SourceContext,
        wanted: Aspect,
    ) -> Result<SourceDescription> {
        let (columns, objects) = match wanted {
            Aspect::Everything => {
                tokio::join!(self.columns(sql, context), self.objects(sql, context))
            }
            Aspect::Columns => (self.columns(sql, context).await, Ok(Vec::new())),
            Aspect::Objects => (Ok(None), self.objects(sql, context).await),
        };
        let plan = columns?;
        let mut warnings = plan
            .as_ref()
            .map_or(Vec::new(), |plan| plan.warnings.clone());
        let objects = match objects {
            // The statement is judged by its columns; why a plan was refused is only told.
            Err(error) if failure::is_rejection(&error) => {
                let why = error.message();
                warnings.push(format!(
                    "snowflake did not say which objects the statement reads: {why}"
                ));
                Vec::new()
            }
            objects => objects?,
        };
        let plain_texts = plan
            .as_ref()
            .map_or(Vec::new(), |plan| plan.plain_texts.clone());
        Ok(SourceDescription {
            columns: plan.map_or_else(|| Vec::new().into(), |plan| plan.fields.clone()),
            objects,
            plain_texts,
            warnings,
        })
    }

    async fn tokens(
        &self,
        objects: &[ObjectName],
        kind: TokenKind,
    ) -> Result<Vec<Result<ObjectState>>> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        self.questions.signals(objects, kind).await
    }

    async fn submit(&self, sql: &str, context: &SourceContext) -> Result<Submitted> {
        let session = self.session(context);
        let reply = statement::run(&session, sql, &manner(context)).await?;
        let query_id = reply
            .query_id
            .clone()
            .ok_or_else(|| Error::data_loss("snowflake ran a statement without naming it"))?;
        let plan =
            declared(&reply, context).map_err(|error| failure::of_query(&query_id, error))?;
        let rows = reply.rows();
        self.kept.keep(&query_id, session, reply);
        Ok(Submitted {
            query_id,
            columns: plan.fields.clone(),
            rows,
            warnings: plan.warnings.clone(),
        })
    }

    async fn fetch(&self, query_id: &str, context: &SourceContext) -> Result<BatchStream> {
        let (session, reply) = match self.kept.take(query_id) {
            Some(kept) => kept,
            None => (self.session(context), None),
        };
        let reply = match reply {
            Some(reply) => reply,
            None => statement::result(&session, query_id).await?,
        };
        let plan = declared(&reply, context).map_err(|error| failure::of_query(query_id, error))?;
        let mut options = self.options;
        if let Some(budget) = context.memory_budget {
            options.memory_budget = usize::try_from(budget).unwrap_or(usize::MAX);
        }
        result::stream(session, query_id.to_owned(), plan, reply, options).await
    }

    async fn abort(&self, query_id: &str) -> Result<()> {
        let session = self.kept.forget(query_id);
        let session = session.unwrap_or_else(|| self.sessions.session(Place::default()));
        statement::abort(&session, query_id).await
    }

    async fn warehouse_size(&self) -> Result<Option<String>> {
        self.warehouse.size(&self.sessions, self.options).await
    }

    async fn resolve(&self, parts: &[SourcePart], context: &SourceContext) -> Result<ObjectName> {
        if parts.len() == 3 {
            return names::complete(parts, None, None);
        }
        let login = self.sessions.login();
        let written = |place: &Option<String>, secret: &Option<String>| {
            place.as_deref().or(secret.as_deref()).map(names::fold)
        };
        // What the context says needs no contact; the rest is what the session starts with.
        if let (Some(database), Some(schema)) = (&context.database, &context.schema) {
            return names::complete(
                parts,
                Some(names::fold(database)),
                Some(names::fold(schema)),
            );
        }
        let info = self.session(context).info().await?;
        let database = info
            .database_name
            .or_else(|| written(&context.database, &login.database));
        let schema = info
            .schema_name
            .or_else(|| written(&context.schema, &login.schema));
        names::complete(parts, database, schema)
    }
}
