//! The data of a successful statement's reply.

use axum::http::HeaderMap;
use axum::http::header::HOST;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::faults::{FaultKind, Target};
use crate::query::Query;
use crate::result::{ResultSet, Rows};
use crate::wire::chunk::ArrowRows;

/// The headers that a chunk must be asked for with.
pub(super) const KEY_HEADER: &str = "x-amz-server-side-encryption-customer-key";
pub(super) const ALGORITHM_HEADER: &str = "x-amz-server-side-encryption-customer-algorithm";

/// The key of a statement's chunks (`qrmk`).
pub(super) fn key(query_id: &str) -> String {
    STANDARD.encode(Sha256::digest(query_id))
}

pub(super) fn data(
    account: &Account,
    query: &Query,
    result: &ResultSet,
    headers: &HeaderMap,
) -> Value {
    let rowtype: Vec<Value> = result
        .columns
        .iter()
        .map(|column| column.kind.rowtype(&column.label, column.nullable))
        .collect();
    let context = &result.context;
    let mut data = json!({
        "queryId": query.id,
        "sqlState": "00000",
        "rowtype": rowtype,
        "parameters": context.parameter_list(),
        "total": result.total(),
        "returned": result.total(),
        "statementTypeId": result.kind.type_id(),
        "version": 1,
        "finalDatabaseName": context.database,
        "finalSchemaName": context.schema,
        "finalWarehouseName": context.warehouse,
        "finalRoleName": context.role,
        "numberOfBinds": 0,
        "arrayBindSupported": false,
        "queryContext": { "entries": [] },
    });
    if let Some(entries) = data.as_object_mut() {
        match &result.rows {
            Rows::Arrow(rows) => arrow(entries, account, query, rows, headers),
            Rows::Text(rows) => {
                entries.insert("queryResultFormat".to_owned(), json!("json"));
                entries.insert("rowset".to_owned(), json!(rows));
            }
            Rows::Values(rows) => {
                entries.insert("rowset".to_owned(), json!(rows));
            }
        }
    }
    data
}

fn arrow(
    data: &mut Map<String, Value>,
    account: &Account,
    query: &Query,
    rows: &ArrowRows,
    headers: &HeaderMap,
) {
    data.insert("queryResultFormat".to_owned(), json!("arrow"));
    data.insert(
        "rowsetBase64".to_owned(),
        json!(STANDARD.encode(&rows.inline)),
    );
    if rows.chunks.is_empty() {
        return;
    }
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    let signature = query.sign(account.config.chunk_validity);
    let validity = account.config.chunk_validity.as_secs();
    let chunks = rows.chunks.iter().enumerate().map(|(number, chunk)| {
        let target = Target { endpoint: "chunk", sql: Some(&query.sql), chunk: Some(number) };
        let wrong = account.faults.take(FaultKind::ChunkRowCount, target).is_some();
        json!({
            "url": format!("http://{host}/chunks/{}/{number}?X-Amz-Expires={validity}&X-Amz-Signature={signature}", query.id),
            "rowCount": chunk.rows + usize::from(wrong),
            "uncompressedSize": chunk.uncompressed,
            "compressedSize": chunk.gzip.len(),
        })
    });
    data.insert("chunks".to_owned(), chunks.collect());
    data.insert("qrmk".to_owned(), json!(key(&query.id)));
    if account.config.chunk_headers {
        data.insert(
            "chunkHeaders".to_owned(),
            json!({ KEY_HEADER: key(&query.id), ALGORITHM_HEADER: "AES256" }),
        );
    }
}
