//! Speaks Arrow Flight SQL and the DuckSync actions.
