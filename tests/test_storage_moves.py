"""C-2 and `init`: catalog and data move while nothing depends on the place, and are found again."""

import pytest

from harness.oracle import EXTENSIONS
from harness.waiting import wait_until


def settled(server):
    """Waits until the server answers from the new place: a statement may meet the moment of the move."""

    def answers():
        try:
            return server.rows("SELECT source_name FROM ducksync_list_sources()") == [("prod",)]
        except Exception:
            return False

    wait_until(answers, "the server answers from its new place")


@pytest.fixture
def moved(spawn_server, postgres, tmp_path):
    """A server that began on SQLite, with a source, and moved to Postgres; its new address."""
    server = spawn_server()
    server.rows("CREATE SECRET sf (TYPE snowflake, ACCOUNT 'a', USER 'u', PASSWORD 'p')")
    server.rows("SELECT * FROM ducksync_add_source('prod', 'snowflake', 'sf')")
    url = postgres.create_database()
    assert server.rows(f"SELECT * FROM ducksync_setup_storage('{url}', '{tmp_path}/moved')") == [("OK",)]
    settled(server)
    return server, url


def test_c2_logins_and_sources_move_along_and_data_goes_to_the_new_path(moved, tmp_path):
    server, url = moved
    server.rows("CREATE TABLE main.t AS SELECT 1 AS a")
    assert list((tmp_path / "moved").rglob("*.parquet"))
    again = f"SELECT * FROM ducksync_setup_storage('{url}', '{tmp_path}/moved/')"
    assert server.rows(again) == [("OK",)], "the same place again does nothing"
    server.restart()
    assert server.rows("SELECT * FROM lake.main.t") == [(1,)]


def test_c2_storage_with_tables_stays_where_it_is(moved, tmp_path):
    server, _ = moved
    server.rows("CREATE TABLE main.t AS SELECT 1 AS a")
    with pytest.raises(Exception, match="holds tables already"):
        server.rows(f"SELECT * FROM ducksync_setup_storage('sqlite:other.db', '{tmp_path}/other')")
    assert server.rows("SELECT * FROM lake.main.t") == [(1,)]


def test_c2_a_configuration_that_names_a_third_place_is_refused(moved):
    server, url = moved
    server.stop()
    server.config["catalog.url"] = "sqlite:third.db"
    with pytest.raises(ProcessLookupError, match="third.db.*was moved to postgresql://"):
        server.start()
    assert url.split(":")[2].split("@")[0] not in server.log(), "the password is not shown"


def test_c2_a_place_that_cannot_be_used_is_refused_and_nothing_moves(spawn_server, tmp_path):
    server = spawn_server()
    (tmp_path / "file").write_text("")
    for url, path, word in [
        ("postgresql://u:hunter2@127.0.0.1:1/d", f"{tmp_path}/x", "cannot be opened|did not answer"),
        ("mysql://h/d", f"{tmp_path}/x", "neither an SQLite nor a Postgres address"),
        ("sqlite:new.db", f"{tmp_path}/file/x", "cannot be written"),
        ("sqlite:new.db", "ftp://h/x", "cannot be on ftp"),
    ]:
        with pytest.raises(Exception, match=word) as refusal:
            server.rows(f"SELECT * FROM ducksync_setup_storage('{url}', '{path}')")
        assert "hunter2" not in str(refusal.value)
    assert server.rows("SELECT 42") == [(42,)]


def test_init_adopts_a_lake_that_the_extension_made(spawn_server, postgres, tmp_path):
    import duckdb

    url = postgres.create_database()
    connection = duckdb.connect(config={"extension_directory": str(EXTENSIONS)})
    connection.execute("LOAD ducklake; LOAD postgres_scanner")
    connection.execute(
        f"ATTACH 'ducklake:postgres:{url}' AS theirs (DATA_PATH '{tmp_path}/theirs/', DATA_INLINING_ROW_LIMIT 0)"
    )
    connection.execute("CREATE TABLE theirs.main.t AS SELECT range AS a FROM range(100)")
    connection.close()
    server = spawn_server(catalog=url)
    assert server.rows("SELECT * FROM ducksync_init('theirs')") == [("OK",)]

    def adopted():
        try:
            return server.rows("SELECT count(*) FROM theirs.main.t") == [(100,)]
        except Exception:
            return False

    wait_until(adopted, "the adopted lake answers")
