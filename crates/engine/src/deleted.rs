//! The deleted rows of registered versions, as the filter inside DuckDB looks them up.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
};

use arrow::{array::AsArray, datatypes::Int64Type};
use ducksync_core::{
    Error, Result,
    version::{DataFile, DeleteFile, Version},
};

use crate::{
    duck::{Connection, RowFilter},
    relation::file_list,
};

/// What the filter knows: for each key the files of one version, those without deletes included, so
/// that a file it has never heard of is an error and not a file whose deleted rows come back.
#[derive(Default)]
pub(crate) struct Deleted {
    versions: RwLock<HashMap<i64, Arc<Files>>>,
    next_key: AtomicI64,
}

type Files = HashMap<Box<[u8]>, Option<Bits>>;

impl Deleted {
    /// Reads the delete files of `version`; `None` if it has none.
    ///
    /// # Errors
    /// `DataLoss` if a delete file does not hold what the catalog says of it.
    pub(crate) fn load(&self, connection: &Connection, version: &Version) -> Result<Option<i64>> {
        if version.files.iter().all(|file| file.deletes.is_none()) {
            return Ok(None);
        }
        let mut files = Files::new();
        for file in version.files.iter() {
            let bits = match &file.deletes {
                Some(deletes) => Some(read(connection, file, deletes)?),
                None => None,
            };
            files.insert(file.location.as_bytes().into(), bits);
        }
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        self.versions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, Arc::new(files));
        Ok(Some(key))
    }

    pub(crate) fn forget(&self, key: i64) {
        self.versions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
    }
}

impl RowFilter for Deleted {
    fn keep(
        &self,
        key: i64,
        files: &mut dyn Iterator<Item = &[u8]>,
        rows: &[i64],
        keep: &mut [bool],
    ) -> Result<(), String> {
        let versions = self.versions.read().unwrap_or_else(PoisonError::into_inner);
        let version = versions.get(&key).cloned();
        drop(versions);
        let version = version.ok_or("the deleted rows of a relation are not at hand")?;
        let mut last: Option<(&[u8], Option<&Bits>)> = None;
        for ((file, row), keep) in files.zip(rows).zip(keep) {
            let bits = match last {
                Some((same, bits)) if same == file => bits,
                _ => version
                    .get(file)
                    .ok_or("a file that is not the relation's was read")?
                    .as_ref(),
            };
            last = Some((file, bits));
            *keep = bits.is_none_or(|bits| !bits.has(*row));
        }
        Ok(())
    }
}

/// Row positions of one file.
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, row: i64) -> bool {
        let row = usize::try_from(row).unwrap_or(usize::MAX);
        self.0
            .get(row / 64)
            .is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// Whether it was not there yet.
    fn insert(&mut self, row: usize) -> bool {
        let (word, bit) = (&mut self.0[row / 64], 1 << (row % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

fn read(connection: &Connection, file: &DataFile, deletes: &DeleteFile) -> Result<Bits> {
    let rows = usize::try_from(file.rows).unwrap_or(usize::MAX);
    let mut bits = Bits(vec![0; rows.div_ceil(64)]);
    let list = file_list([deletes.location.as_str()].into_iter());
    let mut count = 0;
    let mut chunks = connection
        .query(&format!("SELECT pos::BIGINT FROM read_parquet({list})"))
        .map_err(|error| error.into_error("engine.memory_limit"))?;
    while let Some(chunk) = chunks
        .next()
        .map_err(|error| error.into_error("engine.memory_limit"))?
    {
        for position in chunk.column(0).as_primitive::<Int64Type>().values() {
            let position = usize::try_from(*position).unwrap_or(usize::MAX);
            if position >= rows || !bits.insert(position) {
                return Err(broken(
                    deletes,
                    "names a row twice or one that is not there",
                ));
            }
            count += 1;
        }
    }
    if count != deletes.rows {
        return Err(broken(
            deletes,
            "does not hold as many rows as the catalog says",
        ));
    }
    Ok(bits)
}

fn broken(deletes: &DeleteFile, what: &str) -> Error {
    Error::data_loss(format!("delete file {} {what}", deletes.location))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_known_is_an_error_and_never_kept() {
        let deleted = Deleted::default();
        let mut bits = Bits(vec![0; 1]);
        assert!(bits.insert(1));
        assert!(!bits.insert(1));
        let files = Files::from([(b"a"[..].into(), Some(bits)), (b"b"[..].into(), None)]);
        deleted.versions.write().unwrap().insert(7, Arc::new(files));
        let mut keep = [false; 3];
        let files: [&[u8]; 3] = [b"a", b"a", b"b"];
        deleted
            .keep(7, &mut files.into_iter(), &[0, 1, 1], &mut keep)
            .unwrap();
        assert_eq!(keep, [true, false, true]);
        let files: [&[u8]; 1] = [b"c"];
        assert!(
            deleted
                .keep(7, &mut files.into_iter(), &[0], &mut [false])
                .is_err()
        );
        assert!(
            deleted
                .keep(8, &mut files.into_iter(), &[0], &mut [false])
                .is_err()
        );
    }
}
