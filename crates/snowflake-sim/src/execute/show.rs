//! SHOW TABLES, VIEWS, OBJECTS, SCHEMAS, DATABASES, COLUMNS, PARAMETERS, WAREHOUSES.

mod request;

use chrono::{DateTime, Utc};

use self::request::{ROW_CAP, Request, Scope};
use super::Executor;
use crate::catalog::{Object, ObjectKind};
use crate::error::SqlError;
use crate::names::ObjectName;
use crate::result::ResultSet;
use crate::statement::{Kind, Statement};
use crate::types::SnowflakeType;
use crate::wire::column::ResultColumn;
use crate::wire::text::TextRow;

impl Executor<'_> {
    pub(super) fn show(&self, statement: &Statement) -> Result<ResultSet, SqlError> {
        let mut cursor = statement.cursor();
        cursor.expect(&["SHOW"])?;
        cursor.eat(&["TERSE"]);
        let what = cursor.identifier()?;
        let request = self.request(&mut cursor)?;
        let _settled = self.settled();
        match what.as_str() {
            "TABLES" => self.show_tables(&request),
            "VIEWS" => Ok(self.show_views(&request)),
            "SCHEMAS" => Ok(self.show_schemas(&request)),
            "DATABASES" => Ok(self.show_databases(&request)),
            "COLUMNS" => Ok(self.show_columns(&request)),
            "PARAMETERS" => Ok(self.show_parameters(&request)),
            "WAREHOUSES" => Ok(self.show_warehouses()),
            other => Err(SqlError::unsupported(&format!("SHOW {other}"))),
        }
    }

    /// The objects that the request covers, in order of their names.
    fn objects(&self, request: &Request, views: bool) -> Vec<(ObjectName, Object)> {
        let catalog = self.engine.catalog();
        let covered = catalog.objects().filter(|(name, object)| {
            object.is_view() == views && request.covers(name) && request.admits(&name.name)
        });
        covered
            .take(request.limit)
            .map(|(name, object)| (name, object.clone()))
            .collect()
    }

    fn show_tables(&self, request: &Request) -> Result<ResultSet, SqlError> {
        let columns = columns(
            "created_on! name database_name schema_name kind comment cluster_by rows# bytes# owner retention_time automatic_clustering change_tracking is_external owner_role_type",
        );
        let connection = self.engine.connect(&self.context)?;
        let mut rows = Vec::new();
        for (name, object) in self.objects(request, false) {
            let (count, bytes) = self.engine.size(&connection, &name)?;
            let (tracked, retention) = match object.kind {
                ObjectKind::Table {
                    tracked,
                    retention_days,
                } => (tracked.is_some(), retention_days),
                ObjectKind::View { .. } => (false, 0),
            };
            rows.push(cells([
                epoch(object.created),
                name.name,
                name.database,
                name.schema,
                "TABLE".to_owned(),
                object.comment,
                String::new(),
                count.to_string(),
                bytes.to_string(),
                "SYSADMIN".to_owned(),
                retention.to_string(),
                "OFF".to_owned(),
                if tracked { "ON" } else { "OFF" }.to_owned(),
                "N".to_owned(),
                "ROLE".to_owned(),
            ]));
        }
        Ok(ResultSet::table(Kind::Show, &self.context, columns, rows))
    }

    fn show_views(&self, request: &Request) -> ResultSet {
        let columns = columns(
            "created_on! name reserved database_name schema_name owner comment text is_secure is_materialized",
        );
        let rows = self
            .objects(request, true)
            .into_iter()
            .map(|(name, object)| {
                let (text, secure) = match object.kind {
                    ObjectKind::View { text, secure, .. } => (text, secure),
                    ObjectKind::Table { .. } => (String::new(), false),
                };
                cells([
                    epoch(object.created),
                    name.name,
                    String::new(),
                    name.database,
                    name.schema,
                    "SYSADMIN".to_owned(),
                    object.comment,
                    text,
                    secure.to_string(),
                    "false".to_owned(),
                ])
            });
        ResultSet::table(Kind::Show, &self.context, columns, rows.collect())
    }

    fn show_columns(&self, request: &Request) -> ResultSet {
        let columns = columns(
            "table_name schema_name column_name data_type null? default kind expression comment database_name autoincrement",
        );
        let every = Request {
            like: None,
            scope: Scope::Account,
            starts_with: None,
            limit: ROW_CAP,
            from: None,
        };
        let mut rows = Vec::new();
        for views in [false, true] {
            for (name, object) in self.objects(&every, views) {
                for column in object
                    .columns
                    .iter()
                    .filter(|column| request.covers(&name) && request.admits(&column.name))
                {
                    let entry = column.kind.rowtype(&column.name, column.nullable);
                    let kind = serde_json::json!({ "type": entry["type"].as_str().unwrap_or_default().to_uppercase(),
                        "precision": entry["precision"], "scale": entry["scale"], "nullable": column.nullable });
                    rows.push(cells([
                        name.name.clone(),
                        name.schema.clone(),
                        column.name.clone(),
                        kind.to_string(),
                        column.nullable.to_string(),
                        column.default.clone().unwrap_or_default(),
                        "COLUMN".to_owned(),
                        String::new(),
                        column.comment.clone().unwrap_or_default(),
                        name.database.clone(),
                        String::new(),
                    ]));
                }
            }
        }
        ResultSet::table(Kind::Show, &self.context, columns, rows)
    }

    fn show_schemas(&self, request: &Request) -> ResultSet {
        let columns = columns(
            "created_on! name is_default is_current database_name owner comment options retention_time",
        );
        let mut rows = Vec::new();
        for (database, schemas) in &self.engine.catalog().databases {
            for (name, schema) in &schemas.schemas {
                let inside = match &request.scope {
                    Scope::Account => true,
                    Scope::Database(wanted) | Scope::Schema(wanted, _) => wanted == database,
                };
                if inside && request.admits(name) {
                    let current = self.context.schema.as_ref() == Some(name)
                        && self.context.database.as_ref() == Some(database);
                    rows.push(cells([
                        epoch(schema.created),
                        name.clone(),
                        "N".to_owned(),
                        if current { "Y" } else { "N" }.to_owned(),
                        database.clone(),
                        "SYSADMIN".to_owned(),
                        String::new(),
                        String::new(),
                        "1".to_owned(),
                    ]));
                }
            }
        }
        rows.truncate(request.limit);
        ResultSet::table(Kind::Show, &self.context, columns, rows)
    }

    fn show_databases(&self, request: &Request) -> ResultSet {
        let columns = columns(
            "created_on! name is_default is_current origin owner comment options retention_time kind",
        );
        let catalog = self.engine.catalog();
        let admitted = catalog
            .databases
            .iter()
            .filter(|(name, _)| request.admits(name))
            .take(request.limit);
        let rows = admitted.map(|(name, database)| {
            let current = self.context.database.as_ref() == Some(name);
            cells([
                epoch(database.created),
                name.clone(),
                "N".to_owned(),
                if current { "Y" } else { "N" }.to_owned(),
                String::new(),
                "SYSADMIN".to_owned(),
                String::new(),
                String::new(),
                "1".to_owned(),
                "STANDARD".to_owned(),
            ])
        });
        ResultSet::table(Kind::Show, &self.context, columns, rows.collect())
    }

    fn show_parameters(&self, request: &Request) -> ResultSet {
        let admitted = self
            .context
            .parameters
            .iter()
            .filter(|(name, _)| request.admits(name));
        let rows = admitted.map(|(name, value)| {
            cells([
                name.clone(),
                value.clone(),
                String::new(),
                "SESSION".to_owned(),
                String::new(),
                "STRING".to_owned(),
            ])
        });
        ResultSet::table(
            Kind::Show,
            &self.context,
            columns("key value default level description type"),
            rows.collect(),
        )
    }

    fn show_warehouses(&self) -> ResultSet {
        let rows = self.context.warehouse.iter().map(|name| {
            cells([
                name.clone(),
                "STARTED".to_owned(),
                "STANDARD".to_owned(),
                "X-Small".to_owned(),
            ])
        });
        ResultSet::table(
            Kind::Show,
            &self.context,
            columns("name state type size"),
            rows.collect(),
        )
    }
}

/// Columns by label; `!` marks a timestamp, `#` a number.
fn columns(labels: &str) -> Vec<ResultColumn> {
    let column = |label: &str| match (label.strip_suffix('!'), label.strip_suffix('#')) {
        (Some(label), _) => ResultColumn::new(label, SnowflakeType::TimestampLtz(3)),
        (_, Some(label)) => ResultColumn::new(label, SnowflakeType::INTEGER),
        _ => ResultColumn::new(label, SnowflakeType::TEXT),
    };
    labels.split_whitespace().map(column).collect()
}

fn cells<const N: usize>(values: [String; N]) -> TextRow {
    values.into_iter().map(Some).collect()
}

fn epoch(time: DateTime<Utc>) -> String {
    format!("{}.{:03}", time.timestamp(), time.timestamp_subsec_millis())
}
