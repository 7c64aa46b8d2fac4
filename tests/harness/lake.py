"""A look behind the server's back: what the catalog says of runs and files, and what lies on the disk.

Read-only, and never through DuckDB: only the oracle, another process, may use its SQLite on our file.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from harness.server import Server
from harness.sim import Sim

#: Every file that a snapshot names, or that a snapshot named until it expired.
_NAMED = """
SELECT s.path, s.path_is_relative, t.path, t.path_is_relative, f.path, f.path_is_relative
FROM {lake}ducklake_{kind}_file f
JOIN (SELECT DISTINCT table_id, schema_id, path, path_is_relative FROM {lake}ducklake_table) t ON t.table_id = f.table_id
JOIN (SELECT DISTINCT schema_id, path, path_is_relative FROM {lake}ducklake_schema) s ON s.schema_id = t.schema_id
"""


def ask(server: Server, sql: str) -> list[tuple]:
    """Rows of the catalog database; `{lake}` and `{state}` stand before the names of tables."""
    url = str(server.config["catalog.url"])
    if url.startswith("sqlite:"):
        path = server.directory / url.removeprefix("sqlite:")
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(sql.format(lake="", state="ducksync_")).fetchall()
    import psycopg

    with psycopg.connect(url, options="-c default_transaction_read_only=on") as database:
        return database.execute(sql.format(lake="ducklake.", state="ducksync.")).fetchall()


def named_files(server: Server) -> set[Path]:
    """Every data and delete file of every snapshot."""
    root = Path(str(server.config["lake.data_path"]))
    found = set()
    for kind in ("data", "delete"):
        for row in ask(server, _NAMED.replace("{kind}", kind)):
            path = root
            for part, relative in zip(row[0::2], row[1::2]):
                path = path / part if relative else Path(part)
            found.add(path)
    return found


def stored_files(server: Server) -> set[Path]:
    """Every file below the data path."""
    return {path for path in Path(str(server.config["lake.data_path"])).rglob("*") if path.is_file()}


def unburied_runs(server: Server) -> list[tuple]:
    """Ended runs whose files the reaper has still to look for."""
    return ask(
        server,
        "SELECT r.id FROM {state}staging s JOIN {state}runs r ON r.id = s.run_id WHERE r.status NOT IN ('pending', 'running')",
    )


def make_large_table(sim: Sim, rows: int) -> None:
    """PROD.PUBLIC.BIG: `rows` rows, all of one generation, so that a mixture of two shows."""
    sim.sql("CREATE TABLE PROD.PUBLIC.BIG (id NUMBER(18,0), generation NUMBER(9,0), filler VARCHAR)")
    sim.sql(f"INSERT INTO PROD.PUBLIC.BIG SELECT range, 0, 'row ' || range FROM range({rows})")


#: The cache of it, and what sums it up.
LARGE = "SELECT id, generation, filler FROM PROD.PUBLIC.BIG"
SUMMARY = "SELECT generation, count(*), count(DISTINCT id), sum(id)::BIGINT FROM lake.prod.large GROUP BY generation"


def summary(rows: int, generation: int) -> list[tuple]:
    """What `SUMMARY` answers for a whole generation."""
    return [(generation, rows, rows, rows * (rows - 1) // 2)]
