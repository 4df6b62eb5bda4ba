"""Servers given by name: what a name stands for, followed while the gateway runs."""

import concurrent.futures
import json
import select
import threading
import time

import pytest

from harness import gate as gates, names, net, servers, settings, wait

PLAIN = [{"pool": "app"}]
A, B, C = "127.0.0.11", "127.0.0.12", "127.0.0.13"


@pytest.fixture
def dns(need, tmp_path):
    """dns(hosts, srv) → a running name server"""
    def make(hosts=None, srv=(), **how):
        return names.NameServer(need("dnsmasq"), tmp_path / "dns", hosts, srv, **how)
    return make


class Fleet:
    """Servers that answer with their address, all on one port."""

    def __init__(self, *addresses):
        for _ in range(20):
            self.port = net.free_port()
            try:
                self.servers = {address: servers.NameServer(address, host=address, port=self.port) for address in addresses}
                return
            except OSError:
                continue
        raise RuntimeError("no port that is free everywhere")


def pool(server, resolver, interval="100ms", **keys):
    return {"app": {"servers": server if isinstance(server, list) else [server],
                    "resolve": {"servers": [resolver.address], "interval": interval}, **keys}}


def rotation(gate, count) -> list:
    return [servers.who(gate) for _ in range(count)]


def spoken(gate, count=6) -> set:
    return set(rotation(gate, count))


# --- addresses -----------------------------------------------------------------------------------

def test_each_address_of_a_name_is_a_server(start, dns):
    fleet = Fleet(A, B, C)
    resolver = dns({"app.test": [A, B, C]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver), tls=None)
    seen = rotation(gate, 6)
    assert sorted(seen) == [A, A, B, B, C, C] and seen[:3] == seen[3:]
    told = {line["server"] for line in gate.sessions()}
    assert told <= {f"app.test:{fleet.port}/{address}:{fleet.port}" for address in (A, B, C)}


def test_one_address_is_the_server_itself(start, dns):
    fleet = Fleet(A)
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", dns({"app.test": [A]})), tls=None)
    client = gate.connect().send(b"who")
    client.recv_until(b"\n")
    client.close()
    assert gate.session(client)["server"] == f"app.test:{fleet.port}"


def test_new_addresses_get_sessions_and_old_ones_drain(start, dns):
    fleet = Fleet(A, B, C)
    resolver = dns({"app.test": [A, B]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver), tls=None)
    held = {}
    for _ in range(2):
        client = gate.connect().send(b"who")
        held[client.recv_until(b"\n").decode().strip()] = client
    assert sorted(held) == [A, B]
    resolver.change({"app.test": [B, C]})
    line = gate.event("resolve.changed")
    assert "pool=app" in line and "servers=2 added=1 removed=1" in line
    assert spoken(gate) == {B, C}
    for address, client in held.items():
        client.send(b"still")
        assert client.recv_until(b"\n").decode().strip() == address
    for client in held.values():
        client.close()
        gate.session(client)
    assert len(gate.events_with("resolve.")) == 1


def test_answers_in_another_order_change_nothing(start, dns):
    fleet = Fleet(A, B, C)
    resolver = dns({"app.test": [A, B, C]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver), tls=None)
    before = rotation(gate, 3)
    resolver.change({"app.test": [C, A, B]})
    time.sleep(0.5)  # several rounds of asking, none of which may show
    assert rotation(gate, 3) == before
    assert not gate.events_with("resolve.")


def test_the_answers_own_time_counts_where_no_interval_is_given(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A]}, ttl=1)
    gate = start(PLAIN, {"app": {"servers": [f"app.test:{fleet.port}"], "resolve": {"servers": [resolver.address]}}}, tls=None)
    assert spoken(gate, 2) == {A}
    resolver.change({"app.test": [B]})
    gate.event("resolve.changed", seconds=3)
    assert spoken(gate, 2) == {B}


def test_ipv6_addresses(start, dns):
    server = servers.NameServer("six", host="::1")
    gate = start(PLAIN, pool(f"app.test:{server.port}", dns({"app.test": ["::1"]})), tls=None)
    assert servers.who(gate) == "six"


def test_a_source_leaves_only_addresses_of_its_family(start, dns):
    fleet = Fleet(A)
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", dns({"app.test": [A, "::1"]}), source="127.0.0.1"), tls=None)
    assert spoken(gate, 4) == {A}


def test_health_checks_follow_the_addresses(start, dns):
    fleet = Fleet(A)
    resolver = dns({"app.test": [A]})
    check = {"interval": "100ms", "fall": 1, "rise": 1}
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver, health_check=check), tls=None)
    resolver.change({"app.test": [A, B]})  # nobody listens there
    gate.event("server.down", f"app.test:{fleet.port}/{B}:{fleet.port}")
    assert spoken(gate) == {A}


def test_an_answer_too_large_for_one_packet_comes_whole_and_is_bounded(start, dns):
    many = [f"127.1.{n // 100}.{n % 100 + 1}" for n in range(300)]
    port = net.free_port()
    gate = start(PLAIN, pool([f"many.test:{port}"], dns({"many.test": many}), interval="100ms"), tls=None)
    assert "servers=256" in gate.event("resolve.cut")
    time.sleep(0.5)  # several rounds of asking
    assert not gate.events_with("resolve.changed"), "the same 256 each time"


def test_all_names_of_a_pool_together_are_bounded(start, dns):
    hosts = {f"n{k}.test": [f"127.{k}.{n // 100}.{n % 100 + 1}" for n in range(200)] for k in range(1, 7)}
    port, resolver = net.free_port(), dns(hosts)
    fixed = [f"127.0.9.{n}:{port}" for n in range(1, 4)]
    gate = start(PLAIN, pool(fixed + [f"{name}:{port}" for name in hosts], resolver, interval="100ms"), tls=None, admin=True)

    def found():
        servers_ = gate.admin.get("/v1/pools")[0]["servers"]
        return [sum(server["name"].startswith(f"{name}:") for server in servers_) for name in ("127.0.9.1", *hosts)]
    assert "servers=24" in gate.event("resolve.cut", "n6.test")
    assert found() == [1, 200, 200, 200, 200, 200, 24]
    resolver.change(hosts | {"n1.test": hosts["n1.test"][:100]})
    wait.until(lambda: found() == [1, 100, 200, 200, 200, 200, 124], "the room is used")
    assert len(gate.events_with("resolve.cut")) == 1
    assert not gate.events_with("resolve.failed")


# --- servers that come and go --------------------------------------------------------------------

def held(gate, answer):
    """A session that is with this server."""
    client = gate.connect().send(b"who")
    assert client.recv_until(b"\n").decode().strip() == answer
    return client


def limited(fleet, **keys):
    return [{"address": f"app.test:{fleet.port}", **keys}]


@pytest.mark.tsan
def test_a_server_that_comes_serves_who_waits_and_limits_hold_under_another_name(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A]})
    gate = start(PLAIN, pool(limited(fleet, max_sessions=1), resolver, queue={"timeout": "30s"}), tls=None, top={"workers": 3})
    first = held(gate, A)
    second, third = gate.connect().send(b"who"), gate.connect().send(b"who")
    resolver.change({"app.test": [A, B]})  # A is now called otherwise, and as full as before
    ready, _, _ = select.select([second.sock, third.sock], [], [], settings.seconds(5))
    assert len(ready) == 1
    served, waiting = (second, third) if ready[0] is second.sock else (third, second)
    assert served.recv_until(b"\n").decode().strip() == B
    waiting.expect_silence(0.2)
    first.close()
    assert waiting.recv_until(b"\n").decode().strip() == A
    assert gate.session(first)["server"] == f"app.test:{fleet.port}/{A}:{fleet.port}"


@pytest.mark.tsan
def test_who_waits_while_a_full_server_goes_gets_the_next_one(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A]})
    gate = start(PLAIN, pool(limited(fleet, max_sessions=1), resolver, queue={"timeout": "30s"}), tls=None)
    first = held(gate, A)
    second = gate.connect().send(b"who")
    resolver.change({"app.test": [B]})
    assert second.recv_until(b"\n").decode().strip() == B
    resolver.change({"app.test": [A, B]})
    gate.event("resolve.changed", "servers=2")
    third = gate.connect().send(b"who")
    third.expect_silence(0.2)  # A has had the first one all the time
    first.close()
    assert third.recv_until(b"\n").decode().strip() == A


def test_a_server_that_goes_has_drain_timeout_to_finish(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A, B]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver, drain_timeout="300ms"), tls=None)
    clients = {who: held(gate, who) for who in (A, B)}
    resolver.change({"app.test": [B]})
    clients[A].expect_reset()
    assert gate.session(clients[A])["end"] == "shutdown"
    clients[B].send(b"still")
    assert clients[B].recv_until(b"\n").decode().strip() == B


def test_a_server_that_comes_begins_slowly(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver, slow_start="1d"), tls=None)
    resolver.change({"app.test": [A, B]})
    gate.event("resolve.changed", "added=1")
    assert rotation(gate, 20).count(B) <= 1


def test_what_an_operator_set_holds_when_addresses_join(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver), tls=None, admin=True)
    name = f"app.test:{fleet.port}"
    assert gate.admin.ask("PATCH", f"/v1/pools/app/servers/{name}", {"state": "maint"}).status == 200
    resolver.change({"app.test": [A, B]})
    gate.event("resolve.changed", "added=1 removed=0")
    assert spoken(gate) == {B}
    assert gate.admin.server("app", f"{name}/{A}:{fleet.port}")["state"] == "maint"


@pytest.mark.tsan
def test_no_client_is_lost_while_servers_come_and_go_and_reloads_pass(start, dns):
    """Clients on all workers, some of them waiting, and never a moment without a server."""
    fleet = Fleet(A, B, C)
    resolver = dns({"app.test": [A]})
    keys = {"queue": {"max": 100, "timeout": "30s"}, "slow_start": "1s", "health_check": {"interval": "100ms"}}
    gate = start(PLAIN, pool(limited(fleet, max_sessions=3), resolver, **keys), tls=None, top={"workers": 3}, admin=True)
    over = threading.Event()

    def visit() -> int:
        visits = 0
        while not over.is_set() or visits == 0:
            assert servers.who(gate) in (A, B, C)
            visits += 1
        return visits

    with concurrent.futures.ThreadPoolExecutor(12) as clients:
        running = [clients.submit(visit) for _ in range(12)]
        try:
            for number, addresses in enumerate([[A, B], [B], [B, C], [A, C], [A], [A, B, C], [C]]):
                quiet = gate.events.count()
                resolver.change({"app.test": addresses})
                if number % 2:
                    gate.reload()
                gate.event("resolve.changed", f"servers={len(addresses)}", start=quiet)
        finally:
            over.set()
        assert sum(client.result() for client in running) >= 12
    wait.until(lambda: all(server["sessions"] == 0 for server in gate.admin.get("/v1/pools")[0]["servers"]),
               "every slot is given back")
    assert gate.admin.metric("pool_waiting", pool="app") == 0
    assert {line["end"] for line in gate.sessions()} <= {"client_closed", "server_closed"}


# --- answers that vanish -------------------------------------------------------------------------

def test_a_name_that_vanishes_keeps_its_last_servers(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A, B]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver), tls=None)
    resolver.change({})
    line = gate.event("resolve.failed")
    assert f'pool=app server="app.test:{fleet.port}" reason="Domain name not found" kept=2' in line
    assert spoken(gate) == {A, B}
    time.sleep(0.4)  # asked again and again: still one line
    assert len(gate.events_with("resolve.")) == 1
    resolver.change({"app.test": [B, A]})
    gate.event("resolve.recovered", "servers=2")
    resolver.change({"app.test": [A]})
    gate.event("resolve.changed", "servers=1", "added=0 removed=1")
    assert spoken(gate) == {A}


def test_an_answer_that_cannot_be_taken_is_told_once_and_changes_nothing(start, dns):
    """Another server has the name that the new one would have."""
    fleet = Fleet(A, B, C)
    resolver = dns({"app.test": [A]})
    taken = {"address": f"{C}:{fleet.port}", "name": f"app.test:{fleet.port}/{B}:{fleet.port}"}
    gate = start(PLAIN, pool([f"app.test:{fleet.port}", taken], resolver), tls=None)
    resolver.change({"app.test": [A, B]})
    gate.event("resolve.failed", "already has a server named")
    time.sleep(0.5)  # several rounds of asking
    assert spoken(gate) == {A, C}
    assert len(gate.events_with("resolve.")) == 1
    resolver.change({"app.test": [A]})
    gate.event("resolve.recovered")


def test_a_name_server_that_dies_or_is_deaf_holds_up_nothing(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver), tls=None)
    resolver.stop()
    deaf = names.DeafNameServer(resolver.port)
    deaf.wait_asked()
    watch = wait.Stopwatch()
    for _ in range(50):
        assert servers.who(gate) == A
    assert watch.elapsed() < 3.0
    gate.event("resolve.failed", "Timeout while contacting DNS servers", seconds=25)  # three tries, each longer
    deaf.close()
    resolver.start({"app.test": [B]})
    gate.event("resolve.changed", seconds=8)
    assert spoken(gate) == {B}


# --- SRV -----------------------------------------------------------------------------------------

SERVICE = "_fix._tcp.test"


def srv_config(resolver, **keys):
    return pool(f"srv:{SERVICE}", resolver, **keys)


def test_srv_records_name_hosts_ports_weights_and_backups(start, dns):
    a, b, c = (servers.NameServer(name, host=address) for name, address in (("a", A), ("b", B), ("c", C)))
    hosts = {"a.test": [A], "b.test": [B], "c.test": [C]}
    records = [(SERVICE, "a.test", a.port, 10, 30), (SERVICE, "b.test", b.port, 10, 10), (SERVICE, "c.test", c.port, 20, 1)]
    resolver = dns(hosts, records)
    gate = start(PLAIN, srv_config(resolver), tls=None)
    seen = rotation(gate, 8)
    assert (seen.count("a"), seen.count("b"), seen.count("c")) == (6, 2, 0)
    a.kill()
    b.kill()
    assert servers.who(gate) == "c", "the third try"
    told = {f"srv:{SERVICE}/{server.address}" for server in (a, b, c)}
    wait.until(lambda: {line["server"] for line in gate.sessions()} == told, "each is told by its name")


def test_backups_of_srv_records_take_over(start, dns):
    a, c = servers.NameServer("a", host=A), servers.NameServer("c", host=C)
    hosts = {"a.test": [A], "c.test": [C]}
    resolver = dns(hosts, [(SERVICE, "a.test", a.port, 1, 0), (SERVICE, "c.test", c.port, 2, 0)])
    gate = start(PLAIN, srv_config(resolver, health_check={"interval": "100ms", "fall": 1}), tls=None)
    assert spoken(gate, 3) == {"a"}
    a.kill()
    gate.event("server.down")
    assert spoken(gate, 3) == {"c"}


def test_srv_records_are_followed(start, dns):
    a, b = servers.NameServer("a", host=A), servers.NameServer("b", host=B)
    hosts = {"a.test": [A], "b.test": [B]}
    resolver = dns(hosts, [(SERVICE, "a.test", a.port, 1, 1)])
    gate = start(PLAIN, srv_config(resolver), tls=None)
    assert spoken(gate, 2) == {"a"}
    resolver.restart(hosts, [(SERVICE, "a.test", a.port, 2, 1), (SERVICE, "b.test", b.port, 1, 70000 % 65536)])
    gate.event("resolve.changed", "servers=2 added=1 removed=0")
    assert spoken(gate, 4) == {"b"}
    resolver.restart(hosts, [(SERVICE, "a.test", a.port, 1, 1), (SERVICE, "b.test", b.port, 1, 1)])
    gate.event("resolve.changed", "servers=2 added=0 removed=0")
    assert spoken(gate, 4) == {"a", "b"}


def test_a_target_that_is_not_there_leaves_the_others(start, dns):
    a = servers.NameServer("a", host=A)
    gate = start(PLAIN, srv_config(dns({"a.test": [A]}, [(SERVICE, "a.test", a.port, 1, 1),
                                                         (SERVICE, "gone.test", 1, 1, 1)])), tls=None)
    assert spoken(gate, 3) == {"a"}


def test_tls_asks_for_and_verifies_the_records_target_also_after_a_change_and_a_reload(start, dns, authority):
    """A target of another name is another server, though its address is the same."""
    server = servers.TlsEchoServer(authority.known("a.test", "b.test"), host=A)
    asked = []
    server.context.sni_callback = lambda _, name, __: asked.append(name)
    hosts = {name: [A] for name in ("a.test", "b.test", "c.test")}
    resolver = dns(hosts, [(SERVICE, "A.test", server.port, 1, 1)])
    gate = start(PLAIN, srv_config(resolver, tls={"ca": str(authority.cert)}, connect_retries=0), tls=None)
    gate.connect().echo(b"to a")
    assert asked[-1] == "a.test"
    resolver.restart(hosts, [(SERVICE, "b.test", server.port, 1, 1)])
    gate.event("resolve.changed", "servers=1 added=1 removed=1")
    gate.reload()
    gate.event("reload.done")
    gate.connect().echo(b"to b")
    assert asked[-1] == "b.test"
    quiet = gate.events.count()
    resolver.restart(hosts, [(SERVICE, "c.test", server.port, 1, 1)])
    gate.event("resolve.changed", start=quiet)
    client = gate.connect().send(b"to nobody")
    client.expect_reset()
    line = gate.ended(client, "connect_failed")
    assert "c.test" in line["detail"] or "name" in line["detail"], line


# --- start and reload ----------------------------------------------------------------------------

def failing(build, tmp_path, config, *args, seconds=20):
    file = tmp_path / "gate.json"
    file.write_text(json.dumps(build(PLAIN, config, tls=None, bind=f"127.0.0.1:{net.free_port()}"), indent=1))
    done = gates.run("-c", file, *args, seconds=seconds)
    assert done.returncode == 1, done
    return done.stderr


def test_a_name_without_an_address_of_the_sources_family_is_an_error(build, dns, tmp_path):
    config = pool("app.test:80", dns({"app.test": [A]}), source="::1")
    assert 'pools.app.servers[0]: cannot resolve "app.test": ' in failing(build, tmp_path, config, "-t")


@pytest.mark.parametrize("args", [["-t"], []], ids=["-t", "start"])
def test_names_that_are_not_there_are_errors_at_their_places(build, dns, tmp_path, args):
    config = pool(["app.test:80", {"address": "gone.test:80"}, f"srv:{SERVICE}"], dns({"app.test": [A]}))
    errors = failing(build, tmp_path, config, *args)
    assert 'pools.app.servers[1].address: cannot resolve "gone.test": Domain name not found' in errors
    assert f'pools.app.servers[2]: cannot resolve "{SERVICE}": ' in errors
    assert "servers[0]" not in errors


def test_a_deaf_name_server_is_not_waited_for_for_ever(build, tmp_path):
    deaf = names.DeafNameServer()
    watch = wait.Stopwatch()
    config = pool([f"app{n}.test:80" for n in range(20)], deaf)
    errors = failing(build, tmp_path, config, "-t")
    assert watch.elapsed() < 8.0, "all at once, not one after another"
    assert errors.count("Timeout while contacting DNS servers") == 20


def test_a_reload_without_a_name_server_keeps_known_names_and_refuses_new_ones(start, dns):
    fleet = Fleet(A, B)
    resolver = dns({"app.test": [A, B]})
    gate = start(PLAIN, pool(f"app.test:{fleet.port}", resolver), tls=None)
    resolver.stop()
    known = pool(f"app.test:{fleet.port}", resolver, connect_timeout="3s")
    gate.reload({**gate.template, "pools": known})
    gate.event("reload.done", "generation=2")
    assert spoken(gate) == {A, B}
    gate.reload({**gate.template, "pools": pool([f"app.test:{fleet.port}", "new.test:1"], resolver)})
    gate.event('pools.app.servers[1]: cannot resolve "new.test"', seconds=12)
    gate.event("reload.refused")
    assert spoken(gate) == {A, B}
    resolver.start({"app.test": [A], "new.test": [B]})
    gate.event("resolve.changed", "servers=1", seconds=8)


def test_without_resolve_the_systems_names_count(start):
    server = servers.NameServer("here")
    gate = start(PLAIN, {"app": [f"localhost:{server.port}"]}, tls=None)
    assert servers.who(gate) == "here"
