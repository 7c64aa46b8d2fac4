//! Logins by password, key pair and token: what proves a user, and how that changes.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use snowflake_sim::{Simulator, SimulatorConfig, User};

use crate::client::{Client, login, simulator};

struct Pair {
    private: String,
    public: String,
}

fn pair() -> Pair {
    let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    Pair {
        private: key.to_pkcs8_pem(LineEnding::LF).unwrap().to_string(),
        public: RsaPublicKey::from(&key)
            .to_public_key_pem(LineEnding::LF)
            .unwrap(),
    }
}

async fn with_user(user: User) -> Simulator {
    simulator(SimulatorConfig {
        users: vec![user],
        ..SimulatorConfig::default()
    })
    .await
}

async fn by_jwt(simulator: &Simulator, token: &str) -> Value {
    let data = json!({ "AUTHENTICATOR": "SNOWFLAKE_JWT", "LOGIN_NAME": "keyed", "TOKEN": token, "CLIENT_APP_ID": "Test" });
    login(simulator, "warehouse=wh", data).await
}

async fn by_key(simulator: &Simulator, key: &Pair) -> Value {
    let token = snowflake_jwt::generate_jwt_token(&key.private, "ACCOUNT.KEYED").unwrap();
    by_jwt(simulator, &token).await
}

/// Why the account really refused a login.
async fn reason(simulator: &Simulator, reply: &Value) -> String {
    assert_eq!(reply["code"], "390144", "{reply}");
    let message = reply["message"].as_str().unwrap();
    let id = message.strip_prefix("JWT token is invalid. [").unwrap();
    let sql = format!(
        "select system$get_login_failure_details('{}')",
        id.trim_end_matches(']')
    );
    let details = simulator.sql(&sql).await.unwrap();
    let details: Value = serde_json::from_str(details["rows"][0][0].as_str().unwrap()).unwrap();
    details["errorCode"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_pair_opens_a_session_and_is_replaced_without_a_gap() {
    let [first, second] = [pair(), pair()];
    let user = User {
        name: "KEYED".to_owned(),
        public_key: Some(first.public.clone()),
        ..User::default()
    };
    let simulator = with_user(user).await;
    assert_eq!(by_key(&simulator, &first).await["success"], true);
    let token = snowflake_jwt::generate_jwt_token(&first.private, "ACCOUNT.KEYED").unwrap();
    let unnamed = json!({ "AUTHENTICATOR": "SNOWFLAKE_JWT", "TOKEN": token });
    assert_eq!(
        login(&simulator, "", unnamed).await["success"],
        true,
        "the token says who it is"
    );
    let refused = by_key(&simulator, &second).await;
    assert_eq!(
        reason(&simulator, &refused).await,
        "JWT_TOKEN_INVALID_PUBLIC_KEY_FINGERPRINT_MISMATCH"
    );
    simulator.alter_user("keyed", |user| {
        user.second_public_key = Some(second.public.clone())
    });
    assert_eq!(by_key(&simulator, &first).await["success"], true);
    assert_eq!(by_key(&simulator, &second).await["success"], true);
    simulator.alter_user("keyed", |user| user.public_key = None);
    assert_eq!(by_key(&simulator, &first).await["code"], "390144");
    assert_eq!(by_key(&simulator, &second).await["success"], true);
}

#[tokio::test]
async fn every_fault_of_a_jwt_has_its_reason() {
    let [key, other] = [pair(), pair()];
    let user = User {
        name: "KEYED".to_owned(),
        public_key: Some(key.public.clone()),
        ..User::default()
    };
    let simulator = with_user(user).await;
    let good = snowflake_jwt::generate_jwt_token(&key.private, "ACCOUNT.KEYED").unwrap();
    let claims: Value = {
        use base64::Engine as _;
        let middle = good.split('.').nth(1).unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(middle)
            .unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let now = chrono::Utc::now().timestamp();
    let signed = |key: &Pair, change: Value| {
        let mut claims = claims.clone();
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        let key = EncodingKey::from_rsa_pem(key.private.as_bytes()).unwrap();
        encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
    };
    assert_eq!(
        by_jwt(&simulator, &signed(&key, json!({}))).await["success"],
        true
    );
    for (token, expected) in [
        (signed(&other, json!({})), "JWT_TOKEN_INVALID_SIGNATURE"),
        (
            signed(&key, json!({ "iss": "ACCOUNT.KEYED.SHA256:nope" })),
            "JWT_TOKEN_INVALID_PUBLIC_KEY_FINGERPRINT_MISMATCH",
        ),
        (
            signed(&key, json!({ "sub": "ACCOUNT.OTHER" })),
            "JWT_TOKEN_INVALID_USER_IN_ISSUER",
        ),
        (
            signed(&key, json!({ "sub": "ACCOUNT.EU.KEYED" })),
            "JWT_TOKEN_INVALID_USER_IN_ISSUER",
        ),
        (
            signed(&key, json!({ "sub": "account.KEYED" })),
            "JWT_TOKEN_INVALID",
        ),
        (
            signed(&key, json!({ "iat": null })),
            "JWT_TOKEN_MISSING_ISSUE_OR_EXPIRATION_TIME",
        ),
        (
            signed(&key, json!({ "iat": now - 120, "exp": now + 60 })),
            "JWT_TOKEN_INVALID_ISSUE_TIME",
        ),
        (
            signed(&key, json!({ "iat": now - 30, "exp": now - 10 })),
            "JWT_TOKEN_INVALID_EXPIRATION_TIME",
        ),
        (
            encode(
                &Header::new(Algorithm::HS256),
                &claims,
                &EncodingKey::from_secret(b"x"),
            )
            .unwrap(),
            "JWT_TOKEN_INVALID_ALGORITHM",
        ),
        ("no token".to_owned(), "JWT_TOKEN_INVALID"),
    ] {
        let reply = by_jwt(&simulator, &token).await;
        assert_eq!(reason(&simulator, &reply).await, expected, "{token}");
    }
    for offset in [300, -300] {
        simulator.switch(|settings| settings.clock_offset_seconds = offset);
        let reply = by_key(&simulator, &key).await;
        assert_eq!(
            reason(&simulator, &reply).await,
            "JWT_TOKEN_INVALID_ISSUE_TIME",
            "clocks differ by {offset} s"
        );
    }
    simulator.switch(|settings| settings.clock_offset_seconds = 0);
    assert_eq!(by_key(&simulator, &key).await["success"], true);
}

#[tokio::test]
async fn tokens_are_the_users_own_and_of_their_kind() {
    let user = User {
        name: "BOT".to_owned(),
        token: Some("access".to_owned()),
        oauth_token: Some("oauth".to_owned()),
        ..User::default()
    };
    let simulator = with_user(user).await;
    let attempt = async |authenticator: &str, name: &str, token: &str| {
        let data = json!({ "AUTHENTICATOR": authenticator, "LOGIN_NAME": name, "TOKEN": token });
        let reply = login(&simulator, "", data).await;
        reply["code"].as_str().unwrap_or("welcome").to_owned()
    };
    assert_eq!(
        attempt("PROGRAMMATIC_ACCESS_TOKEN", "bot", "access").await,
        "welcome"
    );
    assert_eq!(attempt("OAUTH", "BOT", "oauth").await, "welcome");
    assert_eq!(attempt("OAUTH", "", "oauth").await, "welcome");
    assert_eq!(
        attempt("PROGRAMMATIC_ACCESS_TOKEN", "BOT", "oauth").await,
        "394400"
    );
    assert_eq!(
        attempt("PROGRAMMATIC_ACCESS_TOKEN", "OTHER", "access").await,
        "394400"
    );
    assert_eq!(attempt("OAUTH", "BOT", "access").await, "390303");
    assert_eq!(attempt("OAUTH", "OTHER", "oauth").await, "390309");
    assert_eq!(attempt("OAUTH", "BOT", "").await, "390303");
    let as_password = json!({ "LOGIN_NAME": "BOT", "PASSWORD": "access" });
    assert_eq!(login(&simulator, "", as_password).await["success"], true);
    simulator.alter_user("BOT", |user| user.token = Some("next".to_owned()));
    assert_eq!(
        attempt("PROGRAMMATIC_ACCESS_TOKEN", "BOT", "access").await,
        "394400"
    );
    assert_eq!(
        attempt("PROGRAMMATIC_ACCESS_TOKEN", "BOT", "next").await,
        "welcome"
    );
}

#[tokio::test]
async fn secrets_are_replaced_and_users_locked_out_over_http() {
    let simulator = simulator(SimulatorConfig::default()).await;
    let client = Client::login(&simulator).await;
    let alter = async |change: Value| {
        let request = client
            .http
            .post(format!("{}/sim/users", simulator.url()))
            .json(&change);
        request.send().await.unwrap().status()
    };
    let attempt = async |password: &str| {
        let data = json!({ "LOGIN_NAME": "DUCKSYNC", "PASSWORD": password });
        login(&simulator, "", data).await["code"].clone()
    };
    assert_eq!(
        alter(json!({ "name": "DUCKSYNC", "password": "other" })).await,
        200
    );
    assert_eq!(attempt("ducksync-demo").await, "390100");
    assert_eq!(attempt("other").await, Value::Null);
    client.data("select 1").await;
    assert_eq!(
        alter(json!({ "name": "DUCKSYNC", "disabled": true })).await,
        200
    );
    assert_eq!(attempt("other").await, "390101");
    assert_eq!(
        attempt("wrong").await,
        "390100",
        "only who proves it learns that"
    );
    assert_eq!(
        alter(json!({ "name": "DUCKSYNC", "disabled": false, "password": null })).await,
        200
    );
    assert_eq!(
        attempt("").await,
        "390100",
        "no password is no empty password"
    );
    assert!(
        alter(json!({ "name": "DUCKSYNC", "passwort": "x" }))
            .await
            .is_client_error()
    );
    assert!(!format!("{:?}", User::with_password("A", "hidden")).contains("hidden"));
}
