//! What must be written so that one list of files becomes another. Pure.

use std::collections::{HashMap, HashSet};

use ducksync_core::{
    error::{Error, Result},
    version::{DataFile, DeleteFile},
};

use crate::ducklake::files::LiveFile;

/// A new file and its place among the others; `None` = behind all older ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewFile {
    pub(super) file: DataFile,
    pub(super) place: Option<i64>,
}

/// The difference between the files of two versions of a table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FileDifference {
    /// Catalog ids of data files that end.
    pub(super) ended: Vec<i64>,
    /// Catalog ids of delete files that end.
    pub(super) ended_deletes: Vec<i64>,
    pub(super) new: Vec<NewFile>,
    /// New delete files of files that stay, by the data file's catalog id.
    pub(super) new_deletes: Vec<(i64, DeleteFile)>,
}

/// How `before` becomes `after`. A location is a file's identity.
///
/// # Errors
/// `Internal` if files that stay change their order, or if between two files no place is left.
pub(super) fn difference(before: &[LiveFile], after: &[DataFile]) -> Result<FileDifference> {
    let stay: HashSet<&str> = after.iter().map(|file| file.location.as_str()).collect();
    let mut difference = FileDifference::default();
    for file in before {
        if !stay.contains(file.file.location.as_str()) {
            difference.ended.push(file.id);
            difference.ended_deletes.extend(file.delete_id);
        }
    }
    let known: HashMap<&str, &LiveFile> = before
        .iter()
        .map(|file| (file.file.location.as_str(), file))
        .collect();
    let mut last = i64::MIN;
    let mut waiting = Vec::new();
    for file in after {
        let Some(old) = known.get(file.location.as_str()) else {
            waiting.push(file);
            continue;
        };
        place_between(last, old.place, &mut waiting, &mut difference.new)?;
        if old.place < last {
            return Err(Error::internal("files that stay changed their order"));
        }
        last = old.place;
        if old.file.deletes != file.deletes {
            difference.ended_deletes.extend(old.delete_id);
            let new = file.deletes.clone().map(|deletes| (old.id, deletes));
            difference.new_deletes.extend(new);
        }
    }
    let behind = waiting.into_iter().map(|file| NewFile {
        file: file.clone(),
        place: None,
    });
    difference.new.extend(behind);
    Ok(difference)
}

/// Spreads the waiting files over the room between two places.
fn place_between(
    last: i64,
    next: i64,
    waiting: &mut Vec<&DataFile>,
    new: &mut Vec<NewFile>,
) -> Result<()> {
    let count = i64::try_from(waiting.len()).unwrap_or(i64::MAX);
    let first = last.max(next.saturating_sub(crate::ducklake::files::GAP));
    let step = (next - first) / count.saturating_add(1);
    if count > 0 && step < 1 {
        return Err(
            Error::internal("no place is left between two files of the table")
                .with_remedy("merge all files of the table into one"),
        );
    }
    for (file, n) in waiting.drain(..).zip(1..) {
        new.push(NewFile {
            file: file.clone(),
            place: Some(first + step * n),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ducklake::files::GAP;

    fn data(name: &str) -> DataFile {
        DataFile {
            location: name.into(),
            rows: 1,
            size_bytes: 1,
            footer_bytes: 1,
            stats: Arc::new([]),
            deletes: None,
            current_columns: true,
        }
    }

    fn live(id: i64, name: &str) -> LiveFile {
        LiveFile {
            id,
            begin: 1,
            place: id * GAP,
            file: data(name),
            delete_id: None,
            problem: None,
            merged: false,
            other_columns: false,
        }
    }

    fn places(difference: &FileDifference) -> Vec<(&str, Option<i64>)> {
        let new = difference.new.iter();
        new.map(|new| (new.file.location.as_str(), new.place))
            .collect()
    }

    #[test]
    fn replaced_files_end_and_new_ones_stand_behind() {
        let before = [live(1, "a"), live(2, "b")];
        let found = difference(&before, &[data("c"), data("d")]).unwrap();
        assert_eq!(found.ended, [1, 2]);
        assert_eq!(places(&found), [("c", None), ("d", None)]);
    }

    #[test]
    fn a_merged_file_stands_where_its_parts_stood() {
        let before = [live(0, "a"), live(1, "b"), live(2, "c"), live(3, "d")];
        let found = difference(&before, &[data("a"), data("x"), data("y"), data("d")]).unwrap();
        assert_eq!(found.ended, [1, 2]);
        let placed = places(&found);
        let of = |n: usize| placed[n].1.unwrap();
        assert!(0 < of(0) && of(0) < of(1) && of(1) < 3 * GAP, "{placed:?}");
        let first = difference(&before, &[data("x"), data("c"), data("d")]).unwrap();
        assert!(places(&first)[0].1.unwrap() < 2 * GAP);
    }

    #[test]
    fn the_first_file_can_be_merged_even_if_it_has_the_least_place() {
        let before = [live(0, "a"), live(1, "b")];
        let found = difference(&before, &[data("x"), data("b")]).unwrap();
        assert!(places(&found)[0].1.unwrap() < GAP);
    }

    #[test]
    fn a_new_delete_file_takes_the_place_of_the_old() {
        let deletes = |name: &str| DeleteFile {
            location: name.into(),
            rows: 1,
            size_bytes: 1,
            footer_bytes: 1,
        };
        let mut before = live(1, "a");
        before.delete_id = Some(9);
        before.file.deletes = Some(deletes("old"));
        let mut after = data("a");
        after.deletes = Some(deletes("new"));
        let found = difference(&[before], &[after]).unwrap();
        assert_eq!((found.ended, found.ended_deletes), (vec![], vec![9]));
        assert_eq!(found.new_deletes, [(1, deletes("new"))]);
    }
}
