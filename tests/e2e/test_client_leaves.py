"""A client that leaves while the gateway is still connecting to a server."""

import socket
import time

import pytest

from harness import books, cleanup, servers, settings, tls
from harness.wait import Stopwatch

pytestmark = pytest.mark.tsan


@pytest.fixture
def mute():
    """A server whose queue is full, so that the kernel answers no further client."""
    server = servers.Listener(backlog=0)
    for _ in range(16):
        filler = cleanup.remember(socket.socket())
        filler.settimeout(0.2)
        try:
            filler.connect(("127.0.0.1", server.port))
        except TimeoutError:
            return server
    pytest.fail("the server's queue does not fill")


@pytest.fixture
def gate(start, mute):
    return start(pools={"app": {"servers": [mute], "connect_timeout": "8s", "connect_retries": 0}})


def plain(gate):
    return gate.connect().send(b"an order")


def terminated(gate):
    client = gate.connect()
    tls.TlsPeer(client, name="gateway.example.com").send(b"an order")
    return client


@pytest.mark.parametrize("make", [plain, terminated])
def test_a_reset_is_noticed_while_connecting(gate, make):
    client = make(gate)
    time.sleep(0.5)  # longer than the first look takes
    watch = Stopwatch()
    client.reset()
    gate.ended(client, "client_reset", detail="while connecting to a server")
    assert watch.elapsed() < settings.seconds(2)


def test_a_reset_before_the_first_look_is_noticed_by_it(gate):
    client = plain(gate)
    client.reset()
    gate.ended(client, "client_reset", 3, detail="while connecting to a server")


def test_who_has_finished_and_who_sends_much_is_neither_ended_nor_spun_on(gate):
    finished, busy = plain(gate), plain(gate)
    finished.finish()
    busy.sock.settimeout(1.0)
    try:
        busy.sock.sendall(bytes(1 << 22))
    except TimeoutError:
        pass
    before, watch = books.cpu_seconds(gate.pid), Stopwatch()
    time.sleep(1.5)  # the measured period
    spent = (books.cpu_seconds(gate.pid) - before) / watch.elapsed()
    assert spent < 0.1 * max(1, settings.slow()), f"{spent:.1%} of a CPU"
    assert gate.sessions() == []
    for client in (finished, busy):
        client.close()


def test_a_server_that_comes_late_gets_every_byte_of_who_has_finished(gate, mute):
    client = plain(gate)
    client.finish()
    time.sleep(0.5)
    peers = []
    while True:  # the fillers first, and then ours
        peers.append(mute.accept(timeout=5))
        peers[-1].sock.settimeout(0.2)
        try:
            if peers[-1].recv_all() == b"an order":
                break
        except (TimeoutError, OSError):
            pass
    peers[-1].send(b"done").finish()
    assert client.recv_all() == b"done"
