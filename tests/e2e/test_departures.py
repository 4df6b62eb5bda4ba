"""Connections to a server on the same host that are due in the same turn of the loop are begun together, and what their
clients have said first is sent together: every byte once, to whom it is meant for, whatever becomes of the neighbours. The
gateway is stopped while the clients come, so that one turn finds them all."""

import select

import pytest

from harness import net, servers, tls
from test_gather import PLAIN, Stopped, leave, message
from test_syscalls import Calls

CROWD = 100  # more than one round


def come(gate, count=CROWD, say=message):
    """So many plain clients in one turn, who have spoken."""
    with Stopped(gate):
        clients = [gate.connect() for _ in range(count)]
        for number, client in enumerate(clients):
            client.send(say(number))
    return clients


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_everyone_says_first_goes_to_its_own_server(start, host):
    gate = start(PLAIN, {"app": servers.EchoServer(host=host)}, tls=None, top={"workers": 1})
    for _ in range(3):
        clients = come(gate, say=lambda number: message(number, 1 + number * 397 % 9000))
        for number, client in enumerate(clients):
            size = 1 + number * 397 % 9000
            assert client.recv(size) == message(number, size)
            client.echo(message(number + 1))
        leave(gate, clients)


def test_tls_clients_and_plain_ones_in_one_turn(start):
    """The messages of TLS clients come with the end of their handshakes."""
    gate = start(pools={"app": servers.EchoServer()}, top={"workers": 1})
    for _ in range(2):
        secure = [tls.TlsPeer(gate.connect(), name="gateway.example.com", handshake=False) for _ in range(30)]
        for client in secure:
            client.handshake(flush=False)
        with Stopped(gate):
            for number, client in enumerate(secure):
                client.send(message(number, 1 + number * 397 % 9000))
            plain = [gate.connect() for _ in range(20)]
            for number, client in enumerate(plain):
                client.send(message(100 + number))
        for number, client in enumerate(secure):
            size = 1 + number * 397 % 9000
            assert client.recv(size) == message(number, size)
            client.echo(b"more")
        for number, client in enumerate(plain):
            assert client.recv(120) == message(100 + number)
        leave(gate, secure + plain)


def test_what_a_tls_client_speaks_is_logged_in_a_crowd_as_well(start):
    gate = start(pools={"app": servers.EchoServer()}, top={"workers": 1})
    clients = [tls.TlsPeer(gate.connect(), name="gateway.example.com", handshake=False) for _ in range(20)]
    for client in clients:
        client.handshake(flush=False)
    request = b"GET / HTTP/1.1\r\nHost: gateway.example.com\r\n\r\n"
    with Stopped(gate):
        for client in clients:
            client.send(request)
    for client in clients:
        assert client.recv(len(request)) == request
        client.finish()
        client.expect_eof()
        gate.ended(client, "client_closed", protocol="tls", inner_protocol="http")


def test_who_leaves_in_that_turn_leaves_alone(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"workers": 1})
    with Stopped(gate):
        clients = [gate.connect() for _ in range(60)]
        for number, client in enumerate(clients):
            client.send(message(number))
            if number % 3 == 1:
                client.finish()
            if number % 3 == 2:
                client.reset()
    for number, client in enumerate(clients):
        if number % 3 == 2:
            gate.ended(client, "client_reset")
            continue
        assert client.recv(120) == message(number)
        if number % 3 == 0:
            client.echo(b"still here")
            client.finish()
        client.expect_eof()
        gate.ended(client, "client_closed")


def test_who_is_refused_is_served_by_another(start):
    """Half of them meet a port where nobody listens."""
    good = servers.EchoServer()
    gate = start(PLAIN, {"app": {"servers": [f"127.0.0.1:{net.free_port()}", str(good)]}}, tls=None, top={"workers": 1})
    clients = come(gate, 60)
    for number, client in enumerate(clients):
        assert client.recv(120) == message(number)
    leave(gate, clients)


def test_who_is_refused_by_all_is_told(start):
    gate = start(PLAIN, {"app": {"servers": [f"127.0.0.1:{net.free_port()}"], "connect_retries": 0}}, tls=None, top={"workers": 1})
    for client in come(gate, 60):
        client.expect_closed()
        assert "refused" in gate.ended(client, "connect_failed")["detail"].lower()


def test_a_server_that_does_not_answer_yet_is_waited_for(start):
    """Its queue is full: a few connections stand, the others are under way, and stand once it takes some."""
    server = servers.Listener(backlog=2)
    gate = start(PLAIN, {"app": {"servers": [str(server)], "connect_timeout": "30s"}}, tls=None, top={"workers": 1})
    clients = come(gate, 12)
    heard = set()
    for _ in clients:
        peer = server.accept(timeout=30)
        first = peer.recv(120)
        heard.add(first)
        peer.send(first)
    assert heard == {message(number) for number in range(12)}
    for number, client in enumerate(clients):
        assert client.recv(120) == message(number)


def test_who_waits_too_long_for_a_server_is_told(start):
    """Nobody takes them: the queue has room for a few, and the others' time is up."""
    server = servers.Listener(backlog=2)
    gate = start(PLAIN, {"app": {"servers": [str(server)], "connect_retries": 0, "connect_timeout": "300ms"}}, tls=None, top={"workers": 1})
    clients = come(gate, 12)
    for _ in range(8):
        ready, _, _ = select.select([client.sock for client in clients], [], [], 10)
        client = next(client for client in clients if client.sock in ready)
        client.expect_closed()
        gate.ended(client, "connect_failed")
        clients.remove(client)
    assert server.accept().recv(120) in {message(number) for number in range(12)}


def test_the_server_speaks_first_to_all(start):
    """Clients that say nothing are connected after the inspect delay, all of them by timers of one turn."""
    gate = start(PLAIN, {"app": servers.BannerServer(b"hello\n")}, tls=None, top={"workers": 1}, inspect_delay="300ms")
    with Stopped(gate):
        clients = [gate.connect() for _ in range(30)]
    for client in clients:
        assert client.recv_until(b"\n") == b"hello\n"


def test_a_crowd_connects_and_speaks_by_a_few_calls(start, need, tmp_path):
    need("strace")
    server = servers.Listener(port=net.free_port())
    gate = start(PLAIN, {"app": server}, tls=None, top={"workers": 1, "log": {"access": "off"}})
    come(gate, 40)
    for _ in range(40):
        server.accept().recv(120)
    with Calls(gate, tmp_path, units=1) as calls:
        clients = come(gate, 40)
        peers = [server.accept() for _ in clients]
        heard = {peer.recv(120) for peer in peers}
    assert heard == {message(number) for number in range(40)}
    if calls.of("io_uring_enter") == 0:
        pytest.skip("no io_uring here: each call was made")
    assert not {"connect", "sendto", "setsockopt", "poll"} & set(calls.counts), str(calls)
    assert calls.of("socket") == 40, str(calls)
    assert calls.of("recvfrom") == 40, str(calls)  # the looks; what was said is read together
    assert calls.of("io_uring_enter") == 6, str(calls)  # two rounds of connecting, reading and sending
