"""What a unit of work costs in system calls: exact where times are noisy.

strace counts them in the running gateway. How often the loop waits depends on who runs when, so that waits do
not count; the rest is nearly the same in every run. Clients come one after another, which costs one accept4
more than clients at once."""

import os
import re
import subprocess

import pytest

from harness import net, servers, tls, wait

UNITS = 20
PLAIN = [{"pool": "app"}]

# Calls of the log's thread, of OpenSSL's random numbers and of a sanitizer are not what is counted.
COUNTED = {"accept", "accept4", "bind", "close", "connect", "epoll_ctl", "fcntl", "getpeername", "getsockname", "getsockopt",
           "io_uring_enter", "io_uring_setup", "ioctl", "poll", "readv", "recvfrom", "recvmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socket", "splice",
           "writev"}
CALL = re.compile(r"^\d+ +(\w+)\(", re.MULTILINE)


class Calls:
    """The calls of a running gateway within a block, per unit."""

    def __init__(self, gate, folder, units=UNITS):
        self.pid, self.file, self.units, self.counts = gate.process.pid, folder / "strace", units, {}

    def _attached(self):
        assert self.tracer.poll() is None, self.tracer.stderr.read()
        tasks = f"/proc/{self.pid}/task"
        return all("TracerPid:\t0\n" not in open(f"{tasks}/{task}/status", encoding="ascii").read() for task in os.listdir(tasks))

    def __enter__(self):
        trace = "trace=" + ",".join(sorted(COUNTED))
        self.tracer = subprocess.Popen(["strace", "-f", "-qq", "-e", trace, "-e", "signal=none", "-o", self.file, "-p", str(self.pid)],
                                       stderr=subprocess.PIPE, text=True)
        wait.until(self._attached, "strace has attached to every thread", 20)
        return self

    def __exit__(self, *_):
        self.tracer.terminate()
        self.tracer.wait(20)
        self.tracer.stderr.close()
        for name in CALL.findall(self.file.read_text(encoding="utf-8", errors="replace")):
            self.counts[name] = self.counts.get(name, 0) + 1

    def of(self, name):
        return self.counts.get(name, 0) / self.units

    def __str__(self):
        return ", ".join(f"{name} {self.of(name):.2f}" for name in sorted(self.counts))

    def expect(self, most, never=()):
        assert sum(self.counts.values()) / self.units <= most, str(self)
        assert [name for name in never if self.of(name) > 0.2] == [], str(self)


@pytest.fixture
def quiet(start, need):
    """A gateway of one worker without an access log, before an echo server on a port as servers have them: below
    those that the kernel takes for clients."""
    need("strace")

    def make(rules=None, **more):
        return start(rules, {"app": servers.EchoServer(port=net.free_port())}, top={"workers": 1, "log": {"access": "off"}}, **more)
    return make


def echo(peer, message=b"x" * 120):
    peer.send(message)
    assert peer.recv(len(message)) == message


def visit(gate):
    client = gate.connect()
    echo(client)
    client.finish()
    client.expect_eof()
    client.close()


def test_a_plain_connection_asks_the_kernel_for_nothing_needless(quiet, tmp_path):
    gate = quiet(PLAIN, tls=None)
    visit(gate)
    with Calls(gate, tmp_path) as calls:
        for _ in range(UNITS):
            visit(gate)
    # Twice accept4, connect and socket, five reads, two writes, four changes of what is watched, one FIN, two closes.
    calls.expect(18.5, never=["poll", "getsockname", "getsockopt", "setsockopt", "fcntl", "ioctl", "bind"])


def test_a_plain_round_trip_is_two_reads_and_two_writes(quiet, tmp_path):
    gate = quiet(PLAIN, tls=None)
    client = gate.connect()
    echo(client)
    echo(client)
    with Calls(gate, tmp_path) as calls:
        for _ in range(UNITS):
            echo(client)
    calls.expect(4.1)


def test_a_server_whose_port_the_kernel_may_choose_is_told_from_ourselves(start, need, tmp_path):
    """The only ones that have to be asked for: with nobody there, the connection could be one to itself."""
    need("strace")
    low = int(open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii").read().split()[0])
    server = servers.EchoServer()
    assert server.port >= low
    gate = start(PLAIN, {"app": server}, tls=None, top={"workers": 1, "log": {"access": "off"}})
    with Calls(gate, tmp_path) as calls:
        for _ in range(UNITS):
            visit(gate)
    assert calls.of("getsockname") == 1, str(calls)


def secure(gate, **how):
    """A TLS client whose first message comes with the end of its handshake, in one segment."""
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com", handshake=False, **how)
    client.handshake(flush=False)
    return client


def visit_by_tls(gate, **how):
    client = secure(gate, **how)
    echo(client)
    client.finish()
    client.expect_close_notify()
    client.close()
    return client.tls


def test_a_handshake_with_a_message_is_three_writes_to_the_client(quiet, tmp_path):
    gate = quiet()
    visit_by_tls(gate)
    with Calls(gate, tmp_path) as calls:
        for _ in range(UNITS):
            visit_by_tls(gate)
    # To the client: its flight, the ticket with the answer, close_notify. To the server: the message.
    assert calls.of("sendto") + calls.of("sendmsg") <= 4.1, str(calls)
    calls.expect(23.5, never=["getsockname", "getsockopt", "setsockopt", "fcntl", "ioctl", "bind"])


def test_a_resumed_handshake_costs_no_call_more(quiet, tmp_path):
    gate = quiet()
    context = tls.client_context()
    session = visit_by_tls(gate, context=context).session
    with Calls(gate, tmp_path) as calls:
        for _ in range(UNITS):
            assert visit_by_tls(gate, context=context, session=session).session_reused
    assert calls.of("sendto") + calls.of("sendmsg") <= 4.1, str(calls)
    calls.expect(23.5, never=["getsockname", "getsockopt", "setsockopt", "fcntl", "ioctl", "bind"])


def test_a_tls_round_trip_is_two_reads_and_two_writes(quiet, tmp_path):
    gate = quiet()
    client = secure(gate)
    echo(client)
    echo(client)
    with Calls(gate, tmp_path) as calls:
        for _ in range(UNITS):
            echo(client)
    calls.expect(4.1)


def test_a_ticket_comes_though_the_server_says_nothing(start):
    """It waits for the first answer, but not for ever."""
    server = servers.Listener()
    gate = start(pools={"app": server})
    client = secure(gate)
    client.send(b"anyone there?")
    assert server.accept().recv(13) == b"anyone there?"
    assert client.peer.recv_some() != b""  # nothing else can come
