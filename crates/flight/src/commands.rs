//! Flight SQL commands: what a descriptor or ticket asks for, one file each.

mod answer;
mod catalogs;
mod cross_reference;
mod db_schemas;
mod exported_keys;
mod imported_keys;
mod keys;
mod metadata;
mod parameters;
mod path;
mod prepared_statement_query;
mod prepared_statement_update;
mod primary_keys;
mod put;
mod sql_info;
mod statement_query;
mod statement_update;
mod table_types;
mod tables;
mod xdbc_type_info;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_flight::{
    FlightDescriptor, Ticket,
    flight_descriptor::DescriptorType,
    sql::{Any, Command},
};
use ducksync_core::{Error, Result};
use prost::Message;

use crate::{call::Call, stream::FlightStream};

pub(crate) use answer::{Described, prepared_schema};
pub(crate) use path::list;
pub(crate) use put::put;

use metadata::Metadata;

/// What a descriptor names.
enum Target {
    /// A Flight SQL command.
    Command(Command),
    /// A table, by `[schema, table]` or `[catalog, schema, table]`.
    Path(Vec<String>),
}

impl Target {
    fn read(descriptor: &FlightDescriptor) -> Result<Self> {
        match descriptor.r#type() {
            DescriptorType::Path => Ok(Self::Path(descriptor.path.clone())),
            // Some clients leave the type out.
            DescriptorType::Cmd | DescriptorType::Unknown => {
                Ok(Self::Command(command(&descriptor.cmd)?))
            }
        }
    }
}

fn command(bytes: &[u8]) -> Result<Command> {
    let unreadable = || {
        Error::invalid("the command is not one of Flight SQL")
            .with_remedy("send a Flight SQL command packed into google.protobuf.Any")
    };
    let any = Any::decode(bytes).map_err(|error| unreadable().with_source(error))?;
    if any.type_url.is_empty() {
        return Err(unreadable());
    }
    Command::try_from(any).map_err(|error| unreadable().with_source(error))
}

fn unsupported(command: &Command) -> Error {
    let name = command
        .type_url()
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_owned();
    Error::unimplemented(format!("Flight SQL command {name} is not offered here"))
}

/// The command, if it asks for metadata.
fn metadata(command: &Command) -> Option<&dyn Metadata> {
    Some(match command {
        Command::CommandGetCatalogs(command) => command,
        Command::CommandGetDbSchemas(command) => command,
        Command::CommandGetTables(command) => command,
        Command::CommandGetTableTypes(command) => command,
        Command::CommandGetSqlInfo(command) => command,
        Command::CommandGetXdbcTypeInfo(command) => command,
        Command::CommandGetPrimaryKeys(command) => command,
        Command::CommandGetImportedKeys(command) => command,
        Command::CommandGetExportedKeys(command) => command,
        Command::CommandGetCrossReference(command) => command,
        _ => return None,
    })
}

/// GetFlightInfo: fixes route, versions and schema, and runs side effects, exactly once (G-2, V-3).
pub(crate) async fn info(call: &Call, descriptor: FlightDescriptor) -> Result<Described> {
    let described = match Target::read(&descriptor)? {
        Target::Path(path) => path::info(call, &path).await?,
        Target::Command(Command::CommandStatementQuery(command)) => {
            statement_query::info(call, command).await?
        }
        Target::Command(Command::CommandPreparedStatementQuery(command)) => {
            prepared_statement_query::info(call, &command).await?
        }
        Target::Command(command) => match metadata(&command) {
            Some(command) => metadata::info(command, descriptor.cmd.clone())?,
            None => return Err(unsupported(&command)),
        },
    };
    Ok(described.of(descriptor))
}

/// GetSchema: never executes (G-2).
pub(crate) async fn schema(call: &Call, descriptor: &FlightDescriptor) -> Result<SchemaRef> {
    match Target::read(descriptor)? {
        Target::Path(path) => path::schema(call, &path).await,
        Target::Command(Command::CommandStatementQuery(command)) => {
            statement_query::schema(call, command).await
        }
        Target::Command(Command::CommandPreparedStatementQuery(command)) => {
            prepared_statement_query::schema(call, &command).await
        }
        Target::Command(command) => match metadata(&command) {
            Some(command) => Ok(command.schema()),
            None => Err(unsupported(&command)),
        },
    }
}

/// DoGet: streams what a ticket stands for; never executes (G-2).
pub(crate) async fn get(call: &Call, ticket: Ticket) -> Result<FlightStream> {
    match command(&ticket.ticket)? {
        Command::TicketStatementQuery(ticket) => statement_query::get(call, &ticket).await,
        command => match metadata(&command) {
            Some(command) => metadata::get(call, command).await,
            None => Err(unsupported(&command)),
        },
    }
}

/// The schema that statements without rows have: no fields, which is how clients recognize them.
fn no_fields() -> SchemaRef {
    Arc::new(arrow::datatypes::Schema::empty())
}
