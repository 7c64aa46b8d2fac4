"""The real server: its configuration, its life, and connections to it."""

import json
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.oracle import EXTENSIONS, Oracle
from harness.processes import Child, built
from harness.waiting import free_port, wait_until

READY = "ducksync ready "


class Server:
    """A `ducksync serve` in a directory of its own. Its catalog and data outlive its process."""

    def __init__(self, directory: Path, catalog_url: str, overrides: Mapping[str, object] | None = None) -> None:
        self.directory = directory
        self.config_path = directory / "ducksync.toml"
        self.admin_port = free_port()
        self.config = flat(
            {
                "testing": True,
                "catalog.url": catalog_url,
                "lake.data_path": str(directory / "lake") + "/",
                "flight.listen": ["grpc://127.0.0.1:0"],
                "admin.listen": f"127.0.0.1:{self.admin_port}",
                "engine.extension_directory": str(EXTENSIONS),
                "engine.threads": 2,
                "engine.memory_limit": "1GB",
            }
        ) | flat(overrides or {})
        self.process: Child | None = None

    @property
    def admin_url(self) -> str:
        return f"http://{self.config['admin.listen']}"

    def start(self, seconds: float = 60) -> "Server":
        """Writes the configuration as it is now, starts the process and waits until it is ready."""
        self.config_path.write_text(to_toml(self.config))
        command = [built("ducksync", "DUCKSYNC_BIN"), "serve", "--config", self.config_path]
        self.process = Child(command, self.directory / "ducksync")
        try:
            self.url = wait_until(lambda: self.process.first_line(READY), "the server is ready", seconds)
        except Exception as error:
            self.kill()
            error.add_note(f"the server's log:\n{self.log()}")
            raise
        return self

    def stop(self, seconds: float = 40) -> int:
        """Asks it to shut down (SIGTERM) and returns its exit code."""
        return self.process.stop(seconds)

    def kill(self) -> None:
        """Kills it (SIGKILL): nothing of its memory survives."""
        if self.process is not None:
            self.process.kill()

    def restart(self, **overrides: object) -> "Server":
        """Shuts down and starts again, with changes to the configuration."""
        self.stop()
        self.config |= flat(overrides)
        return self.start()

    def log(self) -> str:
        return self.process.log() if self.process else ""

    def admin_password(self) -> str:
        """The password that the first start made up, from the file it left beside its data."""
        found = list(self.directory.rglob("admin-password"))
        if len(found) != 1:
            raise FileNotFoundError(f"{len(found)} files named admin-password below {self.directory}")
        return found[0].read_text().strip()

    def connect(self, user: str = "admin", password: str | None = None, autocommit: bool = True, **options: str):
        """A DBAPI connection through the ADBC driver; `options` are the driver's own, by full name."""
        import adbc_driver_flightsql.dbapi as flightsql

        login = {"username": user, "password": self.admin_password() if password is None else password}
        return flightsql.connect(self.url, db_kwargs=login | options, autocommit=autocommit)

    def rows(self, sql: str, parameters: object = None, **login: str) -> list[tuple]:
        """One statement on a connection of its own."""
        with self.connect(**login) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def metric(self, name: str) -> float:
        """The one value of a metric without labels."""
        with urllib.request.urlopen(f"{self.admin_url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        (value,) = [line.split()[1] for line in lines if line.split()[0] == f"ducksync_{name}"]
        return float(value)

    def oracle(self, *before: str) -> Oracle:
        """Stock DuckDB on the same lake; `before` runs first, for instance a secret for the data path."""
        url = str(self.config["catalog.url"])
        if url.startswith("sqlite:"):
            url = f"sqlite:{self.directory / url.removeprefix('sqlite:')}"
        return Oracle(url, self.config["lake.data_path"], before=before)


def flat(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """`{"a": {"b": 1}}` and `{"a.b": 1}` alike as `{"a.b": 1}`."""
    answer: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            answer |= flat(value, f"{prefix}{key}.")
        else:
            answer[prefix + key] = value
    return answer


def to_toml(settings: Mapping[str, object]) -> str:
    """Dotted keys and values; JSON's text, booleans, numbers and lists are TOML's as well."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def same_place(server: Server) -> dict[str, object]:
    """The settings with which another server is a replica of this one."""
    return {
        "lake.data_path": server.config["lake.data_path"],
        "secret_key_file": str(server.directory / "ducksync-data" / "secret.key"),
    }


def replica(spawn_server: Callable[..., Server], server: Server) -> Server:
    """Another server on the same catalog and data path."""
    other = spawn_server(server.config["catalog.url"], config_overrides=same_place(server))
    password = server.admin_password()
    # The first start made the password up and wrote it beside its own data only.
    other.admin_password = lambda: password
    return other
