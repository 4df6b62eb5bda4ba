"""Servers that get no new sessions, and what becomes of those they have; slow_start."""

import pytest

from harness import servers, wait
from harness.wait import Stopwatch

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]


def named(server, **more) -> dict:
    return {"address": server.address, "name": server.name, **more}


def ask(client) -> str:
    return client.send(b"who").recv_until(b"\n").decode().strip()


def order(gate, count) -> str:
    return "".join(servers.who(gate) for _ in range(count))


@pytest.fixture
def two(launch, build):
    """A gateway before the servers a and b, and a session on a; change(**pool keys) reloads."""
    a, b = servers.NameServer("a"), servers.NameServer("b")

    class Two:
        def __init__(self):
            self.a, self.b = a, b
            self.config = build(PLAIN, {"app": {"servers": [named(a), named(b)]}}, tls=None)

        def launch(self, **more):
            self.config["pools"]["app"].update(more)
            self.gate = launch(self.config)
            self.session = self.gate.connect()
            assert ask(self.session) == "a"
            return self.gate

        def change(self, a_keys=None, **more):
            quiet = self.gate.events.count()
            self.config["pools"]["app"].update(more)
            if a_keys is not None:
                self.config["pools"]["app"]["servers"] = [named(a, **a_keys), named(b)]
            self.gate.reload(self.config)
            self.gate.event("reload.done", start=quiet)
    return Two()


@pytest.mark.parametrize("state", ["drain", "maint"])
def test_a_server_starts_in_its_state(two, launch, state):
    two.config["pools"]["app"]["servers"] = [named(two.a, state=state), named(two.b)]
    gate = launch(two.config)
    assert order(gate, 4) == "bbbb"


@pytest.mark.parametrize("state", ["drain", "maint"])
def test_a_drained_server_keeps_its_sessions_and_gets_no_new_ones(two, state):
    gate = two.launch()
    two.change({"state": state})
    assert order(gate, 4) == "bbbb"
    assert ask(two.session) == "a"
    two.change({})
    assert sorted(order(gate, 4)) == list("aabb")
    assert ask(two.session) == "a"


def test_a_weight_of_0_gets_no_new_sessions(two):
    gate = two.launch()
    two.change({"weight": 0})
    assert order(gate, 4) == "bbbb"
    assert ask(two.session) == "a"


def test_a_server_that_is_taken_out_keeps_its_sessions(two):
    gate = two.launch()
    two.change(servers=[named(two.b)])
    assert order(gate, 4) == "bbbb"
    assert ask(two.session) == "a"
    two.session.close()
    gate.ended(two.session, "client_closed", server="a")


@pytest.mark.parametrize("way", ["drain", "maint", "taken out", "pool taken out"])
def test_after_drain_timeout_what_is_left_ends_as_shutdown(two, way):
    gate = two.launch(drain_timeout="1200ms")
    watch = Stopwatch()
    if way == "taken out":
        two.change(servers=[named(two.b)])
    elif way == "pool taken out":
        two.config["pools"] = {"other": {"servers": [named(two.b)]}}
        two.config["listeners"]["combined"]["rules"] = [{"pool": "other"}]
        quiet = gate.events.count()
        gate.reload(two.config)
        gate.event("reload.done", start=quiet)
    else:
        two.change({"state": way})
    other = gate.connect()
    assert ask(other) == "b"
    assert ask(two.session) == "a"
    two.session.expect_reset()
    assert watch.elapsed() >= 1.15
    gate.ended(two.session, "shutdown", server="a", detail="drain_timeout of the server")
    assert ask(other) == "b"
    gate.event("server.drained", "server=a", "sessions=1")


def test_a_server_made_ready_in_time_keeps_its_sessions(two):
    gate = two.launch(drain_timeout="1200ms")
    two.change({"state": "drain"})
    two.change({"state": "ready"})
    two.session.expect_silence(1.6)
    assert ask(two.session) == "a"
    assert not gate.events_with("server.drained")


def test_a_server_that_comes_back_in_time_keeps_its_sessions_and_their_count(two):
    gate = two.launch(drain_timeout="1200ms", balance="least_conn")
    two.change(servers=[named(two.b)])
    two.change({})
    held = gate.connect()
    assert ask(held) == "b", "the old session was forgotten"
    two.session.expect_silence(1.6)
    assert ask(two.session) == "a"


def test_in_maintenance_a_server_is_not_checked(two):
    gate = two.launch(health_check={"interval": "50ms", "fall": 1, "rise": 1})
    wait.until(lambda: two.a.count > 3, "it is checked")
    two.change({"state": "maint"})
    before_b = two.b.count
    wait.until(lambda: two.b.count > before_b + 2, "a check under way has ended")
    seen, before_b = two.a.count, two.b.count
    wait.until(lambda: two.b.count > before_b + 5, "the other one is checked")
    assert two.a.count == seen
    two.change({})
    wait.until(lambda: two.a.count > seen, "it is checked again")
    assert sorted(order(gate, 2)) == ["a", "b"]


def test_a_reload_keeps_health_sessions_and_rotation(two):
    gate = two.launch(health_check={"interval": "100ms", "fall": 1, "rise": 1000})
    two.a.kill()
    gate.event("server.down", "server=a")
    port, quiet = two.a.port, gate.events.count()
    servers.NameServer("a", port=port)  # answers again, but `rise` is far away
    two.change(connect_timeout="4s")
    assert order(gate, 6) == "bbbbbb"
    assert not gate.events_with("server.up", start=quiet) and not gate.events_with("server.down", start=quiet)


def test_a_server_that_returns_begins_slowly(start):
    a, b = servers.NameServer("a"), servers.NameServer("b")
    gate = start(PLAIN, {"app": {"servers": [named(a), named(b)], "slow_start": "1h",
                                 "health_check": {"interval": "100ms", "fall": 1, "rise": 1}}}, tls=None)
    assert sorted(order(gate, 6)) == list("aaabbb")
    a.kill()
    gate.event("server.down", "server=a")
    servers.NameServer("a", port=a.port)
    gate.event("server.up", "server=a")
    assert order(gate, 20).count("a") <= 1
