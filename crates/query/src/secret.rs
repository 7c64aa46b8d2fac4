//! CREATE SECRET and DROP SECRET (G-11).

use std::{collections::BTreeMap, sync::Arc};

use ducksync_core::{
    Error, Result,
    auth::{GrantTarget, Privilege},
    name::Name,
    secret::{Secret, SecretText},
};

use crate::{Query, Session, scan::TokenKind, scan::Tokens, statement::Answer};

/// The kinds of secrets.
const KINDS: &[&str] = &["snowflake", "s3", "postgres"];

impl Query {
    pub(crate) async fn secret(&self, session: &Arc<Session>, sql: &str) -> Result<Answer> {
        session
            .principal()
            .require(Privilege::Manage, &GrantTarget::Server)?;
        let tokens = Tokens::scan(sql)?;
        match tokens.is_word(0, "drop") {
            true => self.drop_secret(&tokens).await?,
            false => self.create_secret(&tokens).await?,
        }
        Ok(self.affected(None, "changes a secret"))
    }

    async fn drop_secret(&self, tokens: &Tokens<'_>) -> Result<()> {
        let mut at = 1;
        while tokens.is_word(at, "persistent") || tokens.is_word(at, "temporary") {
            at += 1;
        }
        at += 1;
        let lenient = tokens.are_words(at, &["if", "exists"]);
        if lenient {
            at += 2;
        }
        let name = secret_name(tokens, at)?;
        match self.parts.secrets.drop_secret(&name).await {
            Err(error) if lenient && error.kind() == ducksync_core::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn create_secret(&self, tokens: &Tokens<'_>) -> Result<()> {
        let mut at = 1;
        let replace = tokens.are_words(at, &["or", "replace"]);
        if replace {
            at += 2;
        }
        while tokens.is_word(at, "persistent") || tokens.is_word(at, "temporary") {
            at += 1;
        }
        at += 1;
        let lenient = tokens.are_words(at, &["if", "not", "exists"]);
        if lenient {
            at += 3;
        }
        let name = secret_name(tokens, at)?;
        let secret = parameters(tokens, at + 1)?;
        match self.parts.secrets.put_secret(&name, &secret, replace).await {
            Err(error) if lenient && error.kind() == ducksync_core::ErrorKind::AlreadyExists => {
                Ok(())
            }
            other => other,
        }
    }
}

fn secret_name(tokens: &Tokens<'_>, at: usize) -> Result<Name> {
    Name::parse("secret name", &tokens.identifier(at).unwrap_or_default())
}

/// `(TYPE snowflake, ACCOUNT '…', …)`. Errors name parameters, never their values.
fn parameters(tokens: &Tokens<'_>, open: usize) -> Result<Secret> {
    if !tokens.is_symbol(open, b'(') {
        return Err(
            Error::invalid("CREATE SECRET needs its parameters in brackets")
                .with_remedy("write CREATE SECRET name (TYPE snowflake, ACCOUNT '…', USER '…', …)"),
        );
    }
    let behind = tokens.behind_bracket(open)?;
    let mut values = BTreeMap::new();
    for part in tokens.split_commas(open + 1, behind - 1)? {
        let key = tokens
            .identifier(part.start)
            .unwrap_or_default()
            .to_ascii_lowercase();
        if part.len() != 2 || key.is_empty() {
            return Err(Error::invalid(
                "a parameter of the secret is not a name with one value",
            ));
        }
        if values
            .insert(key.clone(), value(tokens, part.start + 1))
            .is_some()
        {
            return Err(Error::invalid(format!("parameter {key} is given twice")));
        }
    }
    let kind = values
        .remove("type")
        .map(|kind| kind.expose().to_ascii_lowercase())
        .ok_or_else(|| Error::invalid("the secret has no TYPE"))?;
    if !KINDS.contains(&kind.as_str()) {
        return Err(Error::invalid(format!("secret type {kind} is unknown"))
            .with_remedy(format!("use one of {}", KINDS.join(", "))));
    }
    Ok(Secret { kind, values })
}

fn value(tokens: &Tokens<'_>, at: usize) -> SecretText {
    let text = tokens.text(at);
    let kind = tokens.list.get(at).map(|token| token.kind);
    let plain = match kind {
        Some(TokenKind::Text) if text.starts_with('\'') => {
            text[1..text.len() - 1].replace("''", "'")
        }
        Some(TokenKind::Text) if text.starts_with('$') => {
            let tag = text[1..].find('$').map_or(2, |end| end + 2);
            text[tag..text.len() - tag].to_owned()
        }
        Some(TokenKind::Text) if text.starts_with(['e', 'E']) => text[2..text.len() - 1]
            .replace("\\n", "\n")
            .replace("\\'", "'")
            .replace("''", "'"),
        _ => tokens.identifier(at).unwrap_or_else(|| text.to_owned()),
    };
    SecretText::new(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g11_a_secret_is_read_and_never_shown() {
        let sql = "CREATE SECRET s (TYPE Snowflake, ACCOUNT 'acc', PASSWORD 'it''s', \
                   PRIVATE_KEY $$a\nb$$, PORT 8080)";
        let tokens = Tokens::scan(sql).unwrap();
        let secret = parameters(&tokens, 3).unwrap();
        assert_eq!(secret.kind, "snowflake");
        assert_eq!(secret.get("password"), Some("it's"));
        assert_eq!(secret.get("private_key"), Some("a\nb"));
        assert_eq!(secret.get("port"), Some("8080"));
        assert!(!format!("{secret:?}").contains("it's"));
        for bad in [
            "(TYPE x)",
            "(ACCOUNT 'a')",
            "(TYPE snowflake, A 'hidden' 'b')",
            "x",
        ] {
            let sql = format!("CREATE SECRET s {bad}");
            let error = parameters(&Tokens::scan(&sql).unwrap(), 3).unwrap_err();
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }
}
