//! Files that only their owner may read: the secret key, the first password.
//!
//! They are read and made at start, before anything is served: plain blocking calls.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use ducksync_core::{
    dataset::hex,
    error::{Error, Result},
};

use crate::crypto::random;

/// The content of a private file; `None` if there is none. `what` names it in errors.
///
/// # Errors
/// `FailedPrecondition` if others than its owner may read it; `Unavailable` if it cannot be read.
pub(crate) fn read(path: &Path, what: &str) -> Result<Option<String>> {
    let read = fs::metadata(path).and_then(|metadata| {
        let content = fs::read_to_string(path)?;
        Ok((metadata, content))
    });
    match read {
        Ok((metadata, content)) => {
            refuse_wide_mode(path, what, &metadata)?;
            Ok(Some(content))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("reading", path, what, error)),
    }
}

/// Makes a private file with this content, on stable storage when this returns; `false` if there is
/// one already, which stays. It is written beside its place and linked there: another process sees
/// a whole file or none, and of two that start at once one wins.
///
/// # Errors
/// `Unavailable` if it cannot be made.
pub(crate) fn create(path: &Path, what: &str, content: &str) -> Result<bool> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let draft = path.with_extension(format!("{}.new", hex(&random::<8>()?)));
    let placed = fs::create_dir_all(directory)
        .and_then(|()| write(&draft, content.as_bytes()))
        .and_then(|()| fs::hard_link(&draft, path))
        .and_then(|()| fs::File::open(directory)?.sync_all());
    // The draft's removal is tidiness: a file that was placed stays placed.
    let _ = fs::remove_file(&draft);
    match placed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed("making", path, what, error)),
    }
}

/// Removes a private file; one that is not there is removed.
///
/// # Errors
/// `Unavailable` if it cannot be removed.
pub(crate) fn remove(path: &Path, what: &str) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removing", path, what, error))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(unix)]
fn refuse_wide_mode(path: &Path, what: &str, metadata: &fs::Metadata) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Error::failed_precondition(format!(
        "{path} has mode {mode:04o}: others than its owner can read {what}"
    ))
    .with_remedy(format!("run: chmod 600 {path}")))
}

#[cfg(not(unix))]
fn refuse_wide_mode(_path: &Path, _what: &str, _metadata: &fs::Metadata) -> Result<()> {
    Ok(())
}

fn failed(doing: &str, path: &Path, what: &str, error: io::Error) -> Error {
    let path = path.display();
    Error::unavailable(format!(
        "{doing} {path} for {what} failed: {}",
        error.kind()
    ))
    .with_remedy("check its path and the rights of its directory")
    .with_source(error)
}
