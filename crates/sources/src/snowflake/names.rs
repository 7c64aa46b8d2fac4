//! Snowflake's identifiers and literals.

use ducksync_core::{
    error::{Error, Result},
    name::ObjectName,
    source::SourcePart,
};

/// The name that an identifier as written stands for: upper case unless it is quoted.
pub(super) fn fold(written: &str) -> String {
    let written = written.trim();
    match written
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        Some(inside) => inside.replace("\"\"", "\""),
        None => written.to_uppercase(),
    }
}

fn fold_part(part: &SourcePart) -> String {
    if part.quoted {
        part.text.clone()
    } else {
        part.text.to_uppercase()
    }
}

/// A text literal. Snowflake reads a backslash as the start of an escape, so it is doubled as well.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A pattern of LIKE that matches `text` at least, as a literal. It may match more (`_` and `%` are
/// wildcards), so the answer must be compared exactly (C-9); no escape is used that could match less.
pub(super) fn covering_pattern(text: &str) -> String {
    literal(&text.replace('\\', "_"))
}

/// The name of one to three parts with what the session knows; `None` if it lacks what is needed.
pub(super) fn complete(
    parts: &[SourcePart],
    database: Option<String>,
    schema: Option<String>,
) -> Result<ObjectName> {
    let (database, schema, name) = match parts {
        [name] => (database, schema, name),
        [schema, name] => (database, Some(fold_part(schema)), name),
        [database, schema, name] if schema.text.is_empty() => {
            (Some(fold_part(database)), Some("PUBLIC".to_owned()), name)
        }
        [database, schema, name] => (Some(fold_part(database)), Some(fold_part(schema)), name),
        _ => {
            let count = parts.len();
            return Err(Error::invalid(format!(
                "a snowflake name has one to three parts, not {count}"
            )));
        }
    };
    let missing = |what: &str| {
        Error::invalid(format!(
            "name {:?} has no {what}, and the session has none",
            name.text
        ))
        .with_remedy(format!("qualify the name, or set {what} in the secret"))
    };
    Ok(ObjectName {
        database: database.ok_or_else(|| missing("database"))?,
        schema: schema.ok_or_else(|| missing("schema"))?,
        name: fold_part(name),
    })
}

/// The object of a dotted name as plans write it; `None` unless it has three parts.
pub(super) fn parse_qualified(text: &str) -> Option<ObjectName> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                parts.last_mut()?.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => parts.last_mut()?.push(other),
        }
    }
    let [database, schema, name] = <[String; 3]>::try_from(parts).ok()?;
    let whole = !quoted
        && [&database, &schema, &name]
            .iter()
            .all(|part| !part.is_empty());
    whole.then_some(ObjectName {
        database,
        schema,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> SourcePart {
        match text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
        {
            Some(inside) => SourcePart {
                text: inside.to_owned(),
                quoted: true,
            },
            None => SourcePart {
                text: text.to_owned(),
                quoted: false,
            },
        }
    }

    #[test]
    fn g3_names_fold_and_complete_as_snowflake_does() {
        let session = || (Some("DB".to_owned()), Some("PUBLIC".to_owned()));
        for (written, expected) in [
            (vec!["orders"], "DB.PUBLIC.ORDERS"),
            (vec!["\"orders\""], "DB.PUBLIC.orders"),
            (vec!["s", "\"T\""], "DB.S.T"),
            (vec!["\"d\"", "s", "t"], "d.S.T"),
            (vec!["d", "", "t"], "D.PUBLIC.T"),
        ] {
            let parts: Vec<_> = written.iter().map(|text| part(text)).collect();
            let (database, schema) = session();
            assert_eq!(
                complete(&parts, database, schema).unwrap().to_string(),
                expected
            );
        }
        let error = complete(&[part("t")], Some("D".into()), None).unwrap_err();
        assert!(error.to_string().contains("schema"), "{error}");
    }

    #[test]
    fn g3_literals_cannot_be_left() {
        assert_eq!(literal(r"a'b\'c"), r"'a''b\\''c'");
        assert_eq!(covering_pattern(r"A_B\C"), "'A_B_C'");
        assert_eq!(fold("\"a\"\"b\""), "a\"b");
        assert_eq!(fold("abc"), "ABC");
    }

    #[test]
    fn plan_names_may_be_quoted() {
        assert_eq!(
            parse_qualified("DB.S.T").unwrap().quoted(),
            r#""DB"."S"."T""#
        );
        assert_eq!(parse_qualified(r#"DB."a.b"."c""d""#).unwrap().name, "c\"d");
        assert!(parse_qualified("T").is_none());
        assert!(parse_qualified(r#"DB.S."T"#).is_none());
    }
}
