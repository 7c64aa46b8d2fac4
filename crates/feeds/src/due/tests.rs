use ducksync_core::{
    dataset::{Feed, Head, SourceState},
    id::{RunId, Seq, SnapshotId},
    name::TableName,
};

use chrono::TimeDelta;
use ducksync_core::id::DatasetId;

use super::*;
use crate::testing::cache;

const START: Instant = Instant::UNIX_EPOCH;
const EVERY: Duration = Duration::from_secs(3600);

fn at(seconds: i64) -> Instant {
    START + TimeDelta::seconds(seconds)
}

/// A dataset that was last checked at the start.
fn checked(edit: impl FnOnce(&mut Dataset, &mut QueryCache)) -> Dataset {
    let mut cache = QueryCache {
        named_tables: Vec::new(),
        plain_texts: Vec::new(),
        changes: None,
        refresh_every: Some(EVERY),
        ..cache()
    };
    let mut dataset = Dataset {
        id: DatasetId::generate(),
        name: TableName::new("prod", "sales"),
        feed: None,
        created_at: START,
        head: Some(Head {
            seq: Seq(1),
            run: RunId::generate(),
            claim: None,
            definition_hash: None,
            rows: 0,
            snapshot: SnapshotId(1),
            published_at: START,
        }),
        proof: Some(proof(Some(at(60)))),
        suspended: false,
        quarantine: None,
        failures_in_a_row: 0,
        last_failure: None,
        refresh_count: 1,
        last_duration_ms: None,
    };
    edit(&mut dataset, &mut cache);
    dataset.feed = Some(Feed::QueryCache(cache));
    dataset
}

fn proof(expires_at: Option<Instant>) -> Proof {
    Proof {
        tokens: SourceState::default(),
        data_timestamp: START,
        checked_at: START,
        expires_at,
    }
}

#[test]
fn c6_a_ttl_counts_from_the_start_of_the_read_and_checks_do_not_extend_it() {
    let cache = QueryCache {
        ttl: Some(Duration::from_secs(60)),
        ..cache()
    };
    assert_eq!(expiry_of_load(&cache, at(5)), Some(at(65)));
    let earlier = proof(Some(at(60)));
    assert_eq!(
        expiry_of_check(&cache, Some(&earlier), false, at(30)),
        Some(at(60))
    );
    assert_eq!(
        expiry_of_check(&cache, Some(&earlier), true, at(70)),
        Some(at(130)),
        "revalidation renews it from the token's time"
    );
    let endless = proof(None);
    assert_eq!(
        expiry_of_check(&cache, Some(&endless), false, at(30)),
        Some(at(90)),
        "a TTL given later counts from the check"
    );
    let without = QueryCache { ttl: None, ..cache };
    assert_eq!(expiry_of_load(&without, at(5)), None);
    assert_eq!(expiry_of_check(&without, Some(&earlier), true, at(5)), None);
}

#[test]
fn c6_a_ttl_beyond_the_calendar_never_ends() {
    let cache = QueryCache {
        ttl: Some(Duration::from_secs(u64::MAX / 2)),
        ..cache()
    };
    assert_eq!(expiry_of_load(&cache, at(0)), None);
}

#[test]
fn c9_the_checks_of_a_source_and_interval_fall_due_together_and_never_late() {
    let mut moments = std::collections::HashSet::new();
    for second in 0..3600 {
        let dataset = checked(|dataset, _| {
            if let Some(proof) = &mut dataset.proof {
                proof.checked_at = at(second);
            }
        });
        let next = next_check(&dataset, None).unwrap();
        assert!(next > at(second) && next <= at(second + 3600), "{next}");
        moments.insert(next);
    }
    assert!(moments.len() <= 2, "{moments:?}");
    let source = |name: &str| Name::parse("source", name).unwrap();
    let hour = Duration::from_secs(3600);
    let of = |name: &str, every| moment(&source(name), every, START).unwrap();
    assert_ne!(of("prod", hour), of("test", hour), "sources are spread");
    let between = of("prod", hour) - of("prod", hour / 4);
    assert_eq!(
        between.num_seconds() % 900,
        0,
        "a multiple has some of the moments"
    );
}

#[test]
fn c13_what_the_scheduler_never_starts() {
    let cases = [
        (
            "no interval",
            checked(|_, cache| cache.refresh_every = None),
        ),
        ("suspended", checked(|dataset, _| dataset.suspended = true)),
        (
            "manual",
            checked(|_, cache| cache.invalidation_mode = InvalidationMode::Manual),
        ),
    ];
    for (name, dataset) in cases {
        assert_eq!(next_check(&dataset, None), None, "{name}");
    }
}

#[test]
fn c13_a_new_dataset_is_due_at_once() {
    let dataset = checked(|dataset, _| {
        dataset.head = None;
        dataset.proof = None;
    });
    assert!(due(&dataset, None, START));
}

#[test]
fn g10_a_failed_run_is_repeated_after_a_pause_only() {
    let dataset = checked(|_, _| {});
    let failed = |failure| {
        Some(Attempted {
            ended_at: at(4000),
            failure,
        })
    };
    assert_eq!(
        next_check(&dataset, failed(Some(FailureClass::Query))),
        Some(at(7600))
    );
    assert_eq!(
        next_check(&dataset, failed(Some(FailureClass::Source))),
        Some(at(4600)),
        "an unreachable source at most ten minutes later"
    );
    assert_eq!(
        next_check(&dataset, failed(None)),
        Some(at(7600)),
        "a run that could not move the proof"
    );
}

#[test]
fn g10_pauses_double_to_a_cap_and_jitter_takes_at_most_half() {
    let second = Duration::from_secs(1);
    let cap = Duration::from_secs(60);
    let pauses: Vec<_> = (1..=8)
        .map(|n| back_off(second, cap, n).as_secs())
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(back_off(second, cap, u32::MAX), cap);
    assert_eq!(jittered(second, 0.0), second / 2);
    assert_eq!(jittered(second, 1.0), second);
}
