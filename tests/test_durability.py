"""What is on stable storage when a publish commits, seen from outside: the system calls of the server (G-4, I-2).

Every new Parquet file is flushed after its last byte was written, and so is every directory of the lake above it,
before the catalog is first told its name: what it was not told it cannot commit. SQLite's log is flushed in turn
before anybody is answered; Postgres flushes its own, because our sessions say so.
"""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from harness.lake import named_files
from harness.postgres import Postgres
from harness.prod import add_source, call, create_cache, execute, insert_order, make_account

TRACED = "openat,fsync,fdatasync,sync_file_range,write,pwrite64,writev,pwritev,sendto,sendmsg,mkdir,mkdirat,rename,renameat2"
WRITING = ("write", "pwrite64", "writev", "pwritev", "sendto", "sendmsg")
FLUSHING = ("fsync", "fdatasync")
#: `1234  fsync(17</a/file>) = 0`, or the second half of a call that another thread interrupted.
_CALL = re.compile(r"^(?P<pid>\d+)\s+(?P<name>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<pid>\d+)\s+<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)$")
_PATH = re.compile(r"^\d+<(?P<path>[^>]*)>")


class Call:
    """One system call: `began` and `ended` are line numbers, the order in which the kernel saw them."""

    def __init__(self, name, text, began):
        self.name, self.text, self.began, self.ended = name, text, began, None
        found = _PATH.match(text)
        self.path = found["path"] if found else ""


def calls_of(trace):
    """All calls of a trace that ended well."""
    running, calls = {}, []
    for number, line in enumerate(trace.splitlines()):
        if found := _RESUMED.match(line):
            call = running.pop((found["pid"], found["name"]), None)
            if call is None:
                continue
            call.text += found["rest"]
        elif found := _CALL.match(line):
            call = Call(found["name"], found["rest"], number)
            calls.append(call)
            if call.text.endswith("<unfinished ...>"):
                running[(found["pid"], call.name)] = call
                continue
        else:
            continue
        call.ended = number
    return [call for call in calls if call.ended is not None and "= -1 " not in call.text[-60:]]


@pytest.fixture
def traced(server, tmp_path):
    """Runs something while the server's system calls are written down; returns them."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")

    def trace(action):
        output = tmp_path / "trace"
        # Whole pages of SQLite and messages of Postgres are shown, since names are looked for in them.
        command = ["strace", "-f", "-y", "-s", "65536", "-e", f"trace={TRACED}", "-o", output, "-p", str(server.process.pid)]
        tracer = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        first = tracer.stderr.readline()
        if "attached" not in first:
            tracer.kill()
            pytest.skip(f"ptrace is not permitted here: {first.strip()}")
        try:
            action()
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=30)
        return calls_of(output.read_text(errors="replace"))

    return trace


def flushed(calls, path, after, before):
    """Whether `path` was flushed wholly between two moments."""
    return any(
        call.name in FLUSHING and call.path.rstrip("/") == str(path).rstrip("/")
        and call.began > after and call.ended < before
        for call in calls
    )


def told(server, calls, file):
    """When the catalog is first told the file's name: the number of the line."""
    telling = [c for c in calls if c.name in WRITING and file.name in c.text and not c.path.endswith(file.name)]
    assert telling, f"no call tells the catalog of {file.name}"
    if str(server.config["catalog.url"]).startswith("sqlite"):
        assert telling[0].path.endswith(".db-wal"), telling[0].path
    else:
        assert "socket" in telling[0].path, telling[0].path
    return telling[0].began


def check_order(server, calls, new):
    assert new, "nothing was published"
    root = Path(str(server.config["lake.data_path"]))
    for file in new:
        writes = [c for c in calls if c.name in WRITING and c.path == str(file)]
        assert writes, f"nothing was written to {file}"
        commit = told(server, calls, file)
        last = max(write.ended for write in writes)
        assert last < commit, "written after the catalog was told"
        assert flushed(calls, file, last, commit), f"{file} was not flushed before the catalog was told"
        created = min(c.began for c in calls if c.name == "openat" and f'{file.name}"' in c.text)
        for directory in file.parents:
            assert flushed(calls, directory, created, commit), f"{directory} was not flushed before the catalog was told"
            if directory == root:
                break
        else:
            raise AssertionError(f"{file} is not below {root}")


def check_log(server, calls, new):
    """SQLite's log is flushed after the last page of the publish; Postgres's is its own matter."""
    if str(server.config["catalog.url"]).startswith("sqlite"):
        last = max(told(server, calls, file) for file in new)
        assert any(c.name in FLUSHING and c.path.endswith(".db-wal") and c.began > last for c in calls), "not durable"


def test_g4_i2_a_refresh_flushes_files_and_directories_before_it_commits(server, sim, traced):
    make_account(sim)
    add_source(server, sim)
    create_cache(server)
    # The first load makes directories, the second a file in one that is there.
    for order in (4, 5):
        known = named_files(server)
        insert_order(sim, order, "EU", "1.00")
        calls = traced(lambda: call(server, "refresh", "sales_summary"))
        new = named_files(server) - known
        check_order(server, calls, new)
        check_log(server, calls, new)


def test_g4_i2_client_dml_flushes_files_and_directories_before_it_commits(server, traced):
    execute(server, "CREATE TABLE t AS SELECT range AS n FROM range(1000)")
    for statement in ("INSERT INTO t SELECT range FROM range(10)", "DELETE FROM t WHERE n = 7", "UPDATE t SET n = -1 WHERE n = 8"):
        known = named_files(server)
        calls = traced(lambda: execute(server, statement))
        new = named_files(server) - known
        check_order(server, calls, new)
        check_log(server, calls, new)


def test_g4_what_postgres_acknowledged_survives_its_crash_whatever_its_default(spawn_server):
    """A database that is told not to wait for its log must wait for us."""
    import psycopg

    with Postgres(synchronous_commit="off", wal_writer_delay="10s") as postgres:
        url = postgres.create_database()
        server = spawn_server(url)
        with psycopg.connect(url, autocommit=True) as careless:
            execute(server, "CREATE TABLE t (n INTEGER)")
            execute(server, "INSERT INTO t VALUES (1), (2)")
            careless.execute("CREATE TABLE careless AS SELECT 1 AS n")
            postgres.kill()
        postgres.start()
        with psycopg.connect(url) as check:
            # Otherwise this would prove nothing.
            assert check.execute("SELECT to_regclass('careless')").fetchone() == (None,)
        server.kill()
        server.start()
        assert server.rows("SELECT n FROM t ORDER BY n") == [(1,), (2,)]
        assert server.oracle().rows("SELECT sum(n) FROM lake.main.t") == [(3,)]
