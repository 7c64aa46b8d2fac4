//! Keys that OpenSSL wrote (`tests/make_keys.sh`).

use std::{fs, path::PathBuf};

use super::*;

fn fixture(name: &str) -> String {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys");
    fs::read_to_string(place.join(name)).unwrap()
}

fn read(text: &str, passphrase: Option<&str>) -> Result<Key> {
    let passphrase = passphrase.map(SecretText::new);
    Key::read(&SecretText::new(text), passphrase.as_ref())
}

fn refusal(text: &str, passphrase: Option<&str>) -> String {
    let error = read(text, passphrase).unwrap_err();
    assert_eq!(error.kind(), ducksync_core::ErrorKind::InvalidArgument);
    let told = format!("{error} {error:?}");
    assert!(!told.contains("MII"), "the key is quoted in {told}");
    told
}

#[test]
fn g11_a_key_is_read_in_every_form_that_openssl_gives_it() {
    let fingerprint = format!("SHA256:{}", fixture("fingerprint.txt").trim());
    let mut forms: Vec<_> = ["pkcs1.pem", "pkcs8.pem"]
        .map(|name| (name, fixture(name), None))
        .into();
    for name in [
        "pkcs8_aes256.pem",
        "pkcs8_aes128_sha512.pem",
        "pkcs8_des3.pem",
        "pkcs8_des3_sha1.pem",
        "pkcs8_scrypt.pem",
    ] {
        forms.push((name, fixture(name), Some("correct horse")));
    }
    let plain = fixture("pkcs8.pem");
    let bare: String = plain
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    forms.push(("bare base64", bare, None));
    forms.push(("one line", plain.replace('\n', "\\n"), None));
    forms.push(("indented", plain.replace('\n', "\r\n    "), None));
    forms.push(("with a passphrase it does not need", plain, Some("x")));
    for (name, text, passphrase) in forms {
        let key = read(&text, passphrase).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(key.fingerprint, fingerprint, "{name}");
        assert!(!format!("{key:?}").contains("MII"), "{key:?}");
    }
}

#[test]
fn g11_passphrases_that_do_not_open_are_told_apart() {
    let encrypted = fixture("pkcs8_aes256.pem");
    let missing = refusal(&encrypted, None);
    assert!(missing.contains("is encrypted") && missing.contains("private_key_passphrase"));
    for name in ["pkcs8_aes256.pem", "pkcs8_des3.pem", "pkcs8_scrypt.pem"] {
        let wrong = refusal(&fixture(name), Some("battery staple"));
        assert!(
            wrong.contains("private_key_passphrase does not open"),
            "{wrong}"
        );
        assert!(!wrong.contains("battery"), "{wrong}");
    }
    for name in ["unfit_pbes1.pem", "unfit_pkcs1_encrypted.pem"] {
        let foreign = refusal(&fixture(name), Some("correct horse"));
        assert!(
            foreign.contains("openssl pkcs8 -topk8"),
            "{name}: {foreign}"
        );
    }
}

#[test]
fn g11_what_is_no_key_is_refused_without_showing_it() {
    let cut = fixture("pkcs8.pem").replace("END", "ND");
    let damaged = fixture("pkcs8.pem").replacen('A', "B", 40);
    let texts = [
        fixture("unfit_public.pem"),
        fixture("unfit_ec.pem"),
        cut,
        damaged,
        "BEGIN SECRET STUFF".to_owned(),
        String::new(),
    ];
    for text in texts {
        let told = refusal(&text, None);
        assert!(told.contains("is not an RSA private key"), "{told}");
        assert!(!told.contains("SECRET STUFF"), "{told}");
    }
    let short = refusal(&fixture("unfit_1024_bits.pem"), None);
    assert!(short.contains("2048"), "{short}");
}
