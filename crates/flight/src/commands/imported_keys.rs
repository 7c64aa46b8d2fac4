//! `CommandGetImportedKeys`: what a table's foreign keys refer to. There are none.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::sql::CommandGetImportedKeys;
use async_trait::async_trait;
use ducksync_core::Result;

use super::{keys, metadata::Metadata};
use crate::call::Call;

#[async_trait]
impl Metadata for CommandGetImportedKeys {
    fn schema(&self) -> SchemaRef {
        keys::foreign()
    }

    async fn rows(&self, _call: &Call) -> Result<RecordBatch> {
        Ok(RecordBatch::new_empty(self.schema()))
    }
}
