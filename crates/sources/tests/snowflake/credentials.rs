//! Credentials that change, that are refused, and clocks that differ.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use ducksync_core::{
    error::{Error, ErrorKind},
    source::{Source, SourceContext},
};
use snowflake_sim::{Fault, FaultKind, Simulator, SimulatorConfig, User};

use crate::place::{LOGIN, Place, context, integers, open};

fn key(name: &str) -> String {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys");
    place.join(name).to_str().unwrap().to_owned()
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(key(name)).unwrap()
}

/// An account whose user KEYED has the public half of the fixtures' key.
async fn keyed() -> Simulator {
    let user = User {
        name: "KEYED".into(),
        public_key: Some(pem("unfit_public.pem")),
        ..User::default()
    };
    let config = SimulatorConfig {
        users: vec![user],
        ..SimulatorConfig::default()
    };
    Simulator::start(config).await.unwrap()
}

/// Opens a session of its own for each number, so that each needs a login.
async fn session(source: &Arc<dyn Source>, number: usize) -> Result<(), Error> {
    let within = SourceContext {
        schema: Some(format!("s{number}")),
        ..context()
    };
    source.submit("select 1", &within).await.map(drop)
}

#[tokio::test]
async fn g11_encrypted_keys_log_in_as_text_and_as_files() {
    let directory = tempfile::tempdir().unwrap();
    let passphrase_file = directory.path().join("passphrase");
    std::fs::write(&passphrase_file, "correct horse\n").unwrap();
    let passphrase_file = passphrase_file.to_str().unwrap();
    let simulator = keyed().await;
    let (text, file) = (pem("pkcs8_aes256.pem"), key("pkcs8_des3.pem"));
    for (name, value, passphrase, phrase) in [
        (
            "private_key",
            &text,
            "private_key_passphrase",
            "correct horse",
        ),
        (
            "private_key_file",
            &file,
            "private_key_passphrase",
            "correct horse",
        ),
        (
            "private_key_file",
            &file,
            "private_key_passphrase_file",
            passphrase_file,
        ),
    ] {
        let login = [("user", "keyed"), (name, value), (passphrase, phrase)];
        let source = open(&simulator, &login, &[]).await.unwrap();
        session(&source, 0).await.unwrap();
    }
    for (phrase, told) in [
        ("", "is encrypted"),
        ("wrong", "private_key_passphrase does not open"),
    ] {
        let login = [
            ("user", "keyed"),
            ("private_key", &text),
            ("private_key_passphrase", phrase),
        ];
        let error = open(&simulator, &login, &[]).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn g11_a_rotated_file_works_without_opening_the_source_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    let path = file.to_str().unwrap();
    for (name, user) in [("password_file", "DUCKSYNC"), ("token_file", "BOT")] {
        std::fs::write(&file, "old").unwrap();
        let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
        let set = |to: &'static str| {
            simulator.alter_user("DUCKSYNC", |user| user.password = Some(to.into()));
            simulator.alter_user("BOT", |user| user.token = Some(to.into()));
        };
        set("old");
        let source = open(&simulator, &[("user", user), (name, path)], &[])
            .await
            .unwrap();
        session(&source, 0).await.unwrap();
        set("new");
        std::fs::write(&file, "new\n").unwrap();
        session(&source, 1).await.unwrap();
        session(&source, 0).await.unwrap();
        assert_eq!(simulator.requests()["login"], 2, "the open session went on");
    }
}

#[tokio::test]
async fn g11_a_file_that_was_replaced_during_a_login_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "ducksync-demo").unwrap();
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let login = [
        ("user", "DUCKSYNC"),
        ("password_file", file.to_str().unwrap()),
    ];
    let source = open(&simulator, &login, &[]).await.unwrap();
    simulator.fault(Fault::new(FaultKind::Slow).at("login").ms(300));
    let running = tokio::spawn(async move { session(&source, 0).await });
    while !simulator.requests().contains_key("login") {
        tokio::task::yield_now().await;
    }
    simulator.alter_user("DUCKSYNC", |user| user.password = Some("new".into()));
    std::fs::write(&file, "new").unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(simulator.requests()["login"], 2);
}

#[tokio::test]
async fn g10_a_refused_credential_is_not_sent_again_and_again() {
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let login = [("user", "DUCKSYNC"), ("password", "hunter2-wrong")];
    let source = open(&simulator, &login, &[]).await.unwrap();
    let start = Instant::now();
    let errors = futures::future::join_all((0..40).map(|number| session(&source, number))).await;
    // The first pause under test is half a second, and every further one is longer.
    let most = 1 + start.elapsed().as_millis() / 500;
    let sent = u128::from(simulator.requests()["login"]);
    assert!(sent <= most, "{sent} logins in {:?}", start.elapsed());
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.to_string().contains("not sent again for"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    // What was wrong is tried again after the pause, and works once it is right.
    simulator.alter_user("DUCKSYNC", |user| {
        user.password = Some("hunter2-wrong".into())
    });
    let waiting = async {
        while session(&source, 0).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
}

#[tokio::test]
async fn g10_a_new_credential_is_not_kept_waiting_by_a_refused_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    std::fs::write(&file, "wrong").unwrap();
    let simulator = Simulator::start(SimulatorConfig::default()).await.unwrap();
    let login = [
        ("user", "DUCKSYNC"),
        ("password_file", file.to_str().unwrap()),
    ];
    let source = open(&simulator, &login, &[]).await.unwrap();
    session(&source, 0).await.unwrap_err();
    std::fs::write(&file, "ducksync-demo").unwrap();
    session(&source, 0).await.unwrap();
}

#[tokio::test]
async fn g11_signed_logins_go_by_snowflakes_clock() {
    let simulator = keyed().await;
    for offset in [0, 300, -86_400] {
        simulator.switch(|settings| settings.clock_offset_seconds = offset);
        let pem = pem("pkcs8.pem");
        let login = [("user", "keyed"), ("private_key", pem.as_str())];
        let source = open(&simulator, &login, &[]).await.unwrap();
        let before = simulator
            .requests()
            .get("login")
            .copied()
            .unwrap_or_default();
        session(&source, 0).await.unwrap();
        session(&source, 1).await.unwrap();
        let logins = simulator.requests()["login"] - before;
        let expected = if offset == 0 { 2 } else { 3 };
        assert_eq!(logins, expected, "the difference is learned once");
    }
}

#[tokio::test]
async fn g11_a_clock_that_is_off_is_named_where_a_signed_login_fails() {
    let simulator = keyed().await;
    simulator.alter_user("keyed", |user| user.public_key = None);
    simulator.switch(|settings| settings.clock_offset_seconds = 300);
    let pem = pem("pkcs8.pem");
    let login = [("user", "keyed"), ("private_key", pem.as_str())];
    let source = open(&simulator, &login, &[]).await.unwrap();
    let error = session(&source, 0).await.unwrap_err();
    assert!(
        error.to_string().contains("clock of this machine is"),
        "{error}"
    );
    assert!(error.to_string().contains("behind snowflake's"), "{error}");
    assert_eq!(
        simulator.requests()["login"],
        2,
        "tried once more, by the other clock"
    );
}

#[tokio::test]
async fn g11_users_and_roles_that_are_refused_say_what_to_do() {
    let place = Place::new().await;
    place.simulator.alter_user("DUCKSYNC", |user| {
        user.roles = vec!["SYSADMIN".into()];
    });
    let login: Vec<_> = LOGIN.iter().copied().chain([("role", "nobody")]).collect();
    let source = open(&place.simulator, &login, &[]).await.unwrap();
    let error = session(&source, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.to_string().contains("role"), "{error}");

    place
        .simulator
        .alter_user("DUCKSYNC", |user| user.disabled = true);
    let source = open(&place.simulator, LOGIN, &[]).await.unwrap();
    let error = session(&source, 0).await.unwrap_err();
    assert!(error.to_string().contains("DISABLED = FALSE"), "{error}");
    // Nothing counts these against the user, so they are tried again at once.
    place
        .simulator
        .alter_user("DUCKSYNC", |user| user.disabled = false);
    session(&source, 0).await.unwrap();
}

#[tokio::test]
async fn a_suspended_account_is_said_to_be_with_the_query() {
    let place = Place::new().await;
    place.sql("create table db.public.t as select 1 as x").await;
    place.simulator.switch(|settings| settings.suspended = true);
    let error = place.rows("select x from t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("suspended"), "{error}");
    assert!(
        error
            .to_string()
            .contains(&place.simulator.log()[0].query_id),
        "{error}"
    );
    place
        .simulator
        .switch(|settings| settings.suspended = false);
    let rows = place.rows("select x from t").await.unwrap();
    assert_eq!(integers(&rows), [1]);
}
