//! What a change makes of a version, in memory.

use std::sync::Arc;

use super::TableChange;
use crate::{
    error::{Error, Result},
    id::{FieldId, RunId, Seq, SnapshotId},
    types::Field,
    version::{DataFile, Version},
};

/// The version that `change` makes of `before` (`None` before [`TableChange::Create`] and after
/// [`TableChange::Drop`]). `seq`, `run` and `snapshot` stay those of `before`: who commits sets them.
///
/// # Errors
/// `Internal` if the change is not one of that table; `Conflict` if it names a file that the table has
/// no more, since somebody merged or replaced it meanwhile.
pub fn apply(before: Option<&Version>, change: &TableChange) -> Result<Option<Version>> {
    if let TableChange::Create {
        dataset,
        name,
        directory,
        columns,
    } = change
    {
        return Ok(Some(Version {
            dataset: *dataset,
            run: RunId(dataset.0),
            seq: Seq(0),
            snapshot: SnapshotId(0),
            name: name.clone(),
            next_field: next_field(FieldId(1), columns),
            columns: columns.clone(),
            directory: directory.clone(),
            files: Arc::new([]),
            unreadable: None,
        }));
    }
    let Some(before) = before.filter(|version| Some(version.dataset) == change.dataset()) else {
        return Err(Error::internal(
            "a change was applied to a table that is not there",
        ));
    };
    let mut after = before.clone();
    match change {
        TableChange::Replace { columns, files, .. } => {
            if let Some(columns) = columns {
                after.next_field = next_field(after.next_field, columns);
                after.columns = columns.clone();
            }
            after.files = files.iter().cloned().map(DataFile::from).collect();
        }
        TableChange::Append { files, .. } => {
            let added = files.iter().cloned().map(DataFile::from);
            after.files = before.files.iter().cloned().chain(added).collect();
        }
        TableChange::Delete { deletes, ended, .. } => {
            must_have(
                before,
                ended.iter().chain(deletes.iter().map(|d| &d.data_file)),
            )?;
            let mut files: Vec<_> = before.files.to_vec();
            files.retain(|file| !ended.contains(&file.location));
            for delete in deletes {
                for file in files
                    .iter_mut()
                    .filter(|file| file.location == delete.data_file)
                {
                    file.deletes = Some(delete.file.clone());
                }
            }
            after.files = files.into();
        }
        TableChange::Merge { ended, files, .. } => {
            must_have(before, ended.iter())?;
            let mut merged = Vec::with_capacity(before.files.len());
            let mut placed = false;
            for file in before.files.iter() {
                if !ended.contains(&file.location) {
                    merged.push(file.clone());
                } else if !std::mem::replace(&mut placed, true) {
                    merged.extend(files.iter().cloned().map(DataFile::from));
                }
            }
            after.files = merged.into();
        }
        TableChange::Alter { columns, .. } => {
            after.next_field = next_field(after.next_field, columns);
            after.columns = columns.clone();
            after.files = before
                .files
                .iter()
                .cloned()
                .map(|file| DataFile {
                    current_columns: false,
                    ..file
                })
                .collect();
        }
        TableChange::Rename { name, .. } => after.name = name.clone(),
        TableChange::Drop { .. } => return Ok(None),
        TableChange::Create { .. }
        | TableChange::CreateSchema { .. }
        | TableChange::DropSchema { .. }
        | TableChange::CreateView(_)
        | TableChange::DropView { .. } => {
            return Err(Error::internal(
                "a change that is not one of a table was applied to one",
            ));
        }
    }
    Ok(Some(after))
}

fn next_field(so_far: FieldId, columns: &[Field]) -> FieldId {
    columns
        .iter()
        .map(|column| FieldId(column.max_id().0 + 1))
        .fold(so_far, Ord::max)
}

fn must_have<'a>(version: &Version, locations: impl Iterator<Item = &'a String>) -> Result<()> {
    for location in locations {
        if !version.files.iter().any(|file| file.location == *location) {
            let name = &version.name;
            return Err(
                Error::conflict(format!("files of {name} were rewritten meanwhile"))
                    .with_remedy("run the statement again"),
            );
        }
    }
    Ok(())
}
