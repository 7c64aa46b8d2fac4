//! Tables by path, for clients that know Flight but no SQL: what ListFlights lists can be asked for.

use arrow::datatypes::SchemaRef;
use arrow_flight::{FlightDescriptor, FlightInfo};
use ducksync_core::{Error, Result, name::quote};
use ducksync_query::ExecuteRequest;

use super::{Described, answer::prepared_schema};
use crate::{call::Call, wire::wire_schema};

/// Every table and view that the caller may see, with its schema.
pub(crate) async fn list(call: &Call) -> Result<Vec<FlightInfo>> {
    let objects = call.query().objects(&call.session()?).await?;
    let describe = |object: ducksync_query::CatalogObject| {
        let schema = wire_schema(&ducksync_core::types::result_schema(&object.columns));
        let descriptor =
            FlightDescriptor::new_path(vec![object.catalog, object.schema, object.name]);
        Ok(Described::new(&schema, None, None)?.of(descriptor).info)
    };
    objects.into_iter().map(describe).collect()
}

/// All rows of the table.
pub(super) async fn info(call: &Call, path: &[String]) -> Result<Described> {
    let sql = select(path)?;
    let session = call.session()?;
    let request = ExecuteRequest::new(sql, call.contract(&session)?);
    Described::answered(call.query().execute(&session, request).await?)
}

/// The table's schema.
pub(super) async fn schema(call: &Call, path: &[String]) -> Result<SchemaRef> {
    let prepared = call
        .query()
        .prepare(&call.session()?, &select(path)?, None)
        .await?;
    Ok(prepared_schema(&prepared))
}

fn select(path: &[String]) -> Result<String> {
    if !(1..=3).contains(&path.len()) {
        return Err(
            Error::invalid(format!("a path of {} parts names no table", path.len()))
                .with_remedy("use [table], [schema, table] or [catalog, schema, table]"),
        );
    }
    let parts: Vec<_> = path.iter().map(|part| quote(part)).collect();
    Ok(format!("SELECT * FROM {}", parts.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_and_cannot_leave_their_table() {
        let path = ["lake".to_owned(), "a\"b".to_owned(), "t; DROP".to_owned()];
        assert_eq!(
            select(&path).unwrap(),
            r#"SELECT * FROM "lake"."a""b"."t; DROP""#
        );
        assert!(select(&[]).is_err());
    }
}
