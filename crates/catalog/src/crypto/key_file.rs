//! The file of the secret key: 64 hexadecimal digits, readable by its owner only.

use std::path::Path;

use ducksync_core::{
    dataset::hex,
    error::{Error, Result},
};

use super::{KEY_BYTES, SecretKey, random};
use crate::private_file;

const WHAT: &str = "the secret key";

pub(super) fn load_or_create(path: &Path) -> Result<SecretKey> {
    if let Some(text) = private_file::read(path, WHAT)? {
        return parse(path, &text);
    }
    let key: [u8; KEY_BYTES] = random()?;
    if private_file::create(path, WHAT, &format!("{}\n", hex(&key)))? {
        return Ok(SecretKey(key));
    }
    // Another process was faster; its key is the key.
    let text = private_file::read(path, WHAT)?.unwrap_or_default();
    parse(path, &text)
}

/// A file that holds no key is never replaced: what was sealed with the lost one would be lost too.
fn parse(path: &Path, text: &str) -> Result<SecretKey> {
    digits(text.trim()).map(SecretKey).ok_or_else(|| {
        Error::failed_precondition(format!("{} holds no secret key", path.display()))
            .with_remedy("restore it from a backup; stored secrets cannot be opened without it")
    })
}

fn digits(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * KEY_BYTES {
        return None;
    }
    let mut key = [0; KEY_BYTES];
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(key)
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn g11_the_key_file_is_made_once_with_mode_0600() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state/secret.key");
        let made = load_or_create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(load_or_create(&path).unwrap().0, made.0);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn g11_a_key_file_that_others_can_read_is_refused_with_the_remedy() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret.key");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(error.message().contains("0640"), "{error}");
        assert!(error.remedy().unwrap().contains("chmod 600"), "{error}");
    }

    #[test]
    fn g11_a_broken_key_file_is_never_replaced_nor_shown() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret.key");
        private_file::create(&path, WHAT, "abcdef").unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(!error.to_string().contains("abcdef"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "abcdef");
    }

    #[test]
    fn processes_that_start_at_once_agree_on_the_key() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("secret.key");
        let start = || load_or_create(&path).unwrap().0;
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}
