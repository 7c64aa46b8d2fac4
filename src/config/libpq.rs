//! libpq's `key=value` form of an address, in which `setup_storage` takes it (C-2).

use ducksync_core::secret::SecretText;

/// A `postgresql://` address of libpq's `key=value` form; anything else unchanged.
pub(super) fn postgres_url(text: &SecretText) -> SecretText {
    match key_values(text.expose()) {
        Some(pairs) => SecretText::new(url_of(&pairs)),
        None => text.clone(),
    }
}

/// Reads `host=h password='two words'` as libpq does; `None` if it is not of that form.
fn key_values(text: &str) -> Option<Vec<(String, String)>> {
    let mut rest = text.trim_start();
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return None;
        }
        let (value, after) = key_value(value.trim_start())?;
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// One value, quoted or not, and what follows it. A backslash keeps the next character as it is.
fn key_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let body = if quoted { &text[1..] } else { text };
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if quoted => return Some((value, &body[place + 1..])),
            space if space.is_whitespace() && !quoted => return Some((value, &body[place..])),
            other => value.push(other),
        }
    }
    (!quoted).then_some((value, ""))
}

fn url_of(pairs: &[(String, String)]) -> String {
    let get = |key: &str| {
        pairs
            .iter()
            .rev()
            .find(|(k, _)| k == key)
            .map(|(_, v)| encoded(v))
    };
    let mut url = "postgresql://".to_owned();
    if let Some(user) = get("user") {
        url.push_str(&user);
        if let Some(password) = get("password") {
            url.push(':');
            url.push_str(&password);
        }
        url.push('@');
    }
    url.push_str(
        &get("host")
            .or_else(|| get("hostaddr"))
            .unwrap_or_else(|| "localhost".into()),
    );
    if let Some(port) = get("port") {
        url.push(':');
        url.push_str(&port);
    }
    url.push('/');
    url.push_str(&get("dbname").unwrap_or_default());
    const PLACED: [&str; 6] = ["user", "password", "host", "hostaddr", "port", "dbname"];
    let others = pairs
        .iter()
        .filter(|(key, _)| !PLACED.contains(&key.as_str()));
    for (number, (key, value)) in others.enumerate() {
        let separator = if number == 0 { '?' } else { '&' };
        url.push_str(&format!("{separator}{key}={}", encoded(value)));
    }
    url
}

/// Percent-encodes everything but letters, digits and what is safe everywhere in an address.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte as char);
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c2_libpq_strings_become_addresses() {
        for (text, url) in [
            (
                "host=h port=5 dbname=d user=u password=p",
                "postgresql://u:p@h:5/d",
            ),
            ("dbname=d host = h", "postgresql://h/d"),
            (
                r"host=h user=u password='it\'s a/b' dbname=d",
                "postgresql://u:it%27s%20a%2Fb@h/d",
            ),
            (
                "host=/run/pg dbname=d sslmode=disable",
                "postgresql://%2Frun%2Fpg/d?sslmode=disable",
            ),
            (
                "postgresql://u:p@h/d?sslmode=disable",
                "postgresql://u:p@h/d?sslmode=disable",
            ),
            ("sqlite:a=b.db", "sqlite:a=b.db"),
            ("host='h", "host='h"),
        ] {
            assert_eq!(postgres_url(&SecretText::new(text)).expose(), url, "{text}");
        }
    }
}
