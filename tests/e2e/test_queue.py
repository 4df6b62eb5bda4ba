"""max_sessions and the queue: who waits, in which order, and what ends the wait."""

import resource
import signal
from pathlib import Path

import pytest

from harness import books, net, servers, tls, wait
from harness.wait import Stopwatch

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]
BOTH = [{"tls": "terminate", "pool": "app"}, {"pool": "app"}]


def limited(*pool, limit=1, queue=None, **more) -> dict:
    listed = [{"address": server.address, "max_sessions": limit} for server in pool]
    return {"servers": listed, **({"queue": queue} if queue is not None else {}), **more}


def is_idle(gate) -> bool:
    """Every thread of the gateway sleeps: what came in has been dealt with."""
    for task in Path(f"/proc/{gate.pid}/task").iterdir():
        if (task / "stat").read_text().rpartition(")")[2].split()[0] != "S":
            return False
    return True


def settle(gate, sessions: int, served: int):
    """So many clients are in, so many of them connected to a server; the others wait."""
    wanted = gate.base_sockets + sessions + served
    wait.until(lambda: books.sockets(gate.pid) == wanted, f"{sessions} clients are in, {served} served")
    wait.until(lambda: is_idle(gate), "the gateway has nothing left to do")


@pytest.mark.parametrize("workers", [1, 3])
def test_who_came_first_is_served_first_over_all_workers(start, workers):
    server = servers.Listener()
    gate = start(PLAIN, {"app": limited(server, queue={"max": 10, "timeout": "30s"})}, tls=None, top={"workers": workers})
    clients = []
    for number in range(7):
        clients.append(gate.connect().send(b"%d" % number))
        settle(gate, number + 1, 1)
    for number, client in enumerate(clients):
        peer = server.accept()
        assert peer.recv(1) == b"%d" % number
        server.expect_nobody(0.05)
        peer.send(b"served").finish()
        assert client.recv_all() == b"served"
        client.close()
        peer.close()
    ends = [gate.session(client) for client in clients]
    assert {line["end"] for line in ends} <= {"server_closed", "client_closed"}


def test_a_limit_counts_over_all_workers_and_without_a_queue_the_rest_are_refused(start):
    server = servers.EchoServer()
    gate = start(PLAIN, {"app": limited(server, limit=3)}, tls=None, top={"workers": 3})
    held = [gate.connect() for _ in range(3)]
    for client in held:
        client.echo(b"in")
    for _ in range(4):
        client = gate.connect().send(b"x")
        client.expect_reset()
        gate.ended(client, "no_server", pool="app")
    held[0].close()
    gate.session(held[0])
    gate.connect().echo(b"in")
    assert server.count == 4


def test_a_wait_that_takes_too_long_is_queue_timeout(start):
    server = servers.EchoServer()
    gate = start(PLAIN, {"app": limited(server, queue={"timeout": "300ms"})}, tls=None)
    first = gate.connect()
    first.echo(b"in")
    watch = Stopwatch()
    client = gate.connect().send(b"waiting")
    client.expect_reset()
    assert 0.25 <= watch.elapsed() < 3
    line = gate.ended(client, "queue_timeout", pool="app", bytes_out=0)
    assert "server" not in line
    first.echo(b"still here")
    first.close()
    gate.connect().echo(b"the slot is free again")


def test_a_full_queue_is_no_server_at_once(start):
    server = servers.EchoServer()
    gate = start(PLAIN, {"app": limited(server, queue={"max": 2, "timeout": "30s"})}, tls=None)
    first = gate.connect()
    first.echo(b"in")
    waiting = []
    for number in (2, 3):
        waiting.append(gate.connect().send(b"waiting"))
        settle(gate, number, 1)
    client = gate.connect().send(b"too many")
    client.expect_reset()
    gate.ended(client, "no_server")
    first.close()
    for peer in waiting:
        assert peer.recv(7) == b"waiting"
        peer.close()


@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize("how", ["closes", "resets"])
def test_who_goes_away_while_waiting_leaves_the_queue_at_once(start, how, secured):
    server = servers.EchoServer()
    gate = start(BOTH, {"app": limited(server, queue={"timeout": "50s"})})
    first = gate.connect()
    first.echo(b"in")
    gone = gate.connect()
    if secured:
        gone = tls.TlsPeer(gone, name="gateway.example.com")
    gone.send(b"impatient")
    settle(gate, 2, 1)
    patient = gate.connect().send(b"patient")
    settle(gate, 3, 1)
    watch = Stopwatch()
    (gone.peer if secured else gone).reset() if how == "resets" else gone.close()
    line = gate.session(gone)
    # A TLS client that closes over a session ticket that it has not read resets.
    ends = ["client_reset"] if how == "resets" else ["client_closed"] + ["client_reset"] * secured
    assert line["end"] in ends, line
    assert line["detail"] == "waiting for a server" and "server" not in line
    assert watch.elapsed() < 2
    first.close()
    assert patient.recv(7) == b"patient"
    assert server.count == 2, "a slot was spent on who had gone"


def test_a_client_that_had_finished_before_keeps_its_place(start):
    """Short payload, FIN, and it waits for the answer."""
    server = servers.EchoServer()
    gate = start([{"match": {"prefix": "hello"}, "reject": True}, {"pool": "app"}],
                 {"app": limited(server, queue={"timeout": "30s"})}, tls=None)
    first = gate.connect()
    first.echo(b"in")
    client = gate.connect().send(b"hel").finish()  # only the FIN decides: it is there when the wait begins
    settle(gate, 2, 1)
    first.close()
    assert client.recv_all() == b"hel"
    gate.ended(client, "client_closed", bytes_in=3, bytes_out=3)


@pytest.mark.parametrize("secured", [False, True])
def test_no_byte_is_lost_while_waiting_and_the_loop_sleeps(start, secured):
    server = servers.EchoServer()
    gate = start(BOTH, {"app": limited(server, queue={"timeout": "50s"})})
    first = gate.connect()
    first.echo(b"in")
    client = gate.connect()
    inner = tls.TlsPeer(client, name="gateway.example.com") if secured else client
    words = bytes(range(256)) * 40
    inner.send(words[:5])
    settle(gate, 2, 1)
    inner.send(words[5:])  # more comes while it waits
    wait.until(lambda: is_idle(gate), "the new bytes were seen")
    before = books.cpu_seconds(gate.pid)
    watch = Stopwatch()
    wait.until(lambda: watch.elapsed() > 1, "a second has passed", 5)
    assert books.cpu_seconds(gate.pid) - before < 0.2, "the loop spins while a client waits"
    first.close()
    assert inner.recv(len(words)) == words
    inner.send(b"and more")
    assert inner.recv(8) == b"and more"


def test_a_client_that_fills_its_window_while_waiting_loses_nothing_and_spins_nothing(start):
    server = servers.EchoServer()
    gate = start(PLAIN, {"app": limited(server, queue={"timeout": "50s"})}, tls=None)
    first = gate.connect()
    first.echo(b"in")
    client = gate.connect()
    client.sock.setblocking(False)
    sent = 0
    block = bytes(range(256)) * 64
    quiet = Stopwatch()
    while quiet.elapsed() < 0.3:
        count = client.try_write(memoryview(block)[sent % len(block):])
        if count:
            sent += count
            quiet = Stopwatch()
    before = books.cpu_seconds(gate.pid)
    watch = Stopwatch()
    wait.until(lambda: watch.elapsed() > 1, "a second has passed", 5)
    assert books.cpu_seconds(gate.pid) - before < 0.3, "the loop spins while a client waits"
    client.sock.settimeout(client.timeout)
    client.reset()
    gate.ended(client, "client_reset", detail="waiting for a server")
    first.echo(b"untouched")


def test_who_waits_is_served_by_what_a_reload_brings(launch, build):
    a, b = servers.EchoServer(), servers.EchoServer()
    config = build(PLAIN, {"app": limited(a, queue={"timeout": "50s"})}, tls=None)
    gate = launch(config)
    first = gate.connect()
    first.echo(b"in")
    waiting = gate.connect().send(b"waiting")
    settle(gate, 2, 1)
    config["pools"]["app"]["servers"] = [{"address": b.address, "max_sessions": 1}]
    gate.reload(config)
    assert waiting.recv(7) == b"waiting" and b.count == 1
    first.echo(b"the old server's session lives on")


def test_who_waits_keeps_waiting_over_a_reload(launch, build):
    a = servers.EchoServer()
    config = build(PLAIN, {"app": limited(a, queue={"timeout": "50s"})}, tls=None)
    gate = launch(config)
    first = gate.connect()
    first.echo(b"in")
    waiting = gate.connect().send(b"waiting")
    settle(gate, 2, 1)
    config["listeners"]["combined"]["inspect_delay"] = "4s"
    gate.reload(config)
    gate.event("reload.done")
    newcomer = gate.connect().send(b"newcomer")
    settle(gate, 3, 1)
    first.close()
    assert waiting.recv(7) == b"waiting"
    waiting.close()
    assert newcomer.recv(8) == b"newcomer"


def test_after_a_refused_connect_the_other_servers_slot_is_waited_for(start):
    dead, good = f"{net.HOST}:{net.free_port()}", servers.EchoServer()
    gate = start(PLAIN, {"app": {"servers": [dead, {"address": good.address, "max_sessions": 1}],
                                 "queue": {"timeout": "50s"}}}, tls=None)
    first = gate.connect()
    first.echo(b"in")
    second = gate.connect().send(b"second")
    settle(gate, 2, 1)
    first.close()
    assert second.recv(6) == b"second"


def test_who_waits_when_the_gateway_stops_ends_as_shutdown(start):
    server = servers.EchoServer()
    gate = start(PLAIN, {"app": limited(server, queue={"timeout": "50s"})}, tls=None, top={"drain_timeout": "300ms"})
    first = gate.connect()
    first.echo(b"in")
    waiting = gate.connect().send(b"waiting")
    settle(gate, 2, 1)
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    gate.ended(waiting, "shutdown")
    gate.ended(first, "shutdown")


def test_without_retries_there_is_one_try(start):
    gate = start(PLAIN, {"app": {"servers": [f"{net.HOST}:{net.free_port()}"], "connect_retries": 0}}, tls=None)
    client = gate.connect().send(b"x")
    client.expect_reset()
    assert gate.ended(client, "connect_failed")["duration_ms"] < 1000, "there was a second round"


def test_want_of_descriptors_is_not_held_against_a_server(start):
    server = servers.EchoServer()
    gate = start(PLAIN, {"app": {"servers": [server], "connect_retries": 0,
                                 "health_check": {"interval": "1h", "fall": 1}}}, tls=None, top={"workers": 1})
    wait.until(lambda: server.count == 1 and is_idle(gate), "the first check is over", 8)
    wait.until(lambda: server.peers[0].sock.fileno() < 0 and is_idle(gate), "both ends are closed")
    quiet = books.sockets(gate.pid)
    client = gate.connect()
    wait.until(lambda: books.sockets(gate.pid) == quiet + 1, "it is accepted")
    before = resource.prlimit(gate.pid, resource.RLIMIT_NOFILE)
    open_now = [int(entry.name) for entry in Path(f"/proc/{gate.pid}/fd").iterdir()]
    lowest_free = min(set(range(len(open_now) + 1)) - set(open_now))
    resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    client.send(b"x")
    client.expect_reset()
    assert "Too many open files" in gate.ended(client, "connect_failed")["detail"]
    resource.prlimit(gate.pid, resource.RLIMIT_NOFILE, before)
    assert not gate.events_with("server.down")
    wait.until(lambda: _serves(gate), "it serves again", 5)


def _serves(gate):
    client = gate.connect()
    try:
        client.echo(b"again")
        return True
    except OSError:
        return False
    finally:
        client.close()
