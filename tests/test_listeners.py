"""`ducksync_serve` and `ducksync_stop` open and close listeners while the server runs (C-4)."""

import datetime
import ipaddress
import json
import re
from urllib.parse import urlsplit

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pyarrow.flight
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from harness.prod import call, call_sql, execute
from harness.waiting import accepts_connections, free_port, wait_until

LOOPBACK = "grpc://127.0.0.1:0"
TOKEN = "a-token-of-our-own-choice"
#: More than every buffer on the way holds.
MANY = 20_000_000
LISTENING = "listening on "


@pytest.fixture
def server(spawn_server):
    return spawn_server()


def serve(server, uri=LOOPBACK, **options):
    """Opens a listener; where it is."""
    status = call(server, "serve", uri, **options)["status"]
    assert status.startswith(LISTENING), status
    return status.removeprefix(LISTENING)


def stop(server, url):
    assert call(server, "stop", url) == {"status": "OK"}


def port(url):
    return urlsplit(url).port


def login(server):
    return {"username": "admin", "password": server.admin_password()}


def bearer(token=TOKEN):
    return {"adbc.flight.sql.authorization_header": f"Bearer {token}"}


def rows(url, credentials, sql="SELECT 42"):
    with flightsql.connect(url, db_kwargs=credentials, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def refusal(function, *arguments, **named):
    with pytest.raises(adbc_driver_manager.Error) as caught:
        function(*arguments, **named)
    return caught.value


def users(server, **grants):
    """A file of logins whose password is their name."""
    text = "".join(f'[users.{name}]\npassword = "{name}"\n' for name in grants)
    lists = "".join(f"{name} = {json.dumps(list(given))}\n" for name, given in grants.items())
    file = server.directory / "users.toml"
    file.write_text(f"{text}[grants]\n{lists}")
    return str(file)


def test_c4_a_listener_answers_beside_the_configured_one_until_it_is_stopped(server):
    execute(server, "CREATE TABLE main.t AS SELECT 7 AS a")
    url = serve(server)
    assert port(url) not in (0, port(server.url))
    assert rows(url, login(server), "SELECT a FROM main.t") == [(7,)]
    assert serve(server, url) == url, "the same again does nothing"
    stop(server, url)
    assert not accepts_connections(port(url)), "closed by the time the call answers"
    assert server.rows("SELECT 42") == [(42,)]
    assert serve(server, url) == url, "and may be opened again"
    assert rows(url, login(server)) == [(42,)]


def test_g1_serve_and_stop_are_actions_too(server):
    client = pyarrow.flight.FlightClient(server.url)
    options = pyarrow.flight.FlightCallOptions(
        headers=[client.authenticate_basic_token("admin", server.admin_password())]
    )

    def act(name, **arguments):
        action = pyarrow.flight.Action(f"ducksync.{name}", json.dumps(arguments).encode())
        (result,) = client.do_action(action, options)
        return json.loads(result.body.to_pybytes())

    url = act("serve", listenUri=LOOPBACK, token=TOKEN)["status"].removeprefix(LISTENING)
    assert rows(url, bearer()) == [(42,)]
    assert act("stop", listenUri=url) == {"status": "OK"}
    assert not accepts_connections(port(url))


def test_c4_the_token_stands_for_who_opened_the_listener_there_and_nowhere_else(spawn_server):
    server = spawn_server(start=False)
    admins = dict.fromkeys(["ana", "cat"], ["admin on server"])
    server.config["auth.users_file"] = users(server, ben=["select on schema main"], **admins)
    server.config["logs.level"] = "trace"
    server.start()
    ana, ben, cat = ({"username": name, "password": name} for name in ("ana", "ben", "cat"))
    rows(server.url, ana, "CREATE TABLE main.t AS SELECT 7 AS a")
    opened = rows(server.url, ana, call_sql("serve", LOOPBACK, TOKEN))
    url = opened[0][0].removeprefix(LISTENING)
    assert rows(url, bearer(), "SELECT a FROM main.t") == [(7,)]
    assert rows(url, ben, "SELECT a FROM main.t") == [(7,)], "logins work beside it"
    for where, token in [(url, TOKEN + "!"), (url, TOKEN[:-1]), (server.url, TOKEN)]:
        assert "credentials are not valid" in str(refusal(rows, where, bearer(token)))
    assert rows(server.url, ana, call_sql("serve", url, TOKEN)) == opened
    for who, token in [(ana, None), (ana, TOKEN + "!"), (cat, TOKEN)]:
        error = refusal(rows, server.url, who, call_sql("serve", url, token))
        assert "is served with another token" in str(error)
    assert rows(url, bearer(), call_sql("serve", url, TOKEN)) == opened, "the token's owner is its opener"
    assert rows(server.url, cat, call_sql("stop", url)) == [("OK",)]
    assert "listening on another address" in server.log() and TOKEN[:-1] not in server.log()


def test_c4_serve_and_stop_are_for_administrators(spawn_server):
    server = spawn_server(start=False)
    server.config["auth.users_file"] = users(server, ana=["manage on server"], eve=["admin on server"])
    server.start()
    ana, eve = ({"username": name, "password": name} for name in ("ana", "eve"))
    ((status,),) = rows(server.url, eve, call_sql("serve", LOOPBACK))
    url = status.removeprefix(LISTENING)
    for sql in [call_sql("serve", LOOPBACK), call_sql("stop", url)]:
        assert "ana lacks the privilege admin on this server" in str(refusal(rows, url, ana, sql))
    assert accepts_connections(port(url))


@pytest.mark.parametrize(
    "uri, options, word",
    [
        ("quack:127.0.0.1:1", {}, "quack: is not served"),
        ("http://127.0.0.1:1", {}, "listen_uri.*scheme"),
        ("127.0.0.1:1", {}, "listen_uri.*scheme"),
        ("grpc://127.0.0.1", {}, "listen_uri.*no port"),
        ("grpc://127.0.0.1:99999", {}, "listen_uri.*port"),
        ("grpc://127.0.0.1:1/path", {}, "listen_uri.*behind the port"),
        ("grpc://ana:hunter2@127.0.0.1:1", {}, "listen_uri.*names a user"),
        ("grpc://no host:1", {}, "listen_uri.*host"),
        ("grpc://:1", {}, "listen_uri.*host"),
        ("grpc://0.0.0.0:0", {}, "allow_other_hostname := true"),
        ("grpc://0.0.0.0:0", {"disable_ssl": True}, "allow_other_hostname := true"),
        ("grpc://0.0.0.0:0", {"allow_other_hostname": True}, "disable_ssl := true"),
        ("grpc+tls://127.0.0.1:0", {}, "flight.tls_cert and flight.tls_key_file"),
        (LOOPBACK, {"token": "fifteen-or-less"}, "token must have 16 to"),
        (LOOPBACK, {"token": "with spaces in the middle"}, "token must have 16 to"),
        ("grpc://192.0.2.1:0", {"allow_other_hostname": True, "disable_ssl": True}, "192.0.2.1.*listen_uri"),
    ],
)
def test_c4_what_cannot_be_listened_on_is_refused(server, uri, options, word):
    error = str(refusal(serve, server, uri, **options))
    assert re.search(word, error), error
    assert "hunter2" not in error and "fifteen" not in error and "with spaces" not in error
    assert "nor is any other address" in str(refusal(stop, server, "grpc://127.0.0.1:1"))


def test_c4_others_are_let_in_where_both_are_allowed(server):
    url = serve(server, "grpc://0.0.0.0:0", allow_other_hostname=True, disable_ssl=True)
    assert rows(url, login(server)) == [(42,)]
    stop(server, url)


def test_c4_addresses_that_are_taken_or_unknown_are_named(server):
    assert "address in use" in str(refusal(serve, server, f"grpc://127.0.0.1:{server.admin_port}"))
    assert "flight.listen" in str(refusal(serve, server, server.url))
    assert "is served by the configuration" in str(refusal(stop, server, server.url))
    url = serve(server)
    unknown = refusal(stop, server, f"grpc://127.0.0.1:{free_port()}")
    assert isinstance(unknown, adbc_driver_manager.ProgrammingError) and url in str(unknown)
    assert rows(url, login(server)) == [(42,)]


def test_c4_listeners_are_bounded(server):
    urls = [serve(server) for _ in range(16)]
    assert len(set(urls)) == 16
    assert "there are 16 listeners" in str(refusal(serve, server))
    stop(server, urls[0])

    def opened():
        try:
            return serve(server)
        except adbc_driver_manager.Error:
            return None

    wait_until(opened, "the place of the stopped one is free")


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1 that it signed itself, and its key: two files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ducksync")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    files = tmp_path / "server.pem", tmp_path / "server.key"
    files[0].write_bytes(signed.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_c4_tls_uses_the_configured_certificate(spawn_server, certificate):
    file, key = certificate
    server = spawn_server(config_overrides={"flight.tls_cert": str(file), "flight.tls_key_file": str(key)})
    url = serve(server, "grpc+tls://127.0.0.1:0", token=TOKEN)
    assert url.startswith("grpc+tls://127.0.0.1:")
    trusting = bearer() | {"adbc.flight.sql.client_option.tls_root_certs": file.read_text()}
    assert rows(url, trusting) == [(42,)]
    refusal(rows, url, bearer())
    refusal(rows, url.replace("grpc+tls", "grpc"), bearer())
    stop(server, url)
    key.write_text("no key")
    assert "tls_key_file" in str(refusal(serve, server, url))


def test_c4_a_stream_in_flight_ends_whole_after_stop(server):
    url = serve(server)
    with flightsql.connect(url, db_kwargs=login(server), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT range FROM range({MANY})")
        batches = cursor.fetch_record_batch()
        count = batches.read_next_batch().num_rows
        stop(server, url)
        assert not accepts_connections(port(url))
        count += sum(batch.num_rows for batch in batches)
    assert count == MANY


def test_c4_a_stream_without_end_is_cut_off_after_the_drain_time(spawn_server):
    server = spawn_server(config_overrides={"service.drain": "2s"})
    url = serve(server)
    with flightsql.connect(url, db_kwargs=login(server), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT range FROM range(1000000000000)")
        batches = cursor.fetch_record_batch()
        batches.read_next_batch()
        stop(server, url)
        wait_until(lambda: "are cut off" in server.log(), "the drain time is over", 10)
        with pytest.raises(Exception, match="(?i)unavailable|closed|reset|aborted"):
            wait_until(lambda: batches.read_next_batch() is None, "the stream breaks", 20, every=0)
        # The driver says goodbye to its statement, and wants to be heard.
        assert serve(server, url) == url
    assert server.rows("SELECT 42") == [(42,)]


def test_c4_a_listener_may_be_stopped_through_itself(server):
    url = serve(server, token=TOKEN)
    assert rows(url, bearer(), call_sql("stop", url)) == [("OK",)]
    assert not accepts_connections(port(url))


def test_c4_listeners_end_with_the_server(server):
    url = serve(server)
    with flightsql.connect(url, db_kwargs=login(server), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 42")
        assert cursor.fetchall() == [(42,)]
        assert server.stop() == 0
        assert not accepts_connections(port(url))
        server.start()
        assert not accepts_connections(port(url)), "and do not come back with it"
        assert "nor is any other address" in str(refusal(stop, server, url))
        # The driver says goodbye to its statement, and wants to be heard.
        assert serve(server, url) == url
