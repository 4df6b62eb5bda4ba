"""What went wrong elsewhere between a gateway and its TLS servers: flights in pieces or with bytes behind them,
clients that leave in the middle, ends, and handshakes that hang."""

import ssl
import threading

import pytest

from harness import books, servers, tls, wait

NAME = "db.example.com"
PLAIN = [{"pool": "app"}]
BOTH = [{"tls": "terminate", "pool": "app"}, {"pool": "app"}]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Scripted(servers.Listener):
    """A TLS server whose test decides when the handshake goes on."""

    def __init__(self, pair, version=None):
        super().__init__()
        self.context = tls.server_context(pair)
        if version:
            self.context.minimum_version = self.context.maximum_version = version

    def meet(self, **how) -> tls.TlsPeer:
        return tls.TlsPeer(self.accept(), self.context, server_side=True, **how)


@pytest.fixture
def scripted(authority):
    return lambda version=None: Scripted(authority.known(NAME), version)


@pytest.fixture
def behind(authority):
    """A pool with one server that is believed."""
    def make(server, **more):
        return {"app": {"servers": [server], "tls": {"ca": str(authority.cert), "sni": NAME}, **more}}
    return make


@pytest.mark.tsan
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["plain", "terminate", "silent"])
def test_a_greeting_in_one_segment_with_the_servers_last_flight(start, scripted, behind, version, kind):
    server = scripted(version)
    if kind == "silent":
        gate = start([{"match": {"silent": True}, "pool": "app"}], behind(server), tls=None, inspect_delay="50ms")
    else:
        gate = start(BOTH, behind(server))
    got = []

    def talk():
        client = gate.connect()
        inner = tls.TlsPeer(client, name="gateway.example.com") if kind == "terminate" else client
        if kind != "silent":
            inner.send(b"hello")
        got.append(inner.recv(8))
    client = threading.Thread(target=talk)
    client.start()
    peer = server.meet(handshake=False)
    peer.handshake(flush=False)
    peer.send(b"greeting")
    client.join(20)
    assert got == [b"greeting"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_servers_flight_may_come_byte_by_byte(start, scripted, behind, version):
    server = scripted(version)
    gate = start(PLAIN, behind(server), tls=None)
    client = gate.connect().send(b"hello")
    peer = server.meet(cut=lambda flight: [flight[i:i + 1] for i in range(len(flight))])
    assert peer.recv(5) == b"hello"
    peer.send(b"answer")
    assert client.recv(6) == b"answer"


@pytest.mark.tsan
@pytest.mark.parametrize("when", ["before the server says anything", "within its flight"])
def test_a_client_that_resets_within_the_servers_handshake_leaves_nothing(start, scripted, behind, when):
    server = scripted()
    gate = start(PLAIN, behind(server, connect_timeout="30s"), tls=None)
    client = gate.connect().send(b"hello")
    peer = server.accept()
    assert peer.recv(1) == b"\x16"
    if when == "within its flight":
        peer.send(b"\x16\x03\x03\x00\x7a\x02\x00")
    client.reset()
    gate.ended(client, "client_reset", detail="while connecting to a server")
    peer.expect_closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_finishes_within_the_servers_handshake_gets_its_answer(start, scripted, behind, version):
    server = scripted(version)
    gate = start(PLAIN, behind(server), tls=None)
    client = gate.connect().send(b"question").finish()
    peer = server.meet()
    assert peer.recv_all() == b"question" and not peer.truncated
    peer.send(b"answer").finish()
    assert client.recv_all() == b"answer"
    peer.close()
    gate.ended(client, "client_closed")


def test_a_handshake_that_hangs_costs_nothing(start, behind):
    """No turn of the loop is spent on a server that keeps silent, nor on one that has said half a record."""
    silent, half = servers.Listener(), servers.Listener()
    pools = behind(silent, connect_timeout="30s") | {"half": behind(half, connect_timeout="30s")["app"]}
    gate = start([{"match": {"prefix": "half"}, "pool": "half"}, {"pool": "app"}], pools, tls=None)
    clients = [gate.connect().send(word) for word in (b"half", b"silent") for _ in range(5)]
    for _ in range(5):
        half.accept().send(b"\x16\x03\x03\x10\x00\x02")
        silent.accept()
    before, watch = books.cpu_seconds(gate.pid), wait.Stopwatch()
    clients[0].expect_silence(1.0)  # the measured period
    spent = (books.cpu_seconds(gate.pid) - before) / watch.elapsed()
    assert spent < 0.3, f"{spent:.0%} of a CPU while every server hangs"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_record_that_was_changed_on_the_way_ends_the_session(start, scripted, behind, version):
    server = scripted(version)
    gate = start(PLAIN, behind(server), tls=None)
    client = gate.connect().send(b"hello")
    peer = server.meet()
    assert peer.recv(5) == b"hello"
    peer.tls.write(b"whole")
    record = bytearray(peer.outgoing.read())
    record[-1] ^= 1
    peer.peer.send(bytes(record))
    client.expect_reset()
    assert gate.ended(client, "server_reset")["detail"] == "a record fails its check"


def test_clear_bytes_behind_the_handshake_end_the_session(start, scripted, behind):
    server = scripted()
    gate = start(PLAIN, behind(server), tls=None)
    client = gate.connect().send(b"hello")
    peer = server.meet()
    assert peer.recv(5) == b"hello"
    peer.peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    client.expect_reset()
    line = gate.ended(client, "server_reset")
    assert line["detail"] == "the server does not speak TLS" and line["bytes_out"] == 0


@pytest.mark.parametrize("side", ["client", "server"])
def test_what_is_under_way_when_one_side_finishes_arrives_whole(start, scripted, behind, side):
    """A megabyte that waits in the gateway, and the end behind it."""
    server = scripted()
    gate = start(PLAIN, behind(server), tls=None)
    client = gate.connect().send(b"hello")
    peer = server.meet()
    assert peer.recv(5) == b"hello"
    data = bytes(range(256)) * 4096
    one, other = (client, peer) if side == "client" else (peer, client)
    sender = threading.Thread(target=lambda: one.send(data).finish())
    sender.start()
    assert other.recv_all() == data
    sender.join(20)
    other.send(b"seen").finish()
    assert one.recv_all() == b"seen"
    assert not peer.truncated
