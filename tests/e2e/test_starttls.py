"""TLS that begins inside another protocol: PostgreSQL's SSLRequest, with the real psql and server."""

import signal
import subprocess

import pytest

from harness import net, postgres, proxy, servers, settings, tls, wait
from harness.postgres import CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST, STARTUP

NAME = "gateway.example.com"
TERMINATE = {"name": "starttls", "tls": "terminate", "starttls": "postgres", "pool": "app"}
PASS = {"name": "starttls", "tls": "passthrough", "starttls": "postgres", "pool": "app"}
PLAIN = {"name": "plain", "match": {"protocol": "postgres"}, "pool": "app"}


def ask(gate, *requests) -> net.Peer:
    """A connection whose requests are answered, N to a GSSENCRequest and S to an SSLRequest."""
    client = gate.connect()
    for request in requests or (SSL_REQUEST,):
        client.send(request)
        assert client.recv(1) == (b"S" if request == SSL_REQUEST else b"N")
    return client


# --- the real thing ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def database(authority):
    if postgres.programs() is None:
        (pytest.fail if settings.in_ci() else pytest.skip)("PostgreSQL is not installed")
    server = postgres.Postgres(authority.known("db.example.com"))
    yield server
    server.close()


WHO_IS_TLS = "select 40 + 2, ssl from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-full"])
def test_psql_through_terminate(start, database, authority, mode):
    gate = start([TERMINATE, PLAIN], {"app": database.address})
    status, out, err = database.psql(gate.port, WHO_IS_TLS, host=NAME, sslmode=mode, sslrootcert=authority.cert)
    assert (status, out) == (0, "42|f"), err
    line = gate.session(rule="plain" if mode == "disable" else "starttls")
    assert line["end"] in ("client_closed", "server_closed") and line["bytes_out"] > 0  # psql says goodbye, and both leave
    if mode == "disable":
        assert line["protocol"] == "postgres" and "tls" not in line
    else:
        assert (line["protocol"], line["tls"], line["sni"], line["tls_version"]) == ("tls", "terminate", NAME, "TLSv1.3")


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-full"])
def test_psql_through_passthrough_ends_at_the_servers_own_certificate(start, database, authority, mode):
    gate = start([PASS, PLAIN], {"app": database.address}, tls=None)
    status, out, err = database.psql(gate.port, WHO_IS_TLS, host="db.example.com", sslmode=mode,
                                     sslrootcert=authority.cert)
    assert (status, out) == (0, "42|f" if mode == "disable" else "42|t"), err
    line = gate.session(rule="plain" if mode == "disable" else "starttls")
    assert line.get("tls") == (None if mode == "disable" else "passthrough")
    assert line.get("sni") == (None if mode == "disable" else "db.example.com")


def test_psql_refuses_the_wrong_name(start, database, authority):
    gate = start([TERMINATE], {"app": database.address})
    status, _, err = database.psql(gate.port, "select 1", host="other.example.com", sslmode="verify-full",
                                   sslrootcert=authority.cert)
    assert status != 0 and "does not match host name" in err


def test_names_choose_between_terminate_and_passthrough(start, database, authority):
    rules = [{**PASS, "match": {"sni": "db.example.com"}}, {**TERMINATE, "name": "rest"}]
    gate = start(rules, {"app": database.address})
    for name, answer, rule in (("db.example.com", "42|t", "starttls"), (NAME, "42|f", "rest")):
        status, out, err = database.psql(gate.port, WHO_IS_TLS, host=name, sslmode="verify-full",
                                         sslrootcert=authority.cert)
        assert (status, out) == (0, answer), err
        assert gate.session(rule=rule)["sni"] == name


@pytest.mark.parametrize("rule", [TERMINATE, PASS], ids=["terminate", "passthrough"])
def test_a_query_is_cancelled_through_the_gate(start, database, rule):
    gate = start([rule, PLAIN], {"app": database.address})
    query = f"select pg_sleep({int(settings.seconds(30))})"
    psql = subprocess.Popen(database.psql_command(gate.port, query, sslmode="require"), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"LC_ALL": "C"})
    running = f"select count(*) from pg_stat_activity where query = '{query}' and state = 'active'"
    try:
        wait.until(lambda: database.psql(database.port, running)[1] == "1", "the query runs", 10, every=0.2)
        psql.send_signal(signal.SIGINT)
        _, err = psql.communicate(timeout=settings.seconds(10))
    finally:
        psql.kill()
        psql.communicate()
    assert b"canceling statement due to user request" in err
    assert gate.session(rule="plain")["protocol"] == "postgres"


def test_direct_tls_is_for_an_ordinary_rule(start, command):
    rules = [TERMINATE, {"name": "direct", "match": {"alpn": "postgresql"}, "tls": "terminate", "pool": "app"}]
    policy = {"alpn": ["postgresql"]}
    gate = start([rules[0], {**rules[1], "policy": policy}], {"app": servers.EchoServer()})
    status, out, err = command("openssl", "s_client", "-connect", f"{net.HOST}:{gate.port}", "-alpn", "postgresql",
                               "-quiet", "-no_ign_eof", data=b"")
    line = gate.session(rule="direct")
    assert (line["tls"], line["alpn"], line["protocol"]) == ("terminate", "postgresql", "tls"), (status, out, err)


def test_direct_tls_is_passed_by_its_name(start, authority, command):
    server = servers.TlsEchoServer(authority.known("db.example.com"), alpn=["postgresql"])
    gate = start([{**TERMINATE, "pool": "other"}, {"name": "direct", "match": {
        "sni": "db.example.com", "alpn": "postgresql"}, "tls": "passthrough", "pool": "db"}],
        {"db": server, "other": servers.Listener()})
    status, out, err = command("openssl", "s_client", "-connect", f"{net.HOST}:{gate.port}", "-alpn", "postgresql",
                               "-servername", "db.example.com", "-CAfile", authority.cert, "-verify_return_error",
                               "-verify_hostname", "db.example.com", "-quiet", "-no_ign_eof", data=b"")
    line = gate.session(rule="direct")
    assert (line["tls"], line["alpn"], line["sni"]) == ("passthrough", "postgresql", "db.example.com"), (out, err)
    assert status == 0 and server.count == 1, err


@pytest.mark.parametrize("inside_tls", [False, True], ids=["in clear", "inside TLS"])
def test_a_cancel_request_finds_its_server_by_hash_on_source(start, inside_tls):
    """It comes on a connection of its own: what the two have in common is where they come from."""
    pool = {"servers": [servers.NameServer(f"server {i}") for i in range(5)], "balance": "hash",
            "hash_on": "source"}
    gate = start([TERMINATE, PLAIN], {"app": pool})
    seen = set()
    for number in range(1, 13):
        source = f"127.0.0.{number}"
        session = gate.connect(source=source).send(SSL_REQUEST)
        assert session.recv(1) == b"S"
        name = tls.TlsPeer(session).send(STARTUP).recv_some()
        cancel = gate.connect(source=source)
        if inside_tls:
            assert cancel.send(SSL_REQUEST).recv(1) == b"S"
            cancel = tls.TlsPeer(cancel)
        assert cancel.send(CANCEL_REQUEST).recv_some() == name
        seen.add(name)
    assert len(seen) > 1


# --- asking ------------------------------------------------------------------------------------

def test_the_request_may_come_byte_by_byte(start):
    gate = start([TERMINATE, {"pool": "app"}], {"app": servers.EchoServer()})
    client = gate.connect().drip(SSL_REQUEST, pause=0.01)
    assert client.recv(1) == b"S"
    inner = tls.TlsPeer(client, cut=lambda data: [data[i:i + 7] for i in range(0, len(data), 7)])
    inner.echo(b"protected")
    inner.finish()
    inner.close()
    gate.ended(client, "client_closed", rule="starttls", bytes_in=9, bytes_out=9)


def test_a_gssenc_request_before_it_is_answered_no(start):
    gate = start([TERMINATE], {"app": servers.EchoServer()})
    tls.TlsPeer(ask(gate, GSSENC_REQUEST, SSL_REQUEST)).echo(b"protected")


def test_after_the_no_a_client_may_go_on_in_plain(start):
    server = servers.Listener()
    gate = start([TERMINATE, PLAIN], {"app": server})
    client = ask(gate, GSSENC_REQUEST).send(STARTUP)
    peer = server.accept()
    assert peer.recv(len(STARTUP)) == STARTUP
    client.finish()
    peer.expect_eof()
    peer.close()
    gate.ended(client, "client_closed", rule="plain", protocol="postgres", bytes_in=len(STARTUP), bytes_out=0)


def test_a_second_gssenc_request_is_plain(start):
    server = servers.Listener()
    gate = start([TERMINATE, PLAIN], {"app": server})
    ask(gate, GSSENC_REQUEST).send(GSSENC_REQUEST)
    assert server.accept().recv(8) == GSSENC_REQUEST


def test_plain_packets_are_plain_at_once(start):
    for packet in (STARTUP, CANCEL_REQUEST):
        server = servers.Listener()
        gate = start([TERMINATE, PLAIN], {"app": server})
        gate.connect().send(packet)
        assert server.accept().recv(len(packet)) == packet


def test_a_cancel_request_may_come_inside_tls(start):
    server = servers.Listener()
    gate = start([TERMINATE], {"app": server})
    client = tls.TlsPeer(ask(gate)).send(CANCEL_REQUEST)
    assert server.accept().recv(16) == CANCEL_REQUEST
    client.close()


def test_a_part_of_a_request_and_fin_is_plain(start):
    server = servers.Listener()
    gate = start([TERMINATE, {"name": "any", "pool": "app"}], {"app": server})
    gate.connect().send(SSL_REQUEST[:7]).finish()
    assert server.accept().recv_all() == SSL_REQUEST[:7]


@pytest.mark.parametrize("rule", [TERMINATE, PASS], ids=["terminate", "passthrough"])
def test_where_no_rule_could_match_the_request_is_plain(start, rule):
    server = servers.Listener()
    gate = start([{**rule, "match": {"source": "192.0.2.0/24"}}, PLAIN], {"app": server})
    client = gate.connect().send(SSL_REQUEST)
    peer = server.accept()
    assert peer.recv(8) == SSL_REQUEST
    peer.send(b"N")
    assert client.recv(1) == b"N"
    client.close()
    peer.close()
    assert gate.session(client)["rule"] == "plain"


def test_without_any_such_rule_the_request_is_plain(start):
    server = servers.Listener()
    gate = start([{"tls": "terminate", "pool": "app"}, {"pool": "app"}], {"app": server})
    gate.connect().send(SSL_REQUEST + tls.hello(NAME))
    assert server.accept().recv(8) == SSL_REQUEST


def test_nested_rules_see_the_protocol_inside(start):
    inner = [{"name": "inside", "match": {"protocol": "postgres"}, "pool": "app"}]
    server = servers.Listener()
    gate = start([{"tls": "terminate", "starttls": "postgres", "rules": inner}], {"app": server})
    client = tls.TlsPeer(ask(gate)).send(STARTUP)
    peer = server.accept()
    assert peer.recv(len(STARTUP)) == STARTUP
    client.close()
    peer.close()
    assert gate.session(client)["inner_protocol"] == "postgres"


# --- what is refused ---------------------------------------------------------------------------

@pytest.mark.parametrize("rule", [TERMINATE, PASS], ids=["terminate", "passthrough"])
@pytest.mark.parametrize("behind", [b"\x16", STARTUP, tls.hello(NAME)], ids=["a byte", "a packet", "the hello"])
@pytest.mark.parametrize("request_", [SSL_REQUEST, GSSENC_REQUEST], ids=["SSLRequest", "GSSENCRequest"])
def test_bytes_in_clear_behind_the_request_end_the_session(start, rule, behind, request_):
    server = servers.Listener()
    gate = start([rule, {"pool": "app"}], {"app": server})
    client = gate.connect().send(request_ + behind)
    client.expect_reset()
    name = "SSLRequest" if request_ == SSL_REQUEST else "GSSENCRequest"
    gate.ended(client, "handshake_failed", protocol="postgres", detail=f"bytes in clear behind the {name}")
    server.expect_nobody(0.1)


def test_a_hello_that_no_starttls_rule_takes_is_no_rule(start):
    rules = [{**TERMINATE, "match": {"sni": "db.example.com"}}, {"tls": "terminate", "pool": "app"}, {"pool": "app"}]
    server = servers.Listener()
    gate = start(rules, {"app": server})
    client = ask(gate).send(tls.hello("other.example.com"))
    client.expect_closed()
    gate.ended(client, "no_rule", protocol="tls", sni="other.example.com")
    server.expect_nobody(0.1)


def test_tls_from_the_first_byte_is_not_for_a_starttls_rule(start):
    gate = start([TERMINATE], {"app": servers.EchoServer()})
    client = gate.connect().send(tls.hello(NAME))
    client.expect_closed()
    gate.ended(client, "no_rule", protocol="tls")


def test_plain_bytes_after_the_s_are_refused(start):
    server = servers.Listener()
    gate = start([TERMINATE, {"pool": "app"}], {"app": server})
    client = ask(gate).send(STARTUP)
    client.expect_closed()
    gate.ended(client, "handshake_failed", detail="no ClientHello behind the request for TLS")
    server.expect_nobody(0.1)


def test_a_broken_hello_gets_an_alert(start):
    gate = start([TERMINATE], {"app": servers.EchoServer()})
    client = ask(gate).send(b"\x16\x03\x01\x00\x04\x01\x00\x00\x00")
    assert tls.read_alert(client) == 50
    client.expect_closed()
    gate.ended(client, "handshake_failed", protocol="tls")


@pytest.mark.parametrize("sent", [b"", tls.hello(NAME)[:3], tls.hello(NAME)[:50]], ids=["nothing", "three", "fifty"])
def test_request_and_hello_share_the_inspect_delay(start, sent):
    rules = [TERMINATE, {"match": {"silent": True}, "pool": "app"}, {"pool": "app"}]
    server = servers.Listener()
    gate = start(rules, {"app": server}, inspect_delay="400ms")
    client = ask(gate).send(sent)
    client.expect_closed()
    gate.ended(client, "inspect_timeout")
    server.expect_nobody(0.1)


def test_silence_after_the_no_is_not_a_silent_client(start):
    rules = [TERMINATE, {"match": {"silent": True}, "pool": "app"}]
    server = servers.Listener()
    gate = start(rules, {"app": server}, inspect_delay="300ms")
    client = ask(gate, GSSENC_REQUEST)
    client.expect_closed()
    gate.ended(client, "inspect_timeout")
    server.expect_nobody(0.1)


@pytest.mark.parametrize("sent", [b"", tls.hello(NAME)[:3], tls.hello(NAME)[:50]], ids=["nothing", "three", "fifty"])
def test_a_client_that_leaves_after_the_s_has_closed(start, sent):
    gate = start([TERMINATE, {"pool": "app"}], {"app": servers.EchoServer()})
    client = ask(gate).send(sent).finish()
    client.expect_closed()
    gate.ended(client, "client_closed")


# --- passing through ---------------------------------------------------------------------------

@pytest.mark.parametrize("header", ["off", "v1"])
def test_the_server_is_asked_first_and_then_gets_the_very_hello(start, header):
    server = servers.Listener()
    gate = start([PASS], {"app": {"servers": [server], "proxy_protocol": header}}, tls=None)
    hello = tls.hello("db.example.com", padding=3000)
    client = ask(gate).send(hello)
    peer = server.accept()
    if header == "v1":
        assert peer.recv_until(b"\r\n").startswith(b"PROXY TCP4 127.0.0.1 ")
    assert peer.recv(8) == SSL_REQUEST
    peer.expect_silence(0.1)
    peer.send(b"S")
    assert peer.recv(len(hello)) == hello
    peer.send(b"from the server").close()
    assert client.recv_all() == b"from the server"
    client.close()
    gate.ended(client, "server_closed", rule="starttls", tls="passthrough", bytes_in=len(hello), bytes_out=15)


@pytest.mark.parametrize("answer, detail", [
    (b"N", "it does not do TLS"),
    (b"E\x00\x00\x00\x05\x00", "its answer to SSLRequest is neither S nor N"),
    (b"\x16", "its answer to SSLRequest is neither S nor N"),
    (b"SS", "bytes in clear behind its answer"),
    (b"S" + bytes(300), "bytes in clear behind its answer"),
    (b"S" + bytes(5000), "bytes in clear behind its answer"),
    (b"", "it closed the connection before TLS was agreed"),
], ids=lambda value: repr(value[:12]))
def test_a_server_that_does_not_agree_gets_nothing(start, answer, detail):
    server = servers.Listener()
    gate = start([PASS], {"app": {"servers": [server], "connect_retries": 0}}, tls=None)
    client = ask(gate).send(tls.hello("db.example.com"))
    peer = server.accept()
    assert peer.recv(8) == SSL_REQUEST
    peer.send(answer) if answer else peer.finish()
    peer.expect_closed()
    client.expect_reset()
    gate.ended(client, "connect_failed", detail=f"{server.address}: {detail}", bytes_in=0)


def test_a_server_that_says_nothing_is_given_up_in_time(start):
    server = servers.Listener()
    gate = start([PASS], {"app": {"servers": [server], "connect_timeout": "300ms", "connect_retries": 0}}, tls=None)
    client = ask(gate).send(tls.hello("db.example.com"))
    client.expect_reset()
    gate.ended(client, "connect_failed", detail=f"{server.address}: no answer about TLS in time")


@pytest.mark.tsan
@pytest.mark.parametrize("header", ["off", "v2"])
@pytest.mark.parametrize("fault", ["refuses", "closes", "hangs", "says too much"])
def test_another_server_is_asked_and_gets_the_very_hello(start, fault, header):
    bad, good = servers.Listener(), servers.Listener()
    patience = "2s" if fault == "hangs" else "10s"
    gate = start([PASS], {"app": {"servers": [bad, good], "connect_timeout": patience, "proxy_protocol": header}}, tls=None)
    hello = tls.hello("db.example.com")
    client = ask(gate).send(hello)
    peer = bad.accept()
    first = proxy.read(peer) if header != "off" else None
    assert peer.recv(8) == SSL_REQUEST
    if fault == "refuses":
        peer.send(b"N")
    elif fault == "says too much":
        peer.send(b"Sx")
    elif fault == "closes":
        peer.finish()
    second = good.accept()
    if header != "off":
        assert proxy.read(second) == first
    assert second.recv(8) == SSL_REQUEST
    second.send(b"S")
    assert second.recv(len(hello)) == hello
    second.send(b"answer")
    assert client.recv(6) == b"answer"
    second.close()
    client.recv_all()
    client.close()
    line = gate.session(client)
    assert line["server"] == good.address and "detail" not in line and line["bytes_in"] == len(hello)


def test_a_server_that_never_agrees_is_down_in_the_end(start):
    server = servers.Listener()
    check = {"interval": "1h", "fall": 2}
    gate = start([PASS], {"app": {"servers": [server], "connect_retries": 0, "health_check": check}}, tls=None)
    server.accept().recv_all()  # the check
    for _ in range(2):
        client = ask(gate).send(tls.hello("db.example.com"))
        server.accept().send(b"N")
        client.expect_reset()
    assert 'reason="starttls: it does not do TLS"' in gate.event("server.down")


def test_a_passthrough_rule_may_reject_by_name(start):
    rules = [{"match": {"sni": "db.example.com"}, "tls": "passthrough", "starttls": "postgres", "reject": True}]
    gate = start(rules, {"app": servers.EchoServer()}, tls=None)
    client = ask(gate).send(tls.hello("db.example.com"))
    client.expect_reset()
    gate.ended(client, "rejected")
