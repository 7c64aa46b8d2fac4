//! The configuration as a table: what is written, and what becomes of it.

use super::*;

const FILE: &str = "/etc/ducksync/ducksync.toml";

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Config> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    Config::parse(Path::new(FILE), Some(text), variables)
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    parse(text, variables).unwrap_err().to_string()
}

#[test]
fn v19_without_configuration_the_default_is_on_the_loopback() {
    let config =
        Config::parse(Path::new("/home/a/ducksync.toml"), None, std::iter::empty()).unwrap();
    assert_eq!(config.file, None);
    assert_eq!(config.data_directory, Path::new("/home/a/ducksync-data"));
    assert_eq!(
        config.catalog,
        CatalogUrl::Sqlite("/home/a/ducksync-data/ducksync.db".into())
    );
    assert_eq!(config.lake.data_path, "/home/a/ducksync-data/lake/");
    assert_eq!(
        config.secret_key_file,
        Path::new("/home/a/ducksync-data/secret.key")
    );
    let [listen] = config.listen.as_slice() else {
        panic!("one listener")
    };
    assert!(listen.is_loopback() && !listen.tls);
    assert_eq!(listen.client_url(listen.port), "grpc://127.0.0.1:31337");
}

#[test]
fn o1_relative_paths_begin_at_the_file() {
    let text = "data_directory = \"../state\"\ncatalog.url = \"sqlite:ducksync.db\"\n\
                lake.data_path = \"./files\"\nengine.temp_directory = \"/tmp/spill\"\n";
    let config = parse(text, &[]).unwrap();
    assert_eq!(
        config.catalog,
        CatalogUrl::Sqlite("/etc/ducksync/ducksync.db".into())
    );
    assert_eq!(config.lake.data_path, "/etc/ducksync/files/");
    assert_eq!(
        config.engine.temp_directory.as_deref(),
        Some(Path::new("/tmp/spill"))
    );
}

#[test]
fn o1_variables_override_the_file() {
    let config = parse(
        "lake.name = \"one\"\nserving.max_sessions = 7\n",
        &[
            ("DUCKSYNC__LAKE__NAME", "two"),
            ("DUCKSYNC__SERVING__WAIT_TIMEOUT", "5s"),
            ("DUCKSYNC__FLIGHT__LISTEN", "[\"grpc://localhost:0\"]"),
            ("DUCKSYNC__ENGINE__LOADING__THREADS", "3"),
            ("DUCKSYNC__SECRETS__SF__TYPE", "snowflake"),
            ("DUCKSYNC__SECRETS__SF__PASSWORD", "0042"),
            ("DUCKSYNC_OTHER", "is not for us"),
        ],
    )
    .unwrap();
    assert_eq!(config.lake.name, "two");
    assert_eq!(config.serving.max_sessions, 7);
    assert_eq!(config.serving.wait_timeout.0.as_secs(), 5);
    assert_eq!(config.listen[0].host, "localhost");
    assert_eq!(config.engine.loading.threads, 3);
    let (_, secret) = &config.secrets["sf"];
    assert_eq!(
        (secret.kind.as_str(), secret.get("password")),
        ("snowflake", Some("0042"))
    );
}

#[test]
fn o1_an_unknown_key_is_refused_with_its_place_and_the_nearest_name() {
    for (text, variables, words) in [
        (
            "\n\n[lake]\ndata_pth = \"x\"\n",
            &[][..],
            &[
                "ducksync.toml:4",
                "lake.data_pth",
                "did you mean lake.data_path?",
            ][..],
        ),
        (
            "servng.max_sessions = 1",
            &[],
            &["ducksync.toml:1", "servng", "did you mean serving?"],
        ),
        (
            "[engine.loading]\nmemory = 3",
            &[],
            &["ducksync.toml:2", "engine.loading.memory", "memory_limit"],
        ),
        (
            "",
            &[("DUCKSYNC__LAKE__NAMME", "x")],
            &["variable DUCKSYNC__LAKE__NAMME", "lake.name?"],
        ),
        ("zzz = 1", &[], &["known here", "catalog"]),
        (
            "[flush.hot]\nsource = 'x'",
            &[],
            &["flush", "does not offer it yet"],
        ),
        (
            "[sources.prod]\ndriver = 'snowflake'\nsecret = 's'\npasthrough_enabled = true",
            &[],
            &["ducksync.toml:4", "passthrough_enabled"],
        ),
    ] {
        let error = refusal(text, variables);
        for word in words {
            assert!(error.contains(word), "{word:?} is not in {error:?}");
        }
    }
}

#[test]
fn o1_broken_files_name_the_line() {
    for (text, words) in [
        (
            "[lake]\nname = \"x\nurl = 1\n",
            &["ducksync.toml:2", "not valid TOML"][..],
        ),
        (
            "[serving]\nwait_timeout = 30\n",
            &["ducksync.toml:2", "serving.wait_timeout", "with its unit"],
        ),
        (
            "[serving]\nmax_sessions = \"many\"\n",
            &["ducksync.toml:2", "serving.max_sessions"],
        ),
        (
            "[engine]\nmemory_limit = \"12 bananas\"\n",
            &["ducksync.toml:2", "\"256MiB\""],
        ),
        ("lake.name = 'a'\nlake.name = 'b'\n", &["ducksync.toml:2"]),
    ] {
        let error = refusal(text, &[]);
        for word in words {
            assert!(error.contains(word), "{word:?} is not in {error:?}");
        }
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn o1_ranges_are_lifted_by_testing_and_relations_are_not() {
    for (text, word) in [
        ("refresh.poll_interval = \"5ms\"", "refresh.poll_interval"),
        (
            "maintenance.cleanup_older_than = \"1m\"",
            "flight.ticket_life",
        ),
        ("refresh.workers = 0", "refresh.workers"),
        (
            "flight.max_message_bytes = \"1MiB\"",
            "flight.max_message_bytes",
        ),
    ] {
        assert!(refusal(text, &[]).contains(word), "{text}");
        assert!(
            parse(&format!("testing = true\n{text}"), &[]).is_ok(),
            "{text}"
        );
    }
    let related = "testing = true\nrefresh = { heartbeat = \"2s\", claim_expiry = \"3s\" }";
    assert!(refusal(related, &[]).contains("claim_expiry"));
    assert!(
        parse("maintenance.cleanup_older_than = \"\"", &[]).is_ok(),
        "\"\" is never"
    );
}

#[test]
fn v19_a_listener_that_would_show_passwords_is_refused() {
    for (text, word) in [
        ("flight.listen = ['grpc://0.0.0.0:1']", "allow_plaintext"),
        ("flight.listen = ['grpc+tls://0.0.0.0:1']", "tls_cert"),
        ("flight.listen = ['quack:here']", "grpc://host:port"),
        ("flight.listen = []", "at least one"),
        ("flight.listen = ['grpc://127.0.0.1']", "no port"),
        (
            "flight.listen = ['grpc://127.0.0.1:1/x']",
            "behind the port",
        ),
        ("flight.listen = ['grpc://u:hunter2@h:1']", "names a user"),
    ] {
        assert!(refusal(text, &[]).contains(word), "{text}");
    }
    assert!(
        parse(
            "flight = { listen = ['grpc://0.0.0.0:1'], allow_plaintext = true }",
            &[]
        )
        .is_ok()
    );
    let tls = "flight = { listen = ['grpc+tls://[::]:1'], tls_cert = 'a', tls_key_file = 'b' }";
    let config = parse(tls, &[]).unwrap();
    assert_eq!(config.listen[0].client_url(9), "grpc+tls://[::1]:9");
    assert_eq!(
        config.flight.tls_cert.as_deref(),
        Some(Path::new("/etc/ducksync/a"))
    );
}

#[test]
fn g11_secrets_come_from_their_files_and_are_never_shown() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("key.p8"), "-----BEGIN\nhunter2\n").unwrap();
    let text = "[secrets.lake]\ntype = 's3'\nsecret_file = 'key.p8'\n\
                [secrets.sf_prod]\ntype = 'Snowflake'\nUSER = 'u'\nport = 443\n\
                private_key_file = 'key.p8'\n[sources.prod]\ndriver = 'snowflake'\nsecret = 'sf_prod'\n";
    let path = home.path().join("ducksync.toml");
    let config = Config::parse(&path, Some(text), std::iter::empty()).unwrap();
    let (_, secret) = &config.secrets["lake"];
    assert_eq!(secret.get("secret"), Some("-----BEGIN\nhunter2"));
    let (_, secret) = &config.secrets["sf_prod"];
    let place = home.path().join("key.p8");
    assert_eq!(
        secret.get("private_key_file"),
        place.to_str(),
        "it is read at each login"
    );
    assert_eq!(secret.get("private_key"), None);
    assert_eq!(
        (secret.get("user"), secret.get("port")),
        (Some("u"), Some("443"))
    );
    assert_eq!(config.sources[0].secret.as_str(), "sf_prod");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn g11_bad_secrets_are_refused_without_showing_them() {
    for (text, word) in [
        ("[secrets.sf]\npassword = 'hunter2'", "has no type"),
        (
            "[secrets.sf]\ntype = 's3'\npassword = 'hunter2'\npassword_file = 'x'",
            "x",
        ),
        (
            "[secrets.sf]\ntype = 'snowflake'\npassword = 'hunter2'\npassword_file = '/dev/null'",
            "twice",
        ),
        (
            "[secrets.sf]\ntype = 's3'\npassword = ['hunter2']",
            "secrets.sf",
        ),
        (
            "[secrets.'s f']\ntype = 's3'\npassword = 'hunter2'",
            "letters",
        ),
        (
            "[secrets.SF]\ntype = 's3'\n[secrets.sf]\ntype = 's3'",
            "same name",
        ),
        ("catalog.url = 'mysql://u:hunter2@h/d'", "postgresql://"),
    ] {
        let error = refusal(text, &[]);
        assert!(error.contains(word), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn i9_a_shown_catalog_address_has_no_password() {
    for (url, shown) in [
        (
            "postgresql://u:hunter2@h:5432/d?sslmode=disable",
            "postgresql://u@h:5432/d",
        ),
        ("postgresql://u:p%40ss@h/d", "postgresql://u@h/d"),
        ("postgres://h/d?password=hunter2", "postgres://h/d"),
    ] {
        let config = parse(&format!("catalog.url = {url:?}"), &[]).unwrap();
        assert_eq!(config.catalog.shown(), shown);
    }
}

#[test]
fn what_is_not_offered_is_refused_by_name() {
    for (text, word) in [
        ("service.role = 'worker'", "service.role"),
        ("auth.jwks_url = 'https://x'", "auth.jwks_url"),
        ("serving.verify_sample = 0.1", "verify_sample"),
        ("logs.format = 'xml'", "json or text"),
    ] {
        assert!(refusal(text, &[]).contains(word), "{text}");
    }
}
