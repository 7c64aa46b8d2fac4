"""PgBouncer in front of one database: what an operator may have between us and Postgres."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from harness.postgres import as_test_user, give_to_test_user
from harness.processes import Child
from harness.waiting import accepts_connections, free_port, wait_until


def pooler_program() -> str | None:
    """Where it is installed; Debian keeps it off the path of plain users."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pooled(database_url: str, mode: str) -> Iterator[str]:
    """The database's address through a pooler of this `pool_mode`, which is gone afterwards."""
    url, port = urlsplit(database_url), free_port()
    database = url.path.removeprefix("/")
    # Not in the test's own directory: pytest closes the way to it to other users, and the pooler refuses to be root.
    with tempfile.TemporaryDirectory(prefix="ducksync-pooler-") as path:
        directory = Path(path)
        users, settings = directory / "users", directory / "pgbouncer.ini"
        users.write_text(f'"{url.username}" "{url.password}"\n')
        settings.write_text(
            f"[databases]\n{database} = host=127.0.0.1 port={url.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\n"
            f"listen_port = {port}\nauth_type = scram-sha-256\nauth_file = {users}\npool_mode = {mode}\n"
            "ignore_startup_parameters = options,extra_float_digits\n"
        )
        give_to_test_user(directory, users, settings)
        child = Child(as_test_user(pooler_program(), settings), directory / "pgbouncer")

        def listens() -> bool:
            if child.process.poll() is not None:
                raise ProcessLookupError(f"the pooler ended at its start: {child.log()}")
            return accepts_connections(port)

        try:
            wait_until(listens, "the pooler listens")
            yield url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}").geturl()
        finally:
            child.kill()
