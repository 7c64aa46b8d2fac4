//! `CommandGetPrimaryKeys`: the primary key of a table. There are none.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::sql::CommandGetPrimaryKeys;
use async_trait::async_trait;
use ducksync_core::Result;

use super::{keys, metadata::Metadata};
use crate::call::Call;

#[async_trait]
impl Metadata for CommandGetPrimaryKeys {
    fn schema(&self) -> SchemaRef {
        keys::primary()
    }

    async fn rows(&self, _call: &Call) -> Result<RecordBatch> {
        Ok(RecordBatch::new_empty(self.schema()))
    }
}
