"""Limits per client address, handshakes that wait, and refusals that do not fill the disk."""

import concurrent.futures
import time

import pytest

from harness import books, net, proxy, servers, settings, tls, wait
from harness.wait import Stopwatch

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]
HELLO = tls.hello("gateway.example.com", versions=())  # TLS 1.2: answered at once, and then the client is waited for


def served(gate, **how):
    """A client that is inside, or None for one that was refused."""
    client = gate.connect(**how)
    try:
        client.echo(b"in")
    except (OSError, EOFError):
        client.close()
        return None
    return client


def test_max_sessions_per_source_counts_each_client_over_all_workers(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, limits={"max_sessions_per_source": 5},
                 top={"workers": 4})
    inside = [client for client in (served(gate) for _ in range(20)) if client]
    assert len(inside) == 5
    assert sum(served(gate, source="127.0.0.2") is not None for _ in range(20)) == 5
    wait.until(lambda: gate.refusals(end="limit", detail="max_sessions_per_source") == 30, "all are counted")
    inside[0].close()
    gate.session(inside[0])
    assert served(gate) and not served(gate)


def test_over_a_limit_the_client_gets_a_reset(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, limits={"max_sessions_per_source": 1})
    held = served(gate)
    assert held
    over = gate.connect()
    over.expect_reset()
    line = gate.session(end="limit")
    assert line["detail"] == "max_sessions_per_source" and line["client"].startswith("127.0.0.1:")


def v6_header(source: str) -> bytes:
    return proxy.v2(source, 4000, "2001:db8::1", 443)


def behind(gate, header: bytes):
    client = gate.connect().send(header)
    try:
        client.echo(b"in")
    except (OSError, EOFError):
        return None
    return client


def test_behind_a_proxy_the_client_in_the_header_counts(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, accept_proxy=["127.0.0.1"],
                 limits={"max_sessions_per_source": 2})
    for source in ("10.1.1.1", "10.1.1.2"):
        header = f"PROXY TCP4 {source} 10.9.9.9 4000 80\r\n".encode()
        inside = [behind(gate, header) for _ in range(4)]
        assert [client is not None for client in inside] == [True, True, False, False]
    for line in (line for line in gate.sessions() if line["end"] == "limit"):
        assert line["client"].startswith("10.1.1.")


def test_an_ipv6_source_is_its_64(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, accept_proxy=["127.0.0.1"],
                 limits={"max_sessions_per_source": 2})
    assert behind(gate, v6_header("2001:db8:1:1::1")) and behind(gate, v6_header("2001:db8:1:1:ffff::2"))
    assert not behind(gate, v6_header("2001:db8:1:1:8000::3"))
    assert behind(gate, v6_header("2001:db8:1:2::1"))


@pytest.mark.parametrize("keys, detail", [
    ({"limits": {"accept_rate_per_source": "2/h"}}, "accept_rate_per_source"),
    ({"inspect_limits": {"max_undecided_per_source": 2}}, "inspect_limits.max_undecided_per_source"),
], ids=["rate", "undecided"])
def test_an_ipv6_source_is_its_64_for_every_limit(start, keys, detail):
    gate = start([{"match": {"prefix": "in"}, "pool": "app"}], {"app": servers.EchoServer()}, tls=None,
                 accept_proxy=["127.0.0.1"], inspect_delay="30s", **keys)
    half = {source: gate.connect().send(v6_header(source) + b"i")
            for source in ("2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:1:8000::3")}
    over = gate.session(end="limit", detail=detail)["client"]  # workers need not see them in our order
    half.pop(proxy.split(over)[0]).expect_reset()
    assert behind(gate, v6_header("2001:db8:1:2::1"))
    for client in half.values():
        client.send(b"n")
        assert client.recv(2) == b"in"
    assert gate.refusals(end="limit") == 1


def test_accept_rate_lets_a_burst_in_and_then_one_at_a_time(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, limits={"accept_rate_per_source": "5/s"},
                 top={"workers": 3})
    watch = Stopwatch()
    inside = sum(served(gate) is not None for _ in range(30))
    most = 5 + int(watch.elapsed() * 5) + 1
    assert 5 <= inside <= most, f"{inside} of at most {most}"
    assert served(gate, source="127.0.0.2"), "another source has its own allowance"
    wait.until(lambda: gate.refusals(end="limit", detail="accept_rate_per_source") == 30 - inside, "all are counted")
    wait.until(lambda: served(gate), "the allowance comes back", 3)


def test_accept_rate_per_hour_stays_used_up(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, limits={"accept_rate_per_source": "3/h"})
    assert [served(gate) is not None for _ in range(5)] == [True, True, True, False, False]
    time.sleep(1.1)  # an allowance by the second would be back
    assert not served(gate)


def test_a_client_of_a_unix_listener_has_no_source(start, tmp_path):
    path = tmp_path / "in.sock"
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, bind=[f"unix:{path}", "127.0.0.1:@combined"],
                 limits={"max_sessions_per_source": 1, "accept_rate_per_source": "1/h"})
    for _ in range(5):
        client = net.connect(str(path))
        client.echo(b"no limit per source is mine")
    assert served(gate) and not served(gate)


def test_a_reload_keeps_the_counts_of_sources(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, limits={"max_sessions_per_source": 2})
    held = [served(gate), served(gate)]
    gate.reload()
    gate.event("reload.done")
    assert all(held) and not served(gate)
    held[0].close()
    gate.session(held[0])
    assert served(gate)


# --- max_handshakes ----------------------------------------------------------------------------------


def stalled_handshake(gate):
    """A client that says its hello and then nothing: its handshake is begun and stays."""
    client = gate.connect()
    client.send(HELLO)
    assert client.recv(1), "the server's half of the handshake"
    return client


def queue_up(gate, count: int) -> list:
    """Clients that wait for a place, in this order."""
    waiting = []
    for _ in range(count):
        inside = books.sockets(gate.pid)
        waiting.append(gate.connect().send(HELLO))
        wait.until(lambda: books.sockets(gate.pid) == inside + 1, "it is accepted")
        waiting[-1].expect_silence(0.03)
    return waiting


@pytest.mark.parametrize("workers", [1, 4])
def test_over_max_handshakes_they_wait_for_a_place(start, workers):
    gate = start(pools={"app": servers.EchoServer()}, limits={"max_handshakes": 2}, top={"workers": workers})
    stalled = [stalled_handshake(gate) for _ in range(2)]
    others = queue_up(gate, 6)
    gate.connect().echo(b"plain ones do not wait")
    stalled[0].close()
    assert others[0].recv(1), "the first who waited has the place"
    for client in others[1:]:
        client.expect_silence(0.0)
    others[0].reset()
    assert others[1].recv(1)
    stalled[1].close()
    for client in others[1:]:
        assert client.recv(1)
        client.close()
    tls.TlsPeer(gate.connect(), name="gateway.example.com").echo(b"all places are back")


def test_places_for_handshakes_go_round_the_workers(start):
    """Whole handshakes, many more at once than places: each has its turn, whatever worker it is at."""
    gate = start(pools={"app": servers.EchoServer()}, limits={"max_handshakes": 1}, top={"workers": 4})
    def one(_):
        tls.TlsPeer(gate.connect(), name="gateway.example.com").echo(b"mine")
        return True
    with concurrent.futures.ThreadPoolExecutor(24) as crowd:
        assert sum(crowd.map(one, range(48))) == 48


def test_a_place_is_given_on_when_its_holder_times_out(start):
    gate = start(pools={"app": servers.EchoServer()}, limits={"max_handshakes": 1}, timeouts={"handshake": "1s"})
    stalled = stalled_handshake(gate)
    time.sleep(0.4)  # so that the one who waits has the later deadline
    other = gate.connect().send(HELLO)
    gate.ended(stalled, "handshake_timeout", detail=None)
    assert other.recv(1)


def test_waiting_for_a_place_ends_with_the_handshake_timeout(start, build):
    server = servers.EchoServer()
    gate = start(pools={"app": server}, limits={"max_handshakes": 1}, timeouts={"handshake": "30s"})
    stalled_handshake(gate)
    gate.reload(build(pools={"app": server}, limits={"max_handshakes": 1}, timeouts={"handshake": "300ms"}))
    gate.event("reload.done")
    for _ in range(2):
        gate.ended(gate.connect().send(HELLO), "handshake_timeout", detail="limits.max_handshakes")


def test_a_reload_that_raises_max_handshakes_lets_those_in_who_wait(start, build):
    server = servers.EchoServer()
    gate = start(pools={"app": server}, limits={"max_handshakes": 1}, timeouts={"handshake": "30s"})
    stalled_handshake(gate)
    waiting = queue_up(gate, 5)
    gate.reload(build(pools={"app": server}, limits={"max_handshakes": 4}, timeouts={"handshake": "30s"}))
    for client in waiting[:3]:
        assert client.recv(1)
    waiting[3].expect_silence(0.1)
    gate.reload(build(pools={"app": server}, timeouts={"handshake": "30s"}))
    for client in waiting[3:]:
        assert client.recv(1)


# --- refusals in the log -----------------------------------------------------------------------------


def refuse(gate, count, **how):
    for _ in range(count):
        gate.connect(**how).close()


def test_refusals_in_numbers_are_folded_and_none_is_lost(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, deny=["127.0.0.2"])
    count = settings.scaled(2000)
    refuse(gate, count, source="127.0.0.2")
    wait.until(lambda: gate.refusals(end="denied") == count, "the sum is exact", 10)
    lines = [line for line in gate.sessions() if line["end"] == "denied"]
    assert len(lines) < 60, f"{len(lines)} lines for {count} refusals"
    single = [line for line in lines if "repeated" not in line]
    assert 10 <= len(single) <= 20 and all("id" in line for line in single)
    assert all(line["client"].startswith("127.0.0.2:") for line in lines)


def test_the_metric_counts_each_refusal_by_its_limit_and_outlives_a_reload(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, deny=["127.0.0.2"], limits={"max_sessions_per_source": 1},
                 admin=True)
    limits = {"denied": 0, "max_sessions_per_source": 0, "max_sessions": 0, "descriptors": 0}

    def told():
        return {limit: gate.admin.metric("refused_total", listener="combined", limit=limit) for limit in limits}
    assert told() == limits
    refuse(gate, 40, source="127.0.0.2")
    inside = served(gate)
    for _ in range(3):
        assert served(gate) is None
    limits.update(denied=40, max_sessions_per_source=3)
    wait.until(lambda: told() == limits, "all are counted")
    gate.reload()
    gate.event("reload.done")
    assert told() == limits
    inside.close()


def test_many_sources_share_lines(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, deny=["127.1.0.0/16"], top={"workers": 1})
    for number in range(400):
        refuse(gate, 1, source=f"127.1.{number // 200}.{number % 200 + 1}")
    wait.until(lambda: gate.refusals(end="denied") == 400, "the sum is exact", 10)
    lines = [line for line in gate.sessions() if line["end"] == "denied"]
    assert len(lines) < 120
    assert any("repeated" in line and "client" not in line for line in lines)


@pytest.mark.parametrize("how", ["reload", "term"])
def test_what_is_folded_is_written_before_a_reload_and_at_the_end(start, how):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, deny=["127.0.0.2"], top={"workers": 1})
    refuse(gate, 12, source="127.0.0.2")
    wait.until(lambda: gate.refusals(end="denied") >= 10, "the first have lines")
    wait.until(lambda: gate.refusals(end="denied") == 12, "the second's window is over", 5)
    refuse(gate, 5, source="127.0.0.2")  # … and the next one is two seconds long
    served(gate).close()                 # all before are taken
    watch = Stopwatch()
    if how == "reload":
        gate.reload()
        wait.until(lambda: gate.refusals(end="denied") == 17, "flushed", 5)
        assert watch.elapsed() < settings.seconds(1.0)
    else:
        gate.stop()
        assert gate.refusals(end="denied") == 17


def test_refusals_are_not_logged_where_the_listener_logs_nothing(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, deny=["127.0.0.2"], log=False)
    refuse(gate, 30, source="127.0.0.2")
    served(gate).close()  # all were taken
    gate.stop()
    assert gate.sessions() == []
