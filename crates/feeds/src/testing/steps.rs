//! Steps that a test can hold, fail, count and see the order of.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
};

use ducksync_core::{Error, Result};
use tokio::sync::watch;

#[derive(Default, Clone)]
struct Gates {
    held: HashSet<&'static str>,
    waiting: HashMap<&'static str, usize>,
}

#[derive(Default)]
struct Script {
    log: Vec<String>,
    errors: HashMap<&'static str, VecDeque<Error>>,
}

/// All steps of one test.
#[derive(Clone)]
pub(crate) struct Steps {
    script: Arc<Mutex<Script>>,
    gates: watch::Sender<Gates>,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            script: Arc::default(),
            gates: watch::Sender::new(Gates::default()),
        }
    }
}

impl Steps {
    /// Notes a step that can be neither held nor failed.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.script.lock().unwrap().log.push(text.into());
    }

    /// Takes a step: notes it, waits while it is held, fails if it is to fail.
    pub(crate) async fn take(&self, step: &'static str) -> Result<()> {
        self.note(step);
        let mut dropped = Dropped(Some((self.clone(), step)));
        self.gates
            .send_modify(|gates| *gates.waiting.entry(step).or_default() += 1);
        let mut gates = self.gates.subscribe();
        gates
            .wait_for(|gates| !gates.held.contains(step))
            .await
            .unwrap();
        dropped.0 = None;
        let failure = |script: &mut Script| script.errors.get_mut(step)?.pop_front();
        match failure(&mut self.script.lock().unwrap()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Lets the next takers of a step fail, one error each.
    pub(crate) fn fail(&self, step: &'static str, errors: impl IntoIterator<Item = Error>) {
        let mut script = self.script.lock().unwrap();
        script.errors.entry(step).or_default().extend(errors);
    }

    /// Holds everybody at a step.
    pub(crate) fn hold(&self, step: &'static str) {
        self.gates.send_modify(|gates| {
            gates.held.insert(step);
        });
    }

    /// Lets everybody go on.
    pub(crate) fn let_go(&self, step: &'static str) {
        self.gates.send_modify(|gates| {
            gates.held.remove(step);
        });
    }

    /// Waits until a step was taken `times` times.
    pub(crate) async fn taken(&self, step: &'static str, times: usize) {
        let mut gates = self.gates.subscribe();
        let reached = |gates: &Gates| gates.waiting.get(step).is_some_and(|n| *n >= times);
        gates.wait_for(reached).await.unwrap();
    }

    /// How often a text stands in the log.
    pub(crate) fn count(&self, text: &str) -> usize {
        let log = self.log();
        log.iter().filter(|line| *line == text).count()
    }

    /// Everything that happened, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.script.lock().unwrap().log.clone()
    }

    /// Forgets what happened.
    pub(crate) fn clear(&self) {
        self.script.lock().unwrap().log.clear();
    }

    /// Where a text first stands in the log.
    pub(crate) fn place(&self, text: &str) -> usize {
        let log = self.log();
        let place = log.iter().position(|line| line == text);
        place.unwrap_or_else(|| panic!("{text} did not happen: {log:?}"))
    }
}

struct Dropped(Option<(Steps, &'static str)>);

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some((steps, step)) = self.0.take() {
            steps.note(format!("dropped {step}"));
        }
    }
}
