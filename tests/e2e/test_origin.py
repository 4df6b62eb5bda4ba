"""Where connections to servers come from: source addresses and ports, and the client's own address."""

import json
import os
import shutil
import socket

import pytest

from harness import books, gate as gates, namespace, net, proxy, servers, settings, sockets, tls, wait
from test_lifecycle import open_folder  # noqa: F401
from test_upgrade import cleanup_peers, finish, upgrade

PLAIN = [{"pool": "app"}]


def pool(server, **keys):
    return {"app": {"servers": server if isinstance(server, list) else [server], **keys}}


def peer_name(peer):
    return peer.sock.getpeername()[:2]


# --- source --------------------------------------------------------------------------------------

def test_connections_come_from_the_source(start):
    server = servers.Listener()
    gate = start(PLAIN, pool(server, source="127.0.0.9"), tls=None)
    for _ in range(3):
        gate.connect().send(b"x")
        assert peer_name(server.accept())[0] == "127.0.0.9"


def test_an_ipv6_source(start):
    server = servers.Listener(host="::1")
    low = net.free_port("::1", 10)
    gate = start(PLAIN, pool(server, source=f"[::1]:{low}-{low + 9}"), tls=None)
    gate.connect().send(b"x")
    host, port = peer_name(server.accept())
    assert host == "::1" and low <= port <= low + 9


def test_a_unix_server_has_no_source(start, tmp_path):
    server = servers.Listener(path=str(tmp_path / "server.sock"))
    gate = start(PLAIN, pool(server, source="127.0.0.9"), tls=None)
    gate.connect().send(b"x")
    assert server.accept().recv(1) == b"x"


def test_only_ports_of_the_range_are_used(start):
    server = servers.Listener()
    low = net.free_port("127.0.0.9", 20)
    gate = start(PLAIN, pool(server, source=f"127.0.0.9:{low}-{low + 19}"), tls=None)
    seen = set()
    for _ in range(20):
        gate.connect().send(b"x")
        host, port = peer_name(server.accept())
        assert host == "127.0.0.9" and low <= port <= low + 19
        seen.add(port)
    assert len(seen) == 20, "each of the 20 ports was there for one session"


def test_a_port_serves_as_many_servers_as_there_are(start):
    a, b = servers.Listener(), servers.Listener()
    low = net.free_port("127.0.0.9")
    gate = start(PLAIN, pool([a, b], source=f"127.0.0.9:{low}-{low}"), tls=None)
    for _ in range(2):
        gate.connect().send(b"x")
    assert peer_name(a.accept()) == peer_name(b.accept()) == ("127.0.0.9", low)


def test_ports_that_are_used_up_are_our_fault_and_told_and_tried_again(start):
    server = servers.Listener()
    low = net.free_port("127.0.0.9", 2)
    check = {"interval": "1h", "fall": 1, "port": servers.Listener().port}
    gate = start(PLAIN, pool(server, source=f"127.0.0.9:{low}-{low + 1}", health_check=check), tls=None)
    held = []
    for _ in range(2):
        client = gate.connect().send(b"x")
        peer = server.accept()
        assert peer.recv(1) == b"x"
        held.append((client, peer))
    late = gate.connect().send(b"x")
    late.expect_closed()
    line = gate.ended(late, "connect_failed",
                      detail=f"{server}: no free port to connect to {server} from 127.0.0.9:{low}-{low + 1}")
    assert line["duration_ms"] >= 1000, "there was a second round"
    held[0][0].reset()  # leaves no TIME_WAIT
    gate.ended(held[0][0], "client_reset")
    gate.connect().send(b"y")
    assert server.accept().recv(1) == b"y", "the port serves again"
    assert not gate.events_with("server.down")


def test_a_source_that_this_host_does_not_have_is_warned_about_and_ends_sessions(start):
    gate = start(PLAIN, pool(servers.Listener(), source="192.0.2.1"), tls=None)
    gate.event("warning: pools.app.source: this host has no such address now")
    client = gate.connect().send(b"x")
    client.expect_closed()
    line = gate.ended(client, "connect_failed")
    assert "cannot connect from 192.0.2.1: Cannot assign requested address" in line["detail"]


# --- keep-alive ----------------------------------------------------------------------------------

def keepalive_of(gate, local, remote):
    with sockets.borrow(gate.pid, local, remote) as sock:
        return {"on": bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)),
                "idle": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                "interval": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                "count": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                "user_timeout": sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)}


def test_both_sides_have_the_keep_alive_that_is_asked_for(start):
    server = servers.Listener()
    how = {"idle": "33s", "interval": "7s", "count": 4, "user_timeout": "21s"}
    expected = {"on": True, "idle": 33, "interval": 7, "count": 4, "user_timeout": 21000}
    gate = start(PLAIN, pool(server, keepalive=how), tls=None, keepalive={**how, "idle": "44s"})
    client = gate.connect().send(b"x")
    peer = server.accept()
    port = client.sock.getsockname()[1]
    assert keepalive_of(gate, gate.port, port) == {**expected, "idle": 44}
    own = peer_name(peer)[1]
    wait.until(lambda: keepalive_of(gate, own, server.port) == expected, "the server's side has it, too")


# --- the client's own address --------------------------------------------------------------------

@pytest.fixture
def root(need):
    for program in ("ip", "nsenter", "unshare", "setpriv"):
        need(program)
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")


class Network:
    """client ── gateway ── server, each a host of its own. The recipe of docs/recipes/transparent.md,
    word for word, brings the server's answers back to the gateway."""

    CLIENT, SERVER = ("10.77.1.2", "fd77:1::2"), ("10.77.2.2", "fd77:2::2")
    GATE = ("10.77.1.1", "fd77:1::1")

    def __init__(self, port: int):
        self.client, self.gate, self.server = (namespace.Namespace() for _ in range(3))
        namespace.join(self.client, "wire", ["10.77.1.2/24", "fd77:1::2/64"],
                       self.gate, "clients", ["10.77.1.1/24", "fd77:1::1/64"])
        namespace.join(self.gate, "servers", ["10.77.2.1/24", "fd77:2::1/64"],
                       self.server, "wire", ["10.77.2.2/24", "fd77:2::2/64"])
        self.server.ip("route", "add", "default", "via", "10.77.2.1")
        self.server.ip("-6", "route", "add", "default", "via", "fd77:2::1")
        for family in ("-4", "-6"):
            self.gate.ip(family, "rule", "add", "iif", "servers", "ipproto", "tcp", "sport", port, "lookup", 100)
            self.gate.ip(family, "route", "add", "local", "default", "dev", "lo", "table", 100)

    def serve(self, port: int, family: int = 0) -> servers.Listener:
        with self.server:
            return servers.Listener(host=self.SERVER[family], port=port)

    def connect(self, gate, family: int = 0) -> net.Peer:
        with self.client:
            return gate.connect(host=self.GATE[family])


PORT = 9878
NET_RAW = 1 << 13


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_servers_see_the_clients_own_address(root, start, family):
    network = Network(PORT)
    server = network.serve(PORT, family)
    gate = start(PLAIN, pool(server, transparent=True), tls=None, bind="*:@combined", wrapper=network.gate.wrapper)
    for _ in range(3):
        client = network.connect(gate, family).send(b"hello")
        peer = server.accept()
        assert peer_name(peer)[0] == network.CLIENT[family]
        assert peer.recv(5) == b"hello"
        peer.send(b"answer")
        assert client.recv(6) == b"answer"
        client.finish()
        peer.expect_eof()
        peer.close()
        gate.ended(client, "client_closed")


def test_a_terminated_client_and_one_behind_a_proxy_header(root, start, pair):
    network = Network(PORT)
    server = network.serve(PORT)
    gate = start(None, pool(server, transparent=True), bind="*:@combined", accept_proxy=["10.77.1.0/24"],
                 wrapper=network.gate.wrapper)
    client = network.connect(gate).send(proxy.v1("203.0.113.7", 4711, "10.77.1.1", gate.port))
    inner = tls.TlsPeer(client, name="gateway.example.com").send(b"hello")
    peer = server.accept()
    assert peer_name(peer)[0] == "203.0.113.7"
    peer.recv(5)
    peer.send(b"answer")
    assert inner.recv(6) == b"answer"


def test_header_and_handshake_go_to_a_server_as_the_client_itself(root, start, authority):
    network = Network(PORT)
    server = network.serve(PORT)
    secured = {"ca": str(authority.cert), "sni": "db.example.com"}
    gate = start(None, pool(server, transparent=True, tls=secured, proxy_protocol="v2"), bind="*:@combined",
                 wrapper=network.gate.wrapper)
    client = tls.TlsPeer(network.connect(gate), name="gateway.example.com").send(b"hello")
    peer = server.accept()
    assert peer_name(peer)[0] == proxy.read(peer)["source"][0] == network.CLIENT[0]
    inner = tls.TlsPeer(peer, tls.server_context(authority.known("db.example.com")), server_side=True)
    assert inner.recv(5) == b"hello"
    inner.send(b"answer")
    assert client.recv(6) == b"answer"


def test_the_right_outlives_a_change_of_user_and_nothing_else_does(root, start):
    network = Network(PORT)
    server = network.serve(PORT)
    gate = start(PLAIN, pool(server, transparent=True), tls=None, bind="*:@combined", wrapper=network.gate.wrapper,
                 top={"user": "nobody"})
    network.connect(gate).send(b"x")
    assert peer_name(server.accept())[0] == network.CLIENT[0]
    assert books.user_id(gate.pid) != 0
    assert books.capabilities(gate.pid) == {"CapInh": 0, "CapPrm": NET_RAW, "CapEff": NET_RAW, "CapAmb": 0}


def test_an_heir_has_the_right_too_and_no_more(root, start, open_folder, monkeypatch):  # noqa: F811
    """It is lent for the time of the heir's birth: neither of the two could pass it on by itself."""
    monkeypatch.setenv("MUXGATE", str(shutil.copy(settings.binary(), open_folder / "muxgate")))
    network = Network(PORT)
    server = network.serve(PORT)
    gate = start(PLAIN, pool(server, transparent=True), tls=None, bind="*:@combined", wrapper=network.gate.wrapper,
                 top={"user": "nobody"})
    for folder in (gate.folder, *gate.folder.parents[:2]):
        os.chmod(folder, 0o755)
    os.chmod(gate.file, 0o644)
    with network.connect(gate).sock as keeps_the_old_one_alive:
        keeps_the_old_one_alive.sendall(b"x")
        server.accept()
        process, heirs = None, []
        for _ in range(2):
            process = upgrade(gate, process)
            heirs.append(process)
            network.connect(gate).send(b"x")
            assert peer_name(server.accept())[0] == network.CLIENT[0]
        for pid in (gate.pid, *(heir.pid for heir in heirs)):
            assert books.capabilities(pid) == {"CapInh": 0, "CapPrm": NET_RAW, "CapEff": NET_RAW, "CapAmb": 0}
        gate.write({**gate.template, "pools": pool(server.address)})
        os.chmod(gate.file, 0o644)
        process = upgrade(gate, process)
        assert set(books.capabilities(process.pid).values()) == {0}, "nobody has asked for it any more"
    cleanup_peers()
    finish(gate, process)


def test_without_transparent_no_right_is_kept(root, start):
    gate = start(PLAIN, pool(servers.Listener()), tls=None, top={"user": "nobody"})
    assert set(books.capabilities(gate.pid).values()) == {0}


def test_a_reload_cannot_ask_for_a_right_that_is_gone(root, start):
    server = servers.EchoServer()
    gate = start(PLAIN, pool(server), tls=None, top={"user": "nobody"})
    template = {**gate.template, "pools": pool(server.address, transparent=True)}
    os.chmod(gate.folder, 0o755)
    for folder in gate.folder.parents[:2]:
        os.chmod(folder, 0o755)
    os.chmod(gate.file, 0o644)
    gate.reload(template)
    gate.event("pools.app.transparent: needs CAP_NET_RAW or CAP_NET_ADMIN")
    gate.event("reload.refused")
    gate.connect().echo(b"the old one runs on")


@pytest.mark.parametrize("check", [True, False], ids=["-t", "start"])
def test_without_the_right_there_is_no_start(root, start, build, tmp_path, check):
    file = tmp_path / "gate.json"
    config = build(PLAIN, pool(servers.Listener(), transparent=True), tls=None, bind=f"127.0.0.1:{net.free_port()}")
    file.write_text(json.dumps(config))
    done = gates.run("-c", file, *(["-t"] if check else []),
                     wrapper=["setpriv", "--bounding-set=-net_raw,-net_admin", "--inh-caps=-all"])
    assert done.returncode == 1
    assert "pools.app.transparent: needs CAP_NET_RAW or CAP_NET_ADMIN, which this process does not have" in done.stderr


def test_a_server_of_the_other_family_is_told_and_others_are_tried(root, start):
    network = Network(PORT)
    four, six = network.serve(PORT), network.serve(PORT, 1)
    gate = start(PLAIN, pool([four, six], transparent=True), tls=None, bind="*:@combined", wrapper=network.gate.wrapper)
    for family, server in ((0, four), (1, six), (0, four), (1, six)):
        network.connect(gate, family).send(b"x")
        assert peer_name(server.accept())[0] == network.CLIENT[family]
    gate.reload({**gate.template, "pools": pool([six.address], transparent=True)})
    gate.event("reload.done")
    client = network.connect(gate, 0).send(b"x")
    client.expect_closed()
    line = gate.ended(client, "connect_failed")
    assert "cannot connect from 10.77.1.2: Address family not supported" in line["detail"]


def test_a_client_without_an_address_reaches_no_transparent_server(root, start, tmp_path):
    """A server that goes by addresses must not take the gateway's for a client's."""
    server = servers.Listener()
    path = str(tmp_path / "gate.sock")
    gate = start(PLAIN, pool(server, transparent=True), tls=None, bind=["127.0.0.1:@combined", f"unix:{path}"])
    client = net.connect(path).send(b"x")
    client.expect_closed()
    line = gate.session(end="connect_failed")
    assert "the client has no IP address" in line["detail"]
    server.expect_nobody(0.2)
