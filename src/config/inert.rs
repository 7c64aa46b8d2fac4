//! Keys that are read and checked but have no effect yet. Who sets one is told; README.md lists them.

use super::sections::Settings;

/// Whether a key has the same value in both.
type Same = fn(&Settings, &Settings) -> bool;

const KEYS: [(&str, Same); 6] = [
    ("service.name", |l, r| l.service.name == r.service.name),
    ("metrics.original_names", |l, r| {
        l.metrics.original_names == r.metrics.original_names
    }),
    ("flight.kept_result", |l, r| {
        l.flight.kept_result == r.flight.kept_result
    }),
    ("serving.result_cache_bytes", |l, r| {
        l.serving.result_cache_bytes == r.serving.result_cache_bytes
    }),
    ("serving.mixed_max_bytes", |l, r| {
        l.serving.mixed_max_bytes == r.serving.mixed_max_bytes
    }),
    ("sync.staged_threshold", |l, r| {
        l.sync.staged_threshold == r.sync.staged_threshold
    }),
];

/// Those that do not have their default.
pub(super) fn changed(settings: &Settings) -> Vec<&'static str> {
    let defaults = Settings::default();
    let changed = KEYS.iter().filter(|(_, same)| !same(settings, &defaults));
    changed.map(|(key, _)| *key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("../../README.md");

    #[test]
    fn the_readme_lists_the_same_keys() {
        let (_, rest) = README.split_once("have no effect yet: ").unwrap();
        let (list, _) = rest.split_once(". ").unwrap();
        let mut listed: Vec<_> = list.split('`').skip(1).step_by(2).collect();
        let mut keys: Vec<_> = KEYS.iter().map(|(key, _)| *key).collect();
        listed.sort_unstable();
        keys.sort_unstable();
        assert_eq!(listed, keys);
    }

    #[test]
    fn each_key_is_told_when_it_has_another_value() {
        assert!(changed(&Settings::default()).is_empty());
        let text = "service.name = 'x'\nmetrics.original_names = false\nflight.kept_result = '1m'\n\
                    serving.result_cache_bytes = '1MiB'\nserving.mixed_max_bytes = '1MiB'\n\
                    sync.staged_threshold = '1GiB'\n";
        let settings: Settings = toml::from_str(text).unwrap();
        assert_eq!(changed(&settings), KEYS.map(|(key, _)| key));
    }
}
