"""Waiting for a condition, never for a guessed time."""

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Deadline(Exception):
    """The condition did not come about in time."""


def wait_until(condition: Callable[[], T | None], what: str, seconds: float = 30, every: float = 0.02) -> T:
    """Returns the first true answer of `condition`; past the deadline says what was waited for.

    The condition may raise to end the wait early, for instance because the process has died.
    """
    end = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > end:
            raise Deadline(f"{what}: not within {seconds} s")
        time.sleep(every)


def free_port() -> int:
    """A port of the loopback that was free a moment ago, for servers that cannot choose their own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts_connections(port: int) -> bool:
    """Whether somebody listens on the loopback's `port`."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
