"""kill -9 at any moment: rows are wholly old or wholly new, nothing is left behind, the next run needs no repair.

The moments are drawn at random; a failure shows the seed, and `DUCKSYNC_CRASH_SEED` repeats it.
"""

from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

import pytest

from harness.chance import chance, doomed
from harness.lake import LARGE, SUMMARY, ask, make_large_table, named_files, stored_files, summary, unburied_runs
from harness.prod import add_source, call, call_all, create_cache, execute, make_account
from harness.waiting import wait_until

#: The driver complains when it closes a cursor whose server was killed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

KILLS = 10
ROWS = 60_000
#: Rows of one client INSERT.
BATCH = 50


@pytest.fixture(name="chance")
def chance_of_the_test():
    return chance()


@pytest.fixture
def large(server, sim):
    """A server with a refreshed cache of a table of which all rows are of generation 0."""
    make_account(sim)
    make_large_table(sim, ROWS)
    add_source(server, sim)
    create_cache(server, "large", LARGE)
    assert call(server, "refresh", "large")["result"] == "REFRESHED"
    return server


# Moments of a refresh. Each returns when it has come, or when the refresh is over.


def before_the_source_reads(sim, server, refreshing, chance):
    wait_until(lambda: sim.gated() or refreshing.done(), "the statement has come")


def any_moment(sim, server, refreshing, chance):
    wait([refreshing], timeout=chance.uniform(0, 0.4))


def a_file_appears(sim, server, refreshing, chance):
    known = named_files(server)
    wait_until(lambda: stored_files(server) - known or refreshing.done(), "a file is written", every=0.001)


def the_publish_begins(sim, server, refreshing, chance):
    a_file_appears(sim, server, refreshing, chance)
    wait([refreshing], timeout=chance.uniform(0, 0.06))


MOMENTS = [
    (before_the_source_reads, {"point": "before_execute"}),
    (before_the_source_reads, {"point": "before_answer"}),
    (any_moment, None),
    (a_file_appears, None),
    (the_publish_begins, None),
    (the_publish_begins, None),
]


def kill_in_refresh(server, sim, moment, gate, chance):
    """Kills the server in the middle of a refresh; returns what the refresh answered, or its error."""
    if gate:
        sim.gate("filler FROM PROD.PUBLIC.BIG", **gate)
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(doomed, call, server, "refresh", "large")
        moment(sim, server, refreshing, chance)
        server.kill()
        sim.release()
        return refreshing.result(60)


def last_run(server):
    runs = call_all(server, "cache_history", "large")
    return runs[0] if runs[0]["completed_at"] else None


def nothing_is_left_behind(server):
    """The files on the disk are those that snapshots name, once the reaper has looked."""
    # It looks at the start and then each minute; a Postgres session outlives its process for a moment.
    wait_until(lambda: not unburied_runs(server) and stored_files(server) == named_files(server),
               f"the reaper removes {stored_files(server) - named_files(server)}", seconds=75, every=0.2)


def test_a42_o8_i2_a_refresh_killed_anywhere_is_wholly_old_or_wholly_new(large, sim, chance):
    server, generation, fates = large, 0, []
    for number in range(KILLS):
        moment, gate = chance.choice(MOMENTS)
        runs_before = {run["run_id"] for run in call_all(server, "cache_history", "large")}
        sim.sql(f"UPDATE PROD.PUBLIC.BIG SET generation = {generation + 1}")
        answer = kill_in_refresh(server, sim, moment, gate, chance)
        server.start()
        where = f"kill {number} at {moment.__name__} {gate}"

        rows = server.rows(SUMMARY)
        assert rows in (summary(ROWS, generation), summary(ROWS, generation + 1)), where
        published = rows == summary(ROWS, generation + 1)
        if isinstance(answer, dict) and answer["result"] == "REFRESHED":
            assert published, f"{where}: an acknowledged refresh is lost"

        run = wait_until(lambda: last_run(server), f"{where}: the killed run ends", 75)
        killed = run["run_id"] not in runs_before
        if published:
            assert killed and run["result"] == "REFRESHED", where
            assert run["rows"] == ROWS and run["snapshot_id"], where
        elif killed:
            assert (run["result"], run["error_code"]) == ("ERROR", "WORKER_LOST"), where
        fates.append("new" if published else "lost" if killed else "not begun")

        again = call(server, "refresh", "large")
        expected = ("SKIPPED", "SOURCE_UNCHANGED") if published else ("REFRESHED", "SOURCE_CHANGED")
        assert (again["result"], again["reason"]) == expected, where
        assert server.rows(SUMMARY) == summary(ROWS, generation + 1), where
        nothing_is_left_behind(server)
        generation += 1

    print("fates:", fates)
    # Every snapshot ever committed is whole, and so says somebody else's reader.
    oracle = server.oracle()
    snapshots = [number for number in oracle.snapshots() if number > 0]
    history = " UNION ALL ".join(
        f"SELECT {number}, generation, count(*), sum(id)::BIGINT FROM lake.prod.large AT (VERSION => {number}) GROUP BY ALL"
        for number in snapshots
    )
    whole = [(number, order, ROWS, ROWS * (ROWS - 1) // 2) for order, number in enumerate(snapshots)]
    assert sorted(oracle.rows(history)) == whole


def test_a42_i2_a_first_load_killed_leaves_no_half_made_table(server, sim, chance):
    make_account(sim)
    make_large_table(sim, ROWS)
    add_source(server, sim)
    create_cache(server, "large", LARGE)
    kill_in_refresh(server, sim, a_file_appears, None, chance)
    server.start()
    described = call(server, "describe_cache", "large")
    if described["refresh_count"] == 0:
        assert ask(server, "SELECT count(*) FROM {lake}ducklake_table") == [(0,)]
    assert call(server, "refresh", "large")["result"] in ("REFRESHED", "SKIPPED")
    assert server.rows(SUMMARY) == summary(ROWS, 0)
    nothing_is_left_behind(server)


def test_a42_i2_inserts_killed_anywhere_are_whole_and_none_acknowledged_is_lost(server, chance):
    execute(server, "CREATE TABLE t (batch BIGINT, n BIGINT)")
    sent, kept, number = set(), set(), 0

    def insert(batch):
        text = f"INSERT INTO t SELECT {batch}, range FROM range({BATCH})"
        return batch if doomed(execute, server, text) == BATCH else None

    for _ in range(3):
        stop, enough = Event(), chance.randrange(3, 15)
        done = 0

        def writer(first):
            nonlocal done
            for batch in range(first, first + 1000):
                if stop.is_set():
                    return
                sent.add(batch)
                if insert(batch) is None:
                    return
                kept.add(batch)
                done += 1

        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(writer, number + worker * 1000) for worker in range(4)]
            wait_until(lambda: done >= enough or all(w.done() for w in writers), "some inserts are done", every=0.001)
            wait(writers, timeout=chance.uniform(0, 0.05))
            server.kill()
            stop.set()
        number += 4000
        server.start()
        there = server.rows("SELECT batch, count(*), sum(n)::BIGINT FROM t GROUP BY batch")
        assert all(row[1:] == (BATCH, BATCH * (BATCH - 1) // 2) for row in there), "a half INSERT"
        batches = {row[0] for row in there}
        assert kept <= batches, f"acknowledged and lost: {kept - batches}"
        assert batches <= sent
        assert execute(server, f"INSERT INTO t SELECT -{number}, range FROM range({BATCH})") == BATCH
        sent.add(-number)
        kept |= batches | {-number}
        nothing_is_left_behind(server)
    assert server.oracle().rows("SELECT count(*) FROM lake.main.t") == [(len(kept) * BATCH,)]


def test_a42_i2_an_open_transaction_dies_with_the_server(server):
    execute(server, "CREATE TABLE t AS SELECT 1 AS n")
    connection = server.connect(autocommit=False)
    cursor = connection.cursor()
    cursor.execute("INSERT INTO t VALUES (2)")
    cursor.execute("CREATE TABLE u AS SELECT 1 AS x")
    server.kill()
    doomed(cursor.close)
    doomed(connection.close)
    server.start()
    assert server.rows("SELECT n FROM t") == [(1,)]
    assert server.rows("SELECT table_name FROM information_schema.tables") == [("t",)]
    execute(server, "CREATE TABLE u AS SELECT 2 AS x")
    nothing_is_left_behind(server)
