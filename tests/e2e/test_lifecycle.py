"""Start, drain, stop, and the user that the process becomes."""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from harness import books, certs, cleanup, net, servers, settings, tls, wait
from harness.gate import Gate, StartError, run

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]


def refused(gate) -> bool:
    """New connections are refused (or reset, when the queue of the socket goes with it)."""
    try:
        client = gate.connect(timeout=0.5)
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    try:
        client.send(b"?")
        return client.recv_some() == b""
    except TimeoutError:
        return False  # taken in just before
    except OSError:
        return True
    finally:
        client.close()


def test_the_ready_line_says_when_connections_are_accepted(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    gate.connect().echo(b"at once")
    assert gate.ready_line.startswith("muxgate.ready")
    assert "workers=2" in gate.ready_line and "listeners=1" in gate.ready_line


def test_the_ready_line_tells_how_many_sessions_fit(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None,
                 wrapper=("prlimit", "--nofile=128:1000"))
    assert books.soft_descriptor_limit(gate.pid) == 1000, "the soft limit is raised to the hard one"
    fits = [int(word.split("=")[1]) for word in gate.ready_line.split() if word.startswith(("sessions=", "max_sessions="))]
    assert len(fits) == 1 and 300 <= fits[0] <= 500, gate.ready_line


def test_a_second_muxgate_on_the_same_address_fails_at_start(start, launch, build):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    config = build(PLAIN, {"app": servers.EchoServer()}, tls=None, bind=f"127.0.0.1:{gate.port}")
    other = gate.folder / "second.json"
    other.write_text(json.dumps(config))
    done = run("-c", other)
    assert done.returncode == 1
    assert f"127.0.0.1:{gate.port}" in done.stderr and "muxgate.ready" not in done.stderr
    gate.connect().echo(b"the first one is not disturbed")


@pytest.mark.parametrize("bind", ["*:{port}", "[::]:{port}"])
def test_a_second_muxgate_on_an_overlapping_address_fails_too(launch, build, bind):
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, bind="*:@combined"))
    config = build(PLAIN, {"app": servers.EchoServer()}, tls=None, bind=bind.format(port=gate.port))
    (gate.folder / "second.json").write_text(json.dumps(config))
    assert run("-c", gate.folder / "second.json").returncode == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_drain(start, number):
    gate = start(pools={"app": servers.EchoServer()})
    plain, inner = gate.connect(), tls.TlsPeer(gate.connect(), name="gateway.example.com")
    for client in (plain, inner):
        client.echo(b"before")
    gate.signal(number)
    wait.until(lambda: refused(gate), "new connections are refused")
    for client in (plain, inner):
        client.echo(b"existing sessions go on")
    plain.close()
    assert gate.process.poll() is None
    inner.echo(b"until the last one")
    inner.finish().close()
    assert gate.wait_exit() == 0
    for client in (plain, inner):
        gate.ended(client, "client_closed")


def test_a_drain_without_sessions_ends_at_once(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    watch = wait.Stopwatch()
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    assert watch.elapsed() < settings.seconds(2)


def test_signals_reach_the_control_thread_alone(start, tmp_path):
    """One that another thread takes may be kept waiting there: by ThreadSanitizer, for good."""
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True,
                 top={"ledger": {"file": str(tmp_path / "ledger")}, "log": {"access": str(tmp_path / "log")}})
    assert gate.admin.get("/v1/status")["state"] == "running", "all threads are there"
    numbers = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)
    deaf = {int(thread): [n for n in numbers if books.blocks(gate.pid, int(thread), n)]
            for thread in os.listdir(f"/proc/{gate.pid}/task")}
    assert deaf.pop(gate.pid) == [] and len(deaf) >= 5
    assert all(found == list(numbers) for found in deaf.values()), deaf


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_at_once(start, number):
    gate = start(pools={"app": servers.EchoServer()})
    plain, inner = gate.connect(), tls.TlsPeer(gate.connect(), name="gateway.example.com")
    for client in (plain, inner):
        client.echo(b"before")
    gate.signal(number)
    wait.until(lambda: refused(gate), "new connections are refused")
    gate.signal(number)
    assert gate.wait_exit() == 0
    for client in (plain, inner):
        client.expect_closed()
        gate.ended(client, "shutdown")


def test_a_second_signal_ends_sessions_in_every_phase(start):
    deaf = servers.Listener(backlog=0)
    fill = [net.connect((net.HOST, deaf.port)) for _ in range(1)]
    gate = start([{"tls": "terminate", "pool": "app"}, {"pool": "deaf"}], {"app": servers.EchoServer(),
                 "deaf": {"servers": [deaf], "connect_timeout": "30s"}}, inspect_delay="60s",
                 timeouts={"handshake": "60s"})
    clients = [gate.connect(),                                                       # silent
               gate.connect().send(tls.hello("gateway.example.com")[:20]),           # half a hello
               gate.connect().send(tls.hello("gateway.example.com", versions=())),   # in the handshake
               gate.connect().send(b"connecting")]
    clients[2].recv(5)
    gate.signal(signal.SIGTERM)
    wait.until(lambda: refused(gate), "new connections are refused")
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    for client in clients:
        gate.ended(client, "shutdown")
    assert fill


def test_drain_timeout_ends_what_is_left_as_shutdown(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"drain_timeout": "500ms"})
    client = gate.connect()
    client.echo(b"x")
    watch = wait.Stopwatch()
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    assert 0.4 <= watch.elapsed() < settings.seconds(5)
    gate.ended(client, "shutdown")


def test_connections_waiting_in_the_queue_are_not_reset_by_a_drain(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    clients = [gate.connect() for _ in range(50)]
    gate.signal(signal.SIGTERM)
    for number, client in enumerate(clients):
        client.echo(b"%d" % number)
        client.close()
    assert gate.wait_exit() == 0


def test_hup_while_draining_does_no_harm(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    client = gate.connect()
    client.echo(b"x")
    gate.signal(signal.SIGTERM)
    wait.until(lambda: refused(gate), "new connections are refused")
    gate.signal(signal.SIGHUP)
    client.echo(b"y")
    assert refused(gate)
    client.close()
    assert gate.wait_exit() == 0


def test_a_drain_is_said_on_stderr(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    assert len(gate.events.items) > 1


@pytest.fixture
def open_folder():
    """A folder that another user can read, as /etc/muxgate is."""
    folder = Path(tempfile.mkdtemp(prefix="muxgate-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_user_is_dropped_to_after_binding_and_certificates_still_renew(build, authority, open_folder):
    live = certs.copy(authority.issue("site.example.com"), open_folder / "certs")
    live.key.chmod(0o640)
    nobody = pwd.getpwnam("nobody")
    os.chown(live.key, 0, nobody.pw_gid)
    config = build(pools={"app": servers.EchoServer()}, tls={"certificates": [live]}, top={"user": "nobody"})
    gate = Gate(open_folder, config)
    gate.file.chmod(0o644)
    assert books.user_id(gate.pid) == nobody.pw_uid
    groups = [line for line in Path(f"/proc/{gate.pid}/status").read_text().splitlines() if line.startswith("Groups:")]
    assert groups[0].split()[1:] in ([], [str(nobody.pw_gid)]), "root's other groups are given up"
    tls.TlsPeer(gate.connect(), name="site.example.com").echo(b"as nobody")
    new = authority.issue("site.example.com")
    for source, target in ((new.cert, live.cert), (new.key, live.key)):
        target.write_bytes(source.read_bytes())

    def renewed():
        client = tls.TlsPeer(gate.connect(), name="site.example.com")
        try:
            return client.certificate() == new.der()
        finally:
            client.close()
    wait.until(renewed, "the new certificate is served", 3)
    gate.reload()
    gate.connect().echo(b"after a reload")
    for thing in cleanup.opened():
        if isinstance(thing, net.Peer):
            thing.close()
    gate.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_unknown_user_is_an_error_at_start(launch, build):
    with pytest.raises(StartError) as caught:
        launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"user": "no-such-user"}))
    assert caught.value.status == 1 and "no-such-user" in caught.value.stderr


REBINDS = [("127.0.0.1:@combined", "*:@combined"), ("*:@combined", "127.0.0.1:@combined"),
           ("0.0.0.0:@combined", "127.0.0.1:@combined"), ("127.0.0.1:@combined", "localhost:@combined")]


@pytest.mark.parametrize("before, after", REBINDS)
def test_a_reload_may_widen_or_narrow_an_address(launch, build, before, after):
    server = servers.EchoServer()
    gate = launch(build(PLAIN, {"app": server}, tls=None, bind=before))
    old = gate.connect()
    old.echo(b"before")
    gate.reload(build(PLAIN, {"app": server}, tls=None, bind=after))
    gate.event("reload.done")
    for _ in range(20):
        gate.connect().echo(b"behind the new socket")
    old.echo(b"still there")


class Crowd:
    """Clients that come one after another, as fast as they can, until the end; each wants an answer."""

    def __init__(self, gate, threads=3):
        self.gate, self.over, self.served, self.failures = gate, threading.Event(), [0] * threads, []
        self.threads = [threading.Thread(target=self._come, args=(i,), daemon=True) for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def _come(self, number):
        while not self.over.is_set():
            try:
                with socket.create_connection((net.HOST, self.gate.port), settings.seconds(10)) as sock:
                    sock.sendall(b"?")
                    if sock.recv(1) != b"?":
                        raise EOFError("no answer")
            except (OSError, EOFError) as error:
                self.failures.append(repr(error))
            self.served[number] += 1

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(settings.seconds(15))
        assert not self.failures, f"{len(self.failures)} of {sum(self.served)} clients: {self.failures[:5]}"


def test_no_client_is_lost_while_reloads_move_the_address(launch, build):
    server = servers.EchoServer()
    places = [build(PLAIN, {"app": server}, tls=None, bind=bind)
              for bind in ("127.0.0.1:@combined", "*:@combined", "localhost:@combined", "0.0.0.0:@combined",
                           ["127.0.0.1:@combined", "*:@combined"])]
    gate = launch(places[0])
    crowd = Crowd(gate)
    for number in range(1, 201):
        seen, before = gate.events.count(), sum(crowd.served)
        gate.reload(places[number % len(places)])
        gate.event("reload.done", start=seen)
        wait.until(lambda: sum(crowd.served) > before, "clients come", 10)
    crowd.end()


def test_a_hundred_reloads_cut_no_idle_session_and_keep_memory_flat(launch, build):
    """As many sessions as the descriptors allow, which here count for both ends."""
    count = min(5000, (settings.raise_descriptor_limit() - 400) // 2)
    server = servers.Listener()
    gate = launch(build(PLAIN, {"app": server}, tls=None, top={"limits": {"max_sessions": count + 10}}))
    pairs = []
    for _ in range(count):
        client = gate.connect()
        client.send(b"x")
        pairs.append((client, server.accept()))
    memory = {}
    for number in range(1, 101):
        seen = gate.events.count()
        gate.reload(build(PLAIN, {"app": server, f"other{number % 3}": "127.0.0.1:9"}, tls=None,
                          top={"limits": {"max_sessions": count + 10}}))
        assert f"generation={number + 1} " in gate.event("reload.done", start=seen)
        memory[number] = books.memory(gate.pid)
    # Sanitizers keep books of their own, which grow; what nobody holds any more they tell themselves.
    if not settings.sanitized():
        assert memory[100] - memory[20] < max(0.01 * memory[20], 1 << 20), memory
    for client, peer in pairs:
        peer.send(b"y")
        assert peer.recv(1) == b"x" and client.recv(1) == b"y"
    assert len(books.processes_with(str(gate.file))) == 1, "one process"
    for client, peer in pairs:
        client.close()
        peer.close()


def test_an_address_that_is_given_up_refuses_and_can_be_taken_again(launch, build):
    server = servers.EchoServer()
    both = build(PLAIN, {"app": server}, tls=None)
    both["listeners"]["more"] = {"bind": "127.0.0.1:@more", "rules": PLAIN}
    one = build(PLAIN, {"app": server}, tls=None)
    gate = launch(both)
    for _ in range(3):
        for config, there in ((one, False), (both, True)):
            seen = gate.events.count()
            gate.reload(config)
            gate.event("reload.done", start=seen)
            if there:
                gate.connect("more").echo(b"at once")
            else:
                with pytest.raises(ConnectionRefusedError):
                    gate.connect("more")


def test_a_reload_to_an_address_of_another_process_is_refused(launch, build):
    server, other = servers.EchoServer(), servers.Listener()
    gate = launch(build(PLAIN, {"app": server}, tls=None))
    gate.reload(build(PLAIN, {"app": server}, tls=None, bind=["127.0.0.1:@combined", str(other)]))
    gate.event("reload.refused")
    (line,) = gate.events_with("in use")
    assert re.match(rf"{gate.file}:\d+:\d+: listeners.combined.bind\[1\]: cannot listen on {other}: ", line)
    gate.connect().echo(b"as before")


def test_a_wildcard_and_one_address_of_it_may_have_one_port(launch, build):
    everyone, local = servers.NameServer("everyone"), servers.NameServer("local")
    config = build(PLAIN, {"app": everyone, "near": local}, tls=None, bind="*:@combined")
    config["listeners"]["near"] = {"bind": "127.0.0.1:@combined", "rules": [{"pool": "near"}]}
    gate = launch(config)
    assert gate.connect().send(b"?").recv(5) == b"local"
    assert gate.connect(host="127.0.0.2").send(b"?").recv(8) == b"everyone"
