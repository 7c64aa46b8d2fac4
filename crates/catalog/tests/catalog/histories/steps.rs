//! One step of a history: what we, or another client, do to the lake; the model follows.

use std::sync::Arc;

use ducksync_core::{
    catalog::{Publisher, Versions},
    change::{Basis, StagedDeletes, StagedFile, TableChange},
    error::ErrorKind,
    id::DatasetId,
    name::{TableName, quote},
    types::{Field, LakeType},
    version::{DataFile, DeleteFile, Version},
};
use rand::{Rng, seq::IndexedRandom};
use uuid::Uuid;

use super::{Added, BASE, History, Row, Table, base_columns, full_name};
use crate::support::{change, statement};

impl History {
    pub(super) async fn step(&mut self) {
        if self.tables.is_empty() {
            return self.create().await;
        }
        let names: Vec<String> = self.tables.keys().cloned().collect();
        let name = names.choose(&mut self.random).unwrap().clone();
        match self.random.random_range(0..100) {
            0..8 => self.create().await,
            8..28 => self.append(&name).await,
            28..40 => self.replace(&name).await,
            40..55 => self.delete(&name).await,
            55..63 => self.merge(&name).await,
            63..70 => self.add_column(&name).await,
            70..74 => self.rename_column(&name).await,
            74..77 => self.drop_column(&name).await,
            77..80 => self.rename(&name).await,
            80..83 => self.drop_table(&name).await,
            _ => self.foreign(&name).await,
        }
    }

    fn keys(&mut self) -> (i64, i64) {
        let first = self.next_key;
        self.next_key += self.random.random_range(1..40);
        (first, self.next_key)
    }

    fn version(&self, name: &str) -> Arc<Version> {
        Arc::clone(&self.catalog.current().versions[&self.tables[name].dataset])
    }

    fn new_rows(&self, name: &str, (first, end): (i64, i64)) -> Vec<Row> {
        let fields: Vec<_> = self.tables[name]
            .added
            .iter()
            .map(|added| added.field)
            .collect();
        (first..end)
            .map(|key| Row {
                key,
                fields: fields.clone(),
            })
            .collect()
    }

    /// The rows of these keys as a query with the table's columns.
    fn source(&self, name: &str, (first, end): (i64, i64)) -> String {
        let added = self.tables[name]
            .added
            .iter()
            .map(|added| format!(", k * 10 + {} AS {}", added.field.0, quote(&added.name)));
        let added: String = added.collect();
        format!("SELECT {BASE}{added} FROM range({first}, {end}) r(k)")
    }

    async fn stage(&mut self, directory: &str, columns: &[Field], sql: &str) -> StagedFile {
        let location = format!("{directory}{}.parquet", Uuid::new_v4());
        self.oracle.stage(&location, columns, sql).await
    }

    pub(super) async fn create(&mut self) {
        self.next_name += 1;
        let schema = ["main", "other \"s\""][self.random.random_range(0..2)];
        let name = TableName::new(schema, format!("t {}", self.next_name));
        let dataset = DatasetId::generate();
        let directory = self.catalog.current().new_table_directory(&name, dataset);
        let key = name.name.clone();
        let table = Table {
            dataset,
            name: name.clone(),
            rows: vec![],
            added: vec![],
        };
        self.tables.insert(key.clone(), table);
        let keys = self.keys();
        let columns = base_columns();
        let file = self
            .stage(&directory, &columns, &self.source(&key, keys))
            .await;
        let create = TableChange::Create {
            dataset,
            name,
            directory,
            columns: columns.into(),
        };
        let append = TableChange::Append {
            dataset,
            files: vec![file],
        };
        change(&self.catalog, dataset, vec![create, append])
            .await
            .unwrap();
        self.tables.get_mut(&key).unwrap().rows = self.new_rows(&key, keys);
    }

    async fn append(&mut self, name: &str) {
        let version = self.version(name);
        let dataset = version.dataset;
        let keys = self.keys();
        let source = self.source(name, keys);
        let file = self
            .stage(&version.directory, &version.columns, &source)
            .await;
        let append = TableChange::Append {
            dataset,
            files: vec![file],
        };
        change(&self.catalog, dataset, vec![append]).await.unwrap();
        let rows = self.new_rows(name, keys);
        self.tables.get_mut(name).unwrap().rows.extend(rows);
    }

    async fn replace(&mut self, name: &str) {
        let version = self.version(name);
        let dataset = version.dataset;
        let mut rows = Vec::new();
        let mut files = Vec::new();
        let columns = self.random.random_bool(0.3).then(|| {
            let mut columns = base_columns();
            let mut next = version.next_field;
            columns
                .iter_mut()
                .for_each(|column| column.assign_ids(&mut next));
            columns
        });
        if columns.is_some() {
            self.tables.get_mut(name).unwrap().added.clear();
        }
        let written = columns.clone().unwrap_or_else(|| version.columns.to_vec());
        for _ in 0..self.random.random_range(0..3) {
            let keys = self.keys();
            let source = self.source(name, keys);
            files.push(self.stage(&version.directory, &written, &source).await);
            rows.extend(self.new_rows(name, keys));
        }
        let columns = columns.map(Into::into);
        let replace = TableChange::Replace {
            dataset,
            columns,
            files,
        };
        change(&self.catalog, dataset, vec![replace]).await.unwrap();
        self.tables.get_mut(name).unwrap().rows = rows;
    }

    /// Deletes every third row of one file by a delete file, or the whole file.
    async fn delete(&mut self, name: &str) {
        let version = self.version(name);
        let dataset = version.dataset;
        let Some(file) = version.files.choose(&mut self.random).cloned() else {
            return;
        };
        let rows = self.places(&file.location).await;
        let gone = match &file.deletes {
            Some(deletes) => self.deleted_places(&deletes.location).await,
            None => Vec::new(),
        };
        let whole = self.random.random_bool(0.2);
        let now: Vec<(i64, i64)> = rows
            .into_iter()
            .filter(|(place, key)| !gone.contains(place) && (whole || key % 3 == 0))
            .collect();
        let mut places: Vec<i64> = now.iter().map(|(place, _)| *place).chain(gone).collect();
        places.sort_unstable();
        let (mut ended, mut deletes) = (Vec::new(), Vec::new());
        if whole {
            ended.push(file.location.clone());
        } else if now.is_empty() {
            return;
        } else {
            let location = format!("{}{}-delete.parquet", version.directory, Uuid::new_v4());
            let staged = self
                .oracle
                .stage_deletes(&location, &file.location, &places)
                .await;
            let file_written = DeleteFile {
                location,
                rows: staged.rows,
                size_bytes: staged.size_bytes,
                footer_bytes: staged.footer_bytes,
            };
            deletes.push(StagedDeletes {
                data_file: file.location.clone(),
                file: file_written,
            });
        }
        let delete = TableChange::Delete {
            dataset,
            deletes,
            ended,
        };
        change(&self.catalog, dataset, vec![delete]).await.unwrap();
        let table = self.tables.get_mut(name).unwrap();
        table
            .rows
            .retain(|row| !now.iter().any(|(_, key)| *key == row.key));
    }

    async fn places(&mut self, location: &str) -> Vec<(i64, i64)> {
        let sql = format!(
            "SELECT file_row_number, k FROM read_parquet('{location}', file_row_number = true)"
        );
        let rows = self.oracle.read(&sql).await;
        let number = |text: &Option<String>| text.as_ref().unwrap().parse().unwrap();
        rows.iter()
            .map(|row| (number(&row[0]), number(&row[1])))
            .collect()
    }

    async fn deleted_places(&mut self, location: &str) -> Vec<i64> {
        let sql = format!("SELECT pos FROM read_parquet('{location}')");
        let rows = self.oracle.read(&sql).await;
        rows.iter()
            .map(|row| row[0].as_ref().unwrap().parse().unwrap())
            .collect()
    }

    async fn merge(&mut self, name: &str) {
        let version = self.version(name);
        let dataset = version.dataset;
        let plain = |file: &&DataFile| file.deletes.is_none() && file.current_columns;
        let ended: Vec<String> = version
            .files
            .iter()
            .filter(plain)
            .map(|file| file.location.clone())
            .take(3)
            .collect();
        if ended.len() < 2 {
            return;
        }
        let sql = format!("SELECT * FROM read_parquet({ended:?})").replace('"', "'");
        let file = self.stage(&version.directory, &version.columns, &sql).await;
        let merge = TableChange::Merge {
            dataset,
            ended,
            files: vec![file],
        };
        change(&self.catalog, dataset, vec![merge]).await.unwrap();
    }

    async fn alter(&mut self, name: &str, columns: Vec<Field>) {
        let dataset = self.tables[name].dataset;
        let alter = TableChange::Alter {
            dataset,
            columns: columns.into(),
        };
        change(&self.catalog, dataset, vec![alter]).await.unwrap();
    }

    async fn add_column(&mut self, name: &str) {
        let version = self.version(name);
        let default = self.random.random_bool(0.5).then_some(5);
        let column = format!("c{}", version.next_field.0);
        let mut columns = version.columns.to_vec();
        columns.push(Field {
            id: version.next_field,
            initial_default: default.map(|value: i64| value.to_string()),
            default: default.map(|value| value.to_string()),
            ..Field::new(&column, LakeType::Int64)
        });
        self.alter(name, columns).await;
        let added = Added {
            field: version.next_field,
            name: column,
            default,
        };
        self.tables.get_mut(name).unwrap().added.push(added);
    }

    async fn rename_column(&mut self, name: &str) {
        let mut columns = self.version(name).columns.to_vec();
        let table = self.tables.get_mut(name).unwrap();
        let Some(added) = table.added.first_mut() else {
            return;
        };
        added.name.push('x');
        for column in &mut columns {
            if column.id == added.field {
                column.name.clone_from(&added.name);
            }
        }
        self.alter(name, columns).await;
    }

    async fn drop_column(&mut self, name: &str) {
        let mut columns = self.version(name).columns.to_vec();
        let table = self.tables.get_mut(name).unwrap();
        if table.added.is_empty() {
            return;
        }
        let gone = table.added.remove(0).field;
        columns.retain(|column| column.id != gone);
        self.alter(name, columns).await;
    }

    async fn rename(&mut self, name: &str) {
        self.next_name += 1;
        let mut table = self.tables.remove(name).unwrap();
        table.name = TableName::new("main", format!("renamed {}", self.next_name));
        let rename = TableChange::Rename {
            dataset: table.dataset,
            name: table.name.clone(),
        };
        change(&self.catalog, table.dataset, vec![rename])
            .await
            .unwrap();
        self.tables.insert(table.name.name.clone(), table);
    }

    async fn drop_table(&mut self, name: &str) {
        let table = self.tables.remove(name).unwrap();
        let drop = TableChange::Drop {
            dataset: table.dataset,
        };
        change(&self.catalog, table.dataset, vec![drop])
            .await
            .unwrap();
    }

    /// Another client inserts, updates, deletes or merges; our next publish on what we knew before is
    /// a conflict, and what we know after asking is what it left.
    async fn foreign(&mut self, name: &str) {
        let before = self.catalog.current();
        let table = format!("lake.{}", full_name(&self.tables[name]));
        self.oracle.attach(&self.site.config).await;
        let keys = self.keys();
        let source = self.source(name, keys);
        let foreign = match self.random.random_range(0..4) {
            0 | 1 => {
                let rows = self.new_rows(name, keys);
                self.tables.get_mut(name).unwrap().rows.extend(rows);
                format!("INSERT INTO {table} {source}")
            }
            2 => {
                let rows = &mut self.tables.get_mut(name).unwrap().rows;
                rows.retain(|row| row.key % 5 != 2);
                format!("DELETE FROM {table} WHERE k % 5 = 2")
            }
            _ => "CALL ducklake_merge_adjacent_files('lake')".to_owned(),
        };
        self.oracle.execute(&[foreign]).await.unwrap();
        let dataset = self.tables[name].dataset;
        let after = self.catalog.ask().await.unwrap();
        let seen = &before.versions[&dataset];
        if after.versions[&dataset].seq != seen.seq {
            assert_ne!(after.versions[&dataset].run, seen.run);
            let drop = vec![TableChange::Drop { dataset }];
            let basis = Basis {
                dataset,
                seq: Some(seen.seq),
                claim: None,
            };
            let late = statement(vec![basis], drop);
            let refused = self.catalog.publish(late).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Conflict);
        }
    }
}
