"""The Snowflake simulator as a process, and its control endpoints."""

import json
import urllib.error
import urllib.request
from pathlib import Path

from harness.processes import Child, built
from harness.waiting import wait_until


#: Who may log in to a simulator that was told nothing else.
USER = "DUCKSYNC"
PASSWORD = "ducksync-demo"


class SimError(Exception):
    """The simulator refused a control request; the text is its answer."""


class Sim:
    """A running simulator. Datasets' sources talk Snowflake to it; tests talk to its back door."""

    def __init__(self, directory: Path, tpch_scale: float | None = None, **options: object) -> None:
        """`options` are the program's, with underscores: `inline_rows=10`."""
        self.directory = directory
        self.options = options if tpch_scale is None else {"tpch_scale": tpch_scale, **options}
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, on the port it had before if it had one, and always empty."""
        command = [built("snowflake-sim", "SNOWFLAKE_SIM_BIN"), "--listen", f"127.0.0.1:{self.port}"]
        for name, value in self.options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        self.process = Child(command, self.directory / "snowflake-sim")
        address = wait_until(lambda: self.process.first_line("listening on "), "the simulator listens", seconds=60)
        self.port = int(address.rpartition(":")[2])

    def stop(self) -> None:
        self.process.kill()

    def sql(self, text: str) -> list:
        """Runs SQL in the simulator's database as another writer would, unseen by the log."""
        return self._ask("POST", "sql", text)

    def log(self, **wanted: str) -> list[dict]:
        """The statements that clients have sent, oldest first; `log(**{"class": "query"})` keeps equals only."""
        entries = self._ask("GET", "log")
        return [entry for entry in entries if all(entry.get(key) == value for key, value in wanted.items())]

    def reset_log(self) -> None:
        self._ask("POST", "reset-log")

    def faults(self, *faults: dict) -> None:
        """Arms these faults, instead of those armed before; none heals it."""
        self._ask("POST", "faults", json.dumps(list(faults)))

    def gate(self, sql: str, point: str) -> None:
        """Holds statements that contain `sql` (`^sql`: that begin with it): `before_execute`, or `before_answer` when they have read their rows."""
        self._ask("POST", "gates", json.dumps({"sql": sql, "point": point}))

    def gated(self) -> int:
        """How many statements have come to a gate that is still closed."""
        return sum(gate["reached"] for gate in self._ask("GET", "gates") if not gate["released"])

    def release(self) -> None:
        """Lets everyone through."""
        self._ask("POST", "gates/release", "{}")

    def credits(self):
        """What the statements so far would have cost."""
        return self._ask("GET", "credits")

    def requests(self) -> dict[str, int]:
        """How many requests each endpoint has had, logins and heartbeats included."""
        return self._ask("GET", "requests")

    def logins(self) -> list[dict]:
        """Who has tried to log in, oldest first."""
        return self._ask("GET", "logins")

    def user(self, name: str, **changes: object) -> None:
        """Changes a user: `password`, `public_key`, `token`, `disabled`, …; `None` takes away."""
        self._ask("POST", "users", json.dumps({"name": name, **changes}))

    def settings(self, **settings: object) -> None:
        """Switches what can be: `suspended`, `change_tokens_need_warehouse`, `clock_offset_seconds`; the rest is as by default."""
        self._ask("POST", "settings", json.dumps(settings))

    def expire(self, what: str) -> None:
        """Ends every `session`, `master` or `chunks` token, or forgets all sessions: `gone`."""
        self._ask("POST", "expire", json.dumps({"what": what}))

    def age(self, table: str) -> None:
        """Forgets what a table (`DB.SCHEMA.TABLE`) was before now, as if its retention were over."""
        self._ask("POST", "age", json.dumps({"table": table}))

    def secret(self, **changes: object) -> dict[str, object]:
        """What a secret for it holds."""
        return {
            "type": "snowflake",
            "account": "sim",
            "user": USER,
            "password": PASSWORD,
            "warehouse": "WH",
            "database": "PROD",
            "host": "127.0.0.1",
            "port": self.port,
            "protocol": "http",
        } | changes

    def connector_options(self, **changes: object) -> dict[str, object]:
        """What Snowflake's own connectors for Python are told."""
        return {
            "user": USER, "password": PASSWORD, "account": "sim", "host": "127.0.0.1", "port": self.port, "protocol": "http",
            "database": "PROD", "schema": "PUBLIC", "warehouse": "WH", "login_timeout": 20, "network_timeout": 30,
        } | changes

    def adbc_options(self, **changes: str) -> dict[str, str]:
        """What the ADBC driver for Snowflake is told; an empty text takes an option away."""
        uri, sql = "adbc.snowflake.sql.uri.", "adbc.snowflake.sql."
        chosen = {
            f"{uri}protocol": "http", f"{uri}host": "127.0.0.1", f"{uri}port": str(self.port), "username": USER, "password": PASSWORD,
            f"{sql}account": "sim", f"{sql}db": "PROD", f"{sql}schema": "PUBLIC", f"{sql}warehouse": "WH",
            f"{sql}client_option.login_timeout": "20s",
        } | changes
        return {name: value for name, value in chosen.items() if value}

    def _ask(self, method: str, path: str, body: str | None = None):
        request = urllib.request.Request(
            f"{self.url}/sim/{path}", method=method, data=(body or "").encode() if method == "POST" else None,
            headers={"Content-Type": "application/json"} if body and body[0] in "{[" else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refusal:
            raise SimError(f"{method} /sim/{path}: {refusal.code}: {refusal.read().decode(errors='replace')}") from None
        return json.loads(text) if text else None
