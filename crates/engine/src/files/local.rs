//! Files on a local disk. Everything here blocks.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use ducksync_core::{Error, Result, error::FailureClass, files::StoredFile};

/// Makes a directory and its parents.
pub(super) fn make_directory(directory: &str) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| failed("create", directory, error))
}

/// Flushes files, then every directory between them and the root: a directory that was made for a file
/// is a change of its parent.
pub(super) fn sync(root: &str, locations: &[String]) -> Result<()> {
    let root = Path::new(root);
    let mut directories = BTreeSet::new();
    for location in locations {
        sync_path(Path::new(location))?;
        let parents = Path::new(location).ancestors().skip(1);
        directories.extend(parents.take_while(|parent| parent.starts_with(root)));
    }
    directories.into_iter().rev().try_for_each(sync_path)
}

fn sync_path(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| failed("flush", &path.to_string_lossy(), error))
}

pub(super) fn size(location: &str) -> Result<Option<u64>> {
    match fs::metadata(location) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("look at", location, error)),
    }
}

pub(super) fn delete(locations: &[String]) -> Result<()> {
    for location in locations {
        match fs::remove_file(location) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(failed("delete", location, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Files whose path begins with `prefix`, which may end within a name.
pub(super) fn list(prefix: &str) -> Result<Vec<StoredFile>> {
    let directory = prefix
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    let mut files = Vec::new();
    let mut open = vec![PathBuf::from(format!("{directory}/"))];
    while let Some(directory) = open.pop() {
        let fail = |error| failed("list", &directory.to_string_lossy(), error);
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(fail)?,
        };
        for entry in entries {
            let entry = entry.map_err(fail)?;
            let path = entry.path().to_string_lossy().into_owned();
            let kind = entry.file_type().map_err(fail)?;
            if kind.is_dir() && (path.starts_with(prefix) || prefix.starts_with(&path)) {
                open.push(entry.path());
            } else if kind.is_file() && path.starts_with(prefix) {
                files.extend(size(&path)?.map(|size_bytes| StoredFile {
                    location: path,
                    size_bytes,
                }));
            }
        }
    }
    files.sort_by(|left, right| left.location.cmp(&right.location));
    Ok(files)
}

/// Writes, reads and deletes a file.
pub(super) fn probe(root: &str) -> Result<()> {
    let path = format!("{root}.probe-{}", std::process::id());
    let tried = fs::create_dir_all(root)
        .and_then(|()| fs::write(&path, b"ducksync"))
        .and_then(|()| File::open(&path)?.sync_all())
        .and_then(|()| fs::read(&path));
    let removed = fs::remove_file(&path);
    match tried.and_then(|read| removed.map(|()| read)) {
        Ok(read) if read == b"ducksync" => Ok(()),
        Ok(_) => Err(Error::failed_precondition(format!(
            "the data path {root} does not give back what was written"
        ))),
        Err(error) => Err(Error::failed_precondition(format!(
            "the data path {root} cannot be written: {error}"
        ))
        .with_remedy("give the server's user the right to write there, or set another data path")),
    }
}

fn failed(what: &str, path: &str, error: io::Error) -> Error {
    let message = format!("could not {what} {path}: {error}");
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::resource_exhausted(message)
            .with_remedy("free space on the disk of the data path"),
        ErrorKind::PermissionDenied => Error::failed_precondition(message)
            .with_remedy("give the server's user the right to write there"),
        _ => Error::unavailable(message).with_class(FailureClass::Resource),
    }
    .with_source(error)
}
