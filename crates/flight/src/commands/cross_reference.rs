//! `CommandGetCrossReference`: foreign keys of one table that refer to another. There are none.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::sql::CommandGetCrossReference;
use async_trait::async_trait;
use ducksync_core::Result;

use super::{keys, metadata::Metadata};
use crate::call::Call;

#[async_trait]
impl Metadata for CommandGetCrossReference {
    fn schema(&self) -> SchemaRef {
        keys::foreign()
    }

    async fn rows(&self, _call: &Call) -> Result<RecordBatch> {
        Ok(RecordBatch::new_empty(self.schema()))
    }
}
