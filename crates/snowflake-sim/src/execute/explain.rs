//! EXPLAIN and `SYSTEM$EXPLAIN_PLAN_JSON`: the tables behind a query, views expanded, secure views not.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlparser::tokenizer::TokenWithSpan;

use super::Executor;
use crate::error::SqlError;
use crate::lineage;
use crate::names::ObjectName;
use crate::result::ResultSet;
use crate::statement::{Kind, Statement};
use crate::tokens::is_word;
use crate::types::SnowflakeType;
use crate::wire::column::ResultColumn;

impl Executor<'_> {
    pub(super) fn explain(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["EXPLAIN"])?;
        if cursor.eat(&["USING"])
            && !["JSON", "TABULAR", "TEXT"]
                .iter()
                .any(|format| cursor.eat(&[format]))
        {
            return Err(cursor.unexpected());
        }
        let plan = self.plan(cursor.rest())?;
        let columns = vec![ResultColumn::new("content", SnowflakeType::TEXT)];
        Ok(ResultSet::table(
            Kind::Explain,
            &self.context,
            columns,
            vec![vec![Some(plan.to_string())]],
        ))
    }

    /// The plan of a query that is given as a text.
    pub(super) fn plan_of(&self, sql: &str) -> Result<String, SqlError> {
        let statement = Statement::parse(sql)?;
        Ok(self.plan(&statement.tokens)?.to_string())
    }

    fn plan(&self, tokens: &[TokenWithSpan]) -> Result<Value, SqlError> {
        if tokens
            .iter()
            .any(|token| is_word(&token.token, "INFORMATION_SCHEMA"))
        {
            return Ok(self.operations(&BTreeSet::new()));
        }
        let sql = self.rewrite_plain(tokens)?;
        let tables = self.on_connection(|connection| {
            self.bind(connection, &sql)?;
            let tree = lineage::tree(connection, &sql)?;
            let plan: String =
                connection.query_row(&format!("EXPLAIN (FORMAT json) {sql}"), [], |row| {
                    row.get(1)
                })?;
            let catalog = self.engine.catalog();
            let mut tables = BTreeSet::new();
            // A plan without a scan (LIMIT 0, WHERE FALSE) names no table, as Snowflake's does not.
            if plan.contains("SCAN") {
                for name in lineage::references(&tree, &catalog, &self.context) {
                    catalog.base_objects(&name, &mut tables);
                }
            }
            Ok(tables)
        })?;
        Ok(self.operations(&tables))
    }

    fn operations(&self, tables: &BTreeSet<ObjectName>) -> Value {
        let mut operations = vec![json!({ "id": 0, "operation": "Result", "expressions": ["*"] })];
        for (at, table) in tables.iter().enumerate() {
            let view = self
                .engine
                .catalog()
                .get(table)
                .is_some_and(|object| object.is_view());
            let operation = if view { "SecureView" } else { "TableScan" };
            operations.push(json!({ "id": at + 1, "parentOperators": [0], "operation": operation, "objects": [table.display()] }));
        }
        json!({
            "GlobalStats": { "partitionsTotal": tables.len(), "partitionsAssigned": tables.len(), "bytesAssigned": 0 },
            "Operations": [operations],
        })
    }
}
