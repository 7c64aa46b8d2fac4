//! Asks a simulator one statement with the `snowflake-api` crate and prints its first column, as JSON, in the order in
//! which the crate hands it over.
//!
//! usage: snowflake-api-client HOST:PORT USER PASSWORD STATEMENT

use std::error::Error;

use arrow_array::{Array, StringArray};
use async_trait::async_trait;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use snowflake_api::{AuthArgs, AuthType, PasswordArgs, QueryResult, SnowflakeApiBuilder};

/// Sends what is meant for Snowflake to the simulator: the crate knows no other host.
struct Rebase {
    host: String,
    port: u16,
}

#[async_trait]
impl Middleware for Rebase {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let host = request.url().host_str().unwrap_or_default();
        if host.ends_with(".snowflakecomputing.com") {
            let url = request.url_mut();
            let moved = url.set_scheme("http").is_ok()
                && url.set_host(Some(&self.host)).is_ok()
                && url.set_port(Some(self.port)).is_ok();
            debug_assert!(moved, "a host and a port make an address");
        }
        next.run(request, extensions).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, user, password, sql] = arguments.as_slice() else {
        return Err("usage: snowflake-api-client HOST:PORT USER PASSWORD STATEMENT".into());
    };
    let (host, port) = address.split_once(':').ok_or("HOST:PORT is expected")?;
    let rebase = Rebase {
        host: host.to_owned(),
        port: port.parse()?,
    };
    let client = reqwest::Client::builder().gzip(true).build()?;
    let api = SnowflakeApiBuilder::new(AuthArgs {
        account_identifier: "sim".to_owned(),
        warehouse: Some("WH".to_owned()),
        database: Some("DB".to_owned()),
        schema: Some("PUBLIC".to_owned()),
        username: user.clone(),
        role: None,
        auth_type: AuthType::Password(PasswordArgs {
            password: password.clone(),
        }),
    })
    .with_client(ClientBuilder::new(client).with(rebase).build())
    .build()?;
    let texts: Vec<Option<String>> = match api.exec(sql).await? {
        QueryResult::Arrow(batches) => {
            let mut texts = Vec::new();
            for batch in &batches {
                let column = batch.column(0).as_any().downcast_ref::<StringArray>();
                let column = column.ok_or("the first column must be a text")?;
                texts.extend(column.iter().map(|text| text.map(str::to_owned)));
            }
            texts
        }
        QueryResult::Json(rows) => serde_json::from_value(rows.value)?,
        QueryResult::Empty => Vec::new(),
    };
    println!("{}", serde_json::to_string(&texts)?);
    Ok(())
}
