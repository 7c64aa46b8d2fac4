"""The process itself: it starts, stops and comes back, on either catalog."""

import signal
import stat


def test_server_answers_and_ends_cleanly(server):
    assert server.rows("SELECT 42 AS answer") == [(42,)]
    assert server.stop() == 0


def test_server_comes_back_after_a_kill(server):
    password = server.admin_password()
    server.kill()
    assert server.process.wait(1) == -signal.SIGKILL
    server.start()
    assert server.rows("SELECT 42 AS answer", password=password) == [(42,)]


def test_first_password_is_its_owners_only(server):
    [file] = server.directory.rglob("admin-password")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
