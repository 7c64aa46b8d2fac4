//! `CreatePreparedStatement`: describes a statement and gives it a handle; runs nothing (G-2).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
};
use ducksync_core::{Result, types::LakeType};
use ducksync_query::Prepared;

use crate::{call::Call, commands::prepared_schema, handle::PreparedHandle, transactions, wire};

pub(super) async fn run(
    call: &Call,
    request: ActionCreatePreparedStatementRequest,
) -> Result<ActionCreatePreparedStatementResult> {
    let transaction = transactions::from_bytes(request.transaction_id.as_deref())?;
    let session = call.session()?;
    let prepared = call
        .query()
        .prepare(&session, &request.query, transaction)
        .await?;
    let handle = PreparedHandle::new(request.query, transaction);
    Ok(ActionCreatePreparedStatementResult {
        prepared_statement_handle: handle.seal(call.query(), &call.principal().name)?,
        dataset_schema: wire::schema_message(&prepared_schema(&prepared))?,
        parameter_schema: wire::schema_message(&parameter_schema(&prepared))?,
    })
}

/// One nullable field for each parameter: drivers count them, take their types as given and refuse
/// NULL for a field that is not nullable. Text where nobody can tell, because no driver binds Null.
fn parameter_schema(prepared: &Prepared) -> Schema {
    let field = |(index, lake_type): (usize, &Option<LakeType>)| {
        let data_type = lake_type
            .as_ref()
            .map_or(DataType::Utf8, LakeType::to_arrow);
        Arc::new(Field::new(format!("${}", index + 1), data_type, true))
    };
    Schema::new(
        prepared
            .parameters
            .iter()
            .enumerate()
            .map(field)
            .collect::<Vec<_>>(),
    )
}

#[cfg(test)]
mod tests {
    use ducksync_core::types::Field as LakeField;

    use super::*;

    #[test]
    fn parameters_are_nullable_and_of_text_where_unknown() {
        let prepared = Prepared {
            columns: None,
            parameters: vec![Some(LakeType::Date), None],
        };
        let schema = parameter_schema(&prepared);
        let types: Vec<_> = schema
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        assert_eq!(types, [DataType::Date32, DataType::Utf8]);
        assert!(schema.fields().iter().all(|field| field.is_nullable()));
    }

    #[test]
    fn jdbc_recognizes_an_update_by_a_schema_without_fields() {
        let update = Prepared {
            columns: None,
            parameters: vec![],
        };
        assert!(prepared_schema(&update).fields().is_empty());
        let columns = [LakeField::new("n", LakeType::Int64)];
        let query = Prepared {
            columns: Some(columns.into()),
            parameters: vec![],
        };
        assert_eq!(prepared_schema(&query).fields().len(), 1);
    }
}
