use super::*;

#[test]
fn headers_are_told_or_made_of_the_key() {
    let mut reply = QueryData {
        qrmk: Some("a2V5".into()),
        ..QueryData::default()
    };
    let made = headers(&reply).unwrap();
    assert_eq!(made["x-amz-server-side-encryption-customer-key"], "a2V5");
    assert_eq!(
        made["x-amz-server-side-encryption-customer-algorithm"],
        "AES256"
    );
    reply.chunk_headers = Some([("x-own".to_owned(), "v".to_owned())].into());
    let told = headers(&reply).unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told["x-own"], "v");
}
