"""What /metrics says of statements and sources (O-4): numbers exactly as what was done."""

import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_manager
import pytest

from harness.prod import add_source, call, create_cache, execute, make_account
from harness.waiting import wait_until
from test_passthrough import Direct, make_many

LOCAL = {"route": "local", "status": "ok", "cache_status": "BYPASS"}
HIT = LOCAL | {"cache_status": "HIT"}
THROUGH = LOCAL | {"route": "passthrough"}


@pytest.fixture
def prod(spawn_server, sim):
    """A server with the source `prod` and a cache that was loaded; the catalog makes no difference here."""
    server = spawn_server()
    make_account(sim)
    add_source(server, sim, passthrough=True)
    create_cache(server, ttl_seconds=3600)
    call(server, "refresh", "sales_summary")
    return server


def scrape(server):
    """Every sample: name and labels to value."""
    with urllib.request.urlopen(f"{server.admin_url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    samples = {}
    for line in lines:
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"ducksync_(\w+?)(?:{(.*)})? (\S+)", line).groups()
            samples[name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels or ""))] = float(value)
    return samples


def value(samples, name, **labels):
    return samples.get((name, frozenset(labels.items())), 0)


def change(server, before, name, **labels):
    """By how much a sample has grown."""
    return value(scrape(server), name, **labels) - value(before, name, **labels)


def statements(server, before):
    """How many statements of each kind have ended since."""
    after = scrape(server)
    kinds = {labels for name, labels in after if name == "statements_total"}
    grown = {kind: after["statements_total", kind] - before.get(("statements_total", kind), 0) for kind in kinds}
    return {kind: count for kind, count in grown.items() if count}


def test_o4_statements_are_counted_by_route_status_and_part_of_caches(prod):
    before = scrape(prod)
    for _ in range(3):
        prod.rows("SELECT * FROM sales_summary")
    prod.rows("SELECT id FROM PROD.PUBLIC.ORDERS WHERE id > 1")
    prod.rows("SELECT id FROM PROD.PUBLIC.ORDERS WHERE id > 2")
    prod.rows("SELECT 42")
    execute(prod, "CREATE TABLE t (n INTEGER)")
    for bad in ["SELECT nothing FROM sales_summary", "SELEC"]:
        with pytest.raises(adbc_driver_manager.Error):
            prod.rows(bad)
    failed = {"route": "none", "status": "error", "cache_status": "none"}
    expected = [(HIT, 3), (THROUGH, 2), (LOCAL, 2), (failed, 2)]
    assert statements(prod, before) == {frozenset(labels.items()): count for labels, count in expected}
    assert change(prod, before, "errors_total", error_type="invalid_argument") == 2
    for labels, count in expected:
        assert change(prod, before, "statement_seconds_count", **labels) == count
        assert change(prod, before, "statement_seconds_bucket", **labels, le="+Inf") == count
        assert change(prod, before, "statement_seconds_sum", **labels) > 0


def test_o4_the_time_of_a_statement_counts_its_wait_for_the_source(prod, sim):
    sim.faults({"kind": "query_delay", "sql": "id > 7", "ms": 600, "count": 0})
    before = scrape(prod)
    prod.rows("SELECT id FROM PROD.PUBLIC.ORDERS WHERE id > 7")
    assert change(prod, before, "statement_seconds_sum", **THROUGH) >= 0.6
    assert change(prod, before, "statement_seconds_bucket", **THROUGH, le="0.5") == 0
    assert change(prod, before, "statement_seconds_bucket", **THROUGH, le="30") == 1


def test_o4_a_statement_whose_reader_leaves_is_cancelled(prod):
    before = scrape(prod)
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT a.range FROM range(3000000) a, range(100) b")
        cursor.fetchone()
        cursor.adbc_cancel()
    left = LOCAL | {"status": "cancelled"}
    wait_until(lambda: statements(prod, before) == {frozenset(left.items()): 1}, "it is counted as cancelled")


def test_o4_a_statement_that_is_left_while_it_waits_is_cancelled(prod, sim):
    sim.gate("id > 8", "before_execute")
    before = scrape(prod)
    with prod.connect() as connection, ThreadPoolExecutor(1) as pool:
        statement = Direct(connection, "SELECT id FROM PROD.PUBLIC.ORDERS WHERE id > 8")
        reading = pool.submit(statement.rows)
        wait_until(lambda: sim.gated() == 1, "it waits at the source")
        statement.statement.cancel()
        assert reading.exception(30) is not None
        statement.statement.close()
    sim.release()
    left = {"route": "none", "status": "cancelled", "cache_status": "none"}
    wait_until(lambda: statements(prod, before) == {frozenset(left.items()): 1}, "it is counted as cancelled")


def test_o4_sessions_are_those_that_are_open(prod):
    before = value(scrape(prod), "sessions")
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()
        assert value(scrape(prod), "sessions") == before + 1


def test_o4_statements_that_wait_for_room_are_shown(spawn_server):
    server = spawn_server(config_overrides={"engine.max_running": 1, "engine.max_waiting": 5})
    with server.connect() as slow, slow.cursor() as cursor, ThreadPoolExecutor(2) as pool:
        cursor.execute("SELECT a.range FROM range(30000000) a, range(100) b")
        cursor.fetchone()
        waiting = [pool.submit(server.rows, "SELECT 1") for _ in range(2)]
        wait_until(lambda: value(scrape(server), "statement_queue_depth") == 2, "two wait for room")
        cursor.adbc_cancel()
        assert [each.result(30) for each in waiting] == [[(1,)], [(1,)]]
    assert value(scrape(server), "statement_queue_depth") == 0


def test_o4_requests_and_bytes_are_counted_per_source(prod, sim):
    make_many(sim, 300_000)
    before, asked = scrape(prod), sum(sim.requests().values())
    prod.rows("SELECT n, filler FROM PROD.PUBLIC.MANY")
    assert change(prod, before, "source_requests_total", source="prod") == sum(sim.requests().values()) - asked
    assert change(prod, before, "source_bytes_total", source="prod") > 300_000
    assert change(prod, before, "statements_total", **THROUGH) == 1
    unchanged = scrape(prod)
    prod.rows("SELECT * FROM sales_summary")
    for name in ["source_requests_total", "source_bytes_total"]:
        assert change(prod, unchanged, name, source="prod") == 0, "a hit asks nobody"


def test_o4_loads_that_a_check_spared_are_counted_per_source(prod):
    before = scrape(prod)
    for _ in range(2):
        assert call(prod, "refresh", "sales_summary")["reason"] == "SOURCE_UNCHANGED"
    assert change(prod, before, "source_loads_avoided_total", source="prod") == 2
    assert not any(name == "source_loads_avoided_total" and not labels for name, labels in scrape(prod))
