"""What moves from Snowflake's dialect to DuckDB means the same there (V-7).

The expected values are those of Snowflake's documentation or follow from the rules it states; the page is named with
each. The simulator has no part in this: it is a DuckDB itself, and no source exists here at all.

At the end, statements made at random from what moves are asked of copies and of the source: that finds wrong routes,
labels, columns and filters.
"""

import datetime
import os
import random
from decimal import Decimal

import adbc_driver_manager
import pyarrow
import pytest

from harness.prod import add_source, call, create_cache

INT = pyarrow.int64()
TEXT = pyarrow.string()
BOOL = pyarrow.bool_()
DATE = pyarrow.date32()
TIME = pyarrow.timestamp("us")


def number(precision, scale):
    return pyarrow.decimal128(precision, scale)


def day(year, month, date):
    return datetime.date(year, month, date)


#: Page of the documentation: expressions, each with its value and its type.
DOCUMENTED = {
    "operators-arithmetic": [
        ("(10.01 * 1.1)::NUMBER(6,3)", Decimal("11.011"), number(6, 3)),
        ("(10.001 * .001)::NUMBER(8,6)", Decimal("0.010001"), number(8, 6)),
        ("1::NUMBER(12,2) + 1::NUMBER(10,1)", Decimal("2.00"), number(13, 2)),
        ("2::NUMBER(12,2) * 3::NUMBER(10,1)", Decimal("6.000"), number(22, 3)),
        ("1::NUMBER(5,0) - 3::NUMBER(9,0)", -2, INT),
        ("1::NUMBER(30,0) + 3::NUMBER(9,0)", Decimal(4), number(31, 0)),
        ("NULL::INT + 1", None, number(38, 0)),
    ],
    "data-types-numeric": [
        ("1", 1, INT),
        ("12345678901234567890::INT", Decimal("12345678901234567890"), number(38, 0)),
        ("5::BIGINT", Decimal(5), number(38, 0)),
        ("5::NUMBER(18,0)", 5, INT),
        ("5::NUMBER(19)", Decimal(5), number(19, 0)),
        ("5::DECIMAL(10,2)", Decimal("5.00"), number(10, 2)),
    ],
    "functions/cast": [
        ("2.5::NUMBER(2,0)", 3, INT),
        ("(-2.5)::NUMBER(2,0)", -3, INT),
        ("1.25::NUMBER(3,1)", Decimal("1.3"), number(3, 1)),
        ("CAST(42 AS VARCHAR)", "42", TEXT),
        ("CAST('2024-02-29' AS DATE)", day(2024, 2, 29), DATE),
        ("'2024-02-29 23:59:59.999999'::TIMESTAMP_NTZ::DATE", day(2024, 2, 29), DATE),
        ("'1969-12-31 23:00:00'::TIMESTAMP_NTZ::DATE", day(1969, 12, 31), DATE),
        ("DATE '2024-05-31'::TIMESTAMP_NTZ", datetime.datetime(2024, 5, 31), TIME),
    ],
    "functions/dateadd": [
        ("DATEADD(month, 1, '2023-01-31'::DATE)", day(2023, 2, 28), DATE),
        ("DATEADD('month', 1, '2023-02-28'::DATE)", day(2023, 3, 28), DATE),
        ("DATEADD(year, 2, TO_DATE('2022-05-08'))", day(2024, 5, 8), DATE),
        ("DATEADD(day, -1, DATE '2024-03-01')", day(2024, 2, 29), DATE),
        ("DATEADD(year, -1, DATE '2024-02-29')", day(2023, 2, 28), DATE),
        ("DATEADD(hour, 2, '2013-05-08 11:22:33.444'::TIMESTAMP_NTZ)", datetime.datetime(2013, 5, 8, 13, 22, 33, 444000), TIME),
    ],
    "functions/datediff": [
        ("DATEDIFF(month, '2024-11-28'::DATE, '2024-12-05'::DATE)::INT", Decimal(1), number(38, 0)),
        ("DATEDIFF(year, '2010-04-09 14:39:20'::TIMESTAMP_NTZ, '2023-05-08 23:39:20'::TIMESTAMP_NTZ)::INT", Decimal(13), number(38, 0)),
        ("DATEDIFF(day, '2024-12-05'::DATE, '2024-11-28'::DATE)::INT", Decimal(-7), number(38, 0)),
        ("DATEDIFF(hour, '2024-01-01 10:59:59'::TIMESTAMP_NTZ, '2024-01-01 11:00:00'::TIMESTAMP_NTZ)::INT", Decimal(1), number(38, 0)),
        ("DATEDIFF(year, '2017-01-01'::DATE, '2016-12-31'::DATE)::INT", Decimal(-1), number(38, 0)),
    ],
    "functions/date_trunc": [
        ("DATE_TRUNC('month', '2015-05-08'::DATE)", day(2015, 5, 1), DATE),
        ("DATE_TRUNC('quarter', '2015-05-08'::DATE)", day(2015, 4, 1), DATE),
        ("DATE_TRUNC('hour', '2015-05-08 23:39:20.123'::TIMESTAMP_NTZ)", datetime.datetime(2015, 5, 8, 23), TIME),
    ],
    "functions/year": [
        ("YEAR('2013-05-08 23:39:20.123'::TIMESTAMP_NTZ)::INT", Decimal(2013), number(38, 0)),
        ("QUARTER('2013-05-08'::DATE)::INT", Decimal(2), number(38, 0)),
        ("DAYOFMONTH('2013-05-08'::DATE)::INT", Decimal(8), number(38, 0)),
        ("EXTRACT(second FROM '2013-05-08 23:39:20.923'::TIMESTAMP_NTZ)::INT", Decimal(20), number(38, 0)),
    ],
    "functions/substr": [
        ("SUBSTR('testing 1 2 3', 9, 5)", "1 2 3", TEXT),
        ("SUBSTR('abc', 2)", "bc", TEXT),
        ("SUBSTR('abc', 5, 2)", "", TEXT),
        ("SUBSTRING('abc', 1, 0)", "", TEXT),
    ],
    "functions/length": [
        ("LENGTH('')::INT", Decimal(0), number(38, 0)),
        ("LENGTH('Joyeux Noël')::INT", Decimal(11), number(38, 0)),
        ("LEN('圣诞节快乐')::INT", Decimal(5), number(38, 0)),
    ],
    "functions/concat": [
        ("CONCAT('George Washington ', 'Carver')", "George Washington Carver", TEXT),
        ("'a' || NULL::VARCHAR", None, TEXT),
        ("CONCAT('a', NULL::VARCHAR)", None, TEXT),
    ],
    "functions/startswith": [
        ("STARTSWITH('coffee', 'co')", True, BOOL),
        ("ENDSWITH('tea', 'EA')", False, BOOL),
        ("CONTAINS('coffee', 'ff')", True, BOOL),
    ],
    "functions/like": [
        ("'John  Dddoe' LIKE '%Jo%oe%'", True, BOOL),
        ("'Joe   Doe' LIKE 'J%h%^_do%'", False, BOOL),
        ("'abc' LIKE 'A%'", False, BOOL),
        ("'a_c' NOT LIKE 'a_c'", False, BOOL),
    ],
    "functions/iff": [
        ("IFF(TRUE, 'true', 'false')", "true", TEXT),
        ("IFF(FALSE, 'true', 'false')", "false", TEXT),
        ("IFF(NULL = 1, 'true', 'false')", "false", TEXT),
    ],
    "functions/coalesce": [
        ("COALESCE(NULL, 2, 3)", 2, INT),
        ("NVL('a', 'b')", "a", TEXT),
        ("IFNULL(NULL::VARCHAR, 'b')", "b", TEXT),
        ("ZEROIFNULL(NULL::NUMBER(9,0))", 0, INT),
        ("NULLIF('a', 'a')", None, TEXT),
        ("NULLIF('a', 'b')", "a", TEXT),
    ],
    "ternary-logic": [
        ("(NULL = 1) AND FALSE", False, BOOL),
        ("(NULL = 1) OR TRUE", True, BOOL),
        ("NOT (NULL = 1)", None, BOOL),
        ("(NULL = 1) IS TRUE", False, BOOL),
        ("1 IN (2, NULL)", None, BOOL),
        ("1 NOT IN (2, 3)", True, BOOL),
        ("'a' IS DISTINCT FROM NULL", True, BOOL),
    ],
    "functions/case": [
        ("CASE WHEN 1 = 2 THEN 'a' WHEN 2 = 2 THEN 'b' ELSE 'c' END", "b", TEXT),
        ("CASE WHEN 1 = 2 THEN 'a' END", None, TEXT),
        ("2 BETWEEN 1 AND 3", True, BOOL),
    ],
}

CASES = [(page, *case) for page, cases in DOCUMENTED.items() for case in cases]

#: Whole statements: over rows that a VALUES clause of ours makes in the lake.
ROWS = [(1, "A", 1, None), (2, "A", 2, "x"), (3, "B", 1, "y"), (4, "B", 2, None)]

STATEMENTS = {
    # constructs/qualify
    "SELECT i, p, o FROM qt QUALIFY ROW_NUMBER() OVER (PARTITION BY p ORDER BY o) = 1 ORDER BY i": [(1, "A", 1), (3, "B", 1)],
    # constructs/order-by: NULL is higher than any other value
    "SELECT i FROM qt ORDER BY n, i": [(2,), (3,), (1,), (4,)],
    "SELECT i FROM qt ORDER BY n DESC, i": [(1,), (4,), (3,), (2,)],
    "SELECT i FROM qt ORDER BY n DESC NULLS LAST, i": [(3,), (2,), (1,), (4,)],
    # constructs/group-by: a column is meant before an alias
    "SELECT p AS q, COUNT(*) AS c FROM qt GROUP BY q ORDER BY 1": [("A", 2), ("B", 2)],
    "SELECT p, SUM(o) AS s, COUNT(n) AS c, MIN(n) AS m FROM qt GROUP BY p ORDER BY p": [("A", 3, 1, "x"), ("B", 3, 1, "y")],
    "SELECT COUNT_IF(o > 1) AS c, COUNT(DISTINCT p) AS d FROM qt": [(2, 2)],
    # functions/sum: of no rows NULL, count 0
    "SELECT SUM(i) AS s, COUNT(*) AS c, MAX(i) AS m FROM qt WHERE i > 9": [(None, 0, None)],
    "SELECT i FROM qt WHERE n NOT IN (SELECT n FROM qt)": [],
    "SELECT p FROM qt UNION SELECT n FROM qt WHERE n IS NOT NULL ORDER BY 1": [("A",), ("B",), ("x",), ("y",)],
}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A server without any source."""
    from harness.server import Server

    server = Server(tmp_path_factory.mktemp("server"), "sqlite:ducksync.db")
    try:
        server.start()
        with server.connect() as connection, connection.cursor() as cursor:
            values = ", ".join(f"({i}, '{p}', {o}, {repr(n) if n else 'NULL'})" for i, p, o, n in ROWS)
            cursor.execute(
                f"CREATE TABLE qt AS SELECT i::BIGINT AS i, p, o::BIGINT AS o, n FROM (VALUES {values}) AS v(i, p, o, n)"
            )
        yield server
    finally:
        server.kill()


def moved(server, sql):
    """A statement in Snowflake's dialect, which must be answered here."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET dialect = 'snowflake'")
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


@pytest.mark.parametrize("page, expression, value, arrow_type", CASES, ids=[case[1] for case in CASES])
def test_v7_an_expression_has_the_value_and_type_that_snowflake_documents(alone, page, expression, value, arrow_type):
    table = moved(alone, f"SELECT {expression} AS x")
    assert table.schema.names == ["X"]
    assert table.column(0).to_pylist() == [value], page
    assert table.schema.field(0).type.equals(arrow_type), page


@pytest.mark.parametrize("sql", STATEMENTS)
def test_v7_a_statement_yields_what_snowflake_documents(alone, sql):
    rows = [tuple(row.values()) for row in moved(alone, sql).to_pylist()]
    assert rows == STATEMENTS[sql]


#: What would be almost the same; facts and documentation say where it differs.
DIFFERENT = [
    "7 / 2", "7 % 2", "MOD(7, 2)", "AVG(i)", "UPPER(p)", "LOWER(p)", "TRIM(p)", "INITCAP(p)", "p ILIKE 'a'", "p RLIKE 'a'",
    "TO_CHAR(i)", "i::FLOAT", "p || i", "GREATEST(i, o)", "LEAST(i, o)", "ROUND(1.25, 1)", "SQRT(i)", "SPLIT_PART(p, 'a', 1)",
    "DATE_TRUNC('week', '2024-01-01'::DATE)", "DATEDIFF(week, '2024-01-01'::DATE, '2024-01-08'::DATE)", "DAYNAME('2024-01-01'::DATE)",
    "DATEADD(hour, 1, '2024-01-01'::DATE)", "CURRENT_DATE", "CURRENT_TIMESTAMP()", "RANDOM()", "UUID_STRING()", "SEQ4()", "HASH(p)",
    "PARSE_JSON('1')", "ARRAY_CONSTRUCT(1)", "OBJECT_CONSTRUCT('a', 1)", "TO_DATE('01/02/2024', 'MM/DD/YYYY')", "'1' = 1", "1e3",
    "SUM(i) OVER (ORDER BY i)", "LAG(i) OVER (ORDER BY i)", "LISTAGG(p, ',')", "MEDIAN(i)", "SUBSTR(p, -1)", "SUBSTR(p, 0)",
    "BITXOR(1, 2)", "DIV0(1, 0)", "TRY_CAST('a' AS INT)", "MD5(p)", "TO_TIMESTAMP('2024-01-01')", "NVL2(i, 1, 2)", "DECODE(i, 1, 2)",
]


@pytest.mark.parametrize("expression", DIFFERENT)
def test_v7_what_is_not_on_the_list_is_refused_by_name(alone, expression):
    with pytest.raises(adbc_driver_manager.Error, match="NOT_CACHED|not moved|cannot be moved|source"):
        moved(alone, f"SELECT {expression} AS x FROM qt")


# ---- at random: copies and the source say the same -----------------------------------------------

SEED = int(os.environ.get("DUCKSYNC_ROUTE_SEED", random.randrange(1 << 32)))
STEPS = int(os.environ.get("DUCKSYNC_ROUTE_STEPS", "120"))

#: Columns of the table T by kind, and literals of each kind.
COLUMNS = {"n": ["n", "m"], "d": ["amount"], "t": ["txt", "tag"], "b": ["flag"], "day": ["day"]}
LITERALS = {
    "n": ["0", "1", "-3", "7"],
    "d": ["0", "1.5", "-2.25", "10"],
    "t": ["'a'", "'b'", "''", "'é'"],
    "b": ["true", "false"],
    "day": ["DATE '2024-02-29'", "DATE '2023-12-31'"],
}


class Statements:
    """Makes statements of what moves."""

    def __init__(self, chance):
        self.chance = chance

    def pick(self, items):
        return self.chance.choice(list(items))

    def value(self, kind, alias, depth=2):
        options = [lambda: f"{alias}.{self.pick(COLUMNS[kind])}", lambda: self.pick(LITERALS[kind])]
        if depth:
            inner = lambda: self.value(kind, alias, depth - 1)
            options.append(lambda: f"COALESCE({inner()}, {inner()})")
            options.append(lambda: f"CASE WHEN {self.condition(alias, depth - 1)} THEN {inner()} ELSE {inner()} END")
            options.append(lambda: f"IFF({self.condition(alias, depth - 1)}, {inner()}, {inner()})")
            if kind == "n":
                options.append(lambda: f"({inner()} {self.pick('+-*')} {inner()})")
                options.append(lambda: f"YEAR({self.value('day', alias, 0)}::DATE)")
            if kind == "t":
                options.append(lambda: f"({inner()} || {inner()})")
                options.append(lambda: f"SUBSTR({inner()}, {self.pick([1, 2])}, {self.pick([0, 1, 3])})")
            if kind == "day":
                options.append(lambda: f"DATEADD({self.pick(['day', 'month', 'year'])}, {self.pick([-1, 1, 13])}, {inner()}::DATE)::DATE")
        return self.pick(options)()

    def condition(self, alias, depth=2):
        kind = self.pick(["n", "d", "t", "day"])
        column = f"{alias}.{self.pick(COLUMNS[kind])}"
        options = [
            lambda: f"{column} {self.pick(['=', '<>', '<', '<=', '>', '>='])} {self.value(kind, alias, 0)}",
            lambda: f"{column} IS {self.pick(['', 'NOT '])}NULL",
            lambda: f"{column} {self.pick(['', 'NOT '])}IN ({', '.join(self.pick(LITERALS[kind]) for _ in range(3))})",
            lambda: f"{column} BETWEEN {self.pick(LITERALS[kind])} AND {self.pick(LITERALS[kind])}",
            lambda: f"{alias}.txt {self.pick(['', 'NOT '])}LIKE '{self.pick(['a%', '%b', '_', '%', ''])}'",
            lambda: f"{alias}.flag",
            lambda: f"{alias}.day {self.pick(['<', '>='])} '2024-02-29'",
            lambda: f"EXISTS (SELECT 1 AS one FROM PROD.PUBLIC.T s WHERE s.n = {alias}.n AND s.m > 0)",
        ]
        if depth:
            inner = lambda: self.condition(alias, depth - 1)
            options.append(lambda: f"({inner()} {self.pick(['AND', 'OR'])} {inner()})")
            options.append(lambda: f"NOT ({inner()})")
        return self.pick(options)()

    def where(self, alias):
        """A filter; with luck one that a filtered copy asks for."""
        parts = [self.condition(alias)]
        if self.chance.random() < 0.4:
            parts.append(f"{alias}.txt = 'a'")
        if self.chance.random() < 0.2:
            parts.append(f"{alias}.n > 0")
        return " WHERE " + " AND ".join(parts) if self.chance.random() < 0.8 else ""

    def source(self, alias):
        return self.pick(
            [
                f"PROD.PUBLIC.T {alias}",
                f"prod.public.t AS {alias}",
                f'"PROD"."PUBLIC"."T" {alias}',
                f"(SELECT * FROM PROD.PUBLIC.T i{self.where('i')}) {alias}",
            ]
        )

    def statement(self):
        return self.pick([self.plain, self.grouped, self.joined, self.union])()

    def plain(self):
        items = ", ".join(
            f"{self.value(kind, 'a')}{'::NUMBER(38,4)' if kind in 'nd' else ''} AS c{i}"
            for i, kind in enumerate(self.chance.choices(list(COLUMNS), k=3))
        )
        distinct = self.pick(["", "", "DISTINCT "])
        order = self.pick(["", " ORDER BY 1 DESC, 2, 3", " ORDER BY c2, c1 DESC NULLS LAST, c0"])
        return f"SELECT {distinct}{items} FROM {self.source('a')}{self.where('a')}{order}"

    def grouped(self):
        key = self.pick(["a.txt", "a.n", "a.day", "a.flag"])
        number = self.value(self.pick("nd"), "a", 1)
        having = self.pick(["", " HAVING count(*) > 1"])
        return (
            f"SELECT {key} AS k, count(*), sum({number}) AS s, min(a.txt) AS m, count(DISTINCT a.tag) AS d, "
            f"count_if({self.condition('a', 1)}) AS i FROM {self.source('a')}{self.where('a')} GROUP BY {key}{having} ORDER BY k"
        )

    def joined(self):
        join = self.pick(["JOIN", "LEFT JOIN", "INNER JOIN", "RIGHT OUTER JOIN"])
        return (
            f"SELECT a.n, b.txt AS other, b.* FROM {self.source('a')} {join} {self.source('b')} "
            f"ON a.n = b.m AND b.{self.pick(COLUMNS['t'])} <> {self.pick(LITERALS['t'])}{self.where('a')}"
        )

    def union(self):
        kind = self.pick(["t", "day", "b"])
        word = self.pick(["UNION ALL", "UNION", "INTERSECT", "EXCEPT"])
        one, two = (f"SELECT {a}.{self.pick(COLUMNS[kind])} FROM {self.source(a)}{self.where(a)}" for a in "ab")
        return f"{one} {word} {two}"


def make_table(sim, chance):
    sim.sql("CREATE DATABASE PROD")
    sim.sql(
        "CREATE TABLE PROD.PUBLIC.T (n NUMBER(9,0), m NUMBER(18,0), amount NUMBER(12,2), txt VARCHAR, tag VARCHAR, "
        "flag BOOLEAN, day DATE)"
    )
    pools = [
        [None, 0, 1, 2, 3, -3, 7],
        [None, 0, 1, 2, 1000],
        [None, "0.00", "1.50", "-2.25", "10.00"],
        [None, "a", "ab", "b", "", "é"],
        [None, "x", "y"],
        [None, True, False],
        [None, "2023-12-31", "2024-02-29", "1600-01-01"],
    ]
    literal = lambda value: "NULL" if value is None else str(value).lower() if isinstance(value, (bool, int)) else f"'{value}'"
    for _ in range(40):
        values = ", ".join(literal(chance.choice(pool)) for pool in pools)
        sim.sql(f"INSERT INTO PROD.PUBLIC.T SELECT {values}")


def test_v5_random_statements_say_the_same_on_copies_and_at_the_source(spawn_server, sim):
    print(f"DUCKSYNC_ROUTE_SEED={SEED}")
    chance = random.Random(SEED)
    make_table(sim, chance)
    server = spawn_server()
    add_source(server, sim, passthrough=True)
    copies = {
        "everything": "SELECT * FROM PROD.PUBLIC.T",
        "few": "SELECT txt, n, day AS date, flag FROM PROD.PUBLIC.T",
        "a_only": "SELECT * FROM PROD.PUBLIC.T WHERE txt = 'a'",
        "positive": "SELECT n, m, txt, amount FROM PROD.PUBLIC.T t WHERE t.n > 0 AND txt = 'a'",
        "counts": "SELECT txt, count(*) AS n FROM PROD.PUBLIC.T GROUP BY txt",
    }
    for name, query in copies.items():
        create_cache(server, name, query)
        call(server, "refresh", name)
    statements = Statements(chance)
    used = {}
    with server.connect() as connection, connection.cursor() as cursor:
        for step in range(STEPS):
            if step == STEPS // 2:
                # From here on only smaller copies are there.
                call(server, "drop_cache", "everything")
            sql = statements.statement()
            tables = []
            for consistency in ("cached", "exact"):
                cursor.execute(f"/*+ ducksync(consistency={consistency}) */ {sql}")
                tables.append(cursor.fetch_arrow_table())
                if consistency == "cached":
                    cursor.execute("SELECT route, rule FROM ducksync_last_result()")
                    (answer,) = cursor.fetchall()
                    used[answer] = used.get(answer, 0) + 1
            copied, original = tables
            assert copied.schema.equals(original.schema), f"{answer} {sql}\n{copied.schema}\n{original.schema}"
            rows = [sorted(table.to_pylist(), key=repr) for table in tables]
            assert rows[0] == rows[1], f"{answer} {sql}"
            if " ORDER BY " in sql:
                assert copied.to_pylist() == original.to_pylist(), f"{answer} {sql}"
    print(used)
    assert used.get(("local", "V-5b"), 0) >= STEPS // 8, used
    assert used.get(("local", "V-5d"), 0) >= 1, used
