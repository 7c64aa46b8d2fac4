//! The dependency arrows of ARCHITECTURE.md, as cargo itself sees them.

#![expect(clippy::unwrap_used, reason = "a test may fail as loudly as it likes")]

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// What each crate of ours may use of the others. A crate that is not here does not exist yet: give
/// it a line, and ARCHITECTURE.md one.
const ARROWS: [(&str, &[&str]); 9] = [
    ("ducksync-core", &[]),
    ("ducksync-query", &["ducksync-core"]),
    ("ducksync-feeds", &["ducksync-core"]),
    ("ducksync-flight", &["ducksync-core", "ducksync-query"]),
    ("ducksync-engine", &["ducksync-core"]),
    ("ducksync-catalog", &["ducksync-core"]),
    ("ducksync-sources", &["ducksync-core"]),
    (
        "ducksync",
        &[
            "ducksync-catalog",
            "ducksync-core",
            "ducksync-engine",
            "ducksync-feeds",
            "ducksync-flight",
            "ducksync-query",
            "ducksync-sources",
        ],
    ),
    // Exempt: it stands for somebody else's server, for tests and the demo only.
    ("snowflake-sim", &[]),
];

/// Crates of the outside world that one crate alone may use, so that it can be replaced there.
const ALONE: [(&str, &str); 15] = [
    ("sqlparser", "ducksync-query"),
    ("moka", "ducksync-query"),
    ("tonic", "ducksync-flight"),
    ("tonic-health", "ducksync-flight"),
    ("arrow-flight", "ducksync-flight"),
    ("prost", "ducksync-flight"),
    ("duckdb", "ducksync-engine"),
    ("libduckdb-sys", "ducksync-engine"),
    ("object_store", "ducksync-engine"),
    ("sqlx", "ducksync-catalog"),
    ("reqwest", "ducksync-sources"),
    ("tokio-postgres", "ducksync-sources"),
    ("clap", "ducksync"),
    ("figment", "ducksync"),
    ("axum", "ducksync"),
];

const EXEMPT: &str = "snowflake-sim";

/// One line of a manifest.
struct Dependency {
    user: String,
    used: String,
    for_tests: bool,
}

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn dependencies(metadata: &Value) -> Vec<Dependency> {
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        for dependency in package["dependencies"].as_array().unwrap() {
            found.push(Dependency {
                user: package["name"].as_str().unwrap().to_owned(),
                used: dependency["name"].as_str().unwrap().to_owned(),
                for_tests: dependency["kind"] == "dev",
            });
        }
    }
    found
}

#[test]
fn every_crate_of_ours_has_its_place() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let found: BTreeSet<_> = packages
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let known: BTreeSet<_> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, known);
}

#[test]
fn arrows_only_point_down() {
    let ours = |name: &str| ARROWS.iter().find(|(known, _)| *known == name);
    for dependency in dependencies(&metadata()) {
        let Some((user, may_use)) = ours(&dependency.user) else {
            continue;
        };
        if ours(&dependency.used).is_none() || *user == EXEMPT {
            continue;
        }
        let allowed = may_use.contains(&dependency.used.as_str())
            || (dependency.for_tests && [EXEMPT, user].contains(&dependency.used.as_str()));
        assert!(allowed, "{user} must not use {}", dependency.used);
    }
}

#[test]
fn each_driver_is_known_to_one_crate_alone() {
    for Dependency {
        user,
        used,
        for_tests,
    } in dependencies(&metadata())
    {
        let Some((_, alone)) = ALONE.iter().find(|(name, _)| *name == used) else {
            continue;
        };
        // A test may stand on the other side of a wire.
        let allowed = user == *alone || user == EXEMPT || for_tests;
        assert!(allowed, "{user} uses {used}, which only {alone} may");
    }
}
