//! Single flight within a process (G-6): which requests share a run, and when it stops.
//!
//! A flight is a run that was asked for. It takes new askers of any kind until it is *sealed*: from
//! then on its reading may have begun, so only those may join who accept data that was read before
//! they asked. All others share the one follow-up. The registry holds at most two flights a dataset.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ducksync_core::{
    error::{Error, Result},
    id::{DatasetId, RunId},
    run::{RunRequest, RunResult, RunStatus, RunTrigger},
    time::Instant,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::decide::Wanted;

/// What all askers of a flight together want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) trigger: RunTrigger,
    pub(crate) wanted: Wanted,
    /// When the last asked who needs data read after asking; `None` = nobody does.
    pub(crate) read_after: Option<Instant>,
}

impl Demand {
    pub(crate) fn of(request: &RunRequest, now: Instant) -> Self {
        Self {
            trigger: request.trigger,
            wanted: Wanted {
                force: request.force,
                check: request.check,
                prove: request.prove,
            },
            read_after: (request.force || !request.join_running).then_some(now),
        }
    }

    fn add(&mut self, other: Self) {
        self.wanted.force |= other.wanted.force;
        self.wanted.check |= other.wanted.check;
        self.wanted.prove |= other.wanted.prove;
        self.read_after = self.read_after.max(other.read_after);
    }
}

/// How an asker stays interested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Until the [`Waiter`] is dropped.
    Waiting,
    /// To the end, and it wants a record of the run whatever comes of it.
    Kept,
    /// To the end, unless another process does it.
    Scheduled,
}

/// Why a flight was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// Nobody waited any more.
    Abandoned,
    /// By hand, or because its dataset is dropped.
    ByHand,
    /// The claim went to another.
    ClaimLost,
    /// The process ends.
    Shutdown,
}

struct State {
    demand: Demand,
    waiters: usize,
    kept: bool,
    scheduled: bool,
    sealed: bool,
    stopped: Option<Stopped>,
}

type Landed = Option<Arc<Result<RunResult>>>;

/// One run that was asked for.
pub(crate) struct Flight {
    pub(crate) run: RunId,
    pub(crate) dataset: DatasetId,
    /// Cancelled when the flight is to stop.
    pub(crate) stop: CancellationToken,
    state: Mutex<State>,
    landed: watch::Sender<Landed>,
}

impl Flight {
    fn new(dataset: DatasetId, demand: Demand, stop: CancellationToken) -> Self {
        Self {
            run: RunId::generate(),
            dataset,
            stop,
            state: Mutex::new(State {
                demand,
                waiters: 0,
                kept: false,
                scheduled: false,
                sealed: false,
                stopped: None,
            }),
            landed: watch::Sender::new(None),
        }
    }

    /// From now on reading may begin: nobody joins who needs data read after asking.
    pub(crate) fn seal(&self) -> Demand {
        let mut state = self.lock();
        state.sealed = true;
        state.demand
    }

    /// The reading came to nothing; the next one begins after anybody who joins now has asked.
    pub(crate) fn unseal(&self) {
        self.lock().sealed = false;
    }

    /// Whether somebody keeps the run's id and will look for its record.
    pub(crate) fn must_be_recorded(&self) -> bool {
        self.lock().kept
    }

    /// Whether only the scheduler wants it.
    pub(crate) fn only_scheduled(&self) -> bool {
        let state = self.lock();
        state.waiters == 0 && !state.kept
    }

    /// Why it was stopped, if it was.
    pub(crate) fn stopped(&self) -> Option<Stopped> {
        let stopped = self.lock().stopped;
        stopped.or_else(|| self.stop.is_cancelled().then_some(Stopped::Shutdown))
    }

    /// Stops it; the first reason stays.
    pub(crate) fn stop_for(&self, reason: Stopped) {
        self.lock().stopped.get_or_insert(reason);
        self.stop.cancel();
    }

    fn admits(&self, demand: Demand) -> bool {
        let state = self.lock();
        !self.stop.is_cancelled() && (!state.sealed || demand.read_after.is_none())
    }

    fn board(&self, demand: Demand, interest: Interest) {
        let mut state = self.lock();
        state.demand.add(demand);
        match interest {
            Interest::Waiting => state.waiters += 1,
            Interest::Kept => state.kept = true,
            Interest::Scheduled => state.scheduled = true,
        }
    }

    /// A waiter left; whether nobody is interested any more.
    fn leave(&self) -> bool {
        let mut state = self.lock();
        state.waiters = state.waiters.saturating_sub(1);
        state.waiters == 0 && !state.kept && !state.scheduled
    }

    fn land(&self, result: Result<RunResult>) {
        self.landed.send_replace(Some(Arc::new(result)));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Slot {
    running: Arc<Flight>,
    next: Option<Arc<Flight>>,
}

/// All flights of this process.
pub(crate) struct Flights {
    slots: Mutex<HashMap<DatasetId, Slot>>,
    stop: CancellationToken,
}

impl Flights {
    /// No flights; cancelling `stop` stops all.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            slots: Mutex::default(),
            stop,
        }
    }

    /// Joins the flight that will do, or makes one; a new one that nothing precedes is returned to be
    /// flown.
    pub(crate) fn join(
        self: &Arc<Self>,
        dataset: DatasetId,
        demand: Demand,
        interest: Interest,
    ) -> (Waiter, Option<Arc<Flight>>) {
        let new = || Arc::new(Flight::new(dataset, demand, self.stop.child_token()));
        let mut slots = self.lock();
        let (flight, started) = match slots.entry(dataset) {
            Entry::Vacant(vacant) => {
                let running = new();
                vacant.insert(Slot {
                    running: running.clone(),
                    next: None,
                });
                (running, true)
            }
            Entry::Occupied(slot) if slot.get().running.admits(demand) => {
                (slot.get().running.clone(), false)
            }
            Entry::Occupied(mut slot) => {
                (slot.get_mut().next.get_or_insert_with(new).clone(), false)
            }
        };
        flight.board(demand, interest);
        drop(slots);
        let waiter = Waiter {
            landed: flight.landed.subscribe(),
            leaves: (interest == Interest::Waiting).then(|| self.clone()),
            flight: flight.clone(),
        };
        (waiter, started.then_some(flight))
    }

    /// Ends a flight: wakes its waiters and returns the follow-up, to be flown now.
    pub(crate) fn land(&self, flight: &Flight, result: Result<RunResult>) -> Option<Arc<Flight>> {
        let mut slots = self.lock();
        let next = match slots.entry(flight.dataset) {
            Entry::Vacant(_) => None,
            Entry::Occupied(mut slot) => match slot.get_mut().next.take() {
                Some(next) => {
                    slot.get_mut().running = next.clone();
                    Some(next)
                }
                None => {
                    slot.remove();
                    None
                }
            },
        };
        drop(slots);
        flight.land(result);
        next
    }

    /// Stops a dataset's flight, forgets its follow-up, and waits until it ended.
    pub(crate) async fn cancel(&self, dataset: DatasetId) {
        let Some((running, next)) = self.take(dataset) else {
            return;
        };
        if let Some(next) = next {
            next.land(Ok(cancelled()));
        }
        let mut landed = running.landed.subscribe();
        running.stop_for(Stopped::ByHand);
        // An error means that the flight is gone, which is what is waited for.
        let _ = landed.wait_for(Option::is_some).await;
    }

    fn take(&self, dataset: DatasetId) -> Option<(Arc<Flight>, Option<Arc<Flight>>)> {
        let mut slots = self.lock();
        let slot = slots.get_mut(&dataset)?;
        Some((slot.running.clone(), slot.next.take()))
    }

    /// Stops a flight whose claim was lost.
    pub(crate) fn claim_lost(&self, dataset: DatasetId) {
        if let Some(slot) = self.lock().get(&dataset) {
            slot.running.stop_for(Stopped::ClaimLost);
        }
    }

    /// Whether a dataset is at work.
    pub(crate) fn has(&self, dataset: DatasetId) -> bool {
        self.lock().contains_key(&dataset)
    }

    /// Datasets at work.
    pub(crate) fn pending(&self) -> Vec<DatasetId> {
        self.lock().keys().copied().collect()
    }

    /// A waiter of `flight` left.
    fn left(&self, flight: &Arc<Flight>) {
        let mut slots = self.lock();
        if !flight.leave() {
            return;
        }
        let Some(slot) = slots.get_mut(&flight.dataset) else {
            return;
        };
        if Arc::ptr_eq(&slot.running, flight) {
            flight.stop_for(Stopped::Abandoned);
        } else if slot
            .next
            .as_ref()
            .is_some_and(|next| Arc::ptr_eq(next, flight))
        {
            slot.next = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DatasetId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's interest in a flight; dropping it is leaving.
pub(crate) struct Waiter {
    flight: Arc<Flight>,
    landed: watch::Receiver<Landed>,
    leaves: Option<Arc<Flights>>,
}

impl Waiter {
    /// The run that is waited for.
    pub(crate) fn run(&self) -> RunId {
        self.flight.run
    }

    /// How it ended.
    pub(crate) async fn landed(mut self) -> Result<RunResult> {
        let landed = match self.landed.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone(),
            Err(_) => None,
        };
        match landed.as_deref() {
            Some(Ok(result)) => Ok(result.clone()),
            Some(Err(error)) => Err(error.duplicate()),
            None => Err(Error::internal("a run ended without a result")),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(flights) = self.leaves.take() {
            flights.left(&self.flight);
        }
    }
}

/// The result of a run that was stopped before anything was recorded.
pub(crate) fn cancelled() -> RunResult {
    RunResult {
        run: None,
        status: RunStatus::Cancelled,
        reason: None,
        outcome: Default::default(),
        failure: None,
        duration: Default::default(),
    }
}
