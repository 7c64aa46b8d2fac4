use std::time::Duration;

use chrono::TimeDelta;
use ducksync_core::{
    dataset::{Head, Proof, Quarantine},
    id::{Seq, SnapshotId},
    name::TableName,
    source::VersionToken,
};

use super::*;
use crate::testing::cache;

const NOW: Instant = Instant::UNIX_EPOCH;

/// A loaded dataset whose TTL ends in an hour.
fn dataset(edit: impl FnOnce(&mut QueryCache)) -> Dataset {
    let mut cache = QueryCache {
        ttl: Some(Duration::from_secs(3600)),
        ..cache()
    };
    edit(&mut cache);
    let hash = cache.definition_hash();
    Dataset {
        id: DatasetId::generate(),
        name: TableName::new("prod", "sales"),
        feed: Some(Feed::QueryCache(cache)),
        created_at: NOW,
        head: Some(Head {
            seq: Seq(1),
            run: RunId::generate(),
            claim: None,
            definition_hash: Some(hash),
            rows: 3,
            snapshot: SnapshotId(1),
            published_at: NOW,
        }),
        proof: Some(Proof {
            tokens: state(&[("A", Some("1"))]),
            data_timestamp: NOW,
            checked_at: NOW,
            expires_at: Some(NOW + TimeDelta::hours(1)),
        }),
        suspended: false,
        quarantine: None,
        failures_in_a_row: 0,
        last_failure: None,
        refresh_count: 1,
        last_duration_ms: None,
    }
}

fn state(tokens: &[(&str, Option<&str>)]) -> SourceState {
    let tokens = tokens
        .iter()
        .map(|(key, token)| ((*key).to_owned(), token.map(VersionToken::new)));
    SourceState {
        tokens: tokens.collect(),
        ..SourceState::default()
    }
}

fn plain() -> Dataset {
    dataset(|_| {})
}

fn with_mode(mode: InvalidationMode) -> Dataset {
    dataset(|cache| cache.invalidation_mode = mode)
}

fn over(mut dataset: Dataset) -> Dataset {
    dataset.proof.as_mut().unwrap().expires_at = Some(NOW);
    dataset
}

fn quarantined(mut dataset: Dataset) -> Dataset {
    dataset.quarantine = Some(Quarantine {
        since: NOW,
        reason: "no".into(),
    });
    dataset
}

fn suspended(mut dataset: Dataset) -> Dataset {
    dataset.suspended = true;
    dataset
}

fn unloaded(mut dataset: Dataset) -> Dataset {
    dataset.head = None;
    dataset.proof = None;
    dataset
}

fn redefined(mut dataset: Dataset) -> Dataset {
    dataset.head.as_mut().unwrap().definition_hash = Some("another".into());
    dataset
}

const REFRESH: Wanted = Wanted {
    prove: false,
    force: false,
    check: true,
};
const FORCE: Wanted = Wanted {
    prove: false,
    force: true,
    check: true,
};
const READ: Wanted = Wanted {
    prove: false,
    force: false,
    check: false,
};

#[test]
fn v1_who_asks_for_proof_is_not_put_off_by_a_ttl() {
    let proof = Wanted {
        prove: true,
        ..REFRESH
    };
    let unprovable = Decision::Load(RunReason::Unprovable);
    let of = |dataset: &Dataset, wanted| decide(dataset, false, wanted, NOW);
    let ttl_only = with_mode(InvalidationMode::TtlOnly);
    assert_eq!(of(&ttl_only, proof), unprovable);
    assert_eq!(of(&ttl_only, REFRESH), Decision::Skip(RunReason::Fresh));
    assert_eq!(
        of(&with_mode(InvalidationMode::Manual), proof),
        Decision::Skip(RunReason::ManualMode)
    );
    let cache = QueryCache {
        ttl: Some(std::time::Duration::from_secs(60)),
        ..crate::testing::cache()
    };
    let judged = |prove| judge(&cache, Check::Mode, Comparison::Unprovable, prove);
    assert_eq!(judged(true), Verdict::Load(RunReason::Unprovable));
    assert_eq!(judged(false), Verdict::WithinTtl);
}

#[test]
fn c5_the_first_rule_that_applies_wins() {
    use Decision::{Check as Compare, Load, Skip};
    use InvalidationMode::{Manual, TtlOnly};
    let revalidate = || dataset(|cache| cache.ttl_action = TtlAction::Revalidate);
    let revalidate_ttl_only = || {
        dataset(|cache| {
            cache.ttl_action = TtlAction::Revalidate;
            cache.invalidation_mode = TtlOnly;
        })
    };
    let cases = [
        ("force", plain(), FORCE, Load(RunReason::Forced)),
        (
            "force beats suspended",
            suspended(plain()),
            FORCE,
            Load(RunReason::Forced),
        ),
        (
            "force beats quarantine",
            quarantined(plain()),
            FORCE,
            Load(RunReason::Forced),
        ),
        (
            "A-7: force beats manual",
            with_mode(Manual),
            FORCE,
            Load(RunReason::Forced),
        ),
        (
            "suspended",
            suspended(over(plain())),
            REFRESH,
            Skip(RunReason::Suspended),
        ),
        (
            "quarantined",
            quarantined(over(plain())),
            REFRESH,
            Skip(RunReason::Quarantined),
        ),
        (
            "suspended, never loaded",
            suspended(unloaded(plain())),
            READ,
            Skip(RunReason::Suspended),
        ),
        (
            "A-7: manual",
            with_mode(Manual),
            REFRESH,
            Skip(RunReason::ManualMode),
        ),
        (
            "manual, never loaded",
            unloaded(with_mode(Manual)),
            READ,
            Skip(RunReason::ManualMode),
        ),
        (
            "never loaded",
            unloaded(plain()),
            READ,
            Load(RunReason::Initial),
        ),
        (
            "definition changed",
            redefined(over(plain())),
            READ,
            Load(RunReason::DefinitionChanged),
        ),
        (
            "A-4: TTL over",
            over(plain()),
            REFRESH,
            Load(RunReason::TtlExpired),
        ),
        (
            "TTL over, read",
            over(plain()),
            READ,
            Load(RunReason::TtlExpired),
        ),
        (
            "A-4: TTL over, revalidate",
            over(revalidate()),
            REFRESH,
            Compare(Check::Expired),
        ),
        (
            "no token to revalidate by",
            over(revalidate_ttl_only()),
            READ,
            Load(RunReason::TtlExpired),
        ),
        (
            "ttl_only within",
            with_mode(TtlOnly),
            REFRESH,
            Skip(RunReason::Fresh),
        ),
        ("mode check", plain(), REFRESH, Compare(Check::Mode)),
        (
            "a read within the TTL checks nothing",
            plain(),
            READ,
            Skip(RunReason::Fresh),
        ),
    ];
    for (name, dataset, wanted, expected) in cases {
        assert_eq!(decide(&dataset, false, wanted, NOW), expected, "{name}");
    }
}

#[test]
fn g5_a_table_that_another_client_changed_is_never_proved_unchanged() {
    let load = Decision::Load(RunReason::SourceChanged);
    assert_eq!(decide(&plain(), true, READ, NOW), load);
    let skip = Decision::Skip(RunReason::Quarantined);
    assert_eq!(decide(&quarantined(plain()), true, READ, NOW), skip);
}

#[test]
fn c6_a_ttl_ends_at_its_very_instant() {
    let dataset = plain();
    let end = NOW + TimeDelta::hours(1);
    let before = end - TimeDelta::microseconds(1);
    let skip = Decision::Skip(RunReason::Fresh);
    assert_eq!(decide(&dataset, false, READ, before), skip);
    let load = Decision::Load(RunReason::TtlExpired);
    assert_eq!(decide(&dataset, false, READ, end), load);
    let never = super::tests::dataset(|cache| cache.ttl = None);
    assert_eq!(
        decide(&never, false, READ, end),
        skip,
        "the TTL was taken away"
    );
}

#[test]
fn c8_tokens_prove_only_what_they_cover() {
    let one = state(&[("A", Some("1"))]);
    let cases = [
        ("equal", one.clone(), one.clone(), Comparison::Unchanged),
        (
            "moved",
            one.clone(),
            state(&[("A", Some("2"))]),
            Comparison::Changed,
        ),
        (
            "another object",
            one.clone(),
            state(&[("B", Some("1"))]),
            Comparison::Changed,
        ),
        (
            "one more",
            one.clone(),
            state(&[("A", Some("1")), ("B", Some("1"))]),
            Comparison::Changed,
        ),
        (
            "token lost",
            one.clone(),
            state(&[("A", None)]),
            Comparison::Changed,
        ),
        (
            "token found",
            state(&[("A", None)]),
            one.clone(),
            Comparison::Changed,
        ),
        (
            "NULL equals nothing",
            state(&[("A", None)]),
            state(&[("A", None)]),
            Comparison::Unprovable,
        ),
        ("no object", state(&[]), state(&[]), Comparison::Unprovable),
    ];
    for (name, earlier, now, expected) in cases {
        assert_eq!(compare(&earlier, &now), expected, "{name}");
    }
    let view = |definition: &str| {
        let mut state = one.clone();
        state.view_definitions.insert("A".into(), definition.into());
        state
    };
    assert_eq!(compare(&view("x"), &view("y")), Comparison::Changed);
}

#[test]
fn c7_only_auto_with_a_ttl_trusts_the_ttl_where_no_token_is() {
    use InvalidationMode::{Auto, ChangeToken};
    let judged = |mode, ttl: Option<u64>, check, comparison| {
        let cache = QueryCache {
            invalidation_mode: mode,
            ttl: ttl.map(Duration::from_secs),
            ..cache()
        };
        judge(&cache, check, comparison, false)
    };
    let load = Verdict::Load(RunReason::SourceChanged);
    let mode = Check::Mode;
    assert_eq!(
        judged(Auto, Some(60), mode, Comparison::Unprovable),
        Verdict::WithinTtl
    );
    assert_eq!(judged(Auto, None, mode, Comparison::Unprovable), load);
    assert_eq!(
        judged(ChangeToken, Some(60), mode, Comparison::Unprovable),
        load
    );
    assert_eq!(judged(Auto, Some(60), mode, Comparison::Changed), load);
    assert_eq!(
        judged(Auto, Some(60), mode, Comparison::Unchanged),
        Verdict::Proved
    );
    let expired = Verdict::Load(RunReason::TtlExpired);
    assert_eq!(
        judged(Auto, Some(60), Check::Expired, Comparison::Unprovable),
        expired
    );
}
