"""fakesnow, a Snowflake stand-in by other hands, as the source: what it offers is enough to cache by TTL."""

import subprocess
from datetime import date, datetime
from decimal import Decimal

import pytest

from harness.prod import answered, call, create_cache, execute
from harness.processes import ROOT, Child
from harness.waiting import accepts_connections, free_port, wait_until

PYTHON = ROOT / ".deps" / "venv-fakesnow" / "bin" / "python"

#: Runs SQL with Snowflake's own connector, which lives in fakesnow's environment only.
_PROGRAM = """
import sys, snowflake.connector
connection = snowflake.connector.connect(
    user="fake", password="snow", account="fakesnow", host="127.0.0.1", port=int(sys.argv[1]), protocol="http",
    session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False}, network_timeout=30)
for statement in sys.argv[2:]:
    connection.cursor().execute(statement)
"""


class Fakesnow:
    """A running fakesnow, its tables in memory."""

    def __init__(self, directory):
        self.port = free_port()
        command = [PYTHON.with_name("fakesnow"), "-s", "-p", self.port, "--host", "127.0.0.1"]
        self.process = Child([PYTHON, *command], directory / "fakesnow")
        wait_until(lambda: self._listens(), "fakesnow listens", 60)

    def sql(self, *statements):
        done = subprocess.run([PYTHON, "-c", _PROGRAM, str(self.port), *statements], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def _listens(self):
        assert self.process.process.poll() is None, self.process.log()
        return accepts_connections(self.port)


@pytest.fixture(scope="module")
def fakesnow(tmp_path_factory):
    if not PYTHON.exists():
        pytest.skip("fakesnow is not installed: run `make setup`")
    server = Fakesnow(tmp_path_factory.mktemp("fakesnow"))
    server.sql(
        "CREATE DATABASE IF NOT EXISTS PROD",
        "CREATE SCHEMA IF NOT EXISTS PROD.PUBLIC",
        "CREATE OR REPLACE TABLE PROD.PUBLIC.ORDERS (id INT, region VARCHAR, amount NUMBER(12,2), seen_at TIMESTAMP_NTZ, day DATE, paid BOOLEAN)",
        "INSERT INTO PROD.PUBLIC.ORDERS VALUES (1, 'US', 10.50, '2024-01-02 03:04:05.123456', '2024-01-02', true), "
        "(2, 'EU', 20.25, NULL, NULL, NULL), (3, 'US', 30.00, '1969-12-31 23:59:59', '2024-02-29', false)",
    )
    yield server
    server.process.kill()


@pytest.fixture
def prod(spawn_server, catalog_kind, fakesnow):
    """A server whose source `prod` is fakesnow."""
    server = spawn_server(catalog_kind, config_overrides={"refresh.max_retries": 0})
    execute(
        server,
        "CREATE SECRET sf (TYPE 'snowflake', ACCOUNT 'fakesnow', USER 'fake', PASSWORD 'snow', DATABASE 'PROD', "
        f"SCHEMA 'PUBLIC', HOST '127.0.0.1', PORT '{fakesnow.port}', PROTOCOL 'http')",
    )
    call(server, "add_source", "prod", "snowflake", "sf", passthrough_enabled=True)
    return server


def test_c7_a_ttl_only_cache_of_a_foreign_stand_in_is_loaded_and_served(prod, fakesnow):
    query = "SELECT region, SUM(amount) AS total, COUNT(*) AS orders FROM PROD.PUBLIC.ORDERS GROUP BY region"
    create_cache(prod, query=query, invalidation_mode="ttl_only", ttl_seconds=3600, validate=False)
    assert call(prod, "refresh", "sales_summary")["result"] == "REFRESHED"
    rows, story = answered(prod, "SELECT region, total::DECIMAL(18,2), orders::BIGINT FROM sales_summary")
    assert rows == [("EU", Decimal("20.25"), 1), ("US", Decimal("40.50"), 2)]
    assert story["cache_status"] == "HIT"
    assert call(prod, "refresh", "sales_summary")["result"] == "SKIPPED"
    fakesnow.sql("INSERT INTO PROD.PUBLIC.ORDERS VALUES (4, 'APAC', 7.00, NULL, NULL, NULL)")
    try:
        assert call(prod, "refresh", "sales_summary", force=True)["rows_refreshed"] == 3
    finally:
        fakesnow.sql("DELETE FROM PROD.PUBLIC.ORDERS WHERE id = 4")


def test_g8_every_value_of_a_foreign_stand_in_arrives(prod):
    create_cache(
        prod, "copied", "SELECT id, region, amount, seen_at, day, paid FROM PROD.PUBLIC.ORDERS",
        invalidation_mode="ttl_only", ttl_seconds=3600, validate=False,
    )
    call(prod, "refresh", "copied")
    assert sorted(prod.rows("SELECT id::BIGINT, region, amount, seen_at, day, paid FROM lake.prod.copied")) == [
        (1, "US", Decimal("10.50"), datetime(2024, 1, 2, 3, 4, 5, 123456), date(2024, 1, 2), True),
        (2, "EU", Decimal("20.25"), None, None, None),
        (3, "US", Decimal("30.00"), datetime(1969, 12, 31, 23, 59, 59), date(2024, 2, 29), False),
    ]


def test_c9_what_a_foreign_stand_in_cannot_tell_is_an_error_with_a_remedy(prod):
    """It explains no plans and has no change tokens: silence must not be taken for "unchanged"."""
    create_cache(prod, "tokens", "SELECT region FROM PROD.PUBLIC.ORDERS", invalidation_mode="change_token", validate=False)
    for _ in range(2):
        failed = call(prod, "refresh", "tokens")
        assert failed["result"] == "ERROR" and "ttl_only" in failed["message"], failed


def test_v8_a_foreign_stand_in_answers_what_passes_through(prod):
    rows, story = answered(prod, "SELECT region, amount FROM PROD.PUBLIC.ORDERS WHERE id = 2")
    assert rows == [("EU", Decimal("20.25"))]
    assert story["route"] == "passthrough"
