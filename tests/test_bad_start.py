"""What goes wrong at the start, or in the ground under a running server: said clearly, with the remedy, nothing half done."""

import os
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.lake import LARGE, SUMMARY, make_large_table, named_files, stored_files, summary
from harness.pooler import pooled, pooler_program
from harness.postgres import Postgres
from harness.prod import add_source, call, call_all, create_cache, execute, make_account
from harness.processes import bound_to_us, built
from harness.server import to_toml
from harness.waiting import free_port, wait_until


def refusal(server, text=None, seconds=30):
    """Starts a server that must refuse, within the time; returns what it said."""
    server.config_path.write_text(to_toml(server.config) if text is None else text)
    command = bound_to_us(built("ducksync", "DUCKSYNC_BIN"), "serve", "--config", server.config_path)
    done = subprocess.run(command, cwd=server.directory, capture_output=True, text=True, timeout=seconds)
    said = done.stdout + done.stderr
    assert done.returncode in (1, 64), f"{done.returncode}: {said}"
    assert "ducksync ready" not in said
    assert "panicked" not in said and "INTERNAL" not in said.upper().replace("INTERNAL_", ""), said
    return said


def change_catalog(server, sqlite_sql, postgres_sql):
    """Changes the catalog database behind the back of a server that is down."""
    url = str(server.config["catalog.url"])
    if url.startswith("sqlite:"):
        import sqlite3

        with closing(sqlite3.connect(server.directory / url.removeprefix("sqlite:"))) as database:
            database.execute(sqlite_sql)
            database.commit()
    else:
        import psycopg

        with psycopg.connect(url) as database:
            database.execute(postgres_sql)


@pytest.fixture
def unstarted(spawn_server):
    """A server that was never started, on SQLite."""
    return spawn_server("sqlite", start=False)


@contextmanager
def small_disk(directory: Path, size: str, options: str = ""):
    """A file system of its own below `directory`; only root may have one."""
    place = directory / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs is not permitted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> Path:
    """Leaves no byte free there."""
    filler = place / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
    except OSError:
        return filler
    raise AssertionError("the disk has no end")


# The configuration.


@pytest.mark.parametrize(
    "text, line",
    [
        ("testing = true\n[flight\nlisten = []\n", 2),
        ('testing = true\n\nlake.data_path = "half\n', 3),
        ("a = 1\na = 2\n", 2),
    ],
)
def test_o1_broken_toml_is_refused_with_its_line(unstarted, text, line):
    said = refusal(unstarted, text)
    assert f"ducksync.toml:{line}" in said, said
    assert not (unstarted.directory / "ducksync-data").exists()


@pytest.mark.parametrize(
    "key, value, nearest",
    [
        ("serving.statment_timeout", "5m", "serving.statement_timeout"),
        ("lake.datapath", "x", "lake.data_path"),
        ("servng", 1, "serving"),
    ],
)
def test_o1_an_unknown_key_is_refused_with_its_line_and_the_nearest(unstarted, key, value, nearest):
    unstarted.config[key] = value
    said = refusal(unstarted)
    assert key in said and f"did you mean {nearest}?" in said and "ducksync.toml:" in said, said
    assert not (unstarted.directory / "ducksync-data").exists()


def test_o1_an_unknown_variable_is_refused_by_its_name(unstarted, monkeypatch):
    monkeypatch.setenv("DUCKSYNC__SERVING__STATMENT_TIMEOUT", "5m")
    said = refusal(unstarted)
    assert "DUCKSYNC__SERVING__STATMENT_TIMEOUT" in said and "serving.statement_timeout" in said, said


def test_o1_a_value_of_another_type_is_refused_by_its_key(unstarted):
    unstarted.config["refresh.workers"] = "many"
    said = refusal(unstarted)
    assert "refresh.workers" in said and "ducksync.toml:" in said, said


def test_g11_a_bad_secret_in_the_configuration_is_refused_without_being_shown(unstarted):
    unstarted.config["secrets.sf.password"] = ["hunter2"]
    said = refusal(unstarted)
    assert "secrets.sf" in said and "hunter2" not in said, said


# The machine.


@pytest.mark.parametrize("file", ["missing", "garbage", "not signed"])
def test_o1_an_extension_that_cannot_be_loaded_is_named_with_its_place(unstarted, bucket, file):
    place = unstarted.directory / "extensions"
    good = next(Path(str(unstarted.config["engine.extension_directory"])).rglob("httpfs.duckdb_extension"))
    target = place / good.relative_to(good.parents[2]) / ".."
    target = Path(os.path.normpath(target)) / good.name
    target.parent.mkdir(parents=True)
    if file == "garbage":
        target.write_bytes(b"no extension at all" * 1000)
    elif file == "not signed":
        # One byte in the middle is another: the signature no longer holds.
        body = bytearray(good.read_bytes())
        body[len(body) // 2] ^= 1
        target.write_bytes(body)
    unstarted.config |= {
        "engine.extension_directory": str(place),
        "lake.data_path": bucket.url,
        **{f"secrets.b.{key}": value for key, value in bucket.secret().items()},
    }
    said = refusal(unstarted)
    assert "httpfs" in said and str(place) in said, said
    assert "ducksync-test-secret" not in said


@pytest.mark.parametrize("key", ["data_directory", "lake.data_path", "engine.temp_directory", "catalog.url"])
def test_o1_a_directory_that_cannot_be_made_is_named_with_its_key(unstarted, key):
    file = unstarted.directory / "file"
    file.write_text("in the way")
    unstarted.config[key] = f"sqlite:{file}/catalog.db" if key == "catalog.url" else f"{file}/below"
    said = refusal(unstarted)
    assert key in said and str(file) in said, said
    assert not list(unstarted.directory.rglob("*.parquet"))


def test_o1_a_read_only_data_directory_is_said(unstarted, tmp_path):
    with small_disk(tmp_path, "1m", ",ro") as place:
        unstarted.config["data_directory"] = str(place)
        said = refusal(unstarted)
        assert str(place) in said and "read-only" in said and "data_directory" in said, said


@pytest.mark.parametrize("key", ["flight", "admin"])
def test_o1_a_port_in_use_is_named_before_anything_is_written(unstarted, key):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        if key == "flight":
            unstarted.config["flight.listen"] = [f"grpc://127.0.0.1:{port}"]
        else:
            unstarted.config["admin.listen"] = f"127.0.0.1:{port}"
        said = refusal(unstarted)
    assert str(port) in said and f"{key}.listen" in said, said
    assert not (unstarted.directory / "ducksync.db").exists()


# The catalog.


def test_v13_a_postgres_that_is_down_is_waited_for_and_then_said(spawn_server):
    url = f"postgresql://someone:hunter2@127.0.0.1:{free_port()}/ducksync"
    server = spawn_server(url, config_overrides={"catalog.connect_timeout": "1s"}, start=False)
    said = refusal(server)
    assert "cannot be reached" in said and "catalog.url" in said and "catalog.connect_timeout" in said, said
    assert "hunter2" not in said
    assert not stored_files(server)


def test_v13_a_postgres_that_comes_up_late_is_enough(spawn_server):
    with Postgres() as postgres:
        url = postgres.create_database()
        postgres.stop()
        server = spawn_server(url, start=False)
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(server.start)
            wait_until(lambda: server.process and "not there yet" in server.log(), "it waits for the catalog")
            postgres.start()
            starting.result(30)
            # Asked while the thread lives that started it: the kernel ends the server with that thread.
            assert server.rows("SELECT 42") == [(42,)]


def test_g11_a_refused_login_at_postgres_is_said_without_the_password(spawn_server, postgres):
    url = postgres.create_database().replace(postgres.password, "hunter2")
    said = refusal(spawn_server(url, start=False))
    assert "password authentication failed" in said and "catalog.url" in said, said
    assert "hunter2" not in said


def test_o1_a_postgres_user_who_may_not_create_is_told_what_to_grant(spawn_server, postgres):
    url = postgres.create_database()
    role = f"limited_{urlsplit(url).path[-8:]}"
    postgres.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    limited = url.replace(f"postgres:{postgres.password}", f"{role}:x")
    said = refusal(spawn_server(limited, start=False))
    assert "permission denied" in said.lower() and "grant" in said.lower(), said


def test_o9_a_lake_of_another_ducklake_version_is_refused_and_left_alone(server):
    execute(server, "CREATE TABLE t AS SELECT 42 AS n")
    password = server.admin_password()
    server.stop()
    change = "UPDATE {}ducklake_metadata SET value = '{}' WHERE key = 'version'"
    change_catalog(server, change.format("", "9.9"), change.format("ducklake.", "9.9"))
    said = refusal(server)
    assert '9.9' in said and "1.0" in said and "migrate the lake" in said, said
    change_catalog(server, change.format("", "1.0"), change.format("ducklake.", "1.0"))
    server.start()
    assert server.rows("SELECT n FROM t", password=password) == [(42,)]


def test_o9_the_state_of_a_newer_server_is_refused_and_left_alone(server):
    execute(server, "CREATE TABLE t AS SELECT 42 AS n")
    server.stop()
    change = "UPDATE {}state SET format_version = format_version + {}"
    change_catalog(server, change.format("ducksync_", 1), change.format("ducksync.", 1))
    said = refusal(server)
    assert "newer" in said and "2" in said, said
    change_catalog(server, change.format("ducksync_", -1), change.format("ducksync.", -1))
    server.start()
    assert server.rows("SELECT n FROM t") == [(42,)]


def test_c2_another_data_path_than_the_lakes_is_refused_naming_both(server):
    execute(server, "CREATE TABLE t AS SELECT 42 AS n")
    server.stop()
    right = server.config["lake.data_path"]
    server.config["lake.data_path"] = str(server.directory / "elsewhere") + "/"
    said = refusal(server)
    assert right in said and "elsewhere" in said and "lake.data_path" in said, said
    server.config["lake.data_path"] = right
    server.start()
    assert server.rows("SELECT n FROM t") == [(42,)]


def test_o1_a_catalog_file_that_is_no_database_is_refused_and_left_alone(unstarted):
    path = unstarted.directory / "ducksync.db"
    path.write_bytes(b"this is somebody's diary, not a database\n" * 200)
    before = path.read_bytes()
    said = refusal(unstarted)
    assert str(path) in said, said
    assert path.read_bytes() == before


@pytest.mark.skipif(pooler_program() is None, reason="pgbouncer is not installed")
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_i10_a_pooler_is_recognized(spawn_server, postgres, mode):
    """In either mode: PgBouncer hands sessions on without the settings they were opened with."""
    with pooled(postgres.create_database(), mode) as url:
        said = refusal(spawn_server(url, start=False))
        assert "pooler" in said and "connect to Postgres directly" in said, said


# A disk that fills up under a running server.


def loaded(server, sim, rows):
    make_account(sim)
    make_large_table(sim, rows)
    add_source(server, sim)
    create_cache(server, "large", LARGE)
    assert call(server, "refresh", "large")["result"] == "REFRESHED"


def test_a18_i2_a_full_data_path_fails_the_run_and_keeps_the_old_rows(spawn_server, sim, catalog_kind, tmp_path):
    with small_disk(tmp_path, "3m") as place:
        overrides = {"lake.data_path": f"{place}/lake/", "refresh.max_retries": 0}
        server = spawn_server(catalog_kind, config_overrides=overrides)
        loaded(server, sim, 50_000)
        sim.sql("INSERT INTO PROD.PUBLIC.BIG SELECT range, 1, 'row ' || hash(range) || hash(range + 1) FROM range(500000)")
        failed = call(server, "refresh", "large")
        assert failed["result"] == "ERROR", failed
        (run, _) = call_all(server, "cache_history", "large")
        assert run["error_class"] == "RESOURCE" and "space" in run["error"], run
        assert server.rows(SUMMARY) == summary(50_000, 0)
        wait_until(lambda: stored_files(server) == named_files(server), "what was written is removed", 65, every=0.2)
        with pytest.raises(Exception) as refused:
            execute(server, "CREATE TABLE t AS SELECT range AS n, hash(range)::VARCHAR AS s FROM range(1000000)")
        assert "space" in str(refused.value), refused.value
        assert execute(server, "CREATE TABLE small AS SELECT 1 AS n") in (1, -1)
        sim.sql("DELETE FROM PROD.PUBLIC.BIG WHERE generation = 1")
        assert call(server, "refresh", "large")["result"] == "REFRESHED"
        assert server.rows(SUMMARY) == summary(50_000, 0)
        wait_until(lambda: stored_files(server) == named_files(server), "nothing is left behind", 65, every=0.2)
        server.kill()


def test_i2_a_full_disk_of_the_catalog_fails_the_run_and_keeps_the_old_rows(spawn_server, sim, tmp_path):
    with small_disk(tmp_path, "8m") as place:
        server = spawn_server(f"sqlite:{place}/ducksync.db", config_overrides={"refresh.max_retries": 0})
        loaded(server, sim, 1000)
        sim.sql("UPDATE PROD.PUBLIC.BIG SET generation = 1")
        filler = fill(place)
        try:
            failed = call(server, "refresh", "large")
            assert failed["result"] == "ERROR", failed
        except Exception as error:
            # The driver knows no RESOURCE_EXHAUSTED of its own and calls it INTERNAL; the code is in the text.
            assert "ResourceExhausted" in str(error) and "free space" in str(error), error
        assert server.rows(SUMMARY) == summary(1000, 0)
        filler.unlink()
        assert call(server, "refresh", "large")["result"] == "REFRESHED"
        assert server.rows(SUMMARY) == summary(1000, 1)
        server.kill()
