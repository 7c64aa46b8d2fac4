//! What a SHOW asks for: patterns and places.

use crate::error::SqlError;
use crate::execute::Executor;
use crate::names::ObjectName;
use crate::tokens::Cursor;

/// The most rows that one SHOW returns.
pub(super) const ROW_CAP: usize = 10_000;

/// Where to look.
pub(super) enum Scope {
    Account,
    Database(String),
    Schema(String, String),
}

/// `[HISTORY] [LIKE 'pattern'] [IN …] [STARTS WITH 'prefix'] [LIMIT n [FROM 'name']]`.
pub(super) struct Request {
    pub(super) like: Option<String>,
    pub(super) scope: Scope,
    pub(super) starts_with: Option<String>,
    pub(super) limit: usize,
    pub(super) from: Option<String>,
}

impl Request {
    pub(super) fn admits(&self, name: &str) -> bool {
        self.like
            .as_ref()
            .is_none_or(|pattern| like(&pattern.to_uppercase(), &name.to_uppercase()))
            && self
                .starts_with
                .as_ref()
                .is_none_or(|prefix| name.starts_with(prefix))
            && self.from.as_ref().is_none_or(|from| name > from.as_str())
    }

    pub(super) fn covers(&self, name: &ObjectName) -> bool {
        match &self.scope {
            Scope::Account => true,
            Scope::Database(database) => name.database == *database,
            Scope::Schema(database, schema) => name.database == *database && name.schema == *schema,
        }
    }
}

impl Executor<'_> {
    pub(super) fn request(&self, cursor: &mut Cursor) -> Result<Request, SqlError> {
        cursor.eat(&["HISTORY"]);
        let like = if cursor.eat(&["LIKE"]) {
            cursor.string()
        } else {
            None
        };
        let scope = if cursor.eat(&["IN"]) {
            self.scope(cursor)?
        } else {
            self.default_scope()
        };
        let starts_with = if cursor.eat(&["STARTS", "WITH"]) {
            cursor.string()
        } else {
            None
        };
        let limit = if cursor.eat(&["LIMIT"]) {
            cursor.number()
        } else {
            None
        };
        let from = if cursor.eat(&["FROM"]) {
            cursor.string()
        } else {
            None
        };
        if !cursor.is_done() {
            return Err(cursor.unexpected());
        }
        let limit = limit.map_or(ROW_CAP, |limit| {
            usize::try_from(limit).unwrap_or(ROW_CAP).min(ROW_CAP)
        });
        Ok(Request {
            like,
            scope,
            starts_with,
            limit,
            from,
        })
    }

    fn default_scope(&self) -> Scope {
        match (&self.context.database, &self.context.schema) {
            (Some(database), Some(schema)) => Scope::Schema(database.clone(), schema.clone()),
            (Some(database), None) => Scope::Database(database.clone()),
            (None, _) => Scope::Account,
        }
    }

    fn scope(&self, cursor: &mut Cursor) -> Result<Scope, SqlError> {
        if cursor.eat(&["ACCOUNT"]) {
            return Ok(Scope::Account);
        }
        let catalog = self.engine.catalog();
        if cursor.eat(&["DATABASE"]) {
            let name = if cursor.is_done() {
                self.context.database.clone()
            } else {
                Some(cursor.identifier()?)
            };
            let name = name.ok_or_else(SqlError::no_database)?;
            let found = catalog.databases.contains_key(&name);
            return if found {
                Ok(Scope::Database(name))
            } else {
                Err(SqlError::missing("Database", &name))
            };
        }
        if cursor.eat(&["TABLE"]) || cursor.eat(&["VIEW"]) {
            let name = self.context.resolve(&cursor.name()?)?;
            return Ok(Scope::Schema(name.database, name.schema));
        }
        let schema_said = cursor.eat(&["SCHEMA"]);
        let parts = if cursor.is_done() {
            self.context.schema.clone().into_iter().collect()
        } else {
            cursor.name()?
        };
        if let ([only], false) = (parts.as_slice(), schema_said)
            && catalog.databases.contains_key(only)
        {
            return Ok(Scope::Database(only.clone()));
        }
        let (database, schema) = self.context.resolve_schema(&parts)?;
        catalog.schema(&database, &schema)?;
        Ok(Scope::Schema(database, schema))
    }
}

/// SQL's LIKE: `%` any text, `_` any character, `\` before either means itself.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('%') => {
            let tail = rest.as_str();
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| like(tail, &text[at..]))
        }
        Some('_') => text
            .chars()
            .next()
            .is_some_and(|first| like(rest.as_str(), &text[first.len_utf8()..])),
        Some(mut expected) => {
            if expected == '\\' {
                expected = rest.next().unwrap_or('\\');
            }
            text.strip_prefix(expected)
                .is_some_and(|text| like(rest.as_str(), text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_knows_its_wildcards() {
        assert!(like("A_C%", "ABCDEF"));
        assert!(like(r"A\_C", "A_C"));
        assert!(!like(r"A\_C", "ABC"));
        assert!(like("%", ""));
        assert!(!like("A", "AB"));
    }
}
