"""What the benchmarks share: the build they measure, clients, works taken in turns, and the table of ratios."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager as manager
import pyarrow

from harness.prod import add_source
from harness.processes import ROOT
from harness.server import Server
from harness.sim import Sim

SOURCE = "PROD.PUBLIC.BIG"
COLUMNS = "ID, PRICE, ORDER_DATE, PLACED_AT, LABEL, RATE"

T = TypeVar("T")


def choose_build() -> str:
    """Points the harness at the release build, if both programs are there."""
    release = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    if not all((release / name).exists() for name in ("ducksync", "snowflake-sim")):
        return "debug"
    os.environ["DUCKSYNC_BIN"] = str(release / "ducksync")
    os.environ["SNOWFLAKE_SIM_BIN"] = str(release / "snowflake-sim")
    return "release"


def make_source(sim: Sim, rows: int) -> None:
    sim.sql("CREATE DATABASE PROD")
    sim.sql(
        f"CREATE TABLE {SOURCE} (ID NUMBER(18,0), PRICE NUMBER(12,2), ORDER_DATE DATE, PLACED_AT TIMESTAMP_NTZ(6), "
        "LABEL VARCHAR, RATE FLOAT)"
    )
    sim.sql(
        f"INSERT INTO {SOURCE} SELECT n, ((n * 7919) % 1000000) / 100, DATEADD(day, n % 1500, DATE '2020-01-01')::DATE, "
        "DATEADD(second, n, TIMESTAMP '2024-01-01 00:00:00'), 'customer ' || (n * 31 % 50000), n / 7 "
        f"FROM (SELECT range AS n FROM range({rows}))"
    )


def start_server(directory: Path, catalog: str, sim: Sim, children: ExitStack) -> Server:
    """A server that lets statements pass through to the simulator, its source `prod`."""
    directory.mkdir()
    server = Server(directory, catalog)
    children.callback(server.kill)
    server.start()
    add_source(server, sim, passthrough=True)
    return server


@dataclass(frozen=True)
class Reading:
    """A result that was read and dropped, batch by batch."""

    #: Seconds from the call to execute until the first batch was there.
    first: float
    #: Seconds until the last was.
    whole: float
    rows: int
    #: Bytes of Arrow, as the client holds them.
    size: int


class Client:
    """Somebody who executes a statement and reads its batches."""

    def stream(self, sql: str):
        """A context whose value gives the batches."""
        raise NotImplementedError

    def reading(self, sql: str) -> Reading:
        first, rows, size, began = 0.0, 0, 0, time.perf_counter()
        with self.stream(sql) as batches:
            for batch in batches:
                first = first or time.perf_counter() - began
                rows += batch.num_rows
                size += batch.nbytes
        return Reading(first, time.perf_counter() - began, rows, size)

    def drain(self, sql: str) -> None:
        with self.stream(sql) as batches:
            for _ in batches:
                pass


class Driver(Client):
    """An ADBC driver (Go) without Python's cursor: one call to execute, then a stream."""

    def __init__(self, connection: manager.dbapi.Connection, children: ExitStack) -> None:
        self.connection = children.enter_context(closing(connection))

    @contextmanager
    def stream(self, sql: str) -> Iterator[pyarrow.RecordBatchReader]:
        with manager.AdbcStatement(self.connection.adbc_connection) as statement:
            statement.set_sql_query(sql)
            handle, _ = statement.execute_query()
            with pyarrow.RecordBatchReader._import_from_c(handle.address) as batches:
                yield batches

    def read(self, sql: str) -> pyarrow.Table:
        with self.stream(sql) as batches:
            return batches.read_all()


class Cursor(Driver):
    """The same driver as most people use it: by Python's cursor, which prepares before it executes."""

    @contextmanager
    def stream(self, sql: str) -> Iterator[pyarrow.RecordBatchReader]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            with cursor.fetch_record_batch() as batches:
                yield batches


def connect(url: str, **login: str) -> manager.dbapi.Connection:
    """A connection by Flight SQL."""
    return flightsql.connect(url, db_kwargs=login, autocommit=True)


def connect_admin(server: Server) -> manager.dbapi.Connection:
    return connect(server.url, username="admin", password=server.admin_password())


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def turns(rounds: int, *works: Callable[[], T]) -> list[list[T]]:
    """What each work gives, taken in turns, so that a noisy moment hits all of them."""
    given: list[list[T]] = [[] for _ in works]
    for _ in range(rounds):
        for results, work in zip(given, works):
            results.append(work())
    return given


def in_turns(rounds: int, *works: Callable[[], object]) -> list[list[float]]:
    """Seconds of each work, taken in turns."""
    return turns(rounds, *(lambda work=work: seconds(work) for work in works))


def milliseconds(times: Iterable[float]) -> str:
    return f"{statistics.median(times) * 1e3:.2f} ms"


class Report:
    """Lines of a table, printed as they come."""

    def __init__(self) -> None:
        print("| what | ours | compared with | theirs | ratio |\n|---|---|---|---|---|", flush=True)

    def line(self, what: str, ours: str, other: str, theirs: str, ratio: float) -> None:
        print(f"| {what} | {ours} | {other} | {theirs} | {ratio:.2f} |", flush=True)

    def times(self, what: str, ours: Iterable[float], other: str, theirs: Iterable[float]) -> None:
        """Medians of seconds."""
        ours, theirs = list(ours), list(theirs)
        ratio = statistics.median(ours) / statistics.median(theirs)
        self.line(what, milliseconds(ours), other, milliseconds(theirs), ratio)

    def rates(self, what: str, size: float, ours: Iterable[float], other: str, theirs: Iterable[float]) -> None:
        """Megabytes a second, of the medians of seconds."""
        ours, theirs = (size / 1e6 / statistics.median(times) for times in (ours, theirs))
        self.line(what, f"{ours:.0f} MB/s", other, f"{theirs:.0f} MB/s", ours / theirs)
