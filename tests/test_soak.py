"""Writers change the source while readers ask it every way there is: each answer is one state of the source, and no
older than it says (I-1, G-7, V-1).

Bounded in CI; `DUCKSYNC_SOAK_SECONDS=3600` makes it long, `DUCKSYNC_CRASH_SEED` repeats its choices.
"""

import datetime
import json
import os
import threading
import time

import adbc_driver_manager

from harness.chance import chance as drawn
from harness.prod import add_source, call, create_cache, execute, make_account, secret_sql

SECONDS = float(os.environ.get("DUCKSYNC_SOAK_SECONDS") or 40)
READERS = 6
ROWS = 150
TABLES = ["TRACKED", "PLAIN"]
STATE = "SELECT min(v) AS low, max(v) AS high, count(*) AS n, sum(k) AS keys FROM {}"

#: Caches: their table and how they are kept.
CACHES = {
    "by_changes": ("TRACKED", dict(invalidation_mode="change_token", refresh_method="changes", refresh_every="1s")),
    "by_token": ("PLAIN", dict(invalidation_mode="change_token", refresh_every="1s")),
    "by_read": ("PLAIN", dict(invalidation_mode="auto", ttl_seconds=2, ttl_action="revalidate")),
    "by_ttl": ("TRACKED", dict(invalidation_mode="ttl_only", ttl_seconds=1)),
    "by_stages": ("PLAIN", dict(invalidation_mode="two_stage", metadata_secret="sf_meta", refresh_every="1s")),
}


class History:
    """What the writer did to each table: every state, and between which moments it was committed."""

    def __init__(self):
        self.lock = threading.Lock()
        self.begun = {table: [] for table in TABLES}
        self.committed = {table: [] for table in TABLES}

    def write(self, sim, table, state):
        with self.lock:
            self.begun[table].append((time.time(), state))
        # One statement, so that no state is half there; rows move too, so that a bag cannot be mistaken.
        sim.sql(
            f"UPDATE PROD.PUBLIC.{table} SET v = {state}, k = k + 1 WHERE true;"
            if state % 3
            else f"MERGE INTO PROD.PUBLIC.{table} t USING (SELECT {state} AS v) s ON true WHEN MATCHED THEN UPDATE SET v = s.v, k = k + 1"
        )
        with self.lock:
            self.committed[table].append((time.time(), state))

    def allowed(self, table, since, until):
        """The least and the greatest state that an answer may show which is as of `since` or later."""
        with self.lock:
            low = max((state for at, state in self.committed[table] if at <= since), default=0)
            high = max((state for at, state in self.begun[table] if at <= until), default=0)
        return low, high


def keys(state):
    """What the keys add up to in a state: each write adds one to each."""
    return sum(range(ROWS)) + ROWS * state


def question(chance):
    """A statement, and what it asks about: (sql, table, cache, contract)."""
    cache, (table, _) = chance.choice(list(CACHES.items()))
    contract = chance.choice(["", "", "consistency=fresh", "max_staleness=1", "consistency=exact", "uncached"])
    if contract in ("consistency=exact", "uncached"):
        hint = "/*+ ducksync(consistency=exact) */ " if contract == "consistency=exact" else ""
        return hint + STATE.format(f"PROD.PUBLIC.{table}"), table, None, contract
    hint = f"/*+ ducksync({contract}) */ " if contract else ""
    return hint + STATE.format(cache), table, cache, contract


def judged(history, table, contract, asked, rows, story):
    """What is wrong with an answer, or None."""
    ((low, high, count, total),) = rows
    until = time.time()
    if low != high or count != ROWS or int(total) != keys(low):
        return f"not one state: {rows}"
    since = asked
    if story["route"] == "local":
        (dataset,) = json.loads(story["datasets"])
        since = datetime.datetime.fromisoformat(dataset["data_timestamp"]).timestamp()
        if contract == "consistency=fresh" and since < asked:
            return f"fresh, but as of {asked - since:.3f} s before it was asked"
        if contract == "max_staleness=1" and asked - since > 1:
            return f"older than allowed: {asked - since:.3f} s"
    least, greatest = history.allowed(table, since, until)
    if not least <= low <= greatest:
        return f"state {low} is not within {least}..{greatest}, as of {until - since:.3f} s ago"
    return None


def test_every_answer_is_a_state_of_the_source_within_its_promised_age(spawn_server, sim):
    chance = drawn()
    make_account(sim)
    for table in TABLES:
        tracking = " CHANGE_TRACKING = TRUE" if table == "TRACKED" else ""
        sim.sql(f"CREATE TABLE PROD.PUBLIC.{table} (k NUMBER(18,0), v NUMBER(9,0)){tracking}")
        sim.sql(f"INSERT INTO PROD.PUBLIC.{table} SELECT range, 0 FROM range({ROWS})")
    server = spawn_server(config_overrides={"refresh.poll_interval": "100ms", "serving.max_sessions": 200})
    add_source(server, sim, passthrough=True)
    execute(server, secret_sql(sim, "sf_meta", warehouse=""))
    for name, (table, options) in CACHES.items():
        create_cache(server, name, f"SELECT k, v FROM PROD.PUBLIC.{table}", **options)
        call(server, "refresh", name)

    history, end = History(), time.monotonic() + SECONDS
    wrong, answers, refusals = [], [], []

    def write():
        draw, state = type(chance)(chance.random()), 0
        while time.monotonic() < end:
            state += 1
            for table in TABLES:
                history.write(sim, table, state)
            threading.Event().wait(draw.choice([0.0, 0.05, 0.3, 1.2]))

    def read(seed):
        draw = type(chance)(seed)
        with server.connect() as connection, connection.cursor() as cursor:
            while time.monotonic() < end and not wrong:
                sql, table, cache, contract = question(draw)
                asked = time.time()
                try:
                    cursor.execute(sql)
                    rows = cursor.fetchall()
                except adbc_driver_manager.Error as error:
                    # A contract that cannot be kept is refused in words; nothing else may fail.
                    if "STALE" not in str(error):
                        wrong.append(f"{sql}: {error}")
                    refusals.append(sql)
                    continue
                cursor.execute("SELECT * FROM ducksync_last_result()")
                names = [column[0] for column in cursor.description]
                story = dict(zip(names, cursor.fetchone()))
                complaint = judged(history, table, contract, asked, rows, story)
                if complaint:
                    wrong.append(f"{sql} ({story['route']}, {story['cache_status']}): {complaint}")
                answers.append(story["route"])

    threads = [threading.Thread(target=write)]
    threads += [threading.Thread(target=read, args=(chance.random(),)) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 120)
    routes = {route: answers.count(route) for route in sorted(set(answers))}
    print(f"{len(answers)} answers {routes}, {len(refusals)} refusals, {len(history.committed['PLAIN'])} states")
    assert not wrong, "\n".join(wrong[:5])
    assert routes.get("local", 0) > 10 and routes.get("passthrough", 0) > 10
