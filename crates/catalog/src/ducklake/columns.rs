//! `ducklake_column`: the tree of a table's columns as rows, parents before their parts.

use std::collections::HashMap;

use ducksync_core::{
    id::FieldId,
    types::{Field, Fields, LakeType},
};

use crate::db::{DbResult, Row, Value};

/// The columns of a `SELECT` that [`ColumnRow::read`] understands.
macro_rules! column_list {
    () => {
        "table_id, column_id, begin_snapshot, end_snapshot, column_order, column_name, \
         column_type, initial_default, default_value, nulls_allowed, parent_column, \
         default_value_type"
    };
}
pub(crate) use column_list;

/// The columns that [`ColumnRow::values`] fills.
pub(crate) const INSERT: &str = "INSERT INTO lake.ducklake_column (table_id, column_id, \
    begin_snapshot, column_order, column_name, column_type, initial_default, default_value, \
    nulls_allowed, parent_column, default_value_type, default_value_dialect)";

/// One row: a column, or a part of a nested one, during some snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnRow {
    pub(crate) table_id: i64,
    pub(crate) id: i64,
    pub(crate) begin: i64,
    pub(crate) end: Option<i64>,
    pub(crate) order: i64,
    pub(crate) name: String,
    pub(crate) column_type: String,
    pub(crate) initial_default: Option<String>,
    pub(crate) default: Option<String>,
    pub(crate) nullable: bool,
    pub(crate) parent: Option<i64>,
}

impl ColumnRow {
    pub(crate) fn read(row: &Row) -> DbResult<Self> {
        let literal = row
            .optional::<String>(11)?
            .is_none_or(|kind| kind != "expression");
        // An expression is evaluated by who writes, and is none of the literals that we know.
        let default = row
            .optional::<String>(8)?
            .filter(|text| literal && text != "NULL");
        Ok(Self {
            table_id: row.get(0)?,
            id: row.get(1)?,
            begin: row.get(2)?,
            end: row.optional(3)?,
            order: row.get(4)?,
            name: row.get(5)?,
            column_type: row.get(6)?,
            initial_default: row.optional(7)?,
            default,
            nullable: row.optional(9)?.unwrap_or(true),
            parent: row.optional(10)?,
        })
    }

    /// Whether the row is part of the table at `snapshot`.
    pub(crate) fn live_at(&self, snapshot: i64) -> bool {
        self.begin <= snapshot && self.end.is_none_or(|end| end > snapshot)
    }

    /// Whether both say the same of the same column.
    pub(crate) fn same_content(&self, other: &Self) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.column_type == other.column_type
            && self.initial_default == other.initial_default
            && self.default == other.default
            && self.nullable == other.nullable
            && self.parent == other.parent
    }

    /// The values of [`INSERT`], for a row that begins at `snapshot`.
    pub(crate) fn values(&self, table_id: i64, snapshot: i64) -> Vec<Value> {
        let nested = matches!(self.column_type.as_str(), "list" | "struct" | "map");
        vec![
            table_id.into(),
            self.id.into(),
            snapshot.into(),
            self.order.into(),
            self.name.clone().into(),
            self.column_type.clone().into(),
            self.initial_default.clone().into(),
            self.default.clone().unwrap_or_else(|| "NULL".into()).into(),
            self.nullable.into(),
            self.parent.into(),
            if nested { "" } else { "literal" }.into(),
            "duckdb".into(),
        ]
    }
}

/// The rows of `columns`, parents first, with places from 1 on.
pub(crate) fn flatten(columns: &[Field]) -> Vec<ColumnRow> {
    let mut rows = Vec::with_capacity(columns.len());
    for column in columns {
        push(&mut rows, column, None);
    }
    for (row, order) in rows.iter_mut().zip(1..) {
        row.order = order;
    }
    rows
}

fn push(rows: &mut Vec<ColumnRow>, field: &Field, parent: Option<i64>) {
    rows.push(ColumnRow {
        table_id: 0,
        id: field.id.0,
        begin: 0,
        end: None,
        order: 0,
        name: field.name.clone(),
        column_type: field.lake_type.ducklake_name(),
        initial_default: field.initial_default.clone(),
        default: field.default.clone(),
        nullable: field.nullable,
        parent,
    });
    for child in field.lake_type.children() {
        push(rows, child, Some(field.id.0));
    }
}

/// How the rows of `before` become those of `after`: rows that end, and rows that begin. Rows that say
/// the same stay, as long as their places keep the order.
pub(crate) fn difference(
    before: &[ColumnRow],
    after: Vec<ColumnRow>,
) -> (Vec<i64>, Vec<ColumnRow>) {
    let known: HashMap<i64, &ColumnRow> = before.iter().map(|row| (row.id, row)).collect();
    let mut kept = Vec::new();
    let mut begun = Vec::new();
    let mut last = 0;
    for mut row in after {
        match known.get(&row.id) {
            Some(old) if old.same_content(&row) && old.order > last => {
                last = old.order;
                kept.push(row.id);
            }
            _ => {
                last += 1;
                row.order = last;
                begun.push(row);
            }
        }
    }
    let ended = before.iter().map(|row| row.id);
    (ended.filter(|id| !kept.contains(id)).collect(), begun)
}

/// The columns that rows of one snapshot describe, and why some cannot be read.
pub(crate) fn build(mut rows: Vec<ColumnRow>) -> (Fields, Option<String>) {
    rows.sort_by_key(|row| (row.order, row.id));
    let mut problem = None;
    let mut children: HashMap<Option<i64>, Vec<ColumnRow>> = HashMap::new();
    for row in rows {
        children.entry(row.parent).or_default().push(row);
    }
    let fields = fields(None, &mut children, &mut problem);
    (fields.into(), problem)
}

/// The fields under `parent`. Each row is taken out once, so even a circle of parents ends.
fn fields(
    parent: Option<i64>,
    children: &mut HashMap<Option<i64>, Vec<ColumnRow>>,
    problem: &mut Option<String>,
) -> Vec<Field> {
    let rows = children.remove(&parent).unwrap_or_default();
    rows.into_iter()
        .map(|row| {
            let parts = fields(Some(row.id), children, problem);
            Field {
                id: FieldId(row.id),
                lake_type: lake_type(&row, parts, problem),
                name: row.name,
                nullable: row.nullable,
                initial_default: row.initial_default,
                default: row.default,
            }
        })
        .collect()
}

fn lake_type(row: &ColumnRow, parts: Vec<Field>, problem: &mut Option<String>) -> LakeType {
    let mut parts = parts.into_iter();
    let found = match row.column_type.as_str() {
        "list" => parts
            .next()
            .map(|element| LakeType::List(Box::new(element))),
        "struct" => Some(LakeType::Struct(parts.collect())),
        "map" => parts
            .next()
            .zip(parts.next())
            .map(|(key, value)| LakeType::Map {
                key: Box::new(key),
                value: Box::new(value),
            }),
        plain => LakeType::from_ducklake_name(plain).ok(),
    };
    found.unwrap_or_else(|| {
        problem.get_or_insert_with(|| {
            format!(
                "column {:?} has type {:?}, which this server cannot read",
                row.name, row.column_type
            )
        });
        LakeType::Varchar
    })
}

#[cfg(test)]
mod tests {
    use ducksync_core::types::number_fields;

    use super::*;

    fn sample() -> Vec<Field> {
        let mut fields = vec![
            Field::new("a", LakeType::Int32),
            Field::new(
                "n",
                LakeType::Struct(vec![
                    Field::new("l", LakeType::list(LakeType::Uuid)),
                    Field::new("m", LakeType::map(LakeType::Varchar, LakeType::Json)),
                ]),
            ),
            Field::new(
                "z",
                LakeType::Decimal {
                    precision: 38,
                    scale: 9,
                },
            ),
        ];
        number_fields(&mut fields);
        fields
    }

    #[test]
    fn rows_describe_the_columns_they_were_made_of() {
        let fields = sample();
        let (built, problem) = build(flatten(&fields));
        assert_eq!((&built[..], problem), (&fields[..], None));
    }

    #[test]
    fn an_unknown_type_is_said_and_the_other_columns_are_known() {
        let mut rows = flatten(&sample());
        rows[0].column_type = "geometry".into();
        let (built, problem) = build(rows);
        assert_eq!(built.len(), 3);
        assert!(problem.unwrap().contains("geometry"));
    }

    #[test]
    fn only_rows_that_say_something_else_end_and_begin() {
        let before = flatten(&sample());
        assert_eq!(difference(&before, before.clone()), (vec![], vec![]));
        let mut fields = sample();
        fields[0].name = "renamed".into();
        fields.push(Field {
            id: FieldId(99),
            ..Field::new("new", LakeType::Date)
        });
        let (ended, begun) = difference(&before, flatten(&fields));
        assert_eq!(ended, [1]);
        let begun: Vec<_> = begun.iter().map(|row| (row.id, row.order)).collect();
        assert_eq!(begun, [(1, 1), (99, 9)]);
    }

    #[test]
    fn columns_that_change_places_are_written_again() {
        let before = flatten(&sample());
        let mut fields = sample();
        fields.reverse();
        let (ended, begun) = difference(&before, flatten(&fields));
        let mut rows: Vec<_> = before
            .into_iter()
            .filter(|row| !ended.contains(&row.id))
            .collect();
        rows.extend(begun);
        assert_eq!(&build(rows).0[..], &fields[..]);
    }
}
