//! Whether the oracle, and we, find what the model has.

use std::time::Duration;

use ducksync_core::{
    catalog::{Upkeep, Versions},
    id::SnapshotId,
    name::quote,
};
use rand::Rng;

use super::{Added, BASE, History, Row, Table, added_value, full_name};

/// Whether a filter keeps the row of that key.
type Holds = Box<dyn Fn(i64) -> bool>;

impl History {
    pub(super) async fn remember(&mut self) {
        let lake = self.catalog.ask().await.unwrap();
        for (name, table) in &self.tables {
            let version = &lake.versions[&table.dataset];
            if version.unreadable.is_none() {
                assert_eq!(version.rows(), table.rows.len() as u64, "{name}");
            }
        }
        self.past
            .insert(lake.snapshot.0, (self.tables.clone(), lake));
    }

    pub(super) async fn check_newest(&mut self) {
        self.oracle.attach(&self.site.config).await;
        let tables = self.tables.clone();
        for table in tables.values() {
            self.check(table, "").await;
        }
    }

    /// Every snapshot: the oracle reads what the model has, and we find what we knew then.
    pub(super) async fn check_all(&mut self) {
        self.oracle.attach(&self.site.config).await;
        let past = self.past.clone();
        for (snapshot, (model, lake)) in &past {
            let at = format!(" AT (VERSION => {snapshot})");
            for table in model.values() {
                self.check(table, &at).await;
            }
            let found = self.catalog.at(SnapshotId(*snapshot)).await.unwrap();
            assert_eq!(found.tables, lake.tables);
            for (dataset, then) in &lake.versions {
                let now = &found.versions[dataset];
                // A foreign merge takes the files of older snapshots away.
                if now.unreadable.is_none() && now.files.len() == then.files.len() {
                    assert_eq!((&now.columns, &now.files), (&then.columns, &then.files));
                }
            }
        }
    }

    /// O-8: half of the snapshots go, and with them every file that may go; the others are as before.
    pub(super) async fn expire(&mut self) {
        let newest = self.past.keys().last().copied();
        let random = &mut self.random;
        self.past
            .retain(|snapshot, _| Some(*snapshot) == newest || random.random());
        let held: Vec<_> = self.past.keys().copied().map(SnapshotId).collect();
        assert!(self.catalog.expire(Duration::ZERO, &held).await.unwrap() > 0);
        let files = self
            .catalog
            .deletable(Duration::ZERO, 10_000)
            .await
            .unwrap();
        for file in &files {
            std::fs::remove_file(file).unwrap();
        }
        self.catalog.forget_deleted(&files).await.unwrap();
        assert!(
            self.catalog
                .deletable(Duration::ZERO, 1)
                .await
                .unwrap()
                .is_empty()
        );
    }

    async fn check(&mut self, table: &Table, at: &str) {
        let from = format!("FROM lake.{}{at}", full_name(table));
        let mut keys: Vec<i64> = table.rows.iter().map(|row| row.key).collect();
        keys.sort_unstable();
        let (low, high) = match (keys.first(), keys.last()) {
            (Some(low), Some(high)) => (*low, *high),
            _ => (0, 0),
        };
        let middle = self.random.random_range(low..=high);
        let filters: [(String, Holds); 7] = [
            ("true".into(), Box::new(|_| true)),
            (format!("k = {middle}"), Box::new(move |k| k == middle)),
            (format!("k > {middle}"), Box::new(move |k| k > middle)),
            (
                format!("d <= {middle} / 4.0"),
                Box::new(move |k| k <= middle),
            ),
            ("s IS NULL".into(), Box::new(|k| k % 7 == 0)),
            (
                format!("s = 'v' || ({middle} * 37 % 101)"),
                Box::new(move |k| k % 7 != 0 && k * 37 % 101 == middle * 37 % 101),
            ),
            (
                format!("st.a < {middle} AND l[2] > 3"),
                Box::new(move |k| k < middle && k > 2),
            ),
        ];
        for (filter, holds) in filters {
            let expected: Vec<i64> = keys.iter().copied().filter(|key| holds(*key)).collect();
            let sql = format!("SELECT k {from} WHERE {filter} ORDER BY k");
            let found = self.numbers(&sql).await;
            let expected: Vec<_> = expected.into_iter().map(Some).collect();
            assert_eq!(found.concat(), expected, "{sql}");
        }
        let expected = vec![vec![
            Some(keys.len() as i64),
            keys.first().copied(),
            keys.last().copied(),
        ]];
        for sql in [
            format!("SELECT count(*), min(k), max(k) {from}"),
            format!("SELECT count(*), min(st.a), max(l[1]) {from}"),
            format!("SELECT count(*), (min(d) * 4)::BIGINT, (max(d) * 4)::BIGINT {from}"),
        ] {
            assert_eq!(self.numbers(&sql).await, expected, "{sql}");
        }
        let wrong = format!(
            "SELECT count(*) {from} WHERE (k, s, d, l, st) IS DISTINCT FROM \
             (SELECT (k, s, d, l, st) FROM (SELECT {BASE}))"
        );
        assert_eq!(self.numbers(&wrong).await, [[Some(0)]], "{wrong}");
        for added in &table.added {
            self.check_added(table, added, &from).await;
        }
    }

    async fn check_added(&mut self, table: &Table, added: &Added, from: &str) {
        let value = |row: &Row| match row.fields.contains(&added.field) {
            true => Some(added_value(added.field, row.key)),
            false => added.default,
        };
        let values: Vec<i64> = table.rows.iter().filter_map(value).collect();
        let sum = (!values.is_empty()).then(|| values.iter().sum());
        let expected = [
            values.iter().min().copied(),
            values.iter().max().copied(),
            sum,
            Some(values.len() as i64),
        ];
        let column = quote(&added.name);
        let sql =
            format!("SELECT min({column}), max({column}), sum({column}), count({column}) {from}");
        assert_eq!(self.numbers(&sql).await, [expected], "{sql}");
    }

    async fn numbers(&mut self, sql: &str) -> Vec<Vec<Option<i64>>> {
        let rows = self.oracle.query(sql).await.unwrap();
        let number = |text: Option<String>| text.map(|text| text.parse().unwrap());
        rows.into_iter()
            .map(|row| row.into_iter().map(number).collect())
            .collect()
    }
}
