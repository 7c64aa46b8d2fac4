use ducksync_core::{
    dataset::{InvalidationMode, QueryCache, RefreshMethod, TtlAction},
    name::{Name, ObjectName},
    source::{TypeMapping, TypeOptions},
    types::{Field, LakeType},
};

use super::{
    decide::{Candidate, Decision, Meaning, Proof, Verdict, decide},
    shape::CopyOf,
};
use crate::dialect::{SourceQuery, folded};

/// PROD.PUBLIC.ORDERS and PROD.PUBLIC.CUSTOMERS, as far as columns matter.
fn field(name: &str) -> Field {
    let ty = match name {
        "ID" | "CUSTOMER" => LakeType::Int64,
        "AMOUNT" | "TOTAL" => LakeType::Decimal {
            precision: 12,
            scale: 2,
        },
        "DAY" => LakeType::Date,
        "EXTRA" => LakeType::Json,
        _ => LakeType::Varchar,
    };
    Field::new(name, ty)
}

fn object(name: &str) -> ObjectName {
    ObjectName {
        database: "PROD".into(),
        schema: "PUBLIC".into(),
        name: name.into(),
    }
}

fn definition(query: &str) -> QueryCache {
    let parsed = SourceQuery::parse(query).unwrap();
    let named = parsed.relations.iter().map(|relation| {
        let last = relation.parts.last().unwrap();
        object(&match last.quoted {
            true => last.text.clone(),
            false => last.text.to_uppercase(),
        })
    });
    let mut named_tables: Vec<_> = named.collect();
    named_tables.sort();
    named_tables.dedup();
    QueryCache {
        source: Name::parse("source", "prod").unwrap(),
        query: query.into(),
        monitor_tables: None,
        named_tables,
        plain_texts: vec!["REGION".into(), "NAME".into()],
        changes: None,
        ttl: None,
        invalidation_mode: InvalidationMode::Auto,
        metadata_secret: None,
        ttl_action: TtlAction::Reload,
        refresh_method: RefreshMethod::Auto,
        refresh_every: None,
        types: TypeOptions::default(),
    }
}

/// A cache of that query, with these columns.
fn cache(name: &str, query: &str, columns: &[&str]) -> Candidate {
    let definition = definition(query);
    Candidate {
        name: format!("prod.{name}"),
        of: CopyOf::read(&definition),
        columns: Ok(columns.iter().map(|name| field(name)).collect()),
        plain_texts: definition.plain_texts,
    }
}

const ALL: &[&str] = &["ID", "REGION", "AMOUNT", "DAY", "EXTRA"];
const STAR: &str = "SELECT * FROM PROD.PUBLIC.ORDERS";

fn full() -> Candidate {
    cache("orders_copy", STAR, ALL)
}

/// What is decided about a statement in a session whose database and schema are PROD.PUBLIC.
fn decided(sql: &str, candidates: &[Candidate]) -> Decision {
    let query = SourceQuery::parse(sql).unwrap();
    let meanings: Vec<_> = query
        .relations
        .iter()
        .map(|relation| {
            let fold = |text: &str, quoted: bool| match quoted {
                true => text.to_owned(),
                false => text.to_uppercase(),
            };
            let mut parts: Vec<_> = relation
                .parts
                .iter()
                .map(|part| fold(&part.text, part.quoted))
                .collect();
            let name = parts.pop().unwrap();
            let schema = parts.pop().unwrap_or_else(|| "PUBLIC".into());
            let database = parts.pop().unwrap_or_else(|| "PROD".into());
            Meaning::Object(ObjectName {
                database,
                schema,
                name,
            })
        })
        .collect();
    decide(&query, &meanings, candidates, None)
}

/// The rule, the copies that answer, or what stood in the way.
fn told(sql: &str, candidates: &[Candidate]) -> String {
    let decision = decided(sql, candidates);
    match decision.verdict {
        Verdict::Whole(index, order) => format!("V-5c {}{order}", candidates[index].name),
        Verdict::Moved { uses, .. } | Verdict::Untold { uses, .. } => {
            let mut used: Vec<_> = uses
                .values()
                .map(|(index, proof)| match proof {
                    Proof::Full => format!("V-5b {}", candidates[*index].name),
                    Proof::Part => format!("V-5d {}", candidates[*index].name),
                })
                .collect();
            used.sort();
            used.dedup();
            used.join(", ")
        }
        Verdict::Ambiguous(relation, _) => format!("ambiguous {relation}"),
        Verdict::No(Some(construct)) => format!("not moved: {construct}"),
        Verdict::No(None) => {
            let notes: Vec<_> = decision
                .notes
                .iter()
                .map(|note| note.why.as_str())
                .collect();
            format!("no: {}", notes.join("; "))
        }
    }
}

#[track_caller]
fn check(candidates: &[Candidate], rows: &[(&str, &str)]) {
    for (sql, expected) in rows {
        let told = told(sql, candidates);
        assert!(
            told.starts_with(expected),
            "{sql}\n  told:     {told}\n  expected: {expected}"
        );
    }
}

#[test]
fn v5b_a_full_copy_answers_for_its_table() {
    check(
        &[full()],
        &[
            ("SELECT count(*) FROM PROD.PUBLIC.ORDERS", "V-5b"),
            ("SELECT id FROM orders WHERE region = 'US'", "V-5b"),
            ("SELECT o.* FROM public.orders AS o", "V-5b"),
            ("SELECT *, id AS again FROM orders", "V-5b"),
            (
                "WITH big AS (SELECT * FROM orders WHERE amount > 10) SELECT region FROM big",
                "V-5b",
            ),
            (
                "SELECT a.id FROM orders a JOIN orders b ON a.id = b.id",
                "V-5b",
            ),
            (STAR, "V-5c"),
        ],
    );
}

#[test]
fn v6_only_the_same_object_in_exact_case_is_the_table() {
    check(
        &[full()],
        &[
            ("SELECT id FROM prod.public.orders", "V-5b"),
            ("SELECT id FROM \"PROD\".\"PUBLIC\".\"ORDERS\"", "V-5b"),
            ("SELECT id FROM PROD.PUBLIC.\"orders\"", "no: "),
            ("SELECT id FROM PROD.OTHER.ORDERS", "no: "),
            ("SELECT id FROM DEV.PUBLIC.ORDERS", "no: "),
        ],
    );
}

#[test]
fn defect_01_a_filtered_or_aggregated_cache_does_not_answer_for_its_table() {
    let us = cache("us", "SELECT * FROM orders WHERE region = 'US'", ALL);
    let sums = cache(
        "sums",
        "SELECT region, sum(amount) AS total FROM orders GROUP BY region",
        &["REGION", "TOTAL"],
    );
    let some = cache("some", "SELECT * FROM orders LIMIT 10", ALL);
    let distinct = cache("distinct", "SELECT DISTINCT * FROM orders", ALL);
    let joined = cache(
        "joined",
        "SELECT o.* FROM orders o JOIN customers c ON o.customer = c.id",
        ALL,
    );
    let sampled = cache("sampled", "SELECT * FROM orders SAMPLE (10)", ALL);
    let past = cache("past", "SELECT * FROM orders AT(OFFSET => -60)", ALL);
    for copy in [us, sums, some, distinct, joined, sampled, past] {
        let name = copy.name.clone();
        for sql in [
            "SELECT count(*) FROM orders",
            "SELECT region FROM orders",
            STAR,
        ] {
            let told = told(sql, std::slice::from_ref(&copy));
            assert!(told.starts_with("no: "), "{name} answered {sql}: {told}");
        }
    }
}

#[test]
fn defect_02_a_table_of_the_same_last_name_is_another_table() {
    let other = cache("other", "SELECT * FROM orders", ALL);
    let told = told("SELECT id FROM archive.orders", &[other]);
    assert!(told.starts_with("no: "), "{told}");
}

#[test]
fn defect_03_ctes_and_subqueries_are_walked() {
    let query = SourceQuery::parse(
        "WITH orders AS (SELECT * FROM orders), x AS (SELECT * FROM orders)
         SELECT (SELECT max(id) FROM a) FROM x, (SELECT * FROM b) WHERE EXISTS (SELECT 1 FROM c)
         UNION ALL SELECT id FROM orders WHERE id IN (SELECT id FROM s.orders)",
    )
    .unwrap();
    let found: Vec<_> = query.relations.iter().map(|r| r.written()).collect();
    assert_eq!(found, ["orders", "a", "b", "c", "s.orders"]);
    // A CTE named like a table hides it; in an EXISTS the table is seen.
    check(
        &[full()],
        &[(
            "SELECT id FROM customers WHERE EXISTS (SELECT 1 AS one FROM orders)",
            "no: ",
        )],
    );
    let hidden = decided(
        "WITH orders AS (SELECT 1 AS id) SELECT id FROM orders",
        &[full()],
    );
    assert!(matches!(hidden.verdict, Verdict::Moved { uses, .. } if uses.is_empty()));
}

#[test]
fn v5c_the_same_statement_is_the_copy_whatever_its_blanks_and_case() {
    let sums = || {
        cache(
            "sums",
            "SELECT region, SUM(amount) AS total FROM PROD.PUBLIC.ORDERS GROUP BY region",
            &["REGION", "TOTAL"],
        )
    };
    check(
        &[sums()],
        &[
            (
                "select REGION, sum(amount) as total\n  from orders -- all of them\n group by region;",
                "V-5c",
            ),
            (
                "SELECT region, SUM(\"AMOUNT\") AS \"TOTAL\" FROM PROD.PUBLIC.ORDERS GROUP BY region",
                "V-5c",
            ),
            (
                "SELECT region, SUM(amount) AS other FROM PROD.PUBLIC.ORDERS GROUP BY region",
                "no: ",
            ),
            (
                "SELECT region, SUM(amount) AS total FROM DEV.PUBLIC.ORDERS GROUP BY region",
                "no: ",
            ),
            (
                "SELECT region, SUM(amount) AS total FROM orders WHERE true GROUP BY region",
                "no: ",
            ),
        ],
    );
}

#[test]
fn v5c_names_that_come_from_the_text_must_be_the_same() {
    let sums = cache(
        "sums",
        "SELECT region, SUM(amount), amount + 1 FROM orders GROUP BY region, amount",
        &["REGION", "SUM(AMOUNT)", "AMOUNT + 1"],
    );
    check(
        &[sums],
        &[
            (
                "select region, sum(amount), amount + 1 from orders group by region, amount",
                "V-5c",
            ),
            (
                "SELECT region, SUM(amount), amount+1 FROM orders GROUP BY region, amount",
                "no: a column without an alias",
            ),
        ],
    );
}

#[test]
fn v5c_an_order_is_made_again_and_only_by_columns_of_the_copy() {
    let query =
        "SELECT region, SUM(amount) AS total FROM orders GROUP BY region ORDER BY total DESC, 1";
    let sums = cache("sums", query, &["REGION", "TOTAL"]);
    assert_eq!(
        told(query, &[sums]),
        "V-5c prod.sums ORDER BY \"TOTAL\" DESC NULLS FIRST, \"REGION\" ASC NULLS LAST"
    );
    let hidden = "SELECT region FROM orders GROUP BY region ORDER BY SUM(amount)";
    let copy = cache("regions", hidden, &["REGION"]);
    assert!(told(hidden, &[copy]).starts_with("no: a copy does not keep the order"));
    let json = "SELECT extra FROM orders ORDER BY extra";
    let copy = cache("extras", json, &["EXTRA"]);
    assert!(!told(json, &[copy]).starts_with("V-5"));
}

#[test]
fn v5c_what_depends_on_more_than_its_tables_is_never_the_same() {
    for query in [
        "SELECT count(*) AS n FROM orders WHERE day = CURRENT_DATE",
        "SELECT count(*) AS n FROM orders WHERE day > CURRENT_TIMESTAMP()",
        "SELECT id, RANDOM() AS r FROM orders",
        "SELECT id FROM orders WHERE region = CURRENT_USER()",
        "SELECT my_function(id) AS f FROM orders",
        "SELECT id FROM orders SAMPLE (10)",
        "SELECT id FROM orders, TABLE(FLATTEN(extra))",
        "SELECT id FROM orders WHERE id = $limit",
        "SELECT o.id FROM orders o, @stage/file f",
    ] {
        let copy = cache("c", query, &["N"]);
        let told = told(query, &[copy]);
        assert!(!told.starts_with("V-5"), "{query}: {told}");
    }
}

#[test]
fn v5d_a_filter_answers_statements_that_ask_for_its_rows() {
    let us = || {
        cache(
            "us",
            "SELECT id, amount, region FROM PROD.PUBLIC.ORDERS o WHERE o.region = 'US' AND amount > 5",
            &["ID", "AMOUNT", "REGION"],
        )
    };
    check(
        &[us()],
        &[
            (
                "SELECT id FROM orders WHERE region = 'US' AND amount > 5",
                "V-5d",
            ),
            (
                "SELECT sum(amount) AS s FROM orders WHERE amount > 5 AND id > 3 AND 'US' = region",
                "V-5d",
            ),
            (
                "SELECT id FROM orders WHERE (region = 'US') AND (5 < amount)",
                "V-5d",
            ),
            (
                "SELECT id FROM orders WHERE region = 'US'",
                "no: it holds only rows with",
            ),
            (
                "SELECT id FROM orders WHERE region = 'us' AND amount > 5",
                "no: it holds only",
            ),
            (
                "SELECT id FROM orders WHERE region = 'US' OR amount > 5",
                "no: it holds only",
            ),
            (
                "SELECT id FROM orders WHERE NOT (region = 'US' AND amount > 5)",
                "no: it holds",
            ),
            (
                "SELECT id FROM orders WHERE region = 'US' AND amount > 6",
                "no: it holds only",
            ),
            (
                "SELECT id, day FROM orders WHERE region = 'US' AND amount > 5",
                "no: it does not hold column DAY",
            ),
            (
                "SELECT * FROM orders WHERE region = 'US' AND amount > 5",
                "no: it does not hold the same columns",
            ),
            // The condition of one does not filter the other.
            (
                "SELECT a.id FROM orders a JOIN orders b ON a.id = b.id
                 WHERE a.region = 'US' AND a.amount > 5",
                "no: ",
            ),
            (
                "SELECT a.id FROM orders a JOIN orders b ON a.id = b.id
                 WHERE a.region = 'US' AND a.amount > 5 AND b.region = 'US' AND b.amount > 5",
                "V-5d",
            ),
            // An outer join makes rows of those that are missing.
            (
                "SELECT a.id FROM orders a LEFT JOIN orders b ON a.id = b.id
                 WHERE a.region = 'US' AND a.amount > 5 AND b.region = 'US' AND b.amount > 5",
                "no: ",
            ),
            // The filter of an inner query is not the outer one's.
            (
                "SELECT id FROM (SELECT * FROM orders) WHERE region = 'US' AND amount > 5",
                "no: ",
            ),
        ],
    );
}

#[test]
fn v5d_a_projection_answers_what_uses_its_columns_and_keeps_their_meaning() {
    let few = || {
        cache(
            "few",
            "SELECT id AS order_id, region FROM orders",
            &["ORDER_ID", "REGION"],
        )
    };
    check(
        &[few()],
        &[
            ("SELECT id FROM orders", "V-5d"),
            (
                "SELECT region, count(*) AS n FROM orders GROUP BY 1 ORDER BY n",
                "V-5d",
            ),
            // At the source the name is another column's, or none's.
            (
                "SELECT order_id FROM orders",
                "no: it does not hold column ORDER_ID",
            ),
            (
                "SELECT amount FROM orders",
                "no: it does not hold column AMOUNT",
            ),
        ],
    );
    // A name that the copy lacks would mean the outer relation's column here, and the table's there.
    let customers = cache(
        "customers",
        "SELECT * FROM customers",
        &["ID", "NAME", "AMOUNT"],
    );
    check(
        &[few(), customers],
        &[(
            "SELECT name FROM customers WHERE EXISTS (SELECT 1 AS x FROM orders WHERE amount > 5)",
            "no: it does not hold column AMOUNT",
        )],
    );
}

#[test]
fn v5_a_copy_that_loses_something_proves_nothing() {
    let mut lossy = definition(STAR);
    lossy.types.type_mapping = TypeMapping::Double;
    let mut unchecked = definition(STAR);
    unchecked.named_tables.clear();
    for definition in [lossy, unchecked] {
        assert!(CopyOf::read(&definition).part.is_err());
        assert!(CopyOf::read(&definition).whole.is_err());
    }
}

#[test]
fn v5b_a_view_proves_for_its_own_name() {
    let view = cache("view_copy", "SELECT * FROM v_orders", ALL);
    check(
        &[view],
        &[
            ("SELECT id FROM v_orders", "V-5b"),
            ("SELECT id FROM orders", "no: "),
        ],
    );
}

#[test]
fn v5_columns_of_other_types_are_handed_on_but_not_computed_with() {
    check(
        &[full()],
        &[
            ("SELECT extra FROM orders", "V-5b"),
            (
                "SELECT id FROM orders WHERE extra = 'x'",
                "not moved: a comparison of a type kept",
            ),
            (
                "SELECT count(DISTINCT extra) AS n FROM orders",
                "not moved: COUNT",
            ),
            (
                "SELECT extra FROM orders ORDER BY extra",
                "not moved: ORDER BY",
            ),
            ("SELECT DISTINCT extra FROM orders", "not moved: DISTINCT"),
            (
                "SELECT id FROM orders ORDER BY extra",
                "not moved: ORDER BY",
            ),
        ],
    );
    let mut collated = full();
    collated.plain_texts.clear();
    check(
        &[collated],
        &[
            ("SELECT region FROM orders", "V-5b"),
            (
                "SELECT id FROM orders WHERE region = 'US'",
                "not moved: a comparison of a VARCHAR",
            ),
        ],
    );
}

#[test]
fn v6_two_full_copies_are_ambiguous_and_a_smaller_copy_is_not_asked() {
    let other = cache("again", "SELECT * FROM orders o", ALL);
    check(
        &[full(), other],
        &[("SELECT id FROM orders", "ambiguous orders")],
    );
    let few = cache("few", "SELECT id FROM orders", &["ID"]);
    check(
        &[few, full()],
        &[(
            "SELECT id FROM orders o WHERE o.id > 1",
            "V-5b prod.orders_copy",
        )],
    );
}

#[test]
fn v5d_another_copy_is_tried_where_one_lacks_a_column() {
    let few = cache("few", "SELECT id FROM orders", &["ID"]);
    let more = cache("more", "SELECT id, region FROM orders", &["ID", "REGION"]);
    check(
        &[few, more],
        &[
            ("SELECT id FROM orders o", "V-5d prod.few"),
            ("SELECT region FROM orders o", "V-5d prod.more"),
        ],
    );
    // Two copies of one table may be of two times, and no state of the source is both.
    let us = cache("us", "SELECT id FROM orders WHERE region = 'US'", &["ID"]);
    let eu = cache("eu", "SELECT id FROM orders WHERE region = 'EU'", &["ID"]);
    check(
        &[us, eu],
        &[(
            "SELECT id FROM orders WHERE region = 'US' UNION ALL SELECT id FROM orders WHERE region = 'EU'",
            "not moved: orders, of which one copy must hold all",
        )],
    );
}

#[test]
fn v6_names_fold_like_snowflakes() {
    let ident = |text: &str| sqlparser::ast::Ident::new(text);
    assert_eq!(folded(&ident("order_id")), "ORDER_ID");
    assert_eq!(
        folded(&sqlparser::ast::Ident::with_quote('"', "a b")),
        "a b"
    );
}
