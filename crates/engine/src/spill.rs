//! Where one DuckDB instance spills what does not fit in memory.
//!
//! DuckDB names its spill files alike in every instance, so two of them in one directory would read
//! each other's rows. Each instance gets a directory of its own, which goes with it; directories of
//! processes that died are swept, known by a lock that nobody holds any more.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use ducksync_core::{Error, Result};
use uuid::Uuid;

const PREFIX: &str = "spill-";
const LOCK: &str = "lock";
/// Younger directories may not be locked yet.
const SWEEP_AGE: Duration = Duration::from_secs(60);

/// A directory of one instance, removed when dropped.
pub(crate) struct Spill {
    directory: PathBuf,
    _lock: File,
}

impl Spill {
    /// Makes a directory under `base`, and sweeps those of the dead.
    ///
    /// # Errors
    /// `FailedPrecondition` if it cannot be made.
    pub(crate) fn create(base: &Path) -> Result<Self> {
        let directory = base.join(format!("{PREFIX}{}", Uuid::new_v4().simple()));
        let made = fs::create_dir_all(&directory)
            .and_then(|()| File::create(directory.join(LOCK)))
            .and_then(|lock| lock.lock().map(|()| lock));
        let lock = made.map_err(|error| {
            Error::failed_precondition(format!(
                "the spill directory {} cannot be written: {error}",
                base.display()
            ))
            .with_remedy(
                "give the server's user the right to write there, or set engine.temp_directory",
            )
        })?;
        if let Err(error) = sweep(base) {
            tracing::debug!(%error, "old spill directories could not be swept");
        }
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::debug!(%error, "a spill directory could not be removed");
        }
    }
}

fn sweep(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_dead(&entry.path()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn is_dead(directory: &Path) -> bool {
    let Ok(lock) = File::open(directory.join(LOCK)) else {
        return false;
    };
    let age = lock.metadata().and_then(|lock| lock.modified());
    let old = age.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > SWEEP_AGE));
    old && lock.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn directories_of_the_living_stay_and_those_of_the_dead_go() {
        let base = tempfile::TempDir::new().unwrap();
        let mine = Spill::create(base.path()).unwrap();
        let dead = base.path().join("spill-dead");
        fs::create_dir(&dead).unwrap();
        let long_ago = SystemTime::now() - 2 * SWEEP_AGE;
        for lock in [mine.directory().join(LOCK), dead.join(LOCK)] {
            let lock = File::options()
                .create(true)
                .append(true)
                .open(lock)
                .unwrap();
            lock.set_modified(long_ago).unwrap();
        }
        let next = Spill::create(base.path()).unwrap();
        assert!(mine.directory().exists() && next.directory().exists());
        assert!(!dead.exists());
        let gone = mine.directory().to_owned();
        drop(mine);
        assert!(!gone.exists());
    }
}
