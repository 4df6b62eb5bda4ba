"""PROXY protocol in and out, versions 1 and 2."""

import struct

import pytest

from harness import net, proxy, servers, tls, wait

PLAIN = [{"pool": "app"}]
RULES = [{"match": {"sni": "passed.example.com"}, "tls": "passthrough", "pool": "app"},
         {"tls": "terminate", "pool": "app"}, {"pool": "app"}]
TRUSTED = ["127.0.0.1/32", "::1"]


def from_address(text):
    return lambda line: line["client"] == text


# --- out ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("kind", ["plain", "terminate", "passthrough"])
def test_the_header_to_the_server_is_exact_and_comes_first(start, version, kind):
    server = servers.Listener()
    gate = start(RULES, {"app": {"servers": [server], "proxy_protocol": version}})
    client = gate.connect()
    payload = b"the payload"
    if kind == "terminate":
        tls.TlsPeer(client, name="gateway.example.com").send(payload)
    else:
        payload = payload if kind == "plain" else tls.hello("passed.example.com")
        client.send(payload)
    peer = server.accept()
    host, port = proxy.split(client.name)
    make = proxy.v1 if version == "v1" else proxy.v2
    expected = make(host, port, net.HOST, gate.port)
    assert peer.recv(len(expected) + len(payload)) == expected + payload


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_header_of_an_ipv6_client(start, version):
    server = servers.Listener()
    gate = start(PLAIN, {"app": {"servers": [server], "proxy_protocol": version}}, tls=None, bind="*:@combined")
    for host in ("::1", "127.0.0.1"):
        client = gate.connect(host=host).send(b"x")
        peer = server.accept()
        read = proxy.read(peer)
        assert (read["source"], read["target"]) == (proxy.split(client.name), (host, gate.port))
        assert peer.recv(1) == b"x"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_server_that_speaks_first_still_gets_the_header(start, version):
    server = servers.Listener()
    gate = start(PLAIN, {"app": {"servers": [server], "proxy_protocol": version}}, tls=None, inspect_delay="100ms")
    client = gate.connect()
    peer = server.accept()
    assert proxy.read(peer)["source"] == proxy.split(client.name)
    peer.send(b"welcome")
    assert client.recv(7) == b"welcome"


def test_bytes_in_and_out_do_not_count_the_header(start):
    server = servers.Listener()
    gate = start(PLAIN, {"app": {"servers": [server], "proxy_protocol": "v2"}}, tls=None)
    client = gate.connect().send(b"four").finish()
    peer = server.accept()
    proxy.read(peer)
    assert peer.recv_all() == b"four"
    peer.send(b"sixsix").close()
    assert client.recv_all() == b"sixsix"
    gate.ended(client, "client_closed", bytes_in=4, bytes_out=6)


@pytest.mark.parametrize("version, expected", [("v2", proxy.v2(command=0)), ("v1", b"PROXY UNKNOWN\r\n")])
def test_health_checks_begin_with_a_header_for_nobody(start, version, expected):
    server = servers.Listener()
    start(PLAIN, {"app": {"servers": [server], "proxy_protocol": version,
                          "health_check": {"interval": "100ms"}}}, tls=None)
    peer = server.accept()
    assert peer.recv_all() == expected


def test_a_retry_sends_the_header_again(start):
    good = servers.Listener()
    gate = start(PLAIN, {"app": {"servers": [f"{net.HOST}:{net.free_port()}", good], "proxy_protocol": "v1"}}, tls=None)
    for _ in range(2):
        client = gate.connect().send(b"payload")
        peer = good.accept()
        assert proxy.read(peer)["source"] == proxy.split(client.name)
        assert peer.recv(7) == b"payload"


# --- in ----------------------------------------------------------------------------------------

SOURCE, TARGET = ("203.0.113.7", 4711), ("198.51.100.1", 9018)
SIX = ("2001:db8::7", 4711), ("2001:db8::1", 9018)
WHOLE = {
    "v1": proxy.v1(*SOURCE, *TARGET),
    "v2": proxy.v2(*SOURCE, *TARGET),
    "v2 with TLVs": proxy.v2(*SOURCE, *TARGET, tlvs=proxy.tlv(5, b"unique") + proxy.tlv(0xE0, bytes(500))),
}


@pytest.mark.parametrize("header", WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("pieces", [0, 1, 7], ids=["with the payload", "byte by byte", "in pieces of 7"])
@pytest.mark.parametrize("kind", ["plain", "terminate", "passthrough"])
def test_a_trusted_header_gives_the_client_its_address(start, header, pieces, kind):
    server = servers.Listener()
    gate = start(RULES, {"app": server}, accept_proxy=TRUSTED)
    client = gate.connect()
    if kind == "terminate":
        def cut(flight):
            whole = header + flight
            return [whole[i:i + (pieces or len(whole))] for i in range(0, len(whole), pieces or len(whole))]
        tls.TlsPeer(client, name="gateway.example.com", cut=cut).send(b"payload")
        payload = b"payload"
    else:
        payload = b"payload" if kind == "plain" else tls.hello("passed.example.com")
        client.drip(header + payload, pieces, pause=0) if pieces else client.send(header + payload)
    peer = server.accept()
    assert peer.recv(len(payload)) == payload
    client.close()
    peer.expect_closed()
    peer.close()
    line = gate.session(check=from_address("%s:%d" % SOURCE))
    assert line["end"] in ("client_closed", "client_reset")


def test_an_ipv6_address_from_a_header(start):
    server = servers.Listener()
    gate = start(PLAIN, {"app": {"servers": [server], "proxy_protocol": "v2"}}, tls=None, accept_proxy=TRUSTED)
    for make in (proxy.v1, proxy.v2):
        client = gate.connect().send(make(*SIX[0], *SIX[1]) + b"x")
        peer = server.accept()
        assert proxy.read(peer)["source"] == SIX[0]
        client.close()
        peer.close()
        gate.session(check=from_address("[2001:db8::7]:4711"))


@pytest.mark.parametrize("incoming", ["v1", "v2"])
@pytest.mark.parametrize("outgoing", ["v1", "v2"])
def test_a_header_in_is_a_header_out(start, incoming, outgoing):
    server = servers.Listener()
    gate = start(PLAIN, {"app": {"servers": [server], "proxy_protocol": outgoing}}, tls=None, accept_proxy=TRUSTED)
    gate.connect().send(WHOLE[incoming] + b"payload")
    peer = server.accept()
    read = proxy.read(peer)
    assert (read["source"], read["target"]) == (SOURCE, TARGET)
    assert peer.recv(7) == b"payload"


KEEP = {"v2 LOCAL": proxy.v2(command=0), "v2 LOCAL with addresses": proxy.v2(*SOURCE, *TARGET, command=0),
        "v2 LOCAL with TLVs": proxy.v2(command=0, tlvs=proxy.tlv(4, b"\0" * 9)), "v2 UNSPEC": proxy.v2(),
        "v1 UNKNOWN": b"PROXY UNKNOWN\r\n", "v1 UNKNOWN with words": b"PROXY UNKNOWN ffff:f..f ffff 1 2\r\n"}


@pytest.mark.parametrize("header", KEEP.values(), ids=KEEP.keys())
def test_headers_without_an_address_keep_the_peers_own(start, header):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, accept_proxy=TRUSTED)
    client = gate.connect().send(header)
    client.echo(b"payload")
    client.close()
    gate.ended(client, "client_closed")


def test_rules_and_lists_use_the_address_from_the_header(start):
    gate = start([{"match": {"source": "203.0.113.0/24"}, "pool": "app"}], {"app": servers.EchoServer()}, tls=None,
                 accept_proxy=TRUSTED, deny=["203.0.113.66"])
    client = gate.connect().send(WHOLE["v2"])
    client.echo(b"by the header's source")
    client = gate.connect().send(proxy.v2("203.0.113.66", 1, *TARGET) + b"x")
    client.expect_closed()
    assert gate.session(check=from_address("203.0.113.66:1"))["end"] == "denied"
    client = gate.connect().send(proxy.v2("192.0.2.1", 1, *TARGET) + b"x")
    client.expect_closed()
    assert gate.session(check=from_address("192.0.2.1:1"))["end"] == "no_rule"


NO_HEADER = {"other bytes": b"GET / HTTP/1.1\r\n\r\n", "a broken v1": b"PROXY TCP4 not-an-address x 1 2\r\n",
             "v1 without an end": b"PROXY TCP4 " + b"1" * 120, "ports out of range": b"PROXY TCP4 1.2.3.4 5.6.7.8 70000 1\r\n",
             "a wrong version": proxy.SIGNATURE + b"\x31\x11\x00\x0c" + bytes(12),
             "a wrong command": proxy.SIGNATURE + b"\x25\x11\x00\x0c" + bytes(12),
             "too short for its family": proxy.SIGNATURE + b"\x21\x11\x00\x04" + bytes(4),
             "a hello": tls.hello("gateway.example.com")}


@pytest.mark.parametrize("data", NO_HEADER.values(), ids=NO_HEADER.keys())
def test_a_listed_source_without_a_valid_header_is_refused_at_once(start, data):
    server = servers.Listener()
    gate = start(pools={"app": server}, accept_proxy=TRUSTED)
    watch = wait.Stopwatch()
    client = gate.connect().send(data)
    client.expect_closed()
    assert watch.elapsed() < 1.0
    gate.ended(client, "bad_proxy_header")
    server.expect_nobody(0.2)


@pytest.mark.parametrize("data", [b"", b"PROXY TCP4 203.0", WHOLE["v2"][:-1]], ids=["nothing", "a part of v1", "a part of v2"])
def test_a_listed_source_that_does_not_finish_its_header_is_refused_after_the_delay(start, data):
    server = servers.Listener()
    gate = start(pools={"app": server}, accept_proxy=TRUSTED, inspect_delay="400ms")
    watch = wait.Stopwatch()
    client = gate.connect().send(data)
    client.expect_closed()
    assert watch.elapsed() >= 0.35
    gate.ended(client, "bad_proxy_header")
    server.expect_nobody(0.2)


@pytest.mark.parametrize("header", [WHOLE["v1"], WHOLE["v2"]], ids=["v1", "v2"])
def test_a_header_from_any_other_source_is_refused(start, header):
    server = servers.Listener()
    gate = start(PLAIN, {"app": server}, tls=None, accept_proxy=TRUSTED)
    client = gate.connect(source="127.0.0.5").send(header + b"payload")
    client.expect_closed()
    gate.ended(client, "bad_proxy_header")
    server.expect_nobody(0.2)


def test_other_sources_without_a_header_are_served(start):
    gate = start(pools={"app": servers.EchoServer()}, accept_proxy=TRUSTED)
    for first in (b"P", b"\r", b"hello", b"PROX", b"\r\n\r\n\x00\r\nQUIP\n"):
        gate.connect(source="127.0.0.5").send(first + b"!").recv(len(first) + 1)
    tls.TlsPeer(gate.connect(source="127.0.0.5"), name="gateway.example.com").echo(b"tls")


def test_without_accept_proxy_a_header_is_ordinary_payload(start):
    server = servers.Listener()
    gate = start(PLAIN, {"app": server}, tls=None)
    for header in (WHOLE["v1"], WHOLE["v2"]):
        gate.connect().send(header + b"payload")
        assert server.accept().recv(len(header) + 7) == header + b"payload"


def test_the_inspect_delay_begins_after_the_header(start):
    gate = start(PLAIN, {"app": servers.BannerServer(b"hi")}, tls=None, accept_proxy=TRUSTED, inspect_delay="1s")
    client = gate.connect()
    client.expect_silence(0.4)  # most of the delay goes by before the header is there
    watch = wait.Stopwatch()
    client.send(WHOLE["v2"])
    assert client.recv(2) == b"hi"
    assert watch.elapsed() >= 0.9


def test_a_short_payload_and_fin_behind_a_header_is_forwarded(start):
    server = servers.Listener()
    gate = start(RULES, {"app": server}, accept_proxy=TRUSTED)
    gate.connect().send(WHOLE["v1"] + b"\x16").finish()
    assert server.accept().recv_all() == b"\x16"


def test_a_length_far_over_the_bound_is_refused_without_waiting_for_it(start):
    gate = start(PLAIN, {"app": servers.Listener()}, tls=None, accept_proxy=TRUSTED)
    client = gate.connect().send(proxy.SIGNATURE + b"\x21\x11" + struct.pack("!H", 65535) + bytes(12))
    client.expect_closed()
    gate.ended(client, "bad_proxy_header")
