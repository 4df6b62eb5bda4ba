"""USR2: what goes over to the new process beside the sockets, and how the two live and end side by side."""

import ctypes
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest

from harness import books, net, servers, settings, wait
from harness.ctl import Ctl
from harness.gate import Gate
from test_lifecycle import open_folder  # noqa: F401
from test_notify import Manager, launch_for
from test_upgrade import Heir, cleanup_peers, copied, finish, starting_heir, upgrade  # noqa: F401

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]


def three_servers() -> dict:
    return {"app": {"servers": [{"address": servers.EchoServer().address, "name": name} for name in "abc"]}}


def admin_answers(gate, heir):
    wait.until(lambda: gate.admin.get("/v1/status")["pid"] == heir.pid, "the heir answers the admin's clients", 10)


def servers_of(gate) -> dict:
    found = next(pool for pool in gate.admin.get("/v1/pools") if pool["name"] == "app")["servers"]
    return {server["name"]: (server["state"], server["weight"]) for server in found}


def change(gate, server, **what):
    answer = gate.admin.ask("PATCH", f"/v1/pools/app/servers/{server}", what)
    assert answer.status == 200, answer.text


def release(folder, gate, heir):
    """An heir that waits at the pipe goes on, until it serves."""
    seen = gate.events.count()
    (folder / "go").write_text("go\n")
    gate.event("upgrade.done", f"pid={heir.pid}", start=seen, seconds=20)


# --- what operators have set ----------------------------------------------------------------------

def test_states_and_weights_set_by_hand_go_to_the_heir(launch, build):
    template = build(PLAIN, three_servers(), tls=None, top={"admin": {"socket": "admin.sock"}})
    gate = launch(template)
    ctl = Ctl(gate.folder / "admin.sock")
    for words in (("drain", "app/a"), ("maint", "app/b"), ("weight", "app/c", 7)):
        ctl.good(*words)
    first = upgrade(gate)
    assert gate.wait_exit() == 0
    admin_answers(gate, first)
    assert servers_of(gate) == {"a": ("drain", 1), "b": ("maint", 1), "c": ("ready", 7)}
    ctl.good("ready", "app/b")
    template["pools"]["app"]["servers"][2]["weight"] = 3
    gate.write(template)
    second = upgrade(gate, first)
    assert not first.is_alive(10)
    admin_answers(gate, second)
    assert servers_of(gate) == {"a": ("drain", 1), "b": ("ready", 1), "c": ("ready", 3)}, \
        "from heir to heir, until the configuration of that very weight is changed"
    gate.connect().echo(b"x")
    cleanup_peers()
    second.stop()
    gate.check_output()


def test_what_is_set_while_an_heir_starts_goes_to_it_too(start, copied, tmp_path):  # noqa: F811
    gate = start(PLAIN, three_servers(), tls=None, admin=True)
    os.mkfifo(tmp_path / "go")
    copied(f"#!/bin/sh\necho heir.waits pid=$$ >&2\nread word <{tmp_path}/go\nexec {copied.original} \"$@\"\n")
    change(gate, "a", state="drain")
    change(gate, "c", weight=3)
    heir = starting_heir(gate)
    change(gate, "a", state="ready")
    change(gate, "b", state="drain")
    change(gate, "c", weight=0)
    release(tmp_path, gate, heir)
    assert gate.wait_exit() == 0
    admin_answers(gate, heir)
    assert servers_of(gate) == {"a": ("ready", 1), "b": ("drain", 1), "c": ("ready", 0)}
    finish(gate, heir)


# --- who has asked the admin interface before -----------------------------------------------------

def test_a_request_that_the_old_process_has_begun_to_read_is_answered_there(start):
    """It has no session, and nothing else to stay for."""
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True)
    before = books.sockets(gate.pid)
    with socket.socket(socket.AF_UNIX) as client, socket.socket(socket.AF_UNIX) as idle:
        for peer in (client, idle):
            peer.settimeout(settings.seconds(5))
            peer.connect(str(gate.folder / "admin.sock"))
        idle.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200 ")
        wait.until(lambda: books.sockets(gate.pid) == before + 2, "both are accepted")
        client.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
        heir = upgrade(gate)
        client.sendall(b"\r\n")
        answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200 ") and f'"pid": {gate.pid},'.encode() in answer, answer
        assert gate.wait_exit() == 0
    admin_answers(gate, heir)
    finish(gate, heir)


# --- the end of a service that is more than one process -------------------------------------------

def session(gate) -> net.Peer:
    client = gate.connect()
    client.echo(b"x")
    return client


def kill_rest(*processes):
    """What KillMode=mixed does as soon as the main process has ended."""
    for process in processes:
        if process.is_alive():
            process.signal(signal.SIGKILL)


def test_a_stop_of_the_service_lets_the_replaced_process_drain_too(tmp_path, build):
    manager = Manager(tmp_path / "notify")
    gate = launch_for(manager, tmp_path, build)
    old = session(gate)
    heir = upgrade(gate)
    new = session(gate)
    assert manager.hear("MAINPID")["MAINPID"] == str(heir.pid)
    seen = gate.events.count()
    heir.signal(signal.SIGTERM)
    manager.hear("STOPPING")
    for _ in range(2):
        gate.event("muxgate.drain", "sessions=1", start=seen)
    new.close()
    gate.event("muxgate.waits")
    old.echo(b"goes on")
    assert heir.is_alive()
    old.close()
    assert not heir.is_alive(settings.seconds(10))
    kill_rest(Heir(gate.pid))
    gate.ended(old, "client_closed")
    assert gate.wait_exit() == 0
    gate.check_output()


def test_whoever_is_the_main_process_waits_for_all_that_were_replaced(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    clients, processes = [session(gate)], [gate]
    for _ in range(3):
        processes.append(upgrade(gate, processes[-1]))
        clients.append(session(gate))
    *heirs, main = processes[1:]
    main.signal(signal.SIGTERM)
    clients[2].close()
    assert not heirs[1].is_alive(10), "one in between that has no sessions need not wait"
    clients[3].close()
    gate.event("muxgate.waits")
    for client in clients[:2]:
        client.echo(b"goes on")
        assert main.is_alive()
        client.close()
    assert not main.is_alive(settings.seconds(10)) and not heirs[0].is_alive(10)
    assert gate.wait_exit() == 0
    gate.check_output()


def test_a_second_term_of_the_heir_stops_all_of_them(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    old = session(gate)
    heir = upgrade(gate)
    new = session(gate)
    seen = gate.events.count()
    heir.signal(signal.SIGTERM)
    wait.until(lambda: len(gate.events_with("muxgate.drain", start=seen)) == 2, "both were told")
    heir.signal(signal.SIGTERM)
    assert not heir.is_alive(settings.seconds(10))
    assert gate.wait_exit() == 0
    for client in (old, new):
        gate.ended(client, "shutdown")
    gate.check_output()


def test_one_signal_to_all_processes_is_one(start):
    """Of a terminal, or of KillMode=control-group: the replaced process hears of it twice."""
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    old = session(gate)
    heir = upgrade(gate)
    seen = gate.events.count()
    heir.signal(signal.SIGINT)
    gate.event("muxgate.waits", start=seen)
    gate.event("muxgate.drain", "sessions=1", start=seen)
    gate.signal(signal.SIGINT)
    wait.until(lambda: len(gate.events_with("muxgate.drain", "sessions=1", start=seen)) == 2, "told by the signal, too")
    old.echo(b"goes on")
    old.close()
    assert gate.wait_exit() == 0
    assert not heir.is_alive(settings.seconds(10))
    gate.ended(old, "client_closed")
    gate.check_output()


def test_a_drain_timeout_of_the_heir_ends_those_before_it(launch, build):
    server = servers.EchoServer()
    gate = launch(build(PLAIN, {"app": server}, tls=None))
    old = session(gate)
    gate.write(build(PLAIN, {"app": server}, tls=None, top={"drain_timeout": "200ms"}))
    heir = upgrade(gate)
    old.echo(b"has no such limit")
    heir.stop()
    assert gate.wait_exit() == 0
    gate.ended(old, "shutdown")
    gate.check_output()


def test_an_heir_does_not_wait_for_one_that_was_killed(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    session(gate)
    heir = upgrade(gate)
    heir.signal(signal.SIGTERM)
    gate.event("muxgate.waits")
    assert heir.is_alive()
    gate.signal(signal.SIGKILL)
    assert gate.wait_exit() == -signal.SIGKILL
    assert not heir.is_alive(settings.seconds(10))


# --- an heir that crashes -------------------------------------------------------------------------

def crash(gate, heir) -> int:
    """Kills an heir that serves, while the process before it still drains. The number of events before that."""
    seen = gate.events.count()
    heir.signal(signal.SIGKILL)
    return seen


def rescued(gate, seen) -> Heir:
    gate.event("upgrade.lost", "signal 9", "rescue=true", start=seen)
    return Heir(int(gate.event("upgrade.done", start=seen, seconds=20).split("pid=")[1].split()[0]))


def test_in_place_of_an_heir_that_crashes_the_old_program_serves_again(tmp_path, build, copied):  # noqa: F811
    manager = Manager(tmp_path / "notify")
    gate = launch_for(manager, tmp_path, build, top={"admin": {"socket": "admin.sock"}})
    old = session(gate)
    heir = upgrade(gate)
    manager.hear("MAINPID")
    copied("#!/bin/sh\nexit 7\n")
    seen = crash(gate, heir)
    waiting = [gate.connect() for _ in range(20)]
    for client in waiting:
        client.echo(b"came while nobody served")
    third = rescued(gate, seen)
    assert manager.hear("MAINPID")["MAINPID"] == str(third.pid)
    admin_answers(gate, third)
    old.echo(b"goes on")
    for client in (old, *waiting):
        client.close()
    finish(gate, third)
    assert not (gate.folder / "admin.sock").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_process_that_became_another_user_is_rescued_too(build, open_folder, monkeypatch):  # noqa: F811
    program = Path(shutil.copy(settings.binary(), open_folder / "muxgate"))
    monkeypatch.setenv("MUXGATE", str(program))
    gate = Gate(open_folder, build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"user": "nobody"}))
    gate.file.chmod(0o644)
    session(gate)
    heir = upgrade(gate)
    program.unlink()
    third = rescued(gate, crash(gate, heir))
    assert books.user_id(third.pid) == books.user_id(gate.pid) != 0
    session(gate)
    cleanup_peers()
    finish(gate, third)


def test_a_rescue_that_fails_is_given_up_and_clients_are_told(launch, build):
    template = build(PLAIN, {"app": servers.EchoServer()}, tls=None)
    gate = launch(template)
    old = session(gate)
    heir = upgrade(gate)
    gate.write_text("{")
    seen = crash(gate, heir)
    gate.event("upgrade.given_up", "tries=3", start=seen, seconds=30)
    assert len(gate.events_with("upgrade.refused", "status 1", start=seen)) == 3
    with pytest.raises(ConnectionRefusedError):
        gate.connect()
    old.echo(b"goes on")
    old.close()
    assert gate.wait_exit() == 0
    gate.check_output()


def test_a_process_that_drains_ends_only_when_a_rescue_is_over(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    old = session(gate)
    heir = upgrade(gate)
    heir.signal(signal.SIGSTOP)
    seen = crash(gate, heir)
    gate.event("upgrade.lost", start=seen)
    old.close()
    third = Heir(int(gate.event("upgrade.done", start=seen, seconds=20).split("pid=")[1].split()[0]))
    session(gate)
    cleanup_peers()
    finish(gate, third)


def test_a_term_ends_a_rescue(start, copied):  # noqa: F811
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    old = session(gate)
    heir = upgrade(gate)
    gate.write_text("{")
    seen = crash(gate, heir)
    gate.event("upgrade.refused", start=seen)
    gate.signal(signal.SIGTERM)
    gate.event("muxgate.drain", "sessions=1", start=seen)
    old.close()
    assert gate.wait_exit() == 0
    assert not gate.events_with("upgrade.given_up") and not gate.events_with("upgrade.done", start=seen)


def test_what_an_heir_leaves_is_held_for_it_no_longer(launch, build):
    server = servers.EchoServer()
    both = build(PLAIN, {"app": server}, tls=None, top={"admin": {"http": "127.0.0.1:@admin"}})
    both["listeners"]["other"] = {"bind": "127.0.0.1:@other", "rules": PLAIN}
    gate = launch(both)
    old = session(gate)
    heir = upgrade(gate)
    gate.write(build(PLAIN, {"app": server}, tls=None))
    seen = gate.events.count()
    heir.signal(signal.SIGHUP)
    gate.event("reload.done", start=seen)
    for name in ("other", "admin"):
        wait.until(lambda: is_free(gate.ports[name]), f"{name} is free for others", 10)
    gate.connect().echo(b"still there")
    old.echo(b"goes on")
    heir.signal(signal.SIGTERM)
    wait.until(lambda: is_free(gate.port), "after a stop everything is", 10)
    old.echo(b"goes on")
    cleanup_peers()
    assert gate.wait_exit() == 0
    assert not heir.is_alive(settings.seconds(10))
    gate.check_output()


def is_free(port) -> bool:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind((net.HOST, port))
            other.listen()
        except OSError:
            return False
        return True


def test_an_heir_that_was_replaced_itself_is_not_missed(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    old = session(gate)
    second = upgrade(gate)
    session(gate)
    third = upgrade(gate, second)
    seen = crash(gate, second)
    gate.event("upgrade.lost", "rescue=false", start=seen)
    for _ in range(20):
        gate.connect().echo(b"at the third")
    old.echo(b"goes on")
    cleanup_peers()
    assert gate.wait_exit() == 0
    third.stop()
    gate.check_output()


# --- an heir that crashes while its own heir starts -----------------------------------------------

WAITS = "#!/bin/sh\necho heir.waits pid=$$ >&2\nread word <{folder}/go\n"


def begin_heir_of(gate, process) -> Heir:
    """The process starts an heir, which has got all that there is to inherit, and waits at the pipe."""
    seen = gate.events.count()
    process.signal(signal.SIGUSR2)
    heir = Heir(int(gate.event("heir.waits", start=seen).split("pid=")[1]))
    gate.event("upgrade.start", start=seen)
    return heir


def test_an_heir_whose_place_is_taken_ends_and_serves_nobody(start, copied, tmp_path):  # noqa: F811
    """The heir of one that crashed was still starting when the old program was started again in its place."""
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True)
    old = session(gate)
    second = upgrade(gate)
    os.mkfifo(tmp_path / "go")
    copied(WAITS.format(folder=tmp_path) + f"{copied.original} \"$@\" &\n"
           "echo heir.runs pid=$! >&2\nwait $!\necho heir.ended status=$? >&2\n")
    late = begin_heir_of(gate, second)
    fourth = rescued(gate, crash(gate, second))
    seen = gate.events.count()
    (tmp_path / "go").write_text("go\n")
    Heir(int(gate.event("heir.runs", start=seen, seconds=20).split("pid=")[1]))
    gate.event("heir.ended status=1", start=seen, seconds=20)
    assert gate.events_with("muxgate: the process before has crashed, and another one serves in its place", start=seen)
    assert not late.is_alive(10) and not gate.events_with("upgrade.alone")
    admin_answers(gate, fourth)
    for _ in range(20):
        session(gate)
    old.echo(b"goes on")
    cleanup_peers()
    finish(gate, fourth)


def test_an_heir_that_serves_already_is_not_doubled(start, copied, tmp_path):  # noqa: F811
    """The one before crashes with the news unread that its heir serves."""
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True)
    old = session(gate)
    second = upgrade(gate)
    os.mkfifo(tmp_path / "go")
    copied(WAITS.format(folder=tmp_path) + f"exec {copied.original} \"$@\"\n")
    third = begin_heir_of(gate, second)
    second.signal(signal.SIGSTOP)
    wait.until(lambda: books.state(second.pid) == "T", "it is held")
    (tmp_path / "go").write_text("go\n")
    wait.until(lambda: servers_of(gate) and gate.admin.get("/v1/status")["pid"] == third.pid, "the heir serves", 20)
    seen = crash(gate, second)
    if "rescue=true" in gate.event("upgrade.lost", start=seen):
        rescued(gate, seen)  # it is ended with the rest
        raise AssertionError("two serve")
    clients = [session(gate) for _ in range(20)]
    old.echo(b"goes on")
    third.signal(signal.SIGTERM)
    gate.event("muxgate.drain", "sessions=20", start=seen)
    for client in clients:
        client.close()
    gate.event("muxgate.waits", start=seen)
    old.echo(b"is waited for still")
    old.close()
    assert gate.wait_exit() == 0
    assert not third.is_alive(settings.seconds(10))
    gate.check_output()


# --- a worker that is stuck -----------------------------------------------------------------------

PTRACE_SEIZE, PTRACE_INTERRUPT, WAIT_FOR_THREADS = 0x4206, 0x4207, 0x40000000


def begin(pid: int, thread: int) -> int:
    """When the thread was started; the workers are the last."""
    return int(Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()[19])


def freeze(gate) -> int:
    """Holds one of the gate's workers where it is; the others and the control thread go on."""
    thread = max(map(int, os.listdir(f"/proc/{gate.pid}/task")), key=lambda number: (begin(gate.pid, number), number))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, thread, None, None) != 0:
            pytest.skip(f"ptrace: {os.strerror(ctypes.get_errno())}")
    os.waitpid(thread, WAIT_FOR_THREADS)
    return thread


def test_a_stuck_worker_does_not_hold_up_the_second_term(launch, build):
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"workers": 1}))
    session(gate)
    thread = freeze(gate)
    gate.signal(signal.SIGTERM)
    gate.event("muxgate.drain")
    gate.signal(signal.SIGTERM)
    gate.event("muxgate.stuck", "worker=0", "sessions=1", "status=4", seconds=20)
    os.waitpid(thread, WAIT_FOR_THREADS)
    assert gate.wait_exit() == 4
