//! `CommandGetTableTypes`.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::sql::CommandGetTableTypes;
use async_trait::async_trait;
use ducksync_core::Result;
use ducksync_query::ObjectKind;

use super::metadata::{Metadata, defect};
use crate::call::Call;

#[async_trait]
impl Metadata for CommandGetTableTypes {
    fn schema(&self) -> SchemaRef {
        self.into_builder().schema()
    }

    async fn rows(&self, _call: &Call) -> Result<RecordBatch> {
        let mut builder = self.into_builder();
        for kind in [ObjectKind::Table, ObjectKind::View, ObjectKind::System] {
            builder.append(kind.table_type());
        }
        builder.build().map_err(defect)
    }
}
