"""The pass-through route against clients that read the source themselves: delay, throughput, memory."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from threading import Barrier

import adbc_driver_snowflake.dbapi
import pyarrow
import snowflake.connector

from harness.server import Server
from harness.sim import Sim
from measure import COLUMNS, SOURCE, Client, Cursor, Driver, Reading, Report, connect_admin, turns

WHOLE = f"SELECT {COLUMNS} FROM {SOURCE}"
#: Results by what they consist of: the simulator puts 1,000 rows into its reply, and 50,000 into a chunk.
FIRST_ROWS = {"in one reply": 500, "a reply and 4 chunks": 200_000}

DIRECT_DRIVER = "the ADBC driver for Snowflake, directly"
DIRECT_CURSOR = "the same, directly"
DIRECT_CONNECTOR = "Snowflake's Python connector, directly"


class Connector(Client):
    """Snowflake's own connector."""

    def __init__(self, sim: Sim, children: ExitStack) -> None:
        options = sim.connector_options(enable_server_session_keep_alive_auto_detection=False)
        self.connection = children.enter_context(closing(snowflake.connector.connect(**options)))

    @contextmanager
    def stream(self, sql: str) -> Iterator[Iterator[pyarrow.Table]]:
        with self.connection.cursor() as cursor:
            yield cursor.execute(sql).fetch_arrow_batches()


def measure(report: Report, sim: Sim, server: Server, rows: int, megabytes: int, readers: list[int]) -> None:
    with ExitStack() as clients:
        ours = connect_admin(server)
        theirs = adbc_driver_snowflake.dbapi.connect(db_kwargs=sim.adbc_options(), autocommit=True)
        pairs = [
            ("the Go driver", Driver(ours, clients), DIRECT_DRIVER, Driver(theirs, clients)),
            ("by Python's cursor, which prepares", Cursor(ours, clients), DIRECT_CURSOR, Cursor(theirs, clients)),
        ]
        connector = Connector(sim, clients)
        first_batch(report, pairs, connector)
        throughput(report, pairs[0], connector, rows)
    memory(report, sim, server, rows, megabytes, readers)


def read(client: Client, sql: str, rows: int) -> Reading:
    reading = client.reading(sql)
    assert reading.rows == rows, f"{reading.rows} rows instead of {rows}"
    return reading


def first_batch(report: Report, pairs: list[tuple[str, Client, str, Client]], connector: Client) -> None:
    """From the call to execute until there are rows."""
    for form, rows in FIRST_ROWS.items():
        clients = [client for _, ours, _, theirs in pairs for client in (ours, theirs)] + [connector]
        works = [lambda client=client: read(client, f"{WHOLE} WHERE ID < {rows}", rows).first for client in clients]
        turns(1, *works)
        *taken, by_connector = turns(20, *works)
        for (how, *_, other, _), ours, theirs in zip(pairs, taken[::2], taken[1::2]):
            report.times(f"first batch, {form}: {how}", ours, other, theirs)
        report.times(f"first batch, {form}: {pairs[0][0]}", taken[0], DIRECT_CONNECTOR, by_connector)


def throughput(report: Report, pair: tuple[str, Client, str, Client], connector: Client, rows: int) -> None:
    """A large result, with the time in which the simulator computes it and without."""
    _, ours, _, theirs = pair
    works = [lambda client=client: read(client, WHOLE, rows) for client in (ours, theirs, connector)]
    readings = turns(5, *works)
    size = readings[0][0].size
    for what, took in [
        ("from execute to the last row", lambda reading: reading.whole),
        ("from the first batch to the last", lambda reading: reading.whole - reading.first),
    ]:
        mine, driver, by_connector = ([took(reading) for reading in of_one] for of_one in readings)
        for other, others in [(DIRECT_DRIVER, driver), (DIRECT_CONNECTOR, by_connector)]:
            report.rates(f"{rows:,} rows ({size / 1e6:.0f} MB of Arrow), {what}", size, mine, other, others)
    first = [[reading.first for reading in of_one] for of_one in readings]
    report.times(f"first batch of {rows:,} rows", first[0], DIRECT_DRIVER, first[1])
    report.times(f"first batch of {rows:,} rows", first[0], DIRECT_CONNECTOR, first[2])


def memory(report: Report, sim: Sim, server: Server, rows: int, megabytes: int, readers: list[int]) -> None:
    """How much a server grows that has just begun, while so many read as fast as they can, and keep nothing."""
    width = max(1, megabytes * 1_000_000 // rows - 12)

    def text(reader: int) -> str:
        return f"SELECT ID, RPAD('reader {reader} ' || ID, {width}, 'abcdefghij') AS TEXT FROM {SOURCE}"

    for count in readers:
        same = {"one statement": [text(0)] * count}
        different = {"a statement each": [text(reader) for reader in range(count)]} if count > 1 else {}
        for form, statements in (same | different).items():
            server.restart()
            grown, size, took = growth(sim, server, statements, rows)
            assert size >= count * rows * (width + 12), f"{size} bytes are less than was asked for"
            print(f"# {count} readers, {form}: {size / 1e6:.0f} MB in {took:.1f} s", file=sys.stderr)
            what = f"peak memory, {count} {'reader' if count == 1 else 'readers'} of {size / count / 1e6:.0f} MB, {form}"
            report.line(what, f"{grown / 1e6:.0f} MB", "what they read", f"{size / 1e6:.0f} MB", grown / size)


def growth(sim: Sim, server: Server, statements: list[str], rows: int) -> tuple[int, int, float]:
    """Bytes that the server grew by at most, bytes that arrived, and seconds."""
    with ExitStack() as clients:
        connected = [Driver(connect_admin(server), clients) for _ in statements]
        read(connected[0], f"{WHOLE} WHERE ID < 500", 500)
        before = server.process.memory("VmRSS")
        server.process.forget_peak()
        sim.reset_log()
        together = Barrier(len(statements))

        def one(client: Client, sql: str) -> Reading:
            together.wait()
            return read(client, sql, rows)

        began = time.perf_counter()
        with ThreadPoolExecutor(len(statements)) as pool:
            readings = list(pool.map(one, connected, statements))
        took = time.perf_counter() - began
    runs = [entry for entry in sim.log(**{"class": "query"}) if not entry["describe_only"]]
    assert len(runs) == len(set(statements)), f"the source ran {len(runs)} statements"
    return server.process.memory("VmHWM") - before, sum(reading.size for reading in readings), took
