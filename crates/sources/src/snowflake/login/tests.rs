use base64::Engine as _;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};

use super::*;
use crate::snowflake::credential::{key_pair, password};

fn login(credential: Credential) -> Login {
    Login::new("xy12345.us-east-1", "Duck", credential, Pauses::quick())
}

async fn body(login: &Login, dated: i64) -> Value {
    let presented = login.credential.present().await.unwrap();
    login.body(&presented, dated).unwrap()
}

#[tokio::test]
async fn key_pair_tokens_name_the_account_without_region_in_upper_case() {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    let pem = key.to_pkcs8_pem(LineEnding::LF).unwrap();
    let body = body(&login(key_pair(&pem)), 300).await;
    let token = body.pointer("/data/TOKEN").unwrap().as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["sub"], "XY12345.DUCK");
    let issuer = claims["iss"].as_str().unwrap();
    assert!(issuer.starts_with("XY12345.DUCK.SHA256:"), "{issuer}");
    let issued = claims["iat"].as_i64().unwrap() - chrono::Utc::now().timestamp();
    assert!((295..=300).contains(&issued), "dated by the other clock");
}

#[tokio::test]
async fn g11_a_login_shows_its_secret_on_the_wire_only() {
    let login = login(password("hunter2"));
    assert_eq!(body(&login, 0).await["data"]["PASSWORD"], "hunter2");
    let presented = login.credential.present().await.unwrap();
    assert!(!format!("{login:?} {presented:?}").contains("hunter2"));
}
