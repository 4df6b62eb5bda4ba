"""TCP Fast Open towards servers (`tcp_fast_open`): only where it is asked for, and no byte goes to two servers.

In a network of its own, as servers may only offer it where the kernel's setting allows for that."""

import os
import socket
import subprocess

import pytest

from harness import namespace, servers

PLAIN = [{"pool": "app"}]
PORT = 9878  # below the ports that the kernel chooses from


class Host(namespace.Namespace):
    """Its kernel lets servers offer Fast Open."""

    def __init__(self):
        super().__init__()
        allowed = subprocess.run([*self.wrapper, "sh", "-c", "echo 3 > /proc/sys/net/ipv4/tcp_fastopen"],
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if allowed.returncode != 0:
            pytest.skip(f"net.ipv4.tcp_fastopen cannot be set here: {allowed.stderr.strip()}")

    def listen(self, port: int = PORT) -> servers.Listener:
        with self:
            listener = servers.Listener(port=port)
        listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 64)
        return listener

    def connect(self, gate):
        with self:
            return gate.connect(host="127.0.0.1")

    def count(self, name: str) -> int:
        """Of the kernel's counters (TcpExt in /proc/net/netstat)."""
        text = subprocess.run([*self.wrapper, "cat", "/proc/net/netstat"], check=True, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL).stdout
        names, values = [line.split() for line in text.splitlines() if line.startswith("TcpExt:")]
        return int(dict(zip(names[1:], values[1:]))[name])


@pytest.fixture
def host(need):
    for program in ("ip", "nsenter", "unshare"):
        need(program)
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")
    return Host()


@pytest.fixture
def serve(start, host):
    def make(listeners, listener=None, **keys):
        return start(PLAIN, {"app": {"servers": listeners, **keys}}, tls=None, bind="*:@combined", wrapper=host.wrapper,
                     **(listener or {}))
    return make


def visit(host, gate, server, message=b"hello"):
    """One exchange; the server has had the message, and nothing but the message."""
    client = host.connect(gate).send(message).finish()
    peer = server.accept()
    assert peer.recv(len(message)) == message
    peer.expect_eof()
    peer.send(b"answer")
    peer.close()
    assert client.recv(6) == b"answer"
    client.expect_eof()
    return gate.ended(client, "client_closed", bytes_in=len(message), bytes_out=6)


def test_it_is_off_unless_asked_for(host, serve):
    server = host.listen()
    gate = serve([server])
    for _ in range(3):
        visit(host, gate, server)
    assert host.count("TCPFastOpenActive") == host.count("TCPFastOpenCookieReqd") == 0


def test_the_first_bytes_go_with_the_syn(host, serve):
    server = host.listen()
    gate = serve([server], tcp_fast_open=True)
    visit(host, gate, server)  # fetches the cookie
    assert host.count("TCPFastOpenActive") == 0 and host.count("TCPFastOpenCookieReqd") == 1
    for count in range(1, 4):
        assert visit(host, gate, server)["connect_ms"] < 5000
        assert host.count("TCPFastOpenActive") == host.count("TCPFastOpenPassive") == count


def test_more_than_a_syn_holds_comes_once_and_in_order(host, serve):
    server = host.listen()
    gate = serve([server], tcp_fast_open=True)
    visit(host, gate, server)
    visit(host, gate, server, bytes(number % 251 for number in range(300_000)))
    assert host.count("TCPFastOpenActive") == 1


def test_a_server_that_speaks_first_is_connected_to_all_the_same(host, serve):
    """Nothing is there to go with a SYN, so that none may wait for it."""
    server = host.listen()
    gate = serve([server], {"inspect_delay": "200ms"}, tcp_fast_open=True)
    visit(host, gate, server)
    client = host.connect(gate)
    peer = server.accept()
    peer.send(b"220 ready")
    assert client.recv(9) == b"220 ready"


def test_what_went_with_a_syn_goes_to_no_other_server(host, serve):
    first, second = host.listen(), host.listen(PORT + 1)
    gate = serve([first, {"address": second.address, "backup": True}], tcp_fast_open=True)
    visit(host, gate, first)
    visit(host, gate, first)
    first.close()
    client = host.connect(gate).send(b"an order")
    client.expect_reset()
    gate.ended(client, "connect_failed", server=None)
    second.expect_nobody()


def test_without_it_the_next_server_gets_them(host, serve):
    first, second = host.listen(), host.listen(PORT + 1)
    gate = serve([first, {"address": second.address, "backup": True}])
    visit(host, gate, first)
    first.close()
    visit(host, gate, second)


def test_what_a_syn_did_not_take_along_may_go_to_another(host, serve):
    """Without a cookie nothing has gone out when the first server refuses."""
    first, second = host.listen(), host.listen(PORT + 1)
    gate = serve([first, {"address": second.address, "backup": True}], tcp_fast_open=True)
    first.close()
    visit(host, gate, second)
