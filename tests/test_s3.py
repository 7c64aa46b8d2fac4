"""The main job on a data path on S3: nothing but the place of the files changes (C-2, A-41)."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from harness.prod import add_source, answered, call, call_all, create_cache, execute, insert_order, make_account
from harness.s3 import S3
from harness.waiting import accepts_connections, wait_until

#: The driver complains when it closes a cursor whose server was killed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

TOTALS = [("EU", Decimal("20.25"), 1), ("US", Decimal("40.50"), 2)]
CHANGED = [("EU", Decimal("20.25"), 1), ("US", Decimal("50.00"), 3)]


def on(bucket):
    """The configuration of a data path in that bucket."""
    return {"lake.data_path": f"{bucket.url}some/lake/", "secrets.bucket": bucket.secret()}


@pytest.fixture
def lake(spawn_server, catalog_kind, bucket, sim):
    """A server whose files are in `bucket`, with the source `prod`."""
    server = spawn_server(catalog_kind, config_overrides=on(bucket))
    make_account(sim)
    add_source(server, sim)
    return server


def test_c2_the_main_job_on_s3(lake, bucket, sim):
    create_cache(lake, ttl_seconds=3600)
    assert call(lake, "refresh", "sales_summary")["result"] == "REFRESHED"
    assert [key.startswith("some/lake/") and key.endswith(".parquet") for key in bucket.keys()] == [True]
    rows, story = answered(lake, "SELECT * FROM sales_summary")
    assert (rows, story["route"], story["cache_status"]) == (TOTALS, "local", "HIT")
    assert call(lake, "refresh", "sales_summary")["result"] == "SKIPPED"
    insert_order(sim, 4, "US", "9.50")
    assert call(lake, "refresh", "sales_summary")["result"] == "REFRESHED"
    assert sorted(lake.rows("SELECT * FROM lake.prod.sales_summary")) == CHANGED
    lake.restart()
    assert answered(lake, "SELECT * FROM sales_summary")[0] == CHANGED
    oracle = lake.oracle(bucket.create_secret_sql())
    assert sorted(oracle.rows("SELECT * FROM lake.prod.sales_summary")) == CHANGED


def test_c2_v18_tables_on_s3_are_changed_and_read_by_others(lake, bucket):
    execute(lake, "CREATE TABLE t AS SELECT range AS n, 'v' || range AS s FROM range(1000)")
    assert execute(lake, "DELETE FROM t WHERE n % 7 = 0") == 143
    assert execute(lake, "UPDATE t SET s = NULL WHERE n % 11 = 0") == 78
    assert execute(lake, "INSERT INTO t VALUES (5000, 'new')") == 1
    lake.restart()
    sums = "SELECT count(*), sum(n)::BIGINT, count(s), min(s), max(s) FROM lake.main.t"
    assert lake.oracle(bucket.create_secret_sql()).rows(sums) == lake.rows(sums)
    assert lake.rows("SELECT count(*) FROM t") == [(858,)]


def test_i2_a_kill_on_s3_leaves_nothing_behind_and_loses_nothing(lake, bucket, sim):
    create_cache(lake)
    call(lake, "refresh", "sales_summary")
    known = set(bucket.keys())
    insert_order(sim, 4, "US", "9.50")
    sim.gate("SUM(amount)", "before_answer")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: pytest.raises(Exception, call, lake, "refresh", "sales_summary"))
        wait_until(sim.gated, "the load has read its rows")
        lake.kill()
        sim.release()
    lake.start()
    assert sorted(lake.rows("SELECT * FROM lake.prod.sales_summary")) == TOTALS
    assert call(lake, "refresh", "sales_summary")["result"] == "REFRESHED"
    assert sorted(lake.rows("SELECT * FROM lake.prod.sales_summary")) == CHANGED
    wait_until(lambda: len(set(bucket.keys()) - known) == 1, "only the new file is left", 65)


def test_a40_v13_an_outage_of_s3_is_an_error_and_ends_with_it(spawn_server, sim):
    s3 = S3()
    try:
        server = spawn_server("sqlite", config_overrides=on(s3.create_bucket()) | {"refresh.max_retries": 0})
        make_account(sim)
        add_source(server, sim)
        create_cache(server)
        call(server, "refresh", "sales_summary")
        s3.stop()
        failed = call(server, "refresh", "sales_summary", force=True)
        assert failed["result"] == "ERROR" and failed["message"], failed
        (run, _) = call_all(server, "cache_history", "sales_summary")
        assert run["error_class"] == "RESOURCE", run
        assert server.rows("SELECT 42") == [(42,)]
        # moto forgets everything when it ends: only what is made anew is there.
        s3.start()
        wait_until(lambda: accepts_connections(s3.port), "S3 is back")
        s3.client().create_bucket(Bucket=str(server.config["lake.data_path"]).split("/")[2])
        assert call(server, "refresh", "sales_summary", force=True)["result"] == "REFRESHED"
        assert answered(server, "SELECT * FROM sales_summary")[0] == TOTALS
    finally:
        s3.close()


def test_o2_a_wrong_secret_for_s3_is_said_at_once_and_without_it(spawn_server, bucket):
    """moto takes any credentials; a bucket that is not there is refused by every server."""
    overrides = on(bucket) | {"lake.data_path": "s3://no-such-bucket-here/lake/"}
    server = spawn_server("sqlite", config_overrides=overrides, start=False)
    try:
        server.start()
    except ProcessLookupError as refused:
        text = str(refused)
    else:
        with pytest.raises(Exception) as refused:
            execute(server, "CREATE TABLE t AS SELECT 1 AS n")
        text = str(refused.value)
    assert "no-such-bucket-here" in text and "ducksync-test-secret" not in text, text
