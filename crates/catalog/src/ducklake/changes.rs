//! `changes_made`: what a snapshot says of itself. Other clients find conflicts by it, so it must be
//! true; and it names tables that others changed in ways that leave no row of a file.

use std::collections::BTreeSet;

use ducksync_core::name::quote;

/// What one of our snapshots did, each thing said once.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<String>);

impl Changes {
    /// A change of the schema, table or view with that catalog id, such as `inserted_into_table`.
    pub(crate) fn of(&mut self, kind: &str, id: i64) {
        self.push(format!("{kind}:{id}"));
    }

    /// `created_schema`.
    pub(crate) fn created_schema(&mut self, name: &str) {
        self.push(format!("created_schema:{}", quote(name)));
    }

    /// `created_table` or `created_view`.
    pub(crate) fn created(&mut self, kind: &str, schema: &str, name: &str) {
        self.push(format!("created_{kind}:{}.{}", quote(schema), quote(name)));
    }

    /// The text of `changes_made`.
    pub(crate) fn text(&self) -> String {
        self.0.join(",")
    }

    fn push(&mut self, change: String) {
        if !self.0.contains(&change) {
            self.0.push(change);
        }
    }
}

/// The catalog ids that a text names: of tables, but also of schemas and views.
pub(crate) fn named_ids(text: &str) -> BTreeSet<i64> {
    items(text)
        .filter_map(|item| item.split_once(':')?.1.parse().ok())
        .collect()
}

/// The items of a text: commas inside quoted names do not end one.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_ids_whatever_names_it_quotes() {
        let mut changes = Changes::default();
        changes.created("table", "s", "a,\"dropped_table:7\"");
        changes.of("inserted_into_table", 12);
        changes.of("inserted_into_table", 12);
        changes.created_schema("x:3");
        assert_eq!(
            changes.text(),
            r#"created_table:"s"."a,""dropped_table:7""",inserted_into_table:12,created_schema:"x:3""#
        );
        assert_eq!(named_ids(&changes.text()), BTreeSet::from([12]));
        assert_eq!(named_ids(""), BTreeSet::new());
    }
}
