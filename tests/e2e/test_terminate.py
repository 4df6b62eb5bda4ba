"""TLS ended at the gateway: versions, certificates by name, ALPN, and handshakes that fail."""

import signal
import ssl
import subprocess
import time

import pytest

from harness import certs, fix, openssl, servers, settings, tls, wait


def secure(gate, name="gateway.example.com", source=None, **context):
    return tls.TlsPeer(gate.connect(source=source), tls.client_context(**context), name=name)


def test_the_certificate_is_chosen_by_name_and_the_first_is_the_default(start, authority):
    first, second, wild = (authority.known(name) for name in ("one.example.com", "two.example.com", "*.wild.example.com"))
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [first, second, wild]})
    for name, expected in (("one.example.com", first), ("two.example.com", second), ("TWO.example.com", second),
                           ("two.example.com.", second), ("a.wild.example.com", wild), ("a.b.wild.example.com", first),
                           ("wild.example.com", first), ("unknown.example.com", first), (None, first)):
        client = secure(gate, name)
        assert client.certificate() == expected.der(), name
        client.echo(b"x")


def test_the_served_chain_is_one_that_a_client_accepts(start, authority):
    gate = start(pools={"app": servers.EchoServer()})
    context = tls.client_context(authority.cert)
    context.check_hostname = True
    tls.TlsPeer(gate.connect(), context, name="gateway.example.com").echo(b"verified")


@pytest.mark.parametrize("name", ["nobody.example.org", None])
def test_strict_sni_refuses_a_missing_or_unknown_name(start, pair, name):
    server = servers.Listener()
    gate = start(pools={"app": server}, tls={"certificates": [pair], "strict_sni": True})
    secure_client = gate.connect()
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        tls.TlsPeer(secure_client, name=name)
    secure_client.close()
    gate.ended(secure_client, "handshake_failed")
    server.expect_nobody(0.1)


def test_rsa_and_ecdsa_side_by_side_for_one_name(start, authority):
    rsa, ec = (authority.known("both.example.com", kind=kind) for kind in ("rsa", "ec"))
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [rsa, ec]})
    old = ssl.TLSVersion.TLSv1_2
    assert secure(gate, "both.example.com", version=old, ciphers="ECDHE-RSA-AES128-GCM-SHA256").certificate() == rsa.der()
    assert secure(gate, "both.example.com", version=old, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256").certificate() == ec.der()


def test_an_ed25519_certificate_is_served(start, authority):
    ed = authority.known("ed.example.com", kind="ed25519")
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [ed]})
    assert secure(gate, "ed.example.com").certificate() == ed.der()


def test_alpn_is_negotiated_in_our_order(start, pair):
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [pair], "alpn": ["h2", "http/1.1"]})
    for offered, chosen in ((["http/1.1", "h2"], "h2"), (["x", "http/1.1"], "http/1.1"), (None, None)):
        client = secure(gate, alpn=offered)
        assert client.alpn() == chosen
        client.echo(b"x")
        client.close()
        assert gate.session(client).get("alpn") == chosen


def test_alpn_offers_that_share_none_are_refused(start, pair):
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [pair], "alpn": ["h2"]})
    peer = gate.connect()
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        tls.TlsPeer(peer, tls.client_context(alpn=["fix"]), name="gateway.example.com")
    peer.close()
    gate.ended(peer, "handshake_failed")


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302])
def test_a_client_older_than_tls12_is_refused_with_a_reason(start, version):
    server = servers.Listener()
    gate = start(pools={"app": server})
    client = gate.connect().send(tls.hello("gateway.example.com", version=version, versions=()))
    assert tls.read_alert(client) in (70, 40)
    client.close()
    assert gate.ended(client, "handshake_failed")["detail"]
    server.expect_nobody(0.1)


def test_versions_and_ciphers_of_the_policy_hold(start, pair):
    gate = start(pools={"app": servers.EchoServer()},
                 tls={"certificates": [pair], "max_version": "1.2", "ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"})
    client = secure(gate)
    assert client.version() == "TLSv1.2"
    client.echo(b"x")
    client.close()
    assert gate.session(client)["tls_cipher"] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    with pytest.raises(ssl.SSLError):
        secure(gate, version=ssl.TLSVersion.TLSv1_3)


def test_a_rule_may_change_the_policy_for_its_names(start, pair, authority):
    special = authority.known("special.example.com")
    gate = start([{"match": {"sni": "special.example.com"}, "tls": "terminate",
                   "policy": {"certificates": [special], "min_version": "1.3"}, "pool": "app"},
                  {"tls": "terminate", "pool": "app"}], {"app": servers.EchoServer()},
                 tls={"certificates": [pair], "alpn": ["h2"]})
    client = secure(gate, "special.example.com", alpn=["h2"])
    assert (client.certificate(), client.alpn()) == (special.der(), "h2")
    assert secure(gate, "gateway.example.com").certificate() == pair.der()
    with pytest.raises(ssl.SSLError):
        secure(gate, "special.example.com", version=ssl.TLSVersion.TLSv1_2)
    assert secure(gate, "gateway.example.com", version=ssl.TLSVersion.TLSv1_2).version() == "TLSv1.2"


def test_a_record_split_hello_does_not_fall_to_a_weaker_policy(start, pair, authority):
    strict = authority.known("strict.example.com")
    gate = start([{"match": {"sni": "strict.example.com"}, "tls": "terminate", "policy": {"min_version": "1.3"},
                   "pool": "app"}, {"tls": "terminate", "pool": "app"}], {"app": servers.EchoServer()},
                 tls={"certificates": [pair, strict]})
    with pytest.raises(ssl.SSLError):
        tls.TlsPeer(gate.connect(), tls.client_context(version=ssl.TLSVersion.TLSv1_2), name="strict.example.com",
                    cut=lambda flight: [tls.split_records(flight, 7)])


def test_a_session_is_resumed_by_its_ticket(start):
    gate = start(pools={"app": servers.EchoServer()})
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = tls.client_context(version=version)
        client = tls.TlsPeer(gate.connect(), context, name="gateway.example.com")
        client.echo(b"first")
        session = client.tls.session
        client.finish().close()
        assert gate.session(client)["tls_resumed"] is False
        client = tls.TlsPeer(gate.connect(), context, name="gateway.example.com", session=session)
        assert client.tls.session_reused
        client.echo(b"again")
        client.close()
        assert gate.session(client)["tls_resumed"] is True


def test_a_stalled_handshake_is_handshake_timeout(start):
    server = servers.Listener()
    gate = start(pools={"app": server}, timeouts={"handshake": "500ms"})
    client = gate.connect().send(tls.hello("gateway.example.com", versions=()))
    client.recv(5)
    watch = wait.Stopwatch()
    try:
        client.recv_all()
    except ConnectionResetError:
        pass
    assert 0.2 < watch.elapsed() < settings.seconds(3)
    line = gate.ended(client, "handshake_timeout", sni="gateway.example.com")
    assert "server" not in line
    server.expect_nobody(0.1)


def test_the_handshake_has_its_own_time_after_a_slow_hello(start):
    gate = start(pools={"app": servers.EchoServer()}, inspect_delay="1s", timeouts={"handshake": "10s"})

    def slowly(flight):
        yield flight[:50]
        time.sleep(0.3)
        yield flight[50:]
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com", cut=slowly)
    time.sleep(1.0)  # past the inspect delay
    client.echo(b"the inspect deadline is gone")


def test_a_client_that_finishes_in_the_handshake_is_client_closed(start):
    server = servers.Listener()
    gate = start(pools={"app": server})
    client = gate.connect().send(tls.hello("gateway.example.com", versions=())).finish()
    try:
        client.recv_all()
    except ConnectionResetError:
        pass
    assert gate.session(client)["end"] in ("client_closed", "handshake_failed")
    server.expect_nobody(0.1)


def test_a_client_that_resets_in_the_handshake_is_client_reset(start):
    server = servers.Listener()
    gate = start(pools={"app": server})
    client = gate.connect().send(tls.hello("gateway.example.com", versions=()))
    client.recv(5)
    client.reset()
    gate.ended(client, "client_reset")
    server.expect_nobody(0.1)


def test_garbage_in_the_handshake_is_handshake_failed_with_a_reason(start):
    server = servers.Listener()
    gate = start(pools={"app": server})
    client = gate.connect().send(tls.hello("gateway.example.com", versions=()) + b"\x17\x03\x03\x00\x04junk")
    try:
        client.recv_all()
    except ConnectionResetError:
        pass
    assert gate.ended(client, "handshake_failed")["detail"]
    server.expect_nobody(0.1)


def test_a_client_that_refuses_the_certificate_shows_its_alert_in_the_log(start, authority, tmp_path):
    other = certs.Authority(tmp_path / "other")
    gate = start(pools={"app": servers.Listener()})
    peer = gate.connect()
    with pytest.raises(ssl.SSLCertVerificationError):
        tls.TlsPeer(peer, tls.client_context(other.cert), name="gateway.example.com")
    peer.close()
    line = gate.session(peer)
    assert line["end"] == "handshake_failed" and "unknown ca" in line["detail"].lower()


def test_the_log_knows_the_facts_of_the_handshake(start):
    gate = start(pools={"app": servers.EchoServer()})
    client = secure(gate)
    client.echo(b"x" * 100)
    client.finish().close()
    line = gate.session(client)
    assert line["tls_cipher"] == client.tls.cipher()[0]
    assert line["tls_version"] == client.version()
    assert 0 < line["handshake_ms"] < 10_000
    assert (line["bytes_in"], line["bytes_out"]) == (100, 100)


@pytest.mark.parametrize("option, version", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_openssl_s_client_gets_its_echo(start, authority, need, command, option, version):
    gate = start(pools={"app": servers.FixServer()})
    status, out, err = command(need("openssl"), "s_client", "-connect", f"127.0.0.1:{gate.port}", option, "-servername",
                               "gateway.example.com", "-CAfile", authority.cert, "-verify_return_error", "-quiet",
                               data=fix.logon("OPENSSL") + fix.message("5", "OPENSSL", "VENUE", 2))
    line = gate.session(tls_version=version)
    assert line["protocol"] == "tls" and line["inner_protocol"] == "fix", err
    assert b"35=A" in out, err


def test_curl_speaks_https_to_a_plain_web_server_behind_the_gateway(start, authority, need, command, tmp_path):
    gate = start(pools={"app": servers.HttpServer()})
    status, out, err = command(need("curl"), "-sS", "--cacert", authority.cert, "--resolve",
                               f"gateway.example.com:{gate.port}:127.0.0.1", f"https://gateway.example.com:{gate.port}/")
    assert (status, out) == (0, b"hello\n"), err
    status, out, err = command(need("curl"), "-sS", f"http://127.0.0.1:{gate.port}/")
    assert (status, out) == (0, b"hello\n"), err
    assert gate.session(protocol="http", seconds=3)


def test_handshakes_of_many_clients_at_once(start):
    gate = start(pools={"app": servers.EchoServer()})
    peers = [gate.connect() for _ in range(40)]
    ends = [tls.TlsPeer(peer, name="gateway.example.com", handshake=False) for peer in peers]
    for end in ends:  # every hello is out before the first answer is read
        try:
            end.tls.do_handshake()
        except ssl.SSLWantReadError:
            end.peer.send(end.outgoing.read())
    for number, end in enumerate(ends):
        end.handshake()
        end.echo(b"%d" % number)


def test_a_ticket_of_one_policy_does_not_resume_under_another(start, pair, authority):
    other = authority.known("strict.example.com")
    gate = start([{"match": {"sni": "strict.example.com"}, "tls": "terminate",
                   "policy": {"certificates": [other], "ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384"}, "pool": "app"},
                  {"tls": "terminate", "pool": "app"}], {"app": servers.EchoServer()}, tls={"certificates": [pair]})
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = tls.client_context(version=version)
        client = tls.TlsPeer(gate.connect(), context, name="gateway.example.com")
        client.echo(b"lax")
        session = client.tls.session
        client.finish().close()
        try:
            client = tls.TlsPeer(gate.connect(), context, name="strict.example.com", session=session)
        except ssl.SSLError:
            continue  # refused altogether is as good
        assert not client.tls.session_reused
        assert client.certificate() == other.der()


def test_a_hello_retry_request_is_survived(start, pair):
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [pair], "groups": "P-384"})
    for size in (0, 9):  # the second hello in tiny records, too
        client = tls.TlsPeer(gate.connect(), tls.client_context(version=ssl.TLSVersion.TLSv1_3),
                             name="gateway.example.com",
                             cut=(lambda flight: [tls.split_records(flight, size)]) if size else None)
        client.echo(b"after a retry")


def test_key_updates_are_survived(start, need):
    gate = start(pools={"app": servers.EchoServer()})
    client = openssl.SClient(need("openssl"), gate.port, "-tls1_3")
    client.say(b"before")
    client.hears("before")
    for number, letter in enumerate((b"k", b"K", b"K", b"k"), 1):
        client.say(letter)
        client.hears("KEYUPDATE", number)  # a line of its own: s_client takes commands only so
        client.say(b"after %d" % number)
        client.hears("after %d" % number)


def test_renegotiation_is_refused(start, need):
    gate = start(pools={"app": servers.EchoServer()})
    client = openssl.SClient(need("openssl"), gate.port, "-tls1_2")
    client.say(b"before")
    client.hears("before")
    client.say(b"R")
    client.hears("RENEGOTIATING")
    # It may end the session or go on without; it must not do a second handshake.
    wait.until(lambda: client.process.poll() is not None or any("alert" in line or "no renegotiation" in line
                                                                for line in client.lines.items), "a refusal", 10)
    client.close()
    line = gate.session(seconds=5)
    assert line["tls_version"] == "TLSv1.2" and line["end"] != "internal"


def last_flight(client: tls.TlsPeer) -> bytes:
    """The handshake but for what the client says last."""
    while True:
        try:
            client.tls.do_handshake()
            return client.outgoing.read()
        except ssl.SSLWantReadError:
            client._flush()
            client._feed()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.0\r\n\r\n"])
def test_a_reset_right_behind_the_handshake_stays_a_reset(start, nested, words):
    server = servers.Listener()
    inner = {"rules": [{"pool": "app"}]} if nested else {"pool": "app"}
    gate = start([{"tls": "terminate"} | inner], {"app": server}, inspect_delay="200ms")
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com", handshake=False)
    flight = last_flight(client)
    gate.signal(signal.SIGSTOP)  # flight and reset are there before it looks
    try:
        if words:
            client.tls.write(words)
        client.peer.send(flight + client.outgoing.read())
        client.reset()
    finally:
        gate.signal(signal.SIGCONT)
    gate.ended(client, "client_reset")
    if not nested or words:
        server.accept().expect_reset()
