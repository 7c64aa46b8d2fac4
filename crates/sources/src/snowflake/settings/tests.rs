use ducksync_core::secret::SecretText;
use serde_json::json;

use super::*;

fn secret(pairs: &[(&str, &str)]) -> Secret {
    let values = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretText::new(*value)))
        .collect();
    Secret {
        kind: "snowflake".into(),
        values,
    }
}

const LOGIN: [(&str, &str); 3] = [
    ("account", "My_Org-acc"),
    ("user", "u"),
    ("password", "hunter2"),
];

async fn read(more: &[(&str, &str)]) -> Result<Settings> {
    let pairs: Vec<_> = LOGIN.iter().chain(more).copied().collect();
    Settings::read(&secret(&pairs), &BTreeMap::new(), false).await
}

#[tokio::test]
async fn g11_missing_and_unknown_parameters_are_named() {
    for missing in ["account", "user", "password"] {
        let pairs: Vec<_> = LOGIN
            .iter()
            .filter(|(key, _)| *key != missing)
            .copied()
            .collect();
        let error = Settings::read(&secret(&pairs), &BTreeMap::new(), false)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(missing), "{error}");
    }
    let error = read(&[("pasword", "x")]).await.unwrap_err();
    assert!(error.to_string().contains("pasword"), "{error}");
    let error = read(&[("private_key", "x")]).await.unwrap_err();
    assert!(error.to_string().contains("exclude each other"), "{error}");
}

#[tokio::test]
async fn g11_http_is_for_this_machine_only() {
    let plain = [
        ("protocol", "http"),
        ("host", "snow.example"),
        ("port", "8080"),
    ];
    let error = read(&plain).await.unwrap_err();
    assert!(error.to_string().contains("clear text"), "{error}");
    let pairs: Vec<_> = LOGIN.iter().chain(&plain).copied().collect();
    assert!(
        Settings::read(&secret(&pairs), &BTreeMap::new(), true)
            .await
            .is_ok()
    );
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        assert!(
            read(&[("protocol", "http"), ("host", host)]).await.is_ok(),
            "{host}"
        );
    }
    for host in ["evil@127.0.0.1", "127.0.0.1/x", "127.0.0.1.evil.example"] {
        assert!(
            read(&[("protocol", "http"), ("host", host)]).await.is_err(),
            "{host}"
        );
    }
}

#[tokio::test]
async fn the_host_follows_from_the_account() {
    let settings = read(&[]).await.unwrap();
    assert_eq!(
        settings.base.as_str(),
        "https://my-org-acc.snowflakecomputing.com/"
    );
    assert_eq!(
        host_of("xy1.cn-northwest-1"),
        "xy1.cn-northwest-1.snowflakecomputing.cn"
    );
}

#[tokio::test]
async fn g11_settings_do_not_show_the_secret() {
    let shown = format!("{:?}", read(&[]).await.unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn options_are_checked() {
    let of = |name: &str, value| Options::read(&[(name.to_owned(), value)].into());
    assert_eq!(of("prefetch", json!(2)).unwrap().prefetch, 2);
    assert_eq!(
        of("memory_budget", json!("1048576")).unwrap().memory_budget,
        1 << 20
    );
    for (name, value) in [
        ("prefetch", json!(0)),
        ("chunk_size_mb", json!(8)),
        ("colour", json!(1)),
    ] {
        let error = of(name, value).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
}
