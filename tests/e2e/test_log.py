"""One line per session: its keys, its forms, and that a slow reader of it slows nobody."""

import datetime
import json
import os
import re
import signal

import pytest

from harness import books, fix, servers, settings, tls, wait

KEYS = {"time", "id", "listener", "client", "protocol", "inner_protocol", "rule", "tls", "sni", "alpn", "tls_version",
        "tls_cipher", "tls_resumed", "client_cn", "ja4", "fix_sender", "fix_target", "pool", "server", "inspect_ms",
        "handshake_ms", "connect_ms", "duration_ms", "bytes_in", "bytes_out", "end", "detail", "repeated"}
ALWAYS = {"time", "id", "listener", "client", "protocol", "duration_ms", "bytes_in", "bytes_out", "end"}
PLAIN = [{"pool": "app"}]


def use(gate, data=b"hello", name=None):
    client = gate.connect() if name is None else tls.TlsPeer(gate.connect(), name=name)
    client.echo(data)
    client.close()
    return client


@pytest.mark.tsan
def test_keys_and_types(start):
    gate = start(pools={"app": servers.EchoServer()})
    for name in (None, "gateway.example.com"):
        line = gate.session(use(gate, fix.logon(), name))
        assert set(line) <= KEYS and ALWAYS <= set(line), set(line) ^ KEYS
        for key in ("id", "listener", "client", "protocol", "rule", "pool", "server", "end"):
            assert isinstance(line[key], str), key
        for key in ("inspect_ms", "connect_ms", "duration_ms"):
            assert isinstance(line[key], (int, float)) and line[key] >= 0, key
        for key in ("bytes_in", "bytes_out"):
            assert isinstance(line[key], int), key
        assert None not in line.values() and "" not in line.values(), "what is unknown is left out"
    assert line["tls_resumed"] is False
    assert 0 <= line["inspect_ms"] + line["connect_ms"] + line["handshake_ms"] <= line["duration_ms"] + 1


def test_the_fingerprint_of_the_hello_is_in_the_line(start):
    gate = start(pools={"app": servers.EchoServer()})
    line = gate.session(use(gate, name="gateway.example.com"))
    assert re.fullmatch(r"t13d[0-9a-z]{6}_[0-9a-f]{12}_[0-9a-f]{12}", line["ja4"])


def test_durations_have_decimals(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    lines = [gate.session(use(gate)) for _ in range(5)]
    assert any(isinstance(line["duration_ms"], float) for line in lines)


def test_time_is_the_start_in_utc_with_milliseconds(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    before = datetime.datetime.now(datetime.timezone.utc)
    client = gate.connect()
    client.echo(b"x")
    client.expect_silence(0.3)
    client.close()
    text = gate.session(client)["time"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    begun = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert abs((begun - before).total_seconds()) < 0.25


@pytest.mark.tsan
def test_ids_are_never_reused(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"workers": 4})
    clients = [use(gate) for _ in range(60)]
    ids = [gate.session(client)["id"] for client in clients]
    assert len(set(ids)) == 60


@pytest.mark.tsan
def test_there_is_exactly_one_line_per_session(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    clients = [use(gate) for _ in range(100)]
    for client in clients:
        gate.session(client)
    assert len(gate.sessions()) == 100


@pytest.mark.parametrize("sni", [b'a"b\\c.example.com', b"\x01\x02\n\r.example.com", b"\xff\xfe\x80", b"a b.example.com",
                                 b"x" * 255, b"nul\x00.example.com"], ids=repr)
def test_hostile_names_never_break_a_line(start, sni):
    gate = start([{"tls": "passthrough", "pool": "app"}], {"app": servers.EchoServer()}, tls=None)
    client = gate.connect().send(tls.hello(sni))
    client.close()
    line = gate.session(client)
    assert "\n" not in json.dumps(line, ensure_ascii=False).replace("\\n", "")
    for text in gate.access.items:
        json.loads(text)
        assert all(ch >= " " for ch in text)


def test_hostile_fix_names_never_break_a_line(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    for sender in ('a"b', "tab\there", "new\nline", "\x1b[31mred", "back\\slash", "x" * 5000):
        client = use(gate, fix.logon(sender))
        gate.session(client)
    for text in gate.access.items:
        json.loads(text)
        assert all(ch >= " " for ch in text)


def test_text_format_is_one_line_with_the_same_facts(launch, build):
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"log": {"format": "text"}}))
    client = use(gate, fix.logon("DESK"))
    line = gate.access.find(lambda text: client.name in text, 5)
    assert line and not line.startswith("{")
    for word in ("fix", "DESK", "combined", "client_closed", "app"):
        assert word in line, word


@pytest.mark.tsan
def test_access_log_in_a_file_is_reopened_by_usr1_after_a_rename(launch, build, tmp_path):
    path = tmp_path / "access.log"
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"log": {"access": str(path)}}))
    old_client = use(gate)
    wait.until(lambda: path.exists() and old_client.name in path.read_text(), "the line is in the file")
    path.rename(tmp_path / "access.log.1")
    held = gate.connect()
    held.echo(b"across the rotation")
    gate.signal(signal.SIGUSR1)
    wait.until(path.exists, "a new file is there")
    client = use(gate)
    wait.until(lambda: client.name in path.read_text(), "new lines are in the new file")
    held.echo(b"not cut")
    assert client.name not in (tmp_path / "access.log.1").read_text()


def test_a_relative_log_path_is_beside_the_configuration(launch, build):
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"log": {"access": "sessions.log"}}))
    client = use(gate)
    path = gate.folder / "sessions.log"
    wait.until(lambda: path.exists() and client.name in path.read_text(), "the line is in the file")
    assert not gate.access.items


def test_access_off_and_listener_off(launch, build):
    config = build(PLAIN, {"app": servers.EchoServer()}, tls=None)
    quiet = {**config["listeners"]["combined"], "log": False}
    gate = launch({**config, "listeners": {"combined": config["listeners"]["combined"], "quiet": quiet}})
    silent = gate.connect("quiet")
    silent.echo(b"x")
    silent.close()
    gate.session(use(gate))
    assert [line["listener"] for line in gate.sessions()] == ["combined"]
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"log": {"access": "off"}}))
    use(gate)
    gate.settle()
    assert not gate.access.items


def test_access_log_on_stderr(launch, build):
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"log": {"access": "stderr"}}))
    client = use(gate)
    assert json.loads(gate.event(f'"{client.name}"'))["end"] == "client_closed"


@pytest.mark.tsan
def test_a_reader_that_never_reads_slows_nobody(launch, build):
    readable, writable = os.pipe()
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None), stdout=writable)
    os.close(writable)
    before = books.memory(gate.pid)
    slowest = 0.0
    for _ in range(settings.scaled(3000)):
        watch = wait.Stopwatch()
        use(gate)
        slowest = max(slowest, watch.elapsed())
    assert slowest < settings.seconds(1.0)
    assert books.memory(gate.pid) - before < (8 << 20) * max(1, settings.slow())
    gate.stop()
    os.close(readable)


def test_a_closed_log_reader_kills_nothing(launch, build):
    readable, writable = os.pipe()
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None), stdout=writable)
    os.close(writable)
    os.close(readable)
    for _ in range(20):
        use(gate)


def test_no_key_material_is_written(start, authority, tmp_path):
    pair = authority.known("gateway.example.com", "localhost", "127.0.0.1")
    gate = start(pools={"app": servers.EchoServer()}, top={"log": {"level": "debug"}})
    use(gate, b"secret words of a client", "gateway.example.com")
    gate.settle()
    written = "\n".join(gate.events.items + gate.access.items)
    assert "PRIVATE KEY" not in written and "secret words" not in written
    assert pair.key.read_text().split("\n")[1] not in written


def test_the_event_log_is_one_line_per_event(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    use(gate)
    assert [line for line in gate.events.items if line.startswith("muxgate.ready")]
    assert all(line.strip() for line in gate.events.items)
