"""Where a copy cannot answer, the source does, if it may (C-13, V-13)."""

from decimal import Decimal

import adbc_driver_manager
import pytest

from harness.prod import SALES, add_source, answered, call, create_cache, fetch, insert_order, make_account, refused
from harness.s3 import S3
from harness.waiting import accepts_connections, wait_until

TOTALS = [("EU", Decimal("20.25"), 1), ("US", Decimal("40.50"), 2)]
CHANGED = [("EU", Decimal("20.25"), 1), ("US", Decimal("50.00"), 3)]
ALL = "SELECT * FROM sales_summary"
HINT = "/*+ ducksync({}) */ "


@pytest.fixture
def prod(spawn_server, sim):
    """A server whose source lets statements through."""
    make_account(sim)
    server = spawn_server()
    add_source(server, sim, passthrough=True)
    return server


def test_c13_a_cache_without_data_is_answered_by_its_query_at_the_source(prod, sim):
    create_cache(prod, invalidation_mode="manual")
    rows, story = answered(prod, ALL)
    assert rows == TOTALS
    assert (story["route"], story["rule"], story["cache_status"]) == ("passthrough", "C-13", "BYPASS")
    assert "has no data yet" in story["reason"], story
    # Anything more has no meaning there.
    for sql in (f"{ALL} LIMIT 1", "SELECT count(*) FROM sales_summary", HINT.format("only_if_cached=true") + ALL):
        assert "NOT_CACHED" in str(refused(prod.rows, sql)), sql
    call(prod, "refresh", "sales_summary", force=True)
    assert answered(prod, ALL)[1]["route"] == "local"


def test_c13_a_first_load_that_fails_is_answered_by_the_source(prod):
    (prod.directory / "lake").mkdir(exist_ok=True)
    # In the place of the directory for the source's caches.
    (prod.directory / "lake" / "prod").write_text("")
    create_cache(prod)
    rows, story = answered(prod, ALL)
    assert (rows, story["route"], story["rule"]) == (TOTALS, "passthrough", "C-13")
    assert "its load failed" in story["reason"], story


def test_c13_what_is_too_old_for_a_contract_is_asked_of_the_source(prod, sim):
    create_cache(prod, invalidation_mode="manual")
    call(prod, "refresh", "sales_summary", force=True)
    insert_order(sim, 4, "US", "9.50")
    assert answered(prod, ALL)[0] == TOTALS
    rows, story = answered(prod, HINT.format("max_staleness=0") + ALL)
    assert (rows, story["route"], story["rule"]) == (CHANGED, "passthrough", "C-13")
    assert "older than max_staleness" in story["reason"], story
    rows, story = answered(prod, HINT.format("consistency=exact") + ALL)
    assert (rows, story["route"], story["rule"]) == (CHANGED, "passthrough", "V-1")
    add_source(prod, sim, passthrough=False)
    assert "STALE" in str(refused(prod.rows, HINT.format("max_staleness=0") + ALL))


def test_c13_the_source_answers_in_the_types_of_the_cache(prod, sim):
    for mapping in ("lossless", "double"):
        create_cache(prod, f"sales_{mapping}", SALES, invalidation_mode="manual", options=f'{{"type_mapping": "{mapping}"}}')
        passed, story = fetch(prod, f"SELECT * FROM sales_{mapping}")
        assert story["route"] == "passthrough", story
        call(prod, "refresh", f"sales_{mapping}", force=True)
        copied, _ = fetch(prod, f"SELECT * FROM sales_{mapping}")
        assert passed.schema.equals(copied.schema), mapping
        assert passed.sort_by("REGION").equals(copied.sort_by("REGION")), mapping


def test_c13_the_query_of_a_cache_runs_as_its_loads_do(prod, sim):
    """Not in the session's schema, where its names may mean something else."""
    sim.sql("CREATE DATABASE OTHER")
    sim.sql("CREATE TABLE OTHER.PUBLIC.THINGS (n INTEGER)")
    sim.sql("INSERT INTO OTHER.PUBLIC.THINGS VALUES (2)")
    sim.sql("CREATE TABLE PROD.PUBLIC.THINGS (n INTEGER)")
    sim.sql("INSERT INTO PROD.PUBLIC.THINGS VALUES (1)")
    create_cache(prod, "all_things", "SELECT n FROM THINGS", invalidation_mode="manual", monitor_tables=["PROD.PUBLIC.THINGS"])
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET catalog = 'OTHER'")
        cursor.execute("SET schema = 'PUBLIC'")
        cursor.execute("SELECT * FROM all_things")
        assert cursor.fetchall() == [(1,)]


def test_v13_lost_files_fail_open_and_come_back(prod, sim):
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    assert answered(prod, ALL)[1]["route"] == "local"
    assert answered(prod, SALES)[1]["rule"] == "V-5c"
    insert_order(sim, 4, "US", "9.50")
    lake = prod.directory / "lake"
    away = lake.rename(prod.directory / "away")
    try:

        def fails_open(sql):
            rows, story = answered(prod, sql)
            return rows == CHANGED and story["route"] == "passthrough" and story

        for sql in (ALL, SALES):
            # What was seen a moment ago is believed for a moment.
            story = wait_until(lambda: fails_open(sql), "the source answers")
            assert story["rule"] == "V-13" and "cannot be read" in story["reason"], story
    finally:
        away.rename(lake)
    for sql in (ALL, SALES):
        wait_until(lambda: answered(prod, sql)[1]["route"] == "local", "the copy answers again")


def test_a40_v13_an_outage_of_s3_fails_open(spawn_server, sim):
    s3 = S3()
    try:
        bucket = s3.create_bucket()
        config = {"lake.data_path": f"{bucket.url}lake/", "secrets.bucket": bucket.secret()}
        server = spawn_server("sqlite", config_overrides=config)
        make_account(sim)
        add_source(server, sim, passthrough=True)
        create_cache(server, ttl_seconds=3600)
        call(server, "refresh", "sales_summary")
        assert answered(server, ALL)[1]["route"] == "local"

        def goes(route):
            rows, story = answered(server, ALL)
            return rows == TOTALS and story["route"] == route

        s3.freeze()
        wait_until(lambda: goes("passthrough"), "the source answers", seconds=90)
        s3.thaw()
        wait_until(lambda: goes("local"), "the copy answers again")
        s3.stop()
        wait_until(lambda: goes("passthrough"), "the source answers")
        assert answered(server, SALES)[1]["rule"] == "V-13"
        # Nobody may ask the source: the error is the store's own, or what DuckDB still holds answers.
        add_source(server, sim, passthrough=False)
        try:
            assert sorted(server.rows(ALL)) == TOTALS
        except adbc_driver_manager.Error as error:
            assert "INTERNAL" not in str(error).upper(), error
    finally:
        s3.close()
