//! `CommandGetTables`: tables and views that the caller may see, with their columns if asked.

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
};
use arrow_flight::sql::CommandGetTables;
use async_trait::async_trait;
use ducksync_core::Result;
use ducksync_query::CatalogObject;

use super::metadata::{Metadata, defect};
use crate::{call::Call, lake_types::described_schema};

#[async_trait]
impl Metadata for CommandGetTables {
    fn schema(&self) -> SchemaRef {
        self.clone().into_builder().schema()
    }

    async fn rows(&self, call: &Call) -> Result<RecordBatch> {
        select(self, &call.query().objects(&call.session()?).await?)
    }
}

/// The objects that the command's filters let through, sorted as the specification says.
fn select(command: &CommandGetTables, objects: &[CatalogObject]) -> Result<RecordBatch> {
    let mut builder = command.clone().into_builder();
    let none = Schema::empty();
    for object in objects {
        let described = command.include_schema.then(|| described_schema(object));
        let schema = described.as_ref().unwrap_or(&none);
        let kind = object.kind.table_type();
        builder
            .append(&object.catalog, &object.schema, &object.name, kind, schema)
            .map_err(defect)?;
    }
    builder.build().map_err(defect)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow_flight::IpcMessage;
    use bytes::Bytes;
    use ducksync_core::types::{Field, LakeType};
    use ducksync_query::ObjectKind;

    use super::*;

    fn object(schema: &str, name: &str, kind: ObjectKind) -> CatalogObject {
        CatalogObject {
            catalog: "lake".into(),
            schema: schema.into(),
            name: name.into(),
            kind,
            columns: [Field::new("id", LakeType::Int64)].into(),
            remarks: None,
        }
    }

    fn objects() -> Vec<CatalogObject> {
        vec![
            object("main", "order_items", ObjectKind::Table),
            object("main", "orderXitems", ObjectKind::View),
            object("ducksync", "caches", ObjectKind::System),
        ]
    }

    fn names(command: &CommandGetTables) -> Vec<String> {
        let batch = select(command, &objects()).unwrap();
        let names = batch
            .column_by_name("table_name")
            .unwrap()
            .as_string::<i32>()
            .clone();
        names.iter().map(|name| name.unwrap().to_owned()).collect()
    }

    #[test]
    fn patterns_match_as_like_does_with_backslash_as_escape() {
        let pattern = |pattern: &str| CommandGetTables {
            table_name_filter_pattern: Some(pattern.into()),
            ..CommandGetTables::default()
        };
        assert_eq!(
            names(&CommandGetTables::default()),
            ["caches", "orderXitems", "order_items"]
        );
        assert_eq!(
            names(&pattern("order_items")),
            ["orderXitems", "order_items"]
        );
        assert_eq!(names(&pattern("order\\_items")), ["order_items"]);
        assert_eq!(
            names(&pattern("%s")),
            ["caches", "orderXitems", "order_items"]
        );
        assert_eq!(names(&pattern("c%")), ["caches"]);
        assert!(names(&pattern("")).is_empty());
    }

    #[test]
    fn an_absent_catalog_means_all_and_an_empty_one_those_without() {
        let catalog = |catalog: Option<&str>| CommandGetTables {
            catalog: catalog.map(Into::into),
            ..CommandGetTables::default()
        };
        assert_eq!(names(&catalog(None)).len(), 3);
        assert_eq!(names(&catalog(Some("lake"))).len(), 3);
        assert!(names(&catalog(Some(""))).is_empty());
        let views = CommandGetTables {
            table_types: vec!["VIEW".into()],
            ..Default::default()
        };
        assert_eq!(names(&views), ["orderXitems"]);
    }

    #[test]
    fn columns_are_one_encapsulated_schema_message_for_each_table() {
        let command = CommandGetTables {
            include_schema: true,
            ..Default::default()
        };
        let batch = select(&command, &objects()).unwrap();
        assert_eq!(batch.schema(), Metadata::schema(&command));
        let schemas = batch
            .column_by_name("table_schema")
            .unwrap()
            .as_binary::<i32>()
            .clone();
        let message = IpcMessage(Bytes::copy_from_slice(schemas.value(0)));
        let schema = Schema::try_from(message).unwrap();
        let metadata = schema.field(0).metadata();
        assert_eq!(metadata["ARROW:FLIGHT:SQL:TYPE_NAME"], "BIGINT");
    }
}
