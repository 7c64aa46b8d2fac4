"""S3 of our own: moto's server on the loopback, holding its objects in memory."""

import json
import re
import signal
import sys
import tempfile
import uuid
from pathlib import Path

from harness.processes import Child
from harness.waiting import wait_until

REGION = "us-east-1"
ACCESS_KEY = "ducksync-test-key"
SECRET_KEY = "ducksync-test-secret"


class S3:
    """A running server; it takes any credentials, and forgets everything when it ends."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="ducksync-s3-")
        self.port = 0
        self.start()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, on the port it had before if it had one: an outage that ends."""
        program = Path(sys.executable).with_name("moto_server")
        command = [program, "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = Child(command, Path(self._directory.name) / "moto")
        self.port = wait_until(self._announced_port, "moto's S3 listens")

    def stop(self) -> None:
        self._process.kill()

    def freeze(self) -> None:
        """From now on connections are taken and nothing answers, until `thaw`."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        self._directory.cleanup()

    def client(self):
        """A boto3 client, to look behind the server's back."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.endpoint}",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
        )

    def create_bucket(self) -> "Bucket":
        name = f"t-{uuid.uuid4().hex}"
        self.client().create_bucket(Bucket=name)
        return Bucket(self, name)

    def _announced_port(self) -> int | None:
        if self._process.process.poll() is not None:
            raise RuntimeError(f"moto ended at its start: {self._process.log()}")
        found = re.findall(r"Running on http://127\.0\.0\.1:(\d+)", self._process.log())
        return int(found[-1]) if found else None


class Bucket:
    """One bucket of it, and how it is reached."""

    def __init__(self, s3: S3, name: str) -> None:
        self.s3 = s3
        self.name = name

    @property
    def url(self) -> str:
        return f"s3://{self.name}/"

    def keys(self) -> list[str]:
        pages = self.s3.client().get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def secret(self) -> dict[str, object]:
        """What a secret for it holds, in DuckDB's words, which are ours too."""
        return {
            "type": "s3",
            "key_id": ACCESS_KEY,
            "secret": SECRET_KEY,
            "region": REGION,
            "endpoint": self.s3.endpoint,
            "url_style": "path",
            "use_ssl": False,
        }

    def create_secret_sql(self, name: str = "bucket") -> str:
        settings = ", ".join(f"{key} {_literal(value)}" for key, value in self.secret().items() if key != "type")
        return f"CREATE SECRET {name} (TYPE s3, {settings})"


def _literal(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else f"'{value}'"
