"""What passes through to the source: unchanged, whole, in order, run once, and stopped when nobody wants it (V-8)."""

import datetime
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import adbc_driver_manager
import pyarrow
import pytest

from harness.prod import add_source, answered, call, execute, make_account, refused, secret_sql, status
from harness.waiting import wait_until

MANY = 300_000
MANY_SQL = "SELECT n, filler FROM PROD.PUBLIC.MANY ORDER BY n"


@pytest.fixture
def prod(spawn_server, sim):
    """A server whose source `prod` lets statements through; what the catalog is makes no difference here."""
    make_account(sim)
    server = spawn_server()
    add_source(server, sim, passthrough=True)
    sim.reset_log()
    return server


@pytest.fixture
def many(sim, prod):
    """PROD.PUBLIC.MANY, whose whole result is a reply and half a dozen chunks."""
    make_many(sim, MANY)
    return prod


def make_many(sim, rows, width=20):
    sim.sql(
        "CREATE TABLE PROD.PUBLIC.MANY (n NUMBER(18,0), filler VARCHAR);"
        f"INSERT INTO PROD.PUBLIC.MANY SELECT range, repeat('x', {width}) || range FROM range({rows})"
    )


def fetch(server, sql):
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


def runs(sim):
    """What the source was asked to compute; to be described is none of it."""
    return [entry for entry in sim.log() if not entry["describe_only"] and entry["class"] in ("query", "dml", "ddl")]


def requests(sim, endpoint):
    """How many requests have come to an endpoint."""
    return sim._ask("GET", "requests").get(endpoint, 0)


# ---- values --------------------------------------------------------------------------------------

UTC = datetime.timezone.utc

#: Column (its name begins with `v_` in the table): declared type, SQL of a value, Arrow type, the value in Python (S-10).
WIDE = {
    "small": ("NUMBER(9,0)", "-7", pyarrow.int64(), -7),
    "most_of_64": ("NUMBER(18,0)", "999999999999999999", pyarrow.int64(), 10**18 - 1),
    "beyond_64": ("NUMBER(38,0)", "-" + "9" * 38, pyarrow.decimal128(38, 0), Decimal("-" + "9" * 38)),
    "scaled": (
        "NUMBER(38,10)", "12345678901234567890.0123456789", pyarrow.decimal128(38, 10),
        Decimal("12345678901234567890.0123456789"),
    ),
    "cents": ("NUMBER(12,2)", "0.10", pyarrow.decimal128(12, 2), Decimal("0.10")),
    "float": ("FLOAT", "1.5e300", pyarrow.float64(), 1.5e300),
    "tiny_float": ("FLOAT", "5e-324", pyarrow.float64(), 5e-324),
    "text": ("VARCHAR", "'é''x\n日本'", pyarrow.string(), "é'x\n日本"),
    "empty_text": ("VARCHAR", "''", pyarrow.string(), ""),
    "flag": ("BOOLEAN", "true", pyarrow.bool_(), True),
    "day": ("DATE", "DATE '2024-02-29'", pyarrow.date32(), datetime.date(2024, 2, 29)),
    "first_day": ("DATE", "DATE '0001-01-01'", pyarrow.date32(), datetime.date(1, 1, 1)),
    "time": ("TIME(6)", "TIME '23:59:59.123456'", pyarrow.time64("us"), datetime.time(23, 59, 59, 123456)),
    "time_9": ("TIME(9)", "TIME '01:02:03'", pyarrow.time64("us"), datetime.time(1, 2, 3)),
    "ntz": (
        "TIMESTAMP_NTZ(6)", "TIMESTAMP '2024-02-29 12:00:00.123456'", pyarrow.timestamp("us"),
        datetime.datetime(2024, 2, 29, 12, 0, 0, 123456),
    ),
    "ntz_before_1970": (
        "TIMESTAMP_NTZ(3)", "TIMESTAMP '1969-12-31 23:59:59.999'", pyarrow.timestamp("us"),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999000),
    ),
    "ntz_9": (
        "TIMESTAMP_NTZ(9)", "TIMESTAMP '9999-12-31 23:59:59.999999'", pyarrow.timestamp("us"),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
    ),
    "ltz": (
        "TIMESTAMP_LTZ(6)", "'2024-02-29 12:00:00.5 +02:00'::TIMESTAMP_LTZ", pyarrow.timestamp("us", "UTC"),
        datetime.datetime(2024, 2, 29, 10, 0, 0, 500000, UTC),
    ),
    "tz": (
        "TIMESTAMP_TZ(6)", "'2024-02-29 12:00:00.5 +05:30'::TIMESTAMP_TZ", pyarrow.timestamp("us", "UTC"),
        datetime.datetime(2024, 2, 29, 6, 30, 0, 500000, UTC),
    ),
    "bytes": ("BINARY", "TO_BINARY('00ff', 'HEX')", pyarrow.binary(), b"\x00\xff"),
    "variant": ("VARIANT", """PARSE_JSON('{"a":[1,null,"x"]}')""", pyarrow.string(), '{"a":[1,null,"x"]}'),
    "object": ("OBJECT", """PARSE_JSON('{"k":1}')""", pyarrow.string(), '{"k":1}'),
    "array": ("ARRAY", "PARSE_JSON('[1,2]')", pyarrow.string(), "[1,2]"),
    "geography": ("GEOGRAPHY", "'POINT(1 2)'", pyarrow.string(), "POINT(1 2)"),
    "geometry": ("GEOMETRY", "'POINT(3 4)'", pyarrow.string(), "POINT(3 4)"),
    "floats": ("VECTOR(FLOAT, 3)", "[1.5, 2.5, -3]::FLOAT[3]", pyarrow.list_(pyarrow.float32()), [1.5, 2.5, -3.0]),
    "integers": ("VECTOR(INT, 2)", "[1, -2]::INTEGER[2]", pyarrow.list_(pyarrow.int32()), [1, -2]),
}


def make_wide(sim):
    """One row of values, one of NULLs."""
    columns = ", ".join(f"v_{name} {declared}" for name, (declared, *_) in WIDE.items())
    values = ", ".join(sql for _, sql, *_ in WIDE.values())
    sim.sql(f"CREATE TABLE PROD.PUBLIC.WIDE (k NUMBER(9,0), {columns})")
    sim.sql(f"INSERT INTO PROD.PUBLIC.WIDE SELECT 1, {values}")
    sim.sql("INSERT INTO PROD.PUBLIC.WIDE (k) VALUES (2)")


@pytest.mark.parametrize("name", WIDE)
def test_s10_a_value_and_a_null_of_each_type_arrive_exactly(wide, name):
    declared, _, arrow_type, value = WIDE[name]
    table = fetch(wide, f"SELECT v_{name} FROM PROD.PUBLIC.WIDE ORDER BY k")
    field = table.schema.field(0)
    assert field.type.equals(arrow_type), declared
    assert field.nullable
    assert table.column(0).to_pylist() == [value, None]


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """One server for all types: nothing here changes it."""
    from harness.server import Server
    from harness.sim import Sim

    sim = Sim(tmp_path_factory.mktemp("sim"))
    server = Server(tmp_path_factory.mktemp("server"), "sqlite:ducksync.db")
    try:
        make_account(sim)
        make_wide(sim)
        server.start()
        add_source(server, sim, passthrough=True)
        yield server
    finally:
        server.kill()
        sim.stop()


def test_s10_all_types_arrive_side_by_side(wide):
    table = fetch(wide, "SELECT * FROM PROD.PUBLIC.WIDE ORDER BY k")
    values = {f"V_{name.upper()}": value for name, (_, _, _, value) in WIDE.items()}
    assert table.to_pylist() == [{"K": 1} | values, {"K": 2} | dict.fromkeys(values)]


@pytest.mark.parametrize("condition", ["k > 5", "false", "k IS NULL"])
def test_v3_an_empty_result_has_the_schema_of_a_full_one(wide, condition):
    full = fetch(wide, "SELECT * FROM PROD.PUBLIC.WIDE")
    empty = fetch(wide, f"SELECT * FROM PROD.PUBLIC.WIDE WHERE {condition}")
    assert empty.num_rows == 0
    assert empty.schema.equals(full.schema, check_metadata=True)


def test_v3_the_described_schema_is_the_streams(wide):
    sql = "SELECT * FROM PROD.PUBLIC.WIDE"
    with wide.connect() as connection, connection.cursor() as cursor:
        described = cursor.adbc_execute_schema(sql)
    assert described.equals(fetch(wide, sql).schema)


def test_i1_many_chunks_arrive_whole_and_in_order(many, sim):
    table = fetch(many, MANY_SQL)
    assert table.column("N").to_pylist() == list(range(MANY))
    assert table.column("FILLER").slice(MANY - 1).to_pylist() == ["x" * 20 + str(MANY - 1)]
    assert requests(sim, "chunk") >= 6, "the result must have come in chunks"
    assert len(runs(sim)) == 1


def test_i1_nulls_keep_their_places_across_chunks(many, sim):
    table = fetch(many, "SELECT IFF(n % 3 = 0, NULL, n) AS maybe FROM PROD.PUBLIC.MANY ORDER BY n")
    assert table.column(0).to_pylist() == [None if n % 3 == 0 else n for n in range(MANY)]


# ---- once, and no longer than wanted -------------------------------------------------------------


def test_v8_a_repeated_doget_reads_again_and_does_not_run_again(many, sim):
    with many.connect() as connection, connection.cursor() as cursor:
        partitions, schema = cursor.adbc_execute_partitions(MANY_SQL)
        for _ in range(3):
            for partition in partitions:
                cursor.adbc_read_partition(partition)
                table = cursor.fetch_arrow_table()
                assert table.column("N").to_pylist() == list(range(MANY))
                assert table.schema.equals(schema)
    assert len(runs(sim)) == 1


def test_v8_prepare_and_describe_run_nothing(prod, sim):
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.adbc_prepare("SELECT id FROM PROD.PUBLIC.ORDERS")
        assert cursor.adbc_execute_schema("SELECT id FROM PROD.PUBLIC.ORDERS").names == ["ID"]
    assert runs(sim) == []


def test_v8_an_unread_result_is_aborted_at_the_source(spawn_server, sim):
    make_account(sim)
    server = spawn_server(config_overrides={"serving.unread_life": "200ms"})
    add_source(server, sim, passthrough=True)
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.adbc_execute_partitions("SELECT id FROM PROD.PUBLIC.ORDERS")
        assert requests(sim, "abort") == 0
        wait_until(lambda: requests(sim, "abort") == 1, "the unread result is aborted", 10)


def test_v8_a_read_result_is_not_aborted(spawn_server, sim):
    make_account(sim)
    server = spawn_server(config_overrides={"serving.unread_life": "500ms"})
    add_source(server, sim, passthrough=True)
    assert len(server.rows("SELECT id FROM PROD.PUBLIC.ORDERS")) == 3
    with server.connect() as connection, connection.cursor() as cursor:
        # Its abort comes later than one for the result above would.
        cursor.adbc_execute_partitions("SELECT region FROM PROD.PUBLIC.ORDERS")
        wait_until(lambda: requests(sim, "abort"), "the unread result is aborted", 10)
    assert requests(sim, "abort") == 1


class Direct:
    """A statement that is executed without being prepared, so that a gate holds the execution and nothing before it."""

    def __init__(self, connection, sql):
        self.statement = adbc_driver_manager.AdbcStatement(connection.adbc_connection)
        self.statement.set_sql_query(sql)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.statement.close()

    def rows(self):
        stream, _ = self.statement.execute_query()
        return pyarrow.RecordBatchReader._import_from_c(stream.address).read_all().num_rows


def statuses(sim):
    return {entry["sql"]: entry["status"] for entry in runs(sim)}


def test_v15_a_cancelled_statement_is_aborted_at_the_source_and_its_neighbour_finishes(prod, sim):
    sim.gate("region", "before_execute")
    one, two = "SELECT region FROM PROD.PUBLIC.ORDERS", "SELECT region, id FROM PROD.PUBLIC.ORDERS"
    with prod.connect() as first, prod.connect() as second, Direct(first, one) as mine, Direct(second, two) as neighbour:
        with ThreadPoolExecutor() as pool:
            cancelled, finished = pool.submit(mine.rows), pool.submit(neighbour.rows)
            wait_until(lambda: statuses(sim) == {one: "running", two: "running"}, "both statements run", 30)
            mine.statement.cancel()
            assert status(refused(cancelled.result, 30)) == "CANCELLED"
            wait_until(lambda: statuses(sim) == {one: "canceled", two: "running"}, "the source is told", 10)
            sim.release()
            assert finished.result(30) == 3


#: A client that executes and never reads: its address and password are its arguments.
CLIENT = """
import sys, adbc_driver_manager as manager, adbc_driver_flightsql.dbapi as flightsql
connection = flightsql.connect(sys.argv[1], db_kwargs={"username": "admin", "password": sys.argv[2]}, autocommit=True)
statement = manager.AdbcStatement(connection.adbc_connection)
statement.set_sql_query(sys.argv[3])
statement.execute_query()
"""


def test_a40_a_client_that_dies_stops_its_statement_at_the_source(prod, sim):
    sql = "SELECT region FROM PROD.PUBLIC.ORDERS"
    sim.gate("region", "before_execute")
    client = subprocess.Popen([sys.executable, "-c", CLIENT, prod.url, prod.admin_password(), sql])
    try:
        wait_until(lambda: statuses(sim) == {sql: "running"}, "the statement runs", 30)
    finally:
        client.kill()
        client.wait()
    wait_until(lambda: statuses(sim) == {sql: "canceled"}, "the source is told", 10)


def test_i6_a_reader_that_leaves_early_stops_the_transfer(sim, prod):
    make_many(sim, 2_000_000)
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT n, filler FROM PROD.PUBLIC.MANY")
        assert cursor.fetchone()[0] is not None
    assert prod.rows("SELECT count(*) AS n FROM PROD.PUBLIC.ORDERS") == [(3,)]
    assert requests(sim, "chunk") < 30, "of 40 chunks most must never have been asked for"


# ---- what goes wrong at the source ---------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["query", "chunk"])
def test_g10_a_passing_503_heals_and_the_statement_runs_once(many, sim, endpoint):
    sim.faults({"kind": "http_status", "endpoint": endpoint, "sql": None, "count": 2})
    assert fetch(many, MANY_SQL).column("N").to_pylist() == list(range(MANY))
    assert len(runs(sim)) == 1


@pytest.mark.parametrize("kind", ["chunk_truncated", "drop_connection", "chunk_row_count", "chunk_forbidden"])
def test_i1_a_chunk_that_fails_once_is_fetched_again(many, sim, kind):
    sim.faults({"kind": kind, "endpoint": "chunk", "chunk": 2})
    try:
        table = fetch(many, MANY_SQL)
    except adbc_driver_manager.Error as error:
        # A wrong count in the reply cannot heal: the reply is not asked for again.
        assert kind == "chunk_row_count", str(error)
    else:
        assert table.column("N").to_pylist() == list(range(MANY))
    assert len(runs(sim)) == 1


@pytest.mark.parametrize("kind", ["chunk_truncated", "chunk_row_count", "http_status"])
def test_i1_a_chunk_that_stays_bad_is_one_clear_error_with_the_query_id(many, sim, kind):
    sim.faults({"kind": kind, "chunk": 2, "count": 0} | ({"endpoint": "chunk"} if kind == "http_status" else {}))
    error = refused(fetch, many, MANY_SQL)
    (run,) = runs(sim)
    assert run["query_id"] in str(error)
    assert "part 3 of" in str(error) or "rows where" in str(error), str(error)
    assert status(error) != "INTERNAL", str(error)
    sim.faults()
    assert fetch(many, MANY_SQL).num_rows == MANY, "the next statement must work"


def test_g9_what_the_source_rejects_comes_with_its_words(prod, sim):
    error = refused(prod.rows, "SELECT nothing FROM PROD.PUBLIC.ORDERS")
    assert status(error) == "INVALID_ARGUMENT"
    assert "NOTHING" in str(error).upper()
    assert status(refused(prod.rows, "SELECT 1 AS x FROM PROD.PUBLIC.NO_SUCH_TABLE")) in ("INVALID_ARGUMENT", "NOT_FOUND")


def test_a40_a_dead_source_is_unavailable(prod, sim):
    sim.stop()
    error = refused(prod.rows, "SELECT id FROM PROD.PUBLIC.ORDERS")
    assert status(error) == "IO", str(error)
    assert prod.rows("SELECT 42") == [(42,)]


# ---- what may pass -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO PROD.PUBLIC.ORDERS VALUES (9, 'US', 1)",
        "UPDATE PROD.PUBLIC.ORDERS SET region = 'X'",
        "DELETE FROM PROD.PUBLIC.ORDERS",
        "MERGE INTO PROD.PUBLIC.ORDERS o USING PROD.PUBLIC.ORDERS p ON o.id = p.id WHEN MATCHED THEN DELETE",
        "TRUNCATE TABLE PROD.PUBLIC.ORDERS",
        "DROP TABLE PROD.PUBLIC.ORDERS",
        "CREATE TABLE PROD.PUBLIC.EVIL AS SELECT * FROM PROD.PUBLIC.ORDERS",
        "ALTER TABLE PROD.PUBLIC.ORDERS ADD COLUMN evil VARCHAR",
        "SELECT id FROM PROD.PUBLIC.ORDERS; DELETE FROM PROD.PUBLIC.ORDERS",
        "CALL PROD.PUBLIC.SOME_PROCEDURE()",
        "EXECUTE IMMEDIATE 'DELETE FROM PROD.PUBLIC.ORDERS'",
        "GRANT SELECT ON PROD.PUBLIC.ORDERS TO ROLE PUBLIC",
        "SELECT SYSTEM$CANCEL_ALL_QUERIES(1)",
        "SELECT SYSTEM$CANCEL_ALL_QUERIES(1) FROM PROD.PUBLIC.ORDERS",
        "SELECT PROD.PUBLIC.SEQ.NEXTVAL FROM PROD.PUBLIC.ORDERS",
        "SELECT * FROM ducksync_query('DELETE FROM PROD.PUBLIC.ORDERS', 'prod')",
        "SELECT * FROM ducksync_query('SELECT 1; DELETE FROM PROD.PUBLIC.ORDERS', 'prod')",
        "WITH x AS (SELECT 1) DELETE FROM PROD.PUBLIC.ORDERS",
        "EXPLAIN ANALYZE DELETE FROM PROD.PUBLIC.ORDERS",
    ],
)
def test_v8_a_statement_that_writes_never_reaches_the_source(prod, sim, sql):
    error = refused(execute, prod, sql)
    assert status(error) in {"INVALID_ARGUMENT", "NOT_FOUND", "INVALID_STATE", "NOT_IMPLEMENTED"}, str(error)
    assert sim.log() == [], "nothing of it may be sent, not even to be described"


def test_v8_two_sources_are_ambiguous_until_one_is_chosen(prod, spawn_sim):
    other = spawn_sim()
    make_account(other)
    other.sql("DELETE FROM PROD.PUBLIC.ORDERS WHERE id > 1")
    execute(prod, secret_sql(other, "sf_other"))
    call(prod, "add_source", "other", "snowflake", "sf_other", passthrough_enabled=True)
    other.reset_log()
    error = refused(prod.rows, "SELECT id FROM PROD.PUBLIC.ORDERS")
    assert status(error) == "INVALID_ARGUMENT" and "AMBIGUOUS" in str(error), str(error)
    assert "prod" in str(error) and "other" in str(error)
    assert other.log() == []
    with prod.connect() as connection, connection.cursor() as cursor:
        for source, rows in [("other", 1), ("prod", 3)]:
            cursor.execute(f"SET source = '{source}'")
            cursor.execute("SELECT id FROM PROD.PUBLIC.ORDERS")
            assert len(cursor.fetchall()) == rows


def test_v8_an_administrator_needs_no_grant(prod):
    rows, story = answered(prod, "SELECT id FROM PROD.PUBLIC.ORDERS")
    assert rows == [(1,), (2,), (3,)]
    assert story["route"] == "passthrough"


def test_v8_who_has_no_grant_is_refused_and_the_source_hears_nothing(spawn_server, sim):
    make_account(sim)
    server = spawn_server(start=False)
    (server.directory / "users.toml").write_text(
        'users.admin = { password = "boss", roles = ["admins"] }\n'
        'users.ann = { password = "secret", roles = ["analysts"] }\n'
        'users.bob = { password = "secret", roles = [] }\n'
        '[grants]\nadmins = ["admin on server"]\nanalysts = ["passthrough on source prod"]\n'
    )
    server.config["auth.users_file"] = "users.toml"
    server.admin_password = lambda: "boss"
    server.start()
    add_source(server, sim, passthrough=True)
    sim.reset_log()
    sql = "SELECT id FROM PROD.PUBLIC.ORDERS"
    error = refused(server.rows, sql, user="bob", password="secret")
    assert status(error) == "UNAUTHORIZED", str(error)
    assert sim.log() == []
    assert len(server.rows(sql, user="ann", password="secret")) == 3


# ---- bounded memory ------------------------------------------------------------------------------

MIB = 1 << 20


@pytest.mark.slow
def test_i5_a_slow_reader_of_500_mb_does_not_fill_the_server(sim, prod):
    make_many(sim, 2_600_000, width=200)
    sql = "SELECT n, filler FROM PROD.PUBLIC.MANY"
    assert fetch(prod, f"{sql} WHERE n < 200000").num_rows == 200_000
    before = prod.process.memory("VmRSS")
    prod.process.forget_peak()
    read, rows, rate = 0, 0, 20_000_000
    with prod.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        began = time.monotonic()
        for batch in cursor.fetch_record_batch():
            read += batch.nbytes
            rows += batch.num_rows
            # The reader's own pace, not a guess at somebody else's.
            time.sleep(max(0.0, began + read / rate - time.monotonic()))
    grown = prod.process.memory("VmHWM") - before
    print(f"{read / MIB:.0f} MiB in {time.monotonic() - began:.1f} s; the server grew by {grown / MIB:.0f} MiB")
    assert rows == 2_600_000 and read >= 500_000_000
    assert grown < 300 * MIB
