"""DuckSync in front of a simulated Snowflake, in two minutes and without an account.

It starts the simulator with a TPC-H-like sample and the server on its embedded defaults, then shows what a
cache is for: the first refresh brings the rows, readers cost Snowflake nothing, a refresh of unchanged data
costs no warehouse, a change is noticed, what no cache holds passes through, and a crash loses nothing. After
each question it says where it was answered, why, and how old the data is. Every claim it prints is checked; the
first that does not hold ends it with exit code 1.

`make demo` leaves the server running for a client of yours; `make demo ARGS=--once` ends after the last step.
"""

import argparse
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

from harness.server import Server
from harness.sim import Sim

SCALE = 0.01
CACHE = """SELECT N_NAME AS NATION, COUNT(*) AS ORDERS, SUM(O_TOTALPRICE) AS REVENUE
FROM DEMO.TPCH.ORDERS
JOIN DEMO.TPCH.CUSTOMER ON C_CUSTKEY = O_CUSTKEY
JOIN DEMO.TPCH.NATION ON N_NATIONKEY = C_NATIONKEY
GROUP BY N_NAME"""
QUESTION = "SELECT NATION, ORDERS, REVENUE FROM revenue_by_nation ORDER BY REVENUE DESC LIMIT 3"
TOTAL = "SELECT SUM(ORDERS) AS ORDERS FROM revenue_by_nation"
REFRESH = "SELECT * FROM ducksync_refresh('revenue_by_nation')"
CHANGE = """INSERT INTO DEMO.TPCH.ORDERS
SELECT 1 + MAX(O_ORDERKEY), MIN(O_CUSTKEY), 'O', 1000000, DATE '2026-01-01', '1-URGENT', 'Clerk#1', 0, 'a new order',
       TIMESTAMP '2026-01-01 00:00:00' FROM DEMO.TPCH.ORDERS"""
#: Columns of ours that a reader of the story can do without.
QUIET = {"run_id", "data_timestamp", "message"}


class Demo:
    def __init__(self, sim: Sim, server: Server) -> None:
        self.sim = sim
        self.server = server

    def run(self) -> None:
        self.define()
        self.first_refresh()
        self.read_without_snowflake()
        self.unchanged_is_skipped()
        self.change_is_noticed()
        self.pass_through()
        self.crash_loses_nothing()

    def define(self) -> None:
        say("A login, a source and a cache are defined in SQL")
        settings = ", ".join(f"{key.upper()} '{value}'" for key, value in self.sim.secret(database="DEMO").items())
        self.ask(f"CREATE SECRET sf ({settings})")
        self.ask("SELECT * FROM ducksync_add_source('prod', 'snowflake', 'sf', passthrough_enabled := true)")
        self.ask(
            f"SELECT * FROM ducksync_create_cache('revenue_by_nation', 'prod',\n'{CACHE}',\nttl_seconds := 3600)"
        )

    def first_refresh(self) -> None:
        say("The first refresh loads it: one query for the warehouse")
        before = self.credits()
        [row] = self.ask(REFRESH)
        claim(row["result"] == "REFRESHED", f"it was refreshed, {row['rows_refreshed']} rows")
        claim(self.credits() == before + 1, "Snowflake's warehouse ran one query")

    def read_without_snowflake(self) -> None:
        say("Reading it does not touch Snowflake: a hundred dashboards, not one statement")
        self.sim.reset_log()
        claim(len(self.ask(QUESTION)) == 3, "three nations are there")
        began = time.monotonic()
        with self.server.connect() as connection, connection.cursor() as cursor:
            for _ in range(99):
                cursor.execute(QUESTION)
                cursor.fetch_arrow_table()
        print(f"  99 more times: {(time.monotonic() - began) * 1000 / 99:.1f} ms each")
        claim(self.sim.log() == [], "Snowflake was sent nothing: 100 warehouse queries spared")

    def unchanged_is_skipped(self) -> None:
        say("A refresh of unchanged data is skipped, and needs no warehouse")
        before = self.credits()
        [row] = self.ask(REFRESH)
        claim(row["result"] == "SKIPPED", f"it was skipped: {row['reason']}")
        claim(self.credits() == before, "only metadata was asked, which is free")

    def change_is_noticed(self) -> None:
        say("Somebody changes a table in Snowflake")
        [before] = self.ask(TOTAL)
        self.sim.sql(CHANGE)
        [row] = self.ask(REFRESH)
        claim(row["result"] == "REFRESHED", f"the change was noticed: {row['reason']}")
        [after] = self.ask(TOTAL)
        claim(after["ORDERS"] == before["ORDERS"] + 1, "the new order is there")

    def pass_through(self) -> None:
        say("What no cache holds passes through, with its text unchanged")
        [row] = self.ask("SELECT COUNT(*) AS N FROM DEMO.TPCH.LINEITEM WHERE L_SHIPMODE = 'AIR'")
        claim(row["N"] > 0, f"Snowflake answered: {row['N']} items went by air")

    def crash_loses_nothing(self) -> None:
        say("The server is killed and started again")
        before = self.ask(QUESTION, show=False)
        self.server.kill()
        self.server.start()
        claim(self.ask(QUESTION) == before, "the answer is the same")

    def credits(self) -> int:
        return self.sim.credits()["credits"]

    def ask(self, sql: str, show: bool = True) -> list[dict]:
        """Runs a statement as a client does and shows it with its answer, its time and its story."""
        with self.server.connect() as connection, connection.cursor() as cursor:
            began = time.monotonic()
            cursor.execute(sql)
            rows = cursor.fetch_arrow_table().to_pylist()
            took = (time.monotonic() - began) * 1000
            cursor.execute("SELECT * FROM ducksync_last_result()")
            told = cursor.fetch_arrow_table().to_pylist()
        if show:
            print("  " + re.sub(r"(PASSWORD) '[^']*'", r"\1 '…'", sql).replace("\n", "\n  "))
            for row in rows:
                shown = ((key, value) for key, value in row.items() if value is not None and key not in QUIET)
                print("    " + ", ".join(f"{key}={value}" for key, value in shown))
            print(f"    {took:.1f} ms{story(told)}")
        return rows


def story(told: list[dict]) -> str:
    """Where the answer came from, and how old it is."""
    if not told:
        return ""
    [answer] = told
    datasets = answer.get("datasets")
    age = re.search(r'"age_seconds": ?([0-9.]+)', str(datasets))
    aged = f", {float(age[1]):.1f} s old" if age else ""
    return f"; route {answer['route']}, {answer['cache_status']}{aged}: {answer['reason']}"


def say(text: str) -> None:
    print(f"\n{text}", flush=True)


def claim(holds: bool, text: str) -> None:
    print(f"  {'ok' if holds else 'NOT SO'}: {text}", flush=True)
    if not holds:
        sys.exit(1)


def wait_for_a_client(server: Server) -> None:
    place = server.url.split("://")[1]
    password = server.admin_password()
    print(f"""
The server is yours until Ctrl-C. Paste one of these:

  Python   import adbc_driver_flightsql.dbapi as flightsql
           connection = flightsql.connect("{server.url}", autocommit=True,
                                          db_kwargs={{"username": "admin", "password": "{password}"}})
           cursor = connection.cursor()
           cursor.execute("SELECT * FROM revenue_by_nation")
           print(cursor.fetch_arrow_table())

  JDBC     jdbc:arrow-flight-sql://{place}?useEncryption=false&user=admin&password={password}
""")
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--once", action="store_true", help="end after the last step")
    once = arguments.parse_args().once
    with tempfile.TemporaryDirectory(prefix="ducksync-demo-") as name:
        say(f"A Snowflake that is not one holds a TPC-H-like sample at scale {SCALE}")
        sim = Sim(Path(name), tpch_scale=SCALE)
        server = Server(Path(name), "sqlite:ducksync.db", {"testing": False})
        try:
            server.start()
            Demo(sim, server).run()
            if not once:
                wait_for_a_client(server)
            server.stop()
        finally:
            server.kill()
            sim.stop()


if __name__ == "__main__":
    main()
