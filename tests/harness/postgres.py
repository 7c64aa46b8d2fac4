"""A private PostgreSQL server that lives as long as its owner.

Nothing here touches the machine's own clusters: the data is in a temporary directory, the port is a
free one of the loopback, and the server dies with the process that started it, however that ends.
The package's defaults stay on (fsync above all), since what is tested is what survives.

As a program, `python postgres.py COMMAND…` runs a command with such a server and its address in
`DUCKSYNC_TEST_POSTGRES`; only the standard library is needed for that.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.processes import bound_to_us  # noqa: E402
from harness.waiting import free_port, wait_until  # noqa: E402

#: Who owns the server's files when the tests run as root, which PostgreSQL refuses to serve.
TEST_USER = "ducksync-test"
PREFIX = "ducksync-postgres-"
OWNER_FILE = "owner.pid"
#: No Unix socket: its path may be 107 characters at most, and temporary directories can be deep.
SETTINGS = {"max_connections": "200", "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}


class Postgres:
    """One running server; `url` is its administrator's address."""

    def __init__(self, **settings: str) -> None:
        remove_leftovers()
        self.directory = Path(tempfile.mkdtemp(prefix=PREFIX))
        (self.directory / OWNER_FILE).write_text(str(os.getpid()))
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.settings = SETTINGS | settings
        self.password = secrets.token_hex(16)
        self.port = 0
        self.process: subprocess.Popen | None = None
        try:
            self._initdb()
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str | None = None) -> str:
        """Makes an empty database and returns its address."""
        name = name or f"t_{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url_of(name)

    def execute(self, statement: str) -> list[tuple]:
        """Runs one statement as the administrator, outside of a transaction."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Starts the server, on the port it had before if it had one."""
        attempts = 1 if self.port else 5
        for attempt in range(1, attempts + 1):
            port = self.port or free_port()
            self._spawn(port)
            try:
                wait_until(self._is_ready, "PostgreSQL accepts connections", seconds=60)
            except Exception:
                self.kill()
                # Somebody else may have taken the port since we looked.
                if attempt == attempts or "Address already in use" not in self.log.read_text():
                    raise
            else:
                self.port = port
                return

    def stop(self) -> None:
        """Ends sessions and shuts down cleanly ("fast")."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Crashes it: every session is cut, the next start recovers from the log."""
        # The immediate shutdown leaves no orphaned back ends holding shared memory, as a kill would.
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        """Stops it and removes its files; harmless when repeated."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> "Postgres":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _initdb(self) -> None:
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        give_to_test_user(self.directory, password_file)
        command = as_test_user(
            program("initdb"),
            *("--pgdata", self.data, "--username", "postgres", "--pwfile", password_file),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", "--no-instructions"),
        )
        done = subprocess.run(command, cwd="/", capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stderr}")

    def _spawn(self, port: int) -> None:
        settings = self.settings | {"port": str(port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                as_test_user(program("postgres"), "-D", self.data, *options),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C at the terminal is for the tests; they stop the server when they are done.
                start_new_session=True,
            )

    def _is_ready(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at its start: {self.log.read_text()}")
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(self.process.pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def program(name: str) -> Path:
    """The newest installed server program of this name; Debian keeps them off the path."""

    def version(path: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in path.parts[4].split("."))

    if found := sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=version):
        return found[-1]
    if found := shutil.which(name):
        return Path(found)
    raise RuntimeError(f"PostgreSQL's {name} is not installed: run `make setup`")


def as_test_user(*command: object) -> list[str]:
    """The command, bound to us and never run as root."""
    user = ["--reuid", TEST_USER, "--regid", TEST_USER, "--init-groups"] if os.geteuid() == 0 else []
    return bound_to_us(*command, ending="INT", options=user)


def give_to_test_user(*paths: Path) -> None:
    if os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(TEST_USER)
    except KeyError:
        raise RuntimeError(f"there is no user {TEST_USER}: run `make setup`") from None
    for path in paths:
        os.chown(path, entry.pw_uid, entry.pw_gid)


def remove_leftovers() -> None:
    """Removes the files of servers whose owner was killed."""
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            owner = int((directory / OWNER_FILE).read_text())
        except (OSError, ValueError):
            continue
        if not Path(f"/proc/{owner}").exists():
            shutil.rmtree(directory, ignore_errors=True)


def main(command: list[str]) -> int:
    """Runs the command with a server, and passes on its exit code."""
    if not command:
        print("usage: with-postgres.sh COMMAND…", file=sys.stderr)
        return 64

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, end)
    with Postgres() as postgres:
        child = subprocess.Popen(bound_to_us(*command, ending="TERM"), env=os.environ | {"DUCKSYNC_TEST_POSTGRES": postgres.url})
        try:
            return child.wait()
        except KeyboardInterrupt:
            # The terminal has told the command as well.
            return child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.exit(code if code >= 0 else 128 - code)
