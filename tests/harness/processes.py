"""Child processes that cannot outlive the tests, and say why they ended."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def bound_to_us(*command: object, ending: str = "KILL", options: Sequence[str] = ()) -> list[str]:
    """The command, started so that the kernel sends it the signal `ending` when we are gone, however we ended."""
    return ["setpriv", *options, "--pdeathsig", ending, "--", *map(str, command)]


def built(name: str, variable: str) -> Path:
    """The program that cargo built, or the one that the environment names."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get(variable) or target / "debug" / name)
    if not path.exists():
        raise RuntimeError(f"{path} is missing: run `make build`, or name the program in {variable}")
    return path


class Child:
    """A server of ours: its output in files, its start awaited by the line it prints."""

    def __init__(self, command: Sequence[object], logs: Path, env: Mapping[str, str] | None = None) -> None:
        self.command = command
        self.stdout = logs.with_suffix(".out")
        self.stderr = logs.with_suffix(".err")
        # Appended to: the logs of a test that restarts its server are read as one.
        with self.stdout.open("a") as out, self.stderr.open("a") as err:
            self._printed_before = out.tell()
            self.process = subprocess.Popen(
                bound_to_us(*command),
                cwd=logs.parent,
                env=os.environ | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def memory(self, name: str) -> int:
        """Bytes by a name of /proc/PID/status: `VmRSS` is what it has now, `VmHWM` the most it had."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise LookupError(name)

    def forget_peak(self) -> None:
        """From here on the kernel counts `VmHWM` anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def first_line(self, prefix: str) -> str | None:
        """What follows `prefix` on the first printed line that begins with it; raises if the process has ended."""
        with self.stdout.open() as out:
            out.seek(self._printed_before)
            for line in out:
                if line.startswith(prefix) and line.endswith("\n"):
                    return line.removeprefix(prefix).strip()
        if (code := self.process.poll()) is not None:
            raise ProcessLookupError(f"{self.command[0]} ended with {code} before it was ready\n{self.log()}")
        return None

    def log(self) -> str:
        return self.stderr.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """The exit code; past the deadline the process is killed and the deadline reported."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def stop(self, seconds: float = 40) -> int:
        """Asks it to end (SIGTERM) and returns its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self) -> None:
        """Kills it (SIGKILL), as a power cut would."""
        self.signal(signal.SIGKILL)
        self.process.wait()
