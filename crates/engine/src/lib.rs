//! DuckDB in two roles, serving and loading, and the files of the lake.
