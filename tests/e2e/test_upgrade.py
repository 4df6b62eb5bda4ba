"""USR2: the program at its path takes over the sockets, and nobody is refused."""

import os
import pwd
import select
import shutil
import signal
import socket
import stat
from pathlib import Path

import pytest

from harness import books, cleanup, net, servers, settings, tls, wait
from harness.gate import Gate
from test_lifecycle import Crowd, open_folder  # noqa: F401

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]


class Heir:
    """A process that is not our child: what there is to know of it."""

    def __init__(self, pid: int):
        self.pid, self.handle = pid, os.pidfd_open(pid)
        cleanup.remember(self)

    def is_alive(self, seconds: float = 0) -> bool:
        return not select.select([self.handle], [], [], seconds)[0]

    def signal(self, number):
        signal.pidfd_send_signal(self.handle, number)

    def stop(self):
        self.signal(signal.SIGTERM)
        assert not self.is_alive(settings.seconds(10)), "the heir did not end"

    def close(self):
        if self.handle >= 0:
            if self.is_alive():
                self.signal(signal.SIGKILL)
            os.close(self.handle)
            self.handle = -1


def accepting(pid: int) -> bool:
    """Does the process watch a TCP socket that listens? (It may hold some that are another's to accept from.)"""
    inodes, watched = set(), set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                inodes.add(f"socket:[{words[9]}]")
    listening = {number for number, link in books.numbered_descriptors(pid) if link in inodes}
    for number, link in books.numbered_descriptors(pid):
        if "eventpoll" in link:
            watched |= books.watched_by(pid, number)
    return bool(listening & watched)


def has_left(pid: int) -> bool:
    """Its workers stop accepting one by one, after the process has said that it is replaced."""
    try:
        return not accepting(pid)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return True


def upgrade(gate, before=None) -> Heir:
    """The heir of the process that is `before` (the gate's own, if none), as soon as all new clients are its own."""
    seen = gate.events.count()
    process = before or gate
    process.signal(signal.SIGUSR2)
    line = gate.event("upgrade.done", start=seen, seconds=20)
    wait.until(lambda: has_left(process.pid), "the old process accepts no more", 10)
    return Heir(int(line.split("pid=")[1].split()[0]))


def finish(gate, heir):
    """The old process ends by itself; the heir is stopped; neither has anything to complain of."""
    assert gate.wait_exit() == 0
    heir.stop()
    gate.check_output()


def test_the_new_process_takes_over_and_the_old_one_drains(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    old = gate.connect()
    old.echo(b"before")
    heir = upgrade(gate)
    assert heir.pid != gate.pid
    gate.event("upgrade.start", "program=")
    assert len(gate.events_with("muxgate.ready")) == 2
    new = gate.connect()
    new.echo(b"after")
    old.echo(b"still at the old one")
    assert gate.process.poll() is None
    old.close()
    gate.ended(old, "client_closed")
    assert gate.wait_exit() == 0
    new.echo(b"alone now")
    new.close()
    finish(gate, heir)
    gate.ended(new, "client_closed")


def test_no_client_is_refused_over_upgrades_under_load(launch, build):
    server = servers.EchoServer()
    template = build(PLAIN, {"app": server}, tls=None, bind=["127.0.0.1:@combined", "*:@combined"])
    gate = launch(template)
    crowd = Crowd(gate)
    process, heirs = None, []
    for number in range(4):
        before = sum(crowd.served)
        heirs.append(upgrade(gate, process))
        process = heirs[-1]
        wait.until(lambda: sum(crowd.served) > before + 20, "clients come", 10)
    crowd.end()
    for heir in heirs[:-1]:
        assert not heir.is_alive(settings.seconds(10)), "those in between have drained"
    finish(gate, process)


@pytest.mark.parametrize("before, after", [(1, 3), (3, 1), (2, 2)])
def test_every_socket_has_a_worker_whatever_their_number(launch, build, before, after):
    server = servers.EchoServer()
    gate = launch(build(PLAIN, {"app": server}, tls=None, top={"workers": before}))
    gate.write(build(PLAIN, {"app": server}, tls=None, top={"workers": after}))
    heir = upgrade(gate)
    assert gate.wait_exit() == 0
    for number in range(60):
        gate.connect().echo(b"%d" % number)
    cleanup_peers()
    finish(gate, heir)


def cleanup_peers():
    for thing in cleanup.opened():
        if isinstance(thing, net.Peer):
            thing.close()


def test_a_changed_configuration_comes_with_the_upgrade(launch, build):
    server, other = servers.NameServer("one"), servers.NameServer("two")
    first = build(PLAIN, {"app": server}, tls=None)
    first["listeners"]["gone"] = {"bind": "127.0.0.1:@gone", "rules": PLAIN}
    gate = launch(first)
    second = build(PLAIN, {"app": other}, tls=None)
    second["listeners"]["new"] = {"bind": "127.0.0.1:@new", "rules": PLAIN}
    gate.write(second)
    heir = upgrade(gate)
    assert gate.connect().send(b"?").recv(3) == b"two"
    assert gate.connect("new").send(b"?").recv(3) == b"two"
    with pytest.raises(ConnectionRefusedError):
        gate.connect("gone")
    cleanup_peers()
    finish(gate, heir)


def test_unix_listeners_and_the_admin_interface_go_along(launch, build):
    server = servers.EchoServer()
    gate = launch(build(PLAIN, {"app": server}, tls=None, bind=["127.0.0.1:@combined", "unix:gate.sock"],
                        top={"admin": {"socket": "admin.sock", "http": "127.0.0.1:@admin"}}))
    path, old = gate.folder / "gate.sock", gate.connect()
    old.echo(b"keeps the old one alive")
    heir = upgrade(gate)

    def answering():
        return {gate.admin.get("/v1/status")["pid"], gate.admin_http.get("/v1/status")["pid"]}
    wait.until(lambda: answering() == {heir.pid}, "the heir answers the admin's clients")
    old.close()
    assert gate.wait_exit() == 0
    assert stat.S_ISSOCK(path.stat().st_mode), "the path is the heir's now"
    client = net.Peer(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    client.sock.connect(str(path))
    client.echo(b"by path")
    client.close()
    assert answering() == {heir.pid}
    finish(gate, heir)
    assert not path.exists() and not (gate.folder / "admin.sock").exists(), "and it takes them away"


def test_tickets_of_the_old_process_open_at_the_new_one(start):
    gate = start(pools={"app": servers.EchoServer()})
    session = resume(gate, None)[1]
    heir = upgrade(gate)
    assert gate.wait_exit() == 0
    assert resume(gate, session)[0], "resumed at the heir"
    finish(gate, heir)


def resume(gate, session) -> tuple:
    context = tls.client_context() if session is None else session[0]
    sock = context.wrap_socket(socket.create_connection((net.HOST, gate.port), settings.seconds(5)),
                               server_hostname="gateway.example.com", session=session and session[1])
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    found = (sock.session_reused, (context, sock.session))
    sock.close()
    return found


def refused(gate, *words):
    """The upgrade failed, one line says so, and nothing has happened."""
    gate.signal(signal.SIGUSR2)
    line = gate.event("upgrade.refused", "kept=true", *words, seconds=20)
    assert len(gate.events_with("upgrade.refused")) == 1, "one line"
    for number in range(20):
        gate.connect().echo(b"%d" % number)
    return line


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The program at a path of its own, which can be replaced; and a way to put a script there."""
    path = tmp_path / "bin" / "muxgate"
    path.parent.mkdir()
    original = settings.binary()
    shutil.copy(original, path)
    monkeypatch.setenv("MUXGATE", str(path))

    def replace(text):
        new = path.with_suffix(".new")
        if text is None:
            path.unlink()
            return
        new.write_text(text)
        new.chmod(0o755)
        new.replace(path)
    replace.original = original
    return replace


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_heir_is_the_user_that_its_predecessor_became(build, open_folder, monkeypatch):
    monkeypatch.setenv("MUXGATE", str(shutil.copy(settings.binary(), open_folder / "muxgate")))
    gate = Gate(open_folder, build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"user": "nobody"}))
    gate.file.chmod(0o644)
    old = gate.connect()
    old.echo(b"keeps the old one alive")
    heir = upgrade(gate)
    assert books.user_id(heir.pid) == pwd.getpwnam("nobody").pw_uid
    for pid in (gate.pid, heir.pid):
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0, "its memory is nobody else's to read"
    old.close()
    assert gate.wait_exit() == 0
    gate.connect().echo(b"as nobody")
    cleanup_peers()
    finish(gate, heir)


def test_a_bad_configuration_leaves_the_old_process_serving(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    good = gate.file.read_text()
    gate.write_text("{")
    refused(gate, "status 1")
    gate.write_text(good)
    cleanup_peers()
    finish(gate, upgrade(gate))


@pytest.mark.parametrize("text, words", [
    (None, "No such file"), ("#!/bin/sh\nexit 7\n", "status 7"), ("#!/bin/sh\nkill -SEGV $$\n", "signal 11")])
def test_a_program_that_does_not_start_leaves_the_old_process_serving(start, copied, text, words):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    copied(text)
    refused(gate, words)


def test_an_address_of_another_process_leaves_the_old_process_serving(launch, build):
    server, other = servers.EchoServer(), servers.Listener()
    gate = launch(build(PLAIN, {"app": server}, tls=None, bind=["127.0.0.1:@combined", "unix:gate.sock"]))
    gate.write(build(PLAIN, {"app": server}, tls=None, bind=["127.0.0.1:@combined", "unix:gate.sock", str(other)]))
    refused(gate, "status 1")
    assert (gate.folder / "gate.sock").exists(), "what is not the heir's yet it does not take away"


def status_pid(gate):
    return gate.admin.get("/v1/status")["pid"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_heir_that_fails_leaves_the_admin_socket_alone(build, open_folder):
    """It gives the socket its new rights, becomes another user, and as that one cannot read the token."""
    server = servers.EchoServer()
    open_folder.chmod(0o777)  # where that other one could take the path away
    gate = Gate(open_folder, build(PLAIN, {"app": server}, tls=None, top={"admin": {"socket": "admin.sock"}}))
    path, token = gate.folder / "admin.sock", gate.folder / "token"
    token.write_text("0123456789abcdef" * 4 + "\n")
    token.chmod(0o600)
    before = path.stat()
    changed = {"socket": "admin.sock", "socket_mode": "0666"}
    gate.write(build(PLAIN, {"app": server}, tls=None,
                     top={"user": "nobody", "admin": {**changed, "token_file": str(token)}}))
    refused(gate, "status 1")
    gate.event("admin.token_file", "cannot read")
    assert path.stat().st_ino == before.st_ino
    assert status_pid(gate) == gate.pid
    gate.write(build(PLAIN, {"app": server}, tls=None, top={"admin": changed}))
    cleanup_peers()
    heir = upgrade(gate)
    wait.until(lambda: status_pid(gate) == heir.pid, "the heir answers")
    finish(gate, heir)
    assert not path.exists()


def test_rights_stay_as_they_are_where_the_rest_of_admin_fails(launch, build):
    server, other = servers.EchoServer(), servers.Listener()
    gate = launch(build(PLAIN, {"app": server}, tls=None, top={"admin": {"socket": "admin.sock"}}))
    path = gate.folder / "admin.sock"
    before = path.stat().st_mode
    gate.write(build(PLAIN, {"app": server}, tls=None,
                     top={"admin": {"socket": "admin.sock", "socket_mode": "0666", "http": str(other)}}))
    refused(gate, "status 1")
    assert path.stat().st_mode == before
    assert status_pid(gate) == gate.pid


def test_an_admin_socket_whose_path_is_gone_comes_back_with_the_heir(launch, build):
    server = servers.EchoServer()
    gate = launch(build(PLAIN, {"app": server}, tls=None, top={"admin": {"socket": "admin.sock"}}))
    path = gate.folder / "admin.sock"
    path.unlink()
    heir = upgrade(gate)
    assert gate.wait_exit() == 0
    assert status_pid(gate) == heir.pid
    path.unlink()
    seen = gate.events.count()
    heir.signal(signal.SIGHUP)
    gate.event("reload.done", start=seen)
    wait.until(path.exists, "a reload opens it anew, too")
    assert status_pid(gate) == heir.pid
    finish(gate, heir)
    assert not path.exists()


def starting_heir(gate) -> Heir:
    gate.signal(signal.SIGUSR2)
    return Heir(int(gate.event("heir.waits").split("pid=")[1]))


def test_a_reload_that_comes_while_an_heir_starts_is_the_heirs(start, copied, tmp_path):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    os.mkfifo(tmp_path / "go")
    copied(f"#!/bin/sh\necho heir.waits pid=$$ >&2\nread word <{tmp_path}/go\nexec {copied.original} \"$@\"\n")
    heir = starting_heir(gate)
    gate.signal(signal.SIGHUP)
    gate.event("reload.waits")
    assert not gate.events_with("reload.done")
    (tmp_path / "go").write_text("go\n")
    gate.event("upgrade.done", f"pid={heir.pid}", seconds=20)
    assert "generation=2 " in gate.event("reload.done", seconds=20)
    finish(gate, heir)


def test_a_reload_that_comes_while_an_heir_starts_is_made_up_for_where_that_one_fails(launch, build, copied):
    one, two = servers.NameServer("one"), servers.NameServer("two")
    gate = launch(build(PLAIN, {"app": one}, tls=None))
    copied("#!/bin/sh\necho heir.waits pid=$$ >&2\nexec sleep 100\n")
    heir = starting_heir(gate)
    gate.reload(build(PLAIN, {"app": two}, tls=None))
    gate.event("reload.waits")
    assert gate.connect().send(b"?").recv(3) == b"one"
    heir.signal(signal.SIGKILL)
    gate.event("upgrade.refused", "signal 9")
    gate.event("reload.done")
    assert gate.connect().send(b"?").recv(3) == b"two"


def test_a_term_lets_an_heir_that_starts_drain(start, copied):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    copied("#!/bin/sh\ntrap 'echo heir.told >&2; exit 0' TERM\necho heir.waits pid=$$ >&2\n"
           "while :; do sleep 0.05; done\n")
    heir = starting_heir(gate)
    gate.signal(signal.SIGTERM)
    gate.event("heir.told")
    assert gate.wait_exit() == 0
    assert not heir.is_alive(settings.seconds(10))


def test_while_an_heir_starts_a_reload_waits_and_a_term_ends_both(start, copied):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    copied("#!/bin/sh\necho heir.waits pid=$$ >&2\nexec sleep 100\n")
    heir = starting_heir(gate)
    gate.signal(signal.SIGHUP)
    gate.event("reload.waits")
    gate.signal(signal.SIGUSR2)
    gate.connect().echo(b"nothing else happens")
    cleanup_peers()
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    assert not heir.is_alive(settings.seconds(10))


def test_a_drain_timeout_ends_what_an_upgrade_leaves(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"drain_timeout": "300ms"})
    client = gate.connect()
    client.echo(b"x")
    heir = upgrade(gate)
    gate.ended(client, "shutdown")
    finish(gate, heir)


def test_the_first_term_of_a_replaced_process_cuts_no_session_and_the_second_does(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    client = gate.connect()
    client.echo(b"before")
    heir = upgrade(gate)
    seen = gate.events.count()
    gate.signal(signal.SIGTERM)
    gate.event("muxgate.drain", "sessions=1", start=seen)
    client.echo(b"goes on")
    assert not gate.events_with("muxgate.stop")
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
    gate.ended(client, "shutdown")
    finish(gate, heir)


def test_a_demo_is_not_upgraded(tmp_path):
    gate = Gate(tmp_path, args=["--demo", "--listen", "127.0.0.1:@one"])
    gate.signal(signal.SIGUSR2)
    gate.event("upgrade.refused", "demo")
    gate.stop()
