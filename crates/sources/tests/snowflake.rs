//! The Snowflake source against a simulator of Snowflake's protocol.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "snowflake/credentials.rs"]
mod credentials;
#[path = "snowflake/faults.rs"]
mod faults;
#[path = "snowflake/generated.rs"]
mod generated;
#[path = "snowflake/interop.rs"]
mod interop;
#[path = "snowflake/login.rs"]
mod login;
#[path = "snowflake/metadata.rs"]
mod metadata;
#[path = "snowflake/place.rs"]
mod place;
#[path = "snowflake/results.rs"]
mod results;
#[path = "snowflake/statements.rs"]
mod statements;
#[path = "snowflake/trouble.rs"]
mod trouble;
#[path = "snowflake/values.rs"]
mod values;
