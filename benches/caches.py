"""The server's own copies: how they are loaded, read and written."""

import os
import statistics
import sys
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pyarrow

from harness.oracle import EXTENSIONS
from harness.prod import call, create_cache, execute
from harness.processes import Child
from harness.server import Server
from harness.waiting import wait_until
from measure import COLUMNS, SOURCE, Driver, Report, connect, connect_admin, in_turns, seconds

#: What the server writes its files with.
PARQUET = "FORMAT parquet, COMPRESSION lz4_raw, PARQUET_VERSION v2"


def measure(report: Report, server: Server, rows: int, tables: int, work: Path, children: ExitStack) -> None:
    client = Driver(connect_admin(server), children)
    table = refresh(report, server, client, rows, work)
    whole_fetch(report, client, table, work, children)
    small_queries(report, server, client, rows, work, children)
    publish_latency(report, server, client, tables)


def refresh(report: Report, server: Server, client: Driver, rows: int, work: Path) -> pyarrow.Table:
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


def replay(table: pyarrow.Table, path: Path, children: ExitStack) -> Driver:
    """A client of a bare server that answers everything with this table."""
    with pyarrow.ipc.new_file(path, table.schema) as file:
        file.write_table(table)
    child = Child([sys.executable, Path(__file__).with_name("bare_flight.py"), path], path.with_suffix(""))
    children.callback(child.kill)
    url = wait_until(lambda: child.first_line("listening on "), "the bare server listens")
    return Driver(connect(url), children)


def whole_fetch(report: Report, client: Driver, table: pyarrow.Table, work: Path, children: ExitStack) -> None:
    """A whole cache to a client, against a server that only replays it."""
    bare = replay(table, work / "cache.arrow", children)
    ours, theirs = in_turns(5, lambda: client.drain("SELECT * FROM big_copy"), lambda: bare.drain("anything"))
    report.rates(f"the whole cache to the Go driver ({table.nbytes / 1e6:.0f} MB of Arrow)", table.nbytes, ours,
                 "a bare C++ Flight server replaying it", theirs)


def small_queries(
    report: Report, server: Server, client: Driver, rows: int, work: Path, children: ExitStack
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
    report.times("SELECT 1", least, "a bare C++ Flight server replaying it", wire)
    report.times("one row by key, 100 keys", ours, "SELECT 1 by the same client", least)
    report.times("one row by key, 100 keys", ours, "the ducklake extension in process", theirs)
    lake.close()


def publish_latency(report: Report, server: Server, client: Driver, tables: int) -> None:
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
    report.times(f"INSERT of one row at {tables} tables (p95 {worst:.1f} ms)", many, "at 10 tables", few)
