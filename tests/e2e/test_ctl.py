"""muxgatectl: each command against a gate that runs, what it prints for people and for scripts, and how it fails."""

import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from fcntl import ioctl
from pathlib import Path

import pytest

from harness import ctl as program
from harness import fix, net, servers, settings, tls, wait
from harness.ctl import Ctl

PLAIN = [{"pool": "app"}]
TREE = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def gate(start):
    """One listener, one pool of two echo servers."""
    one, two = servers.EchoServer(), servers.EchoServer()
    gate = start(PLAIN, {"app": {"servers": [{"address": one.address, "name": "one"}, {"address": two.address, "name": "a/b"}]}},
                 tls=None, admin=True)
    gate.servers = one, two
    return gate


@pytest.fixture
def ctl(gate):
    return Ctl(gate.folder / "admin.sock")


# --- looking --------------------------------------------------------------------------------------


def test_status(gate, ctl):
    client = gate.connect()
    client.echo(b"x")
    lines = ctl.good("status").splitlines()
    assert lines[0].startswith("muxgate ") and lines[0].endswith(f"pid {gate.pid}  running  generation 1")
    assert "sessions 1 of " in lines[1] and lines[1].endswith("workers 2") and lines[1].startswith("up 0d 00:00:")
    assert lines[3].split() == ["LISTENER", "RULES", "BIND"]
    assert lines[4].split() == ["combined", "1", f"127.0.0.1:{gate.port}"]
    status = json.loads(ctl.good("--json", "status"))
    assert status["pid"] == gate.pid and status["listeners"][0]["name"] == "combined"
    gate.signal(signal.SIGTERM)
    wait.until(lambda: "draining" in ctl.good("status"), "it drains")
    client.close()


def test_sessions(start):
    ask = [{"match": {"fix": {"SenderCompID": ["ACME\x1b[31m"]}}, "pool": "app"}, {"pool": "app"}]
    gate = start([{"tls": "terminate", "pool": "app"}, *ask], {"app": servers.EchoServer()}, admin=True)
    ctl = Ctl(gate.folder / "admin.sock")
    assert ctl.good("sessions").split()[0] == "ID" and len(ctl.good("sessions").splitlines()) == 1
    plain, over = gate.connect(), tls.TlsPeer(gate.connect(), name="gateway.example.com")
    plain.echo(fix.logon("ACME\x1b[31m"))
    over.echo(b"hello")
    rows = {row["CLIENT"]: row for row in ctl.table("sessions")}
    row = rows[over.name]
    assert row["LISTENER"] == "combined" and row["STATE"] == "relay" and row["PROTOCOL"].startswith("tls")
    assert row["NAME"] == "gateway.example.com" and row["IN"] == row["OUT"] == "5" and row["GEN"] == "1"
    assert row["AGE"].endswith("s")
    assert rows[plain.name]["NAME"] == "ACME\\x1b[31m", "no byte that moves the cursor"
    document = json.loads(ctl.good("--json", "sessions", "--contains", "gateway.example"))
    assert [s["client"] for s in document] == [over.name] and document[0]["id"] == row["ID"]
    assert len(ctl.table("sessions", "--limit", "1")) == 1
    assert ctl.good("reload") == "reloaded; changes: none\n"
    new = gate.connect()
    new.echo(b"x")
    assert {r["CLIENT"] for r in ctl.table("sessions", "--generation", "1")} == {plain.name, over.name}
    assert [r["CLIENT"] for r in ctl.table("sessions", "--generation=2")] == [new.name]


def test_pools(gate, ctl):
    gate.connect().echo(b"x")
    rows = {row["SERVER"]: row for row in ctl.table("pools")}
    assert set(rows) == {"app/one", "app/a/b"}
    row = rows["app/one"]
    assert row["ADDRESS"] == gate.servers[0].address and row["STATE"] == "ready" and row["UP"] == "yes"
    assert row["WEIGHT"] == "1" and row["SESSIONS"] == "1"
    assert json.loads(ctl.good("pools", "--json"))[0]["servers"][1]["name"] == "a/b"


def test_pools_tell_who_waits(start):
    server = servers.EchoServer()
    pool = {"servers": [{"address": server.address, "max_sessions": 1}], "queue": {"max": 5, "timeout": "30s"}}
    gate = start(PLAIN, {"app": pool}, tls=None, admin=True)
    ctl = Ctl(gate.folder / "admin.sock")
    first = gate.connect()
    first.echo(b"x")
    assert "waiting" not in ctl.good("pools")
    second = gate.connect().send(b"y")
    wait.until(lambda: "1 waiting for a server of app" in ctl.good("pools"), "one waits")
    assert ctl.table("pools")[0]["SESSIONS"] == "1/1"
    first.close()
    assert second.recv(1) == b"y"


def test_certs(start, authority):
    pair = authority.issue("a.example.com", "b.example.com")
    gate = start(None, {"app": servers.EchoServer()}, admin=True, tls={"certificates": [pair]})
    ctl = Ctl(gate.folder / "admin.sock")
    shown = json.loads(ctl.good("--json", "certs"))[0]
    line = ctl.good("certs").splitlines()[1]
    assert line.startswith("a.example.com b.example.com ") and str(pair.cert) in line and shown["serial"] in line
    left = time.mktime(time.strptime(shown["not_after"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()
    days = int(line.split()[2])
    assert days in (int(left // 86400), int((left + 60) // 86400)), "whole days that are left"


# --- changing -------------------------------------------------------------------------------------


def test_drain_maint_ready_and_weight(gate, ctl):
    one, two = gate.servers
    assert ctl.good("drain", "app/a/b") == ""
    for _ in range(3):
        gate.connect().echo(b"x")
    assert (one.count, two.count) == (3, 0)
    assert {r["SERVER"]: r["STATE"] for r in ctl.table("pools")} == {"app/one": "ready", "app/a/b": "drain"}
    changed = json.loads(ctl.good("--json", "maint", "app/a/b"))
    assert changed["state"] == "maint" and changed["name"] == "a/b"
    assert ctl.good("weight", "app/one", 0) == "" and ctl.good("ready", "app/a/b") == ""
    gate.connect().echo(b"x")
    assert (one.count, two.count) == (3, 1)
    assert json.loads(ctl.good("weight", "app/one", "256", "--json"))["weight"] == 256


def test_kill(gate, ctl):
    client = gate.connect()
    client.echo(b"x")
    (row,) = ctl.table("sessions")
    assert ctl.good("kill", row["ID"]) == ""
    client.expect_reset()
    gate.ended(client, "killed", id=row["ID"])
    gone = ctl("kill", row["ID"])
    assert (gone.returncode, gone.stdout, gone.stderr) == (1, "", "muxgatectl: no session has this id\n")


def test_reload_tells_warnings_and_does_it(gate, ctl):
    gate.write({**gate.template, "pools": {**gate.template["pools"], "spare": {"servers": ["127.0.0.1:9"]}}})
    for words in ((), ("--confirm", "1h")):
        done = ctl("reload", *words)
        assert done.returncode == 0 and done.stdout.startswith("reloaded; changes: ")
        assert re.fullmatch(rf"{gate.file}:\d+:\d+: warning: pools.spare: .*\n", done.stderr), done.stderr
    ctl.good("confirm")


def test_reload_tells_what_is_wrong(gate, ctl):
    gate.write_text(gate.file.read_text().replace('"pool": "app"', '"pool": "apps"').replace('"workers": 2', '"workers": 0'))
    refused = ctl("reload")
    assert refused.returncode == 1 and refused.stdout == ""
    lines = refused.stderr.splitlines()
    assert len(lines) == 3 and lines[0].startswith(f"{gate.file}:") and 'no pool named "apps" ' in lines[0]
    assert "workers" in lines[1] and lines[2] == "muxgatectl: the configuration was refused; the old one runs on"
    document = ctl("--json", "reload")
    assert document.returncode == 1 and json.loads(document.stdout)["errors"] == lines[:2]
    gate.write(gate.template)
    assert ctl.good("reload") == "reloaded; changes: none\n"
    assert json.loads(ctl.good("reload", "--json")) == {"generation": 3, "warnings": [], "summary": "none", "changes": []}


# --- top ------------------------------------------------------------------------------------------


def test_top_without_a_terminal(gate, ctl):
    client = gate.connect()
    client.echo(b"x" * 100)
    gate.admin.until("bytes_total", 100, direction="in")
    looks = ctl.good("top", "-n", "2", "-d", "0.1").split("\n\nmuxgate ")
    assert len(looks) == 2 and "\x1b" not in looks[0]
    for look in looks:
        assert "LISTENER" in look and "combined" in look and "app/one" in look and "cpu" in look
    lines = [json.loads(line) for line in ctl.good("--json", "top", "-n", "2", "-d", "0.1").splitlines()]
    assert lines[0]["seconds"] == 0 and lines[1]["seconds"] >= 0.1 and lines[1]["status"]["pid"] == gate.pid
    (listener,) = lines[1]["listeners"]
    assert listener["name"] == "combined" and listener["sessions"] == 1 and listener["new_per_s"] == 0
    assert lines[1]["pools"][0]["name"] == "app"


class Terminal:
    """muxgatectl on a terminal of its own."""

    def __init__(self, command, rows=24, columns=100):
        self.main, side = pty.openpty()
        ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(side)
        self.side = side
        self.process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, start_new_session=True)
        self.seen = ""

    def expect(self, words):
        """Until the words come after what has been looked at."""
        deadline = wait.Deadline(10)
        while words not in self.seen:
            assert not deadline.over(), f"{words!r} did not come: {self.seen!r}"
            if select.select([self.main], [], [], 0.1)[0]:
                self.seen += os.read(self.main, 65536).decode()
        at = self.seen.index(words)
        text, self.seen = self.seen[:at], self.seen[at + len(words):]
        return text

    def press(self, keys):
        os.write(self.main, keys)

    def end(self) -> int:
        status = self.process.wait(settings.seconds(10))
        assert termios.tcgetattr(self.side) == self.before, "the terminal is as it was"
        os.close(self.main)
        os.close(self.side)
        return status


@pytest.mark.parametrize("how", ["q", "Ctrl-C", "TERM"])
def test_top_on_a_terminal_is_left_and_leaves_it_as_it_was(gate, ctl, how):
    terminal = Terminal(ctl.command("top", "-d", "0.1"))
    terminal.expect("\x1b[?1049h")
    terminal.expect("q quits")
    client = gate.connect()
    client.echo(b"x")
    wait.until(lambda: "sessions 1 of" in terminal.expect("q quits"), "the next looks see the session")
    if how == "TERM":
        terminal.process.terminate()
    else:
        terminal.press(b"q" if how == "q" else b"\x03")
    terminal.expect("\x1b[?1049l")
    assert terminal.end() == (-signal.SIGTERM if how == "TERM" else 0)


def test_top_fits_a_small_terminal_and_waits_for_a_restart(gate, ctl):
    terminal = Terminal(ctl.command("top", "-d", "0.1"), rows=4, columns=20)
    look = terminal.expect("\x1b[J") and terminal.expect("\x1b[J")
    lines = look.replace("\x1b[H", "").replace("\x1b[K", "").split("\r\n")
    assert len(lines) == 4 and max(map(len, lines)) <= 20 and lines[0].startswith("muxgate")
    gate.stop()
    terminal.expect("asking again")
    terminal.press(b"q")
    terminal.expect("\x1b[?1049l")
    assert terminal.end() == 0


# --- failing --------------------------------------------------------------------------------------


BAD_LINES = [
    ((), "what to do?"), (("nothing",), 'no command "nothing"'), (("drain",), "drain POOL/SERVER"), (("status", "x"), "status"),
    (("weight", "app/one"), "weight POOL/SERVER N"), (("weight", "app/one", "257"), "0 to 256"), (("weight", "app/one", "x"), "0 to 256"),
    (("pools", "--limit", "3"), "usage: muxgatectl pools"), (("sessions", "-n", "3"), "sessions"), (("sessions", "--limit", "x"), "number"),
    (("sessions", "--generation", ""), "number"), (("top", "-d", "0"), "-d"), (("top", "-n", "x"), "-n"), (("--nothing",), "muxgatectl: unknown option --nothing"),
    (("-x",), "muxgatectl: unknown option -x"), (("-s",), "muxgatectl: -s needs an argument"), (("--limit",), "--limit needs an argument"),
    (("ledger", "--limit", "3"), "usage: muxgatectl ledger"), (("status", "--plain"), "status"), (("unknown", "x"), "usage: muxgatectl unknown"),
    (("confirm", "60s"), "usage: muxgatectl confirm"), (("reload", "--confirm", "soon"), "a time like 60s"), (("reload", "--limit", "3"), "--dry-run")]


@pytest.mark.parametrize("words, said", BAD_LINES)
def test_a_line_that_is_not_understood_is_a_usage_error(words, said):
    done = program.run(*words)
    assert done.returncode == 2 and done.stdout == "" and said in done.stderr


def test_with_json_a_refusal_is_a_document_too(ctl):
    done = ctl("--json", "kill", "none-such")
    assert done.returncode == 1 and json.loads(done.stdout)["error"] in done.stderr
    assert ctl("kill", "none-such").stdout == ""


def test_help_and_version(gate):
    helped = program.run("-h")
    assert helped.returncode == 0 and "drain POOL/SERVER" in helped.stdout and "unknown" in helped.stdout
    assert program.run("-V").stdout.split() == ["muxgatectl", gate.admin.get("/v1/status")["version"]]


def test_the_socket_is_found(gate, ctl):
    assert json.loads(program.run("--json", "status", env={"MUXGATE_SOCKET": str(ctl.socket)}).stdout)["pid"] == gate.pid
    assert program.run("-s", ctl.socket, "status", env={"MUXGATE_SOCKET": "/nowhere"}).returncode == 0
    assert "/run/muxgate/admin.sock" in program.run("-h").stdout


def test_no_socket_no_gate_no_right(gate, ctl, tmp_path):
    missing = program.run("-s", tmp_path / "none", "status")
    assert missing.returncode == 1 and "is muxgate running" in missing.stderr and str(tmp_path / "none") in missing.stderr
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    refused = program.run("-s", tmp_path / "dead", "status")
    assert refused.returncode == 1 and "muxgate is not running" in refused.stderr
    assert program.run("-s", "/" + "x" * 200, "status").returncode == 1


def test_a_socket_of_others_may_not_be_opened(gate, ctl, command):
    if os.getuid() != 0:
        pytest.skip("only root can be somebody else")
    for folder in [ctl.socket.parent, *ctl.socket.parent.parents][:-2]:
        folder.chmod(folder.stat().st_mode | 0o055)
    status, out, err = command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *ctl.command("status"))
    assert (status, out) == (1, b"") and b"may not open" in err and b"sudo" in err


class Pretender:
    """Something that is no muxgate answers at a socket."""

    def __init__(self, path, answer):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.process = None
        self.answer, self.path = answer, path

    def ask(self, *words):
        self.process = subprocess.Popen(Ctl(self.path).command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        peer, _ = self.socket.accept()
        peer.recv(65536)
        peer.sendall(self.answer)
        peer.close()
        out, err = self.process.communicate(timeout=settings.seconds(10))
        self.socket.close()
        return self.process.returncode, out, err


@pytest.mark.parametrize("answer", [
    b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nno json", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\n\r\n{", b"HTTP/1.", b"\r\n\r\n", b"HTTP/1.1 500 x\r\n\r\n<html>"])
def test_an_answer_of_something_else_is_no_answer(tmp_path, answer):
    status, out, err = Pretender(tmp_path / "socket", answer).ask("status")
    assert (status, out) == (1, "") and err.startswith("muxgatectl: ")


def test_documents_of_another_shape_are_shown_as_far_as_they_go(tmp_path):
    answer = b'HTTP/1.1 200 OK\r\n\r\n[{"name": 1, "servers": [3, {"name": "\\u009b31m\\u202e"}]}, 7]'
    status, out, err = Pretender(tmp_path / "socket", answer).ask("pools")
    assert (status, err) == (0, "") and "\\x9b31m" in out and "\u009b" not in out


def test_a_wrong_server_is_named(ctl):
    for words in (("drain", "app/none"), ("ready", "one"), ("weight", "no/one", "3")):
        done = ctl(*words)
        assert done.returncode == 1 and f"there is no server {words[1]}" in done.stderr and "muxgatectl pools" in done.stderr


def test_a_reader_that_goes_away_is_a_failure(ctl):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(ctl.command("status"), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1


# --- completion -----------------------------------------------------------------------------------


BASH = r"""
source "$1"
COMP_LINE=$2
COMP_POINT=${#COMP_LINE}
COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
read -ra COMP_WORDS <<<"$COMP_LINE"
_muxgatectl
printf '%s\n' "${COMPREPLY[@]}"
"""


def complete(line: str) -> list:
    """What bash would offer for this line, under the program's own path."""
    line = line.replace("muxgatectl", str(program.program()), 1)
    script = TREE / "completions/muxgatectl.bash"
    done = subprocess.run(["bash", "--norc", "-c", BASH, "bash", script, line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(filter(None, done.stdout.splitlines()))


def test_bash_completes_commands_and_options():
    commands = "certs confirm drain kill ledger maint pools ready reload sessions status top unknown weight".split()
    assert complete("muxgatectl ") == commands
    shown = program.run("-h").stdout
    assert commands == sorted(line.split()[0] for line in shown.splitlines() if line.startswith("  ") and line[2].isalpha())
    assert complete("muxgatectl --json s") == ["sessions", "status"]
    assert complete("muxgatectl sessions --") == sorted(["--contains", "--generation", "--help", "--json", "--limit", "--socket", "--version"])
    assert complete("muxgatectl top -d") == ["-d"] and complete("muxgatectl reload --c") == ["--confirm"]
    assert complete("muxgatectl reload --confirm ") == []
    assert complete("muxgatectl sessions --limit ") == [] and complete("muxgatectl status ") == []


def test_bash_completes_servers_and_sessions(gate, ctl):
    client = gate.connect()
    client.echo(b"x")
    (row,) = ctl.table("sessions")
    asked = f"muxgatectl -s {ctl.socket} "
    assert complete(asked + "drain ") == ["app/a/b", "app/one"] and complete(asked + "weight app/o") == ["app/one"]
    assert complete(asked + "drain app/one ") == []
    assert complete(asked + "kill ") == [row["ID"]]
    assert complete("muxgatectl -s /nowhere drain ") == []
    assert str(ctl.socket) in complete(f"muxgatectl -s {str(ctl.socket)[:-3]}")


def test_bash_completes_behind_a_colon(start):
    server = servers.EchoServer()
    gate = start(PLAIN, {"app": server}, tls=None, admin=True)
    port = server.address.rpartition(":")[2]
    assert complete(f"muxgatectl -s {gate.folder / 'admin.sock'} drain app/{net.HOST}:") == [port]


def test_zsh_takes_the_completion(need, command):
    zsh = need("zsh")
    file = TREE / "completions/_muxgatectl"
    assert command(zsh, "-n", file) == (0, b"", b"")
    loaded = f"fpath=({file.parent} $fpath); autoload -Uz compinit && compinit -u -D && print ${{_comps[muxgatectl]}}"
    assert command(zsh, "-f", "-c", loaded) == (0, b"_muxgatectl\n", b"")
