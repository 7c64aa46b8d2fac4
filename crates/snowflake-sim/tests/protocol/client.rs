//! A driver as small as tests allow: it logs in, asks, and puts results together.

use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use snowflake_sim::{Simulator, SimulatorConfig};

static REQUESTS: AtomicU64 = AtomicU64::new(1);

/// A request id that no other request has.
pub(crate) fn request_id() -> String {
    format!("request-{}", REQUESTS.fetch_add(1, Ordering::Relaxed))
}

/// A simulator with an empty database `DB`.
pub(crate) async fn simulator(config: SimulatorConfig) -> Simulator {
    let simulator = Simulator::start(config).await.unwrap();
    simulator.sql("create database db").await.unwrap();
    simulator
}

/// A simulator with small results: 3 rows in the reply, 5 in a chunk.
pub(crate) async fn small_chunks() -> Simulator {
    simulator(SimulatorConfig {
        inline_rows: 3,
        rows_per_chunk: 5,
        ..SimulatorConfig::default()
    })
    .await
}

#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) master: String,
}

impl Client {
    /// Logs in with the default user, a warehouse, and `DB.PUBLIC`.
    pub(crate) async fn login(simulator: &Simulator) -> Self {
        Self::login_to(simulator, "warehouse=wh&databaseName=DB&schemaName=PUBLIC").await
    }

    pub(crate) async fn login_to(simulator: &Simulator, options: &str) -> Self {
        let data = json!({ "LOGIN_NAME": "ducksync", "PASSWORD": "ducksync-demo", "CLIENT_APP_ID": "Test" });
        let reply = login(simulator, options, data).await;
        assert_eq!(reply["success"], true, "{reply}");
        Self {
            http: reqwest::Client::new(),
            url: simulator.url(),
            token: reply["data"]["token"].as_str().unwrap().to_owned(),
            master: reply["data"]["masterToken"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Value {
        let reply = self.try_post(path, token, body).await.unwrap();
        reply.json().await.unwrap()
    }

    pub(crate) async fn try_post(
        &self,
        path: &str,
        token: &str,
        body: Value,
    ) -> reqwest::Result<reqwest::Response> {
        let request = self.http.post(format!("{}{path}", self.url));
        request
            .header("Authorization", format!("Snowflake Token=\"{token}\""))
            .json(&body)
            .send()
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.url));
        let reply = request
            .header(
                "Authorization",
                format!("Snowflake Token=\"{}\"", self.token),
            )
            .send()
            .await;
        reply.unwrap().json().await.unwrap()
    }

    /// Sends a query request with this body and request id.
    pub(crate) async fn submit(&self, request_id: &str, body: Value) -> Value {
        let path = format!("/queries/v1/query-request?requestId={request_id}");
        self.post(&path, &self.token, body).await
    }

    /// The whole reply to a statement.
    pub(crate) async fn ask(&self, sql: &str) -> Value {
        self.submit(
            &request_id(),
            json!({ "sqlText": sql, "asyncExec": false, "sequenceId": 1 }),
        )
        .await
    }

    /// The data of the reply to a statement that succeeds.
    pub(crate) async fn data(&self, sql: &str) -> Value {
        let reply = self.ask(sql).await;
        assert_eq!(reply["success"], true, "{sql}: {reply}");
        reply["data"].clone()
    }

    /// The rows of a JSON result.
    pub(crate) async fn rowset(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        serde_json::from_value(self.data(sql).await["rowset"].clone()).unwrap()
    }

    /// The first cell of a JSON result.
    pub(crate) async fn cell(&self, sql: &str) -> String {
        self.rowset(sql).await[0][0].clone().unwrap()
    }

    /// The error code of a statement that fails.
    pub(crate) async fn code(&self, sql: &str) -> String {
        let reply = self.ask(sql).await;
        assert_eq!(reply["success"], false, "{sql}: {reply}");
        reply["code"].as_str().unwrap().to_owned()
    }

    /// Every batch of an Arrow result, inline rows first.
    pub(crate) async fn batches(&self, sql: &str) -> Vec<RecordBatch> {
        let data = self.data(sql).await;
        let mut batches = inline(&data);
        for number in 0..chunks(&data).len() {
            let reply = self.chunk(&data, number).await.unwrap();
            assert_eq!(reply.status(), 200);
            batches.extend(decode(&reply.bytes().await.unwrap()));
        }
        batches
    }

    /// Asks for a chunk with the headers of the reply.
    pub(crate) async fn chunk(
        &self,
        data: &Value,
        number: usize,
    ) -> reqwest::Result<reqwest::Response> {
        let mut request = self
            .http
            .get(data["chunks"][number]["url"].as_str().unwrap());
        for (name, value) in data["chunkHeaders"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        request.send().await
    }
}

/// The reply to a login.
pub(crate) async fn login(simulator: &Simulator, options: &str, data: Value) -> Value {
    let url = format!("{}/session/v1/login-request?{options}", simulator.url());
    let reply = reqwest::Client::new()
        .post(url)
        .json(&json!({ "data": data }))
        .send()
        .await
        .unwrap();
    reply.json().await.unwrap()
}

pub(crate) fn chunks(data: &Value) -> Vec<Value> {
    data["chunks"].as_array().cloned().unwrap_or_default()
}

/// The batches in the reply itself.
pub(crate) fn inline(data: &Value) -> Vec<RecordBatch> {
    let stream = STANDARD
        .decode(data["rowsetBase64"].as_str().unwrap())
        .unwrap();
    if stream.is_empty() {
        Vec::new()
    } else {
        decode(&stream)
    }
}

pub(crate) fn decode(stream: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(stream, None)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}
