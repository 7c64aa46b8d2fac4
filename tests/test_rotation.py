"""A Snowflake login is rotated while the server runs: what is new is used from then on, what runs ends undisturbed (G-11)."""

import json
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_manager
import pytest

from harness.prod import add_source, execute, make_account, secret_sql
from harness.waiting import wait_until

ROWS = 300_000
EXACT = "/*+ ducksync(consistency=exact) */"
FEW = f"{EXACT} SELECT id FROM PROD.PUBLIC.ORDERS ORDER BY id"
MANY = f"{EXACT} SELECT n FROM PROD.PUBLIC.MANY ORDER BY n"


@pytest.fixture
def account(sim):
    make_account(sim)
    sim.sql(f"CREATE TABLE PROD.PUBLIC.MANY AS SELECT range AS n FROM range({ROWS})")
    return sim


def rotate(sim, password):
    """What was valid before is refused from now on; sessions stay."""
    sim._ask("POST", "users", json.dumps({"name": "DUCKSYNC", "password": password}))


def lose_sessions(sim):
    sim._ask("POST", "expire", json.dumps({"what": "gone"}))


def logins(sim):
    return sim._ask("GET", "logins")


def numbers(server, sql):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return [int(value) for value in cursor.fetch_arrow_table().column(0).to_pylist()]


def test_g11_a_replaced_secret_works_at_once_and_disturbs_nothing(spawn_server, account):
    server = spawn_server()
    add_source(server, account, passthrough=True)
    assert numbers(server, FEW) == [1, 2, 3]
    account.gate("MANY", "before_answer")
    with ThreadPoolExecutor() as pool, server.connect() as connection, connection.cursor() as cursor:
        waiting = pool.submit(numbers, server, MANY)
        wait_until(account.gated, "a statement runs at the source")
        cursor.execute(f"{EXACT} SELECT n + 1 AS n FROM PROD.PUBLIC.ORDERS, (SELECT range AS n FROM range({ROWS})) ORDER BY n")
        stream = cursor.fetch_record_batch()
        seen = stream.read_next_batch().num_rows

        rotate(account, "new-password")
        execute(server, secret_sql(account, password="new-password"))
        before = len(logins(account))
        assert numbers(server, FEW) == [1, 2, 3]
        assert [login["error"] for login in logins(account)[before:]] == [None], "logged in anew, at the first try"

        seen += sum(batch.num_rows for batch in stream)
        assert seen == 3 * ROWS
        account.release()
        assert waiting.result(timeout=60) == list(range(ROWS))
    assert len(logins(account)) == before + 1, "what ran did not log in again"


def test_g11_a_wrong_secret_is_said_to_be_wrong_and_mended_at_once(spawn_server, account):
    server = spawn_server()
    add_source(server, account, passthrough=True)
    execute(server, secret_sql(account, password="wrong-password"))
    for _ in range(5):
        with pytest.raises(adbc_driver_manager.Error) as caught:
            numbers(server, FEW)
        assert "refused the login" in str(caught.value)
        assert "wrong-password" not in str(caught.value)
    assert len([login for login in logins(account) if login["error"]]) <= 3, "it is not sent again and again"
    execute(server, secret_sql(account))
    assert numbers(server, FEW) == [1, 2, 3]


def test_g11_a_file_of_the_configuration_is_rotated_without_a_restart(spawn_server, account, tmp_path):
    file = tmp_path / "password"
    file.write_text("first-password\n")
    rotate(account, "first-password")
    secret = {name: value for name, value in account.secret().items() if name != "password"}
    server = spawn_server(config_overrides={
        "secrets.sf": secret | {"password_file": str(file)},
        "sources.prod": {"driver": "snowflake", "secret": "sf", "passthrough_enabled": True},
    })
    assert numbers(server, FEW) == [1, 2, 3]
    rotate(account, "second-password")
    file.write_text("second-password\n")
    assert numbers(server, FEW) == [1, 2, 3]
    assert len(logins(account)) == 1, "an open session goes on"
    lose_sessions(account)
    assert numbers(server, FEW) == [1, 2, 3]
    assert [login["error"] for login in logins(account)] == [None, None]
