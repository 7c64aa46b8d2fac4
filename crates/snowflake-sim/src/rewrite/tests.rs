use super::*;
use crate::tokens::tokenize;

fn rewrite(sql: &str) -> String {
    let functions = |name: &str, texts: &[String]| {
        Ok((name == "CURRENT_ROLE" || name == "SYSTEM$X")
            .then(|| format!("<{name} {}>", texts.join("+"))))
    };
    let rewriter = Rewriter {
        functions: &functions,
        past: &|name, past| Ok(format!("{} {past:?}", name.join("/"))),
        bindings: &["7".to_owned(), "'x'".to_owned()],
        database: Some("DB"),
        scratch: 1,
    };
    rewriter.rewrite(&tokenize(sql).unwrap()).unwrap().sql
}

#[test]
fn names_fold_and_quoted_ones_are_encoded() {
    assert_eq!(
        rewrite("select a, \"b\", \"C\" from Db.s.\"orders\" -- note"),
        "SELECT A , \"b·1\" , \"C\" FROM DB . S . \"orders·f3\""
    );
}

#[test]
fn texts_keep_their_quotes_and_escapes() {
    assert_eq!(
        rewrite(r"select 'it''s', 'a\'b', $$c'd$$"),
        "SELECT 'it''s' , 'a''b' , 'c''d'"
    );
}

#[test]
fn functions_are_respelled() {
    for (sql, expected) in [
        ("iff(a, 1, 2)", "\"sim~\".main.IFF ( A , 1 , 2 )"),
        (
            "dateadd(days, -3, d)",
            "\"sim~\".main.DATEADD_DAY ( - 3 , D )",
        ),
        ("datediff('hour', a, b)", "date_diff ( 'hour' , A , B )"),
        ("date_trunc(month, d)", "DATE_TRUNC ( 'month' , D )"),
        ("listagg(x)", "string_agg ( X , '' )"),
        (
            "listagg(distinct f(x, 1), ',') within group (order by x desc)",
            "string_agg ( DISTINCT F ( X , 1 ) , ',' ORDER BY X DESC )",
        ),
        ("current_timestamp(3)", "now()"),
        ("current_date", "CAST(now() AS DATE)"),
        ("current_role()", "<CURRENT_ROLE >"),
        ("system$x('a', 'b')", "<SYSTEM$X a+b>"),
        ("a minus b", "A EXCEPT B"),
        ("t.iff", "T . IFF"),
    ] {
        assert_eq!(rewrite(sql), expected, "{sql}");
    }
}

#[test]
fn casts_are_respelled() {
    for (sql, expected) in [
        ("a::number(10,2)", "A :: DECIMAL(10,2)"),
        ("a::int", "A :: BIGINT"),
        ("a::uuid", "A :: uuid"),
        ("a::integer[]", "A :: integer [ ]"),
        ("cast(a as timestamp_ntz(3))", "CAST ( A AS TIMESTAMP_MS )"),
        (
            "cast(a as timestamp_tz)",
            "\"sim~\".main.TO_TIMESTAMP_TZ ( A )",
        ),
        (
            "t.a::timestamp_ltz",
            "\"sim~\".main.TO_TIMESTAMP_LTZ( T . A )",
        ),
        (
            "f(a, (b))::timestamp_tz(3)",
            "\"sim~\".main.TO_TIMESTAMP_TZ( F ( A , ( B ) ) )",
        ),
        (
            "v:a.b[0]::string",
            "( V ->> '$.\"a\".\"b\"[0]' ) :: VARCHAR",
        ),
        ("t.v:Name", "( T . V -> '$.\"Name\"' )"),
        ("{'a': b}", "{ 'a' : B }"),
    ] {
        assert_eq!(rewrite(sql), expected, "{sql}");
    }
}

#[test]
fn bindings_are_placed_in_order_or_by_number() {
    assert_eq!(rewrite("select ?, ?"), "SELECT 7 , 'x'");
    assert_eq!(rewrite("select :2, :1"), "SELECT 'x' , 7");
}

#[test]
fn information_schema_is_redirected_per_database() {
    assert_eq!(
        rewrite("select * from information_schema.tables t, other.information_schema.\"COLUMNS\""),
        "SELECT * FROM \"sim~info\".\"Q1 DB\".\"TABLES\" T , \"sim~info\".\"Q1 OTHER\".\"COLUMNS\""
    );
}

#[test]
fn generators_become_ranges() {
    assert_eq!(
        rewrite("select seq4() from table(generator(rowcount => 5))"),
        "SELECT (row_number() OVER () - 1) FROM range(5)"
    );
}
