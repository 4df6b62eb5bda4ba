"""Messages that come in the same turn of the loop are passed on together, plain and by TLS: every byte once, to whom
it is meant for, in order, whatever becomes of the neighbours. The gateway is stopped while they are sent, so that one turn
finds them all."""

import fcntl
import os
import select
import signal
import socket
import ssl
import struct
import termios
import threading

import pytest

from harness import net, servers, tls, wait
from test_reencrypt import Secure
from test_syscalls import Calls

CROWD = 100  # more than one round
PLAIN = [{"pool": "app"}]


class Stopped:
    """Within the block the gateway stands still."""

    def __init__(self, gate):
        self.pid = gate.process.pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        wait.until(self._stands_still, "the gateway stands still")

    def _stands_still(self):
        """Every thread, of itself or under a tracer."""
        tasks = f"/proc/{self.pid}/task"
        return all(open(f"{tasks}/{task}/stat", encoding="ascii").read().rpartition(")")[2].split()[0] in "Tt" for task in os.listdir(tasks))

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def message(number, size=120):
    return (f"<{number}>".encode() * size)[:size]


def crowd(gate, count=CROWD):
    """Sessions that have echoed twice: what a session does only at its beginning is behind them."""
    clients = [gate.connect() for _ in range(count)]
    for number, client in enumerate(clients + clients):
        client.echo(message(number))
    return clients


def leave(gate, clients):
    for client in clients:
        client.finish()
        client.expect_eof()
    for client in clients:
        line = gate.ended(client, "client_closed")
        assert line["bytes_in"] == line["bytes_out"]


def secured(peer, context=None):
    return tls.TlsPeer(peer, context or tls.client_context(), name="gateway.example.com")


@pytest.fixture
def gate(start):
    return start(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"workers": 1})


def test_every_message_goes_to_its_own_server_and_back(gate):
    clients = crowd(gate)
    for turn in range(5):
        with Stopped(gate):
            for number, client in enumerate(clients):
                client.send(message(number + turn, 1 + (number * 37 + turn) % 4000))
        for number, client in enumerate(clients):
            assert client.recv(1 + (number * 37 + turn) % 4000) == message(number + turn, 1 + (number * 37 + turn) % 4000)
    leave(gate, clients)


def test_what_does_not_fit_is_read_on(gate):
    """Messages around and above the room that a neighbour has, and once more: who has large ones goes alone."""
    clients = crowd(gate, 20)
    sizes = [2047, 2048, 2049, 4096, 12289, 65536, 65537, 100000, 1, 120]
    for turn in range(3):
        with Stopped(gate):
            for number, client in enumerate(clients):
                client.send(message(number + turn, sizes[number % len(sizes)]))
        for number, client in enumerate(clients):
            size = sizes[number % len(sizes)]
            assert client.recv(size) == message(number + turn, size)


def test_ends_and_resets_among_them_are_their_own(gate):
    clients = crowd(gate, 60)
    with Stopped(gate):
        for number, client in enumerate(clients):
            if number % 4 == 0:
                client.send(message(number)).finish()
            elif number % 4 == 1:
                client.finish()
            elif number % 4 == 2:
                client.reset()
            else:
                client.send(message(number))
    for number, client in enumerate(clients):
        if number % 4 in (0, 3):
            assert client.recv(120) == message(number)
        if number % 4 in (0, 1):
            client.expect_eof()
        if number % 4 == 3:
            client.echo(b"still here")
    for number, client in enumerate(clients):
        if number % 4 < 3:
            gate.ended(client, ["client_closed", "client_closed", "client_reset"][number % 4])


def test_both_sides_may_speak_in_the_same_turn(start):
    """A client's message and its server's, with the server's reset behind it."""
    server = servers.Listener()
    gate = start(PLAIN, {"app": server}, tls=None, top={"workers": 1})
    pairs = []
    for number in range(30):
        client = gate.connect()
        client.send(b">>")
        peer = server.accept()
        assert peer.recv(2) == b">>"
        for _ in range(2):
            peer.send(b"<").send(b"<")
            assert client.recv(2) == b"<<"
            client.send(b">")
            assert peer.recv(1) == b">"
        pairs.append((client, peer))
    with Stopped(gate):
        for number, (client, peer) in enumerate(pairs):
            client.send(message(number))
            peer.send(message(1000 + number))
            if number % 3 == 0:
                peer.reset()
    for number, (client, peer) in enumerate(pairs):
        assert client.recv(120) == message(1000 + number)
        if number % 3 == 0:
            client.expect_reset()
        else:
            assert peer.recv(120) == message(number)
    for client, _ in pairs[::3]:
        gate.ended(client, "server_reset", bytes_out=4 + 120)


def fill(peer):
    """Sends until nothing moves any more on the way to a server that does not read; how much that was."""
    sent = 0
    while select.select([], [peer.sock], [], 0.3)[1]:
        sent += peer.sock.send(b"s" * 3000)
    return sent


def test_a_sink_that_takes_nothing_holds_up_nobody_else(start):
    server = servers.Listener()
    gate = start(PLAIN, {"app": server}, tls=None, top={"workers": 1})
    pairs = []
    for number in range(12):
        client = gate.connect()
        client.send(b">").send(b">")
        peer = server.accept()
        assert peer.recv(2) == b">>"
        pairs.append((client, peer))
    stuck, behind = pairs[0]
    sent = fill(stuck)
    with Stopped(gate):
        for number, (client, _) in enumerate(pairs[1:]):
            client.send(message(number))
    for number, (_, peer) in enumerate(pairs[1:]):
        assert peer.recv(120) == message(number)
    got = 0
    while got < sent:
        got += len(behind.recv_some())
    assert got == sent


def test_sessions_that_are_ended_from_outside_in_that_turn_are_left_alone(gate):
    """Messages, and the second TERM, which ends all at once, in one turn."""
    clients = crowd(gate, 40)
    gate.signal(signal.SIGTERM)
    gate.event("muxgate.drain")
    with Stopped(gate):
        for number, client in enumerate(clients):
            client.send(message(number))
        gate.signal(signal.SIGTERM)
    gate.wait_exit(20)
    for client in clients:
        client.expect_closed()


def test_what_waits_for_a_slow_client_is_not_overtaken(start, tmp_path):
    """A server says why it refuses a long order, at length, and resets. The write to it meets the reset while what
    it has said waits for a slow client; in the same turn its neighbours are served together."""
    path = str(tmp_path / "gate.sock")
    server = servers.Listener()
    gate = start(PLAIN, {"app": server}, tls=None, top={"workers": 1}, bind=["127.0.0.1:@combined", f"unix:{path}"])
    others = [meet(gate.connect(), server) for _ in range(6)]
    local = socket.socket(socket.AF_UNIX)  # its sink is small, and stays so
    local.connect(path)
    client, peer = meet(net.Peer(local), server)
    widen(client, peer)
    client.send(b"L" * 5000)  # from here on it goes alone, this way
    assert peer.recv(5000) == b"L" * 5000
    numbered = b"".join(b"%09d\n" % line for line in range(40_000))
    for at in range(0, 50_000, 1000):  # read by nobody; each is passed on by itself
        peer.send(numbered[at:at + 1000])
        wait.until(lambda: unread(local) >= at + 1000, "the message has been passed on")
    with Stopped(gate):
        client.send(b"M" * 5000)
        said = 50_000 + push(peer, numbered[50_000:])
        peer.reset()
        for one, _ in others:
            one.send(b"x" * 100)
    for _, other in others:
        assert other.recv(100) == b"x" * 100
    heard = bytearray()
    while len(heard) < said:
        try:
            some = client.recv_some()
        except ConnectionResetError:
            break
        if not some:
            break
        heard += some
    assert heard == numbered[:len(heard)], "what is heard is what was said, without a gap"


def meet(client, server):
    """A session past its first messages, which a session makes by itself."""
    client.send(b">")
    peer = server.accept()
    assert peer.recv(1) == b">"
    for _ in range(3):
        peer.send(b"<")
        assert client.recv(1) == b"<"
        client.send(b">")
        assert peer.recv(1) == b">"
    return client, peer


def widen(client, peer, size=30_000_000):
    """So much from the server that the gateway's socket takes much at once; then small messages again."""
    sender = threading.Thread(target=lambda: peer.sock.sendall(b"w" * size))
    sender.start()
    client.recv(size)
    sender.join()
    for _ in range(3):
        peer.send(b"<")
        assert client.recv(1) == b"<"
        client.send(b">")
        assert peer.recv(1) == b">"


def unread(sock):
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0" * 4))[0]


def push(peer, data):
    """As much as is taken at once; how much that was."""
    peer.sock.setblocking(False)
    said = 0
    try:
        while said < len(data):
            said += peer.sock.send(data[said:said + 100_000])
    except BlockingIOError:
        pass
    peer.sock.setblocking(True)
    return said


# --- TLS ---------------------------------------------------------------------------------------------------


def mixed_crowd(gate, count, plain_every=3):
    """TLS clients, of both versions, and plain ones among them."""
    contexts = [tls.client_context(version=version) for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)]
    clients = []
    for number in range(count):
        peer = gate.connect()
        clients.append(peer if number % plain_every == 2 else secured(peer, contexts[number % 2]))
    for number, client in enumerate(clients * 3):
        client.echo(message(number))
    return clients


@pytest.fixture
def both(start):
    return start(pools={"app": servers.EchoServer()}, top={"workers": 1})


def test_tls_and_plain_messages_of_one_turn_go_their_ways(both):
    clients = mixed_crowd(both, 70)
    for turn in range(5):
        with Stopped(both):
            for number, client in enumerate(clients):
                client.send(message(number + turn, 1 + (number * 37 + turn) % 4000))
        for number, client in enumerate(clients):
            size = 1 + (number * 37 + turn) % 4000
            assert client.recv(size) == message(number + turn, size)
    for client in clients:
        client.finish()
        client.expect_eof()
        assert not getattr(client, "truncated", False)
    for client in clients:
        line = both.ended(client, "client_closed")
        assert line["bytes_in"] == line["bytes_out"]


def test_many_records_and_parts_of_records_in_one_turn(both):
    """What one read brings may be many records, the beginning of one, or its end."""
    clients = mixed_crowd(both, 30)
    secure = [client for client in clients if isinstance(client, tls.TlsPeer)]
    rests = []
    with Stopped(both):
        for number, client in enumerate(clients):
            if client not in secure:
                client.send(message(number))
                continue
            for at in range(40):  # records of three bytes
                client.tls.write(b"%03d" % at)
            client.tls.write(message(number, 100 + 391 * number))
            data = client.outgoing.read()
            cut = 1 + number * 97 % (len(data) - 1)
            client.peer.send(data[:cut])
            rests.append((client, data[cut:]))
    for client in clients:
        if client not in secure:
            assert client.recv(120) == message(clients.index(client))
    with Stopped(both):
        for client, rest in rests:
            client.peer.send(rest)
    for number, client in enumerate(clients):
        if client in secure:
            assert client.recv(120) == b"".join(b"%03d" % at for at in range(40))
            assert client.recv(100 + 391 * number) == message(number, 100 + 391 * number)
        client.echo(b"still here")


def test_ends_resets_and_bad_records_among_tls_messages_are_their_own(both):
    clients = mixed_crowd(both, 60, plain_every=7)
    secure = [client for client in clients if isinstance(client, tls.TlsPeer)]
    with Stopped(both):
        for number, client in enumerate(secure):
            if number % 6 == 0:
                client.send(message(number)).finish()
            elif number % 6 == 1:
                client.finish()
            elif number % 6 == 2:
                client.reset()
            elif number % 6 == 3:
                client.peer.send(b"\x17\x03\x03\x00\x20" + b"?" * 32)
            elif number % 6 == 4:
                client.send(message(number)).peer.finish()  # cut off: no close_notify
            else:
                client.send(message(number))
    for number, client in enumerate(secure):
        if number % 6 in (0, 4, 5):
            assert client.recv(120) == message(number)
        if number % 6 in (0, 1):
            client.expect_close_notify()
        if number % 6 == 5:
            client.echo(b"still here")
    for client in set(clients) - set(secure):
        client.echo(b"still here")
    for number, client in enumerate(secure):
        if number % 6 < 4:
            gate_end = ["client_closed", "client_closed", "client_reset", "client_reset"][number % 6]
            both.ended(client, gate_end)


def test_a_servers_last_words_and_reset_reach_a_tls_client(start):
    """A client's message and its server's, with the server's end or reset behind it, in one turn."""
    server = servers.Listener()
    gate = start(pools={"app": server}, top={"workers": 1})
    pairs = [meet(secured(gate.connect()), server) for _ in range(30)]
    with Stopped(gate):
        for number, (client, peer) in enumerate(pairs):
            client.send(message(number))
            peer.send(message(1000 + number))
            if number % 3 == 0:
                peer.reset()
            elif number % 3 == 1:
                peer.finish()
    for number, (client, peer) in enumerate(pairs):
        assert client.recv(120) == message(1000 + number)
        if number % 3 == 0:
            client.expect_reset()
            continue
        assert peer.recv(120) == message(number)
        if number % 3 == 1:
            client.expect_close_notify()
            client.send(b"and more")
            assert peer.recv(8) == b"and more"


def test_what_slow_tls_clients_do_not_take_now_they_get_later(start, tmp_path):
    """Their sockets, which are small, fill up while others' messages go with theirs."""
    path = str(tmp_path / "gate.sock")
    server = servers.Listener()
    gate = start(pools={"app": server}, top={"workers": 1}, bind=["127.0.0.1:@combined", f"unix:{path}"])
    others = [meet(secured(gate.connect()), server) for _ in range(3)]
    slow = []
    for _ in range(3):
        local = socket.socket(socket.AF_UNIX)
        local.connect(path)
        slow.append(meet(secured(net.Peer(local)), server))
    for turn in range(200):  # a message of a thousand bytes takes twice as much of a socket's 200 KB
        with Stopped(gate):
            for number, (_, peer) in enumerate(slow):
                peer.send(message(turn * 10 + number, 1000))
            for number, (one, peer) in enumerate(others):
                one.send(message(number))
                peer.send(message(1000 + number))
        for number, (one, peer) in enumerate(others):
            assert peer.recv(120) == message(number)
            assert one.recv(120) == message(1000 + number)
    for number, (client, peer) in enumerate(slow):
        for turn in range(200):
            assert client.recv(1000) == message(turn * 10 + number, 1000)
        client.send(b">")
        assert peer.recv(1) == b">"
        peer.finish()
        client.expect_close_notify()


def test_messages_between_tls_and_tls_go_together_too(start, authority, trusting):
    server = Secure(authority.known("db.example.com"))
    gate = start(pools={"app": {"servers": [server], "tls": trusting()}}, top={"workers": 1})
    clients = mixed_crowd(gate, 40)
    for turn in range(3):
        with Stopped(gate):
            for number, client in enumerate(clients):
                client.send(message(number + turn, 1 + (number * 71 + turn) % 2500))
        for number, client in enumerate(clients):
            size = 1 + (number * 71 + turn) % 2500
            assert client.recv(size) == message(number + turn, size)
    for client in clients:
        client.finish()
        client.expect_eof()


# --- what it is for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_a_crowd_costs_a_few_calls(start, need, tmp_path, kind):
    """Two calls of the ring for up to 32 messages, in place of two calls for each; no other is made."""
    need("strace")
    server = servers.Listener()
    gate = start(pools={"app": server}, top={"workers": 1, "log": {"access": "off"}})
    pairs = [meet(secured(gate.connect()) if kind == "tls" else gate.connect(), server) for _ in range(60)]

    def everyone(speak, listen):
        with Calls(gate, tmp_path, units=1) as calls:
            with Stopped(gate):
                for number, pair in enumerate(pairs):
                    pair[speak].send(message(number))
            for number, pair in enumerate(pairs):
                assert pair[listen].recv(120) == message(number)
        return calls
    if everyone(0, 1).of("io_uring_setup") == 0:
        pytest.skip("no io_uring here: each call was made")
    for speak, listen in ((0, 1), (1, 0)):
        calls = everyone(speak, listen)
        assert calls.of("io_uring_enter") == 4, str(calls)
        assert not {"recvfrom", "sendto", "sendmsg", "epoll_ctl"} & set(calls.counts), str(calls)
