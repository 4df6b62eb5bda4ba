"""The tools themselves, without a gateway: a broken tool must not look like a broken gateway."""

import hashlib
import os
import ssl
import threading

import pytest

from harness import fix, net, nginx, proxy, servers, tls, wait


def address(server):
    return (net.HOST, server.port)


def test_echo_server_and_half_close():
    client = net.connect(address(servers.EchoServer()))
    client.send(b"a message").finish()
    assert client.recv_all() == b"a message"


def test_a_reset_and_a_clean_end_are_told_apart():
    listener = servers.Listener()
    client = net.connect(address(listener))
    listener.accept().reset()
    client.expect_reset()
    client = net.connect(address(listener))
    listener.accept().close()
    client.expect_eof()


def test_a_killed_server_resets_connections_that_its_threads_wait_on():
    server = servers.EchoServer()
    clients = [net.connect(address(server)) for _ in range(20)]
    for client in clients:
        client.echo(b"x")
    server.kill()
    others = [net.connect(address(servers.Listener())) for _ in range(20)]  # take the descriptors' numbers
    for client in clients:
        client.expect_reset()
    assert len(others) == 20


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_half_close_both_ways(authority, version):
    listener = servers.Listener()
    pair = authority.known("tool.example.com")
    client = net.connect(address(listener))
    ends = []
    accept = threading.Thread(target=lambda: ends.append(
        tls.TlsPeer(listener.accept(), tls.server_context(pair), server_side=True)))
    accept.start()
    client = tls.TlsPeer(client, tls.client_context(authority.cert, version), name="tool.example.com")
    accept.join()
    server = ends[0]
    assert client.certificate() == pair.der()
    client.send(b"question").finish()
    assert server.recv_all() == b"question" and not server.truncated
    server.send(b"answer").finish()
    assert client.recv_all() == b"answer" and not client.truncated


def test_an_end_without_close_notify_is_seen(authority):
    class Rude(servers.TlsEchoServer):
        def handle(self, peer):
            inner = tls.TlsPeer(peer, self.context, server_side=True)
            inner.send(inner.recv(1))
    client = tls.TlsPeer(net.connect(address(Rude(authority.known("tool.example.com")))))
    client.send(b"x")
    assert client.recv_all() == b"x" and client.truncated


@pytest.mark.parametrize("size", [1, 3, 40, 100])
def test_a_hello_in_many_records_is_still_understood(authority, size):
    server = servers.TlsEchoServer(authority.known("tool.example.com"))
    client = tls.TlsPeer(net.connect(address(server)), name="tool.example.com",
                         cut=lambda flight: [tls.split_records(flight, size)])
    client.echo(b"through records")


def test_the_hello_by_hand_is_one_openssl_answers(authority):
    server = servers.TlsEchoServer(authority.known("tool.example.com"))
    client = net.connect(address(server)).send(tls.hello("tool.example.com", alpn=("h2",), versions=()))
    assert client.recv(3) == b"\x16\x03\x03", "a ServerHello was expected"


def test_exchange_moves_both_ways_at_once(authority):
    listener = servers.Listener()
    there, back = os.urandom(3_000_000), os.urandom(2_000_000)
    client = net.connect(address(listener))
    got = []

    def serve():
        inner = tls.TlsPeer(listener.accept(), tls.server_context(authority.known("tool.example.com")),
                            server_side=True)
        got.append(net.exchange(inner, back))
    thread = threading.Thread(target=serve)
    thread.start()
    received = net.exchange(tls.TlsPeer(client), there)
    thread.join()
    assert hashlib.sha256(received).digest() == hashlib.sha256(back).digest()
    assert hashlib.sha256(got[0]).digest() == hashlib.sha256(there).digest()


def test_fix_acceptor():
    server = servers.FixServer()
    client = net.connect(address(server)).send(fix.logon("ME", "VENUE"))
    assert fix.read(client)["35"] == "A"
    client.send(fix.message("1", "ME", "VENUE", 2, "FIX.4.4", (112, "ping")))
    assert fix.read(client)["112"] == "ping"
    client.send(fix.message("5", "ME", "VENUE", 3))
    assert fix.read(client)["35"] == "5"
    client.expect_eof()
    assert server.logons[0]["49"] == "ME" and not server.errors


def test_proxy_headers_are_read_as_written():
    listener = servers.Listener()
    client = net.connect(address(listener))
    server = listener.accept()
    for header in (proxy.v1("10.0.0.1", 1, "10.0.0.2", 2), proxy.v2("10.0.0.1", 1, "10.0.0.2", 2),
                   proxy.v2("10.0.0.1", 1, "10.0.0.2", 2, tlvs=proxy.tlv(5, b"id"))):
        client.send(header)
        read = proxy.read(server)
        assert (read["source"], read["target"]) == (("10.0.0.1", 1), ("10.0.0.2", 2))
        assert read["raw"] == header
    client.send(proxy.v2(command=0))
    assert proxy.read(server)["command"] == "LOCAL"


def test_nginx_answers_under_both_names(tmp_path, authority, need, command):
    need("nginx")
    names = ("one.example.com", "two.example.com")
    web = nginx.Nginx(tmp_path / "nginx", {name: authority.known(name) for name in names})
    for name in names:
        status, out, err = command(need("curl"), "-sS", "--cacert", authority.cert, "--resolve",
                                   f"{name}:{web.ports[name]}:127.0.0.1", f"https://{name}:{web.ports[name]}/")
        assert (status, out) == (0, f"this is {name}, asked for {name}\n".encode()), err


def test_waiting_gives_up_at_the_deadline():
    with pytest.raises(AssertionError, match="in vain: never"):
        wait.until(lambda: False, "never", seconds=0.05)
