use std::collections::HashMap;

use ducksync_core::types::{Field, LakeType};

use super::{Column, Moved, Piece, SourceQuery, Stand, Stop, Type, Types, moved};

/// A table T with a column of each kind.
fn stand() -> Stand {
    let decimal = |precision, scale| LakeType::Decimal { precision, scale };
    let columns = [
        ("N", LakeType::Int64),
        ("M", LakeType::Int64),
        ("AMOUNT", decimal(12, 2)),
        ("WIDE", decimal(38, 0)),
        ("DEEP", decimal(38, 20)),
        ("F", LakeType::Float64),
        ("TXT", LakeType::Varchar),
        ("B", LakeType::Boolean),
        ("D", LakeType::Date),
        ("TS", LakeType::Timestamp),
        ("TZ", LakeType::TimestampTz),
        ("J", LakeType::Json),
    ];
    let column = |(name, ty): (&str, LakeType)| Column {
        name: name.into(),
        here: name.into(),
        ty: Type::of(&Field::new(name, ty), true),
    };
    Stand {
        columns: columns.into_iter().map(column).collect(),
        complete: true,
    }
}

fn move_it(sql: &str) -> Result<Moved, Stop> {
    move_told(sql, Types::Unknown)
}

/// Moves a statement whose result the source describes.
fn move_told(sql: &str, types: Types<'_>) -> Result<Moved, Stop> {
    let query = SourceQuery::parse(sql).unwrap();
    let stands: HashMap<_, _> = query
        .relations
        .iter()
        .map(|relation| (relation.place, stand()))
        .collect();
    moved(&query, &stands, types)
}

/// The moved text, its relations as `<0>`.
fn text(sql: &str) -> String {
    shown(move_it(sql).unwrap_or_else(|stop| panic!("{sql}: {stop:?}")))
}

fn shown(moved: Moved) -> String {
    let pieces = moved.pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Relation(index) => format!("<{index}>"),
    });
    pieces.collect()
}

/// What a computed item becomes; it stands first in the list.
fn item(sql: &str) -> String {
    let moved = text(&format!("SELECT {sql} AS x FROM t"));
    let list = moved.strip_prefix("SELECT ").unwrap();
    list.rsplit_once(" AS \"X\"")
        .unwrap()
        .0
        .replace("\"r1\".", "")
}

fn stopped(sql: &str) -> String {
    match move_it(sql) {
        Err(Stop::Construct(construct)) => construct,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn v7_every_name_is_qualified_and_every_label_is_snowflakes() {
    assert_eq!(
        text("select t.n, Txt as label, \"B\", max(Txt) from db.s.t t group by 1, 2, b"),
        "SELECT CAST(\"r1\".\"N\" AS BIGINT) AS \"N\", CAST(\"r1\".\"TXT\" AS VARCHAR) AS \"LABEL\", \
         CAST(\"r1\".\"B\" AS BOOLEAN) AS \"B\", CAST(max(\"r1\".\"TXT\") AS VARCHAR) AS \"MAX(TXT)\" \
         FROM <0> AS \"r1\" GROUP BY \"r1\".\"N\", \"r1\".\"TXT\", \"r1\".\"B\""
    );
}

#[test]
fn v7_nulls_are_the_greatest_values_unless_said() {
    for (order, expected) in [
        ("n", "1 ASC NULLS LAST"),
        ("n DESC", "1 DESC NULLS FIRST"),
        (
            "n DESC NULLS LAST, 1",
            "1 DESC NULLS LAST, 1 ASC NULLS LAST",
        ),
        ("txt", "\"r1\".\"TXT\" ASC NULLS LAST"),
    ] {
        let moved = text(&format!("SELECT n FROM t ORDER BY {order}"));
        assert!(moved.ends_with(&format!(" ORDER BY {expected}")), "{moved}");
    }
    let ranked =
        text("SELECT n FROM t QUALIFY row_number() OVER (PARTITION BY txt ORDER BY d DESC) = 1");
    assert!(ranked.ends_with(
        "QUALIFY (row_number() OVER (PARTITION BY \"r1\".\"TXT\" ORDER BY \"r1\".\"D\" DESC NULLS FIRST) = 1)"
    ));
}

#[test]
fn v7_results_have_the_types_of_the_source() {
    for (sql, expected) in [
        (
            "count(n)::INT",
            "CAST(CAST(count(\"N\") AS DECIMAL(38,0)) AS DECIMAL(38,0))",
        ),
        (
            "sum(wide)",
            "CAST(CAST(sum(CAST(\"WIDE\" AS DECIMAL(38,0))) AS DECIMAL(38,0)) AS DECIMAL(38,0))",
        ),
        (
            "amount + 1",
            "CAST(CAST(CAST(\"AMOUNT\" AS DECIMAL(38,2)) + CAST(1 AS DECIMAL(38,0)) AS DECIMAL(38,2)) \
             AS DECIMAL(13,2))",
        ),
        (
            "amount * amount",
            "CAST(CAST(CAST(\"AMOUNT\" AS DECIMAL(38,2)) * CAST(\"AMOUNT\" AS DECIMAL(38,2)) \
             AS DECIMAL(38,4)) AS DECIMAL(24,4))",
        ),
        ("max(d)", "CAST(max(\"D\") AS DATE)"),
        (
            "n::NUMBER(20,3)",
            "CAST(CAST(\"N\" AS DECIMAL(20,3)) AS DECIMAL(20,3))",
        ),
        (
            "year(d)::INT",
            "CAST(CAST(date_part('year', \"D\") AS DECIMAL(38,0)) AS DECIMAL(38,0))",
        ),
        ("tz", "\"TZ\""),
        (
            "iff(b, 1, 0)",
            "CAST((CASE WHEN \"B\" THEN CAST(1 AS DECIMAL(38,0)) ELSE CAST(0 AS DECIMAL(38,0)) END) AS BIGINT)",
        ),
    ] {
        assert_eq!(item(sql), expected, "{sql}");
    }
}

#[test]
fn v7_results_whose_type_a_copy_does_not_tell_are_the_sources_to_describe() {
    // NUMBER(p,0) is BIGINT or DECIMAL by a precision that a copy forgets, or that is not documented.
    let decimal = LakeType::Decimal {
        precision: 24,
        scale: 2,
    };
    for (item, told) in [
        ("count(*)", LakeType::Int64),
        ("sum(amount)", decimal.clone()),
        ("n * m", LakeType::Int64),
        ("n + 1", LakeType::Int64),
        ("year(d)", LakeType::Int64),
        ("length(txt)", LakeType::Int64),
        ("CASE WHEN b THEN amount ELSE 0 END", decimal),
        ("NULL", LakeType::Varchar),
        ("row_number() OVER (ORDER BY n)", LakeType::Int64),
    ] {
        let sql = format!("SELECT {item} AS x FROM t");
        assert_eq!(move_it(&sql), Err(Stop::Type("X".into())), "{sql}");
        let field = Field::new("X", told.clone());
        let moved = shown(move_told(&sql, Types::Told(std::slice::from_ref(&field))).unwrap());
        let cast = format!(" AS {}) AS \"X\"", told.duckdb_sql());
        assert!(moved.contains(&cast), "{moved}");
    }
    // Inside, where the type does not show, nobody must be asked.
    text("SELECT max(d) AS x FROM t WHERE year(d) = 2024 AND length(txt) > 3 HAVING count(*) > 1");
    // What the source describes otherwise is not what was moved.
    for (sql, told) in [
        (
            "SELECT sum(amount) AS x FROM t",
            Field::new("X", LakeType::Float64),
        ),
        (
            "SELECT sum(amount) AS x FROM t",
            Field::new("X", LakeType::Int64),
        ),
        ("SELECT d AS x FROM t", Field::new("X", LakeType::Timestamp)),
        ("SELECT d AS x FROM t", Field::new("x", LakeType::Date)),
    ] {
        let moved = move_told(sql, Types::Told(&[told]));
        assert!(matches!(moved, Err(Stop::Construct(_))), "{sql}: {moved:?}");
    }
}

#[test]
fn v7_what_is_not_on_the_list_does_not_move() {
    for (sql, word) in [
        ("SELECT n / 2 AS x FROM t", "/"),
        ("SELECT n % 2 AS x FROM t", "%"),
        ("SELECT avg(n) AS x FROM t", "AVG"),
        ("SELECT sum(f) AS x FROM t", "SUM(FLOAT)"),
        ("SELECT upper(txt) AS x FROM t", "UPPER"),
        ("SELECT concat_ws(',', txt) AS x FROM t", "CONCAT_WS"),
        ("SELECT round(amount, 1) AS x FROM t", "ROUND"),
        ("SELECT random() AS x FROM t", "RANDOM"),
        ("SELECT current_date AS x FROM t", "CURRENT_DATE"),
        ("SELECT listagg(txt) AS x FROM t", "LISTAGG"),
        ("SELECT j:a.b AS x FROM t", "a.b"),
        ("SELECT j['a'] AS x FROM t", "j['a']"),
        ("SELECT txt || n AS x FROM t", "joining NUMBER"),
        ("SELECT try_cast(txt AS INT) AS x FROM t", "TRY_CAST"),
        ("SELECT txt::INT AS x FROM t", "a cast of VARCHAR"),
        ("SELECT d::VARCHAR AS x FROM t", "a cast of DATE"),
        ("SELECT ts::TIMESTAMP AS x FROM t", "a cast to TIMESTAMP"),
        ("SELECT 1e5 AS x FROM t", "1e5"),
        ("SELECT n FROM t WHERE txt = 5", "VARCHAR with NUMBER"),
        ("SELECT n FROM t WHERE n = '5'", "NUMBER with VARCHAR"),
        ("SELECT n FROM t WHERE n", "NUMBER as a condition"),
        (
            "SELECT n FROM t WHERE d = '2024-1-5'",
            "'2024-1-5' as a date",
        ),
        ("SELECT n FROM t WHERE d = '01/05/2024'", "as a date"),
        ("SELECT n FROM t WHERE d = txt", "DATE"),
        ("SELECT n FROM t WHERE tz > '2024-01-05'", "TIMESTAMPTZ"),
        ("SELECT n FROM t WHERE txt ILIKE 'a%'", "ILIKE"),
        ("SELECT n FROM t WHERE txt LIKE txt", "LIKE"),
        ("SELECT n FROM t WHERE txt LIKE 'a^_' ESCAPE '^'", "ESCAPE"),
        ("SELECT n FROM t WHERE txt = 'a\\\\b'", "backslash"),
        ("SELECT n FROM t WHERE txt RLIKE 'a'", "RLIKE"),
        ("SELECT n FROM t WHERE wide > 1.5", "more than 38 digits"),
        ("SELECT deep * deep AS x FROM t", "more than 12 digits"),
        ("SELECT f, max(n) FROM t GROUP BY f", "GROUP BY of FLOAT"),
        ("SELECT n + 1 FROM t", "without an alias"),
        ("SELECT count( n ) FROM t", "without an alias"),
        ("SELECT n AS a, a AS b FROM t", "an alias used as a column"),
        (
            "SELECT amount + 1 AS n FROM t WHERE n > 1",
            "both an alias and a column",
        ),
        (
            "SELECT amount + 1 AS n FROM t ORDER BY n",
            "both an alias and a column",
        ),
        ("SELECT n FROM t ORDER BY j", "ORDER BY of"),
        ("SELECT t.n FROM t JOIN t u USING (n)", "a join without ON"),
        (
            "SELECT t.n FROM t JOIN t u ON t.n IN (SELECT m FROM t)",
            "a subquery in ON",
        ),
        ("SELECT t.n FROM t NATURAL JOIN t u", "a join without ON"),
        ("SELECT t.n FROM t FULL JOIN t u ON t.n = u.n", "FULL JOIN"),
        ("SELECT n FROM t AT(OFFSET => -60)", "in FROM"),
        ("SELECT n FROM t SAMPLE (10)", "in FROM"),
        ("SELECT n FROM t, LATERAL FLATTEN(input => j)", "in FROM"),
        ("SELECT n FROM @stage/file", "in FROM"),
        ("SELECT TOP 3 n FROM t", "TOP"),
        ("SELECT n FROM t FETCH FIRST 3 ROWS ONLY", "FETCH"),
        ("SELECT * EXCLUDE n FROM t", "EXCLUDE"),
        ("SELECT n FROM t GROUP BY ALL", "GROUP BY ALL"),
        ("SELECT 5 AS k FROM t GROUP BY k", "GROUP BY of NUMBER"),
        ("SELECT n FROM t ORDER BY (1)", "ORDER BY (1)"),
        ("SELECT n FROM t GROUP BY CUBE (n)", "CUBE"),
        ("SELECT n FROM t UNION SELECT amount FROM t", "UNION"),
        ("SELECT j FROM t UNION SELECT j FROM t", "UNION"),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS a) SELECT a FROM r",
            "RECURSIVE",
        ),
        ("SELECT sum(n) OVER (ORDER BY m) AS x FROM t", "OVER"),
        ("SELECT n FROM t WHERE n = ?", "?"),
        ("SELECT * FROM (SELECT n, n FROM t)", "two columns named N"),
        ("SELECT nothing FROM t", "NOTHING"),
        ("SELECT a.n FROM t", "relation A"),
        ("SELECT n FROM t a, t b", "several relations"),
    ] {
        let construct = stopped(sql);
        assert!(construct.contains(word), "{sql}: {construct}");
    }
}

#[test]
fn v7_the_common_subset_moves() {
    for sql in [
        "SELECT * FROM t",
        "SELECT t.*, u.n AS other FROM t JOIN t u ON t.n = u.n AND u.b LEFT JOIN t v ON v.n = u.n",
        "SELECT DISTINCT txt, b FROM t ORDER BY 1, b DESC LIMIT 10 OFFSET 5",
        "SELECT n FROM t WHERE d BETWEEN '2024-01-01' AND DATE '2024-12-31' AND txt IN ('a', 'b')",
        "SELECT n FROM t WHERE ts >= '2024-01-01 10:00:00.5' AND d < '2024-01-01' OR NOT b",
        "SELECT n FROM t WHERE txt LIKE 'a%' AND txt NOT LIKE '_b' AND f > 0.5 AND amount <> 1.50",
        "SELECT n FROM t WHERE n IN (SELECT m FROM t) AND NOT EXISTS (SELECT 1 AS x FROM t u WHERE u.n = t.n)",
        "SELECT n FROM t WHERE amount > (SELECT max(amount) FROM t)",
        "WITH a AS (SELECT n, sum(amount) AS s FROM t GROUP BY n), b (k) AS (SELECT n FROM a) \
         SELECT k, s FROM a, b WHERE a.n = b.k",
        "SELECT txt, count_if(b) AS c, min(ts) AS m FROM t GROUP BY txt HAVING count(*) > 1 ORDER BY c",
        "SELECT n FROM t UNION ALL SELECT m FROM t ORDER BY n",
        "SELECT coalesce(amount, 0.00)::NUMBER(12,2) AS a, nullif(txt, '') AS b FROM t",
        "SELECT dateadd(month, -1, d) AS a, date_trunc('month', ts) AS b, datediff(day, d, ts)::INT AS c FROM t",
        "SELECT CASE WHEN b THEN 'x' WHEN n > 1 THEN 'y' END AS a, substr(txt, 1, 3) AS s FROM t",
        "SELECT 1 AS one, 'x' AS two, true AS three",
        "SELECT n FROM t WHERE b IS NULL AND txt IS NOT DISTINCT FROM 'a' AND b IS NOT TRUE",
    ] {
        let moved = move_it(sql);
        assert!(
            matches!(moved, Ok(_) | Err(Stop::Type(_))),
            "{sql}: {moved:?}"
        );
    }
}

#[test]
fn v5_a_partial_stand_says_which_column_it_lacks() {
    let query = SourceQuery::parse("SELECT n FROM t WHERE missing > 1").unwrap();
    let place = query.relations[0].place;
    let partial = Stand {
        complete: false,
        ..stand()
    };
    let stopped = moved(&query, &HashMap::from([(place, partial)]), Types::Unknown);
    assert_eq!(stopped, Err(Stop::Column(place, "MISSING".into())));
}
