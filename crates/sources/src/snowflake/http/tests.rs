use super::*;
use crate::snowflake::protocol::QueryData;

#[test]
fn refusals_are_read_whatever_their_data_is() {
    let refused: Envelope<QueryData> =
        envelope(br#"{"data":"odd","code":390100,"message":"no","success":false}"#).unwrap();
    assert_eq!(refused.code.as_deref(), Some("390100"));
    assert!(refused.data.is_none());
}

#[test]
fn g11_broken_replies_are_not_quoted() {
    let body = br#"{"data":{"queryId":["s3cret"]},"success":true}"#;
    let error = envelope::<QueryData>(body).unwrap_err();
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[test]
fn g11_results_are_fetched_in_clear_text_only_if_the_account_is() {
    let secure = Http::new(
        Url::parse("https://a.example/").unwrap(),
        RetryPolicy::quick(),
        Traffic::default(),
    )
    .unwrap();
    assert!(secure.download("http://b.example/x").is_err());
    assert!(secure.download("https://b.example/x").is_ok());
}
