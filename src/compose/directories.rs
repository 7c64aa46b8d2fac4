//! The directories on this machine: made before anything is put into them.

use std::{fs, io, os::unix::fs::DirBuilderExt, path::Path};

use ducksync_core::{Error, Result};

use crate::config::{CatalogUrl, Config};

/// Makes what is missing; what is ours alone is closed to others.
///
/// # Errors
/// `FailedPrecondition` naming the directory, its key and what to do.
pub(crate) fn prepare(config: &Config) -> Result<()> {
    make("data_directory", &config.data_directory)?;
    if let CatalogUrl::Sqlite(file) = &config.catalog
        && let Some(directory) = file.parent()
    {
        make("catalog.url", directory)?;
    }
    if !config.lake.data_path.starts_with("s3://") {
        make("lake.data_path", Path::new(&config.lake.data_path))?;
    }
    if let Some(spill) = &config.engine.temp_directory {
        make("engine.temp_directory", spill)?;
    }
    Ok(())
}

fn make(key: &str, directory: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .and_then(|()| writable(directory))
        .map_err(|error| refused(key, directory, &error))
}

/// Rights alone do not tell: a file system can be read-only or full.
fn writable(directory: &Path) -> io::Result<()> {
    let probe = directory.join(format!(".ducksync-probe-{}", std::process::id()));
    let written = fs::write(&probe, b"probe");
    // Removed also where writing failed half way.
    let _ = fs::remove_file(&probe);
    written
}

fn refused(key: &str, directory: &Path, error: &io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull => "free some space there".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => format!("set {key} to a place that can be written"),
        _ => format!("give this user the right to write there, or set {key} to another place"),
    };
    Error::failed_precondition(format!(
        "{key}: {} cannot be written: {}",
        directory.display(),
        error.kind()
    ))
    .with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_directories_are_made_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        make("data_directory", &directory).unwrap();
        assert_eq!(
            fs::metadata(&directory).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named_with_its_key() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), b"").unwrap();
        let error = make("lake.data_path", &home.path().join("file/lake"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("lake.data_path") && error.contains("file/lake"),
            "{error}"
        );
    }
}
