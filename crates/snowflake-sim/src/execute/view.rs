//! CREATE VIEW: its columns and what it refers to are found when it is made.

use sqlparser::tokenizer::Token;

use super::Executor;
use super::table::IfTaken;
use crate::catalog::{Column, ObjectKind};
use crate::error::SqlError;
use crate::labels::labels;
use crate::lineage;
use crate::names;
use crate::result::ResultSet;
use crate::statement::Kind;
use crate::tokens::{Cursor, is_word};

impl Executor<'_> {
    pub(super) fn create_view(
        &self,
        sql: &str,
        cursor: &mut Cursor,
        mut taken: IfTaken,
        secure: bool,
    ) -> Result<ResultSet, SqlError> {
        if cursor.eat(&["IF", "NOT", "EXISTS"]) {
            taken = IfTaken::Skip;
        }
        let name = self.context.resolve(&cursor.name()?)?;
        self.engine.catalog().schema(&name.database, &name.schema)?;
        let done = format!("View {} successfully created.", name.name);
        if self.engine.catalog().get(&name).is_some() {
            match taken {
                IfTaken::Fail => return Err(SqlError::exists(&name.display())),
                IfTaken::Skip => return Ok(ResultSet::status(Kind::Create, &self.context, done)),
                IfTaken::Replace => {}
            }
        }
        let head = cursor.take_until(|token| is_word(token, "AS"));
        cursor.expect(&["AS"])?;
        let named: Vec<String> = match head.split_first() {
            Some((first, rest)) if first.token == Token::LParen => {
                let inside = rest.iter().take_while(|token| token.token != Token::RParen);
                inside
                    .filter_map(|token| match &token.token {
                        Token::Word(word) => Some(crate::tokens::fold(word)),
                        _ => None,
                    })
                    .collect()
            }
            _ => Vec::new(),
        };
        let query = self.rewrite_plain(cursor.rest())?;
        self.on_connection(|connection| {
            let bound = self.bind(connection, &query)?;
            let found: Vec<String> = bound
                .columns
                .iter()
                .map(|column| column.label.clone())
                .collect();
            let labels = if named.is_empty() {
                labels(cursor.rest(), &found)
            } else {
                named
            };
            let columns: Vec<Column> = labels
                .iter()
                .zip(&bound.columns)
                .map(|(label, column)| Column::new(label, column.kind.clone()))
                .collect();
            let tree = lineage::tree(connection, &query)?;
            let references = lineage::references(&tree, &self.engine.catalog(), &self.context);
            let list: Vec<String> = labels.iter().map(|label| names::quoted(label)).collect();
            self.drop_physical(connection, &name)?;
            connection.execute_batch(&format!(
                "CREATE VIEW {} ({}) AS {query}",
                name.quoted(),
                list.join(", ")
            ))?;
            let kind = ObjectKind::View {
                text: sql.trim().to_owned(),
                references,
                secure,
            };
            self.engine.catalog().define(&name, kind, columns);
            Ok(())
        })?;
        Ok(ResultSet::status(Kind::Create, &self.context, done))
    }
}
