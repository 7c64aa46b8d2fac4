//! The oracle: a stock DuckDB with the ducklake extension, in a process of its own.

use std::{collections::HashMap, path::PathBuf, process::Stdio};

use ducksync_catalog::CatalogConfig;
use ducksync_core::{change::StagedFile, id::FieldId, types::Field, version::ColumnStats};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

pub(crate) struct Oracle {
    _process: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Oracle {
    /// `None` where `scripts/setup.sh` has not brought DuckDB.
    pub(crate) fn start() -> Option<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = root.join(".deps/venv/bin/python");
        let extensions = root.join(".deps/extensions");
        if !python.exists() || !extensions.exists() {
            eprintln!("skipped: the oracle (run scripts/setup.sh)");
            return None;
        }
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/catalog/oracle.py");
        let mut process = Command::new(python)
            .arg(script)
            .arg(extensions)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        Some(Self {
            requests: process.stdin.take().unwrap(),
            answers,
            _process: process,
        })
    }

    async fn ask(&mut self, request: Value) -> Result<Value, String> {
        let line = format!("{request}\n");
        self.requests.write_all(line.as_bytes()).await.unwrap();
        let answer = self
            .answers
            .next_line()
            .await
            .unwrap()
            .expect("the oracle died");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        match answer.get("error") {
            Some(error) => Err(format!("{error} for {request}")),
            None => Ok(answer["ok"].clone()),
        }
    }

    /// Attaches the catalog anew.
    pub(crate) async fn attach(&mut self, config: &CatalogConfig) {
        let catalog = match config.url.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{path}"),
            None => format!("postgres:{}", config.url),
        };
        let request = json!({
            "command": "attach", "catalog": catalog, "data_path": config.data_path,
            "metadata_schema": config.metadata_schema,
        });
        self.ask(request).await.unwrap();
    }

    /// The rows of a query on the attached lake, as text.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let found = self.ask(json!({"command": "query", "sql": sql})).await?;
        Ok(serde_json::from_value(found).unwrap())
    }

    /// The rows of a query on files.
    pub(crate) async fn read(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let request = json!({"command": "query", "sql": sql, "attached": false});
        serde_json::from_value(self.ask(request).await.unwrap()).unwrap()
    }

    /// Statements of a foreign client.
    pub(crate) async fn execute(&mut self, statements: &[String]) -> Result<(), String> {
        let request = json!({"command": "execute", "statements": statements});
        self.ask(request).await.map(drop)
    }

    /// Makes the catalog as if its newest snapshot had never been, as a restored backup does.
    pub(crate) async fn forget_snapshot(&mut self, config: &CatalogConfig, snapshot: i64) {
        let url = config.url.strip_prefix("sqlite:");
        let (attach, schema) = match url {
            Some(path) => (
                format!("ATTACH '{path}' AS c (TYPE sqlite)"),
                "c".to_owned(),
            ),
            None => {
                let attach = format!("ATTACH '{}' AS c (TYPE postgres)", config.url);
                (attach, format!("c.{}", config.metadata_schema))
            }
        };
        let mut statements = vec![attach];
        for table in ["ducklake_snapshot", "ducklake_snapshot_changes"] {
            statements.push(format!(
                "DELETE FROM {schema}.{table} WHERE snapshot_id = {snapshot}"
            ));
        }
        for table in ["ducklake_table", "ducklake_column", "ducklake_data_file"] {
            statements.push(format!(
                "DELETE FROM {schema}.{table} WHERE begin_snapshot = {snapshot}"
            ));
        }
        self.attach(config).await;
        self.execute(&statements).await.unwrap();
    }

    /// Writes the rows of a query to a new file with these columns.
    pub(crate) async fn stage(
        &mut self,
        location: &str,
        columns: &[Field],
        sql: &str,
    ) -> StagedFile {
        let mut ids = HashMap::new();
        let fields = field_ids(columns, "", &mut ids);
        let request = json!({
            "command": "stage", "location": location, "sql": sql, "fields": fields,
        });
        let staged = self.ask(request).await.unwrap();
        let columns = staged["columns"].as_object().unwrap();
        let known = columns
            .iter()
            .filter_map(|(path, stats)| Some((*ids.get(path)?, stats)));
        StagedFile {
            location: location.to_owned(),
            rows: staged["rows"].as_u64().unwrap(),
            size_bytes: staged["size_bytes"].as_u64().unwrap(),
            footer_bytes: staged["footer_bytes"].as_u64().unwrap(),
            stats: known
                .map(|(field, stats)| column_stats(field, stats))
                .collect(),
        }
    }

    /// Writes a delete file: these rows of that data file.
    pub(crate) async fn stage_deletes(
        &mut self,
        location: &str,
        data_file: &str,
        places: &[i64],
    ) -> StagedFile {
        let field = |name: &str, id: i64| Field {
            id: FieldId(id),
            ..Field::new(name, ducksync_core::types::LakeType::Varchar)
        };
        let columns = [
            field("file_path", 2_147_483_646),
            field("pos", 2_147_483_645),
        ];
        let sql = format!(
            "SELECT '{data_file}' AS file_path, unnest({places:?}::BIGINT[]) AS pos ORDER BY pos"
        );
        self.stage(location, &columns, &sql).await
    }
}

fn column_stats(field: FieldId, stats: &Value) -> ColumnStats {
    let text = |name: &str| stats.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok());
    ColumnStats {
        field,
        size_bytes: number("column_size_bytes"),
        value_count: number("num_values").unwrap_or(0),
        null_count: number("null_count").unwrap_or(0),
        min: text("min"),
        max: text("max"),
        contains_nan: text("has_nan").map(|text| text == "true"),
    }
}

/// DuckDB's `FIELD_IDS`, and the id of each path such as `"st"."a"`.
fn field_ids(fields: &[Field], parent: &str, ids: &mut HashMap<String, FieldId>) -> Value {
    let mut found = Map::new();
    for field in fields {
        let path = format!("{parent}\"{}\"", field.name);
        ids.insert(path.clone(), field.id);
        let children: Vec<Field> = field.lake_type.children().into_iter().cloned().collect();
        let value = if children.is_empty() {
            json!(field.id.0)
        } else {
            let mut nested = field_ids(&children, &format!("{path}."), ids);
            nested["__duckdb_field_id"] = json!(field.id.0);
            nested
        };
        found.insert(field.name.clone(), value);
    }
    Value::Object(found)
}
