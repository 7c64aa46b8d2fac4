//! The schema at the head of an Arrow stream, with everything made nullable.
//!
//! What a stream says of nullability is not Snowflake's declaration, and not always true: NULLs come
//! in parts of structs that it calls non-nullable, for which the decoder would refuse the batch. The
//! declaration is in `rowtype`; here anything may be NULL.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow_ipc::{convert::fb_to_schema, root_as_message, writer::StreamWriter};

const CONTINUATION: [u8; 4] = [0xff; 4];

/// A message with the nullable schema, and how many bytes of the stream it stands for.
///
/// `None` if the stream does not begin with a schema, which the decoder then says.
pub(super) fn nullable(stream: &[u8]) -> Option<(Vec<u8>, usize)> {
    let start = if stream.starts_with(&CONTINUATION) {
        4
    } else {
        0
    };
    let length: [u8; 4] = stream.get(start..start + 4)?.try_into().ok()?;
    let start = start + 4;
    let end = start.checked_add(usize::try_from(i32::from_le_bytes(length)).ok()?)?;
    let message = root_as_message(stream.get(start..end)?).ok()?;
    let declared = fb_to_schema(message.header_as_schema()?);
    // The ids of dictionaries would have to be kept; Snowflake sends none.
    if message.bodyLength() != 0 || has_dictionary(declared.fields()) {
        return None;
    }
    let schema = Schema::new_with_metadata(relaxed(declared.fields()), declared.metadata.clone());
    let writer = StreamWriter::try_new(Vec::new(), &schema).ok()?;
    Some((writer.get_ref().clone(), end))
}

fn relaxed(fields: &Fields) -> Fields {
    fields.iter().map(|field| relaxed_field(field)).collect()
}

fn relaxed_field(field: &Field) -> Field {
    let inner = |element: &Arc<Field>| Arc::new(relaxed_field(element));
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(relaxed(fields)),
        DataType::List(element) => DataType::List(inner(element)),
        DataType::LargeList(element) => DataType::LargeList(inner(element)),
        DataType::FixedSizeList(element, size) => DataType::FixedSizeList(inner(element), *size),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type).with_nullable(true)
}

fn has_dictionary(fields: &Fields) -> bool {
    fields.iter().any(|field| match field.data_type() {
        DataType::Dictionary(..) => true,
        DataType::Struct(parts) => has_dictionary(parts),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _) => {
            has_dictionary(&Fields::from(vec![element.clone()]))
        }
        _ => false,
    })
}
