use ducksync_core::error::{ErrorKind, FailureClass};
use rsa::{
    RsaPrivateKey, RsaPublicKey,
    pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding},
};
use snowflake_sim::{Simulator, SimulatorConfig, User};

use crate::place::{Place, context, open, parts};

#[tokio::test]
async fn g11_a_key_pair_logs_in() {
    let [ours, theirs] =
        [0, 1].map(|_| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap());
    let public = RsaPublicKey::from(&ours)
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    let user = User {
        name: "KEYED".into(),
        public_key: Some(public),
        ..User::default()
    };
    let config = SimulatorConfig {
        users: vec![user],
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::start(config).await.unwrap();
    for (key, works) in [(ours, true), (theirs, false)] {
        let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
        let login = [
            ("user", "keyed"),
            ("private_key", pem.as_str()),
            ("account", "acme.eu-west-1"),
        ];
        let source = open(&simulator, &login, &[]).await.unwrap();
        let outcome = source.submit("select 1", &context()).await;
        assert_eq!(outcome.is_ok(), works);
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
            assert!(error.to_string().contains("390144"), "{error}");
        }
    }
}

#[tokio::test]
async fn g11_a_token_logs_in() {
    let user = User {
        name: "BOT".into(),
        token: Some("t0ken".into()),
        ..User::default()
    };
    let config = SimulatorConfig {
        users: vec![user],
        ..SimulatorConfig::default()
    };
    let simulator = Simulator::start(config).await.unwrap();
    for kind in ["", "oauth"] {
        let login = [("user", "bot"), ("token", "t0ken"), ("authenticator", kind)];
        let source = open(&simulator, &login, &[]).await.unwrap();
        source.submit("select 1", &context()).await.unwrap();
    }
}

#[tokio::test]
async fn g11_a_refused_login_is_clear_and_shows_no_secret() {
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let login = [("user", "DUCKSYNC"), ("password", "hunter2-wrong")];
    let source = open(&simulator, &login, &[]).await.unwrap();
    let error = source.submit("select 1", &context()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.class()),
        (ErrorKind::Unauthenticated, FailureClass::Permission)
    );
    assert!(
        error.to_string().contains("DUCKSYNC") && error.to_string().contains("390100"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert_eq!(
        simulator.requests()["login"],
        1,
        "a refusal is not repeated"
    );
}

#[tokio::test]
async fn an_unreachable_account_is_a_source_failure() {
    let place = Place::new().await;
    let Place { simulator, source } = place;
    drop(simulator);
    let error = source.submit("select 1", &context()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.class()),
        (ErrorKind::Unavailable, FailureClass::Source),
        "{error}"
    );
}

#[tokio::test]
async fn g3_names_are_completed_by_the_session() {
    let place = Place::new().await;
    let name = |names: &'static [&'static str]| {
        let source = place.source.clone();
        async move {
            source
                .resolve(&parts(names), &context())
                .await
                .unwrap()
                .to_string()
        }
    };
    assert_eq!(name(&["a", "b", "c"]).await, "A.B.C");
    assert_eq!(place.requests("login"), 0, "a full name needs no contact");
    assert_eq!(name(&["orders"]).await, "DB.PUBLIC.ORDERS");
    assert_eq!(name(&["s", "orders"]).await, "DB.S.ORDERS");
}
