"""TLS passed through untouched: the server sees the very bytes, and its own certificate is served."""

import pytest

from harness import net, nginx, servers, tls

RULES = [{"tls": "passthrough", "pool": "app"}]
HELLOS = {"one record": tls.hello("a.example.com", alpn=("h2", "fix")),
          "many records": tls.hello("a.example.com", record_size=13),
          "long": tls.hello("a.example.com", padding=20_000, record_size=4000),
          "with what follows": tls.hello("a.example.com") + b"\x14\x03\x03\x00\x01\x01" + b"\x17\x03\x03\x00\x05hello",
          "old": tls.hello("a.example.com", version=0x0301, versions=()),
          "no name": tls.hello(None)}


@pytest.mark.parametrize("data", HELLOS.values(), ids=HELLOS.keys())
@pytest.mark.parametrize("size", [0, 11], ids=["one segment", "in pieces"])
def test_the_server_sees_the_very_hello(start, data, size):
    server = servers.Listener()
    gate = start(RULES, {"app": server}, tls=None)
    client = gate.connect()
    client.drip(data, size, pause=0.0001) if size else client.send(data)
    peer = server.accept()
    assert peer.recv(len(data)) == data
    peer.send(b"\x16\x03\x03 whatever the server says").close()
    assert client.recv_all() == b"\x16\x03\x03 whatever the server says"
    client.close()
    line = gate.ended(client, "server_closed", tls="passthrough", protocol="tls", bytes_in=len(data), bytes_out=28)
    assert "tls_version" not in line and "handshake_ms" not in line


def test_the_log_shows_name_and_first_offered_protocol(start):
    server = servers.Listener()
    gate = start(RULES, {"app": server}, tls=None)
    client = gate.connect().send(tls.hello("a.example.com", alpn=("h2", "http/1.1")))
    peer = server.accept()
    client.close()
    peer.close()
    line = gate.session(client)
    assert (line["sni"], line["alpn"], line["rule"], line["pool"]) == ("a.example.com", "h2", "rules[0]", "app")


def test_a_tls_session_goes_end_to_end(start, authority):
    pair = authority.known("backend.example.com")
    gate = start(RULES, {"app": servers.TlsEchoServer(pair, alpn=["fix"])}, tls=None)
    client = tls.TlsPeer(gate.connect(), tls.client_context(authority.cert, alpn=["fix"]), name="backend.example.com")
    client.echo(b"untouched")
    assert (client.certificate(), client.alpn()) == (pair.der(), "fix")


def test_curl_reaches_two_https_servers_by_name(start, authority, need, command, tmp_path):
    need("nginx")
    names = ("one.example.com", "two.example.com")
    web = nginx.Nginx(tmp_path / "nginx", {name: authority.known(name) for name in names})
    rules = [{"match": {"sni": name}, "tls": "passthrough", "pool": name.split(".")[0]} for name in names]
    gate = start(rules, {name.split(".")[0]: web.address(name) for name in names}, tls=None)
    for index, name in enumerate(names):
        status, out, err = command(need("curl"), "-sS", "--cacert", authority.cert, "--resolve",
                                   f"{name}:{gate.port}:127.0.0.1", f"https://{name}:{gate.port}/")
        assert (status, out) == (0, f"this is {name}, asked for {name}\n".encode()), err
        line = gate.session(sni=name)
        assert (line["rule"], line["pool"], line["tls"]) == (f"rules[{index}]", name.split(".")[0], "passthrough")
    status, out, err = command(need("curl"), "-sS", "--insecure", f"https://localhost:{gate.port}/")
    assert status != 0
    gate.session(end="no_rule", sni="localhost")


def test_one_name_to_a_pool_of_https_servers(start, authority):
    pair = authority.known("backend.example.com")
    pool = [servers.TlsEchoServer(pair), servers.TlsEchoServer(pair)]
    gate = start(RULES, {"app": pool}, tls=None)
    for _ in range(4):
        tls.TlsPeer(gate.connect(), tls.client_context(authority.cert), name="backend.example.com").echo(b"x")
    assert [server.count for server in pool] == [2, 2]


def test_an_alert_of_the_server_reaches_the_client(start):
    server = servers.Listener()
    gate = start(RULES, {"app": server}, tls=None)
    client = gate.connect().send(tls.hello("a.example.com"))
    server.accept().send(b"\x15\x03\x03\x00\x02\x02\x28").close()
    assert tls.read_alert(client) == 40
    client.expect_closed()
    client.close()
    assert net.HOST in gate.session(client)["client"]
