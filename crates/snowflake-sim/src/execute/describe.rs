//! DESC TABLE and DESC VIEW.

use super::Executor;
use crate::error::SqlError;
use crate::result::ResultSet;
use crate::statement::{Kind, Statement};
use crate::types::SnowflakeType;
use crate::wire::column::ResultColumn;

const COLUMNS: [&str; 12] = [
    "name",
    "type",
    "kind",
    "null?",
    "default",
    "primary key",
    "unique key",
    "check",
    "expression",
    "comment",
    "policy name",
    "privacy domain",
];

impl Executor<'_> {
    pub(super) fn describe(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.next();
        if !cursor.eat(&["TABLE"]) {
            cursor.eat(&["VIEW"]);
        }
        let name = self.context.resolve(&cursor.name()?)?;
        let catalog = self.engine.catalog();
        let object = catalog.require(&name)?;
        let flag = |value: bool| Some(if value { "Y" } else { "N" }.to_owned());
        let rows = object
            .columns
            .iter()
            .map(|column| {
                vec![
                    Some(column.name.clone()),
                    Some(column.kind.display()),
                    Some("COLUMN".to_owned()),
                    flag(column.nullable),
                    column.default.clone(),
                    flag(column.primary_key),
                    flag(false),
                    None,
                    None,
                    column.comment.clone(),
                    None,
                    None,
                ]
            })
            .collect();
        let columns = COLUMNS
            .map(|label| ResultColumn::new(label, SnowflakeType::TEXT))
            .to_vec();
        Ok(ResultSet::table(
            Kind::Describe,
            &self.context,
            columns,
            rows,
        ))
    }
}
