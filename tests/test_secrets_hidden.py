"""Nothing secret is ever shown: a full run at the most talkative level, and no secret in anything that comes of it (G-11, I-9)."""

import base64
import contextlib
import hashlib
import json
import re
from pathlib import Path

import adbc_driver_manager
import pytest

from harness.prod import call, call_all, execute, make_account
from harness.waiting import wait_until

KEYS = Path(__file__).parents[1] / "crates" / "sources" / "tests" / "fixtures" / "keys"
MANY = "/*+ ducksync(consistency=exact) */ SELECT n, filler FROM PROD.PUBLIC.MANY ORDER BY n"

#: What must not be found, by what it is.
SECRETS = {
    "password": "pa55word-right",
    "wrong password": "pa55word-wrong",
    "rotated password": "pa55word-rotated",
    "password of a file": "pa55word-of-a-file",
    "access token": "t0ken-access",
    "oauth token": "t0ken-oauth",
    "wrong token": "t0ken-wrong",
    "passphrase": "correct horse",
    "wrong passphrase": "battery staple",
}

#: What only the simulator knows, by how it looks.
FORMS = {
    "session or master token": r"ver:1-hint:\d+-(session|master)-[0-9a-f]{8}",
    "signed address": r"X-Amz-Signature",
    "signed login": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ",
}


class Told:
    """Everything that clients were told."""

    def __init__(self, server):
        self.server, self.texts = server, []

    def ok(self, function, *arguments, **named):
        self.texts.append(repr(function(*arguments, **named)))

    def refused(self, function, *arguments, **named):
        with pytest.raises(adbc_driver_manager.Error) as caught:
            function(*arguments, **named)
        self.texts.append(repr(caught.value))
        return str(caught.value)

    def read(self, sql):
        with self.server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table().num_rows


@pytest.mark.parametrize("level", ["trace", "trace,ducksync=trace"])
def test_i9_no_secret_is_shown_by_a_full_run_at_trace_level(spawn_server, sim, tmp_path, level):
    make_account(sim)
    sim.sql(
        "CREATE TABLE PROD.PUBLIC.MANY (n NUMBER(18,0), filler VARCHAR);"
        "INSERT INTO PROD.PUBLIC.MANY SELECT range, repeat('x', 20) || range FROM range(200000)"
    )
    server = spawn_server(config_overrides={"logs.level": level})
    told = Told(server)
    every_kind_of_login(server, sim, told, tmp_path)
    every_trouble(server, sim, told)
    caches(server, sim, told)
    server.stop()
    found = list(leaks(server, sim, told))
    assert not found, "\n".join(found)
    log = server.log()
    assert "repeating a request to snowflake" in log, "the run must have been talkative"
    assert level == "trace" or '"TRACE"' in log
    assert any(entry["query_id"] in log for entry in sim.log()), "what is no secret is found where secrets are looked for"


def every_kind_of_login(server, sim, told, tmp_path):
    """Right and wrong, as text and as file."""
    alter = lambda **user: sim._ask("POST", "users", json.dumps(user))
    alter(name="DUCKSYNC", password=SECRETS["password"], token=SECRETS["access token"], oauth_token=SECRETS["oauth token"],
          public_key=(KEYS / "unfit_public.pem").read_text())
    file = tmp_path / "password"
    file.write_text(SECRETS["password of a file"] + "\n")
    key = (KEYS / "pkcs8_aes256.pem").read_text()
    good = [
        {"password": SECRETS["password"]},
        {"token": SECRETS["access token"]},
        {"token": SECRETS["oauth token"], "authenticator": "oauth"},
        {"private_key": (KEYS / "pkcs8.pem").read_text()},
        {"private_key": key, "private_key_passphrase": SECRETS["passphrase"]},
        {"private_key_file": KEYS / "pkcs8_des3.pem", "private_key_passphrase": SECRETS["passphrase"]},
    ]
    bad = [
        {"password": SECRETS["wrong password"]},
        {"token": SECRETS["wrong token"]},
        {"token": SECRETS["wrong token"], "authenticator": "oauth"},
        {"private_key": key},
        {"private_key": key, "private_key_passphrase": SECRETS["wrong passphrase"]},
        {"private_key": key[:400]},
        {"password": SECRETS["password"], "token": SECRETS["access token"]},
        {"password": SECRETS["password"], "pasword": SECRETS["wrong password"]},
    ]
    made = False
    for number, parameters in enumerate(good + bad):
        execute(server, login(sim, parameters))
        if not made:
            call(server, "add_source", "prod", "snowflake", "sf", passthrough_enabled=True)
            made = True
        read = (told.read, f"/*+ ducksync(consistency=exact) */ SELECT {number} AS n FROM PROD.PUBLIC.ORDERS")
        told.ok(*read) if parameters in good else told.refused(*read)
    told.refused(execute, server, "CREATE SECRET sf2 (TYPE snowflake, PASSWORD 'pa55word-right' 'pa55word-wrong')")
    told.refused(execute, server, "CREATE SECRET sf2 (TYPE snowflake, PASSWORD 'pa55word-right', PASSWORD 'pa55word-wrong')")
    told.refused(execute, server, "CREATE SECRET sf2 (TYPE snowflake, PASSWORD 'pa55word-right'")
    # A file that is replaced works at the next login.
    alter(name="DUCKSYNC", password=SECRETS["password of a file"])
    execute(server, login(sim, {"password_file": file}))
    told.ok(told.read, MANY)
    alter(name="DUCKSYNC", password=SECRETS["rotated password"])
    file.write_text(SECRETS["rotated password"])
    sim._ask("POST", "expire", json.dumps({"what": "gone"}))
    told.ok(told.read, MANY)


def login(sim, parameters):
    """CREATE OR REPLACE SECRET without the simulator's own password."""
    values = {name: value for name, value in sim.secret().items() if name != "password"} | parameters
    listed = ", ".join(f"{name.upper()} '{value}'" for name, value in values.items())
    return f"CREATE OR REPLACE SECRET sf ({listed})"


def every_trouble(server, sim, told):
    """Renewals, fresh addresses, and parts that do not arrive."""
    sim._ask("POST", "expire", json.dumps({"what": "session"}))
    told.ok(told.read, MANY)
    for fault in [
        {"kind": "chunk_expired", "endpoint": "chunk", "chunk": 1},
        {"kind": "token_expires", "endpoint": "query"},
        {"kind": "http_status", "endpoint": "query"},
        {"kind": "drop_connection", "endpoint": "chunk"},
        {"kind": "chunk_truncated", "endpoint": "chunk"},
    ]:
        sim.faults({"count": 1} | fault)
        told.ok(told.read, MANY)
    for fault in [
        {"kind": "chunk_forbidden", "endpoint": "chunk"},
        {"kind": "chunk_truncated", "endpoint": "chunk"},
        {"kind": "http_status", "endpoint": "chunk"},
        {"kind": "drop_connection", "endpoint": "chunk"},
        {"kind": "no_reply", "endpoint": "query"},
        {"kind": "session_expired", "endpoint": "query"},
        {"kind": "query_error", "message": "no"},
    ]:
        sim.faults({"count": 0} | fault)
        told.refused(told.read, MANY)
        sim.faults()
        # A source that failed is left alone for a moment.
        wait_until(lambda: works(told), "the source is asked again", seconds=30)


def works(told):
    with contextlib.suppress(adbc_driver_manager.Error):
        return told.read("/*+ ducksync(consistency=exact) */ SELECT 1 AS one FROM PROD.PUBLIC.ORDERS") == 3
    return False


def caches(server, sim, told):
    """Runs that succeed and runs that fail, and everything that lists them."""
    call(server, "create_cache", "many_copy", "prod", "SELECT n, filler FROM PROD.PUBLIC.MANY")
    told.ok(call, server, "refresh", "many_copy", force=True)
    sim.faults({"kind": "chunk_forbidden", "endpoint": "chunk", "count": 0})
    told.ok(call, server, "refresh", "many_copy", force=True)
    sim.faults()
    for function in ["list_sources", "list_caches", "status", "last_result"]:
        told.ok(call_all, server, function)
    for function in ["describe_cache", "cache_history"]:
        told.ok(call_all, server, function, "many_copy")
    told.ok(server.rows, "SELECT * FROM ducksync.sources")


def leaks(server, sim, told):
    """Where a secret shows."""
    password = server.admin_password()
    secrets = SECRETS | {"client's login": base64.b64encode(f"admin:{password}".encode()).decode()}
    for name in ["pkcs8.pem", "pkcs8_aes256.pem"]:
        lines = [line for line in (KEYS / name).read_text().splitlines() if not line.startswith("-")]
        secrets |= {f"line {at} of {name}": line for at, line in enumerate(lines) if len(line) > 20}
    for entry in sim.log():
        key = base64.b64encode(hashlib.sha256(entry["query_id"].encode()).digest()).decode()
        secrets[f"key of the chunks of {entry['query_id']}"] = key
    places = {"what clients were told": "\n".join(told.texts).encode()}
    for path in server.directory.rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            places[path.name] = path.read_bytes()
    assert any(name.endswith(".err") for name in places) and any(name.endswith(".out") for name in places)
    for place, content in places.items():
        for what, secret in secrets.items():
            if secret.encode() in content:
                yield f"{place} shows the {what}: {around(content, content.index(secret.encode()))}"
        for what, form in FORMS.items():
            if match := re.search(form.encode(), content):
                yield f"{place} shows a {what}: {around(content, match.start())}"


def around(content, at):
    return content[max(0, at - 200) : at + 100].decode(errors="replace")
