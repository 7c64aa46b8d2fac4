"""A small Snowflake account with a sales table, and a server that has it as its source `prod`."""

import adbc_driver_manager
import pyarrow
import pytest

from harness.server import Server
from harness.sim import Sim

#: Rows that `orders` begins with: id, region, amount.
ORDERS = [(1, "US", "10.50"), (2, "EU", "20.25"), (3, "US", "30.00")]

SALES = "SELECT region, SUM(amount) AS total, COUNT(*) AS orders FROM PROD.PUBLIC.ORDERS GROUP BY region"


def make_account(sim: Sim) -> None:
    """PROD.PUBLIC.ORDERS with three rows."""
    sim.sql("CREATE DATABASE PROD")
    sim.sql("CREATE TABLE PROD.PUBLIC.ORDERS (id NUMBER(18,0), region VARCHAR, amount NUMBER(12,2))")
    for order in ORDERS:
        insert_order(sim, *order)


def insert_order(sim: Sim, id: int, region: str, amount: str) -> None:
    sim.sql(f"INSERT INTO PROD.PUBLIC.ORDERS VALUES ({id}, '{region}', {amount})")


def secret_sql(sim: Sim, name: str = "sf", **changes: object) -> str:
    """CREATE SECRET with the simulator's login."""
    values = sim.secret(**changes)
    parameters = ", ".join(f"{key.upper()} '{value}'" for key, value in values.items())
    return f"CREATE OR REPLACE SECRET {name} ({parameters})"


def add_source(server: Server, sim: Sim, passthrough: bool = False) -> None:
    """The source `prod`."""
    execute(server, secret_sql(sim))
    call(server, "add_source", "prod", "snowflake", "sf", passthrough_enabled=passthrough, or_replace=True)


def create_cache(server: Server, name: str = "sales_summary", query: str = SALES, **options: object) -> dict:
    """A cache of `prod`."""
    return call(server, "create_cache", name, "prod", query, **options)


def literal(value: object) -> str:
    """A Python value in SQL."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list():
            return "[" + ", ".join(literal(item) for item in value) + "]"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def call_sql(function: str, *arguments: object, **named: object) -> str:
    """`SELECT * FROM ducksync_x(…)`."""
    given = [literal(value) for value in arguments]
    given += [f"{name} := {literal(value)}" for name, value in named.items()]
    return f"SELECT * FROM ducksync_{function}({', '.join(given)})"


def call_all(server: Server, function: str, *arguments: object, **named: object) -> list[dict]:
    """All rows of a function, as dictionaries."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(call_sql(function, *arguments, **named))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row)) for row in cursor.fetchall()]


def call(server: Server, function: str, *arguments: object, **named: object) -> dict:
    """The one row of a function."""
    (row,) = call_all(server, function, *arguments, **named)
    return row


def execute(server: Server, sql: str) -> int:
    """A statement without rows; the number it affected."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.rowcount


def answered(server: Server, sql: str) -> tuple[list[tuple], dict]:
    """Rows of a query, sorted, and the story of the answer (V-2)."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows = sorted(cursor.fetchall(), key=repr)
        cursor.execute("SELECT * FROM ducksync_last_result()")
        names = [column[0] for column in cursor.description]
        (story,) = cursor.fetchall()
        return rows, dict(zip(names, story))


def fetch(server: Server, sql: str, *settings: str) -> tuple[pyarrow.Table, dict]:
    """Result and story of a statement in a session with these settings, such as `dialect = 'snowflake'`."""
    with server.connect() as connection, connection.cursor() as cursor:
        for setting in settings:
            cursor.execute(f"SET {setting}")
        cursor.execute(sql)
        table = cursor.fetch_arrow_table()
        cursor.execute("SELECT * FROM ducksync_last_result()")
        names = [column[0] for column in cursor.description]
        (story,) = cursor.fetchall()
        return table, dict(zip(names, story))


def refused(function, *arguments: object, **named: object) -> adbc_driver_manager.Error:
    """The error of a call that must fail."""
    with pytest.raises(adbc_driver_manager.Error) as caught:
        function(*arguments, **named)
    return caught.value


def status(error: adbc_driver_manager.Error) -> str:
    """An error's code, such as `INVALID_ARGUMENT`."""
    return error.status_code.name


def queries(sim: Sim) -> list[dict]:
    """Statements that needed a warehouse to compute rows; to be described needs none."""
    return [entry for entry in sim.log() if entry["class"] == "query" and not entry["describe_only"]]
