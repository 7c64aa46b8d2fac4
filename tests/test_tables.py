"""Plain lake tables and transactions through ADBC (V-18), agreeing with a stock DuckDB on the same lake (A-41)."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from harness.prod import execute, refused
from harness.waiting import wait_until


def test_v18_a_table_is_made_filled_changed_and_dropped(server):
    execute(server, "CREATE TABLE t (id BIGINT NOT NULL, name VARCHAR, price DECIMAL(10,2) DEFAULT 1.50)")
    assert execute(server, "INSERT INTO t VALUES (1, 'a', 2.00), (2, 'b', 3.00)") == 2
    assert execute(server, "INSERT INTO t (name, id) VALUES ('c', 3)") == 1
    assert server.rows("SELECT * FROM t ORDER BY id") == [
        (1, "a", Decimal("2.00")),
        (2, "b", Decimal("3.00")),
        (3, "c", Decimal("1.50")),
    ]
    assert execute(server, "UPDATE t SET price = price * 2, name = upper(name) WHERE id <= 2") == 2
    assert execute(server, "DELETE FROM t WHERE id = 3") == 1
    assert server.rows("SELECT * FROM t ORDER BY id") == [(1, "A", Decimal("4.00")), (2, "B", Decimal("6.00"))]
    assert execute(server, "DELETE FROM t") == 2
    assert server.rows("SELECT count(*) FROM t") == [(0,)]
    execute(server, "DROP TABLE t")
    assert "NOT_CACHED" in str(refused(server.rows, "SELECT * FROM t"))


def test_v18_create_as_keeps_types_and_names(server):
    execute(
        server,
        "CREATE TABLE t AS SELECT 1::TINYINT AS a, 'x' AS b, DATE '2024-02-29' AS d, [1, 2] AS l, {'k': 1.5::DOUBLE} AS s, "
        "'0b58b4c2-5b5e-4d7e-9d10-3c39b8f0b0a1'::UUID AS u, '{\"a\":1}'::JSON AS j, TIMESTAMPTZ '2024-01-01 00:00:00+00' AS z",
    )
    types = dict(server.rows("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 't'"))
    assert types["a"] == "TINYINT" and types["u"] == "UUID" and types["j"] == "JSON" and types["z"] == "TIMESTAMPTZ"
    ((a, b, d, items, s, u, j, _),) = server.rows("SELECT * FROM t")
    assert (a, b, d.isoformat(), items, s, u, j) == (
        1, "x", "2024-02-29", [1, 2], {"k": 1.5}, "0b58b4c2-5b5e-4d7e-9d10-3c39b8f0b0a1", '{"a":1}',
    )


def test_v18_schemas_and_views(server):
    execute(server, "CREATE SCHEMA sales")
    execute(server, "CREATE TABLE sales.t AS SELECT range AS n FROM range(10)")
    execute(server, "CREATE VIEW sales.even AS SELECT n FROM sales.t WHERE n % 2 = 0")
    assert server.rows("SELECT sum(n) FROM sales.even") == [(20,)]
    assert server.rows("SELECT sum(n) FROM lake.sales.even AS e WHERE e.n > 4") == [(14,)]
    assert "still holds" in str(refused(execute, server, "DROP SCHEMA sales"))
    execute(server, "DROP VIEW sales.even")
    execute(server, "DROP TABLE sales.t")
    execute(server, "DROP SCHEMA sales")


def test_v18_columns_are_added_renamed_and_dropped(server):
    execute(server, "CREATE TABLE t AS SELECT 1 AS a, 'x' AS b")
    execute(server, "ALTER TABLE t ADD COLUMN c INTEGER DEFAULT 7")
    execute(server, "ALTER TABLE t RENAME COLUMN b TO bb")
    execute(server, "INSERT INTO t VALUES (2, 'y', 8)")
    assert server.rows("SELECT a, bb, c FROM t ORDER BY a") == [(1, "x", 7), (2, "y", 8)]
    execute(server, "ALTER TABLE t DROP COLUMN bb")
    assert server.rows("SELECT * FROM t ORDER BY a") == [(1, 7), (2, 8)]
    execute(server, "ALTER TABLE t RENAME TO u")
    assert server.rows("SELECT count(*) FROM u") == [(2,)]


@pytest.mark.parametrize(
    "sql, word",
    [
        ("CREATE TABLE t (a INTEGER PRIMARY KEY)", "PRIMARY"),
        ("CREATE TABLE t (a INTEGER, a VARCHAR)", "twice"),
        ("CREATE TABLE t (a NOTYPE)", "a"),
        ("CREATE TABLE t (a INTEGER CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE t AS SELECT 1 AS a, 2 AS A", "two columns"),
        ("CREATE TABLE nowhere.t (a INTEGER)", "CREATE SCHEMA"),
        ("INSERT INTO e VALUES (1, 2)", "2 values"),
        ("INSERT INTO e VALUES ('no number')", "no number"),
        ("INSERT INTO e VALUES (NULL)", "a"),
        ("INSERT INTO e (b) VALUES (1)", "b"),
        ("UPDATE e SET b = 1", "b"),
        ("DELETE FROM nothing", "nothing"),
        ("DROP TABLE nothing", "nothing"),
        ("SELEC 1", "SELEC"),
        ("SELECT 1; SELECT 2", "one"),
        ("SELECT nothing FROM e", "nothing"),
        ("-- nothing", "empty"),
        ("COPY e TO '/tmp/x.parquet'", "COPY"),
        ("ATTACH '/tmp/x.db'", "ATTACH"),
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv"),
        ("SELECT current_setting('temp_directory')", "current_setting"),
    ],
)
def test_g9_bad_statements_say_what_was_wrong_and_change_nothing(server, sql, word):
    execute(server, "CREATE TABLE e (a INTEGER NOT NULL)")
    error = refused(execute, server, sql)
    assert word.lower() in str(error).lower(), str(error)
    assert error.status_code.name in {"INVALID_ARGUMENT", "NOT_FOUND", "INVALID_STATE"}, str(error)
    assert server.rows("SELECT count(*) FROM e") == [(0,)]
    assert server.rows("SELECT table_name FROM information_schema.tables") == [("e",)]


def test_v18_a_transaction_sees_its_writes_and_others_see_them_after_commit(server):
    execute(server, "CREATE TABLE t (n INTEGER)")
    with server.connect(autocommit=False) as mine, mine.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1), (2)")
        cursor.execute("UPDATE t SET n = 20 WHERE n = 2")
        cursor.execute("SELECT n FROM t ORDER BY n")
        assert cursor.fetchall() == [(1,), (20,)]
        assert server.rows("SELECT count(*) FROM t") == [(0,)]
        mine.commit()
        assert server.rows("SELECT n FROM t ORDER BY n") == [(1,), (20,)]


def test_v18_nothing_is_left_of_a_rollback(server):
    execute(server, "CREATE TABLE t (n INTEGER)")
    with server.connect(autocommit=False) as mine, mine.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")
        cursor.execute("CREATE TABLE u AS SELECT 1 AS x")
        mine.rollback()
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(0,)]
    assert server.rows("SELECT table_name FROM information_schema.tables") == [("t",)]


def test_v18_a_transaction_reads_plain_tables_as_of_its_first_touch(server):
    execute(server, "CREATE TABLE t AS SELECT 1 AS n")
    with server.connect(autocommit=False) as mine, mine.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(1,)]
        execute(server, "INSERT INTO t VALUES (2)")
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(1,)]
        mine.commit()
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(2,)]


def test_v18_of_two_transactions_on_the_same_rows_one_wins(server):
    execute(server, "CREATE TABLE t AS SELECT 1 AS n")
    with server.connect(autocommit=False) as one, server.connect(autocommit=False) as two:
        with one.cursor() as first, two.cursor() as second:
            first.execute("UPDATE t SET n = 10")
            second.execute("UPDATE t SET n = 20")
            one.commit()
            refused(two.commit)
    assert server.rows("SELECT n FROM t") == [(10,)]


def test_v18_concurrent_inserts_lose_nothing(server):
    execute(server, "CREATE TABLE t (n INTEGER)")
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(execute, server, f"INSERT INTO t VALUES ({n})") for n in range(40)]
        assert all(insert.result() == 1 for insert in done)
    assert server.rows("SELECT count(*), count(DISTINCT n), sum(n) FROM t") == [(40, 40, sum(range(40)))]


def test_v18_executemany_is_one_insert(server):
    execute(server, "CREATE TABLE t (n BIGINT, s VARCHAR)")
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (?, ?)", [(n, f"row {n}") for n in range(1000)])
        assert cursor.rowcount == 1000
    assert server.rows("SELECT count(*), sum(n), min(s) FROM t") == [(1000, sum(range(1000)), "row 0")]


def test_v1_time_travel_reads_an_older_snapshot(server):
    execute(server, "CREATE TABLE t AS SELECT 1 AS n")
    ((old,),) = server.rows("SELECT max(snapshot_id) FROM ducksync_snapshots()")
    execute(server, "INSERT INTO t VALUES (2)")
    assert server.rows(f"SELECT count(*) FROM t AT (VERSION => {old})") == [(1,)]
    assert server.rows(f"/*+ ducksync(snapshot={old}) */ SELECT count(*) FROM t") == [(1,)]
    assert "snapshot" in str(refused(server.rows, "SELECT * FROM t AT (VERSION => 99999)"))


def test_a41_a_stock_duckdb_reads_what_sql_did(server):
    execute(server, "CREATE TABLE t AS SELECT range AS n, 'v' || range AS s FROM range(1000)")
    execute(server, "DELETE FROM t WHERE n % 7 = 0")
    execute(server, "UPDATE t SET s = NULL WHERE n % 11 = 0")
    execute(server, "INSERT INTO t SELECT n + 1000, s FROM t WHERE n < 50")
    execute(server, "ALTER TABLE t ADD COLUMN extra DOUBLE")
    execute(server, "INSERT INTO t VALUES (5000, 'new', 0.5)")
    for sql in [
        "SELECT count(*), sum(n), count(s), min(n), max(n), min(s), max(s), sum(extra) FROM lake.main.t",
        "SELECT count(*) FROM lake.main.t WHERE n BETWEEN 100 AND 1010 AND s IS NOT NULL",
    ]:
        assert server.oracle().rows(sql) == server.rows(sql)


def test_restart_keeps_tables(server):
    execute(server, "CREATE TABLE t AS SELECT range AS n FROM range(10)")
    execute(server, "DELETE FROM t WHERE n = 3")
    server.restart()
    assert server.rows("SELECT count(*), sum(n) FROM t") == [(9, 42)]


def test_v18_a_transaction_of_many_changes_is_one_publish(server):
    execute(server, "CREATE TABLE kept AS SELECT range AS n FROM range(100)")
    before = server.rows("SELECT count(*) FROM ducksync_snapshots()")[0][0]
    with server.connect(autocommit=False) as mine, mine.cursor() as cursor:
        for sql in [
            "CREATE TABLE gone AS SELECT 1 AS x",
            "DROP TABLE gone",
            "INSERT INTO kept SELECT range + 100 FROM range(100)",
            "DELETE FROM kept WHERE n % 2 = 0",
            "UPDATE kept SET n = -n WHERE n > 150",
            "UPDATE kept SET n = n - 1 WHERE n < -190",
            "CREATE TABLE made (a INTEGER)",
            "INSERT INTO made VALUES (1)",
            "CREATE OR REPLACE TABLE made AS SELECT 'two' AS b",
            "ALTER TABLE made ADD COLUMN c INTEGER DEFAULT 5",
            "CREATE VIEW seen AS SELECT sum(n) AS s FROM kept",
        ]:
            cursor.execute(sql)
        cursor.execute("SELECT count(*), sum(n), min(n) FROM kept")
        inside = cursor.fetchall()
        mine.commit()
    odd = [n for n in range(200) if n % 2]
    expected = [n if n <= 150 else -n - (1 if n > 190 else 0) for n in odd]
    assert inside == [(100, sum(expected), min(expected))]
    assert server.rows("SELECT count(*), sum(n), min(n) FROM kept") == inside
    assert server.rows("SELECT * FROM made") == [("two", 5)]
    assert server.rows("SELECT s FROM seen") == [(sum(expected),)]
    assert server.rows("SELECT table_name FROM information_schema.tables ORDER BY 1") == [("kept",), ("made",), ("seen",)]
    assert server.rows("SELECT count(*) FROM ducksync_snapshots()") == [(before + 1,)]
    assert server.oracle().rows("SELECT count(*), sum(n), min(n) FROM lake.main.kept") == inside


def test_v18_a_fed_table_refuses_client_changes(server, sim):
    from harness.prod import add_source, call, create_cache, make_account

    make_account(sim)
    add_source(server, sim)
    create_cache(server)
    call(server, "refresh", "sales_summary")
    for sql in [
        "INSERT INTO prod.sales_summary VALUES ('X', 1, 1)",
        "DELETE FROM prod.sales_summary",
        "UPDATE prod.sales_summary SET total = 0",
        "DROP TABLE prod.sales_summary",
        "ALTER TABLE prod.sales_summary ADD COLUMN x INTEGER",
    ]:
        error = refused(execute, server, sql)
        assert "MANAGED" in str(error), str(error)
    assert server.rows("SELECT count(*) FROM sales_summary") == [(2,)]


def test_v6_a_cte_hides_a_table_in_its_scope_only(server):
    """A-10: a CTE named like a table stays, and a table in a subquery is seen."""
    execute(server, "CREATE TABLE t AS SELECT 1 AS n")
    execute(server, "CREATE TABLE u AS SELECT 1 AS n")
    assert server.rows("WITH t AS (SELECT 7 AS n) SELECT n FROM t WHERE EXISTS (SELECT 1 FROM u)") == [(7,)]
    assert server.rows("SELECT n, (WITH t AS (SELECT 9 AS n) SELECT n FROM t) FROM t") == [(1, 9)]
    assert server.rows("SELECT lake.main.t.n, main.t.n, t.n FROM lake.main.t") == [(1, 1, 1)]
    assert server.rows("SELECT 'FROM t' AS s, \"t\".n FROM \"t\" -- FROM t") == [("FROM t", 1)]
    assert server.rows(
        "WITH RECURSIVE r AS (SELECT n FROM t UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT sum(n) FROM r"
    ) == [(6,)]
    assert server.rows("SELECT a.n FROM t a JOIN u AS b USING (n), LATERAL (SELECT a.n AS m) WHERE m IN (FROM t)") == [(1,)]
    assert server.rows("DESCRIBE t")[0][:2] == ("n", "INTEGER")
    assert server.rows("SHOW TABLES") == [("t",), ("u",)]


FILES = "SELECT count(*) FROM ducklake_list_files('lake', 't')"


def make_small_files(server):
    """A table `t` of ten rows in ten files, which is worth a merge."""
    execute(server, "CREATE TABLE t (n INTEGER)")
    for n in range(10):
        execute(server, f"INSERT INTO t VALUES ({n})")


def test_g5_files_merged_between_a_transactions_read_and_its_write_do_not_abort_it(spawn_server, catalog_kind):
    server = spawn_server(catalog_kind, {"maintenance.interval": "3s"})
    make_small_files(server)
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(10,)]
        wait_until(lambda: server.oracle().rows(FILES)[0][0] < 8, "the files are merged", 30)
        cursor.execute("DELETE FROM t WHERE n < 3")
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(7,)]
        cursor.execute("COMMIT")
    assert server.rows("SELECT n FROM t") == [(n,) for n in range(3, 10)]


def test_g5_a_merge_waits_for_a_transaction_that_changed_the_files(spawn_server, catalog_kind):
    overrides = {"maintenance.interval": "2s", "logs.level": "info,ducksync_feeds=debug"}
    server = spawn_server(catalog_kind, overrides)
    make_small_files(server)
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("DELETE FROM t WHERE n < 3")
        wait_until(lambda: "changed while its files were merged" in server.log(), "a merge was tried", 30)
        cursor.execute("COMMIT")
    assert server.rows("SELECT n FROM t") == [(n,) for n in range(3, 10)]
    wait_until(lambda: server.oracle().rows(FILES)[0][0] < 8, "the files are merged afterwards", 30)
    assert server.rows("SELECT n FROM t") == [(n,) for n in range(3, 10)]


def test_o8_small_files_are_merged_by_themselves_and_no_row_changes(spawn_server, catalog_kind):
    server = spawn_server(catalog_kind, {"maintenance.interval": "200ms"})
    execute(server, "CREATE TABLE t (n INTEGER)")
    for n in range(12):
        execute(server, f"INSERT INTO t SELECT {n} * 100 + range FROM range(20)")
    # One row of twenty: a delete file, which the merge must heed.
    execute(server, "DELETE FROM t WHERE n = 305")
    files = "SELECT count(*) FROM ducklake_list_files('lake', 't')"
    wait_until(lambda: server.oracle().rows(files)[0][0] < 8, "the files are merged", 30)
    expected = [n * 100 + m for n in range(12) for m in range(20) if (n, m) != (3, 5)]
    assert [n for (n,) in server.rows("SELECT n FROM t")] == expected, "the order stays"
    assert server.oracle().rows("SELECT count(*), sum(n) FROM lake.main.t") == [(239, sum(expected))]
