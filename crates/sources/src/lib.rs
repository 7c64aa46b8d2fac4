//! Snowflake and other sources.
