//! Counts per source, for metrics.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::name::Name;

/// Sources that are told apart; those named later are counted together, so that metrics stay few.
const TOLD_APART: usize = 200;
/// The name under which they are.
const OTHERS: &str = "(others)";

/// A number for each source that only grows; it outlives the source's definition.
#[derive(Debug, Default)]
pub struct BySource(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl BySource {
    /// The number of that source, to be counted up.
    pub fn of(&self, source: &Name) -> Arc<AtomicU64> {
        let mut counts = self.lock();
        let name = source.folded();
        let name = match counts.len() < TOLD_APART || counts.contains_key(&name) {
            true => name,
            false => OTHERS.to_owned(),
        };
        counts.entry(name).or_default().clone()
    }

    /// All numbers, by name.
    pub fn each(&self) -> Vec<(String, u64)> {
        let counts = self.lock();
        let number =
            |(name, count): (&String, &Arc<AtomicU64>)| (name.clone(), count.load(Relaxed));
        counts.iter().map(number).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<AtomicU64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was asked of sources and what came back, by all their logins together.
#[derive(Debug, Default)]
pub struct SourceTraffic {
    /// Requests that were sent.
    pub requests: BySource,
    /// Bytes of the replies.
    pub bytes: BySource,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_sources_beyond_the_limit_are_counted_together() {
        let counts = BySource::default();
        for number in 0..TOLD_APART + 50 {
            let name = Name::parse("source", &format!("s{number}")).unwrap();
            counts.of(&name).fetch_add(1, Relaxed);
        }
        let first = Name::parse("source", "S0").unwrap();
        counts.of(&first).fetch_add(1, Relaxed);
        let each = counts.each();
        assert_eq!(each.len(), TOLD_APART + 1);
        assert!(each.contains(&(OTHERS.to_owned(), 50)));
        assert!(each.contains(&("s0".to_owned(), 2)));
    }
}
