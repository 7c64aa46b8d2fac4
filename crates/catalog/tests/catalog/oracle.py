"""A stock DuckDB in a process of its own: writes the Parquet files of the tests, attaches the catalog
with the ducklake extension, and writes to it beside us.

Reads one JSON request per line and answers with one JSON line.
"""
import json
import os
import sys
import time

import duckdb

EXTENSIONS = sys.argv[1]


def connect():
    connection = duckdb.connect(config={"extension_directory": EXTENSIONS})
    for extension in ("ducklake", "sqlite_scanner", "postgres_scanner"):
        connection.execute(f"LOAD {extension}")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


writer = connect()
attached = None


def attach(request):
    """Attaches the catalog anew, so that nothing of an earlier state is remembered."""
    global attached
    if attached is not None:
        attached.close()
    attached = connect()
    options = [f"DATA_PATH '{request['data_path']}'"]
    if request["catalog"].startswith("postgres"):
        options.append(f"METADATA_SCHEMA '{request['metadata_schema']}'")
    elif request["catalog"].startswith("sqlite"):
        options.append("META_JOURNAL_MODE 'WAL'")
        options.append("META_BUSY_TIMEOUT 30000")
    attached.execute(
        f"ATTACH 'ducklake:{request['catalog']}' AS lake ({', '.join(options)})"
    )
    return True


def text(value):
    return None if value is None else str(value)


def query(request):
    """All rows as text; asks `attached`, or the plain writer."""
    connection = attached if request.get("attached", True) else writer
    rows = connection.execute(request["sql"]).fetchall()
    return [[text(value) for value in row] for row in rows]


def execute(request):
    """Runs statements as a foreign client; tries again while the database is locked."""
    for attempt in range(60):
        try:
            for statement in request["statements"]:
                attached.execute(statement)
            return True
        except duckdb.Error as error:
            if "locked" not in str(error) and "onflict" not in str(error):
                raise
            try:
                attached.execute("ROLLBACK")
            except duckdb.Error:
                pass
            time.sleep(0.05)
    raise RuntimeError("still locked")


def stage(request):
    """COPYs the rows of a query to a new file; what the catalog must know of it."""
    os.makedirs(os.path.dirname(request["location"]), exist_ok=True)
    fields = json_fields(request["fields"])
    options = (
        "FORMAT parquet, COMPRESSION lz4_raw, PARQUET_VERSION v2, RETURN_STATS"
        + (f", FIELD_IDS {fields}" if fields else "")
    )
    found = writer.execute(
        f"COPY ({request['sql']}) TO '{request['location']}' ({options})"
    ).fetchall()
    _, rows, size, footer, columns, _ = found[0]
    return {
        "rows": rows,
        "size_bytes": size,
        "footer_bytes": footer if footer is not None else 0,
        "columns": {name: dict(stats) for name, stats in dict(columns).items()},
    }


def json_fields(fields):
    if not fields:
        return None
    parts = []
    for name, value in fields.items():
        key = '"' + name.replace('"', '""') + '"' if name != "__duckdb_field_id" else name
        inner = json_fields(value) if isinstance(value, dict) else str(value)
        parts.append(f"{key}: {inner}")
    return "{" + ", ".join(parts) + "}"


COMMANDS = {"attach": attach, "query": query, "execute": execute, "stage": stage}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": COMMANDS[request["command"]](request)}
    except Exception as error:  # every failure is the test's to judge
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
