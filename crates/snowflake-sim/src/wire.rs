//! Results as Snowflake sends them: Arrow streams in chunks, or rows of texts.

pub(crate) mod chunk;
pub(crate) mod column;
pub(crate) mod temporal;
pub(crate) mod text;
