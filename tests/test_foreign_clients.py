"""Snowflake drivers by other hands against the simulator: what holds for them holds for Snowflake.

Three of them, independent of each other in how they read results: Snowflake's connector of the old line (C++, a
schema for each chunk; it lives in fakesnow's environment), that of the new line (Rust), and the Go driver under ADBC;
and the Rust crate `snowflake-api`, for what it can.
Where two of them disagree about a value, the test says which one is wrong, and expects it.
"""

import datetime
import json
import pickle
import subprocess
import threading
from decimal import Decimal

import adbc_driver_snowflake.dbapi
import pytest
import snowflake.connector
from adbc_driver_manager import OperationalError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.processes import ROOT
from harness.sim import PASSWORD, USER
from harness.waiting import wait_until

RUST_CLIENT = ROOT / ".deps" / "snowflake-api" / "debug" / "snowflake-api-client"
OLD_PYTHON = ROOT / ".deps" / "venv-fakesnow" / "bin" / "python"

#: One statement by the old connector: its rows, pickled.
_OLD_PROGRAM = """
import json, pickle, sys, snowflake.connector
options, statement = json.loads(sys.argv[1]), sys.argv[2]
connection = snowflake.connector.connect(**options)
rows = connection.cursor().execute(statement).fetchall()
sys.stdout.buffer.write(pickle.dumps(rows))
"""


@pytest.fixture
def sim(spawn_sim):
    """A simulator with small results: 10 rows in the reply, 50 in a chunk."""
    sim = spawn_sim(inline_rows=10, rows_per_chunk=50, sync_wait_ms=300)
    sim.sql("CREATE DATABASE DB")
    return sim


def options(sim, **changes):
    """What Snowflake's connectors are told."""
    return sim.connector_options(database="DB", session_parameters={"QUERY_TAG": "foreign"}) | changes


class Connector:
    """Snowflake's connector of the new line."""

    def __init__(self, sim, **changes):
        changes = {"enable_server_session_keep_alive_auto_detection": False} | changes
        self.connection = snowflake.connector.connect(**options(sim, **changes))

    def rows(self, sql):
        return self.connection.cursor().execute(sql).fetchall()

    def names(self, sql):
        return [column.name for column in self.connection.cursor().execute(sql).description]

    def close(self):
        self.connection.close()


class Old:
    """Snowflake's connector of the old line, a process for each statement."""

    def __init__(self, sim):
        if not OLD_PYTHON.exists():
            pytest.skip("fakesnow is not installed: run `make setup`")
        self.options = json.dumps(options(sim))

    def rows(self, sql):
        done = subprocess.run([OLD_PYTHON, "-c", _OLD_PROGRAM, self.options, sql], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return pickle.loads(done.stdout)

    def close(self):
        pass


class Adbc:
    """The Go driver under ADBC."""

    def __init__(self, sim, **changes):
        chosen = sim.adbc_options(**{"adbc.snowflake.sql.db": "DB"} | changes)
        self.connection = adbc_driver_snowflake.dbapi.connect(db_kwargs=chosen, autocommit=True)

    def table(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def rows(self, sql):
        return [tuple(row.values()) for row in self.table(sql).to_pylist()]

    def names(self, sql):
        return self.table(sql).column_names

    def close(self):
        self.connection.close()


CLIENTS = [Connector, Old, Adbc]


@pytest.fixture(params=CLIENTS, ids=lambda client: client.__name__.lower())
def client(request, sim):
    client = request.param(sim)
    yield client
    client.close()


def utc(*parts):
    return datetime.datetime(*parts, tzinfo=datetime.timezone.utc)


#: Type, a value as SQL, and what a client must make of it.
VALUES = [
    ("NUMBER(38,0)", "99999999999999999999999999999999999999", 10**38 - 1),
    ("NUMBER(38,37)", "-1.2345678901234567890123456789012345678", Decimal("-1.2345678901234567890123456789012345678")),
    ("NUMBER(2,1)", "-9.9", Decimal("-9.9")),
    ("NUMBER(4,2)", "-99.99", Decimal("-99.99")),
    ("NUMBER(9,4)", "-99999.9999", Decimal("-99999.9999")),
    ("NUMBER(18,9)", "-999999999.999999999", Decimal("-999999999.999999999")),
    ("FLOAT", "-1.5e300", -1.5e300),
    ("BOOLEAN", "true", True),
    ("VARCHAR(20)", "'tschüß 🦆'", "tschüß 🦆"),
    ("BINARY", "TO_BINARY('00ff10')", b"\x00\xff\x10"),
    ("DATE", "'0001-01-01'", datetime.date(1, 1, 1)),
    ("DATE", "'9999-12-31'", datetime.date(9999, 12, 31)),
    ("TIME(0)", "'23:59:59'", datetime.time(23, 59, 59)),
    ("TIME(3)", "'23:59:59.123'", datetime.time(23, 59, 59, 123000)),
    ("TIME(6)", "'00:00:00.000001'", datetime.time(0, 0, 0, 1)),
    ("TIME(9)", "'12:30:00.5'", datetime.time(12, 30, 0, 500000)),
    ("TIMESTAMP_NTZ(0)", "'1969-12-31 23:59:59'", datetime.datetime(1969, 12, 31, 23, 59, 59)),
    ("TIMESTAMP_NTZ(3)", "'1969-12-31 23:59:59.999'", datetime.datetime(1969, 12, 31, 23, 59, 59, 999000)),
    ("TIMESTAMP_NTZ(6)", "'2026-01-02 03:04:05.678901'", datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)),
    ("TIMESTAMP_NTZ(9)", "'2026-01-02 03:04:05.678901'", datetime.datetime(2026, 1, 2, 3, 4, 5, 678901)),
    ("TIMESTAMP_LTZ(3)", "'2026-01-02 03:04:05.678+00'", utc(2026, 1, 2, 3, 4, 5, 678000)),
    ("TIMESTAMP_LTZ(9)", "'2026-01-02 03:04:05.678901+00'", utc(2026, 1, 2, 3, 4, 5, 678901)),
    ("TIMESTAMP_TZ(0)", "'2026-01-02 03:04:05 +02:00'", utc(2026, 1, 2, 1, 4, 5)),
    ("TIMESTAMP_TZ(3)", "'2026-01-02 03:04:05.678 -05:30'", utc(2026, 1, 2, 8, 34, 5, 678000)),
    ("TIMESTAMP_TZ(9)", "'2026-01-02 03:04:05.678901 +02:00'", utc(2026, 1, 2, 1, 4, 5, 678901)),
]


def plain(value):
    """A value without what clients rightly differ in: numbers by value, instants in UTC."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, bytearray):
        return bytes(value)
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.timezone.utc)
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    return value


@pytest.mark.parametrize("client_of", CLIENTS, ids=lambda client: client.__name__.lower())
def test_every_wire_type_means_to_others_what_it_means_to_us(sim, client_of):
    columns = ", ".join(f"C{at} {declared}" for at, (declared, _, _) in enumerate(VALUES))
    literals = ", ".join(text for _, text, _ in VALUES)
    nulls = ", ".join("NULL" for _ in VALUES)
    sim.sql(f"CREATE TABLE DB.PUBLIC.T (N INT, {columns}); INSERT INTO DB.PUBLIC.T VALUES (1, {literals}), (2, {nulls})")
    client = client_of(sim)
    skipped = set()
    if client_of is Adbc:
        # The Go driver reads the two-part form of a TIMESTAMP_TZ as seconds, whatever its scale.
        skipped = {at for at, (declared, _, _) in enumerate(VALUES) if declared == "TIMESTAMP_TZ(3)"}
    kept = [at for at in range(len(VALUES)) if at not in skipped]
    first, second = client.rows(f"SELECT {', '.join(f'C{at}' for at in kept)} FROM T ORDER BY N")
    for at, value in zip(kept, first, strict=True):
        assert plain(value) == plain(VALUES[at][2]), VALUES[at][0]
    assert set(second) == {None}
    semi = client.rows("SELECT PARSE_JSON('{\"a\": [1, null]}'), ARRAY_CONSTRUCT(1, 'x')")
    assert [json.loads(text) for text in semi[0]] == [{"a": [1, None]}, [1, "x"]]
    client.close()


def test_order_and_count_hold_over_many_chunks(client):
    expected = list(range(1_000, 1_737))
    rows = client.rows("SELECT range AS N, 'row ' || range AS S FROM range(1000, 1737) ORDER BY N")
    assert [int(row[0]) for row in rows] == expected
    assert [row[1] for row in rows] == [f"row {number}" for number in expected]


#: Widens within a chunk and from chunk to chunk, and narrows again.
WIDTHS = "SELECT CASE WHEN range < 20 THEN range WHEN range < 120 THEN -range * 1000000000000 WHEN range < 200 THEN range * 1000 ELSE range - 200 END AS N FROM range(300) ORDER BY range"


def widths():
    return [n if n < 20 else -n * 10**12 if n < 120 else n * 1000 if n < 200 else n - 200 for n in range(300)]


@pytest.mark.parametrize("client_of", [Old, Adbc], ids=lambda client: client.__name__.lower())
def test_numbers_may_be_wider_in_one_chunk_than_in_another(sim, client_of):
    client = client_of(sim)
    assert [int(row[0]) for row in client.rows(WIDTHS)] == widths()
    client.close()


@pytest.mark.xfail(strict=True, reason="connector 5.2 reads every chunk with the first one's schema")
def test_numbers_may_be_wider_in_one_chunk_than_in_another_for_the_new_connector(sim):
    assert [int(row[0]) for row in Connector(sim).rows(WIDTHS)] == widths()


@pytest.mark.parametrize("client_of", [Connector, Adbc], ids=lambda client: client.__name__.lower())
def test_an_empty_result_keeps_its_columns(sim, client_of):
    sim.sql("CREATE TABLE DB.PUBLIC.T (ID INT, \"low\" VARCHAR, TS TIMESTAMP_NTZ(3))")
    client = client_of(sim)
    assert client.names("SELECT *, ID + 1 FROM T WHERE FALSE") == ["ID", "low", "TS", "ID + 1"]
    assert client.rows("SELECT * FROM T") == []
    client.close()


def test_metadata_statements_answer_as_tables(sim):
    sim.sql("CREATE TABLE DB.PUBLIC.T (ID INT NOT NULL) CHANGE_TRACKING = TRUE")
    for client in (Connector(sim), Adbc(sim)):
        assert [row[1] for row in client.rows("SHOW TABLES")] == ["T"]
        assert [tuple(row[:2]) for row in client.rows("DESC TABLE T")] == [("ID", "NUMBER(38,0)")]
        plan = json.loads(client.rows("SELECT SYSTEM$EXPLAIN_PLAN_JSON('SELECT * FROM T')")[0][0])
        assert plan["Operations"][0][1]["objects"] == ["DB.PUBLIC.T"]
        client.close()


def test_changes_reach_another_hands_client(sim):
    sim.sql("CREATE TABLE DB.PUBLIC.T (ID INT, S VARCHAR) CHANGE_TRACKING = TRUE")
    connection = Connector(sim).connection
    cursor = connection.cursor()
    cursor.execute("INSERT INTO T VALUES (%s, %s)", (1, "it's"))
    assert cursor.rowcount == 1
    point = cursor.sfqid
    cursor.execute("UPDATE T SET S = 'x'")
    found = cursor.execute(f"SELECT S, METADATA$ACTION, METADATA$ISUPDATE FROM T CHANGES (INFORMATION => DEFAULT) AT (STATEMENT => '{point}') ORDER BY 2").fetchall()
    assert found == [("it's", "DELETE", True), ("x", "INSERT", True)]


@pytest.mark.parametrize("client_of", [Connector, Adbc], ids=lambda client: client.__name__.lower())
def test_an_expired_session_is_renewed_unnoticed(sim, client_of):
    client = client_of(sim)
    client.rows("SELECT 1")
    sim.expire("session")
    assert [int(row[0]) for row in client.rows("SELECT 2")] == [2]
    assert sim.requests()["token"] == 1 and sim.requests()["login"] == 1
    client.close()


@pytest.mark.parametrize("client_of", [Connector, Adbc], ids=lambda client: client.__name__.lower())
def test_a_long_statement_is_waited_for(sim, client_of):
    client = client_of(sim)
    sim.faults({"kind": "query_delay", "sql": "LONG", "ms": 1500})
    assert [int(row[0]) for row in client.rows("SELECT 7 AS LONG")] == [7]
    assert sim.requests()["result"] >= 1, "it was pending, and asked for again"
    client.close()


def test_the_connector_cancels_by_its_own_hand(sim):
    client = Connector(sim)
    cursor = client.connection.cursor()
    sim.gate("HELD", "before_execute")
    ended = []

    def run():
        try:
            ended.append(cursor.execute("SELECT 1 AS HELD").fetchall())
        except snowflake.connector.errors.Error as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_until(lambda: sim.gated() == 1, "the statement is held")
    running = sim.log()[-1]["query_id"]
    assert client.connection.cursor().abort_query(running)
    thread.join(30)
    assert len(ended) == 1 and isinstance(ended[0], snowflake.connector.errors.ProgrammingError), ended
    assert ended[0].errno == 604 and ended[0].sqlstate == "57014"
    assert wait_until(lambda: sim.log(query_id=running)[0]["status"] == "canceled", "the log says so")


def test_the_go_driver_cancels_by_its_own_hand(sim):
    client = Adbc(sim)
    cursor = client.connection.cursor()
    sim.gate("HELD", "before_execute")
    ended = []

    def run():
        try:
            cursor.execute("SELECT 1 AS HELD")
            ended.append(cursor.fetchall())
        except Exception as error:  # noqa: BLE001 - whatever the driver makes of it
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    wait_until(lambda: sim.gated() == 1, "the statement is held")
    cursor.adbc_cancel()
    thread.join(30)
    assert len(ended) == 1 and isinstance(ended[0], Exception), ended
    wait_until(lambda: sim.log(sql="SELECT 1 AS HELD")[0]["status"] == "canceled", "the source was told")


def test_errors_carry_code_state_and_query_id(sim):
    with pytest.raises(snowflake.connector.errors.ProgrammingError) as refused:
        Connector(sim).rows("SELECT * FROM NOPE")
    assert (refused.value.errno, refused.value.sqlstate) == (2003, "42S02")
    assert refused.value.sfqid == sim.log()[-1]["query_id"]
    with pytest.raises(Exception, match="002003"):
        Adbc(sim).rows("SELECT * FROM NOPE")
    with pytest.raises(snowflake.connector.errors.DatabaseError) as refused:
        Connector(sim, password="wrong")
    assert "Incorrect username or password" in str(refused.value)
    with pytest.raises(OperationalError, match="390100"):
        Adbc(sim, password="wrong").rows("SELECT 1")


@pytest.mark.parametrize("fault", [
    {"kind": "http_status", "endpoint": "query", "status": 503, "count": 2},
    {"kind": "http_status", "endpoint": "query", "status": 429},
    {"kind": "http_status", "endpoint": "chunk", "status": 503, "count": 2},
    {"kind": "no_reply", "endpoint": "query"},
    {"kind": "chunk_unlabelled", "count": 0},
], ids=lambda fault: "-".join(str(part) for part in list(fault.values())[:3]))
def test_what_heals_for_them_heals_with_the_same_rows(sim, fault):
    client = Adbc(sim)
    sim.faults(fault)
    assert [int(row[0]) for row in client.rows("SELECT * FROM range(500, 900) ORDER BY 1")] == list(range(500, 900))
    assert len(sim.log()) == 1, "a repeated request is one statement"
    client.close()


@pytest.mark.parametrize("fault", [
    {"kind": "drop_connection", "endpoint": "chunk", "chunk": 2},
    {"kind": "chunk_truncated", "chunk": 2},
    {"kind": "chunk_forbidden", "chunk": 2, "count": 0},
], ids=lambda fault: fault["kind"])
def test_what_does_not_heal_for_them_is_an_error_and_no_short_result(sim, fault):
    client = Adbc(sim)
    sim.faults(fault)
    with pytest.raises(Exception, match="Snowflake"):
        client.rows("SELECT * FROM range(500, 900) ORDER BY 1")


def snowflake_api(sim, sql):
    """What the Rust crate `snowflake-api` makes of a statement: its first column, in the order that it hands out."""
    if not RUST_CLIENT.exists():
        pytest.skip("the Rust client is not built: run `scripts/test.sh foreign`")
    done = subprocess.run([RUST_CLIENT, f"127.0.0.1:{sim.port}", USER, PASSWORD, sql], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_snowflake_api_crate_understands_a_result_in_one_part(sim):
    assert snowflake_api(sim, "SELECT 'row ' || range FROM range(10) ORDER BY range") == [f"row {n}" for n in range(10)]


def test_the_snowflake_api_crate_hands_out_the_first_rows_last(sim):
    """Why decision 3 refuses it: the inline rows, which come first, are put behind those of the chunks."""
    rows = [int(text) for text in snowflake_api(sim, "SELECT range::VARCHAR FROM range(60) ORDER BY range")]
    assert rows == [*range(10, 60), *range(10)]
    assert sim.requests()["chunk"] == 1


def test_key_pairs_and_tokens_open_sessions(sim):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs8 = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = key.private_bytes(serialization.Encoding.PEM, *pkcs8).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    sim.user("KEYED", public_key=public)
    sim.user("BOT", token="access-token", oauth_token="oauth-token")
    der = key.private_bytes(serialization.Encoding.DER, *pkcs8)
    attempts = [
        Connector(sim, user="KEYED", password=None, private_key=der, authenticator="SNOWFLAKE_JWT"),
        Connector(sim, user="BOT", password=None, token="access-token", authenticator="PROGRAMMATIC_ACCESS_TOKEN"),
        Connector(sim, user="BOT", password=None, token="oauth-token", authenticator="OAUTH"),
        Adbc(sim, **{"username": "KEYED", "password": "", "adbc.snowflake.sql.auth_type": "auth_jwt",
                     "adbc.snowflake.sql.client_option.jwt_private_key_pkcs8_value": pem}),
        Adbc(sim, **{"username": "BOT", "password": "", "adbc.snowflake.sql.auth_type": "auth_oauth",
                     "adbc.snowflake.sql.client_option.auth_token": "oauth-token"}),
    ]
    for client in attempts:
        client.rows("SELECT CURRENT_USER()")
        client.close()
    assert [(login["user"], login["authenticator"], login["error"]) for login in sim.logins()] == [
        ("KEYED", "SNOWFLAKE_JWT", None), ("BOT", "PROGRAMMATIC_ACCESS_TOKEN", None), ("BOT", "OAUTH", None),
        ("KEYED", "SNOWFLAKE_JWT", None), ("BOT", "OAUTH", None),
    ]
