"""What keeps a server from starting is said in one line, with the remedy, and leaves nothing half done."""

import os
import stat
import subprocess

import pytest

from harness.processes import built
from harness.waiting import free_port


def refusal(server):
    """What a start that must fail says last."""
    with pytest.raises(ProcessLookupError):
        server.start()
    assert server.process.wait(1) == 1
    last = server.log().splitlines()[-1]
    assert last.startswith("ducksync: "), last
    return last


def ducksync(*arguments, **environment):
    return subprocess.run(
        [built("ducksync", "DUCKSYNC_BIN"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


def test_o1_a_broken_file_names_the_line(tmp_path):
    file = tmp_path / "ducksync.toml"
    file.write_text('lake.name = "x"\nlake.data_path = "y\n')
    answer = ducksync("check-config", "--config", file)
    assert answer.returncode == 1
    assert f"{file}:2 is not valid TOML" in answer.stderr


def test_o1_an_unknown_key_names_the_nearest(tmp_path):
    file = tmp_path / "ducksync.toml"
    file.write_text("")
    answer = ducksync("check-config", "--config", file, DUCKSYNC__SERVING__MAX_SESSION="1")
    assert answer.returncode == 1
    assert "DUCKSYNC__SERVING__MAX_SESSION" in answer.stderr
    assert "did you mean serving.max_sessions?" in answer.stderr


def test_o1_a_key_that_has_no_effect_yet_is_named_when_it_is_set(spawn_server):
    server = spawn_server(config_overrides={"serving.mixed_max_bytes": "1MiB", "flight.kept_result": "10m"})
    assert "serving.mixed_max_bytes" in server.log() and "has no effect yet" in server.log()
    assert "flight.kept_result" not in server.log(), "set to its default"
    answer = ducksync("check-config", "--config", server.config_path)
    assert answer.returncode == 0
    assert "serving.mixed_max_bytes: nothing reads it yet" in answer.stdout


def test_o2_usage_is_64():
    assert ducksync("sreve").returncode == 64
    assert ducksync("--help").returncode == 0


def test_a_data_path_that_cannot_be_written_is_named(spawn_server):
    server = spawn_server(start=False)
    file = server.directory / "file"
    file.write_text("")
    server.config["lake.data_path"] = str(file / "lake")
    said = refusal(server)
    assert "lake.data_path" in said and "cannot be written" in said


def test_a_port_in_use_is_named(spawn_server):
    first, second = spawn_server(), spawn_server(start=False)
    second.config["flight.listen"] = [first.url]
    said = refusal(second)
    assert "address in use" in said and "flight.listen" in said


def test_o7_a_second_process_on_one_sqlite_catalog_is_refused(spawn_server):
    first, second = spawn_server(), spawn_server(start=False)
    second.config["catalog.url"] = f"sqlite:{first.directory / 'ducksync.db'}"
    second.config["lake.data_path"] = first.config["lake.data_path"]
    second.config["secret_key_file"] = str(first.directory / "ducksync-data" / "secret.key")
    said = refusal(second)
    assert "open in another process" in said and "Postgres" in said
    assert first.rows("SELECT 42") == [(42,)]


def test_a_postgres_that_is_down_is_waited_for_a_bounded_time(spawn_server):
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/d"
    server = spawn_server(catalog=url, config_overrides={"catalog.connect_timeout": "1s"}, start=False)
    said = refusal(server)
    assert "catalog.connect_timeout" in said and "postgresql://u@127.0.0.1" in said
    assert "hunter2" not in server.log()


def test_o9_a_catalog_of_another_version_is_refused(spawn_server):
    import sqlite3

    server = spawn_server()
    server.stop()
    for table, column in [("ducksync_state", "format_version"), ("ducklake_metadata", "value")]:
        with sqlite3.connect(server.directory / "ducksync.db") as connection:
            where = "WHERE key = 'version'" if column == "value" else ""
            [(before,)] = connection.execute(f"SELECT {column} FROM {table} {where}").fetchall()
            connection.execute(f"UPDATE {table} SET {column} = 99 {where}")
        said = refusal(server)
        assert "99" in said and ";" in said, said
        with sqlite3.connect(server.directory / "ducksync.db") as connection:
            connection.execute(f"UPDATE {table} SET {column} = ? {where}", [before])
    server.start()


def test_v19_beyond_the_loopback_logins_are_needed(spawn_server):
    open_to_all = {"flight.listen": ["grpc://0.0.0.0:0"]}
    assert "allow_plaintext" in refusal(spawn_server(config_overrides=open_to_all, start=False))
    server = spawn_server(config_overrides=open_to_all | {"flight.allow_plaintext": True}, start=False)
    assert "auth.users_file" in refusal(server)
    users = server.directory / "users.toml"
    users.write_text('[users.ana]\npassword = "s3cret"\n[grants]\nana = ["admin on server"]\n')
    server.config["auth.users_file"] = "users.toml"
    server.start()
    assert server.rows("SELECT 42", user="ana", password="s3cret") == [(42,)]
    assert not list(server.directory.rglob("admin-password")), "no admin is made where there are users"


def test_v19_what_holds_secrets_is_closed_to_others(server):
    files = [server.directory / "ducksync-data" / "secret.key"]
    files += [path for path in server.directory.glob("ducksync.db*")]
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_s3_without_its_extension_names_the_directory(spawn_server, bucket):
    changes = {"lake.data_path": bucket.url, "engine.extension_directory": "nothing-here"}
    changes |= {"secrets.lake.type": "s3", "secrets.lake.key_id": "k", "secrets.lake.secret": "hunter2"}
    server = spawn_server(config_overrides=changes, start=False)
    said = refusal(server)
    assert "httpfs" in said and "engine.extension_directory" in said
    assert "hunter2" not in server.log()


def test_s3_with_a_wrong_extension_file_names_the_directory(spawn_server, bucket):
    from harness.oracle import EXTENSIONS

    changes = {"lake.data_path": bucket.url, "engine.extension_directory": "wrong"}
    changes |= {"secrets.lake.type": "s3", "secrets.lake.key_id": "k", "secrets.lake.secret": "s"}
    server = spawn_server(config_overrides=changes, start=False)
    [right] = EXTENSIONS.rglob("httpfs.duckdb_extension")
    wrong = server.directory / "wrong" / right.relative_to(EXTENSIONS)
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(b"this is no extension")
    said = refusal(server)
    assert "httpfs" in said and "engine.extension_directory" in said


def test_o6_a_second_signal_ends_at_once(spawn_server):
    import signal
    import threading

    server = spawn_server(config_overrides={"service.drain": "30s"})
    connection = server.connect()
    cursor = connection.cursor()
    endless = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b"
    reading = threading.Thread(target=lambda: _ignore(lambda: cursor.execute(endless) or cursor.fetchall()), daemon=True)
    reading.start()
    from harness.waiting import wait_until

    wait_until(lambda: server.rows("SELECT 1") == [(1,)], "the server answers beside it")
    server.process.signal(signal.SIGTERM)
    wait_until(lambda: "asked to end" in server.log(), "the first signal is heard")
    server.process.signal(signal.SIGTERM)
    assert server.process.wait(10) == 1
    server.start()
    assert server.rows("SELECT 42") == [(42,)]


def _ignore(work):
    try:
        work()
    except Exception:
        pass


def test_o3_health_is_shown_over_http(server):
    import json
    import urllib.request

    def get(path):
        with urllib.request.urlopen(server.admin_url + path, timeout=10) as answer:
            return answer.read().decode()

    assert get("/livez") == "ok\n"
    assert get("/readyz") == "catalog: ok\ndata path: ok\nengine: ok\n"
    assert json.loads(get("/health"))["status"] == "healthy"
    assert "ducksync_uptime_seconds" in get("/metrics")
    assert ducksync("healthcheck", "--config", server.config_path).returncode == 0
    assert ducksync("doctor", "--config", server.config_path).returncode == 0
