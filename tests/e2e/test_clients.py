"""The TLS clients that people use, end to end: terminated and passed through, and the name, the
protocol and the fingerprint that the log has of each."""

import re

import pytest

from harness import certs, clients, servers

NAME = "clients.example.com"
BROWSER_SECONDS = 40


def web(name, pair=None):
    return servers.HttpServer(f"<p>this is {name}</p>".encode(), pair)


@pytest.fixture(params=clients.CLIENTS)
def client(request, need):
    client = clients.CLIENTS[request.param]
    need(client.program.split("/")[-1])
    return client


@pytest.fixture
def target(tmp_path, authority):
    def to(gate, identity=None):
        folder = tmp_path / "client"
        folder.mkdir()
        return clients.Target(NAME, gate.port, authority.cert, folder, identity)
    return to


def test_a_real_client_is_terminated_and_its_request_routed(client, start, target, authority):
    pools = {name: web(name) for name in ("web", "other")}
    gate = start([{"match": {"sni": NAME}, "tls": "terminate", "rules": [
                     {"match": {"protocol": "http"}, "pool": "web"}, {"pool": "other"}]},
                  {"pool": "other"}], pools,
                 tls={"certificates": [authority.known(NAME)], "alpn": ["http/1.1"]})
    said = client.ask(target(gate), BROWSER_SECONDS)
    assert "this is web" in said, said
    line = gate.session(rule="rules[0].rules[0]", check=lambda line: line["bytes_in"] > 0)
    assert (line["protocol"], line["inner_protocol"], line["sni"]) == ("tls", "http", NAME)
    assert line["tls_version"] == "TLSv1.3"
    assert re.fullmatch(r"t13d[0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}", line["ja4"])


def test_a_real_client_is_passed_by_its_name(client, start, target, authority):
    secure, other = web("web", authority.known(NAME)), servers.EchoServer()
    gate = start([{"match": {"sni": "*.example.com"}, "tls": "passthrough", "pool": "web"},
                  {"tls": "passthrough", "pool": "other"}, {"pool": "other"}],
                 {"web": secure, "other": other}, tls=None)
    said = client.ask(target(gate), BROWSER_SECONDS)
    assert "this is web" in said, said
    assert gate.session(rule="rules[0]", sni=NAME)["tls"] == "passthrough"
    assert other.count == 0


@pytest.mark.parametrize("program", clients.IDENTIFIED)
def test_a_real_client_is_known_by_its_certificate(program, start, target, authority, need, tmp_path):
    client, issuer = clients.IDENTIFIED[program], certs.Authority(tmp_path / "clients", "the clients' authority")
    need(client.program.split("/")[-1])
    tls = {"certificates": [authority.known(NAME)], "client_auth": {"mode": "require", "ca": str(issuer.cert)}}
    rules = [{"tls": "terminate", "rules": [{"match": {"client_cert": {"cn": "desk-1"}}, "pool": "web"},
                                            {"pool": "other"}]}]
    gate = start(rules, {"web": web("web"), "other": web("other")}, tls=tls)
    said = client.ask(target(gate, issuer.issue("desk-1")))
    assert "this is web" in said, said
    line = gate.session(rule="rules[0].rules[0]", check=lambda line: line["bytes_in"] > 0)
    assert (line["client_cn"], line["tls_version"]) == ("desk-1", "TLSv1.3")
