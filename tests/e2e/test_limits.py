"""Many clients, hostile ones, and a process that runs out of descriptors."""

import random
import time

import pytest

from harness import books, servers, settings, tls, wait
from harness.wait import Stopwatch

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]
MEGABYTE = 1 << 20


def test_2000_clients_that_send_one_byte_and_stall_delay_nobody(start):
    server, plain_ends = servers.EchoServer(), 0
    gate = start(pools={"app": server}, inspect_delay="3s")
    count = settings.scaled(2000)
    before = books.memory(gate.pid)
    stalled = [gate.connect().send(b"\x16") for _ in range(count)]
    slowest = 0.0
    for _ in range(20):
        watch = Stopwatch()
        gate.connect().echo(b"a real client")
        tls.TlsPeer(gate.connect(), name="gateway.example.com").echo(b"a real client")
        slowest = max(slowest, watch.elapsed())
    assert slowest < settings.seconds(1.0), slowest
    grown = books.memory(gate.pid) - before
    assert grown < 8192 * count * max(1, settings.slow()), f"{grown / count:.0f} bytes for each"
    # One byte that fits is plain when the delay is over: they reach the server, and it echoes.
    for client in stalled:
        assert client.recv(1) == b"\x16"
        client.close()
    for client in stalled:
        plain_ends += gate.session(client, 20)["end"] == "client_closed"
    assert plain_ends == count


def test_2000_clients_with_half_a_hello_all_end_as_inspect_timeout(start):
    gate = start(pools={"app": servers.EchoServer()}, inspect_delay="3s")
    count = settings.scaled(2000)
    part = tls.hello("gateway.example.com")[:30]
    stalled = [gate.connect().send(part) for _ in range(count)]
    quiet_from = books.cpu_seconds(gate.pid)
    watch = Stopwatch()
    gate.connect().echo(b"served meanwhile")
    time.sleep(1.0)  # the measured period: stalled clients must cost no CPU time
    spent = (books.cpu_seconds(gate.pid) - quiet_from) / watch.elapsed()
    assert spent < 0.3, f"{spent:.0%} of a CPU while everybody stalls"
    for client in stalled:
        client.expect_closed()
    for client in stalled:
        gate.ended(client, "inspect_timeout", 20)


def test_max_undecided_sheds_the_oldest(start):
    gate = start(pools={"app": servers.EchoServer()}, inspect_delay="30s", inspect_limits={"max_undecided": 20},
                 top={"workers": 1})
    waiting = [gate.connect().send(b"\x16\x03") for _ in range(20)]
    waiting[-1].expect_silence(0.2)
    newer = [gate.connect().send(b"\x16\x03") for _ in range(5)]
    for client in waiting[:5]:
        client.expect_closed()
        assert gate.session(client)["end"] in ("limit", "inspect_timeout")
    for client in waiting[5:] + newer:
        client.expect_silence(0.0)
    gate.connect().echo(b"real clients enter")


@pytest.mark.parametrize("most", [1, 10])
def test_max_undecided_sheds_the_oldest_of_all_workers(start, most):
    gate = start(pools={"app": servers.EchoServer()}, inspect_delay="30s", inspect_limits={"max_undecided": most},
                 top={"workers": 4})
    waiting = []
    for number in range(most + 40):
        waiting.append(gate.connect())
        if number >= most:
            waiting[number - most].expect_closed()  # whoever's worker that is
        else:
            wait.until(lambda: books.sockets(gate.pid) == gate.base_sockets + len(waiting), "it is accepted")
    for client in waiting[-most:]:
        client.expect_silence(0.0)
    wait.until(lambda: gate.refusals(end="limit", detail="inspect_limits.max_undecided") == 40, "all are counted")


def test_max_sessions_of_a_listener_is_limit_and_a_reset(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, limits={"max_sessions": 3})
    held = [gate.connect() for _ in range(3)]
    for client in held:
        client.echo(b"in")
    over = gate.connect()
    over.expect_reset()
    line = gate.session(check=lambda found: found["end"] == "limit")
    assert line["client"].startswith("127.0.0.1")
    held[0].close()
    gate.session(held[0])
    fresh = gate.connect()
    fresh.echo(b"room again")


def test_max_sessions_counts_over_all_workers(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, limits={"max_sessions": 10}, top={"workers": 4})
    served = 0
    for _ in range(40):
        client = gate.connect()
        try:
            client.echo(b"in")
            served += 1
        except OSError:
            pass
    assert served == 10


def test_max_sessions_of_the_process(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"limits": {"max_sessions": 2}})
    held = [gate.connect() for _ in range(2)]
    for client in held:
        client.echo(b"in")
    gate.connect().expect_reset()
    gate.session(check=lambda found: found["end"] == "limit")


LISTS = [
    ({"deny": ["127.0.0.2"]}, {"127.0.0.1": True, "127.0.0.2": False}),
    ({"allow": ["127.0.0.0/30"]}, {"127.0.0.1": True, "127.0.0.3": True, "127.0.0.4": False}),
    ({"allow": ["127.0.0.0/8"], "deny": ["127.0.0.5/32"]}, {"127.0.0.4": True, "127.0.0.5": False}),
    ({"allow": ["::1"]}, {"127.0.0.1": False}),
]


@pytest.mark.parametrize("lists, outcome", LISTS, ids=lambda item: str(list(item)))
def test_allow_and_deny_are_checked_at_accept(start, lists, outcome):
    server = servers.EchoServer()
    gate = start(PLAIN, {"app": server}, tls=None, **lists)
    for source, served in outcome.items():
        client = gate.connect(source=source)
        if served:
            client.echo(b"welcome")
        else:
            client.expect_reset()
            gate.session(check=lambda found: found["end"] == "denied" and found["client"].startswith(source + ":"))
    assert server.count == sum(outcome.values())


def answers(gate) -> bool:
    client = gate.connect(timeout=2)
    try:
        client.echo(b"a client")
    except (OSError, EOFError):
        return False
    finally:
        client.close()
    return True


def spinning(gate, seconds: float = 1.5) -> float:
    """The part of a CPU that the gateway takes while this measured period goes by."""
    before, watch = books.cpu_seconds(gate.pid), Stopwatch()
    time.sleep(seconds)
    return (books.cpu_seconds(gate.pid) - before) / watch.elapsed()


def test_more_clients_than_descriptors_are_shed_and_later_ones_served(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, wrapper=("prlimit", "--nofile=160:160"),
                 check_books=False)
    held, served = [gate.connect() for _ in range(200)], 0
    for client in held:
        try:
            client.echo(b"x")
            served += 1
        except OSError:
            pass
    assert 10 <= served < 80, "160 descriptors hold fewer than eighty sessions"
    assert spinning(gate) < 0.25
    gate.session(check=lambda line: line["end"] == "limit")
    for client in held:
        client.close()
    wait.until(lambda: answers(gate), "later clients are served", 10)
    assert all(answers(gate) for _ in range(20))


def _first_free(gate):
    """With this limit not one more descriptor is to be had: what counts is its number, and there may be gaps."""
    taken = {number for number, _ in books.numbered_descriptors(gate.pid)}
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _limit_descriptors(gate, command, count):
    status, _, err = command("prlimit", "--pid", gate.pid, f"--nofile={count}:")
    assert status == 0, err


def test_without_a_free_descriptor_it_says_so_does_not_spin_and_recovers(start, command):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, check_books=False)
    old = gate.connect()
    old.echo(b"before")
    quiet = gate.events.count()
    _limit_descriptors(gate, command, _first_free(gate))
    crowd = [gate.connect() for _ in range(30)]
    assert spinning(gate) < 0.25
    old.echo(b"established sessions go on")
    assert any(words in line for line in gate.events.items[quiet:] for words in ("descriptor", "open files", "EMFILE")), \
        gate.events.items[quiet:]
    assert len(gate.events.items[quiet:]) < 20, "it must not flood the event log"
    _limit_descriptors(gate, command, 1000)
    wait.until(lambda: answers(gate), "clients are served again", 10)
    for client in crowd:
        client.close()


def test_without_a_descriptor_for_the_server_only_that_session_fails(start, command):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, check_books=False, inspect_delay="60s")
    waiting = [gate.connect() for _ in range(3)]
    old = gate.connect()
    old.echo(b"before")
    wait.until(lambda: books.sockets(gate.pid) == gate.base_sockets + 5, "all are accepted")
    _limit_descriptors(gate, command, _first_free(gate))
    waiting[0].send(b"needs a server").expect_closed()  # … and leaves its descriptor to the next
    gate.ended(waiting[0], "connect_failed")
    old.echo(b"goes on")
    _limit_descriptors(gate, command, 1000)
    wait.until(lambda: answers(gate), "clients are served again", 10)


def test_clients_that_come_and_go_leave_nothing_behind(start):
    gate = start(pools={"app": servers.EchoServer()})
    hello = tls.hello("gateway.example.com", versions=())
    for number in range(settings.scaled(600)):
        client = gate.connect()
        step = number % 6
        if step == 1:
            client.send(b"\x16")
        elif step == 2:
            client.send(hello[:40])
        elif step == 3:
            client.send(hello)
        elif step == 4:
            client.send(b"plain")
        elif step == 5:
            client.send(hello + b"garbage" * 10)
        (client.reset if number % 2 else client.close)()
    gate.settle(20)


def test_random_bytes_kill_nothing(start):
    chance = random.Random(20260101)
    gate = start(pools={"app": servers.EchoServer()}, inspect_delay="200ms", accept_proxy=["127.0.0.3"])
    valid = [tls.hello("gateway.example.com"), b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n",
             b"8=FIX.4.4\x019=5\x0135=A\x01"]
    for number in range(settings.scaled(400)):
        data = bytearray(chance.choice(valid))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        client = gate.connect(source="127.0.0.3" if number % 3 == 0 else None)
        try:
            client.send(bytes(data[:chance.randrange(1, len(data) + 1)]))
        except OSError:
            pass
        client.close()
    assert answers(gate)
    gate.settle(20)


def test_nothing_spins_while_nobody_moves(start):
    """Sessions stuck in every way there is cost no CPU time."""
    quiet = servers.Listener()
    gate = start([{"match": {"sni": "passed.example.com"}, "tls": "passthrough", "pool": "quiet"},
                  {"tls": "terminate", "pool": "quiet"}, {"pool": "quiet"}],
                 {"quiet": quiet}, inspect_delay="30s", timeouts={"handshake": "30s"})
    hello = tls.hello("gateway.example.com", versions=())
    clients, peers = [], []

    def served(client, data=b"x"):
        client.send(data)
        peers.append(quiet.accept())
        clients.append(client)
        return client, peers[-1]
    clients += [gate.connect(), gate.connect().send(b"\x16"), gate.connect().send(hello[:9]), gate.connect().send(hello)]
    served(gate.connect())
    served(tls.TlsPeer(gate.connect(), name="gateway.example.com"))
    served(gate.connect(), tls.hello("passed.example.com"))
    for make in (lambda: gate.connect(), lambda: tls.TlsPeer(gate.connect(), name="gateway.example.com")):
        client, _ = served(make())
        client.finish()                                   # the client has finished
        _, peer = served(make())
        peer.finish()                                     # the server has finished
        client, peer = served(make())
        peer.sock.settimeout(0.4)
        try:
            while True:
                peer.send(bytes(65536))                   # the client does not read
        except TimeoutError:
            pass
        client, peer = served(make())
        client.sock.settimeout(0.4)
        try:
            while True:
                client.send(bytes(65536))                 # the server does not read, and the client …
        except TimeoutError:
            pass
        client.sock.shutdown(1)                           # … has finished behind what is stuck
    time.sleep(0.5)
    before, watch = books.cpu_seconds(gate.pid), Stopwatch()
    time.sleep(2.0)  # the measured period
    spent = (books.cpu_seconds(gate.pid) - before) / watch.elapsed()
    assert spent < 0.05 * max(1, settings.slow()), f"{spent:.1%} of a CPU while nobody moves"
