//! The bodies of Snowflake's HTTP protocol.
//!
//! Everything is optional that some server leaves out; what is missing is judged where it is needed.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};

/// What wraps every reply.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    pub(super) data: Option<T>,
    #[serde(default, deserialize_with = "text")]
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) success: bool,
}

/// A token. It prints as `[redacted]`.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Token(pub(super) String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The reply to a login.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoginData {
    pub(super) token: Option<Token>,
    pub(super) master_token: Option<Token>,
    pub(super) session_info: Option<SessionInfo>,
}

/// What a session starts with.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionInfo {
    pub(super) database_name: Option<String>,
    pub(super) schema_name: Option<String>,
    pub(super) warehouse_name: Option<String>,
    pub(super) role_name: Option<String>,
}

/// The reply to a renewal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RenewData {
    pub(super) session_token: Option<Token>,
    pub(super) master_token: Option<Token>,
}

/// A statement, as it is sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryRequest<'a> {
    pub(super) sql_text: &'a str,
    pub(super) async_exec: bool,
    pub(super) sequence_id: u64,
    pub(super) query_submission_time: i64,
    pub(super) is_internal: bool,
    pub(super) describe_only: bool,
    pub(super) parameters: BTreeMap<&'a str, serde_json::Value>,
}

/// The reply to a statement, or to a request for its result: a result, a promise or an error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct QueryData {
    pub(super) query_id: Option<String>,
    pub(super) rowtype: Option<Vec<RowType>>,
    pub(super) query_result_format: Option<String>,
    pub(super) rowset: Option<Vec<Vec<Cell>>>,
    pub(super) rowset_base64: Option<String>,
    pub(super) chunks: Option<Vec<ChunkInfo>>,
    pub(super) chunk_headers: Option<BTreeMap<String, String>>,
    pub(super) qrmk: Option<String>,
    pub(super) total: Option<i64>,
    pub(super) returned: Option<i64>,
    pub(super) get_result_url: Option<String>,
    pub(super) final_database_name: Option<String>,
    pub(super) final_schema_name: Option<String>,
    pub(super) final_role_name: Option<String>,
    pub(super) final_warehouse_name: Option<String>,
    pub(super) sql_state: Option<String>,
    pub(super) line: Option<i64>,
    pub(super) pos: Option<i64>,
}

impl QueryData {
    /// Rows of the whole result, if the reply says.
    pub(super) fn rows(&self) -> Option<u64> {
        let rows = self.returned.or(self.total)?;
        u64::try_from(rows).ok()
    }

    /// Whether rows come as JSON texts.
    pub(super) fn is_json(&self) -> bool {
        let format = self.query_result_format.as_deref();
        format.is_some_and(|format| format.eq_ignore_ascii_case("json"))
            || (format.is_none() && self.rowset_base64.is_none())
    }

    /// About how many bytes it takes to keep this reply.
    pub(super) fn weight(&self) -> usize {
        let inline = self.rowset_base64.as_ref().map_or(0, String::len);
        let cells = self.rowset.iter().flatten().flatten();
        let cells: usize = cells
            .map(|cell| 24 + cell.0.as_ref().map_or(0, String::len))
            .sum();
        let chunks: usize = self
            .chunks
            .iter()
            .flatten()
            .map(|chunk| 64 + chunk.url.len())
            .sum();
        1024 + inline + cells + chunks
    }
}

/// One column of a result, as declared.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RowType {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    #[serde(default = "yes")]
    pub(super) nullable: bool,
    pub(super) precision: Option<i64>,
    pub(super) scale: Option<i64>,
    /// How its texts compare; absent = byte by byte.
    pub(super) collation: Option<String>,
    pub(super) fields: Option<Vec<PartType>>,
}

/// The element of a nested type.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PartType {
    #[serde(rename = "type")]
    pub(super) type_name: String,
}

/// Where a part of a result can be had.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChunkInfo {
    /// Pre-signed: whoever has it can read the rows, so it is never shown.
    pub(super) url: String,
    pub(super) row_count: u64,
    #[serde(default)]
    pub(super) uncompressed_size: u64,
}

impl fmt::Debug for ChunkInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkInfo")
            .field("row_count", &self.row_count)
            .field("uncompressed_size", &self.uncompressed_size)
            .finish_non_exhaustive()
    }
}

/// One value of a JSON rowset: a text, or NULL. Some servers send numbers and booleans bare.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cell(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(Self)
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    use serde_json::Value;
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => {
            return Err(de::Error::custom("a cell must be a text or null"));
        }
    })
}

fn yes() -> bool {
    true
}
