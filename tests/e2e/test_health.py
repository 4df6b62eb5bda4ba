"""Health checks: what they say to a server, what they make of its answer, and what sessions add."""

import threading

import pytest

from harness import net, servers, wait

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]
FAST = {"interval": "100ms", "fall": 2, "rise": 1}


class AnswerServer(servers.Server):
    """Answers whatever comes first with `answer`, and ends the connection."""

    def __init__(self, answer: bytes, **where):
        self.answer = answer
        self.heard = []
        super().__init__(**where)

    def handle(self, peer):
        self.heard.append(peer.recv_some())
        peer.send(self.answer)
        peer.finish()
        peer.recv_all()


def pool(server, **check):
    return {"app": {"servers": [server], "health_check": FAST | check}}


def test_http_status_decides(start):
    server = AnswerServer(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    gate = start(PLAIN, pool(server, type="http", path="/ready?deep=1", host="app.example.com", status="200-299,404"),
                 tls=None)
    assert 'reason="HTTP status 503"' in gate.event("server.down")
    client = gate.connect().send(b"x")
    client.expect_reset()
    gate.ended(client, "no_server")
    assert server.heard[0].startswith(b"GET /ready?deep=1 HTTP/1.1\r\nHost: app.example.com\r\n")
    server.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    assert 'reason="HTTP status 404"' in gate.event("server.up")


def test_a_script_asks_and_expects(start):
    server = AnswerServer(b"-LOADING\r\n")
    gate = start(PLAIN, pool(server, type="script", send="PING\r\n", expect="+PONG"), tls=None)
    assert 'reason="not the expected answer"' in gate.event("server.down")
    assert server.heard[0] == b"PING\r\n"
    server.answer = b"+PONG\r\n"
    assert 'reason="answered as expected"' in gate.event("server.up")


def test_a_server_that_accepts_and_never_answers_is_down(start):
    server = servers.Server.__new__(servers.Server)
    stop = threading.Event()
    server.handle = lambda peer: stop.wait(30)
    servers.Server.__init__(server)
    gate = start(PLAIN, pool(server, type="http", timeout="150ms"), tls=None)
    assert 'reason="no answer within 150ms"' in gate.event("server.down")
    stop.set()


def first_check_is_over(server):
    wait.until(lambda: server.peers and server.peers[0].fileno() < 0, "the first check is over", 5)


def test_failed_connects_of_sessions_take_a_server_down(start):
    server = servers.NameServer("a")
    check = {"interval": "1h", "fall": 3}
    gate = start(PLAIN, {"app": {"servers": [server], "health_check": check, "connect_retries": 1}}, tls=None)
    first_check_is_over(server)
    server.kill()
    first, second = gate.connect().send(b"x"), gate.connect().send(b"x")
    line = gate.event("server.down")
    assert f"server={server.address}" in line and 'reason="connect: Connection refused"' in line
    for client in (first, second):
        client.expect_reset()
        assert gate.session(client)["end"] == "connect_failed"
    third = gate.connect().send(b"x")
    third.expect_reset()
    gate.ended(third, "no_server")


def test_a_connection_that_stands_between_failures_keeps_a_server_up(start):
    port = net.free_port()
    check = {"interval": "1h", "fall": 2}
    listener = servers.NameServer("a", port=port)
    gate = start(PLAIN, {"app": {"servers": [f"{net.HOST}:{port}"], "health_check": check, "connect_retries": 1}}, tls=None)
    first_check_is_over(listener)
    for _ in range(3):
        listener.kill()
        refused = gate.connect().send(b"x")  # one try now, one in the next round, a second later
        listener = wait.until(lambda: _reopened(port), "the port is free again", 5)
        assert refused.recv_until(b"\n") == b"a\n"
    assert not gate.events_with("server.down")


def _reopened(port):
    try:
        return servers.NameServer("a", port=port)
    except OSError:
        return None


class ResetServer(servers.Server):
    """Resets each connection once it has read something."""

    def handle(self, peer):
        if peer.recv_some():
            peer.reset()


def test_what_a_client_sends_takes_no_server_away(start):
    server = ResetServer()
    gate = start(PLAIN, {"app": {"servers": [server], "health_check": {"interval": "2s", "fall": 2}}}, tls=None)
    first_check_is_over(server)
    for _ in range(8):
        client = gate.connect().send(b"poison")
        client.expect_reset()
        gate.ended(client, "server_reset")
    wait.until(lambda: server.count >= 10, "a check came early", 5)
    assert not gate.events_with("server.down")


class HangUpServer(servers.Server):
    """Resets every connection but the first as soon as it stands."""

    def handle(self, peer):
        if peer is self.peers[0]:
            peer.recv_all()
        else:
            peer.reset()


def test_resets_before_anyone_has_spoken_take_a_server_down(start):
    server = HangUpServer()
    rules = [{"match": {"silent": True}, "pool": "app"}]
    check = {"interval": "1h", "fall": 2}
    gate = start(rules, {"app": {"servers": [server], "health_check": check, "connect_retries": 0}}, tls=None,
                 inspect_delay="20ms")
    first_check_is_over(server)
    # A reset that comes while connect() still runs counts as a failed connect, which the next connection takes back:
    # one of each, in that order, is one only. Three are enough in any order.
    for _ in range(3):
        gate.connect().expect_reset()
    line = gate.event("server.down")
    assert "reset before its first byte" in line or "connect: Connection reset by peer" in line
