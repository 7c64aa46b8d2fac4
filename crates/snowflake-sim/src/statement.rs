//! What kind of statement a text is, and what it needs to run.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::SqlError;
use crate::log::StatementClass;
use crate::tokens::{Cursor, is_word, tokenize};

/// The kinds of statements that the simulator tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Select,
    Show,
    Describe,
    Explain,
    Use,
    AlterSession,
    Begin,
    Commit,
    Rollback,
    Insert,
    Update,
    Delete,
    Merge,
    Truncate,
    CreateTableAs,
    Create,
    Drop,
    Alter,
}

/// One statement, split into tokens.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) kind: Kind,
    pub(crate) class: StatementClass,
    pub(crate) tokens: Vec<TokenWithSpan>,
}

impl Statement {
    pub(crate) fn parse(sql: &str) -> Result<Self, SqlError> {
        let tokens = tokenize(sql)?;
        let cursor = Cursor::new(tokens.clone());
        let kind = kind(&cursor)?;
        Ok(Self {
            kind,
            class: class(kind, &cursor),
            tokens,
        })
    }

    /// Whether it asks for change tokens, which some accounts only answer on a warehouse.
    pub(crate) fn reads_change_tokens(&self) -> bool {
        self.tokens
            .iter()
            .any(|token| is_word(&token.token, "SYSTEM$LAST_CHANGE_COMMIT_TIME"))
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor::new(self.tokens.clone())
    }
}

impl Kind {
    /// Snowflake's number for the kind, by which drivers know what a reply is.
    pub(crate) fn type_id(self) -> u64 {
        match self {
            Self::Select => 0x1000,
            Self::Insert => 0x3100,
            Self::Update => 0x3200,
            Self::Delete => 0x3300,
            Self::Merge => 0x3400,
            Self::Show | Self::Describe | Self::Explain | Self::Use | Self::AlterSession => 0x4000,
            Self::Begin | Self::Commit | Self::Rollback => 0x5000,
            Self::Truncate | Self::CreateTableAs | Self::Create | Self::Drop | Self::Alter => {
                0x6000
            }
        }
    }
}

fn kind(cursor: &Cursor) -> Result<Kind, SqlError> {
    let mut first = cursor.clone();
    while first.eat_token(&Token::LParen) {}
    let Some(word) = first.word() else {
        return Err(first.unexpected());
    };
    Ok(match word.as_str() {
        "SELECT" | "WITH" | "VALUES" | "FROM" | "CALL" => Kind::Select,
        "SHOW" => Kind::Show,
        "DESC" | "DESCRIBE" => Kind::Describe,
        "EXPLAIN" => Kind::Explain,
        "USE" => Kind::Use,
        "BEGIN" | "START" => Kind::Begin,
        "COMMIT" => Kind::Commit,
        "ROLLBACK" => Kind::Rollback,
        "INSERT" => Kind::Insert,
        "UPDATE" => Kind::Update,
        "DELETE" => Kind::Delete,
        "MERGE" => Kind::Merge,
        "TRUNCATE" => Kind::Truncate,
        "CREATE" if creates_table_as(cursor) => Kind::CreateTableAs,
        "CREATE" => Kind::Create,
        "DROP" => Kind::Drop,
        "ALTER" if cursor.at_words(&["ALTER", "SESSION"]) => Kind::AlterSession,
        "ALTER" | "COMMENT" => Kind::Alter,
        _ => return Err(cursor.unexpected()),
    })
}

/// Whether a CREATE makes a table from rows: `AS <query>` or a clone.
fn creates_table_as(cursor: &Cursor) -> bool {
    let mut cursor = cursor.clone();
    let head = cursor.take_until(|token| is_word(token, "AS") || matches!(token, Token::LParen));
    let makes_table = head.iter().any(|token| is_word(&token.token, "TABLE"));
    cursor.take_until(|token| is_word(token, "AS"));
    makes_table && cursor.at_words(&["AS"])
}

fn class(kind: Kind, cursor: &Cursor) -> StatementClass {
    let mentions = |word: &str| {
        cursor
            .rest()
            .iter()
            .any(|token| matches!(&token.token, Token::Word(found) if found.value.eq_ignore_ascii_case(word)))
    };
    match kind {
        Kind::Select if mentions("INFORMATION_SCHEMA") => StatementClass::MetadataWarehouse,
        Kind::Select if mentions("FROM") => StatementClass::Query,
        Kind::Select
        | Kind::Show
        | Kind::Describe
        | Kind::Explain
        | Kind::Use
        | Kind::AlterSession
        | Kind::Begin
        | Kind::Commit
        | Kind::Rollback => StatementClass::MetadataFree,
        Kind::Insert
        | Kind::Update
        | Kind::Delete
        | Kind::Merge
        | Kind::Truncate
        | Kind::CreateTableAs => StatementClass::Dml,
        Kind::Create | Kind::Drop | Kind::Alter => StatementClass::Ddl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_classified_by_what_they_need() {
        use StatementClass::{Ddl, Dml, MetadataFree, MetadataWarehouse, Query};
        for (sql, class) in [
            ("select 1", MetadataFree),
            (
                "select system$last_change_commit_time('T'), current_timestamp()",
                MetadataFree,
            ),
            (
                "select system$explain_plan_json('select * from t'), system$explain_plan_json($$select 1 from u$$)",
                MetadataFree,
            ),
            ("show tables like 'A'", MetadataFree),
            ("desc table t", MetadataFree),
            ("explain using json select * from t", MetadataFree),
            ("use warehouse w", MetadataFree),
            ("alter session set query_tag = 'x'", MetadataFree),
            (
                "select * from db.information_schema.tables",
                MetadataWarehouse,
            ),
            ("with a as (select 1) select * from a", Query),
            ("(select 1 from t) union select 2", Query),
            ("insert into t values (1)", Dml),
            ("create or replace transient table t as select 1", Dml),
            ("create table t (a int) as select 1", Dml),
            ("create table t (a int default 1)", Ddl),
            ("create view v as select 1 from t", Ddl),
            ("drop table t", Ddl),
        ] {
            assert_eq!(Statement::parse(sql).unwrap().class, class, "{sql}");
        }
        assert_eq!(Statement::parse("selec 1").unwrap_err().code, "001003");
    }
}
