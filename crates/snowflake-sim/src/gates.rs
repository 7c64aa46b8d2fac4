//! Gates: a statement waits at a point until a test lets it go on, so tests need no sleeping.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Where a statement waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatePoint {
    /// Before it is executed: it will see what is committed meanwhile.
    BeforeExecute,
    /// After it was executed, before anybody is told.
    BeforeAnswer,
}

/// One gate, as `GET /sim/gates` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateStatus {
    /// Its number.
    pub id: u64,
    /// Statements that contain this wait; after a `^`, those that begin with it.
    pub sql: String,
    /// Where they wait.
    pub point: GatePoint,
    /// How many statements have come to it.
    pub reached: u64,
    /// Whether it lets everyone through.
    pub released: bool,
}

/// All gates of an account.
#[derive(Debug)]
pub(crate) struct Gates {
    gates: Mutex<Vec<GateStatus>>,
    changed: watch::Sender<u64>,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            gates: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }
}

impl Gates {
    pub(crate) fn arm(&self, sql: &str, point: GatePoint) -> u64 {
        let mut gates = self.lock();
        let id = gates.last().map_or(1, |gate| gate.id + 1);
        gates.push(GateStatus {
            id,
            sql: sql.to_owned(),
            point,
            reached: 0,
            released: false,
        });
        id
    }

    pub(crate) fn list(&self) -> Vec<GateStatus> {
        self.lock().clone()
    }

    /// Opens one gate, or all of them.
    pub(crate) fn release(&self, id: Option<u64>) {
        for gate in self.lock().iter_mut() {
            gate.released |= id.is_none_or(|id| id == gate.id);
        }
        self.changed.send_modify(|turn| *turn += 1);
    }

    /// Waits until `count` statements have come to the gate.
    pub(crate) async fn reached(&self, id: u64, count: u64) {
        self.until(|gates| {
            gates
                .iter()
                .any(|gate| gate.id == id && gate.reached >= count)
        })
        .await;
    }

    /// Waits while a gate at this point is closed for the statement.
    pub(crate) async fn pass(&self, sql: &str, point: GatePoint) {
        let mut closed = Vec::new();
        for gate in self.lock().iter_mut() {
            if gate.point == point && !gate.released && holds(&gate.sql, sql) {
                gate.reached += 1;
                closed.push(gate.id);
            }
        }
        if closed.is_empty() {
            return;
        }
        self.changed.send_modify(|turn| *turn += 1);
        self.until(|gates| {
            gates
                .iter()
                .all(|gate| gate.released || !closed.contains(&gate.id))
        })
        .await;
    }

    async fn until(&self, done: impl Fn(&[GateStatus]) -> bool) {
        let mut changes = self.changed.subscribe();
        while !done(&self.lock()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<GateStatus>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a gate for `part` holds `sql`.
fn holds(part: &str, sql: &str) -> bool {
    match part.strip_prefix('^') {
        Some(beginning) => sql.trim_start().starts_with(beginning),
        None => sql.contains(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_statement_waits_until_its_gate_is_released() {
        let gates = std::sync::Arc::new(Gates::default());
        let id = gates.arm("ORDERS", GatePoint::BeforeExecute);
        gates
            .pass("select * from PART", GatePoint::BeforeExecute)
            .await;
        gates
            .pass("select * from ORDERS", GatePoint::BeforeAnswer)
            .await;
        let waiting = tokio::spawn({
            let gates = gates.clone();
            async move {
                gates
                    .pass("select * from ORDERS", GatePoint::BeforeExecute)
                    .await
            }
        });
        gates.reached(id, 1).await;
        assert!(!waiting.is_finished());
        gates.release(Some(id));
        waiting.await.unwrap();
    }
}
