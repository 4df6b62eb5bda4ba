"""What the service manager is told (sd_notify), and the sockets that it hands over (socket activation)."""

import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness import cleanup, net, servers, settings, wait
from harness.gate import Gate
from test_upgrade import Heir, cleanup_peers, finish, upgrade

PLAIN = [{"pool": "app"}]


class Manager:
    """A stand-in for the service manager: the socket that NOTIFY_SOCKET names."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.name = str(path)
        self.sock.bind("\0" + self.name[1:] if self.name.startswith("@") else self.name)
        self.said = []
        cleanup.remember(self)

    def hear(self, key: str, seconds: float = 10) -> dict:
        """The next message that has this key."""
        self.sock.settimeout(settings.seconds(seconds))
        while True:
            try:
                text = self.sock.recv(65536).decode()
            except TimeoutError:
                raise AssertionError(f"nothing with {key}; heard {self.said}") from None
            message = dict(line.split("=", 1) for line in text.splitlines())
            self.said.append(message)
            if key in message:
                return message

    def close(self):
        self.sock.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    return Manager(tmp_path / "notify" if request.param == "path" else f"@muxgate-test-{os.getpid()}-{tmp_path.name}")


def launch_for(manager, tmp_path, build, top=None, **env):
    folder = tmp_path / "gate"
    folder.mkdir()
    return Gate(folder, build(PLAIN, {"app": servers.EchoServer()}, tls=None, top=top or {}),
                env={"NOTIFY_SOCKET": manager.name, **env})


def test_ready_reloading_and_stopping_are_told(manager, tmp_path, build):
    gate = launch_for(manager, tmp_path, build)
    assert manager.hear("READY")["READY"] == "1"
    before = time.monotonic_ns() // 1000
    gate.reload()
    told = manager.hear("RELOADING")
    assert told["RELOADING"] == "1" and before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert manager.hear("READY")["STATUS"] == "serving, configuration 2"
    gate.write_text("{")
    gate.signal(signal.SIGHUP)
    manager.hear("RELOADING")
    assert manager.hear("READY")["STATUS"] == "serving, configuration 2", "a refused reload is over, too"
    gate.signal(signal.SIGTERM)
    assert manager.hear("STOPPING")["STOPPING"] == "1"
    assert gate.wait_exit() == 0


def test_the_watchdog_is_fed_while_every_worker_lives(tmp_path, build):
    manager = Manager(tmp_path / "notify")
    gate = launch_for(manager, tmp_path, build, WATCHDOG_USEC="200000", top={"workers": 3})
    manager.hear("READY")
    for _ in range(5):
        assert manager.hear("WATCHDOG") == {"WATCHDOG": "1"}
    gate.stop()


def test_a_watchdog_of_another_process_is_not_fed(tmp_path, build):
    manager = Manager(tmp_path / "notify")
    gate = launch_for(manager, tmp_path, build, WATCHDOG_USEC="20000", WATCHDOG_PID="1")
    gate.reload()
    manager.hear("RELOADING")
    gate.connect().echo(b"x")
    cleanup_peers()
    heir = upgrade(gate)
    manager.hear("MAINPID")
    finish(gate, heir)
    manager.hear("STOPPING")
    assert not any("WATCHDOG" in message for message in manager.said), "nor by an heir"


def test_after_an_upgrade_the_heir_is_the_main_process(tmp_path, build):
    manager = Manager(tmp_path / "notify")
    gate = launch_for(manager, tmp_path, build, WATCHDOG_USEC="400000")
    manager.hear("READY")
    heir = upgrade(gate)
    assert manager.hear("MAINPID")["MAINPID"] == str(heir.pid)
    assert gate.wait_exit() == 0
    manager.hear("WATCHDOG")
    assert not any("STOPPING" in message for message in manager.said), "the service goes on"
    finish(gate, heir)
    manager.hear("STOPPING")


def test_a_manager_that_is_busy_still_learns_of_the_heir(tmp_path, build):
    manager = Manager(tmp_path / "notify")
    gate = launch_for(manager, tmp_path, build)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as other:
        other.connect(manager.name)
        with pytest.raises(BlockingIOError):
            while True:
                other.send(b"NOISE=1\n")
    gate.signal(signal.SIGUSR2)
    heir = Heir(int(gate.event("upgrade.done", seconds=20).split("pid=")[1].split()[0]))
    assert manager.hear("MAINPID")["MAINPID"] == str(heir.pid)
    finish(gate, heir)


def test_a_manager_that_does_not_listen_is_no_reason_not_to_start(tmp_path, build):
    for name in (str(tmp_path / "nobody"), "no path", "@" + "x" * 200):
        folder = tmp_path / str(len(name))
        folder.mkdir()
        gate = Gate(folder, build(PLAIN, {"app": servers.EchoServer()}, tls=None), env={"NOTIFY_SOCKET": name})
        gate.reload()
        gate.event("reload.done")
        gate.stop()


# --- socket activation ----------------------------------------------------------------------------

def activator() -> str:
    found = shutil.which("systemd-socket-activate")
    if found is None and settings.in_ci():
        raise AssertionError("systemd-socket-activate is missing (package systemd)")
    return found or pytest.skip("systemd-socket-activate is not installed (package systemd)")


def activated(tmp_path, build, listen, bind, connect) -> tuple:
    """A gate that is started by the first client; that one, as its connection waits for it."""
    folder = tmp_path / "gate"
    folder.mkdir()
    template = build(PLAIN, {"app": servers.EchoServer()}, tls=None, bind=bind)
    wrapper = [activator(), *(f"--listen={address}" for address in listen), "--"]
    gate = Gate(folder, template, wrapper=wrapper, wait_ready=False, check_books=False)
    gate.event("Listening on", seconds=20)
    client = wait.until(connect, "the manager listens", 10)
    gate._wait_ready()
    return gate, client


def try_connect(address):
    try:
        return net.connect(address)
    except OSError:
        return None


@pytest.mark.parametrize("listen, bind", [("127.0.0.1:{}", "127.0.0.1:{}"), ("{}", "*:{}"), ("127.0.0.1:{}", "localhost:{}")])
def test_a_socket_of_the_manager_is_taken(tmp_path, build, listen, bind):
    port = net.free_port()
    gate, client = activated(tmp_path, build, [listen.format(port)], bind.format(port),
                             lambda: try_connect((net.HOST, port)))
    client.echo(b"who woke it is served")
    net.connect((net.HOST, port)).echo(b"and others")
    seen = gate.events.count()
    gate.signal(signal.SIGHUP)
    gate.event("reload.done", start=seen)
    net.connect((net.HOST, port)).echo(b"after a reload")
    assert not gate.events_with("listener.unused")
    cleanup_peers()
    gate.stop()


def test_a_unix_socket_of_the_manager_is_taken_and_stays(tmp_path, build):
    path = tmp_path / "public.sock"

    def connect():
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(path))
        except OSError:
            sock.close()
            return None
        return net.Peer(sock)
    gate, client = activated(tmp_path, build, [str(path)], f"unix:{path}", connect)
    client.echo(b"by path")
    client.close()
    gate.stop()
    assert path.exists(), "it is the manager's"


def test_a_socket_that_no_bind_has_is_told(tmp_path, build):
    port, other = net.free_port(), net.free_port()
    gate, client = activated(tmp_path, build, [f"127.0.0.1:{port}", f"127.0.0.1:{other}"], f"127.0.0.1:{port}",
                             lambda: try_connect((net.HOST, port)))
    client.echo(b"x")
    assert f"127.0.0.1:{other}" in gate.event("listener.unused")
    cleanup_peers()
    gate.stop()


def test_variables_for_another_process_mean_nothing(tmp_path, build):
    gate = Gate(tmp_path, build(PLAIN, {"app": servers.EchoServer()}, tls=None), env={"LISTEN_FDS": "2", "LISTEN_PID": "1"})
    gate.connect().echo(b"x")
    cleanup_peers()
    gate.stop()


def test_an_upgrade_hands_a_socket_of_the_manager_on(tmp_path, build):
    port = net.free_port()
    gate, client = activated(tmp_path, build, [f"127.0.0.1:{port}"], f"127.0.0.1:{port}",
                             lambda: try_connect((net.HOST, port)))
    client.echo(b"x")
    client.close()
    heir = upgrade(gate)
    assert gate.wait_exit() == 0
    net.connect((net.HOST, port)).echo(b"at the heir")
    cleanup_peers()
    finish(gate, heir)
