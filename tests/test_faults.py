"""What goes wrong at Snowflake, seen by a client: the answer is whole and right, or one error that names the query (I-1)."""

import re

import adbc_driver_manager
import pytest

from harness.prod import add_source, make_account
from harness.waiting import wait_until

ROWS = 200_000
EXACT = "/*+ ducksync(consistency=exact) */"
MANY = f"{EXACT} SELECT n FROM PROD.PUBLIC.MANY ORDER BY n"
FEW = f"{EXACT} SELECT id FROM PROD.PUBLIC.ORDERS ORDER BY id"


def at(endpoint, kind, count=1, **more):
    return {"kind": kind, "endpoint": endpoint, "count": count} | more


#: Faults that heal, on a result of many chunks.
HEALS = {
    "token over at once": [at("query", "token_expires")],
    "token and addresses over in mid-result": [at("chunk", "chunk_expired", chunk=1), at("result", "token_expires")],
    "addresses over twice": [at("chunk", "chunk_expired", chunk=0), at("chunk", "chunk_expired", chunk=2)],
    "busy": [at("query", "http_status", 2), at("chunk", "http_status", 2, status=429)],
    "too slow": [at("query", "http_status", status=408)],
    "reply lost": [at("query", "no_reply")],
    "reset inside a chunk": [at("chunk", "drop_connection", chunk=1)],
    "chunk cut off": [at("chunk", "chunk_truncated", chunk=1)],
    "chunk with fewer rows": [at("chunk", "chunk_short", chunk=1)],
    "gzip without a header": [at("chunk", "chunk_unlabelled", 0)],
    "pending": [{"kind": "pending", "count": 3}],
}

#: Faults that end the answer, and what the client is told of each; the query's id is told of all of them.
ENDS = {
    "chunk forbidden": ([at("chunk", "chunk_forbidden", 0, chunk=1)], "refused"),
    "chunk cut off": ([at("chunk", "chunk_truncated", 0, chunk=1)], "complete gzip"),
    "chunk with fewer rows": ([at("chunk", "chunk_short", 0, chunk=1)], "arrow stream"),
    "wrong row count": ([{"kind": "chunk_row_count", "chunk": 1}], "rows where"),
    "reset inside a chunk": ([at("chunk", "drop_connection", 0, chunk=1)], "broke off"),
    "chunks never to be had": ([at("chunk", "http_status", 0)], "http 503"),
    # The first request only describes.
    "the query breaks off": ([{"kind": "query_error", "message": "internal trouble", "count": 1, "skip": 1}], "internal trouble"),
}


@pytest.fixture(scope="module")
def prod(tmp_path_factory):
    """One server and one account; every test heals what it broke."""
    from harness.server import Server
    from harness.sim import Sim

    sim = Sim(tmp_path_factory.mktemp("sim"))
    server = Server(tmp_path_factory.mktemp("server"), "sqlite:ducksync.db")
    try:
        make_account(sim)
        sim.sql(f"CREATE TABLE PROD.PUBLIC.MANY AS SELECT range AS n FROM range({ROWS})")
        server.start()
        add_source(server, sim, passthrough=True)
        yield server, sim
    finally:
        server.kill()
        sim.stop()


def numbers(server, sql):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return [int(value) for value in cursor.fetch_arrow_table().column(0).to_pylist()]


def runs(sim):
    return [entry for entry in sim.log() if entry["class"] == "query" and not entry["describe_only"]]


def works(server):
    """Whether the source is asked again: one that failed is left alone for a moment."""
    try:
        return numbers(server, FEW) == [1, 2, 3]
    except adbc_driver_manager.Error:
        return False


@pytest.mark.parametrize("name", HEALS)
def test_i1_what_heals_is_not_seen(prod, name):
    server, sim = prod
    for sql, expected in [(FEW, [1, 2, 3]), (MANY, list(range(ROWS)))]:
        sim.reset_log()
        sim.faults(*HEALS[name])
        assert numbers(server, sql) == expected
        sim.faults()
        assert len(runs(sim)) == 1, "the statement runs once"


@pytest.mark.parametrize("name", ENDS)
def test_i1_what_does_not_heal_is_one_error_with_the_query(prod, name):
    server, sim = prod
    faults, told = ENDS[name]
    sim.reset_log()
    sim.faults(*faults)
    with pytest.raises(adbc_driver_manager.Error) as caught:
        numbers(server, MANY)
    sim.faults()
    (run,) = runs(sim)
    message = str(caught.value)
    assert told in message
    assert run["query_id"] in message
    assert not re.search("X-Amz|127.0.0.1:", message)
    wait_until(lambda: works(server), "the source is asked again", seconds=30)
