"""How caches learn that their source changed: few statements, no warehouse where metadata answers (C-7, C-9)."""

import pytest

from harness.prod import add_source, call, call_all, create_cache, execute, insert_order, make_account, secret_sql
from harness.waiting import wait_until

CACHES = 24


def without_warehouse(sim):
    """A secret `sf_meta` whose login has no warehouse."""
    return secret_sql(sim, "sf_meta", warehouse="")


def checks(sim):
    """The statements that asked for change tokens."""
    return [entry for entry in sim.log() if "LAST_CHANGE_COMMIT_TIME" in entry["sql"]]


def asked(entries):
    """How many objects they asked about."""
    return sum(entry["sql"].count("LAST_CHANGE_COMMIT_TIME") for entry in entries)


def test_c9_the_checks_of_a_sources_caches_share_their_statements(spawn_server, sim):
    make_account(sim)
    for n in range(CACHES):
        sim.sql(f"CREATE TABLE PROD.PUBLIC.T{n} (a NUMBER(9,0))")
    server = spawn_server(config_overrides={"testing": True, "refresh.poll_interval": "200ms"})
    add_source(server, sim)
    for n in range(CACHES):
        create_cache(
            server,
            f"c{n}",
            f"SELECT a FROM PROD.PUBLIC.T{n}",
            invalidation_mode="change_token",
            refresh_method="full",
            refresh_every="2s",
        )
    loaded = lambda: all(row["freshness"] == "FRESH" for row in call_all(server, "list_caches"))
    wait_until(loaded, "every cache is loaded", 60)
    sim.reset_log()
    wait_until(lambda: asked(checks(sim)) >= 3 * CACHES, "three rounds of checks", 60)
    rounds = asked(checks(sim)) / CACHES
    assert len(checks(sim)) <= 4 * rounds, "one statement asks for many caches"
    plans = [entry for entry in sim.log() if "EXPLAIN" in entry["sql"].upper()]
    assert len(plans) <= 4 * (rounds + 1), "and one asks for many plans"
    assert sim.log(**{"class": "query"}) == [], "nothing changed, nothing is loaded"
    sim.sql("INSERT INTO PROD.PUBLIC.T7 VALUES (1)")
    wait_until(lambda: server.rows("SELECT count(*) FROM lake.prod.c7") == [(1,)], "the one that changed is loaded", 30)
    assert len(sim.log(**{"class": "query"})) == 1


def test_c7_two_stage_asks_a_login_without_warehouse_first(server, sim):
    make_account(sim)
    add_source(server, sim)
    execute(server, without_warehouse(sim))
    create_cache(server, invalidation_mode="two_stage", metadata_secret="sf_meta")
    assert call(server, "refresh", "sales_summary")["reason"] == "INITIAL"
    sim.reset_log()
    before = sim.credits()["credits"]
    skipped = call(server, "refresh", "sales_summary")
    assert (skipped["result"], skipped["reason"]) == ("SKIPPED", "SOURCE_UNCHANGED")
    assert sim.credits()["credits"] == before
    insert_order(sim, 4, "EU", "1.75")
    assert call(server, "refresh", "sales_summary")["reason"] == "SOURCE_CHANGED"


def test_c15_two_stage_needs_a_secret_that_is_there(server, sim):
    make_account(sim)
    add_source(server, sim)
    with pytest.raises(Exception) as refused:
        create_cache(server, invalidation_mode="two_stage", metadata_secret="nobody")
    assert "nobody" in str(refused.value) and call_all(server, "list_caches") == []
