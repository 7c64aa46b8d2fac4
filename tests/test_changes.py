"""Refreshes by the changes of a table instead of all its rows (C-11): the same rows, less work."""

import pytest

from harness.chance import chance as drawn
from harness.prod import add_source, call, call_all, create_cache, make_account

ITEMS = "PROD.PUBLIC.ITEMS"
QUERY = f"SELECT id, name, price, weight FROM {ITEMS} WHERE id < 900"
TRACKED = f"CREATE TABLE {ITEMS} (id NUMBER(9,0), name VARCHAR, price NUMBER(12,2), weight FLOAT) CHANGE_TRACKING = TRUE"


def make_items(sim, rows=200):
    sim.sql(TRACKED)
    sim.sql(f"INSERT INTO {ITEMS} SELECT range, 'n' || range % 7, range / 4, range / 3 FROM range({rows})")


@pytest.fixture
def shop(server, sim):
    """A server with the source `prod`, and 200 items there whose changes are tracked."""
    make_account(sim)
    make_items(sim)
    add_source(server, sim)
    return server


def loads(sim):
    """What was asked of the source to load, in order."""
    return [entry["sql"] for entry in sim.log(**{"class": "query"}) if not entry["describe_only"]]


def refreshed(server, name="copy"):
    answer = call(server, "refresh", name)
    assert answer["result"] in ("REFRESHED", "SKIPPED"), answer
    return answer


def in_the_lake(server, name="copy"):
    """The rows as text, in which NaN is equal to NaN. Of zeros a Parquet dictionary of DuckDB's keeps one sign."""
    rows = server.rows(f"SELECT * FROM lake.prod.{name}")
    return sorted(repr(tuple(0.0 if value == 0 and isinstance(value, float) else value for value in row)) for row in rows)


def agree(server):
    """The cache, refreshed by changes, equals one of the same query that is loaded whole."""
    call(server, "refresh", "whole", force=True)
    assert in_the_lake(server, "copy") == in_the_lake(server, "whole")


def test_c11_only_what_changed_is_asked_for(shop, sim):
    create_cache(shop, "copy", QUERY, refresh_method="changes")
    assert refreshed(shop)["reason"] == "INITIAL"
    sim.sql(f"UPDATE {ITEMS} SET price = price + 1 WHERE id = 7")
    sim.sql(f"DELETE FROM {ITEMS} WHERE id IN (8, 9)")
    sim.sql(f"INSERT INTO {ITEMS} VALUES (500, NULL, NULL, NULL), (999, 'filtered', 1, 1)")
    sim.reset_log()
    answer = refreshed(shop)
    assert (answer["reason"], answer["rows_refreshed"]) == ("SOURCE_CHANGED", 199)
    (asked,) = loads(sim)
    assert "CHANGES" in asked, asked
    assert shop.rows("SELECT count(*), sum(id) FROM lake.prod.copy") == [(199, sum(range(200)) - 17 + 500)]
    assert shop.oracle().rows("SELECT count(*), sum(ID) FROM lake.prod.copy") == [(199, sum(range(200)) - 17 + 500)]
    sim.sql(f"UPDATE {ITEMS} SET name = 'again' WHERE id = 7")
    assert refreshed(shop)["reason"] == "SOURCE_CHANGED", "changes build on changes"
    assert shop.rows("SELECT name FROM lake.prod.copy WHERE id = 7") == [("again",)]


def test_c11_auto_uses_changes_where_they_are_tracked_and_loads_whole_where_not(shop, sim):
    sim.sql("CREATE TABLE PROD.PUBLIC.PLAIN (a NUMBER(9,0)); INSERT INTO PROD.PUBLIC.PLAIN VALUES (1)")
    create_cache(shop, "copy", QUERY)
    create_cache(shop, "untracked", "SELECT a FROM PROD.PUBLIC.PLAIN")
    refreshed(shop), refreshed(shop, "untracked")
    sim.sql(f"DELETE FROM {ITEMS} WHERE id = 3")
    sim.sql("INSERT INTO PROD.PUBLIC.PLAIN VALUES (2)")
    sim.reset_log()
    assert refreshed(shop)["rows_refreshed"] == 199
    assert all("CHANGES" in sql for sql in loads(sim))
    sim.reset_log()
    assert refreshed(shop, "untracked")["rows_refreshed"] == 2
    assert "CHANGES" not in loads(sim)[-1], "not tracked: the whole"
    sim.sql("INSERT INTO PROD.PUBLIC.PLAIN VALUES (3)")
    sim.reset_log()
    again = refreshed(shop, "untracked")
    assert again["rows_refreshed"] == 3
    assert "the whole was loaded instead of changes: the source refused its changes a while ago" in again["message"], again
    assert len(loads(sim)) == 1, "what was refused is not asked for again each time"


def test_c11_equal_rows_go_as_often_as_they_went(shop, sim):
    sim.sql(f"INSERT INTO {ITEMS} SELECT 1000 - 500, 'twin', 1.5, NULL FROM range(5)")
    create_cache(shop, "copy", QUERY, refresh_method="changes")
    create_cache(shop, "whole", QUERY, refresh_method="full")
    refreshed(shop)
    sim.sql(f"DELETE FROM {ITEMS} WHERE name = 'twin'")
    sim.sql(f"INSERT INTO {ITEMS} VALUES (500, 'twin', 1.5, NULL), (500, 'twin', 1.5, NULL)")
    refreshed(shop)
    agree(shop)
    assert shop.rows("SELECT count(*) FROM lake.prod.copy WHERE name = 'twin'") == [(2,)]


def test_c11_a_table_made_anew_is_loaded_whole(shop, sim):
    create_cache(shop, "copy", QUERY, refresh_method="changes")
    refreshed(shop)
    sim.sql(f"CREATE OR REPLACE {TRACKED.removeprefix('CREATE ')}")
    sim.sql(f"INSERT INTO {ITEMS} VALUES (1, 'new', 2, 3)")
    assert refreshed(shop)["rows_refreshed"] == 1
    assert shop.rows("SELECT name FROM lake.prod.copy") == [("new",)]


def test_c11_changes_from_beyond_the_retention_are_loaded_whole(shop, sim):
    create_cache(shop, "copy", QUERY, refresh_method="changes")
    refreshed(shop)
    sim.sql(f"DELETE FROM {ITEMS} WHERE id < 100")
    sim.age(ITEMS)
    sim.reset_log()
    assert refreshed(shop)["rows_refreshed"] == 100
    asked, loaded = loads(sim)
    assert "CHANGES" in asked and "CHANGES" not in loaded
    notes = [run["note"] for run in call_all(shop, "cache_history", "copy")]
    assert notes[0].startswith("the whole was loaded instead of changes: ") and notes[1] is None, notes
    sim.sql(f"DELETE FROM {ITEMS} WHERE id < 150")
    sim.reset_log()
    assert refreshed(shop)["rows_refreshed"] == 50
    assert len(loads(sim)) == 1, "the next changes are those since that load"


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT count(*) AS n FROM {ITEMS}",
        f"SELECT a.id FROM {ITEMS} a JOIN {ITEMS} b USING (id)",
        f"SELECT id FROM {ITEMS} ORDER BY id",
        f"SELECT DISTINCT name FROM {ITEMS}",
    ],
)
def test_c15_changes_that_cannot_serve_a_query_are_refused(shop, query):
    with pytest.raises(Exception) as refused:
        create_cache(shop, "copy", query, refresh_method="changes")
    assert "refresh_method" in str(refused.value), refused.value
    create_cache(shop, "copy", query)


def test_c11_any_history_ends_as_a_full_load_would(spawn_server, sim, catalog_kind):
    chance = drawn()
    make_account(sim)
    make_items(sim, 60)
    server = spawn_server(catalog_kind)
    add_source(server, sim)
    create_cache(server, "copy", f"SELECT * FROM {ITEMS} WHERE id % 5 <> 0", refresh_method="changes")
    create_cache(server, "whole", f"SELECT * FROM {ITEMS} WHERE id % 5 <> 0", refresh_method="full")
    refreshed(server)

    def value():
        return chance.choice(["NULL", str(chance.randint(0, 9)), "0", "-0.0::FLOAT", "'NaN'::FLOAT"])

    def change():
        low = chance.randint(0, 80)
        match chance.randint(0, 5):
            case 0:
                return f"INSERT INTO {ITEMS} SELECT range, 'i', 1, {value()} FROM range({low}, {low + chance.randint(1, 9)})"
            case 1:
                return f"INSERT INTO {ITEMS} VALUES ({low}, NULL, NULL, {value()}), ({low}, NULL, NULL, {value()})"
            case 2:
                return f"UPDATE {ITEMS} SET weight = {value()} WHERE id BETWEEN {low} AND {low + 5}"
            case 3:
                return f"UPDATE {ITEMS} SET id = id + 1 WHERE id = {low}"
            case 4:
                return f"DELETE FROM {ITEMS} WHERE id BETWEEN {low} AND {low + chance.randint(0, 4)}"
            case _:
                return f"DELETE FROM {ITEMS} WHERE name IS NULL"

    for _ in range(8):
        for _ in range(chance.randint(1, 5)):
            sim.sql(change())
        refreshed(server)
        agree(server)
    assert server.oracle().rows("SELECT count(*) FROM lake.prod.copy") == server.rows("SELECT count(*) FROM lake.prod.whole")
