"""Fixtures of every end-to-end test. A test asks for what it needs; nothing is shared but PostgreSQL and S3,
which hand out a database or a bucket to each."""

import pytest

from harness.postgres import Postgres
from harness.s3 import S3
from harness.server import Server
from harness.sim import Sim

CHILDREN = pytest.StashKey[list]()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server; `create_database()` makes a fresh database."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def s3():
    """An S3 server that must not be stopped; a test of outages makes its own `S3()`."""
    server = S3()
    yield server
    server.close()


@pytest.fixture
def bucket(s3):
    """An empty bucket."""
    return s3.create_bucket()


@pytest.fixture(params=["sqlite", "postgres"])
def catalog_kind(request):
    """Runs the test once for each kind of catalog."""
    return request.param


@pytest.fixture
def spawn_sim(request, tmp_path_factory):
    """Starts simulators: `spawn_sim(tpch_scale=0.01)`, `spawn_sim(inline_rows=10)`."""
    spawned = request.node.stash.setdefault(CHILDREN, [])

    def spawn(tpch_scale=None, **options):
        sim = Sim(tmp_path_factory.mktemp("sim"), tpch_scale, **options)
        spawned.append(("snowflake-sim", sim.process))
        return sim

    yield spawn
    _end(spawned)


@pytest.fixture
def sim(spawn_sim):
    """An empty simulator of one's own."""
    return spawn_sim()


@pytest.fixture
def spawn_server(request, tmp_path_factory):
    """Starts servers: `spawn_server(catalog="postgres", config_overrides={"refresh.workers": 1})`.

    `catalog` is a kind, for a fresh catalog, or an address, for a second replica on the same one.
    """
    servers = request.node.stash.setdefault(CHILDREN, [])

    def spawn(catalog="sqlite", config_overrides=None, start=True):
        if catalog == "postgres":
            catalog = request.getfixturevalue("postgres").create_database()
        elif catalog == "sqlite":
            catalog = "sqlite:ducksync.db"
        server = Server(tmp_path_factory.mktemp("server"), catalog, config_overrides)
        servers.append(("ducksync", server))
        return server.start() if start else server

    yield spawn
    _end(servers)


@pytest.fixture
def server(spawn_server, catalog_kind):
    """A running server on a fresh catalog, once for each kind."""
    return spawn_server(catalog_kind)


def _end(children):
    for _, child in children:
        child.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the end of each server's log beside a failure."""
    report = yield
    if report.failed:
        for name, child in item.stash.get(CHILDREN, []):
            report.sections.append((f"log of {name}", "\n".join(child.log().splitlines()[-100:])))
    return report
