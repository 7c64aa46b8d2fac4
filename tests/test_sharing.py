"""Equal statements at once are one at the source (V-14), and a dead source ties nobody up (V-13, G-10)."""

import time
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_manager
import pytest

from harness.prod import add_source, answered, call, create_cache, make_account
from harness.waiting import wait_until
from test_passthrough import MANY, MANY_SQL, Direct, make_many, prod, runs, statuses  # noqa: F401

REGIONS = "SELECT region FROM PROD.PUBLIC.ORDERS"
READERS = 8


def together(server, sql, count, sim):
    """`count` sessions that execute `sql` while a gate holds it; what each of them read."""
    connections = [server.connect() for _ in range(count)]
    try:
        statements = [Direct(connection, sql) for connection in connections]
        with ThreadPoolExecutor(count) as pool:
            reads = [pool.submit(statement.rows) for statement in statements]
            wait_until(lambda: sim.gated() >= 1, "a statement is at the gate", 30)
            yield statements, reads
            sim.release()
            for read in reads:
                read.exception(60)
        for statement in statements:
            statement.statement.close()
    finally:
        for connection in connections:
            connection.close()


def waits(server, count):
    """Waits until that many sessions wait for the source: those that come late would run anew."""
    waiting = lambda: server.metric("source_statements_waiting") == count
    wait_until(waiting, f"{count} statements wait for the source", 30)


def test_v14_equal_statements_at_once_run_once_and_everybody_reads_all(prod, sim):
    make_many(sim, MANY)
    sim.gate("MANY", "before_execute")
    for _, reads in together(prod, MANY_SQL, READERS, sim):
        waits(prod, READERS)
    assert [read.result() for read in reads] == [MANY] * READERS
    assert len(runs(sim)) == 1, "one statement at the source"


def test_v15_one_of_those_who_share_may_leave(prod, sim):
    sim.gate("region", "before_execute")
    for statements, reads in together(prod, REGIONS, 3, sim):
        waits(prod, 3)
        statements[0].statement.cancel()
        with pytest.raises(adbc_driver_manager.Error):
            reads[0].result(30)
        assert statuses(sim) == {REGIONS: "running"}, "the others want it still"
    assert [read.result() for read in reads[1:]] == [3, 3]
    assert len(runs(sim)) == 1


def test_v15_when_all_who_share_have_left_the_statement_is_aborted(prod, sim):
    sim.gate("region", "before_execute")
    for statements, reads in together(prod, REGIONS, 3, sim):
        waits(prod, 3)
        for statement in statements:
            statement.statement.cancel()
        wait_until(lambda: statuses(sim) == {REGIONS: "canceled"}, "the source is told", 10)


def test_v14_who_comes_after_the_answer_asks_anew(prod, sim):
    assert len(prod.rows(REGIONS)) == 3
    sim.sql("DELETE FROM PROD.PUBLIC.ORDERS WHERE id = 3")
    assert len(prod.rows(REGIONS)) == 2
    assert len(runs(sim)) == 2


def test_v8_zone_and_parameters_of_the_session_go_with_the_statement_and_not_in_it(prod, sim):
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET TimeZone = 'Europe/Berlin'")
        cursor.execute("SET source_parameters = 'WEEK_START=1'")
        cursor.execute(REGIONS)
        assert len(cursor.fetchall()) == 3
        for bad in ["AUTOCOMMIT=false", "QUERY_TAG=x", "nonsense", "WEEK_START="]:
            with pytest.raises(adbc_driver_manager.Error) as refused:
                cursor.execute(f"SET source_parameters = '{bad}'")
            assert "source_parameters" in str(refused.value)
    (run,) = runs(sim)
    assert run["sql"] == REGIONS


def test_g10_a_dead_source_is_left_alone_and_found_again(spawn_server, sim):
    make_account(sim)
    server = spawn_server(config_overrides={"testing": True})
    add_source(server, sim, passthrough=True)
    create_cache(server)
    call(server, "refresh", "sales_summary")
    sim.stop()
    for _ in range(3):
        with pytest.raises(adbc_driver_manager.Error) as refused:
            server.rows(REGIONS)
    assert "left alone until" in str(refused.value), refused.value
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(adbc_driver_manager.Error):
            server.rows(REGIONS)
    spent = time.monotonic() - began
    print(f"20 statements were refused in {spent:.2f} s")
    rows, story = answered(server, "SELECT count(*) FROM sales_summary")
    assert rows == [(2,)] and story["route"] == "local", "copies answer meanwhile"
    sim.start()
    make_account(sim)

    def recovered():
        try:
            return len(server.rows(REGIONS)) == 3
        except adbc_driver_manager.Error:
            return False

    wait_until(recovered, "the source is found again by itself", 60, every=0.5)
