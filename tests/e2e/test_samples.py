"""The configurations of config/, as they are but for their addresses, do what they say."""

import json

import pytest

from harness import certs, fix, servers, settings, tls
from harness.gate import run

SAMPLES = settings.HERE.parent.parent / "config"


@pytest.fixture
def sample(launch, tmp_path, pair):
    """sample(name, pool=[servers…], …) → a running Gate with that sample and these servers in its pools."""
    def start(name, **pools):
        config = json.loads((SAMPLES / name).read_text())
        for listener in config["listeners"].values():
            del listener["bind"]
        for pool, stand_ins in pools.items():
            listed = config["pools"][pool]["servers"]
            assert len(listed) == len(stand_ins), "a stand-in for each server"
            config["pools"][pool]["servers"] = [
                {**server, "address": stand_in.address} if isinstance(server, dict) else stand_in.address
                for server, stand_in in zip(listed, stand_ins)]
        certs.copy(pair, tmp_path / "certs", "gateway")
        return launch(config)
    return start


def answer(client, data=b"who"):
    return client.send(data).recv_until(b"\n")


def test_fix_combined(sample):
    acceptor = servers.FixServer()
    gate = sample("fix-combined.json", acceptor=[acceptor])
    for client, rule in ((gate.connect(), "fix-plain"), (tls.TlsPeer(gate.connect(), name="localhost"), "fix-over-tls")):
        client.send(fix.logon("DESK"))
        assert fix.read(client)["56"] == "DESK"
        client.close()
        assert gate.session(client)["rule"] == rule
    stranger = gate.connect().send(b"GET / HTTP/1.1\r\n\r\n")
    stranger.expect_closed()
    gate.ended(stranger, "no_rule")


def test_passthrough_https(sample, authority):
    pair = authority.known("www.example.com")
    web = [servers.TlsEchoServer(pair), servers.TlsEchoServer(pair)]
    gate = sample("passthrough-https.json", web=web)
    held = [tls.TlsPeer(gate.connect(), tls.client_context(authority.cert), name="www.example.com") for _ in range(4)]
    for client in held:
        client.echo(b"end to end")
    assert {gate_name(gate, client) for client in held} == {"web-1", "web-2"}
    plain = gate.connect().send(b"GET / HTTP/1.1\r\n\r\n")
    plain.expect_reset()
    gate.ended(plain, "rejected", rule="plain")


def gate_name(gate, client):
    client.close()
    return gate.session(client)["server"]


def test_sni_passthrough(sample):
    gate = sample("sni-passthrough.json", orders=[servers.NameServer("orders"), servers.NameServer("spare")],
                  quotes=[servers.NameServer("quotes"), servers.NameServer("quotes")],
                  reports=[servers.NameServer("reports")])
    for name, pool in (("orders.example.com", b"orders"), ("quotes.example.com", b"quotes"),
                       ("eu.quotes.example.com", b"quotes"), ("reports.example.com", b"reports")):
        assert answer(gate.connect(), tls.hello(name)) == pool + b"\n"
    client = gate.connect().send(tls.hello("other.example.com"))
    client.expect_reset()
    gate.ended(client, "rejected", rule="other-names")


def test_terminate(sample):
    gate = sample("terminate.json", **{name: [servers.NameServer(name)] for name in ("postgres", "web", "ssh", "tcp")})

    def secure(**context):
        return tls.TlsPeer(gate.connect(), tls.client_context(**context), name="localhost")
    assert answer(secure(), b"GET / HTTP/1.1\r\n\r\n") == b"web\n"
    assert answer(secure(), b"SSH-2.0-me\r\n") == b"ssh\n"
    assert answer(secure(), b"anything") == b"tcp\n"
    client = secure(alpn=["postgresql"])
    assert (client.alpn(), answer(client)) == ("postgresql", b"postgres\n")


def test_towards_tls(sample):
    acceptor = servers.FixServer()
    gate = sample("towards-tls.json", acceptor=[acceptor])
    for client, rule in ((gate.connect("fix"), "plain"), (gate.connect("fix", source="127.0.0.2"), "late-partner"),
                         (tls.TlsPeer(gate.connect("fix"), name="localhost"), "tls")):
        client.send(fix.logon("DESK"))
        assert fix.read(client)["56"] == "DESK"
        client.close()
        assert gate.session(client)["rule"] == rule
    browser = gate.connect("web").send(b"GET /x HTTP/1.1\r\nHost: www.example.com:8080\r\n\r\n")
    assert b"\r\nLocation: https://www.example.com/x\r\n" in browser.recv_all()


@pytest.mark.parametrize("at, source, rule", [("2099-03-31T15:59:59Z", "192.0.2.7", "plain"),
                                              ("2099-03-31T16:00:00Z", "192.0.2.7", None),
                                              ("2099-04-30T15:59:59Z", "198.51.100.7", "late-partner"),
                                              ("2099-04-30T16:00:00Z", "198.51.100.7", None)])
def test_towards_tls_ends_on_its_days(at, source, rule):
    done = run("-c", SAMPLES / "towards-tls.json", "explain", "--listener", "fix", "--source", source, "--at", at,
               "--hex", fix.logon("DESK").hex(), "--json")
    assert done.returncode == (0 if rule else 3), done.stderr
    assert json.loads(done.stdout)["decision"].get("rule") == rule
