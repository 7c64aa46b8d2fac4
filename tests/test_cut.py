"""A-42: the connection to Postgres is cut at any byte of a publish's conversation, in either direction.

Each cut ends every connection of the server at once, the one in the middle of its publish too; the cable is
plugged in again, and the dataset must be wholly old or wholly new, its head agree with its rows, the caller have
been told the truth, and the next run need no repair.
"""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from harness.chance import chance, doomed
from harness.lake import LARGE, SUMMARY, make_large_table, named_files, stored_files, summary, unburied_runs
from harness.prod import add_source, call, call_all, create_cache, execute, make_account
from harness.proxy import Cable
from harness.waiting import wait_until

CUTS = 14
ROWS = 3000

#: The driver complains when it closes a cursor whose connection was lost.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(name="chance")
def chance_of_the_test():
    return chance()


@pytest.fixture
def cable(postgres):
    cable = Cable(postgres.port)
    yield cable
    cable.close()


@pytest.fixture
def wired(spawn_server, postgres, cable):
    """A server that reaches its catalog through the cable."""
    url = urlsplit(postgres.create_database())
    url = url._replace(netloc=url.netloc.replace(f":{postgres.port}", f":{cable.port}")).geturl()
    return spawn_server(url, config_overrides={"refresh.max_retries": 0})


def settled(server):
    """Answers once the server has its catalog again."""
    return wait_until(lambda: isinstance(history := doomed(call_all, server, "cache_history", "large"), list) and history,
                      "the server has its catalog again", 60)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a42_a_refresh_cut_at_any_byte_is_wholly_old_or_wholly_new(wired, sim, cable, chance, direction):
    make_account(sim)
    make_large_table(sim, ROWS)
    add_source(wired, sim)
    create_cache(wired, "large", LARGE)
    call(wired, "refresh", "large")
    sim.sql("UPDATE PROD.PUBLIC.BIG SET generation = 1")
    before = cable.passed(direction)
    call(wired, "refresh", "large")
    conversation = cable.passed(direction) - before
    generation, fates = 1, []
    for number in range(CUTS):
        # One in each stretch of the conversation, so that none is left out.
        place = int(conversation * (number + chance.random()) / CUTS)
        where = f"cut {number} {direction} after {place} of {conversation} bytes"
        sim.sql(f"UPDATE PROD.PUBLIC.BIG SET generation = {generation + 1}")
        cable.cut_after(direction, max(place, 1))
        with ThreadPoolExecutor(1) as pool:
            refreshing = pool.submit(doomed, call, wired, "refresh", "large")
            wait_until(lambda: cable.is_cut() or refreshing.done(), f"{where}: the cut", 30)
            cable.plug()
            answer = refreshing.result(90)
        settled(wired)
        rows = wait_until(lambda: isinstance(found := doomed(wired.rows, SUMMARY), list) and found, "reads work", 30)
        assert rows in (summary(ROWS, generation), summary(ROWS, generation + 1)), where
        published = rows == summary(ROWS, generation + 1)
        told = answer["result"] if isinstance(answer, dict) else "no answer"
        assert published or told != "REFRESHED", f"{where}: {answer}"
        fates.append(("new" if published else "old", told))
        again = call(wired, "refresh", "large")
        assert again["result"] == ("SKIPPED" if published else "REFRESHED"), f"{where}: {fates[-1]} {again}"
        assert wired.rows(SUMMARY) == summary(ROWS, generation + 1), where
        generation += 1
    print(conversation, fates)
    wait_until(lambda: not unburied_runs(wired) and stored_files(wired) == named_files(wired), "the reaper is done", 75, every=0.2)
    assert wired.oracle().rows(SUMMARY) == summary(ROWS, generation)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a42_an_insert_cut_at_any_byte_is_whole_and_what_was_acknowledged_is_there(wired, cable, chance, direction):
    execute(wired, "CREATE TABLE t (batch BIGINT, n BIGINT)")
    execute(wired, "INSERT INTO t SELECT 0, range FROM range(100)")
    before = cable.passed(direction)
    execute(wired, "INSERT INTO t SELECT 1, range FROM range(100)")
    conversation = cable.passed(direction) - before
    kept = {0, 1}
    for batch in range(2, 2 + CUTS):
        place = int(conversation * (batch - 2 + chance.random()) / CUTS)
        where = f"batch {batch} {direction} after {place} of {conversation} bytes"
        cable.cut_after(direction, max(place, 1))
        with ThreadPoolExecutor(1) as pool:
            inserting = pool.submit(doomed, execute, wired, f"INSERT INTO t SELECT {batch}, range FROM range(100)")
            wait_until(lambda: cable.is_cut() or inserting.done(), f"{where}: the cut", 30)
            cable.plug()
            answer = inserting.result(90)
        wait_until(lambda: doomed(execute, wired, f"INSERT INTO t SELECT -{batch}, range FROM range(100)") == 100, "writes work", 60)
        kept.add(-batch)
        rows = wired.rows("SELECT batch, count(*), sum(n)::BIGINT FROM t GROUP BY batch")
        there = {row[0] for row in rows}
        # A repeated statement of ours (writes work) may have been the second of its kind: only whole copies count.
        assert all(row[1] % 100 == 0 and row[2] == row[1] // 100 * 4950 for row in rows), f"{where}: {rows}"
        assert all(row[1] == 100 for row in rows if row[0] >= 0), f"{where}: doubled"
        assert kept <= there, where
        if answer == 100:
            assert batch in there, f"{where}: acknowledged and lost"
        kept = there
    wait_until(lambda: not unburied_runs(wired) and stored_files(wired) == named_files(wired), "the reaper is done", 75, every=0.2)
