"""Random histories, told to us and to a plain DuckDB alike, and read back by a stock DuckLake client (A-41).

Each history is a seed: `DUCKSYNC_ORACLE_SEED=7 pytest tests/test_oracle.py` repeats one,
`DUCKSYNC_ORACLE_STEPS` makes it longer. What was said is printed, so a failure shows all of it.
"""

import os
import random
import time

import duckdb
import pytest

from harness.oracle import OracleError
from harness.prod import add_source, call, create_cache, execute
from harness.waiting import wait_until

STEPS = int(os.environ.get("DUCKSYNC_ORACLE_STEPS", "40"))

#: Values of each type, edges among them, as both engines read them.
VALUES = {
    "BIGINT": ["0", "1", "-1", "42", "9007199254740993", "-9223372036854775808"],
    "DECIMAL(12,2)": ["0.00", "-0.01", "123.45", "9999999999.99"],
    "DOUBLE": ["0.5", "-2.25", "1e300", "'nan'", "'inf'", "'-inf'"],
    "VARCHAR": ["''", "'a'", "'é''s'", "'Z'", "repeat('long', 100)", "'日本'"],
    "DATE": ["'0001-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'"],
    "TIMESTAMP": ["'1969-12-31 23:59:59.999999'", "'2024-02-29 12:00:00.000001'", "'2300-01-01 00:00:00'"],
    "BOOLEAN": ["true", "false"],
}
NAMES = ["c1", "c2", "c3", "c4", "c5", "c6"]
TABLES = ["t1", "t2", "t3"]
SOURCE = "PROD.PUBLIC.SRC"
CACHE = "prod.src_cache"


class Model:
    """The same statements in a plain DuckDB; transactions are copies, so it never conflicts with itself."""

    def __init__(self):
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA prod")
        self.connection.execute("CREATE TABLE src (ID BIGINT, LABEL VARCHAR, AMOUNT DECIMAL(12,2))")
        #: Table → column → (type, default).
        self.tables = {}
        self.saved = None

    def execute(self, sql):
        return self.connection.execute(sql).fetchall()

    def begin(self):
        self.saved = {table: dict(columns) for table, columns in self.tables.items()}
        for table in self.saved:
            self.execute(f"CREATE TABLE saved_{table} AS FROM {table}")

    def commit(self):
        for table in self.saved:
            self.execute(f"DROP TABLE saved_{table}")

    def rollback(self):
        for table in self.tables:
            self.execute(f"DROP TABLE {table}")
        self.tables = self.saved
        for table, columns in self.tables.items():
            self.execute(f"CREATE TABLE {table} AS FROM saved_{table}")
            self.execute(f"DROP TABLE saved_{table}")
            for column, (_, default) in columns.items():
                if default is not None:
                    self.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default}")


class History:
    """Makes up statements that fit what is there, and keeps the model's description of it."""

    def __init__(self, random, model):
        self.random = random
        self.model = model

    def value(self, lake_type):
        if self.random.random() < 0.15:
            return "NULL"
        return f"CAST({self.random.choice(VALUES[lake_type])} AS {lake_type})"

    def predicate(self, table):
        column, (lake_type, _) = self.random.choice(list(self.model.tables[table].items()))
        if self.random.random() < 0.15:
            return f"{column} IS {self.random.choice(['', 'NOT '])}NULL"
        operator = self.random.choice(["=", "<>", "<", "<=", ">", ">="])
        literal = self.random.choice(VALUES[lake_type])
        return f"{column} {operator} CAST({literal} AS {lake_type})"

    def create(self):
        free = [name for name in TABLES if name not in self.model.tables]
        if not free:
            return self.insert()
        table = self.random.choice(free)
        columns = {name: (self.random.choice(list(VALUES)), None) for name in self.random.sample(NAMES, 3)}
        self.model.tables[table] = columns
        rows = " UNION ALL ".join(self.row(columns) for _ in range(self.random.randint(1, 4)))
        many = self.random.choice([1, 1, 50, 700])
        return f"CREATE TABLE {table} AS SELECT r.* FROM ({rows}) AS r, range({many}) AS n"

    def row(self, columns):
        return "SELECT " + ", ".join(f"CAST({self.value(kind)} AS {kind}) AS {name}" for name, (kind, _) in columns.items())

    def insert(self):
        table = self.random.choice(list(self.model.tables))
        columns = self.model.tables[table]
        some = [name for name in columns if self.random.random() < 0.8] or list(columns)
        if self.random.random() < 0.3:
            chosen = ", ".join(columns)
            return f"INSERT INTO {table} ({chosen}) SELECT {chosen} FROM {table} WHERE {self.predicate(table)}"
        rows = ", ".join(
            "(" + ", ".join(self.value(columns[name][0]) for name in some) + ")" for _ in range(self.random.randint(1, 5))
        )
        return f"INSERT INTO {table} ({', '.join(some)}) VALUES {rows}"

    def update(self):
        table = self.random.choice(list(self.model.tables))
        columns = self.model.tables[table]
        changed = self.random.sample(list(columns), self.random.randint(1, min(2, len(columns))))
        sets = ", ".join(f"{name} = {self.value(columns[name][0])}" for name in changed)
        return f"UPDATE {table} SET {sets} WHERE {self.predicate(table)}"

    def delete(self):
        table = self.random.choice(list(self.model.tables))
        return f"DELETE FROM {table} WHERE {self.predicate(table)}"

    def alter(self):
        table = self.random.choice(list(self.model.tables))
        columns = self.model.tables[table]
        free = [name for name in NAMES if name not in columns]
        what = self.random.choice(["add", "add", "drop", "rename"])
        if what == "add" and free:
            name, kind = self.random.choice(free), self.random.choice(list(VALUES))
            # A literal, as V-18 wants it.
            default = self.random.choice([None, *[v for v in VALUES[kind] if not v.startswith("repeat")]])
            columns[name] = (kind, default)
            return f"ALTER TABLE {table} ADD COLUMN {name} {kind}" + (f" DEFAULT {default}" if default else "")
        name = self.random.choice(list(columns))
        if what == "drop" and len(columns) > 1:
            del columns[name]
            return f"ALTER TABLE {table} DROP COLUMN {name}"
        if not free:
            return self.update()
        new = self.random.choice(free)
        self.model.tables[table] = {new if old == name else old: rest for old, rest in columns.items()}
        return f"ALTER TABLE {table} RENAME COLUMN {name} TO {new}"

    def drop(self):
        table = self.random.choice(list(self.model.tables))
        del self.model.tables[table]
        return f"DROP TABLE {table}"

    def statement(self):
        if not self.model.tables:
            return self.create()
        kinds = [self.create, self.insert, self.update, self.delete, self.alter, self.drop]
        (kind,) = self.random.choices(kinds, weights=[2, 5, 4, 4, 3, 1])
        return kind()

    def source_statement(self):
        number, label = self.random.randrange(20), self.random.choice(["a", "b", "é", ""])
        return self.random.choice(
            [
                f"INSERT INTO {{}} SELECT range, '{label}', range * 1.25 FROM range({number + 1})",
                f"UPDATE {{}} SET LABEL = '{label}' WHERE ID = {number}",
                f"DELETE FROM {{}} WHERE ID > {number}",
            ]
        )


def questions(table, columns, predicates=()):
    """Rows in a canonical order, counts, least and greatest, and filters; each answer one list of text."""
    row = "concat_ws('|', " + ", ".join(f"coalesce(CAST({name} AS VARCHAR), '∅')" for name in columns) + ")"
    yield f"SELECT list({row} ORDER BY {row}) FROM {table}"
    extremes = ", ".join(f"CAST({f}({name}) AS VARCHAR)" for name in columns for f in ("min", "max", "count"))
    yield f"SELECT [CAST(count(*) AS VARCHAR), {extremes}] FROM {table}"
    for predicate in predicates:
        yield f"SELECT [CAST(count(*) AS VARCHAR)] FROM {table} WHERE {predicate}"


class Told:
    """The server and the model, told the same."""

    def __init__(self, server, sim, seed):
        self.server, self.sim, self.model = server, sim, Model()
        self.random = random.Random(seed)
        self.history = History(self.random, self.model)
        #: Snapshot → (question, answer) for every table there is.
        self.expected = {}
        self.connection = server.connect()
        self.cursor = self.connection.cursor()

    def close(self):
        self.cursor.close()
        self.connection.close()

    def ask(self, sql, cursor=None):
        cursor = cursor or self.cursor
        cursor.execute(sql)
        return cursor.fetchall()

    def compare(self, cursor=None):
        """Both answer every question alike."""
        for table, columns in self.model.tables.items():
            predicates = [self.history.predicate(table) for _ in range(2)]
            for question in questions(table, columns, predicates):
                assert self.ask(question, cursor) == self.model.execute(question), question

    def remember(self):
        """What the newest snapshot must answer for ever."""
        ((snapshot,),) = self.ask("SELECT max(snapshot_id) FROM ducksync_snapshots()")
        tables = {f"main.{table}": (table, list(columns)) for table, columns in self.model.tables.items()}
        if self.model.execute("SELECT 1 FROM duckdb_tables() WHERE schema_name = 'prod'"):
            tables[CACHE] = (CACHE, ["ID", "LABEL", "AMOUNT"])
        known = []
        for name, (modelled, columns) in tables.items():
            predicates = [self.history.predicate(modelled)] if modelled in self.model.tables else ["ID >= 5", "LABEL = 'a'"]
            for asked, model in zip(
                questions(f"lake.{name} AT (VERSION => {snapshot})", columns, predicates),
                questions(modelled, columns, predicates),
            ):
                known.append((asked, self.model.execute(model)[0][0]))
        self.expected[snapshot] = known

    def say(self, cursor=None):
        sql = self.history.statement()
        print(("    " if cursor else "") + sql + ";")
        (cursor or self.cursor).execute(sql)
        self.model.execute(sql)

    def transaction(self):
        """A few statements that are seen inside, and then kept or not."""
        keep = self.random.random() < 0.6
        print("BEGIN;")
        with self.server.connect(autocommit=False) as connection, connection.cursor() as cursor:
            self.model.begin()
            for _ in range(self.random.randint(1, 4)):
                self.say(cursor)
            self.compare(cursor)
            print("COMMIT;" if keep else "ROLLBACK;")
            if keep:
                connection.commit()
                self.model.commit()
            else:
                connection.rollback()
                self.model.rollback()

    def refresh(self):
        """The source changes, the cache follows, sometimes with another query."""
        for _ in range(self.random.randint(0, 2)):
            statement = self.history.source_statement()
            self.sim.sql(statement.format(SOURCE))
            self.model.execute(statement.format("src"))
        text = f"SELECT ID, LABEL, AMOUNT FROM {SOURCE}"
        if self.random.random() < 0.3:
            self.filter = self.random.choice(["", " WHERE ID % 2 = 0", " WHERE AMOUNT > 5"])
            call(self.server, "alter_cache", "src_cache", source_query=text + self.filter)
        done = call(self.server, "refresh", "src_cache", force=self.random.random() < 0.3)
        print(f"refresh{self.filter}: {done['result']} {done['reason']};")
        assert done["result"] in ("REFRESHED", "SKIPPED"), done
        self.model.execute(f"CREATE OR REPLACE TABLE {CACHE} AS SELECT * FROM src{self.filter}")
        for question in questions(CACHE, ["ID", "LABEL", "AMOUNT"], ["ID >= 5"]):
            assert self.ask(question.replace(CACHE, f"lake.{CACHE}")) == self.model.execute(question), question

    def step(self):
        kind = self.random.random()
        if kind < 0.15:
            self.transaction()
        elif kind < 0.3:
            self.refresh()
        else:
            self.say()
        self.compare()
        self.remember()


@pytest.fixture
def told(server, sim):
    seed = int(os.environ.get("DUCKSYNC_ORACLE_SEED") or random.randrange(1 << 32))
    print(f"DUCKSYNC_ORACLE_SEED={seed} DUCKSYNC_ORACLE_STEPS={STEPS}")
    sim.sql("CREATE DATABASE PROD")
    sim.sql(f"CREATE TABLE {SOURCE} (ID NUMBER(18,0), LABEL VARCHAR, AMOUNT NUMBER(12,2))")
    add_source(server, sim)
    create_cache(server, "src_cache", f"SELECT ID, LABEL, AMOUNT FROM {SOURCE}")
    told = Told(server, sim, seed)
    told.filter = ""
    yield told
    told.close()


def test_a41_a_random_history_reads_alike_everywhere_and_for_ever(told, server):
    for _ in range(STEPS):
        told.step()
    wanted = [(question, answer) for known in told.expected.values() for question, answer in known]
    print(f"{len(told.expected)} snapshots, {len(wanted)} questions")
    for question, answer in wanted:
        assert told.ask(question) == [(answer,)], question
    # One process for all of them: the oracle starts slowly.
    numbered = [f"SELECT {n} AS n, answer.* FROM ({question}) AS answer" for n, (question, _) in enumerate(wanted)]
    answers = {}
    for at in range(0, len(numbered), 200):
        answers |= dict(server.oracle().rows(" UNION ALL ".join(numbered[at : at + 200])))
    for n, (question, answer) in enumerate(wanted):
        assert answers[n] == answer, question


def test_v1_time_travel_reads_a_table_that_was_dropped_since(server):
    execute(server, "CREATE TABLE t AS SELECT 1 AS a")
    ((old,),) = server.rows("SELECT max(snapshot_id) FROM ducksync_snapshots()")
    execute(server, "DROP TABLE t")
    sql = f"SELECT a FROM lake.main.t AT (VERSION => {old})"
    assert server.rows(sql) == server.oracle().rows(sql) == [(1,)]


def test_v1_time_travel_follows_the_name_and_not_the_table(server):
    execute(server, "CREATE TABLE t AS SELECT 1 AS a")
    execute(server, "ALTER TABLE t RENAME TO u")
    execute(server, "CREATE TABLE t AS SELECT 2 AS b, 3 AS c")
    execute(server, "ALTER TABLE u RENAME COLUMN a TO z")
    for snapshot, name, rows in [(1, "t", [(1,)]), (2, "u", [(1,)]), (3, "t", [(2, 3)]), (4, "t", [(2, 3)]), (4, "u", [(1,)])]:
        sql = f"SELECT * FROM lake.main.{name} AT (VERSION => {snapshot})"
        assert server.oracle().rows(sql) == rows, sql
        assert server.rows(sql) == rows, sql


def test_a41_every_snapshot_of_ours_is_one_of_the_formats(told, server):
    for _ in range(10):
        told.step()
    ours = sorted(snapshot for (snapshot,) in told.ask("SELECT snapshot_id FROM ducksync_snapshots()"))
    assert set(ours) <= set(server.oracle().snapshots())
    assert max(ours) == max(server.oracle().snapshots())


def test_g5_rows_of_a_foreign_ducklake_client_show_within_two_seconds(server):
    execute(server, "CREATE TABLE t (n BIGINT, s VARCHAR)")
    total = 0
    for number in range(3):
        execute(server, f"INSERT INTO t VALUES ({number}, 'ours')")
        foreign(server, f"INSERT INTO lake.main.t VALUES ({number + 100}, 'theirs')")
        total += 2
        began = time.monotonic()
        wait_until(lambda: server.rows("SELECT count(*) FROM t") == [(total,)], "the foreign row shows", 10)
        assert time.monotonic() - began < 2
    assert execute(server, "UPDATE t SET s = 'both' WHERE n % 100 = 1") == 2
    assert execute(server, "DELETE FROM t WHERE n = 102") == 1
    sql = "SELECT n, s FROM lake.main.t ORDER BY n"
    assert server.rows(sql) == server.oracle().rows(sql) == [
        (0, "ours"), (1, "both"), (2, "ours"), (100, "theirs"), (101, "both"),
    ]


def foreign(server, sql):
    """A statement of another DuckLake client, which gives up when somebody else is writing the catalog."""

    def tried():
        try:
            server.oracle().rows(sql)
        except OracleError as error:
            if "lock" in str(error).lower() or "conflict" in str(error).lower():
                return False
            raise
        return True

    wait_until(tried, "the foreign client commits", 60)
