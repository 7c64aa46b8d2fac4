//! Which columns, with which ids, a load writes.
//!
//! A field id means one column for ever: files of old snapshots are read by it. So a load either
//! keeps all columns as they are or gives every column an id that the table never used.

use std::collections::HashSet;

use ducksync_core::{
    error::{Error, FailureClass, Result},
    types::{Field, Fields, number_fields, same_columns},
    version::Version,
};

/// The columns of a load.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoadColumns {
    /// With ids, as the files carry them.
    pub(crate) columns: Fields,
    /// Whether they are others than the table's.
    pub(crate) changed: bool,
}

/// Numbers the columns that the source yields for the table as it is, or for a new one.
///
/// # Errors
/// Class SCHEMA for a name that occurs twice, ignoring case as the lake does, and for no column.
pub(crate) fn columns_of_load(
    yielded: &[Field],
    existing: Option<&Version>,
) -> Result<LoadColumns> {
    refuse_duplicates(yielded)?;
    let mut columns = yielded.to_vec();
    let Some(version) = existing else {
        number_fields(&mut columns);
        return Ok(LoadColumns {
            columns: columns.into(),
            changed: true,
        });
    };
    if same_columns(&version.columns, yielded) {
        return Ok(LoadColumns {
            columns: version.columns.clone(),
            changed: false,
        });
    }
    let mut next = version.next_field;
    for column in &mut columns {
        column.assign_ids(&mut next);
    }
    Ok(LoadColumns {
        columns: columns.into(),
        changed: true,
    })
}

fn refuse_duplicates(columns: &[Field]) -> Result<()> {
    if columns.is_empty() {
        return Err(
            Error::invalid("source_query yields no column").with_class(FailureClass::Schema)
        );
    }
    let mut seen = HashSet::new();
    for column in columns {
        if !seen.insert(column.name.to_lowercase()) {
            let message = format!("source_query yields two columns named {:?}", column.name);
            return Err(Error::invalid(message)
                .with_class(FailureClass::Schema)
                .with_remedy("give each column a name of its own with AS"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ducksync_core::{
        id::{DatasetId, FieldId, RunId, Seq, SnapshotId},
        name::TableName,
        types::LakeType,
    };

    use super::*;

    fn version(columns: Vec<Field>, next_field: i64) -> Version {
        Version {
            dataset: DatasetId::generate(),
            run: RunId::generate(),
            seq: Seq(1),
            snapshot: SnapshotId(1),
            name: TableName::new("prod", "t"),
            columns: columns.into(),
            next_field: FieldId(next_field),
            directory: "/data/prod/t/".into(),
            files: Arc::new([]),
            unreadable: None,
        }
    }

    fn ids(columns: &[Field]) -> Vec<i64> {
        columns.iter().map(|column| column.id.0).collect()
    }

    #[test]
    fn a_new_table_numbers_its_columns_from_one() {
        let yielded = [
            Field::new("a", LakeType::list(LakeType::Int64)),
            Field::new("b", LakeType::Varchar),
        ];
        let load = columns_of_load(&yielded, None).unwrap();
        assert_eq!(
            ids(&load.columns),
            [1, 3],
            "the list's element has an id too"
        );
        assert!(load.changed);
    }

    #[test]
    fn equal_columns_keep_their_ids() {
        let mut old = vec![Field::new("a", LakeType::Int64)];
        old[0].id = FieldId(7);
        let yielded = [Field::new("a", LakeType::Int64)];
        let load = columns_of_load(&yielded, Some(&version(old, 9))).unwrap();
        assert_eq!(ids(&load.columns), [7]);
        assert!(!load.changed);
    }

    #[test]
    fn changed_columns_get_ids_that_were_never_used() {
        let mut old = vec![Field::new("a", LakeType::Int64)];
        old[0].id = FieldId(1);
        let yielded = [
            Field::new("a", LakeType::Varchar),
            Field::new("b", LakeType::Int64),
        ];
        let load = columns_of_load(&yielded, Some(&version(old, 9))).unwrap();
        assert_eq!(ids(&load.columns), [9, 10]);
        assert!(load.changed);
    }

    #[test]
    fn c15_two_columns_of_one_name_are_refused_as_schema() {
        let yielded = [
            Field::new("a", LakeType::Int64),
            Field::new("A", LakeType::Int64),
        ];
        let error = columns_of_load(&yielded, None).unwrap_err();
        assert_eq!(error.class(), FailureClass::Schema);
        assert!(error.to_string().contains("\"A\""), "{error}");
    }
}
