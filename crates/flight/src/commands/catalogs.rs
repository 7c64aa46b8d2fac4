//! `CommandGetCatalogs`: the lake is the one catalog.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::sql::CommandGetCatalogs;
use async_trait::async_trait;
use ducksync_core::Result;

use super::metadata::{Metadata, defect};
use crate::call::Call;

#[async_trait]
impl Metadata for CommandGetCatalogs {
    fn schema(&self) -> SchemaRef {
        self.into_builder().schema()
    }

    async fn rows(&self, call: &Call) -> Result<RecordBatch> {
        let mut builder = self.into_builder();
        builder.append(call.query().lake_name());
        builder.build().map_err(defect)
    }
}
