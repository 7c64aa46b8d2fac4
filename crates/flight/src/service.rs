//! The Flight service: authenticates each call and hands it to the file that knows it.
//!
//! `arrow-flight`'s own Flight SQL layer is not used: it offers no GetSchema, PollFlightInfo or
//! ListFlights, advertises actions that are not served, and answers unknown ones with INVALID_ARGUMENT,
//! which drivers take for a failure instead of "not offered".

use std::sync::Arc;

use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
    flight_service_server::FlightService,
};
use ducksync_core::Error;
use futures::{StreamExt, stream, stream::BoxStream};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    actions::{self, ActionResults},
    call::{Call, Shared},
    commands::{self, Described},
    headers,
    status::from_error,
    stream::FlightStream,
    wire,
};

type Replies<T> = BoxStream<'static, Result<T, Status>>;

/// Answers Flight's calls.
pub(crate) struct FlightSql {
    shared: Arc<Shared>,
}

impl FlightSql {
    /// A service on what all calls share.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    async fn admit<T>(&self, request: &Request<T>) -> Result<Call, Status> {
        self.shared.admit(request).await.map_err(from_error)
    }

    async fn describe(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<(Call, Described), Status> {
        let call = self.admit(&request).await?;
        let described = commands::info(&call, request.into_inner())
            .await
            .map_err(from_error)?;
        Ok((call, described))
    }
}

/// A response to `call` with the story of its answer in headers (V-2).
fn telling<T>(call: &Call, body: T, described: &Described) -> Response<T> {
    let mut response = call.respond(body);
    if let Some(answer) = &described.answer {
        headers::tell(response.metadata_mut(), answer);
    }
    response
}

fn replies<T: Send + 'static>(items: Vec<T>) -> Replies<T> {
    stream::iter(items.into_iter().map(Ok)).boxed()
}

#[tonic::async_trait]
impl FlightService for FlightSql {
    type HandshakeStream = Replies<HandshakeResponse>;
    type ListFlightsStream = Replies<FlightInfo>;
    type DoGetStream = FlightStream;
    type DoPutStream = Replies<PutResult>;
    type DoActionStream = ActionResults;
    type ListActionsStream = Replies<ActionType>;
    type DoExchangeStream = Replies<FlightData>;

    /// Logs in by the `authorization` header. What the messages hold, if there are any, is not looked
    /// at: drivers send none, or an empty one.
    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let call = self.admit(&request).await?;
        let authorization = call.log_in().await.map_err(from_error)?;
        let answer = replies(vec![HandshakeResponse::default()]);
        call.respond_with_login(answer, &authorization)
            .map_err(from_error)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        let call = self.admit(&request).await?;
        let flights = commands::list(&call).await.map_err(from_error)?;
        Ok(call.respond(replies(flights)))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let (call, described) = self.describe(request).await?;
        Ok(telling(&call, described.info.clone(), &described))
    }

    /// As GetFlightInfo: the first poll is the last.
    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        let (call, described) = self.describe(request).await?;
        let poll = PollInfo {
            info: Some(described.info.clone()),
            flight_descriptor: None,
            progress: Some(1.0),
            expiration_time: None,
        };
        Ok(telling(&call, poll, &described))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let call = self.admit(&request).await?;
        let schema = commands::schema(&call, request.get_ref())
            .await
            .map_err(from_error)?;
        let schema = wire::schema_message(&schema).map_err(from_error)?;
        Ok(call.respond(SchemaResult { schema }))
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        let call = self.admit(&request).await?;
        let rows = commands::get(&call, request.into_inner())
            .await
            .map_err(from_error)?;
        Ok(call.respond(rows))
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let call = self.admit(&request).await?;
        let result = commands::put(&call, request.into_inner())
            .await
            .map_err(from_error)?;
        Ok(call.respond(replies(vec![result])))
    }

    async fn do_exchange(
        &self,
        _request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(from_error(Error::unimplemented(
            "DoExchange is not offered here",
        )))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let call = self.admit(&request).await?;
        let results = actions::run(&call, request.into_inner())
            .await
            .map_err(from_error)?;
        Ok(call.respond(results))
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        let call = self.admit(&request).await?;
        Ok(call.respond(replies(actions::list())))
    }
}
