"""What caches spared their sources: counted, added up, and never guessed (O-4)."""

import datetime

import pytest

from harness.prod import (
    SALES,
    add_source,
    answered,
    call,
    call_all,
    call_sql,
    create_cache,
    execute,
    insert_order,
    make_account,
    refused,
    secret_sql,
    status,
)
from harness.server import replica
from harness.waiting import wait_until

ALL = "SELECT * FROM sales_summary"
LAST_WORDS = "without a warehouse's idle time and minimum, and as if the source had answered nothing from its own result cache"


@pytest.fixture
def prod(server, sim):
    make_account(sim)
    add_source(server, sim)
    return server


def today(server, name="sales_summary"):
    (row,) = call_all(server, "savings", name, days=2)
    assert row["day"] == datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return row


def test_o4_answers_and_their_bytes_are_spared_and_loads_are_spent(prod, sim):
    create_cache(prod)
    assert call_all(prod, "savings") == []
    call(prod, "refresh", "sales_summary")
    loaded = today(prod)
    assert (loaded["statements_spared"], loaded["loads"], loaded["load_statements"]) == (0, 1, 1)
    assert loaded["load_bytes"] > 0 and loaded["load_seconds"] >= 0
    for _ in range(3):
        answered(prod, ALL)
    answered(prod, "SELECT region FROM lake.prod.sales_summary WHERE region = 'none'")
    row = wait_until(lambda: (row := today(prod))["statements_spared"] == 4 and row, "every answer is counted")
    one = len("EU") + len("US")
    assert row["bytes_spared"] >= 3 * one, row
    # Not answers: descriptions, listings, lake tables, and what was refused.
    execute(prod, "CREATE TABLE t AS SELECT 1 AS n")
    prod.rows("SELECT * FROM t")
    refused(prod.rows, "SELECT nothing FROM sales_summary")
    assert today(prod)["statements_spared"] == 4
    assert (row["source_name"], row["cache_name"]) == ("prod", "sales_summary")


def test_o4_a_check_without_a_load_is_a_load_avoided(prod, sim):
    create_cache(prod, invalidation_mode="change_token")
    call(prod, "refresh", "sales_summary")
    assert call(prod, "refresh", "sales_summary")["result"] == "SKIPPED"
    assert call(prod, "refresh", "sales_summary")["result"] == "SKIPPED"
    insert_order(sim, 4, "US", "1.00")
    call(prod, "refresh", "sales_summary")
    row = today(prod)
    assert (row["loads_avoided"], row["loads"], row["load_statements"]) == (2, 2, 2)


def test_o4_credits_follow_from_the_numbers_in_the_row(prod, sim):
    create_cache(prod, ttl_seconds=3600)
    call(prod, "refresh", "sales_summary")
    answered(prod, ALL)
    row = today(prod)
    assert row["warehouse_size"] == "X-Small"
    assert row["credits_spent"] == pytest.approx(row["load_seconds"] * 1 / 3600)
    assert row["credits_spared_at_most"] == pytest.approx(1 * row["load_seconds"] / 1 * 1 / 3600)
    assert row["formula"].startswith(f"spent = {row['load_seconds']:g} s of loads * 1 credits/h (X-Small) / 3600"), row["formula"]
    assert row["formula"].endswith(LAST_WORDS), row["formula"]
    asked = [entry for entry in sim.log() if "WAREHOUSES" in entry["sql"]]
    assert [entry["class"] for entry in asked] == ["metadata_free"], "asked once, and free of credits"


def test_o4_what_was_not_measured_is_null(spawn_server, sim):
    """The login takes its user's default warehouse, and does not say which that is."""
    make_account(sim)
    sim.user(sim.secret()["user"], default_warehouse="WH")
    server = spawn_server()
    execute(server, "CREATE SECRET sf (" + ", ".join(f"{k.upper()} '{v}'" for k, v in sim.secret().items() if k != "warehouse") + ")")
    call(server, "add_source", "prod", "snowflake", "sf")
    create_cache(server, ttl_seconds=3600)
    call(server, "refresh", "sales_summary")
    row = today(server)
    assert (row["warehouse_size"], row["credits_spent"], row["credits_spared_at_most"]) == (None, None, None)
    assert row["formula"].startswith("no estimate: the source did not tell the size"), row


def test_o4_numbers_outlive_a_restart_and_add_up_over_servers(spawn_server, sim, postgres):
    make_account(sim)
    url = postgres.create_database()
    first = spawn_server(url)
    add_source(first, sim)
    create_cache(first, ttl_seconds=3600)
    call(first, "refresh", "sales_summary")
    answered(first, ALL)
    first.restart()
    assert today(first)["statements_spared"] == 1, "stored at the end"
    second = replica(spawn_server, first)
    for server in (first, second, second):
        answered(server, ALL)
    for server in (first, second):
        wait_until(lambda: today(server)["statements_spared"] == 4, "each knows what the other stored")


def test_o4_savings_of_what_is_not_there_are_refused(prod):
    create_cache(prod)
    call(prod, "refresh", "sales_summary")
    assert [row["cache_name"] for row in call_all(prod, "savings")] == ["sales_summary"]
    assert status(refused(call_all, prod, "savings", "nobody_knows")) == "NOT_FOUND"
    assert "days" in str(refused(call_all, prod, "savings", days=0))
    call(prod, "drop_cache", "sales_summary")
    assert call_all(prod, "savings") == []


def test_v12_savings_show_only_caches_that_the_reader_may_select(spawn_server, sim, tmp_path):
    make_account(sim)
    users = tmp_path / "users.toml"
    users.write_text(
        '[users.boss]\npassword = "boss"\nroles = ["bosses"]\n[users.ana]\npassword = "ana"\nroles = ["readers"]\n'
        '[grants]\nbosses = ["admin on server"]\nreaders = ["select on table prod.open"]\n'
    )
    server = spawn_server(config_overrides={"auth.users_file": str(users)})
    boss = {"user": "boss", "password": "boss"}
    with server.connect(**boss) as connection, connection.cursor() as cursor:
        cursor.execute(secret_sql(sim))
        for sql in [call_sql("add_source", "prod", "snowflake", "sf")] + [
            call_sql(*words)
            for name in ("open", "closed")
            for words in [("create_cache", name, "prod", SALES), ("refresh", name)]
        ]:
            cursor.execute(sql)
            cursor.fetchall()
    names = "SELECT cache_name FROM ducksync_savings() ORDER BY 1"
    assert server.rows(names, **boss) == [("closed",), ("open",)]
    assert server.rows(names, user="ana", password="ana") == [("open",)]
