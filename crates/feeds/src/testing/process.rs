//! One process's view of the catalog: all its traits.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ducksync_core::{
    Error, Result,
    catalog::{
        ClaimOutcome, ClaimStore, DatasetStore, DeadRun, Publisher, RunLedger, SnapshotInfo,
        StateChange, Upkeep, Versions,
    },
    change::{Publication, Published},
    dataset::Feed,
    id::{ClaimToken, DatasetId, OwnerId, RunId, SnapshotId},
    name::{Name, TableName},
    run::{Run, RunCompletion, RunFailure, RunOutcome, RunReason, RunStatus, RunTrigger},
    source::SourceDefinition,
    time::Instant,
    version::Lake,
};
use tokio::sync::watch;

use super::world::{PublishFault, World};

/// A process of the world.
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) owner: OwnerId,
}

#[async_trait]
impl Versions for Process {
    fn current(&self) -> Arc<Lake> {
        self.world.newest.borrow().clone()
    }

    async fn ask(&self) -> Result<Arc<Lake>> {
        self.world.steps.take("ask").await?;
        Ok(self.current())
    }

    async fn at(&self, snapshot: SnapshotId) -> Result<Arc<Lake>> {
        let state = self.world.lock();
        let lake = state.history.get(&snapshot).cloned();
        lake.map(Arc::new)
            .ok_or_else(|| Error::not_found("snapshot"))
    }

    async fn snapshot_at(&self, _: Instant) -> Result<SnapshotId> {
        Ok(self.current().snapshot)
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Lake>> {
        self.world.newest.subscribe()
    }

    async fn now(&self) -> Result<Instant> {
        Ok(self.world.time())
    }
}

#[async_trait]
impl Publisher for Process {
    async fn publish(&self, publication: Publication) -> Result<Published> {
        self.world.steps.take("publish").await?;
        let fault = self.world.lock().faults.pop_front();
        match fault {
            None => self.world.commit(&publication),
            Some(PublishFault::Down) => Err(Error::unavailable("the catalog is down")),
            Some(PublishFault::Conflict) => Err(Error::conflict("another change won")),
            Some(PublishFault::AnswerLost) => {
                self.world.commit(&publication)?;
                Err(Error::unavailable("the connection was lost in commit"))
            }
        }
    }

    async fn settle(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl DatasetStore for Process {
    async fn put_source(&self, _: SourceDefinition, _: bool) -> Result<()> {
        Err(Error::unimplemented("not needed by feeds"))
    }

    async fn drop_source(&self, _: &Name) -> Result<()> {
        Err(Error::unimplemented("not needed by feeds"))
    }

    async fn create(&self, _: DatasetId, _: TableName, _: Feed) -> Result<()> {
        Err(Error::unimplemented("not needed by feeds"))
    }

    async fn alter(&self, _: DatasetId, _: Feed) -> Result<()> {
        Err(Error::unimplemented("not needed by feeds"))
    }

    async fn forget(&self, _: DatasetId, _: bool) -> Result<()> {
        Err(Error::unimplemented("not needed by feeds"))
    }

    async fn change_state(&self, id: DatasetId, change: StateChange) -> Result<()> {
        self.world.edit(id, |dataset| match change {
            StateChange::Suspend => dataset.suspended = true,
            StateChange::Resume => {
                dataset.suspended = false;
                dataset.quarantine = None;
                dataset.failures_in_a_row = 0;
                dataset.last_failure = None;
            }
            StateChange::Quarantine(quarantine) => dataset.quarantine = Some(quarantine),
            StateChange::Unchanged(proof) => {
                dataset.proof = Some(proof);
                dataset.failures_in_a_row = 0;
                dataset.last_failure = None;
            }
            StateChange::Failed(failure) => {
                dataset.failures_in_a_row += 1;
                dataset.last_failure = Some(failure);
            }
        });
        Ok(())
    }
}

#[async_trait]
impl RunLedger for Process {
    async fn begin(&self, run: RunId, dataset: DatasetId, trigger: RunTrigger) -> Result<()> {
        self.world.steps.note("begin");
        let started_at = self.world.time();
        self.world.lock().runs.push(Run {
            id: run,
            dataset,
            status: RunStatus::Running,
            trigger,
            reason: None,
            owner: self.owner,
            started_at,
            completed_at: None,
            attempts: 0,
            outcome: RunOutcome::default(),
            failure: None,
        });
        Ok(())
    }

    async fn record_staging(&self, run: RunId, prefix: &str, _: Option<RunReason>) -> Result<()> {
        self.world.steps.note("record staging");
        let mut state = self.world.lock();
        let prefixes = state.staging.entry(run).or_default();
        prefixes.push(prefix.to_owned());
        Ok(())
    }

    async fn finish(&self, run: RunId, completion: RunCompletion) -> Result<()> {
        self.world.steps.note("finish");
        let time = self.world.time();
        let mut state = self.world.lock();
        let run = state.runs.iter_mut().find(|row| row.id == run).unwrap();
        if run.status == RunStatus::Running {
            run.status = completion.status;
            run.reason = completion.reason;
            run.attempts = completion.attempts;
            run.outcome = completion.outcome;
            run.failure = completion.failure;
            run.completed_at = Some(time);
        }
        Ok(())
    }

    async fn run(&self, run: RunId) -> Result<Run> {
        let state = self.world.lock();
        let row = state.runs.iter().find(|row| row.id == run).cloned();
        row.ok_or_else(|| Error::not_found("run"))
    }

    async fn history(&self, dataset: Option<DatasetId>, limit: u32) -> Result<Vec<Run>> {
        let state = self.world.lock();
        let rows = state.runs.iter().rev();
        Ok(rows
            .filter(|run| dataset.is_none_or(|id| id == run.dataset))
            .take(limit as usize)
            .cloned()
            .collect())
    }

    async fn forget_staging(&self, run: RunId) -> Result<()> {
        self.world.lock().staging.remove(&run);
        Ok(())
    }
}

#[async_trait]
impl ClaimStore for Process {
    async fn claim(&self, dataset: DatasetId, run: RunId) -> Result<ClaimOutcome> {
        self.world.steps.take("claim").await?;
        let mut state = self.world.lock();
        let held = state.claims.get(&dataset).copied();
        if let Some((owner, holder, token)) = held
            && !state.dead.contains(&owner)
        {
            return Ok(match holder == run {
                true => ClaimOutcome::Held(token),
                false => ClaimOutcome::Busy(owner, holder),
            });
        }
        state.last_claim += 1;
        let token = ClaimToken(state.last_claim);
        state.claims.insert(dataset, (self.owner, run, token));
        Ok(ClaimOutcome::Held(token))
    }

    async fn heartbeat(&self) -> Result<Vec<DatasetId>> {
        let state = self.world.lock();
        let running = state
            .runs
            .iter()
            .filter(|run| run.status == RunStatus::Running && run.owner == self.owner);
        let lost = running.filter(|run| {
            let claim = state.claims.get(&run.dataset);
            claim.is_none_or(|(owner, holder, _)| *owner != self.owner || *holder != run.id)
        });
        Ok(lost.map(|run| run.dataset).collect())
    }

    async fn release(&self, dataset: DatasetId, token: ClaimToken) -> Result<()> {
        self.world.steps.note("release");
        let mut state = self.world.lock();
        if state
            .claims
            .get(&dataset)
            .is_some_and(|held| held.2 == token)
        {
            state.claims.remove(&dataset);
        }
        Ok(())
    }

    async fn reap(&self) -> Result<Vec<DeadRun>> {
        let mut state = self.world.lock();
        let dead = state.dead.clone();
        state.claims.retain(|_, held| !dead.contains(&held.0));
        for run in &mut state.runs {
            if run.status == RunStatus::Running && dead.contains(&run.owner) {
                let error = Error::unavailable("the worker is gone")
                    .with_reason(ducksync_core::Reason::WorkerLost);
                run.status = RunStatus::Failed;
                run.failure = Some(RunFailure::from(&error));
            }
        }
        let ended = state
            .runs
            .iter()
            .filter(|run| run.status != RunStatus::Running);
        Ok(ended
            .filter_map(|run| {
                Some(DeadRun {
                    run: run.id,
                    dataset: run.dataset,
                    prefixes: state.staging.get(&run.id)?.clone(),
                })
            })
            .collect())
    }
}

#[async_trait]
impl Upkeep for Process {
    async fn snapshots(&self, _: Option<DatasetId>, _: u32) -> Result<Vec<SnapshotInfo>> {
        Ok(Vec::new())
    }

    async fn expire(&self, _: Duration, _: &[SnapshotId]) -> Result<u64> {
        self.world.steps.note("expire");
        Ok(0)
    }

    async fn deletable(&self, _: Duration, _: u32) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn forget_deleted(&self, _: &[String]) -> Result<()> {
        Ok(())
    }
}
