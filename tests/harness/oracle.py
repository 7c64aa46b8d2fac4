"""The independent reader: stock DuckDB with its ducklake extension, attached to our catalog.

Always another process. DuckDB brings an SQLite of its own, and two SQLite libraries in one process
drop each other's locks on the same file.
"""

import pickle
import subprocess
import sys
from pathlib import Path

from harness.processes import ROOT

EXTENSIONS = ROOT / ".deps" / "extensions"

_PROGRAM = """
import pickle, sys, duckdb
question = pickle.load(sys.stdin.buffer)
connection = duckdb.connect(config={
    "extension_directory": question["extensions"],
    "autoinstall_known_extensions": False,
})
connection.execute("SET TimeZone = 'UTC'")
for statement in question["statements"]:
    connection.execute(statement)
pickle.dump(connection.fetchall() if connection.description else [], sys.stdout.buffer)
"""


class OracleError(Exception):
    """DuckDB refused the question."""


class Oracle:
    """Asks the lake behind `catalog_url` (`sqlite:<path>` or `postgresql://…`), one process for each question."""

    def __init__(
        self,
        catalog_url: str,
        data_path: str | Path,
        metadata_schema: str = "ducklake",
        before: tuple[str, ...] = (),
    ) -> None:
        postgres = catalog_url.startswith("postgres")
        options = {"DATA_PATH": str(data_path)}
        if postgres:
            options["METADATA_SCHEMA"] = metadata_schema
        wanted = ["ducklake", "postgres_scanner" if postgres else "sqlite_scanner"]
        if str(data_path).startswith("s3://"):
            wanted.append("httpfs")
        address = f"ducklake:postgres:{catalog_url}" if postgres else f"ducklake:{catalog_url}"
        listed = ", ".join(f"{key} {_quoted(value)}" for key, value in options.items())
        self._prologue = [
            *(f"LOAD {name}" for name in wanted),
            *before,
            f"ATTACH {_quoted(address)} AS lake ({listed})",
        ]

    def rows(self, *statements: str) -> list[tuple]:
        """Runs the statements, the lake attached as `lake`, and returns the last one's rows."""
        question = {"extensions": str(EXTENSIONS), "statements": [*self._prologue, *statements]}
        answer = subprocess.run(
            [sys.executable, "-c", _PROGRAM], input=pickle.dumps(question), capture_output=True, timeout=120
        )
        if answer.returncode != 0:
            raise OracleError(answer.stderr.decode(errors="replace").strip())
        return pickle.loads(answer.stdout)

    def snapshots(self) -> list[int]:
        return [row[0] for row in self.rows("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1")]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
