//! A source that follows a script.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use async_trait::async_trait;
use ducksync_core::{
    BatchStream, Error, Result,
    error::FailureClass,
    name::{Name, ObjectName},
    source::{
        Aspect, ObjectState, Source, SourceContext, SourceDescription, SourcePart, Sources,
        Submitted, TokenKind, VersionToken,
    },
    types::{Field, Fields, LakeType, result_schema},
};
use futures::stream;

use super::steps::Steps;

/// An object of the script.
#[derive(Clone, Default)]
struct Scripted {
    change: Option<u64>,
    altered: Option<u64>,
    fingerprint: Option<u64>,
    refuses_change_token: bool,
}

struct State {
    objects: BTreeMap<ObjectName, Scripted>,
    plan: Vec<ObjectName>,
    change_token_needs_warehouse: bool,
    columns: Fields,
    rows: i64,
    counted: Option<u64>,
    breaks_after: Option<i64>,
}

/// The source `prod`.
pub(crate) struct ScriptedSource {
    pub(crate) steps: Steps,
    state: Mutex<State>,
    queries: AtomicU64,
}

/// The object `DB.S.<name>`.
pub(crate) fn object(name: &str) -> ObjectName {
    ObjectName {
        database: "DB".into(),
        schema: "S".into(),
        name: name.into(),
    }
}

impl ScriptedSource {
    /// A source with the table `ORDERS`, which the plan of every query names, and three rows.
    pub(crate) fn new(steps: Steps) -> Arc<Self> {
        let source = Self {
            steps,
            state: Mutex::new(State {
                objects: BTreeMap::new(),
                plan: vec![object("ORDERS")],
                change_token_needs_warehouse: false,
                columns: Arc::new([Field::new("n", LakeType::Int64)]),
                rows: 3,
                counted: None,
                breaks_after: None,
            }),
            queries: AtomicU64::new(0),
        };
        source.commit("ORDERS");
        Arc::new(source)
    }

    /// Changes a table, and its number of rows.
    pub(crate) fn commit(&self, name: &str) {
        self.update_in_place(name);
        let mut state = self.state.lock().unwrap();
        let entry = state.objects.entry(object(name)).or_default();
        entry.fingerprint = Some(entry.fingerprint.unwrap_or(0) + 1);
    }

    /// Refuses the change token to logins without warehouse.
    pub(crate) fn change_token_needs_warehouse(&self) {
        self.state.lock().unwrap().change_token_needs_warehouse = true;
    }

    /// Changes a table in a way that leaves its rows and bytes as they are.
    pub(crate) fn update_in_place(&self, name: &str) {
        let mut state = self.state.lock().unwrap();
        let entry = state.objects.entry(object(name)).or_default();
        entry.change = Some(entry.change.unwrap_or(0) + 1);
        entry.altered = Some(entry.altered.unwrap_or(0) + 1);
    }

    /// Takes a table away.
    pub(crate) fn lose(&self, name: &str) {
        self.state.lock().unwrap().objects.remove(&object(name));
    }

    /// Gives NULL for both signals of a table.
    pub(crate) fn without_tokens(&self, name: &str) {
        let scripted = Scripted::default();
        let mut state = self.state.lock().unwrap();
        state.objects.insert(object(name), scripted);
    }

    /// Takes the fingerprint of a table away: it is a view now.
    pub(crate) fn without_fingerprint(&self, name: &str) {
        let mut state = self.state.lock().unwrap();
        state.objects.entry(object(name)).or_default().fingerprint = None;
    }

    /// Refuses the change token of a table; its last alteration is known.
    pub(crate) fn refuse_change_token(&self, name: &str) {
        let mut state = self.state.lock().unwrap();
        state
            .objects
            .entry(object(name))
            .or_default()
            .refuses_change_token = true;
    }

    /// What the plan of every query names.
    pub(crate) fn plan(&self, names: &[&str]) {
        self.state.lock().unwrap().plan = names.iter().map(|name| object(name)).collect();
    }

    /// The result of every query.
    pub(crate) fn result(&self, columns: &[&str], rows: i64) {
        let fields = columns
            .iter()
            .map(|name| Field::new(*name, LakeType::Int64));
        let mut state = self.state.lock().unwrap();
        state.columns = fields.collect();
        state.rows = rows;
    }

    /// Counts another number of rows than it streams.
    pub(crate) fn count_wrongly(&self, rows: u64) {
        self.state.lock().unwrap().counted = Some(rows);
    }

    /// Breaks the next stream after so many rows.
    pub(crate) fn break_after(&self, rows: i64) {
        self.state.lock().unwrap().breaks_after = Some(rows);
    }
}

#[async_trait]
impl Source for ScriptedSource {
    async fn describe(&self, _: &str, _: &SourceContext, _: Aspect) -> Result<SourceDescription> {
        self.steps.take("describe").await?;
        let state = self.state.lock().unwrap();
        Ok(SourceDescription {
            columns: state.columns.clone(),
            objects: state.plan.clone(),
            plain_texts: Vec::new(),
            warnings: Vec::new(),
        })
    }

    async fn tokens(
        &self,
        objects: &[ObjectName],
        kind: TokenKind,
    ) -> Result<Vec<Result<ObjectState>>> {
        let step = match kind {
            TokenKind::ChangeToken => "tokens",
            TokenKind::LastAltered => "last_altered",
            TokenKind::Fingerprint => "fingerprints",
        };
        // What it answers is what it is when the statement is sent.
        let answer = objects.iter().map(|object| self.answer(object, kind));
        let answer = answer.collect();
        self.steps.take(step).await?;
        Ok(answer)
    }

    async fn submit(&self, _: &str, context: &SourceContext) -> Result<Submitted> {
        assert!(context.tag.as_ref().unwrap().starts_with("ducksync:"));
        self.steps.take("submit").await?;
        let state = self.state.lock().unwrap();
        Ok(Submitted {
            query_id: format!("q{}", self.queries.fetch_add(1, SeqCst) + 1),
            columns: state.columns.clone(),
            rows: Some(state.counted.unwrap_or(state.rows as u64)),
            warnings: Vec::new(),
        })
    }

    async fn fetch(&self, _: &str, _: &SourceContext) -> Result<BatchStream> {
        self.steps.take("fetch").await?;
        let mut state = self.state.lock().unwrap();
        let broken = state.breaks_after.take();
        let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(
            0..broken.unwrap_or(state.rows),
        ));
        let columns = vec![rows; state.columns.len()];
        let batch = RecordBatch::try_new(result_schema(&state.columns), columns).unwrap();
        let error = broken.map(|_| Err(Error::unavailable("the source went away")));
        Ok(BatchStream::of_fields(
            state.columns.clone(),
            stream::iter([Some(Ok(batch)), error].into_iter().flatten()),
        ))
    }

    async fn abort(&self, query_id: &str) -> Result<()> {
        self.steps.note(format!("abort {query_id}"));
        Ok(())
    }

    async fn warehouse_size(&self) -> Result<Option<String>> {
        Ok(None)
    }

    async fn resolve(&self, parts: &[SourcePart], _: &SourceContext) -> Result<ObjectName> {
        Ok(object(&parts[parts.len() - 1].text))
    }
}

impl ScriptedSource {
    fn answer(&self, object: &ObjectName, kind: TokenKind) -> Result<ObjectState> {
        let state = self.state.lock().unwrap();
        let Some(scripted) = state.objects.get(object) else {
            return Err(Error::not_found(format!("{object} does not exist"))
                .with_class(FailureClass::Dependency));
        };
        let token = match kind {
            TokenKind::ChangeToken if scripted.refuses_change_token => {
                return Err(Error::invalid("invalid argument for a change token"));
            }
            TokenKind::ChangeToken => scripted.change.map(|n| format!("change:{n}")),
            TokenKind::LastAltered => scripted.altered.map(|n| format!("altered:{n}")),
            TokenKind::Fingerprint => scripted.fingerprint.map(|n| format!("fp:{n}:{n}")),
        };
        Ok(ObjectState {
            object: object.clone(),
            token: token.map(VersionToken::new),
            view_definition: None,
        })
    }
}

/// The same source by a login without warehouse.
struct MetadataLogin(Arc<ScriptedSource>);

#[async_trait]
impl Source for MetadataLogin {
    async fn describe(
        &self,
        sql: &str,
        context: &SourceContext,
        wanted: Aspect,
    ) -> Result<SourceDescription> {
        assert_eq!(
            wanted,
            Aspect::Objects,
            "columns are the loading login's matter"
        );
        self.0.describe(sql, context, wanted).await
    }

    async fn tokens(
        &self,
        objects: &[ObjectName],
        kind: TokenKind,
    ) -> Result<Vec<Result<ObjectState>>> {
        let refused = self.0.state.lock().unwrap().change_token_needs_warehouse;
        self.0.steps.note(format!("first stage {kind:?}"));
        match kind {
            TokenKind::ChangeToken if refused => {
                let refusal = || Error::failed_precondition("no active warehouse is selected");
                Ok(objects.iter().map(|_| Err(refusal())).collect())
            }
            kind => Ok(objects
                .iter()
                .map(|object| self.0.answer(object, kind))
                .collect()),
        }
    }

    async fn submit(&self, _: &str, _: &SourceContext) -> Result<Submitted> {
        panic!("a login without warehouse runs nothing");
    }

    async fn fetch(&self, _: &str, _: &SourceContext) -> Result<BatchStream> {
        panic!("a login without warehouse runs nothing");
    }

    async fn abort(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn warehouse_size(&self) -> Result<Option<String>> {
        Ok(None)
    }

    async fn resolve(&self, parts: &[SourcePart], context: &SourceContext) -> Result<ObjectName> {
        self.0.resolve(parts, context).await
    }
}

/// Knows only `prod`.
pub(crate) struct OneSource(pub(crate) Arc<ScriptedSource>);

#[async_trait]
impl Sources for OneSource {
    async fn source(&self, name: &Name) -> Result<Arc<dyn Source>> {
        match name.as_str() {
            "prod" => Ok(self.0.clone()),
            _ => Err(Error::not_found(format!("there is no source {name}"))),
        }
    }

    async fn metadata(&self, _: &Name, secret: &Name) -> Result<Arc<dyn Source>> {
        match secret.as_str() {
            "sf_meta" => Ok(Arc::new(MetadataLogin(self.0.clone()))),
            _ => Err(Error::not_found(format!("there is no secret {secret}"))),
        }
    }
}
