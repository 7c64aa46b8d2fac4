//! Snowflake and other sources.
//!
//! A source is a client of somebody else's system: it describes statements, reads signals of change,
//! submits statements and streams their rows. It decides nothing about caches, freshness or access,
//! and keeps no rows: what is fetched is handed on batch by batch, in order, in bounded memory.

mod snowflake;

pub use snowflake::SnowflakeFactory;
