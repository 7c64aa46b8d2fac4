//! The catalog database on Postgres and SQLite: the DuckLake format, our state, the publish transaction.
