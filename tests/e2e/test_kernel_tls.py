"""Kernel TLS: where the kernel has it, bulk towards a TLS peer is encrypted there, and nobody notices;
where it has none, the library does it all. scripts/check-kernel-tls runs this under a kernel that has it."""

import functools
import os
import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from harness import gate as gates
from harness import openssl, servers, settings, tls

COUNTERS = Path("/proc/net/tls_stat")
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CIPHERS = [(TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256"), (TLS12, "ECDHE-ECDSA-AES256-GCM-SHA384"),
           (TLS12, "ECDHE-ECDSA-CHACHA20-POLY1305"), (TLS13, None)]
LARGE = settings.scaled(8 << 20, 4 << 20)


@functools.lru_cache(maxsize=None)
def words() -> str:
    """What the program says of this kernel."""
    return re.search("^kernel TLS: (.*)$", gates.run("-V").stdout, re.MULTILINE)[1]


def in_kernel() -> int:
    """How many connections the kernel has encrypted for so far."""
    found = re.search(r"^TlsTxSw\s+(\d+)$", COUNTERS.read_text(), re.MULTILINE) if COUNTERS.exists() else None
    return int(found[1]) if found else 0


@pytest.fixture
def there():
    """Only where the kernel has TLS; it must where scripts/check-kernel-tls says that it does."""
    if not words().startswith("available"):
        (pytest.fail if os.environ.get("MUXGATE_TEST_KERNEL_TLS") else pytest.skip)(f"kernel TLS: {words()}")


class Engaged:
    """Counts from here on."""

    def __init__(self):
        words()  # its own trials count, too
        self.before = in_kernel()

    def expect(self, count: int):
        if words().startswith("available"):
            assert in_kernel() - self.before == count


@functools.lru_cache(maxsize=None)
def pattern(size: int) -> bytes:
    """Bytes that are nowhere the same as a power of two further on."""
    block = bytes((i * i + i // 251) % 256 for i in range(65521))
    return (block * (size // len(block) + 1))[:size]


class Store(servers.Server):
    """"bulk N\\n" is answered with N bytes, anything else with itself."""

    def handle(self, peer):
        while line := peer.recv_until(b"\n"):
            word, _, size = line.strip().partition(b" ")
            peer.send(pattern(int(size)) if word == b"bulk" else line)
            if word == b"last":
                return


def ask(client, size: int):
    client.send(b"bulk %d\n" % size)
    assert client.recv(size) == pattern(size)


@pytest.fixture
def session(start):
    """session(…) → a TLS client of a gate before a scripted server, and that server's end."""
    def make(version=TLS13, ciphers=None, receive_buffer=0, **more):
        listener = servers.Listener()
        gate = start(pools={"app": listener}, **more)
        client = tls.TlsPeer(gate.connect(receive_buffer=receive_buffer), tls.client_context(version=version, ciphers=ciphers),
                             name="gateway.example.com")
        client.send(b"hello")
        server = listener.accept()
        server.recv(5)
        return gate, client, server
    return make


def send_in_background(server, data: bytes, finish: bool = True):
    """The server's bytes do not fit into what lies between it and a client that does not read yet."""
    def run():
        server.send(data)
        if finish:
            server.finish()
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def engage(client, server):
    """Moves so much that the kernel takes over, where it can."""
    counter = Engaged()
    thread = send_in_background(server, pattern(LARGE // 4), finish=False)
    assert client.recv(LARGE // 4) == pattern(LARGE // 4)
    thread.join()
    counter.expect(1)


# --- with or without -------------------------------------------------------------------------------------


def test_what_is_said_of_the_kernel_is_so(start):
    """By a look of our own; the program says it in -V and in its events alike."""
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, 31, b"tls")  # TCP_ULP
        except FileNotFoundError:
            assert words() == "not available (the kernel has no tls module, or has not loaded it)"
        except OSError:  # not connected: it knows what is meant
            assert words().startswith(("available (AES-128-GCM", "not used with this OpenSSL"))
    gate = start(pools={"app": servers.EchoServer()}, top={"log": {"level": "info"}})
    gate.event("tls.kernel", f'state="{words()}"')


@pytest.mark.parametrize("version, ciphers", CIPHERS, ids=lambda value: str(value).replace("TLSVersion.", ""))
def test_bulk_and_messages_take_turns(start, version, ciphers):
    gate = start(pools={"app": Store()})
    client = tls.TlsPeer(gate.connect(), tls.client_context(version=version, ciphers=ciphers), name="gateway.example.com")
    counter = Engaged()
    client.send(b"one\n")
    assert client.recv(4) == b"one\n"
    counter.expect(0)
    for size in (LARGE, 1, 100_000, LARGE // 2 + 1):
        ask(client, size)
        client.send(b"between\n")
        assert client.recv(8) == b"between\n"
    client.send(b"last\n")
    client.recv(5)
    client.expect_close_notify()
    client.finish()
    gate.ended(client, "server_closed", bytes_out=LARGE + 1 + 100_000 + LARGE // 2 + 1 + 4 * 8 + 4 + 5)
    counter.expect(1)


def test_messages_alone_never_ask_the_kernel(start):
    gate = start(pools={"app": Store()})
    counter = Engaged()
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    for _ in range(50):
        ask(client, 4000)
    counter.expect(0)


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_an_end_does_not_overtake_what_a_slow_client_has_not_taken(session, version):
    """The server says everything at once and finishes; nothing is read before it has all been said."""
    gate, client, server = session(version, receive_buffer=4096)
    counter = Engaged()
    thread = send_in_background(server, pattern(LARGE))
    have = bytearray()
    while len(have) < LARGE:
        have += client.recv(min(37, LARGE - len(have)) if len(have) < 1000 else min(50_000, LARGE - len(have)))
    assert have == pattern(LARGE)
    thread.join()
    client.expect_close_notify()
    client.send(b"still").finish()
    assert server.recv(5) == b"still"
    server.expect_eof()
    server.close()
    gate.ended(client, "server_closed", bytes_out=LARGE)
    counter.expect(1)


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_a_client_that_has_finished_gets_all_of_the_answer(session, version):
    gate, client, server = session(version, receive_buffer=4096)
    counter = Engaged()
    client.finish()
    server.expect_eof()
    thread = send_in_background(server, pattern(LARGE))
    assert client.recv(LARGE) == pattern(LARGE)
    client.expect_close_notify()
    thread.join()
    server.close()
    gate.ended(client, "client_closed", bytes_out=LARGE)
    counter.expect(1)


def test_a_servers_reset_is_no_clean_end(session):
    gate, client, server = session()
    engage(client, server)
    server.reset()
    client.expect_reset()
    gate.ended(client, "server_reset")


def test_a_clients_reset_reaches_the_server(session):
    gate, client, server = session()
    engage(client, server)
    client.reset()
    server.expect_reset()
    gate.ended(client, "client_reset")


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_a_bad_record_is_answered_with_an_alert(session, version):
    gate, client, server = session(version)
    engage(client, server)
    client.peer.send(tls.record(b"\0" * 64, 23, 0x0303))
    with pytest.raises(ssl.SSLError, match="(?i)bad.record.mac"):
        client.recv(1)
    client.close()
    assert "a record fails its check" in gate.session(client)["detail"]


def test_a_clients_fin_without_close_notify_is_truncated(session):
    gate, client, server = session()
    engage(client, server)
    client.peer.finish()
    server.expect_eof()
    server.send(b"answer")
    assert client.recv(6) == b"answer"
    server.close()
    client.expect_close_notify()
    gate.ended(client, "client_closed", detail="truncated")


# --- KeyUpdate ---------------------------------------------------------------------------------------------


class Lister(servers.Server):
    """"list N" is answered with N numbered lines, anything else with itself."""

    def handle(self, peer):
        while line := peer.recv_until(b"\n"):
            word, _, count = line.strip().partition(b" ")
            peer.send(b"".join(b"%07d %s\n" % (i, b"." * 8000) for i in range(int(count))) if word == b"list" else line)


def ask_for_list(client, count: int):
    before = client.lines.count()
    client.say(b"list %d" % count)
    last = client.lines.find(lambda line: line.startswith("%07d " % (count - 1)), settings.seconds(10), before)
    assert last is not None
    listed = [line for line in client.lines.items[before:] if line.endswith("." * 8000)]
    assert [int(line[:7]) for line in listed] == list(range(count))


def update_keys(client, letter: bytes, times: int):
    client.say(letter)
    client.hears("KEYUPDATE", times)  # a line of its own: s_client takes commands only so


def test_key_updates_behind_the_kernels_back_are_survived(start, need):
    """One that asks for ours gets none: the kernel has the key for good."""
    gate = start(pools={"app": Lister()})
    counter = Engaged()
    client = openssl.SClient(need("openssl"), gate.port, "-tls1_3")
    ask_for_list(client, 200)
    for number, letter in enumerate((b"k", b"K", b"K", b"k"), 1):
        update_keys(client, letter, number)
        client.say(b"after %d" % number)
        client.hears("after %d" % number)
    ask_for_list(client, 100)
    counter.expect(1)
    client.close()
    assert gate.session(seconds=10)["end"].startswith("client_")


def test_after_an_update_of_our_keys_the_library_goes_on(start, need):
    gate = start(pools={"app": Lister()})
    counter = Engaged()
    client = openssl.SClient(need("openssl"), gate.port, "-tls1_3")
    client.say(b"before")
    client.hears("before")
    update_keys(client, b"K", 1)
    client.say(b"after")
    client.hears("after")
    ask_for_list(client, 200)
    counter.expect(0)


def test_after_an_update_of_the_clients_keys_the_kernel_takes_over(start, need):
    gate = start(pools={"app": Lister()})
    counter = Engaged()
    client = openssl.SClient(need("openssl"), gate.port, "-tls1_3")
    update_keys(client, b"k", 1)
    ask_for_list(client, 200)
    counter.expect(1)


# --- the other direction -----------------------------------------------------------------------------------


class SecureStore(servers.Server):
    """A TLS server that counts what comes, and answers when the client has finished."""

    def __init__(self, pair, version):
        self.context = tls.server_context(pair)
        self.context.minimum_version = self.context.maximum_version = version
        super().__init__()

    def handle(self, peer):
        inner = tls.TlsPeer(peer, self.context, server_side=True)
        inner.send(b"ok" if inner.recv_all() == pattern(LARGE) and not inner.truncated else b"no")
        inner.finish()


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_bulk_towards_a_server_with_tls(start, authority, trusting, version):
    server = SecureStore(authority.known("db.example.com"), version)
    gate = start([{"pool": "app"}], {"app": {"servers": [server], "tls": trusting()}})
    counter = Engaged()
    client = gate.connect()
    client.send(pattern(LARGE)).finish()
    assert client.recv_all() == b"ok"
    gate.ended(client, "client_closed", bytes_in=LARGE)
    counter.expect(1)


# --- only where the kernel has it ---------------------------------------------------------------------------


def test_the_kernel_is_left_alone_where_that_is_wanted(there, start):
    off = {"MUXGATE_KERNEL_TLS": "off"}
    gate = start(pools={"app": Store()}, env=off, top={"log": {"level": "info"}})
    gate.event("tls.kernel", 'state="not used (MUXGATE_KERNEL_TLS=off)"')
    counter = Engaged()
    ask(tls.TlsPeer(gate.connect(), name="gateway.example.com"), LARGE)
    counter.expect(0)


@pytest.fixture
def little_room(there):
    """Sets how much TCP takes: beyond that the kernel keeps what it has encrypted."""
    if not os.environ.get("MUXGATE_TEST_KERNEL_TLS"):
        pytest.skip("would change a setting of the machine")
    room = Path("/proc/sys/net/ipv4/tcp_wmem")
    before = room.read_text()
    yield lambda size: room.write_text(f"4096 {size} {size}")
    room.write_text(before)


@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_an_end_does_not_overtake_what_the_kernel_has_encrypted(little_room, session, version):
    """At each size another part of the last records is left with the kernel when the end comes."""
    little_room(36864)
    for size in range(300_000, 300_000 + 16_384, 1_638):
        gate, client, server = session(version, receive_buffer=4096)
        counter = Engaged()
        thread = send_in_background(server, pattern(size))
        have = bytearray()
        while len(have) < size and (piece := client.recv_some()):
            have += piece
        assert have == pattern(size)
        client.expect_close_notify()
        thread.join()
        client.close()
        server.close()
        gate.ended(client, "server_closed", bytes_out=size)
        counter.expect(1)


def test_where_tcp_has_no_room_for_a_record_the_library_goes_on(little_room, session):
    """Older kernels leave half a record behind there, and nobody sends it."""
    little_room(4608)
    gate, client, server = session(TLS13, receive_buffer=2048)
    counter = Engaged()
    thread = send_in_background(server, pattern(LARGE // 4))
    assert client.recv(LARGE // 4) == pattern(LARGE // 4)
    thread.join()
    counter.expect(0)


def test_a_kernel_that_has_tls_is_used(there, session):
    gate, client, server = session()
    before = in_kernel()
    engage(client, server)
    assert in_kernel() == before + 1
