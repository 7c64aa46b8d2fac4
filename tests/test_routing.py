"""Which statements copies answer, and on what proof (V-5, V-6); statements in Snowflake's dialect (V-7).

What a statement yields may not depend on who answers it: so most tests ask twice, once where copies answer and once where
the source does, and compare rows, names and types.
"""

import adbc_driver_manager
import pytest

from harness.prod import (
    SALES,
    add_source,
    answered,
    call,
    call_all,
    call_sql,
    create_cache,
    execute,
    fetch,
    insert_order,
    make_account,
    queries,
    refused,
    status,
)
from harness.waiting import wait_until

ORDERS = "PROD.PUBLIC.ORDERS"
FULL = f"SELECT * FROM {ORDERS}"
US = f"SELECT id, region, amount FROM {ORDERS} WHERE region = 'US'"


@pytest.fixture
def prod(spawn_server, sim):
    """A server whose source lets nothing through: what answers, copies answer."""
    make_account(sim)
    server = spawn_server()
    add_source(server, sim)
    sim.reset_log()
    return server


def let_through(server, sim):
    add_source(server, sim, passthrough=True)


def copy(server, name="orders_copy", query=FULL, **options):
    create_cache(server, name, query, **options)
    assert call(server, "refresh", name)["result"] == "REFRESHED"


def assert_same(server, sql, rule, *settings):
    """The statement is answered by copies on that proof, and the source says the same: rows, names and types."""
    copied, story = fetch(server, sql, *settings)
    assert (story["route"], story["rule"]) == ("local", rule), story
    original, told = fetch(server, sql, "consistency = 'exact'", *settings)
    assert told["route"] == "passthrough"
    assert copied.schema.equals(original.schema), f"{sql}\n{copied.schema}\n{original.schema}"
    ordered = "ORDER BY" in sql
    rows = [table.to_pylist() if ordered else sorted(table.to_pylist(), key=repr) for table in (copied, original)]
    assert rows[0] == rows[1], sql
    return story


# ---- V-5: proofs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql, rule",
    [
        (f"SELECT count(*) FROM {ORDERS}", "V-5b"),
        (f"SELECT id, Region AS r FROM {ORDERS} WHERE amount > 15 ORDER BY id DESC", "V-5b"),
        (f"SELECT region, sum(amount) AS total, count(*) AS n FROM {ORDERS} GROUP BY region ORDER BY 1", "V-5b"),
        (f"SELECT o.*, p.id AS other FROM {ORDERS} o JOIN {ORDERS} p ON o.region = p.region AND o.id < p.id", "V-5b"),
        (f"WITH big AS (SELECT * FROM {ORDERS} WHERE amount > 15) SELECT max(amount) AS most FROM big", "V-5b"),
        (f"SELECT id FROM {ORDERS} o WHERE EXISTS (SELECT 1 AS x FROM {ORDERS} p WHERE p.id > o.id)", "V-5b"),
        (f"SELECT (amount * 2)::NUMBER(14,2) AS twice, amount + 0.5 AS more FROM {ORDERS}", "V-5b"),
        (FULL, "V-5c"),
        (f"select *\nfrom prod.public.orders -- the same", "V-5c"),
    ],
)
def test_v5b_a_full_copy_answers_as_the_source_does(prod, sim, sql, rule):
    copy(prod)
    let_through(prod, sim)
    story = assert_same(prod, sql, rule)
    assert "orders_copy" in story["reason"]


def test_v5b_a_copy_answers_without_any_contact(prod, sim):
    copy(prod)
    sim.reset_log()
    for sql in [f"SELECT id FROM {ORDERS} WHERE region = 'EU'", f"SELECT count(*)::INT - 1 AS id FROM {ORDERS}"]:
        rows, story = answered(prod, sql)
        assert (rows, story["cache_status"]) == ([(2,)], "HIT")
    assert sim.log() == []


def test_v7_a_type_that_a_copy_cannot_tell_is_described_by_the_source_once(prod, sim):
    copy(prod)
    sim.reset_log()
    before = sim.credits()["credits"]
    sql = f"SELECT region, sum(amount) AS total, count(*) AS n FROM {ORDERS} GROUP BY region"
    for _ in range(3):
        rows, story = answered(prod, sql)
        assert (len(rows), story["route"], story["rule"]) == (2, "local", "V-5b")
    assert [(entry["sql"], entry["describe_only"]) for entry in sim.log()] == [(sql, True)]
    assert sim.credits()["credits"] == before
    error = refused(prod.rows, f"/*+ ducksync(only_if_cached=true) */ SELECT sum(id) AS s FROM {ORDERS}")
    assert "column S" in str(error) and "cast it" in str(error), str(error)


def test_v5c_the_query_of_a_cache_is_answered_by_it(prod, sim):
    ordered = SALES + " ORDER BY total DESC"
    copy(prod, "sales_summary", SALES)
    copy(prod, "ordered", ordered)
    let_through(prod, sim)
    assert_same(prod, SALES, "V-5c")
    assert_same(prod, SALES.replace("SELECT region", "select REGION").replace(" FROM", "\n from"), "V-5c")
    assert "ordered" in assert_same(prod, ordered, "V-5c")["reason"]


def test_v5d_a_filter_or_projection_answers_what_asks_for_no_more(prod, sim):
    copy(prod, "us", US)
    let_through(prod, sim)
    assert_same(prod, f"SELECT id FROM {ORDERS} WHERE region = 'US' AND amount > 15", "V-5d")
    assert_same(prod, f"SELECT sum(o.amount) AS total FROM {ORDERS} AS o WHERE 'US' = o.region", "V-5d")
    for sql in [
        f"SELECT id FROM {ORDERS}",
        f"SELECT id FROM {ORDERS} WHERE region = 'EU'",
        f"SELECT id FROM {ORDERS} WHERE region = 'US' OR id = 2",
        f"SELECT * FROM {ORDERS} WHERE region = 'US'",
    ]:
        _, story = fetch(prod, sql)
        assert story["route"] == "passthrough", sql


def test_a8_defect_01_a_filtered_cache_does_not_count_for_its_table(prod, sim):
    copy(prod, "us", f"SELECT * FROM {ORDERS} WHERE region = 'US'")
    copy(prod, "sales_summary", SALES)
    error = refused(prod.rows, f"SELECT count(*) FROM {ORDERS}")
    assert "NOT_CACHED" in str(error), str(error)
    assert "prod.us" in str(error) and "prod.sales_summary" in str(error), "what came near is said"
    let_through(prod, sim)
    rows, story = answered(prod, f"SELECT count(*) FROM {ORDERS}")
    assert (rows, story["route"]) == ([(3,)], "passthrough")


def test_v6_defect_02_a_table_of_the_same_last_name_is_another(prod, sim):
    sim.sql("CREATE SCHEMA PROD.ARCHIVE; CREATE TABLE PROD.ARCHIVE.ORDERS (id NUMBER(18,0))")
    sim.sql('CREATE TABLE PROD.PUBLIC."orders" (id NUMBER(18,0))')
    copy(prod)
    for other in ["PROD.ARCHIVE.ORDERS", 'PROD.PUBLIC."orders"', "DEV.PUBLIC.ORDERS"]:
        assert "NOT_CACHED" in str(refused(prod.rows, f"SELECT id FROM {other}")), other
    assert prod.rows('SELECT count(*) AS n FROM prod."PUBLIC".orders') == [(3,)]


def test_a10_defect_03_a_cte_hides_a_table_and_a_subquery_names_one(prod, sim):
    copy(prod)
    sim.sql("CREATE TABLE PROD.PUBLIC.CUSTOMERS (id NUMBER(18,0))")
    assert prod.rows("WITH orders AS (SELECT 7 AS id) SELECT id FROM orders") == [(7,)]
    error = refused(prod.rows, f"SELECT id FROM {ORDERS} WHERE EXISTS (SELECT 1 AS x FROM PROD.PUBLIC.CUSTOMERS)")
    assert "NOT_CACHED" in str(error)
    rows = prod.rows(f"SELECT 1 AS one WHERE EXISTS (SELECT 1 AS x FROM {ORDERS} WHERE region = 'EU')")
    assert rows == [(1,)]


def test_a11_defect_05_nothing_passes_through_a_source_that_does_not_allow_it(prod, sim):
    sim.reset_log()
    for sql in [f"SELECT id FROM {ORDERS}", f"SELECT IFF(id > 1, id, 0)::INT AS x FROM {ORDERS}", f"SELECT id:a FROM {ORDERS}"]:
        refused(prod.rows, sql)
        refused(prod.rows, call_sql("query", sql, "prod"))
    assert queries(sim) == []


def test_v12_defect_09_a_copy_that_the_reader_may_not_select_is_not_there(spawn_server, sim, tmp_path):
    make_account(sim)
    users = tmp_path / "users.toml"
    users.write_text(
        '[users.boss]\npassword = "boss"\nroles = ["bosses"]\n'
        '[users.ana]\npassword = "ana"\nroles = ["nobody"]\n'
        '[grants]\nbosses = ["admin on server"]\nnobody = ["select on table prod.other"]\n'
    )
    server = spawn_server(config_overrides={"auth.users_file": str(users)})
    boss = {"user": "boss", "password": "boss"}
    with server.connect(**boss) as connection, connection.cursor() as cursor:
        from harness.prod import secret_sql

        cursor.execute(secret_sql(sim))
        for sql in [
            call_sql("add_source", "prod", "snowflake", "sf"),
            call_sql("create_cache", "orders_copy", "prod", FULL),
            call_sql("refresh", "orders_copy"),
        ]:
            cursor.execute(sql)
            cursor.fetchall()
    sql = f"SELECT count(*) AS n FROM {ORDERS}"
    assert server.rows(sql, **boss) == [(3,)]
    for hidden in [sql, call_sql("query", sql, "prod"), call_sql("explain_route", sql)]:
        try:
            shown = str(server.rows(hidden, user="ana", password="ana"))
        except adbc_driver_manager.Error as error:
            shown = str(error)
            assert "NOT_CACHED" in shown, shown
        assert "orders_copy" not in shown, "defect_09: a reader without rights learns nothing of it"


# ---- freshness: as if it had been named ----------------------------------------------------------


def test_c13_an_expired_copy_is_refreshed_before_it_answers_for_its_table(prod, sim):
    copy(prod, ttl_seconds=1)
    insert_order(sim, 4, "APAC", "1.00")
    wait_until(lambda: call(prod, "describe_cache", "orders_copy")["freshness"] == "EXPIRED", "the TTL is over", 30)
    rows, story = answered(prod, f"SELECT count(*) AS n FROM {ORDERS}")
    assert (rows, story["cache_status"], story["rule"]) == ([(4,)], "MISS", "V-5b")


def test_c13_a_copy_without_data_is_loaded_when_its_table_is_read(prod, sim):
    create_cache(prod, "orders_copy", FULL)
    with prod.connect() as connection, connection.cursor() as cursor:
        assert cursor.adbc_execute_schema(f"SELECT id FROM {ORDERS}").names == ["ID"]
    assert queries(sim) == [], "to describe loads nothing"
    rows, story = answered(prod, f"SELECT count(*) AS n FROM {ORDERS}")
    assert (rows, story["cache_status"]) == ([(3,)], "MISS")


def test_v1_fresh_checks_and_exact_asks_the_source(prod, sim):
    copy(prod)
    let_through(prod, sim)
    insert_order(sim, 4, "APAC", "1.00")
    sql = f"SELECT count(*) AS n FROM {ORDERS}"
    assert answered(prod, sql)[0] == [(3,)]
    assert answered(prod, "/*+ ducksync(consistency=exact) */ " + sql)[0] == [(4,)]
    rows, story = answered(prod, "/*+ ducksync(consistency=fresh) */ " + sql)
    assert (rows, story["route"], story["rule"]) == ([(4,)], "local", "V-5b")


def test_v5_a_manual_or_suspended_copy_answers_only_where_its_age_is_agreed(prod, sim):
    create_cache(prod, "by_hand", FULL, invalidation_mode="manual")
    call(prod, "refresh", "by_hand", force=True)
    sql = f"SELECT count(*) AS n FROM {ORDERS}"
    error = refused(prod.rows, sql)
    assert "NOT_CACHED" in str(error) and "by hand only" in str(error), str(error)
    assert prod.rows("SELECT count(*) AS n FROM by_hand") == [(3,)]
    assert prod.rows("/*+ ducksync(max_staleness=3600) */ " + sql) == [(3,)]
    call(prod, "drop_cache", "by_hand")
    copy(prod)
    call(prod, "suspend", "orders_copy")
    assert "suspended" in str(refused(prod.rows, sql))
    call(prod, "resume", "orders_copy")
    assert prod.rows(sql) == [(3,)]


def test_v1_only_if_cached_asks_nobody(prod, sim):
    let_through(prod, sim)
    sim.reset_log()
    sql = f"/*+ ducksync(only_if_cached=true) */ SELECT count(*)::INT AS n FROM {ORDERS}"
    assert "NOT_CACHED" in str(refused(prod.rows, sql))
    assert sim.log() == []
    copy(prod)
    sim.reset_log()
    assert prod.rows(sql) == [(3,)]
    assert sim.log() == []


def test_c14_after_another_definition_a_copy_proves_nothing_until_it_is_loaded(prod, sim):
    copy(prod, "us", US)
    call(prod, "alter_cache", "us", source_query=FULL)
    assert "NOT_CACHED" in str(refused(prod.rows, f"SELECT count(*) AS n FROM {ORDERS}"))
    call(prod, "refresh", "us")
    assert prod.rows(f"SELECT count(*) AS n FROM {ORDERS}") == [(3,)]


def test_v6_two_full_copies_are_ambiguous(prod, sim):
    copy(prod)
    copy(prod, "again", FULL)
    error = refused(prod.rows, f"SELECT id FROM {ORDERS}")
    assert status(error) == "INVALID_ARGUMENT" and "AMBIGUOUS" in str(error), str(error)
    assert "prod.again" in str(error) and "prod.orders_copy" in str(error)


def test_s10_a_copy_of_other_types_proves_nothing(prod, sim):
    copy(prod, "doubles", FULL, options='{"type_mapping": "double"}')
    assert "NOT_CACHED" in str(refused(prod.rows, f"SELECT id FROM {ORDERS}"))


def test_v5_columns_of_other_meaning_are_handed_on_only(prod, sim):
    sim.sql(
        "CREATE TABLE PROD.PUBLIC.ODD (k NUMBER(9,0), v VARIANT, g GEOGRAPHY, t TIMESTAMP_TZ(6), b BINARY);"
        """INSERT INTO PROD.PUBLIC.ODD SELECT 1, PARSE_JSON('{"a":1}'), 'POINT(1 2)', """
        "'2024-02-29 12:00:00 +05:30'::TIMESTAMP_TZ, TO_BINARY('00ff', 'HEX')"
    )
    copy(prod, "odd", "SELECT * FROM PROD.PUBLIC.ODD")
    let_through(prod, sim)
    assert_same(prod, "SELECT v, g, t, b, k FROM PROD.PUBLIC.ODD WHERE k = 1", "V-5b")
    for condition in ["g = 'POINT(1 2)'", "t > '2024-01-01'", "v IS DISTINCT FROM v"]:
        story = call_all(prod, "explain_route", f"SELECT k FROM PROD.PUBLIC.ODD WHERE {condition}")
        assert not any(line["matched"] for line in story), condition
        assert "not moved" in story[0]["reason"], story


def test_v9_defect_12_what_passes_is_filtered_at_the_source(prod, sim):
    let_through(prod, sim)
    sim.reset_log()
    sql = f"SELECT region FROM {ORDERS} WHERE id = 2"
    assert prod.rows(sql) == [("EU",)]
    assert [entry["sql"] for entry in queries(sim)] == [sql], "the whole statement runs there, unchanged"


def test_c1_explain_route_names_the_proof_and_what_came_near(prod, sim):
    copy(prod, "us", US)
    copy(prod, "sales_summary", SALES)
    copy(prod)
    sim.reset_log()
    lines = call_all(prod, "explain_route", f"SELECT count(*) FROM {ORDERS}")
    told = {(line["dataset"], line["matched"], line["rule"]) for line in lines}
    assert told == {("prod.orders_copy", True, "V-5b"), ("prod.us", False, "V-5"), ("prod.sales_summary", False, "V-5")}
    assert {line["route"] for line in lines} == {"local"}
    reasons = {line["dataset"]: line["reason"] for line in lines}
    assert "\"REGION\" = 'US'" in reasons["prod.us"]
    assert "groups" in reasons["prod.sales_summary"]
    assert all(line["age_seconds"] is not None for line in lines)
    (line,) = call_all(prod, "explain_route", SALES)[:1]
    assert (line["dataset"], line["rule"]) == ("prod.sales_summary", "V-5c")
    assert sim.log() == [], "nobody is asked"


# ---- ducksync_query ------------------------------------------------------------------------------


def test_c1_query_is_the_statement_itself(prod, sim):
    let_through(prod, sim)
    sim.reset_log()
    sql = f"SELECT id AS n, region, IFF(region = 'US', 'home', 'abroad') AS place FROM {ORDERS} ORDER BY id"
    table, story = fetch(prod, call_sql("query", sql, "prod"))
    assert table.schema.names == ["N", "REGION", "PLACE"]
    assert table.column("PLACE").to_pylist() == ["home", "abroad", "home"]
    assert story["route"] == "passthrough"
    assert [entry["sql"] for entry in queries(sim)] == [sql]
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.adbc_prepare(call_sql("query", sql, "prod"))
        cursor.execute(call_sql("query", sql, "prod"))
        assert len(cursor.fetchall()) == 3
    assert len(queries(sim)) == 2, "to prepare runs nothing"


def test_c1_query_is_answered_by_copies_and_joins_what_is_here(prod, sim):
    copy(prod)
    execute(prod, "CREATE TABLE names AS SELECT 'US' AS region, 'America' AS name")
    sim.reset_log()
    inner = f"SELECT region, count(*)::INT AS n FROM {ORDERS} GROUP BY region"
    assert sorted(prod.rows(call_sql("query", inner, "prod"))) == [("EU", 1), ("US", 2)]
    call_text = call_sql("query", inner, "prod").removeprefix("SELECT * FROM ")
    rows, story = answered(prod, f"SELECT name, n FROM {call_text} AS q JOIN names ON q.region = names.region")
    assert rows == [("America", 2)]
    assert [dataset for dataset in ("orders_copy", "names") if dataset in story["datasets"]] == ["orders_copy", "names"]
    assert sim.log() == []


def test_c1_query_inside_of_more_is_never_fetched_into_a_text(prod, sim):
    let_through(prod, sim)
    sim.reset_log()
    call_text = call_sql("query", f"SELECT id FROM {ORDERS}", "prod").removeprefix("SELECT * FROM ")
    error = refused(prod.rows, f"SELECT count(*) FROM {call_text}")
    assert "NOT_CACHED" in str(error) and "alone" in str(error), str(error)
    assert queries(sim) == []


@pytest.mark.parametrize(
    "arguments, word",
    [
        (("SELECT 1 AS a", "nowhere"), "nowhere"),
        (("SELECT 1 AS a; SELECT 2 AS b", "prod"), "one statement"),
        ((f"DELETE FROM {ORDERS}", "prod"), "read"),
        (("SELEC 1", "prod"), "SELEC"),
        (("SELECT 1 AS a",), "source_name"),
    ],
)
def test_c15_query_refuses_what_is_not_one_statement_that_reads(prod, sim, arguments, word):
    let_through(prod, sim)
    sim.reset_log()
    error = refused(prod.rows, call_sql("query", *arguments))
    assert status(error) in ("INVALID_ARGUMENT", "NOT_FOUND") and word in str(error), str(error)
    assert queries(sim) == []


# ---- session dialect -----------------------------------------------------------------------------

SNOWFLAKE = "dialect = 'snowflake'"


def test_v7_in_snowflakes_dialect_names_fold_and_caches_answer_by_name(prod, sim):
    copy(prod, "sales_summary", SALES)
    table, story = fetch(prod, "SELECT region, IFF(total > 30, 'much', 'little') AS size FROM Sales_Summary ORDER BY 1", SNOWFLAKE)
    assert table.to_pylist() == [{"REGION": "EU", "SIZE": "little"}, {"REGION": "US", "SIZE": "much"}]
    assert (story["route"], story["rule"]) == ("local", "V-5a")
    execute(prod, "CREATE TABLE plain AS SELECT 1::BIGINT AS a, 'x' AS b")
    table, _ = fetch(prod, "SELECT * FROM plain p JOIN sales_summary s ON p.a < s.orders", SNOWFLAKE)
    assert table.schema.names == ["A", "B", "REGION", "TOTAL", "ORDERS"]


def test_v7_what_cannot_be_moved_passes_or_is_named(prod, sim):
    copy(prod)
    sql = f"SELECT avg(amount) AS mean FROM {ORDERS}"
    for settings in [(), (SNOWFLAKE,)]:
        error = refused(fetch, prod, sql, *settings)
        assert "NOT_CACHED" in str(error) and "AVG(" in str(error), str(error)
    error = refused(fetch, prod, "SELECT avg(amount) AS mean FROM orders_copy", SNOWFLAKE)
    assert "NOT_CACHED" in str(error) and "AVG(" in str(error), str(error)
    let_through(prod, sim)
    sim.reset_log()
    for settings in [(), (SNOWFLAKE,)]:
        _, story = fetch(prod, sql, *settings)
        assert story["route"] == "passthrough" and "AVG(" in story["reason"]
    assert [entry["sql"] for entry in queries(sim)] == [sql, sql]


def test_v7_texts_with_backslashes_are_the_sources(prod, sim):
    let_through(prod, sim)
    sql = f"SELECT id FROM {ORDERS} WHERE region = 'it\\'s' OR id = 2"
    table, story = fetch(prod, sql, SNOWFLAKE)
    assert (table.column("ID").to_pylist(), story["route"]) == ([2], "passthrough")


def test_v7_management_is_the_same_in_either_dialect(prod, sim):
    copy(prod)
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SET {SNOWFLAKE}")
        for sql in ["SELECT cache_name FROM ducksync_list_caches()", "SELECT cache_name FROM ducksync.caches"]:
            cursor.execute(sql)
            assert cursor.fetchall() == [("orders_copy",)]
        cursor.execute("SET dialect = 'duckdb'")
        cursor.execute("SELECT [1, 2] AS list")
        assert cursor.fetchall() == [([1, 2],)]
        with pytest.raises(adbc_driver_manager.Error, match="dialect"):
            cursor.execute("SET dialect = 'oracle'")


def test_v8_parameters_of_source_statements_say_what_to_do(prod, sim):
    let_through(prod, sim)
    error = refused(prod.rows, f"SELECT id FROM {ORDERS} WHERE id = ?", (1,))
    assert "write the values into the statement" in str(error), str(error)
