"""Measures the server against what it could be at best, in one run on one machine, and prints ratios.

A number alone says little on a machine that others use too; so each measurement has a partner that is taken in
turns with it, and what counts is how many times slower (or faster) we are.

usage: PYTHONPATH=tests .deps/venv/bin/python benches/run.py [--rows N] [--tables N] [--catalog sqlite|postgres]

A release build is measured if there is one, else the debug build, and the output says which.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager as manager
import duckdb
import pyarrow

from harness.oracle import EXTENSIONS
from harness.postgres import Postgres
from harness.processes import ROOT, Child
from harness.prod import add_source, call, create_cache, execute
from harness.server import Server
from harness.sim import Sim
from harness.waiting import wait_until

SOURCE = "PROD.PUBLIC.BIG"
COLUMNS = "ID, PRICE, ORDER_DATE, PLACED_AT, LABEL, RATE"
#: What the server writes its files with.
PARQUET = "FORMAT parquet, COMPRESSION lz4_raw, PARQUET_VERSION v2"


def choose_build() -> str:
    """Points the harness at the release build, if both programs are there."""
    release = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    if not all((release / name).exists() for name in ("ducksync", "snowflake-sim")):
        return "debug"
    os.environ["DUCKSYNC_BIN"] = str(release / "ducksync")
    os.environ["SNOWFLAKE_SIM_BIN"] = str(release / "snowflake-sim")
    return "release"


class Report:
    """Lines of a table, printed as they come."""

    def __init__(self) -> None:
        print("| what | ours | compared with | theirs | ratio |\n|---|---|---|---|---|", flush=True)

    def line(self, what: str, ours: str, other: str, theirs: str, ratio: float) -> None:
        print(f"| {what} | {ours} | {other} | {theirs} | {ratio:.2f} |", flush=True)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(rounds: int, *works: Callable[[], object]) -> list[list[float]]:
    """Seconds of each work, taken in turns, so that a noisy moment hits all of them."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for times, work in zip(taken, works):
            times.append(seconds(work))
    return taken


class Client:
    """The Go driver underneath, without Python's cursor: one call to execute, then a stream."""

    def __init__(self, url: str, **login: str) -> None:
        self.connection = flightsql.connect(url, db_kwargs=login, autocommit=True)

    def read(self, sql: str) -> pyarrow.Table:
        statement = manager.AdbcStatement(self.connection.adbc_connection)
        try:
            statement.set_sql_query(sql)
            stream, _ = statement.execute_query()
            return pyarrow.RecordBatchReader._import_from_c(stream.address).read_all()
        finally:
            statement.close()

    def drain(self, sql: str) -> None:
        """Reads and drops, batch by batch."""
        statement = manager.AdbcStatement(self.connection.adbc_connection)
        try:
            statement.set_sql_query(sql)
            stream, _ = statement.execute_query()
            for _ in pyarrow.RecordBatchReader._import_from_c(stream.address):
                pass
        finally:
            statement.close()

    def close(self) -> None:
        self.connection.close()


def milliseconds(times: list[float]) -> str:
    return f"{statistics.median(times) * 1e3:.2f} ms"


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


def refresh(report: Report, server: Server, client: Client, rows: int, work: Path) -> pyarrow.Table:
    """How fast a cache is loaded, against DuckDB writing the same rows, and against the source alone."""
    create_cache(server, "big_copy", f"SELECT {COLUMNS} FROM {SOURCE}", ttl_seconds=86400)
    call(server, "refresh", "big_copy")
    table = client.read("SELECT * FROM big_copy")
    assert table.num_rows == rows
    connection = duckdb.connect(config={"threads": 2})
    connection.register("batches", table)

    def load() -> None:
        done = call(server, "refresh", "big_copy", force=True)
        assert done["rows_refreshed"] == rows, done

    def copy() -> None:
        connection.execute(f"COPY batches TO '{work / 'copy.parquet'}' ({PARQUET})")
        with (work / "copy.parquet").open("rb+") as file:
            os.fsync(file.fileno())

    def through() -> None:
        client.drain(f"/*+ ducksync(consistency=exact) */ SELECT {COLUMNS} FROM {SOURCE}")

    ours, theirs, source = map(min, in_turns(3, load, copy, through))
    rate = f"{rows / ours / 1e6:.2f} M rows/s"
    report.line("refresh of a cache, the simulator's time included", rate, "DuckDB's COPY, batches in memory",
                f"{rows / theirs / 1e6:.2f} M rows/s", theirs / ours)
    report.line("refresh of a cache, the simulator's time included", rate, "the same rows passed through",
                f"{rows / source / 1e6:.2f} M rows/s", source / ours)

    def create_as() -> None:
        execute(server, "CREATE TABLE copied AS SELECT * FROM big_copy")

    made, dropped = [], []
    for _ in range(3):
        made.append(seconds(create_as))
        dropped.append(seconds(lambda: execute(server, "DROP TABLE copied")))
    report.line("CREATE TABLE AS of the cache: scan, stage, publish", f"{rows / min(made) / 1e6:.2f} M rows/s",
                "DuckDB's COPY, batches in memory", f"{rows / theirs / 1e6:.2f} M rows/s", theirs / min(made))
    return table


def replay(table: pyarrow.Table, path: Path, children: ExitStack) -> Client:
    """A client of a bare server that answers everything with this table."""
    with pyarrow.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    child = Child([sys.executable, Path(__file__).with_name("bare_flight.py"), path], path.with_suffix(""))
    children.callback(child.kill)
    client = Client(wait_until(lambda: child.first_line("listening on "), "the bare server listens"))
    children.callback(client.close)
    return client


def whole_fetch(report: Report, client: Client, table: pyarrow.Table, work: Path, children: ExitStack) -> None:
    """A whole cache to a client, against a server that only replays it."""
    bare = replay(table, work / "cache.arrow", children)
    ours, theirs = map(
        statistics.median, in_turns(5, lambda: client.drain("SELECT * FROM big_copy"), lambda: bare.drain("anything"))
    )
    megabytes = table.nbytes / 1e6
    report.line(f"the whole cache to the Go driver ({megabytes:.0f} MB of Arrow)", f"{megabytes / ours:.0f} MB/s",
                "a bare C++ Flight server replaying it", f"{megabytes / theirs:.0f} MB/s", theirs / ours)


def small_queries(
    report: Report, server: Server, client: Client, rows: int, work: Path, children: ExitStack
) -> None:
    """One row of the cache by key, never the same twice, against SELECT 1 and against the extension in process."""
    bare = replay(client.read("SELECT 1"), work / "one.arrow", children)
    keys = iter(range(1, rows, 97))
    lake = duckdb.connect(config={"extension_directory": str(EXTENSIONS), "threads": 2})
    catalog = server.oracle()._prologue
    for statement in catalog:
        lake.execute(statement)

    def here() -> None:
        client.drain(f"SELECT * FROM big_copy WHERE id = {next(keys)}")

    def there() -> None:
        lake.execute(f"SELECT * FROM lake.prod.big_copy WHERE id = {next(keys)}").fetchall()

    def one() -> None:
        client.drain("SELECT 1")

    def floor() -> None:
        bare.drain("SELECT 1")

    measured = (here, there, one, floor)
    in_turns(1, *measured)
    ours, theirs, least, wire = in_turns(100, *measured)
    median = statistics.median
    report.line("SELECT 1", milliseconds(least), "a bare C++ Flight server replaying it", milliseconds(wire),
                median(least) / median(wire))
    report.line("one row by key, 100 keys", milliseconds(ours), "SELECT 1 by the same client", milliseconds(least),
                median(ours) / median(least))
    report.line("one row by key, 100 keys", milliseconds(ours), "the ducklake extension in process",
                milliseconds(theirs), median(ours) / median(theirs))
    lake.close()


def publish_latency(report: Report, server: Server, client: Client, tables: int) -> None:
    """INSERT of one row, when the lake has 10 tables and when it has many."""

    def inserts() -> list[float]:
        execute(server, "CREATE OR REPLACE TABLE target (n BIGINT)")
        return [seconds(lambda: client.drain(f"INSERT INTO target VALUES ({n})")) for n in range(50)]

    def fill(upto: int, already: int) -> float:
        def create() -> None:
            for number in range(already, upto):
                client.drain(f"CREATE TABLE t{number} (n BIGINT)")

        return seconds(create)

    fill(8, 0)
    few = inserts()
    made = fill(tables - 2, 8)
    print(f"# {tables - 10} CREATE TABLE took {made:.1f} s", file=sys.stderr)
    many = inserts()
    worst = statistics.quantiles(many, n=20)[-1] * 1e3
    report.line(f"INSERT of one row at {tables} tables (p95 {worst:.1f} ms)", milliseconds(many), "at 10 tables",
                milliseconds(few), statistics.median(many) / statistics.median(few))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--tables", type=int, default=1_000)
    parser.add_argument("--catalog", choices=["sqlite", "postgres"], default="sqlite")
    # What `cargo bench` would be given.
    arguments, _ = parser.parse_known_args()
    build, began = choose_build(), time.monotonic()
    load = os.getloadavg()[0]
    print(f"{build} build, {arguments.catalog} catalog, {os.cpu_count()} cores, load {load:.1f} at the start\n")
    with ExitStack() as children:
        work = Path(children.enter_context(tempfile.TemporaryDirectory(prefix="ducksync-bench-")))
        for name in ("sim", "server"):
            (work / name).mkdir()
        url = "sqlite:ducksync.db"
        if arguments.catalog == "postgres":
            url = children.enter_context(Postgres()).create_database()
        sim = Sim(work / "sim")
        children.callback(sim.stop)
        make_source(sim, arguments.rows)
        server = Server(work / "server", url)
        children.callback(server.kill)
        server.start()
        add_source(server, sim, passthrough=True)
        client = Client(server.url, username="admin", password=server.admin_password())
        children.callback(client.close)
        report = Report()
        table = refresh(report, server, client, arguments.rows, work)
        whole_fetch(report, client, table, work, children)
        small_queries(report, server, client, arguments.rows, work, children)
        publish_latency(report, server, client, arguments.tables)
    print(f"\n{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
