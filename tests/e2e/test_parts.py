"""What a muxgate without one of its libraries does in its place. `scripts/check bare` builds one without any."""

import json

import pytest

from harness import net, parts, servers
from harness.gate import run

PLAIN = {"listeners": {"l": {"bind": f"{net.HOST}:0", "rules": [{"pool": "app"}]}}, "pools": {"app": {"servers": [f"{net.HOST}:1"]}}}


def without(part):
    if parts.has(part):
        pytest.skip(f"{part} is built in (muxgate -V)")


def told(tmp_path, **change):
    file = tmp_path / "gate.json"
    file.write_text(json.dumps(PLAIN | change))
    done = run("-c", file, "-t")
    assert done.returncode == 1, done
    line, = done.stderr.splitlines()
    return line


def test_an_admin_interface_that_is_not_built_in_is_refused(tmp_path):
    without("admin")
    assert ": admin: this muxgate was built without it" in told(tmp_path, admin={"socket": "admin.sock"})


def test_a_regular_expression_that_cannot_be_asked_is_refused(tmp_path):
    without("regex")
    rules = [{"match": {"regex": "^a"}, "pool": "app"}, {"pool": "app"}]
    line = told(tmp_path, listeners={"l": {"bind": f"{net.HOST}:0", "rules": rules}})
    assert "listeners.l.rules[0].match.regex: this muxgate was built without PCRE2" in line


def test_an_srv_name_that_cannot_be_looked_up_is_refused(tmp_path):
    without("names")
    line = told(tmp_path, pools={"app": {"servers": ["srv:_fix._tcp.example.com"]}})
    assert "pools.app.servers[0]" in line and "c-ares" in line


def test_a_host_name_is_looked_up_when_the_configuration_is_read(start):
    without("names")
    server = servers.EchoServer()
    gate = start([{"pool": "app"}], {"app": {"servers": [f"localhost:{server.port}"]}}, tls=None)
    gate.connect().echo(b"hello")


def test_one_socket_at_a_time_serves_as_well(start):
    without("io_uring")
    gate = start([{"pool": "app"}], {"app": servers.EchoServer()}, tls=None, top={"workers": 1})
    clients = [gate.connect() for _ in range(40)]
    for _ in range(3):
        for client in clients:
            client.send(b"8=FIX.4.4|35=0|")
        for client in clients:
            assert client.recv(15) == b"8=FIX.4.4|35=0|"
