//! `CommandGetDbSchemas`: the lake's schemas, and ours.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::sql::CommandGetDbSchemas;
use async_trait::async_trait;
use ducksync_core::Result;

use super::metadata::{Metadata, defect};
use crate::call::Call;

#[async_trait]
impl Metadata for CommandGetDbSchemas {
    fn schema(&self) -> SchemaRef {
        self.clone().into_builder().schema()
    }

    async fn rows(&self, call: &Call) -> Result<RecordBatch> {
        let lake = call.query().lake_name();
        let mut builder = self.clone().into_builder();
        for schema in call.query().schemas(&call.session()?).await? {
            builder.append(&lake, schema);
        }
        builder.build().map_err(defect)
    }
}
