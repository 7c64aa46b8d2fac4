//! Paths: the catalog stores them relative to their parent where they lie under it.

/// The location that a stored path means.
pub(crate) fn resolve(parent: &str, path: &str, relative: bool) -> String {
    if relative {
        format!("{parent}{path}")
    } else {
        path.to_owned()
    }
}

/// How a location is stored: its path, and whether that is relative to `parent`.
pub(crate) fn store<'a>(parent: &str, location: &'a str) -> (&'a str, bool) {
    match location
        .strip_prefix(parent)
        .filter(|rest| !rest.is_empty())
    {
        Some(rest) => (rest, true),
        None => (location, false),
    }
}

/// A directory, ending in `/` as the ones of our own making do.
pub(crate) fn directory(mut location: String) -> String {
    if !location.ends_with('/') {
        location.push('/');
    }
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_paths_mean_the_location_they_were_made_of() {
        for (parent, location) in [
            ("/data/main/t/", "/data/main/t/a.parquet"),
            ("s3://b/x/", "s3://b/x/y/a.parquet"),
            ("/data/main/t/", "/elsewhere/a.parquet"),
            ("/data/main/t/", "/data/main/t/"),
        ] {
            let (path, relative) = store(parent, location);
            assert_eq!(resolve(parent, path, relative), location);
        }
        assert_eq!(store("/data/", "/data/main/"), ("main/", true));
    }
}
