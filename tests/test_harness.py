"""What the other tests stand on, tested without the server: the throw-away services and the oracle."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import tomllib
from harness.oracle import Oracle, OracleError
from harness.postgres import Postgres
from harness.server import flat, to_toml
from harness.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]


def test_databases_are_fresh_and_apart(postgres):
    import psycopg

    first, second = postgres.create_database(), postgres.create_database()
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE t (a int)")
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT to_regclass('t')").fetchone() == (None,)


def test_postgres_keeps_what_it_committed_through_a_crash():
    with Postgres() as server:
        assert server.execute("SHOW fsync") == [("on",)]
        server.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        port = server.port
        server.kill()
        server.start()
        assert server.port == port
        assert server.execute("SELECT answer FROM kept") == [(42,)]


def test_postgres_refuses_who_does_not_know_the_password(postgres):
    import psycopg

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.url.replace(postgres.password, "wrong"))


def test_with_postgres_passes_on_the_exit_code_and_leaves_nothing():
    with tempfile.TemporaryDirectory() as name:
        # PostgreSQL's user passes through it.
        Path(name).chmod(0o711)
        command = [ROOT / "scripts" / "with-postgres.sh", "sh", "-c", 'test -n "$DUCKSYNC_TEST_POSTGRES" && exit 7']
        assert subprocess.run(command, env=os.environ | {"TMPDIR": name}).returncode == 7
        assert list(Path(name).iterdir()) == []


def test_oracle_reads_a_lake_of_either_catalog(catalog_kind, tmp_path, request):
    if catalog_kind == "postgres":
        url = request.getfixturevalue("postgres").create_database()
    else:
        url = f"sqlite:{tmp_path / 'catalog.db'}"
    oracle = Oracle(url, tmp_path / "lake")
    oracle.rows("CREATE TABLE lake.main.t AS SELECT 1.5::DECIMAL(9, 2) AS a, DATE '2024-02-29' AS b")
    assert [len(oracle.rows(f"SELECT * FROM lake.main.t WHERE a {op} 1.5")) for op in ("=", ">")] == [1, 0]
    assert oracle.snapshots() == [0, 1]
    with pytest.raises(OracleError, match="no_such_table"):
        oracle.rows("SELECT * FROM lake.main.no_such_table")


def test_oracle_reads_a_lake_on_s3(bucket, tmp_path):
    url = f"sqlite:{tmp_path / 'catalog.db'}"
    oracle = Oracle(url, bucket.url, before=(bucket.create_secret_sql(),))
    oracle.rows("CREATE TABLE lake.main.t AS SELECT range AS a FROM range(1000)")
    assert oracle.rows("SELECT sum(a) FROM lake.main.t") == [(499500,)]
    assert [key.endswith(".parquet") for key in bucket.keys()] == [True]


def test_configuration_survives_being_written_as_toml():
    settings = flat({"testing": True, "a": {"b": 'x"\\\n', "c.d": [1, "2"]}, "e.f": 0.5})
    assert tomllib.loads(to_toml(settings)) == {
        "testing": True,
        "a": {"b": 'x"\\\n', "c": {"d": [1, "2"]}},
        "e": {"f": 0.5},
    }


def test_a_child_dies_with_its_owner(tmp_path):
    """A test run that is killed leaves no server behind."""
    owner = "\n".join(
        [
            "import os, pathlib, sys",
            f"sys.path.insert(0, {str(ROOT / 'tests')!r})",
            "from harness.processes import Child",
            "from harness.waiting import wait_until",
            f"child = Child(['sleep', '600'], pathlib.Path({str(tmp_path / 'child')!r}))",
            "wait_until(lambda: pathlib.Path(f'/proc/{child.pid}/comm').read_text() == 'sleep\\n', 'sleep runs')",
            "print(child.pid, flush=True)",
            "os.kill(os.getpid(), 9)",
        ]
    )
    pid = subprocess.run([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True).stdout.strip()
    wait_until(lambda: not _alive(pid), "the orphan ends", seconds=5)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
