"""What the Python ADBC driver does but ingest, against the real server (V-1 to V-4, S-1)."""

from decimal import Decimal

import adbc_driver_manager
import pyarrow
import pytest

from harness.prod import execute
from harness.waiting import wait_until


@pytest.fixture
def connection(server):
    execute(server, "CREATE SCHEMA shop")
    execute(server, "CREATE TABLE shop.items (id BIGINT NOT NULL, name VARCHAR, price DECIMAL(9,2))")
    execute(server, "INSERT INTO shop.items VALUES (1, 'hat', 9.99), (2, NULL, 0.50)")
    with server.connect() as connection:
        yield connection


def test_rows_come_as_tuples_tables_and_batches(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM shop.items ORDER BY id")
        assert cursor.fetchone() == (1, "hat", Decimal("9.99"))
        assert cursor.fetchmany(5) == [(2, None, Decimal("0.50"))]
        cursor.execute("SELECT * FROM shop.items ORDER BY id")
        table = cursor.fetch_arrow_table()
    assert table.schema.names == ["id", "name", "price"]
    assert table.schema.field("price").type == pyarrow.decimal128(9, 2)


def test_v3_an_empty_result_has_its_schema(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM shop.items WHERE false")
        table = cursor.fetch_arrow_table()
    assert table.num_rows == 0 and table.schema.names == ["id", "name", "price"]


def test_parameters_are_bound_by_value_and_type(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM shop.items WHERE id = ? AND price > ?", (1, Decimal("1.00")))
        assert cursor.fetchall() == [("hat",)]
        cursor.execute("SELECT ?::VARCHAR AS a, ?::BIGINT AS b", ("x'y", None))
        assert cursor.fetchall() == [("x'y", None)]


def test_a_statement_is_prepared_and_described(connection):
    with connection.cursor() as cursor:
        schema = cursor.adbc_prepare("SELECT id FROM shop.items WHERE id = ?")
        assert len(schema) == 1
        assert cursor.adbc_execute_schema("SELECT id, name FROM shop.items").names == ["id", "name"]


def test_info_names_the_server(connection):
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "DuckSync"
    assert info["vendor_version"]


@pytest.mark.parametrize("depth", ["catalogs", "db_schemas", "tables", "columns", "all"])
def test_objects_are_listed_at_every_depth(connection, depth):
    catalogs = connection.adbc_get_objects(depth=depth).read_all().to_pylist()
    assert [catalog["catalog_name"] for catalog in catalogs] == ["lake"]
    if depth == "catalogs":
        return
    schemas = {schema["db_schema_name"]: schema for schema in catalogs[0]["catalog_db_schemas"]}
    assert "shop" in schemas and "ducksync" in schemas
    if depth == "db_schemas":
        return
    (items,) = schemas["shop"]["db_schema_tables"]
    assert (items["table_name"], items["table_type"]) == ("items", "TABLE")
    if depth in ("columns", "all"):
        columns = [(c["column_name"], c["xdbc_type_name"], c["xdbc_nullable"]) for c in items["table_columns"]]
        assert [name for name, _, _ in columns] == ["id", "name", "price"]


def test_objects_are_filtered(connection):
    catalogs = connection.adbc_get_objects(
        depth="tables", db_schema_filter="sh%", table_name_filter="it_ms"
    ).read_all().to_pylist()
    assert [s["db_schema_name"] for s in catalogs[0]["catalog_db_schemas"]] == ["shop"]


def test_the_schema_and_the_types_of_tables(connection):
    schema = connection.adbc_get_table_schema("items", db_schema_filter="shop")
    assert schema.names == ["id", "name", "price"]
    assert schema.field("id").nullable is False
    assert set(connection.adbc_get_table_types()) >= {"TABLE", "VIEW"}


def test_v4_a_bad_option_leaves_the_session_usable(connection):
    with connection.cursor() as cursor:
        with pytest.raises(adbc_driver_manager.Error, match="consistency"):
            cursor.execute("SET consistency = 'maybe'")
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]


def test_an_answer_larger_than_a_message_comes_whole_and_in_order(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT range AS n, repeat('x', 100) AS filler FROM range(300000) ORDER BY n")
        table = cursor.fetch_arrow_table()
    assert table.num_rows == 300000
    assert table.column("n").to_pylist() == list(range(300000))


def test_v15_a_cancelled_query_stops(server):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = -1")
        cursor.adbc_cancel()
        with pytest.raises(adbc_driver_manager.Error):
            cursor.fetchall()
    wait_until(lambda: server.rows("SELECT 42") == [(42,)], "the server answers", 10)


def test_v15_a_reader_that_goes_away_stops_its_query(server):
    connection = server.connect()
    cursor = connection.cursor()
    cursor.execute("SELECT range FROM range(100000000000)")
    assert cursor.fetchone() == (0,)
    cursor.close()
    connection.close()
    assert server.rows("SELECT 1") == [(1,)]


def test_errors_in_the_middle_of_a_stream_arrive(connection):
    with connection.cursor() as cursor, pytest.raises(adbc_driver_manager.Error, match="(?i)convert|cast"):
        cursor.execute("SELECT CASE WHEN range = 500000 THEN 'x' ELSE '1' END::INTEGER FROM range(1000000)")
        cursor.fetchall()
