"""Several servers on one Postgres catalog, and the refusal of a second one on an SQLite file (O-7, I-10, G-5)."""

import signal
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from harness.prod import add_source, answered, call, call_all, create_cache, execute, insert_order, make_account
from harness.server import replica, same_place
from harness.waiting import wait_until

#: The driver complains when it closes a cursor whose server was killed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

#: How soon another process shows what one has published (G-14).
SOON = 2


@pytest.fixture
def replicas(spawn_server, postgres, sim):
    """Two servers on one catalog, with the source `prod`."""
    catalog = postgres.create_database()
    one = spawn_server(catalog)
    two = replica(spawn_server, one)
    make_account(sim)
    add_source(one, sim)
    sim.reset_log()
    return one, two


def loads(sim):
    return [entry for entry in sim.log() if entry["class"] == "query" and not entry["describe_only"]]


def shows(server, sql, rows):
    """Waits until the server answers so."""

    def answers():
        try:
            return sorted(server.rows(sql)) == sorted(rows)
        except Exception as error:
            if "NOT_CACHED" in str(error):
                return False
            raise

    wait_until(answers, f"{sql} shows {rows}", SOON)


def test_o7_what_one_publishes_shows_on_the_other(replicas, sim):
    one, two = replicas
    create_cache(one, "totals", "SELECT SUM(amount) AS total FROM PROD.PUBLIC.ORDERS")
    wait_until(lambda: call_all(two, "list_caches"), "the other knows the cache", SOON)
    call(one, "refresh", "totals")
    totals = "SELECT total::VARCHAR FROM lake.prod.totals"
    shows(two, totals, [("60.75",)])
    insert_order(sim, 4, "US", "9.25")
    assert call(two, "refresh", "totals")["result"] == "REFRESHED"
    shows(one, totals, [("70.00",)])
    assert answered(one, "SELECT * FROM totals")[1]["cache_status"] == "HIT"
    assert call(one, "refresh", "totals")["result"] == "SKIPPED"
    assert len(loads(sim)) == 2


def test_o7_tables_made_on_one_are_written_on_the_other(replicas):
    one, two = replicas
    execute(one, "CREATE TABLE t (n INTEGER)")
    wait_until(lambda: two.rows("SELECT table_name FROM information_schema.tables"), "the other knows the table", SOON)
    with ThreadPoolExecutor(8) as pool:
        inserts = [pool.submit(execute, replicas[n % 2], f"INSERT INTO t VALUES ({n})") for n in range(24)]
        assert all(insert.result() == 1 for insert in inserts)
    for server in replicas:
        shows(server, "SELECT count(*), count(DISTINCT n), sum(n)::BIGINT FROM t", [(24, 24, sum(range(24)))])
    assert one.oracle().rows("SELECT count(*), sum(n) FROM lake.main.t") == [(24, sum(range(24)))]


def test_o7_g6_both_asked_to_refresh_one_cache_make_one_load(replicas, sim):
    one, two = replicas
    create_cache(one)
    wait_until(lambda: call_all(two, "list_caches"), "the other knows the cache", SOON)
    sim.gate("SUM(amount)", "before_execute")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(call, one, "refresh", "sales_summary")
        wait_until(sim.gated, "the load has begun")
        second = pool.submit(call, two, "refresh", "sales_summary")
        assert not wait([second], timeout=1).done, "it must wait for the run of the other"
        sim.release()
        answers = first.result(30), second.result(30)
    # The second asked after the first had read its tokens: it may look again, at no cost, but not load again.
    assert [answer["result"] for answer in answers] in (["REFRESHED", "REFRESHED"], ["REFRESHED", "SKIPPED"]), answers
    assert len(loads(sim)) == 1
    loaded = [run for run in call_all(two, "cache_history", "sales_summary") if run["result"] == "REFRESHED"]
    assert [run["run_id"] for run in loaded] == [answers[0]["run_id"]]


def test_o7_i10_the_survivor_goes_on_and_takes_over_a_killed_replicas_run(replicas, sim):
    one, two = replicas
    create_cache(one)
    call(one, "refresh", "sales_summary")
    insert_order(sim, 4, "US", "9.25")
    sim.gate("SUM(amount)", "before_execute")
    with ThreadPoolExecutor(2) as pool:
        pool.submit(lambda: pytest.raises(Exception, call, one, "refresh", "sales_summary"))
        wait_until(sim.gated, "the load has begun")
        one.kill()
        assert len(two.rows("SELECT * FROM lake.prod.sales_summary")) == 2, "reads go on"
        taken = pool.submit(call, two, "refresh", "sales_summary")
        # Long before the claim expires: it ends with its owner.
        wait_until(lambda: sim.gated() == 2 or taken.done(), "the survivor takes over", 10)
        sim.release()
        assert taken.result(30)["result"] == "REFRESHED", taken.result()
    assert ("US", 3) in two.rows("SELECT region, orders FROM sales_summary")
    results = lambda: [(run["result"], run["error_code"]) for run in call_all(two, "cache_history", "sales_summary")]
    lost = [("REFRESHED", None), ("ERROR", "WORKER_LOST"), ("REFRESHED", None)]
    wait_until(lambda: results() == lost, f"the killed run is told: {results()}", 65)
    one.start()
    assert ("US", 3) in one.rows("SELECT region, orders FROM sales_summary")


def test_a36_a_replica_paused_past_its_claims_expiry_cannot_publish_what_it_had_read(spawn_server, postgres, sim):
    catalog = postgres.create_database()
    quick = {"refresh.heartbeat": "300ms", "refresh.claim_expiry": "2s", "refresh.max_retries": 0}
    one = spawn_server(catalog, config_overrides=quick)
    two = spawn_server(catalog, config_overrides=quick | same_place(one))
    password = one.admin_password()
    two.admin_password = lambda: password
    make_account(sim)
    add_source(one, sim)
    create_cache(one)
    wait_until(lambda: call_all(two, "list_caches"), "the other knows the cache", SOON)
    sim.gate("SUM(amount)", "before_answer")
    with ThreadPoolExecutor(2) as pool:
        paused = pool.submit(call, one, "refresh", "sales_summary")
        wait_until(sim.gated, "the load has read its rows")
        one.process.signal(signal.SIGSTOP)
        insert_order(sim, 4, "US", "9.25")
        taken = pool.submit(call, two, "refresh", "sales_summary")
        try:
            wait_until(lambda: sim.gated() == 2, "the other takes over when the claim expires", 20)
            sim.release()
            assert taken.result(30)["result"] == "REFRESHED"
        finally:
            one.process.signal(signal.SIGCONT)
        late = paused.result(60)
    assert late["result"] != "REFRESHED" or late["run_id"] == taken.result()["run_id"], late
    for server in (one, two):
        shows(server, "SELECT region, orders FROM lake.prod.sales_summary", [("EU", 1), ("US", 3)])
    published = [run for run in call_all(two, "cache_history", "sales_summary") if run["result"] == "REFRESHED"]
    assert [run["run_id"] for run in published] == [taken.result()["run_id"]]
    assert one.oracle().rows("SELECT count(*) FROM ducklake_list_files('lake', 'sales_summary', schema => 'prod')") == [(1,)]


def test_o7_c13_the_survivor_schedules_what_a_killed_replica_did(replicas, sim):
    one, two = replicas
    create_cache(one, refresh_every="1 second")
    wait_until(lambda: call(one, "describe_cache", "sales_summary")["refresh_count"], "the first load")
    one.kill()
    insert_order(sim, 4, "US", "9.25")
    wait_until(lambda: ("US", 3) in two.rows("SELECT region, orders FROM lake.prod.sales_summary"), "the next load")


def test_o7_a_ticket_of_one_is_answered_by_the_other(replicas):
    one, two = replicas
    execute(one, "CREATE TABLE t AS SELECT range AS n FROM range(10)")
    wait_until(lambda: two.rows("SELECT table_name FROM information_schema.tables"), "the other knows the table", SOON)
    with one.connect() as asking, asking.cursor() as cursor:
        partitions, _ = cursor.adbc_execute_partitions("SELECT sum(n)::BIGINT AS total FROM t")
        execute(one, "INSERT INTO t VALUES (1000)")
    one.kill()
    (partition,) = partitions
    with two.connect() as reading, reading.cursor() as cursor:
        cursor.adbc_read_partition(partition)
        assert cursor.fetchall() == [(45,)], "as of the moment it was asked"


def test_g11_a_replica_with_another_key_says_so_and_harms_nobody(replicas, spawn_server):
    one, _ = replicas
    create_cache(one)
    call(one, "refresh", "sales_summary")
    other = spawn_server(one.config["catalog.url"], config_overrides={"lake.data_path": one.config["lake.data_path"]})
    password = one.admin_password()
    other.admin_password = lambda: password
    assert len(other.rows("SELECT * FROM lake.prod.sales_summary")) == 2, "the lake is not sealed"
    failed = call(other, "refresh", "sales_summary", force=True)
    assert failed["result"] == "ERROR" and "secret_key_file" in failed["message"], failed
    assert call(one, "refresh", "sales_summary", force=True)["result"] == "REFRESHED"


def test_o7_a_second_process_on_one_sqlite_catalog_refuses_to_start(spawn_server):
    one = spawn_server("sqlite")
    execute(one, "CREATE TABLE t AS SELECT 1 AS n")
    catalog = f"sqlite:{one.directory / 'ducksync.db'}"
    two = spawn_server(catalog, config_overrides=same_place(one), start=False)
    with pytest.raises(ProcessLookupError) as refused:
        two.start()
    text = str(refused.value)
    assert "is open in another process" in text and "Postgres catalog" in text, text
    assert one.rows("SELECT n FROM t") == [(1,)]
    one.kill()
    two.start()
    assert two.rows("SELECT n FROM t", password=one.admin_password()) == [(1,)]
