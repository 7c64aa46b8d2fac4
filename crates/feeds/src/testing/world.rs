//! The catalog database in memory: what all processes share.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use chrono::TimeDelta;
use ducksync_core::{
    Error, Result,
    change::{Publication, Published, apply},
    dataset::{Dataset, Feed, Head, QueryCache},
    id::{ClaimToken, DatasetId, OwnerId, RunId, Seq, SnapshotId},
    name::TableName,
    run::{Run, RunStatus},
    time::{Clock, Instant},
    version::Lake,
};
use tokio::sync::watch;

use super::steps::Steps;

/// What goes wrong with a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishFault {
    /// The catalog is down: nothing committed.
    Down,
    /// It committed, and the answer was lost.
    AnswerLost,
    /// Another change won.
    Conflict,
}

pub(super) struct State {
    pub(super) lake: Lake,
    pub(super) history: BTreeMap<SnapshotId, Lake>,
    pub(super) runs: Vec<Run>,
    pub(super) staging: HashMap<RunId, Vec<String>>,
    pub(super) claims: HashMap<DatasetId, (OwnerId, RunId, ClaimToken)>,
    pub(super) last_claim: i64,
    pub(super) dead: HashSet<OwnerId>,
    pub(super) faults: VecDeque<PublishFault>,
    publications: Vec<Publication>,
    ticks: i64,
}

/// The catalog.
pub(crate) struct World {
    pub(super) steps: Steps,
    state: Mutex<State>,
    pub(super) newest: watch::Sender<Arc<Lake>>,
    start: tokio::time::Instant,
}

impl World {
    pub(crate) fn new(steps: Steps) -> Arc<Self> {
        let lake = Lake {
            name: "lake".into(),
            data_path: "/data/".into(),
            ..Lake::default()
        };
        Arc::new(Self {
            steps,
            newest: watch::Sender::new(Arc::new(lake.clone())),
            state: Mutex::new(State {
                lake,
                history: BTreeMap::new(),
                runs: Vec::new(),
                staging: HashMap::new(),
                claims: HashMap::new(),
                last_claim: 0,
                dead: HashSet::new(),
                faults: VecDeque::new(),
                publications: Vec::new(),
                ticks: 0,
            }),
            start: tokio::time::Instant::now(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Strictly growing, and as fast as the (paused) time of the test.
    pub(super) fn time(&self) -> Instant {
        let mut state = self.lock();
        state.ticks += 1;
        let ticks = TimeDelta::microseconds(state.ticks);
        let elapsed = TimeDelta::from_std(self.start.elapsed()).unwrap();
        Instant::UNIX_EPOCH + TimeDelta::days(20_000) + elapsed + ticks
    }

    /// Defines a dataset.
    pub(crate) fn define(&self, name: &str, cache: QueryCache) -> DatasetId {
        let id = DatasetId::generate();
        let dataset = Dataset {
            id,
            name: TableName::new("prod", name),
            feed: Some(Feed::QueryCache(cache)),
            created_at: self.time(),
            head: None,
            proof: None,
            suspended: false,
            quarantine: None,
            failures_in_a_row: 0,
            last_failure: None,
            refresh_count: 0,
            last_duration_ms: None,
        };
        self.change(|state| {
            state.lake.datasets.insert(id, Arc::new(dataset));
        });
        id
    }

    /// Changes the catalog, and shows it to all processes.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        state.lake.revision += 1;
        let lake = Arc::new(state.lake.clone());
        drop(state);
        self.newest.send_replace(lake);
        result
    }

    /// Changes a dataset.
    pub(crate) fn edit(&self, id: DatasetId, edit: impl FnOnce(&mut Dataset)) {
        self.change(|state| {
            let dataset = state.lake.datasets.get_mut(&id).unwrap();
            edit(Arc::make_mut(dataset));
        });
    }

    /// Forgets a dataset and voids its claim, as DROP does.
    pub(crate) fn forget(&self, id: DatasetId) {
        self.change(|state| {
            state.lake.datasets.remove(&id);
            state.lake.versions.remove(&id);
            state.claims.remove(&id);
        });
    }

    /// A dataset as it is.
    pub(crate) fn dataset(&self, id: DatasetId) -> Arc<Dataset> {
        self.lock().lake.datasets[&id].clone()
    }

    /// The lake as it is.
    pub(crate) fn lake(&self) -> Lake {
        self.lock().lake.clone()
    }

    /// Runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<Run> {
        self.lock().runs.clone()
    }

    /// Whether no claim is held.
    pub(crate) fn no_claims(&self) -> bool {
        self.lock().claims.is_empty()
    }

    /// Runs whose staging is still remembered.
    pub(crate) fn staging(&self) -> Vec<RunId> {
        self.lock().staging.keys().copied().collect()
    }

    /// Ends a process, as the catalog sees it.
    pub(crate) fn kill(&self, owner: OwnerId) {
        self.lock().dead.insert(owner);
    }

    /// Takes a dataset's claim from its holder.
    pub(crate) fn void_claim(&self, id: DatasetId) {
        self.lock().claims.remove(&id);
    }

    /// What was committed, oldest first.
    pub(crate) fn publications(&self) -> Vec<Publication> {
        self.lock().publications.clone()
    }

    /// What goes wrong with the next publishes.
    pub(crate) fn fault(&self, faults: impl IntoIterator<Item = PublishFault>) {
        self.lock().faults.extend(faults);
    }

    /// Marks the dataset's table as another client's work.
    pub(crate) fn overwrite(&self, id: DatasetId) {
        self.change(|state| {
            let version = state.lake.versions.get_mut(&id).unwrap();
            let adopted = RunId::adopted(id, version.snapshot);
            Arc::make_mut(version).run = adopted;
        });
    }

    pub(super) fn commit(&self, publication: &Publication) -> Result<Published> {
        let time = self.time();
        self.check(publication)?;
        let snapshot = self.change(|state| {
            state.publications.push(publication.clone());
            let snapshot = SnapshotId(state.lake.snapshot.0 + 1);
            state.lake.snapshot = snapshot;
            for change in &publication.changes {
                let id = change.dataset().unwrap();
                let before = state.lake.versions.get(&id);
                let mut version = apply(before.map(Arc::as_ref), change).unwrap().unwrap();
                version.run = publication.run;
                version.snapshot = snapshot;
                state.lake.versions.insert(id, Arc::new(version));
            }
            for (id, checkpoint) in &publication.checkpoints {
                let rows = state.lake.versions[id].rows() as i64;
                let dataset = Arc::make_mut(state.lake.datasets.get_mut(id).unwrap());
                let seq = dataset.head.as_ref().map_or(0, |head| head.seq.0) + 1;
                dataset.head = Some(Head {
                    seq: Seq(seq),
                    run: publication.run,
                    claim: None,
                    definition_hash: Some(checkpoint.definition_hash.clone()),
                    rows,
                    snapshot,
                    published_at: time,
                });
                dataset.proof = Some(checkpoint.proof.clone());
                dataset.failures_in_a_row = 0;
                dataset.last_failure = None;
                dataset.quarantine = None;
                dataset.refresh_count += 1;
            }
            let run = state.runs.iter_mut().find(|run| run.id == publication.run);
            if let (Some(run), Some(completion)) = (run, &publication.completion) {
                run.status = completion.status;
                run.reason = completion.reason;
                run.attempts = completion.attempts;
                run.outcome = completion.outcome.clone();
                run.outcome.snapshot = Some(snapshot);
                run.completed_at = Some(time);
            }
            let lake = state.lake.clone();
            state.history.insert(snapshot, lake);
            snapshot
        });
        Ok(Published { snapshot, time })
    }

    fn check(&self, publication: &Publication) -> Result<()> {
        let state = self.lock();
        let run = state.runs.iter().find(|run| run.id == publication.run);
        if run.is_some_and(|run| run.status != RunStatus::Running) {
            return Err(Error::conflict("the run has ended"));
        }
        for basis in &publication.basis {
            let Some(dataset) = state.lake.datasets.get(&basis.dataset) else {
                return Err(Error::conflict("the dataset was dropped"));
            };
            if dataset.head.as_ref().map(|head| head.seq) != basis.seq {
                return Err(Error::conflict("the head moved"));
            }
            let held = state.claims.get(&basis.dataset).map(|(_, _, token)| *token);
            if held != basis.claim {
                return Err(Error::conflict("the claim was lost"));
            }
        }
        Ok(())
    }
}

/// The clock of every process.
pub(super) struct WorldClock(pub(super) Arc<World>);

impl Clock for WorldClock {
    fn now(&self) -> Instant {
        self.0.time()
    }
}

/// Lets time pass, for TTLs and intervals.
pub(crate) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}
