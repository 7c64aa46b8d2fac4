//! How a statement was answered, as a FlightInfo.

use arrow::datatypes::Schema;
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, Ticket,
    sql::{ProstMessageExt, TicketStatementQuery},
};
use bytes::Bytes;
use ducksync_core::{Error, Result, session::AnswerMetadata, types::result_schema};
use ducksync_query::{Affected, Answer, Prepared, Rows};
use prost::Message;

use super::no_fields;
use crate::wire::{schema_message, wire_schema};

/// A FlightInfo and the story of the answer that it describes.
#[derive(Debug)]
pub(crate) struct Described {
    /// What the client gets.
    pub(crate) info: FlightInfo,
    /// The answer's story; metadata commands have none.
    pub(crate) answer: Option<AnswerMetadata>,
}

impl Described {
    /// A description of rows behind `ticket`, or of none to fetch.
    ///
    /// # Errors
    /// `Internal` if the schema cannot be encoded.
    pub(super) fn new(schema: &Schema, ticket: Option<Bytes>, rows: Option<i64>) -> Result<Self> {
        // Without a location the client asks where it asked before; some drivers know no other way.
        let endpoints = ticket.map(|ticket| FlightEndpoint::new().with_ticket(Ticket { ticket }));
        let info = FlightInfo {
            schema: schema_message(schema)?,
            endpoint: endpoints.into_iter().collect(),
            total_records: rows.unwrap_or(-1),
            total_bytes: -1,
            ..FlightInfo::default()
        };
        Ok(Self { info, answer: None })
    }

    /// Of an executed statement.
    ///
    /// # Errors
    /// As [`Described::new`].
    pub(super) fn answered(answer: Answer) -> Result<Self> {
        match answer {
            Answer::Rows(rows) => Self::rows(rows),
            Answer::Affected(affected) => Self::affected(affected),
        }
    }

    fn rows(rows: Rows) -> Result<Self> {
        let ticket = TicketStatementQuery {
            statement_handle: rows.ticket,
        };
        let ticket = ticket.as_any().encode_to_vec().into();
        Self::new(&wire_schema(&rows.schema), Some(ticket), rows.total)?.telling(rows.metadata)
    }

    /// The statement ran already, exactly once. Clients may never send a DoGet for what they know to
    /// change things, so there is nothing to get.
    fn affected(affected: Affected) -> Result<Self> {
        Self::new(&no_fields(), None, affected.rows)?.telling(affected.metadata)
    }

    fn telling(mut self, answer: AnswerMetadata) -> Result<Self> {
        let json = serde_json::to_vec(&answer).map_err(|error| {
            Error::internal("cannot write an answer's story as JSON").with_source(error)
        })?;
        self.info.app_metadata = json.into();
        self.answer = Some(answer);
        Ok(self)
    }

    /// The same, saying which descriptor asked for it.
    pub(super) fn of(mut self, descriptor: FlightDescriptor) -> Self {
        self.info.flight_descriptor = Some(descriptor);
        self
    }
}

/// The schema that a prepared statement's rows will have.
pub(crate) fn prepared_schema(prepared: &Prepared) -> arrow::datatypes::SchemaRef {
    match &prepared.columns {
        Some(columns) => wire_schema(&result_schema(columns)),
        None => no_fields(),
    }
}

#[cfg(test)]
mod tests {
    use ducksync_core::{
        id::StatementId,
        session::{CacheStatus, Route},
        types::{Field, LakeType},
    };

    use super::*;

    fn story() -> AnswerMetadata {
        AnswerMetadata {
            statement_id: StatementId::generate(),
            route: Route::Local,
            rule: "V-5a".into(),
            reason: "named".into(),
            cache_status: CacheStatus::Hit,
            snapshot_id: None,
            source_query_id: None,
            warnings: vec![],
            datasets: vec![],
        }
    }

    #[test]
    fn g2_a_statement_that_ran_has_nothing_to_fetch_and_says_how_many_rows_it_changed() {
        let affected = Affected {
            rows: Some(3),
            metadata: story(),
        };
        let info = Described::answered(Answer::Affected(affected))
            .unwrap()
            .info;
        assert!(info.endpoint.is_empty());
        assert_eq!(info.total_records, 3);
        assert!(!info.schema.is_empty());
        assert_eq!(info.try_decode_schema().unwrap(), Schema::empty());
    }

    #[test]
    fn v3_rows_have_one_endpoint_without_location_and_their_story() {
        let columns = [Field::new("n", LakeType::Int64)];
        let rows = Rows {
            ticket: Bytes::from_static(b"sealed"),
            schema: result_schema(&columns),
            columns: columns.into(),
            total: None,
            metadata: story(),
        };
        let info = Described::answered(Answer::Rows(rows)).unwrap().info;
        assert_eq!(info.endpoint.len(), 1);
        assert!(info.endpoint[0].location.is_empty());
        assert_eq!(info.total_records, -1);
        let told: serde_json::Value = serde_json::from_slice(&info.app_metadata).unwrap();
        assert_eq!(told["route"], "local");
        assert_eq!(told["cache_status"], "HIT");
    }
}
