//! Snowflake's wire protocol over an in-memory DuckDB, with faults; for tests and the demo only.
