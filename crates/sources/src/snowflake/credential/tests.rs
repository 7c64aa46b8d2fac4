use super::*;

fn of(pairs: &[(&str, &str)]) -> Result<Credential> {
    let values = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), SecretText::new(*value)))
        .collect();
    Credential::of(&Secret {
        kind: "snowflake".to_owned(),
        values,
    })
}

fn text(presented: &Presented) -> &str {
    match &presented.proof {
        Proof::Password(text) | Proof::Token(text, _) => text.expose(),
        Proof::KeyPair(_) => panic!("a key has no text"),
    }
}

#[tokio::test]
async fn g11_a_file_is_read_at_each_login() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    for name in ["password_file", "token_file"] {
        let credential = of(&[(name, path.to_str().unwrap())]).unwrap();
        assert!(credential.is_in_files());
        std::fs::write(&path, "first\r\n").unwrap();
        let first = credential.present().await.unwrap();
        assert_eq!(text(&first), "first");
        std::fs::write(&path, "second").unwrap();
        let second = credential.present().await.unwrap();
        assert_eq!(text(&second), "second");
        assert!(first.digest != second.digest);
        std::fs::remove_file(&path).unwrap();
        let error = credential.present().await.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn g11_unfit_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    for (content, why) in [
        (&b"\n"[..], "empty"),
        (&[b'x'; 70_000], "64 KiB"),
        (b"\xff", "invalid"),
    ] {
        std::fs::write(&path, content).unwrap();
        let credential = of(&[("password_file", path.to_str().unwrap())]).unwrap();
        let error = credential.present().await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn g11_parameters_that_do_not_go_together_are_named() {
    for (pairs, named) in [
        (&[][..], "password is missing"),
        (
            &[("password", "a"), ("token", "b")],
            "password and token exclude",
        ),
        (
            &[("password", "a"), ("password_file", "b")],
            "password_file exclude",
        ),
        (
            &[("private_key", "a"), ("private_key_file", "b")],
            "private_key_file exclude",
        ),
        (
            &[("token", "a"), ("private_key_passphrase", "b")],
            "private_key_passphrase goes with",
        ),
        (
            &[("password", "a"), ("authenticator", "oauth")],
            "authenticator goes with",
        ),
        (
            &[("token", "a"), ("authenticator", "kerberos")],
            "authenticator is unknown",
        ),
    ] {
        let error = of(pairs).unwrap_err();
        assert_eq!(error.kind(), ducksync_core::ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn g11_a_password_keeps_its_blanks() {
    let credential = of(&[("password", " a b ")]).unwrap();
    assert_eq!(text(&credential.present().await.unwrap()), " a b ");
    assert!(!credential.is_in_files());
}
