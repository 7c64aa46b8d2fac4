//! What kind of statement a text is.

use ducksync_core::{Error, Result, engine::QueryEngine};

use crate::{
    scan::Tokens,
    tree::{Names, names},
};

/// A statement by what must be done with it.
#[derive(Debug, Clone)]
pub(crate) enum Parsed {
    /// Yields rows; DuckDB parsed it.
    Query(ParsedQuery),
    /// Yields rows somewhere, perhaps: DuckDB cannot parse it, a source might.
    Foreign(Foreign),
    /// Opens a transaction of the session.
    Begin,
    /// Commits the session's transaction.
    Commit,
    /// Rolls the session's transaction back.
    Rollback,
    /// Changes tables, views or schemas of the lake.
    Write,
    /// Makes or drops a secret.
    Secret,
    /// Sets a session option: name and value (`None` = back to the default).
    Set(String, Option<String>),
}

/// A query and what it names.
#[derive(Debug, Clone)]
pub(crate) struct ParsedQuery {
    pub(crate) sql: String,
    pub(crate) names: Names,
}

/// A text that DuckDB refused.
#[derive(Debug, Clone)]
pub(crate) struct Foreign {
    pub(crate) sql: String,
    /// DuckDB's words.
    pub(crate) complaint: String,
}

impl Foreign {
    /// The text as a query of which DuckDB's parser told no names.
    pub(crate) fn named(&self) -> ParsedQuery {
        ParsedQuery {
            sql: self.sql.clone(),
            names: Names::default(),
        }
    }
}

/// Parses a statement.
///
/// # Errors
/// `InvalidArgument` for nothing, for several statements and for kinds that are not offered.
pub(crate) async fn parse(engine: &dyn QueryEngine, sql: &str) -> Result<Parsed> {
    let tokens = match Tokens::scan(sql) {
        Ok(tokens) => tokens,
        // Texts end elsewhere where a backslash escapes.
        Err(error) => {
            return Ok(Parsed::Foreign(Foreign {
                sql: sql.to_owned(),
                complaint: error.message().to_owned(),
            }));
        }
    };
    if tokens.end() == 0 {
        return Err(Error::invalid("the statement is empty"));
    }
    let word = tokens.text(0).to_ascii_lowercase();
    match word.as_str() {
        "begin" | "start" => Ok(Parsed::Begin),
        "commit" | "end" => Ok(Parsed::Commit),
        "rollback" | "abort" => Ok(Parsed::Rollback),
        "create" | "drop" if is_secret(&tokens) => Ok(Parsed::Secret),
        "create" | "drop" | "alter" | "insert" | "update" | "delete" | "truncate" | "merge" => {
            one(&tokens)?;
            Ok(Parsed::Write)
        }
        "set" | "reset" | "use" => set(&tokens, &word),
        "call" => query(engine, &called(&tokens)).await,
        "copy" | "attach" | "detach" | "install" | "load" | "pragma" | "export" | "import"
        | "checkpoint" | "vacuum" | "analyze" | "explain" | "prepare" | "execute"
        | "deallocate" => Err(Error::invalid(format!(
            "{} statements are not offered",
            word.to_ascii_uppercase()
        ))
        .with_remedy("see the documentation for what this server takes")),
        _ => query(engine, sql).await,
    }
}

/// Parses a query, which the caller knows to be none of the other kinds.
pub(crate) async fn query(engine: &dyn QueryEngine, sql: &str) -> Result<Parsed> {
    match engine.parse(sql).await {
        Ok(tree) => Ok(Parsed::Query(ParsedQuery {
            sql: sql.to_owned(),
            names: names(&tree)?,
        })),
        Err(error) if error.kind() == ducksync_core::ErrorKind::InvalidArgument => {
            let complaint = error.message().to_owned();
            Ok(Parsed::Foreign(Foreign {
                sql: sql.to_owned(),
                complaint,
            }))
        }
        Err(error) => Err(error),
    }
}

fn is_secret(tokens: &Tokens<'_>) -> bool {
    (1..5).any(|i| tokens.is_word(i, "secret"))
        && !(1..5).any(|i| {
            ["table", "view", "schema"]
                .iter()
                .any(|w| tokens.is_word(i, w))
        })
}

fn one(tokens: &Tokens<'_>) -> Result<()> {
    let end = tokens.find(0, |t, i| t.is_symbol(i, b';'))?;
    if end < tokens.end() {
        return Err(Error::invalid("several statements were sent at once").with_remedy("send one"));
    }
    Ok(())
}

/// `CALL f(…)` is `SELECT * FROM f(…)`.
fn called(tokens: &Tokens<'_>) -> String {
    format!("SELECT * FROM {}", tokens.slice(1, tokens.end()))
}

fn set(tokens: &Tokens<'_>, word: &str) -> Result<Parsed> {
    let usage =
        || Error::invalid("this setting cannot be read").with_remedy("write SET option = 'value'");
    if word == "use" {
        let (parts, _) = tokens.name(1).ok_or_else(usage)?;
        return Ok(Parsed::Set("schema".into(), parts.last().cloned()));
    }
    let mut at = 1;
    while ["session", "local"]
        .iter()
        .any(|scope| tokens.is_word(at, scope))
    {
        at += 1;
    }
    if tokens.is_word(at, "global") {
        return Err(Error::permission_denied("SET GLOBAL is not offered"));
    }
    if tokens.are_words(at, &["time", "zone"]) {
        return value(tokens, at + 2).map(|v| Parsed::Set("timezone".into(), Some(v)));
    }
    let (mut name, next) = tokens.name(at).ok_or_else(usage)?;
    let name = name.pop().unwrap_or_default();
    let name = name.strip_prefix("ducksync_").unwrap_or(&name).to_owned();
    if word == "reset" {
        return Ok(Parsed::Set(name, None));
    }
    if !(tokens.is_symbol(next, b'=') || tokens.is_word(next, "to")) {
        return Err(usage());
    }
    value(tokens, next + 1).map(|value| Parsed::Set(name, Some(value)))
}

fn value(tokens: &Tokens<'_>, at: usize) -> Result<String> {
    let text = tokens.slice(at, tokens.end());
    if text.is_empty() {
        return Err(Error::invalid("the setting has no value"));
    }
    Ok(
        match text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''))
        {
            Some(inner) => inner.replace("''", "'"),
            None => text.trim_matches('"').to_owned(),
        },
    )
}
