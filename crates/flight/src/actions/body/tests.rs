use ducksync_core::command::{Command, ParameterKind, SPECS, spec};
use ducksync_core::types::LakeType;
use prost_reflect::Cardinality;
use serde_json::json;

use super::*;

fn kinds(descriptor: &MessageDescriptor) -> Vec<(String, String)> {
    let mut fields: Vec<_> = descriptor.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    let kind = |field: FieldDescriptor| {
        let list = if field.cardinality() == Cardinality::Repeated {
            "[]"
        } else {
            ""
        };
        let kind = match field.kind() {
            Kind::Message(message) => message.full_name().to_owned(),
            kind => format!("{kind:?}"),
        };
        (field.name().to_owned(), format!("{kind}{list}"))
    };
    fields.into_iter().map(kind).collect()
}

#[test]
fn g1_the_protocol_and_the_commands_describe_the_same() {
    for spec in SPECS {
        let parameter = |kind| match kind {
            ParameterKind::Text | ParameterKind::Secret => "string",
            ParameterKind::TextList => "string[]",
            ParameterKind::Integer => "int64",
            ParameterKind::Boolean => "bool",
        };
        let request = describe(&message_name(spec.name, "Request")).unwrap();
        let expected: Vec<_> = spec
            .parameters
            .iter()
            .map(|p| (p.name.to_owned(), parameter(p.kind).to_owned()))
            .collect();
        assert_eq!(kinds(&request), expected, "{}", request.name());
        for parameter in spec.parameters {
            let field = request.get_field_by_name(parameter.name).unwrap();
            let optional = field.supports_presence() || field.is_list();
            assert_eq!(optional, !parameter.required, "{}", field.full_name());
        }
        let column = |lake_type: &LakeType| match lake_type {
            LakeType::Varchar => "string",
            LakeType::List(_) => "string[]",
            LakeType::Int64 => "int64",
            LakeType::Float64 => "double",
            LakeType::Boolean => "bool",
            LakeType::TimestampTz => "google.protobuf.Timestamp",
            other => panic!("{other:?}"),
        };
        let result = describe(&message_name(spec.name, "Result")).unwrap();
        let columns = spec.columns();
        let expected: Vec<_> = columns
            .iter()
            .map(|c| (c.name.clone(), column(&c.lake_type).to_owned()))
            .collect();
        assert_eq!(kinds(&result), expected, "{}", result.name());
        assert!(
            result
                .fields()
                .all(|field| field.supports_presence() || field.is_list())
        );
        let numbers: Vec<_> = result.fields().map(|field| field.number()).collect();
        assert_eq!(
            numbers,
            (1..=columns.len() as u32).collect::<Vec<_>>(),
            "{}",
            result.name()
        );
    }
}

fn request(fields: &[(&str, Proto)]) -> Bytes {
    let mut message = DynamicMessage::new(describe("CreateCacheRequest").unwrap());
    for (name, value) in fields {
        message.try_set_field_by_name(name, value.clone()).unwrap();
    }
    message.encode_to_vec().into()
}

#[test]
fn g1_protobuf_and_json_in_either_spelling_give_the_same_command() {
    let proto = request(&[
        ("cache_name", Proto::String("sales".into())),
        ("source_name", Proto::String("prod".into())),
        ("source_query", Proto::String("SELECT 1".into())),
        (
            "monitor_tables",
            Proto::List(vec![Proto::String("A.B.C".into())]),
        ),
        ("ttl_seconds", Proto::I64(60)),
        ("validate", Proto::Bool(false)),
    ]);
    let snake = json!({"cache_name": "sales", "source_name": "prod", "source_query": "SELECT 1",
        "monitor_tables": ["A.B.C"], "ttl_seconds": 60, "validate": false});
    let camel = json!({"cacheName": "sales", "sourceName": "prod", "sourceQuery": "SELECT 1",
        "monitorTables": ["A.B.C"], "ttlSeconds": "60", "validate": false});
    let parse =
        |body: &Bytes| Command::parse("create_cache", read("create_cache", body)?.arguments);
    let command = parse(&proto).unwrap();
    for json in [snake.to_string(), camel.to_string(), format!(" \n{snake}")] {
        assert_eq!(parse(&json.into()).unwrap(), command);
    }
}

#[test]
fn g1_an_empty_body_is_json() {
    let body = read("list_caches", &Bytes::new()).unwrap();
    assert_eq!(body.encoding, Encoding::Json);
    assert!(body.arguments.is_empty());
}

#[test]
fn protobuf_that_begins_like_white_space_and_a_brace_is_protobuf() {
    // Field 1, length 123: the bytes of a line feed and a brace.
    let name = "x".repeat(123);
    let body = request(&[("cache_name", Proto::String(name.clone()))]);
    assert_eq!(&body[..2], b"\n{");
    let read = read("create_cache", &body).unwrap();
    assert_eq!(read.encoding, Encoding::Protobuf);
    assert_eq!(read.arguments["cache_name"], json!(name));
}

#[test]
fn g9_bad_bodies_are_named() {
    let unknown = Bytes::from_static(&[0xf8, 0x07, 1]);
    for (body, word) in [
        (Bytes::from("{\"cache_name\": "), "JSON"),
        (Bytes::from_static(b"\xff\xff\xff"), "message"),
        (unknown, "127"),
    ] {
        let error = read("refresh", &body).unwrap_err();
        assert_eq!(error.kind(), ducksync_core::ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(word), "{error}");
    }
    let missing = read("refresh", &Bytes::from_static(&[0x10, 1])).unwrap();
    let error = Command::parse("refresh", missing.arguments).unwrap_err();
    assert!(
        error.to_string().contains("cache_name is missing"),
        "{error}"
    );
}

fn history() -> Vec<(String, Cell)> {
    let cells = [
        ("run_id", Cell::Text("r".into())),
        ("started_at", Cell::Time(-1)),
        ("rows", Cell::Integer(1 << 53)),
        ("bytes", Cell::Integer((1 << 53) + 1)),
        (
            "source_query_ids",
            Cell::Texts(vec!["a".into(), "b".into()]),
        ),
        ("error", Cell::Null),
    ];
    cells.map(|(name, cell)| (name.to_owned(), cell)).into()
}

#[test]
fn g1_json_numbers_are_numbers_and_texts_beyond_two_to_the_53() {
    let writer = Writer::new("cache_history", Encoding::Json).unwrap();
    let row: Json = serde_json::from_slice(&writer.write(&history()).unwrap()).unwrap();
    let expected = json!({"run_id": "r", "started_at": "1969-12-31T23:59:59.999999Z",
        "rows": 9_007_199_254_740_992_i64, "bytes": "9007199254740993",
        "source_query_ids": ["a", "b"], "error": null});
    assert_eq!(row, expected);
    assert_eq!(to_json(&Cell::Double(f64::INFINITY)), json!("Infinity"));
    assert_eq!(to_json(&Cell::Double(0.5)), json!(0.5));
}

#[test]
fn g1_protobuf_is_answered_in_protobuf() {
    let writer = Writer::new("cache_history", Encoding::Protobuf).unwrap();
    let bytes = writer.write(&history()).unwrap();
    let row = DynamicMessage::decode(describe("CacheHistoryResult").unwrap(), bytes).unwrap();
    assert!(!row.has_field_by_name("error"), "NULL is left out");
    assert_eq!(
        row.get_field_by_name("bytes").unwrap().as_i64(),
        Some((1 << 53) + 1)
    );
    let started = row.get_field_by_name("started_at").unwrap();
    let started: Timestamp = started.as_message().unwrap().transcode_to().unwrap();
    assert_eq!((started.seconds, started.nanos), (-1, 999_999_000));
    assert!(writer.write(&[("colour".into(), Cell::Null)]).is_err());
}

#[test]
fn every_command_has_a_name_in_the_protocol() {
    assert_eq!(
        message_name("create_cache", "Request"),
        "CreateCacheRequest"
    );
    assert!(spec("create_cache").is_some());
}
