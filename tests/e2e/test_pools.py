"""Which server gets a session, and what happens when one is not there."""

import socket
import threading

import pytest

from harness import net, servers, settings, tls, wait
from harness.wait import Stopwatch

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]


def three():
    return [servers.NameServer(name) for name in ("a", "b", "c")]


def order(gate, count) -> str:
    return "".join(servers.who(gate) for _ in range(count))


def closed_port() -> str:
    return f"{net.HOST}:{net.free_port()}"


class Deaf:
    """A server whose queue of new connections is full: a connect to it hangs."""

    def __init__(self):
        self.listener = servers.Listener(backlog=0)
        self.address = self.listener.address
        self.fillers = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex((net.HOST, self.listener.port))
            self.fillers.append(sock)

    def close(self):
        for sock in self.fillers:
            sock.close()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_clients_one_after_another_see_one_exact_rotation(start, workers):
    gate = start(PLAIN, {"app": three()}, tls=None, top={"workers": workers})
    seen = order(gate, 24)
    assert seen in ("abc" * 8, "bca" * 8, "cab" * 8), seen


def test_rotation_is_one_for_plain_and_tls_clients(start):
    gate = start(pools={"app": three()})
    seen = ""
    for number in range(12):
        client = gate.connect() if number % 2 else tls.TlsPeer(gate.connect(), name="gateway.example.com")
        seen += client.send(b"who").recv_until(b"\n").decode().strip()
        client.close()
    assert seen in ("abc" * 4, "bca" * 4, "cab" * 4), seen


def test_weights_are_kept_smoothly(start):
    a, b, c = three()
    gate = start(PLAIN, {"app": [{"address": a.address, "weight": 3}, {"address": b.address, "weight": 1},
                                 {"address": c.address, "weight": 0}]}, tls=None)
    seen = order(gate, 16)
    assert (seen.count("a"), seen.count("b"), seen.count("c")) == (12, 4, 0)
    assert all(seen[at:at + 4].count("b") == 1 for at in range(0, 16, 4)), seen
    assert "bb" not in seen


def test_least_conn_goes_where_the_fewest_sessions_are(start):
    pool = three()
    gate = start(PLAIN, {"app": {"servers": pool, "balance": "least_conn"}}, tls=None)
    held = {}
    for _ in range(3):
        client = gate.connect().send(b"who")
        held[client.recv_until(b"\n").decode().strip()] = client
    assert sorted(held) == ["a", "b", "c"]
    for name in ("b", "a", "c", "b"):
        held[name].close()
        gate.session(held[name])
        client = gate.connect().send(b"who")
        assert client.recv_until(b"\n").decode().strip() == name
        held[name] = client


def test_least_conn_counts_by_weight(start):
    a, b = servers.NameServer("a"), servers.NameServer("b")
    gate = start(PLAIN, {"app": {"servers": [{"address": a.address, "weight": 3}, b], "balance": "least_conn"}}, tls=None)
    for _ in range(8):
        gate.connect().send(b"who").recv(2)
    assert (a.count, b.count) == (6, 2)


def test_a_server_has_a_name_of_its_own_in_the_log(start):
    gate = start(PLAIN, {"app": [{"address": servers.EchoServer().address, "name": "primary"}]}, tls=None)
    client = gate.connect()
    client.echo(b"x")
    client.close()
    line = gate.session(client)
    assert line["server"] == "primary" and line["connect_ms"] >= 0


def test_servers_by_name_and_by_path(start, tmp_path):
    named = servers.NameServer("n")
    local = servers.NameServer("u", path=str(tmp_path / "server.sock"))
    gate = start(PLAIN, {"app": [f"localhost:{named.port}", local]}, tls=None)
    assert sorted(order(gate, 2)) == ["n", "u"]


def test_servers_at_ipv6_addresses(start):
    gate = start(PLAIN, {"app": servers.NameServer("six", host="::1")}, tls=None)
    assert servers.who(gate) == "six"


@pytest.mark.parametrize("kind", ["plain", "terminate", "passthrough"])
def test_a_refused_connect_is_tried_elsewhere_and_no_byte_is_lost(start, authority, kind):
    good = servers.EchoServer() if kind != "passthrough" else servers.TlsEchoServer(authority.known("gateway.example.com"))
    rules = [{"tls": "passthrough" if kind == "passthrough" else "terminate", "pool": "app"}, {"pool": "app"}]
    gate = start(rules, {"app": [closed_port(), good, closed_port()]})
    for _ in range(6):
        watch = Stopwatch()
        client = gate.connect()
        if kind != "plain":
            client = tls.TlsPeer(client, name="gateway.example.com")
        client.echo(b"the first words of this client")
        assert watch.elapsed() < settings.seconds(0.8), "another server should have been tried at once"
        client.close()
        assert gate.ended(client, "client_closed", server=good.address)


def test_a_hanging_connect_is_given_up_after_connect_timeout(start):
    deaf, good = Deaf(), servers.EchoServer()
    gate = start(PLAIN, {"app": {"servers": [deaf.address, good], "connect_timeout": "300ms"}}, tls=None)
    for _ in range(2):
        client = gate.connect()
        client.echo(b"kept while connecting")
        client.close()
        gate.ended(client, "client_closed", server=good.address)
    deaf.close()


def test_when_all_refuse_there_is_one_more_round_after_a_second(start):
    address = closed_port()
    gate = start(PLAIN, {"app": {"servers": [address], "connect_retries": 1}}, tls=None)
    client = gate.connect().send(b"early bytes")
    late = threading.Timer(0.3, lambda: late_server.append(
        servers.EchoServer(port=int(address.rpartition(":")[2]))))
    late_server = []
    late.start()
    watch = Stopwatch()
    assert client.recv(11) == b"early bytes"
    assert watch.elapsed() >= 0.9
    late.join()


@pytest.mark.parametrize("retries", [0, 1])
def test_when_all_tries_fail_the_client_gets_a_reset(start, retries):
    gate = start(PLAIN, {"app": {"servers": [closed_port(), closed_port()], "connect_retries": retries}}, tls=None)
    client = gate.connect().send(b"anyone")
    client.expect_reset()
    line = gate.ended(client, "connect_failed", bytes_out=0, pool="app")
    assert line["detail"]


def test_a_tls_client_gets_a_reset_too_when_all_tries_fail(start):
    gate = start(pools={"app": {"servers": [closed_port()], "connect_retries": 0}})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    client.expect_reset()
    gate.ended(client, "connect_failed")


def test_a_client_that_leaves_while_connecting_leaves_nothing_behind(start):
    deaf = Deaf()
    gate = start(PLAIN, {"app": {"servers": [deaf.address], "connect_timeout": "1s", "connect_retries": 0}}, tls=None)
    client = gate.connect().send(b"impatient")
    client.reset()
    assert gate.session(client)["end"] in ("client_reset", "client_closed", "connect_failed")
    deaf.close()


def test_backups_serve_only_when_no_other_is_up(start):
    first, spare = servers.NameServer("first"), servers.NameServer("spare")
    port = first.port
    gate = start(PLAIN, {"app": {"servers": [first, {"address": spare.address, "backup": True}],
                                 "health_check": {"interval": "100ms", "fall": 1, "rise": 1}}}, tls=None)
    assert [servers.who(gate) for _ in range(4)] == ["first"] * 4
    first.kill()
    wait.until(lambda: servers.who(gate) == "spare", "the backup serves", 5)
    assert [servers.who(gate) for _ in range(4)] == ["spare"] * 4
    servers.NameServer("first", port=port)
    wait.until(lambda: servers.who(gate) == "first", "the first serves again", 5)
    assert [servers.who(gate) for _ in range(4)] == ["first"] * 4


def test_a_killed_server_is_left_out_until_it_comes_back(start):
    pool = three()
    gate = start(PLAIN, {"app": {"servers": pool, "health_check": {"interval": "100ms", "fall": 2, "rise": 2}}}, tls=None)
    assert sorted(order(gate, 3)) == ["a", "b", "c"]
    session = gate.connect().send(b"who")
    session.recv(2)
    quiet = gate.events.count()
    port = pool[1].port
    pool[1].kill()
    assert pool[1].address in gate.event("server.down", start=quiet)
    seen = order(gate, 12)  # no client sees an error in the meantime
    assert set(seen) == {"a", "c"} and abs(seen.count("a") - 6) <= 1, seen
    quiet = gate.events.count()
    servers.NameServer("b", port=port)
    assert pool[1].address in gate.event("server.up", start=quiet)
    assert sorted(order(gate, 6)) == list("aabbcc")


def test_fewer_failures_than_fall_leave_a_server_up(start):
    server = servers.Listener()
    gate = start(PLAIN, {"app": {"servers": [server], "health_check": {"interval": "300ms", "fall": 1000}}}, tls=None)
    server.accept(3)
    server.close()
    refused = gate.connect().send(b"x")
    again = wait.until(lambda: _reopened(server.port), "the port is free again")
    assert refused.recv(1) == b"x", "the server was not tried again"
    wait.until(lambda: again.count >= 3, "checks go on", 5)
    assert not gate.events_with("server.down")


def _reopened(port):
    try:
        return servers.EchoServer(port=port)
    except OSError:
        return None


def test_without_an_eligible_server_it_is_no_server_and_a_reset(start):
    gate = start(PLAIN, {"app": {"servers": [closed_port()], "health_check": {"interval": "100ms", "fall": 1}}}, tls=None)
    gate.event("server.down")
    watch = Stopwatch()
    client = gate.connect().send(b"anyone")
    client.expect_reset()
    assert watch.elapsed() < 1.0
    gate.ended(client, "no_server", bytes_out=0)


def test_a_server_that_resets_right_away_is_server_reset_not_a_retry(start):
    server = servers.Listener()
    gate = start(PLAIN, {"app": server}, tls=None)
    client = gate.connect().send(b"hello")
    peer = server.accept()
    peer.recv(5)
    peer.reset()
    client.expect_reset()
    gate.ended(client, "server_reset")


def test_the_same_pool_serves_plain_terminated_and_passed_clients(start, authority):
    server = servers.Listener()
    gate = start([{"match": {"sni": "passed.example.com"}, "tls": "passthrough", "pool": "app"},
                  {"tls": "terminate", "pool": "app"}, {"pool": "app"}], {"app": server})
    gate.connect().send(b"plain")
    assert server.accept().recv(5) == b"plain"
    tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"ended")
    assert server.accept().recv(5) == b"ended"
    gate.connect().send(tls.hello("passed.example.com"))
    assert server.accept().recv(3) == b"\x16\x03\x01"


def test_sessions_of_a_reload_keep_their_counts(launch, build):
    a, b = servers.NameServer("a"), servers.NameServer("b")
    config = build(PLAIN, {"app": {"servers": [a, b], "balance": "least_conn"}}, tls=None)
    gate = launch(config)
    first = gate.connect().send(b"who")
    taken = first.recv_until(b"\n")
    config["listeners"]["combined"]["rules"][0]["name"] = "after"
    gate.reload(config)

    def after():
        client = gate.connect().send(b"who")
        answer = client.recv_until(b"\n")
        client.close()
        return gate.session(client)["rule"] == "after" and answer
    answer = wait.until(after, "the new configuration is used", 3)
    assert answer != taken
    for _ in range(4):
        assert after() != taken, "the old session's slot was forgotten"
