"""Bytes arrive once, in order, unchanged; a FIN goes through as a FIN, a reset as a reset."""

import array
import fcntl
import hashlib
import os
import random
import signal
import socket
import ssl
import struct
import termios
import threading
import time
from pathlib import Path

import pytest

from harness import books, net, servers, settings, tls, wait
from harness.wait import Stopwatch

# client, server: plain to plain, TLS to plain, TLS passed through, plain to TLS, TLS to TLS of ours
KINDS = ["plain", "terminate", "passthrough", "reencrypt", "both"]
RULES = [{"match": {"sni": "passed.example.com"}, "tls": "passthrough", "pool": "app"},
         {"tls": "terminate", "pool": "app"}, {"pool": "app"}]
MEGABYTE = 1 << 20


class Session:
    """A client and its server, connected through the gateway and past every handshake."""

    def __init__(self, gate, server, kind, authority, **how):
        self.gate, self.kind = gate, kind
        client = gate.connect(**how)
        ends = []
        if kind in ("passthrough", "reencrypt", "both"):
            context = tls.server_context(authority.known("passed.example.com"))
            thread = threading.Thread(target=lambda: ends.append(
                tls.TlsPeer(server.accept(), context, server_side=True)))
            thread.start()
        if kind == "passthrough":
            self.client = tls.TlsPeer(client, name="passed.example.com")
            thread.join()
            self.server = ends[0]
        else:
            secure = kind in ("terminate", "both")
            self.client = tls.TlsPeer(client, name="gateway.example.com") if secure else client
            self.client.send(b">")
            if kind in ("reencrypt", "both"):
                thread.join()
                self.server = ends[0]
            else:
                self.server = server.accept()
            assert self.server.recv(1) == b">"
            self.server.send(b"<")
            assert self.client.recv(1) == b"<"

    def close(self):
        self.client.close()
        self.server.close()

    def log(self, end=None, **fields):
        if end is None:
            return self.gate.session(self.client)
        return self.gate.ended(self.client, end, **fields)


@pytest.fixture
def session(start, authority):
    def make(kind, **listener):
        server = servers.Listener()
        how = {"receive_buffer": listener.pop("receive_buffer")} if "receive_buffer" in listener else {}
        pool = {"servers": [server]}
        if kind in ("reencrypt", "both"):
            pool["tls"] = {"ca": str(authority.cert), "sni": "passed.example.com"}
        return Session(start(RULES, {"app": pool}, **listener), server, kind, authority, **how)
    return make


def digest(data) -> str:
    return hashlib.sha256(data).hexdigest()


def both(one, other):
    """Runs two functions at the same time and gives their results; an error of either is raised."""
    results, errors = [None, None], []

    def run(index, function):
        try:
            results[index] = function()
        except BaseException as error:
            errors.append(error)
    thread = threading.Thread(target=run, args=(1, other))
    thread.start()
    run(0, one)
    thread.join()
    if errors:
        raise errors[0]
    return results


# --- bytes -------------------------------------------------------------------------------------

@pytest.mark.tsan
@pytest.mark.parametrize("kind", KINDS)
def test_64_megabytes_of_random_bytes_both_ways_at_once(session, kind):
    s = session(kind)
    size = settings.scaled(64 * MEGABYTE)
    up, down = random.Random(1).randbytes(size), random.Random(2).randbytes(size)
    at_client, at_server = both(lambda: net.exchange(s.client, up), lambda: net.exchange(s.server, down))
    assert (len(at_server), len(at_client)) == (size, size)
    assert (digest(at_server), digest(at_client)) == (digest(up), digest(down))
    s.close()
    line = s.log()
    if kind != "passthrough":  # there the handshake counts, too
        assert (line["bytes_in"], line["bytes_out"]) == (size + 1, size + 1)
    else:
        assert line["bytes_in"] > size and line["bytes_out"] > size


@pytest.mark.parametrize("kind", KINDS)
def test_many_small_messages_keep_their_order(session, kind):
    s = session(kind)
    count = settings.scaled(4000)
    for number in range(count):
        message = b"%07d|" % number
        s.client.send(message)
        assert s.server.recv(8) == message
        s.server.send(message)
        assert s.client.recv(8) == message


@pytest.mark.parametrize("kind", KINDS)
def test_messages_of_every_size_around_the_buffers_edges(session, kind):
    s = session(kind)
    for size in (1, 2, 511, 1448, 4095, 4096, 16383, 16384, 16385, 32768, 65535, 65536, 65537, 131073, 300_001):
        data = os.urandom(size)
        assert both(lambda: s.client.send(data), lambda: s.server.recv(size))[1] == data
        assert both(lambda: s.server.send(data), lambda: s.client.recv(size))[1] == data


def test_bytes_in_and_out_are_exact(session):
    s = session("terminate")
    s.client.send(b"x" * 12_345)
    s.server.recv(12_345)
    s.server.send(b"y" * 54_321)
    s.client.recv(54_321)
    s.client.finish()
    s.server.expect_eof()
    s.server.close()
    s.client.expect_eof()
    s.log("client_closed", bytes_in=12_346, bytes_out=54_322)


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_at_a_time_after_a_bulk_and_a_bulk_again(session, kind):
    s = session(kind)
    for size in (3 * MEGABYTE, 10, 2 * MEGABYTE, 1):
        data = os.urandom(size)
        received = both(lambda: s.client.send(data), lambda: s.server.recv(size))[1]
        assert digest(received) == digest(data)
        received = both(lambda: s.server.send(data), lambda: s.client.recv(size))[1]
        assert digest(received) == digest(data)


# --- back-pressure -----------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["to the server", "to the client"])
def test_a_stalled_reader_does_not_make_the_gateway_grow(session, kind, direction):
    s = session(kind)
    size = settings.scaled(64 * MEGABYTE)
    data = random.Random(3).randbytes(size)
    sender, reader = (s.client, s.server) if direction == "to the server" else (s.server, s.client)
    before = books.memory(s.gate.pid)
    received = []
    go_on = threading.Event()

    def stall_then_read():
        go_on.wait(settings.seconds(20))
        received.append(net.exchange(reader, b""))
    thread = threading.Thread(target=stall_then_read)
    thread.start()
    pushing = threading.Thread(target=lambda: net.exchange(sender, data))
    pushing.start()
    # Everything on the way is full when the gateway's CPU time and memory stand still.
    wait.until(lambda: _stands_still(s.gate.pid), "the way is full", 15, every=0.0)
    grown = books.memory(s.gate.pid) - before
    go_on.set()
    thread.join()
    pushing.join()
    assert grown < 8 * MEGABYTE * max(1, settings.slow()), f"grew by {grown} bytes"
    assert digest(received[0]) == digest(data)


def _stands_still(pid) -> bool:
    before = (books.cpu_seconds(pid), books.memory(pid))
    time.sleep(0.4)
    return (books.cpu_seconds(pid), books.memory(pid)) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_stalled_direction_does_not_stop_the_other(session, kind):
    s = session(kind)
    s.client.sock.settimeout(0.5)
    block = bytes(65536)
    try:
        while True:
            s.client.send(block)
    except TimeoutError:
        pass
    s.client.sock.settimeout(s.client.timeout)
    s.server.send(b"the other way is free")
    assert s.client.recv(21) == b"the other way is free"


def test_a_slow_reader_gets_every_byte(session):
    s = session("plain", receive_buffer=4096)
    data = os.urandom(400_000)
    sending = threading.Thread(target=lambda: s.server.send(data).finish())
    sending.start()
    received = bytearray()
    while len(received) < len(data):
        received += s.client.sock.recv(1500)
    sending.join()
    assert digest(received) == digest(data)
    s.client.expect_eof()


# --- half-close --------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_the_client_finishes_and_the_server_still_answers(session, kind):
    s = session(kind)
    s.client.send(b"question").finish()
    assert s.server.recv_all() == b"question"
    answer = os.urandom(200_000)
    received = both(lambda: s.server.send(answer).finish(), s.client.recv_all)[1]
    assert digest(received) == digest(answer)
    if kind in ("terminate", "both"):
        assert not s.client.truncated
    if kind in ("reencrypt", "both"):
        assert not s.server.truncated
    if kind == "passthrough":
        s.client.peer.finish()
        s.server.peer.expect_eof()
        s.server.peer.finish()
    s.log("client_closed")


@pytest.mark.parametrize("kind", KINDS)
def test_the_server_finishes_and_the_client_still_speaks(session, kind):
    s = session(kind)
    s.server.send(b"farewell").finish()
    assert s.client.recv_all() == b"farewell"
    if kind in ("terminate", "both"):
        assert not s.client.truncated, "the server's FIN must arrive as a close_notify"
    message = os.urandom(200_000)
    received = both(lambda: s.client.send(message).finish(), s.server.recv_all)[1]
    assert digest(received) == digest(message)
    if kind == "passthrough":
        s.server.peer.finish()
        s.client.peer.expect_eof()
        s.client.peer.finish()
    s.log("server_closed")


@pytest.mark.parametrize("kind", ["plain", "terminate", "reencrypt", "both"])
def test_data_and_fin_in_one_go_are_both_delivered(session, kind):
    s = session(kind)
    data = os.urandom(300_000)
    received = both(lambda: s.server.send(data).finish().close(), lambda: s.client.recv_all())[1]
    assert digest(received) == digest(data)
    s.client.finish()
    s.log("server_closed")


@pytest.mark.parametrize("kind", ["plain", "terminate", "reencrypt", "both"])
def test_both_finish_at_once(session, kind):
    s = session(kind)
    s.client.send(b"last").finish()
    s.server.send(b"last").finish()
    assert (s.client.recv_all(), s.server.recv_all()) == (b"last", b"last")
    assert s.log()["end"] in ("client_closed", "server_closed")


def test_a_tls_clients_fin_without_close_notify_is_a_fin_that_can_be_answered(session):
    s = session("terminate")
    s.client.send(b"question")
    s.client.peer.finish()
    assert s.server.recv_all() == b"question"
    s.server.send(b"answer").close()
    assert s.client.recv_all() == b"answer"
    line = s.log("client_closed")
    assert "truncated" in line["detail"]


def _in_one_segment(client, data: bytes, more: bytes = b"", notify: bool = False):
    """The last data record and what comes behind it, in one segment and with no FIN."""
    client.tls.write(data)
    if notify:
        try:
            client.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
    client.peer.send(client.outgoing.read() + more)


def test_data_and_close_notify_in_one_segment_are_both_delivered(session):
    s = session("terminate")
    _in_one_segment(s.client, b"question", notify=True)
    assert s.server.recv_all() == b"question"
    s.server.send(b"answer").close()
    assert s.client.recv_all() == b"answer" and not s.client.truncated
    s.log("client_closed", bytes_in=9, bytes_out=7)


def test_data_and_a_bad_record_in_one_segment_end_the_session_at_once(session):
    s = session("terminate")
    _in_one_segment(s.client, b"good", more=b"\x17\x03\x03\x00\x20" + bytes(32))
    watch = Stopwatch()
    assert s.server.recv(4) == b"good"
    s.server.expect_reset()
    assert watch.elapsed() < 5
    assert s.log()["detail"]


@pytest.mark.parametrize("kind", ["reencrypt", "both"])
def test_a_tls_servers_fin_without_close_notify_stays_one(session, kind):
    s = session(kind)
    s.server.send(b"half an ans")
    s.server.peer.finish()
    assert s.client.recv_all() == b"half an ans"
    if kind == "both":
        assert s.client.truncated, "what was cut off must not look whole"
        s.client.peer.close()
        s.client.at_end = True
    else:
        s.client.finish()
    assert s.log("server_closed")["detail"] == "server truncated"


def test_a_tls_clients_fin_without_close_notify_stays_one(session):
    s = session("both")
    s.client.send(b"question")
    s.client.peer.finish()
    assert s.server.recv_all() == b"question" and s.server.truncated
    s.server.peer.close()
    assert s.log("client_closed")["detail"] == "truncated"


class Segments:
    """What the kernel tells of a socket's segments (struct tcp_info of linux/tcp.h)."""

    CLOSE_WAIT = 8  # the other side's FIN is there

    def __init__(self, sock):
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        self.state = info[0]
        self.unacknowledged, = struct.unpack_from("=I", info, 24)
        self.came, = struct.unpack_from("=I", info, 140)


@pytest.mark.parametrize("first", ["client", "server"])
def test_close_notify_and_fin_come_in_one_segment(session, first):
    s = session("terminate")
    s.server.send(b"an answer")
    assert s.client.recv(9) == b"an answer"
    if first == "client":
        s.client.finish()
        s.server.expect_eof()
    sock = s.client.sock
    wait.until(lambda: Segments(sock).unacknowledged == 0, "all that the client said is acknowledged")
    before = Segments(sock).came
    s.server.close()
    wait.until(lambda: Segments(sock).state == Segments.CLOSE_WAIT, "the FIN is there")
    assert Segments(sock).came == before + 1
    s.client.expect_close_notify()
    s.client.close()
    s.log(f"{first}_closed")


def test_a_clean_tls_end_is_not_called_truncated(session):
    s = session("terminate")
    s.client.finish()
    s.server.expect_eof()
    s.server.close()
    s.client.expect_close_notify()
    assert "truncated" not in s.log("client_closed").get("detail", "")


# --- resets ------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_a_clients_reset_is_a_reset_for_the_server(session, kind):
    s = session(kind)
    s.client.reset()
    s.server.expect_reset()
    s.log("client_reset")


@pytest.mark.parametrize("kind", KINDS)
def test_a_servers_reset_is_a_reset_for_the_client(session, kind):
    s = session(kind)
    s.server.reset()
    s.client.expect_reset()
    s.log("server_reset")


@pytest.mark.parametrize("kind", ["plain", "terminate", "reencrypt", "both"])
def test_a_reset_after_the_other_side_has_finished_is_still_a_reset(session, kind):
    s = session(kind)
    s.server.finish()
    s.client.expect_eof()
    s.client.reset()
    s.server.expect_reset()
    assert s.log()["end"] == "client_reset"


def freeze(gate):
    """What happens meanwhile, the gateway finds all at once."""
    gate.signal(signal.SIGSTOP)
    tasks = Path(f"/proc/{gate.pid}/task")
    wait.until(lambda: all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks.iterdir()),
               "the gateway stands still")


def is_acknowledged(end) -> bool:
    left = array.array("i", [0])
    fcntl.ioctl(end.fileno(), termios.TIOCOUTQ, left)
    return left[0] == 0


@pytest.mark.parametrize("first", ["speaks", "is written to"])
@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("kind", KINDS)
def test_who_resets_is_heard_to_the_end(session, kind, who, first):
    """A write to it may be the first to meet the reset; what it said before is still to be read."""
    s = session(kind)
    speaker, other = (s.server, s.client) if who == "server" else (s.client, s.server)
    words = random.Random(3).randbytes(40000)
    freeze(s.gate)
    if first == "is written to":
        other.send(b"more")
    speaker.send(words)
    wait.until(lambda: is_acknowledged(speaker), "the gateway's kernel has it")
    speaker.reset()
    if first == "speaks":
        other.send(b"more")
    s.gate.signal(signal.SIGCONT)
    assert digest(other.recv(len(words))) == digest(words)
    other.expect_reset()
    s.log(f"{who}_reset")


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_with_a_full_way_is_still_a_reset(session, kind):
    s = session(kind)
    s.server.sock.settimeout(0.5)
    try:
        while True:
            s.server.send(bytes(65536))
    except TimeoutError:
        pass
    s.client.reset()
    s.server.sock.settimeout(s.server.timeout)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while True:
            (s.server if kind != "passthrough" else s.server.peer).send(bytes(65536))
    s.log("client_reset")


# --- time --------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_silence_in_both_directions_ends_as_idle_timeout(session, kind):
    s = session(kind, timeouts={"idle": "600ms"})
    watch = Stopwatch()
    s.client.expect_closed()
    s.server.expect_closed()
    assert watch.elapsed() >= 0.4
    assert s.log("idle_timeout").get("detail") != "half-closed"


@pytest.mark.parametrize("talker", ["client", "server"])
def test_traffic_in_one_direction_keeps_a_session(session, talker):
    s = session("plain", timeouts={"idle": "1s"})
    end, other = (s.client, s.server) if talker == "client" else (s.server, s.client)
    watch = Stopwatch()
    while watch.elapsed() < 2.2:
        end.send(b".")
        assert other.recv(1) == b"."
        time.sleep(0.1)


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("kind", ["plain", "terminate", "reencrypt", "both"])
def test_a_half_closed_session_has_a_time_of_its_own(session, kind, who):
    s = session(kind, timeouts={"idle": "1h", "half_closed": "500ms"})
    end, other = (s.client, s.server) if who == "client" else (s.server, s.client)
    end.finish()
    other.expect_eof()
    watch = Stopwatch()
    try:
        end.recv_all()
    except ConnectionResetError:
        pass
    assert 0.3 <= watch.elapsed() < settings.seconds(5)
    s.log("idle_timeout", detail="half-closed")


@pytest.mark.parametrize("kind, who", [("terminate", "client"), ("reencrypt", "server")])
def test_that_a_tls_side_cut_itself_off_is_told_with_the_timeout_that_follows(session, kind, who):
    s = session(kind, timeouts={"idle": "1h", "half_closed": "200ms"})
    end, other = (s.client, s.server) if who == "client" else (s.server, s.client)
    end.peer.finish()
    other.expect_eof()
    s.log("idle_timeout", detail="half-closed, truncated" if who == "client" else "half-closed, server truncated")


def test_a_half_closed_session_that_still_moves_is_not_cut(session):
    s = session("plain", timeouts={"half_closed": "1s"})
    s.client.finish()
    s.server.expect_eof()
    watch = Stopwatch()
    while watch.elapsed() < 2.2:
        s.server.send(b".")
        assert s.client.recv(1) == b"."
        time.sleep(0.1)
    s.server.finish()
    s.client.expect_eof()
    s.log("client_closed")


@pytest.mark.parametrize("kind", KINDS)
def test_the_inspect_deadline_does_not_outlive_the_inspection(session, kind):
    s = session(kind, inspect_delay="600ms")
    time.sleep(0.8)  # past the delay
    s.client.send(b"late")
    assert s.server.recv(4) == b"late"


def test_times_of_a_session_are_in_its_line(session):
    s = session("plain")
    time.sleep(0.3)
    s.close()
    line = s.log()
    assert 250 <= line["duration_ms"] < 10_000
    assert line["inspect_ms"] < 250 and line["connect_ms"] < 250


# --- ends --------------------------------------------------------------------------------------

def test_who_closed_first_is_who_is_named(session):
    s = session("plain")
    s.client.finish()
    s.server.expect_eof()
    s.server.close()
    s.client.expect_eof()
    s.log("client_closed")


def test_a_server_that_closes_first_is_named(session):
    s = session("plain")
    s.server.finish()
    s.client.expect_eof()
    s.client.close()
    s.log("server_closed")


def test_idle_sessions_hold_little_memory(start):
    gate = start(pools={"app": servers.EchoServer()}, tls=None, rules=[{"pool": "app"}])
    for _ in range(50):
        gate.connect().echo(b"warm up")
    before = books.memory(gate.pid)
    count = settings.scaled(1000)
    for _ in range(count):
        gate.connect().echo(b"x")
    each = (books.memory(gate.pid) - before) / count
    # A sanitizer's guards around each allocation, and what it keeps after a free, count as well.
    most = 32768 if settings.sanitized() else 4096
    assert each < most, f"{each:.0f} bytes for each idle plain session"
