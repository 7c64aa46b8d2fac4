"""The main job: caches of a Snowflake source, refreshed when it changed and read through ADBC (C-1 to C-15).

Each scenario runs on both kinds of catalog; the numbers are those of the specification's scenarios.
"""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from harness.prod import (
    SALES,
    add_source,
    answered,
    call,
    call_all,
    create_cache,
    execute,
    insert_order,
    make_account,
    queries,
    refused,
    status,
)
from harness.waiting import wait_until

TOTALS = [("EU", Decimal("20.25"), 1), ("US", Decimal("40.50"), 2)]


@pytest.fixture
def prod(server, sim):
    """A server with the source `prod`."""
    make_account(sim)
    add_source(server, sim)
    sim.reset_log()
    return server


def test_a1_a_refreshed_cache_answers_with_the_sources_rows_and_no_source_contact(prod, sim):
    create_cache(prod, ttl_seconds=3600)
    refreshed = call(prod, "refresh", "sales_summary")
    assert (refreshed["result"], refreshed["reason"], refreshed["rows_refreshed"]) == ("REFRESHED", "INITIAL", 2)
    sim.reset_log()
    rows, story = answered(prod, "SELECT * FROM sales_summary")
    assert rows == TOTALS
    assert (story["route"], story["cache_status"]) == ("local", "HIT")
    assert sim.log() == [], "a hit must not contact the source"


def test_a1_the_direct_path_reads_the_same_rows(prod):
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    assert sorted(prod.rows("SELECT * FROM lake.prod.sales_summary")) == TOTALS


def test_a2_an_unchanged_source_is_skipped_with_metadata_statements_at_no_credit(prod, sim):
    create_cache(prod, invalidation_mode="change_token")
    call(prod, "refresh", "sales_summary")
    sim.reset_log()
    before = sim.credits()["credits"]
    skipped = call(prod, "refresh", "sales_summary")
    assert (skipped["result"], skipped["reason"]) == ("SKIPPED", "SOURCE_UNCHANGED")
    assert skipped["rows_refreshed"] is None
    assert sim.log(), "the check asks the source"
    assert {entry["class"] for entry in sim.log() if not entry["describe_only"]} == {"metadata_free"}
    assert queries(sim) == []
    assert sim.credits()["credits"] == before


def test_a3_a_changed_table_is_refreshed(prod, sim):
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    insert_order(sim, 4, "EU", "1.75")
    refreshed = call(prod, "refresh", "sales_summary")
    assert (refreshed["result"], refreshed["reason"]) == ("REFRESHED", "SOURCE_CHANGED")
    assert refreshed["rows_refreshed"] == 2
    assert refreshed["duration_ms"] > 0
    rows, _ = answered(prod, "SELECT * FROM sales_summary")
    assert rows == [("EU", Decimal("22.00"), 2), ("US", Decimal("40.50"), 2)]


@pytest.mark.parametrize("mode", ["change_token", "last_altered", "auto"])
def test_c7_each_mode_finds_a_change_and_skips_without_one(prod, sim, mode):
    create_cache(prod, invalidation_mode=mode)
    call(prod, "refresh", "sales_summary")
    assert call(prod, "refresh", "sales_summary")["result"] == "SKIPPED"
    assert call(prod, "needs_refresh", "sales_summary")["needed"] is False
    insert_order(sim, 5, "APAC", "7.00")
    assert call(prod, "needs_refresh", "sales_summary")["needed"] is True
    assert call(prod, "refresh", "sales_summary")["result"] == "REFRESHED"


def test_c10_a_table_that_the_sources_plan_leaves_out_is_watched_by_its_name(prod, sim):
    create_cache(prod, "none", "SELECT id FROM PROD.PUBLIC.ORDERS WHERE FALSE", invalidation_mode="change_token")
    assert call(prod, "refresh", "none")["rows_refreshed"] == 0
    assert call(prod, "refresh", "none")["result"] == "SKIPPED"
    insert_order(sim, 8, "EU", "1.00")
    assert call(prod, "refresh", "none")["result"] == "REFRESHED"


def expired(server, name="sales_summary"):
    """Waits until the TTL is over."""
    wait_until(lambda: call(server, "describe_cache", name)["freshness"] == "EXPIRED", "the TTL is over", 30)


def test_a4_an_expired_ttl_reloads_although_tokens_are_equal(prod):
    create_cache(prod, ttl_seconds=1)
    call(prod, "refresh", "sales_summary")
    expired(prod)
    again = call(prod, "refresh", "sales_summary")
    assert (again["result"], again["reason"]) == ("REFRESHED", "TTL_EXPIRED")


def test_a4_with_revalidate_equal_tokens_are_enough(prod, sim):
    create_cache(prod, ttl_seconds=1, ttl_action="revalidate")
    call(prod, "refresh", "sales_summary")
    expired(prod)
    sim.reset_log()
    again = call(prod, "refresh", "sales_summary")
    assert again["result"] == "SKIPPED"
    assert queries(sim) == []


def test_a5_a_commit_during_the_load_is_found_by_the_next_refresh(prod, sim):
    create_cache(prod)
    sim.gate("^SELECT region, SUM", "before_answer")
    with ThreadPoolExecutor() as pool:
        loading = pool.submit(call, prod, "refresh", "sales_summary")
        wait_until(lambda: sim.gated(), "the load has read its rows", 30)
        insert_order(sim, 6, "US", "100.00")
        sim.release()
        assert loading.result()["result"] == "REFRESHED"
    again = call(prod, "refresh", "sales_summary")
    assert (again["result"], again["reason"]) == ("REFRESHED", "SOURCE_CHANGED")
    assert ("US", Decimal("140.50"), 3) in answered(prod, "SELECT * FROM sales_summary")[0]


def test_a7_mode_manual_loads_by_force_only(prod):
    create_cache(prod, invalidation_mode="manual")
    assert call(prod, "refresh", "sales_summary")["result"] == "SKIPPED"
    error = refused(prod.rows, "SELECT * FROM sales_summary")
    assert "NOT_CACHED" in str(error) and "ducksync_refresh('sales_summary'" in str(error)
    forced = call(prod, "refresh", "sales_summary", force=True)
    assert (forced["result"], forced["reason"]) == ("REFRESHED", "FORCED")
    assert answered(prod, "SELECT * FROM sales_summary")[0] == TOTALS


def test_a9_an_alike_name_is_another_table(prod, sim):
    sim.sql("CREATE TABLE PROD.PUBLIC.ORDER_A (id NUMBER(18,0)); INSERT INTO PROD.PUBLIC.ORDER_A VALUES (1)")
    sim.sql("CREATE TABLE PROD.PUBLIC.ORDERXA (id NUMBER(18,0)); INSERT INTO PROD.PUBLIC.ORDERXA VALUES (1)")
    create_cache(
        prod, "watched", "SELECT id FROM PROD.PUBLIC.ORDER_A", monitor_tables=["PROD.PUBLIC.ORDER_A"]
    )
    call(prod, "refresh", "watched")
    sim.sql("INSERT INTO PROD.PUBLIC.ORDERXA VALUES (2)")
    assert call(prod, "refresh", "watched")["result"] == "SKIPPED"
    sim.sql("INSERT INTO PROD.PUBLIC.ORDER_A VALUES (2)")
    assert call(prod, "refresh", "watched")["result"] == "REFRESHED"


def test_a11_without_passthrough_an_uncached_table_is_named(prod, sim):
    error = refused(prod.rows, "SELECT * FROM PROD.PUBLIC.ORDERS")
    assert "NOT_CACHED" in str(error) and "PROD.PUBLIC.ORDERS" in str(error)
    assert sim.log() == []


def test_a11_with_passthrough_the_source_answers(prod, sim):
    add_source(prod, sim, passthrough=True)
    rows, story = answered(prod, "SELECT id, region, amount FROM PROD.PUBLIC.ORDERS")
    assert rows == [(1, "US", Decimal("10.50")), (2, "EU", Decimal("20.25")), (3, "US", Decimal("30.00"))]
    assert (story["route"], story["cache_status"]) == ("passthrough", "BYPASS")
    (entry,) = queries(sim)
    assert entry["sql"] == "SELECT id, region, amount FROM PROD.PUBLIC.ORDERS", "the text must not change"
    assert entry["query_tag"].startswith("ducksync:")
    assert story["source_query_id"] == entry["query_id"]


def test_a12_fifty_readers_of_an_expired_cache_make_one_load(prod, sim):
    create_cache(prod, ttl_seconds=2)
    call(prod, "refresh", "sales_summary")
    expired(prod)
    sim.reset_log()
    sim.gate("^SELECT region, SUM", "before_execute")
    with ThreadPoolExecutor(50) as pool:
        reads = [pool.submit(answered, prod, "SELECT * FROM sales_summary") for _ in range(50)]
        wait_until(lambda: sim.gated(), "the load has begun", 30)
        sim.release()
        assert all(read.result(60)[0] == TOTALS for read in reads)
    assert len(queries(sim)) == 1


def test_g6_a_first_read_loads_the_cache(prod):
    create_cache(prod)
    rows, story = answered(prod, "SELECT * FROM sales_summary")
    assert rows == TOTALS
    assert story["cache_status"] == "MISS"


BAD = {
    "ttl 0": dict(ttl_seconds=0),
    "negative ttl": dict(ttl_seconds=-1),
    "mode": dict(invalidation_mode="x"),
    "ttl action": dict(ttl_action="x"),
    "refresh method": dict(refresh_method="x"),
    "empty list": dict(monitor_tables=[]),
    "unqualified list": dict(monitor_tables=["ORDERS"]),
    "two stage without login": dict(invalidation_mode="two_stage"),
    "two statements": dict(query="SELECT 1; SELECT 2"),
    "no read": dict(query="DELETE FROM PROD.PUBLIC.ORDERS"),
    "duplicate names": dict(query="SELECT id, region AS ID FROM PROD.PUBLIC.ORDERS"),
    "time": dict(query="SELECT id, CURRENT_TIMESTAMP() AS at FROM PROD.PUBLIC.ORDERS"),
    "random": dict(query="SELECT id, RANDOM() AS r FROM PROD.PUBLIC.ORDERS"),
    "name of a table": dict(name="orders", query="SELECT id FROM PROD.PUBLIC.ORDERS"),
    "rejected": dict(query="SELECT nothing FROM PROD.PUBLIC.ORDERS"),
    "no such table": dict(query="SELECT id FROM PROD.PUBLIC.NOTHING"),
    "options": dict(options='{"no": 1}'),
    "options text": dict(options="no json"),
    "interval": dict(refresh_every="soon"),
    "cache name": dict(name="a b"),
}


@pytest.mark.parametrize("case", BAD)
def test_a13_bad_definitions_are_refused_and_nothing_is_created(prod, case):
    error = refused(create_cache, prod, **BAD[case])
    assert status(error) == "INVALID_ARGUMENT", str(error)
    assert call_all(prod, "list_caches") == []


def test_a13_an_unknown_source_is_not_found(prod):
    error = refused(call, prod, "create_cache", "x", "nowhere", SALES)
    assert status(error) == "NOT_FOUND" and "nowhere" in str(error)
    assert status(refused(call, prod, "refresh", "nothing")) == "NOT_FOUND"


def test_c15_the_same_definition_is_fine_and_another_exists_already(prod):
    create_cache(prod)
    assert create_cache(prod)["status"] == "OK"
    assert status(refused(create_cache, prod, query="SELECT 1 AS x")) == "ALREADY_EXISTS"


def test_a14_a_wrong_password_reads_like_an_unknown_user(server):
    def login(user, password):
        return refused(server.rows, "SELECT 1", user=user, password=password)

    wrong, unknown = login("admin", "wrong"), login("nobody", "wrong")
    assert status(wrong) == status(unknown) == "UNAUTHENTICATED"
    assert str(wrong) == str(unknown)


def test_c14_after_alter_the_old_data_answers_until_the_next_publish(prod):
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    call(prod, "alter_cache", "sales_summary", source_query="SELECT region FROM PROD.PUBLIC.ORDERS")
    rows, story = answered(prod, "SELECT * FROM sales_summary")
    assert rows == TOTALS and story["cache_status"] == "STALE"
    refreshed = call(prod, "refresh", "sales_summary")
    assert (refreshed["result"], refreshed["reason"]) == ("REFRESHED", "DEFINITION_CHANGED")
    assert sorted(prod.rows("SELECT * FROM sales_summary")) == [("EU",), ("US",), ("US",)]


def test_c1_a_dropped_cache_is_gone_and_keep_data_leaves_a_plain_table(prod):
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    assert call(prod, "drop_cache", "sales_summary", keep_data=True)["status"] == "OK"
    assert sorted(prod.rows("SELECT * FROM lake.prod.sales_summary")) == TOTALS
    assert status(refused(call, prod, "describe_cache", "sales_summary")) == "NOT_FOUND"
    execute(prod, "DROP TABLE lake.prod.sales_summary")
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    call(prod, "drop_cache", "sales_summary")
    assert "NOT_CACHED" in str(refused(prod.rows, "SELECT * FROM lake.prod.sales_summary"))


def test_c1_a_source_in_use_is_dropped_by_cascade_only(prod):
    create_cache(prod)
    error = refused(call, prod, "drop_source", "prod")
    assert "sales_summary" in str(error)
    assert call(prod, "drop_source", "prod", cascade=True)["status"] == "OK"
    assert call_all(prod, "list_caches") == [] and call_all(prod, "list_sources") == []


def test_c5_a_suspended_cache_is_skipped_and_force_loads_it(prod):
    create_cache(prod)
    call(prod, "suspend", "sales_summary")
    skipped = call(prod, "refresh", "sales_summary")
    assert (skipped["result"], skipped["reason"]) == ("SKIPPED", "SUSPENDED")
    assert call(prod, "refresh", "sales_summary", force=True)["result"] == "REFRESHED"
    call(prod, "resume", "sales_summary")
    assert call(prod, "refresh", "sales_summary")["result"] == "SKIPPED"


def test_c5_a_failed_load_keeps_the_old_data(prod, sim):
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    sim.sql("DROP TABLE PROD.PUBLIC.ORDERS")
    failed = call(prod, "refresh", "sales_summary", force=True)
    assert failed["result"] == "ERROR" and "ORDERS" in failed["message"]
    assert sorted(prod.rows("SELECT * FROM sales_summary")) == TOTALS
    history = call_all(prod, "cache_history", "sales_summary")
    assert [run["result"] for run in history] == ["ERROR", "REFRESHED"]
    assert history[0]["error"]


def test_c12_state_is_readable_as_tables(prod):
    create_cache(prod, ttl_seconds=3600)
    assert prod.rows("SELECT cache_name, status FROM ducksync.cache_status") == [("sales_summary", "NEVER_REFRESHED")]
    call(prod, "refresh", "sales_summary")
    assert prod.rows("SELECT status, last_row_count, refresh_count FROM ducksync.cache_status") == [("VALID", 2, 1)]
    assert prod.rows("SELECT source_name, driver_type FROM ducksync.sources") == [("prod", "snowflake")]
    ((query, ttl),) = prod.rows("SELECT source_query, ttl_seconds FROM ducksync.caches")
    assert (query, ttl) == (SALES, 3600)


def test_c13_refresh_every_checks_in_the_background(prod, sim):
    create_cache(prod, refresh_every="1 second")
    wait_until(lambda: call(prod, "describe_cache", "sales_summary")["refresh_count"] == 1, "the first load", 30)
    insert_order(sim, 9, "EU", "5.00")
    wait_until(lambda: call(prod, "describe_cache", "sales_summary")["refresh_count"] == 2, "the second load", 30)
    assert ("EU", Decimal("25.25"), 2) in prod.rows("SELECT * FROM lake.prod.sales_summary")


def test_v1_the_contract_of_a_statement_is_kept(prod, sim):
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    insert_order(sim, 7, "US", "9.50")
    assert answered(prod, "SELECT * FROM sales_summary")[0] == TOTALS, "cached is the default"
    fresh, story = answered(prod, "/*+ ducksync(consistency=fresh) */ SELECT * FROM sales_summary")
    assert ("US", Decimal("50.00"), 3) in fresh and story["cache_status"] == "MISS"
    sim.reset_log()
    answered(prod, "/*+ ducksync(only_if_cached, max_staleness=3600) */ SELECT * FROM sales_summary")
    assert sim.log() == []
    error = refused(prod.rows, "/*+ ducksync(only_if_cached) */ SELECT * FROM PROD.PUBLIC.ORDERS")
    assert "NOT_CACHED" in str(error)


def test_v1_stale_if_error_bounds_what_a_dead_source_leaves(prod, sim):
    create_cache(prod, ttl_seconds=1)
    call(prod, "refresh", "sales_summary")
    sim.stop()
    expired(prod)
    rows, story = answered(prod, "SELECT * FROM sales_summary")
    assert rows == TOTALS and story["cache_status"] == "STALE"
    error = refused(prod.rows, "/*+ ducksync(stale_if_error=0) */ SELECT * FROM sales_summary")
    assert "STALE" in str(error)


def test_g2_prepare_runs_nothing(prod, sim):
    create_cache(prod)
    sim.reset_log()
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.adbc_prepare("SELECT * FROM ducksync_refresh('sales_summary')")
    assert queries(sim) == []
    assert call(prod, "describe_cache", "sales_summary")["refresh_count"] == 0


def test_g2_a_side_effect_stands_alone(prod):
    create_cache(prod)
    error = refused(prod.rows, "SELECT * FROM ducksync_refresh('sales_summary'), range(3)")
    assert status(error) == "INVALID_ARGUMENT"
    assert prod.rows("SELECT result FROM ducksync_refresh('sales_summary')") == [("REFRESHED",)]
    assert prod.rows("CALL ducksync_refresh('sales_summary')")[0][0] == "SKIPPED"


def test_restart_keeps_everything(prod, sim):
    create_cache(prod, ttl_seconds=3600)
    call(prod, "refresh", "sales_summary")
    sim.reset_log()
    prod.restart()
    rows, story = answered(prod, "SELECT * FROM sales_summary")
    assert rows == TOTALS and story["cache_status"] == "HIT"
    assert sim.log() == []
