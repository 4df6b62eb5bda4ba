"""What servers are told of a client beside its address: v2-tls, and fields that are passed on."""

import ssl
import struct

import pytest

from harness import certs, net, nginx, proxy, servers, tls
from harness.haproxy import Haproxy

RULES = [{"match": {"sni": "passed.example.com"}, "tls": "passthrough", "pool": "app"},
         {"tls": "terminate", "pool": "app"}, {"pool": "app"}]
PLAIN = [{"pool": "app"}]
ALPN, AUTHORITY, CRC32C, UNIQUE_ID, SSL, NETNS = 0x01, 0x02, 0x03, 0x05, 0x20, 0x30
TRUSTED = ["127.0.0.1/32"]
SOURCE, TARGET = ("203.0.113.7", 4711), ("198.51.100.1", 9018)


def pool(server, **keys):
    return {"app": {"servers": [server], "proxy_protocol": "v2-tls", **keys}}


def fields(peer) -> dict:
    """The TLVs of the header that begins here, none of them twice."""
    found = proxy.read(peer)["tlvs"]
    assert len(dict(found)) == len(found), found
    return dict(found)


# --- v2-tls --------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("kind, key_alg", [("ec", "EC256"), ("rsa", "RSA2048"), ("ed25519", "ED25519")])
def test_a_terminated_session_tells_its_tls(start, authority, version, kind, key_alg):
    server = servers.Listener()
    pair = authority.known("app.example.com", kind=kind)
    gate = start(RULES, pool(server), tls={"certificates": [pair.config()], "alpn": ["fix"]})
    context = tls.client_context(version=version, alpn=["fix"])
    client = tls.TlsPeer(gate.connect(), context, name="APP.example.com").send(b"payload")
    peer = server.accept()
    told = fields(peer)
    inside = proxy.ssl_of(told.pop(SSL))
    assert peer.recv(7) == b"payload"
    client.close()
    peer.close()
    line = gate.session(client)
    assert inside == {"client": 1, "verify": 1, "version": line["tls_version"], "cipher": line["tls_cipher"],
                      "key_alg": key_alg, "sig_alg": "ecdsa-with-SHA256"}
    assert told.pop(CRC32C)
    assert told == {ALPN: b"fix", AUTHORITY: b"app.example.com", UNIQUE_ID: line["id"].encode()}


def test_a_terminated_session_without_name_and_alpn(start):
    server = servers.Listener()
    gate = start(RULES, pool(server))
    tls.TlsPeer(gate.connect()).send(b"x")
    assert set(fields(server.accept())) == {SSL, UNIQUE_ID, CRC32C}


@pytest.fixture(scope="session")
def clients(tmp_path_factory):
    """Who gives the clients their certificates."""
    return certs.Authority(tmp_path_factory.mktemp("certified"), "the clients' authority")


def told_of(server, gate, context, session=None):
    """The inside of the SSL field that the server gets of one session; and that TLS session."""
    client = tls.TlsPeer(gate.connect(), context, name="gateway.example.com", session=session).send(b"x")
    peer = server.accept()
    inside = proxy.ssl_of(fields(peer)[SSL])
    assert peer.recv(1) == b"x"
    peer.send(b"y")
    assert client.recv(1) == b"y"  # behind the tickets
    return inside, client.tls.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_verified_client_is_told_of_by_its_common_name_and_again_when_it_resumes(start, pair, clients, version):
    server = servers.Listener()
    gate = start(RULES, pool(server), tls={"certificates": [pair.config()],
                                           "client_auth": {"mode": "require", "ca": str(clients.cert)}})
    context = tls.client_context(version=version)
    desk = clients.known("desk-1")
    context.load_cert_chain(str(desk.cert), str(desk.key))
    first, session = told_of(server, gate, context)
    assert (first["client"], first["verify"], first["cn"]) == (1 | 2 | 4, 0, "desk-1")
    again, _ = told_of(server, gate, context, session)
    assert (again["client"], again["verify"], again["cn"]) == (1 | 4, 0, "desk-1"), "of the session, not the connection"


def test_a_client_without_a_certificate_is_not_told_of_as_verified(start, pair, clients):
    server = servers.Listener()
    gate = start(RULES, pool(server), tls={"certificates": [pair.config()],
                                           "client_auth": {"mode": "request", "ca": str(clients.cert)}})
    inside, _ = told_of(server, gate, tls.client_context())
    assert inside["client"] == 1 and inside["verify"] != 0 and "cn" not in inside


def test_a_client_whose_certificate_is_not_verified_reaches_no_server(start, pair, clients, authority):
    server = servers.Listener()
    gate = start(RULES, pool(server), tls={"certificates": [pair.config()],
                                           "client_auth": {"mode": "request", "ca": str(clients.cert)}})
    stranger = authority.known("desk-1")
    context = tls.client_context()
    context.load_cert_chain(str(stranger.cert), str(stranger.key))
    peer = gate.connect()
    with pytest.raises((ssl.SSLError, OSError)):
        tls.TlsPeer(peer, context).recv_some()
    gate.ended(peer, "handshake_failed")
    server.expect_nobody()


def test_a_passed_session_tells_what_its_hello_says(start):
    server = servers.Listener()
    gate = start(RULES, pool(server))
    hello = tls.hello("passed.example.com", alpn=["h2", "http/1.1"])
    client = gate.connect().send(hello)
    peer = server.accept()
    told = fields(peer)
    assert peer.recv(len(hello)) == hello
    client.close()
    peer.close()
    assert told.pop(CRC32C)
    assert told == {ALPN: b"h2", AUTHORITY: b"passed.example.com", UNIQUE_ID: gate.session(client)["id"].encode()}


def test_a_plain_session_tells_its_id(start):
    server = servers.Listener()
    gate = start(RULES, pool(server))
    client = gate.connect().send(b"plain")
    peer = server.accept()
    header = proxy.read(peer)
    assert header["source"] == proxy.split(client.name) and header["target"] == (net.HOST, gate.port)
    told = dict(header["tlvs"])
    client.close()
    peer.close()
    assert told.pop(CRC32C)
    assert told == {UNIQUE_ID: gate.session(client)["id"].encode()}


def test_v2_has_none_of_it(start):
    server = servers.Listener()
    gate = start(RULES, pool(server, proxy_protocol="v2"))
    tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"x")
    assert proxy.read(server.accept())["tlvs"] == []


def test_checks_begin_with_a_local_header(start):
    server = servers.Listener()
    start(RULES, pool(server, health_check={"interval": "100ms"}))
    assert server.accept().recv_all() == proxy.v2(command=0)


# --- pass_tlvs -----------------------------------------------------------------------------------

RECEIVED = [(ALPN, b"h2"), (AUTHORITY, b"front.example.com"), (UNIQUE_ID, b"from the front"), (NETNS, b"blue"),
            (SSL, struct.pack("!BI", 7, 0) + proxy.tlv(0x21, b"TLSv1.3") + proxy.tlv(0x22, b"client")),
            (0xEA, b"\x01vpce-1"), (0xEA, b"\x01a second one"), (0x04, b"\0\0"), (0xE0, b"own")]


def received() -> bytes:
    return proxy.with_crc(proxy.v2(*SOURCE, *TARGET, tlvs=b"".join(proxy.tlv(*one) for one in RECEIVED)))


@pytest.mark.parametrize("names, expected", [
    (["authority"], {AUTHORITY: b"front.example.com"}),
    (["alpn", "unique_id", "netns", "ssl"], {ALPN: b"h2", UNIQUE_ID: b"from the front", NETNS: b"blue", SSL: RECEIVED[4][1]}),
    (["0xEA", "0xe0", "0xE1"], {0xEA: b"\x01vpce-1", 0xE0: b"own"}),
    ([], {}),
], ids=["one", "several", "by number", "none"])
def test_what_is_named_is_passed_on(start, names, expected):
    server = servers.Listener()
    gate = start(PLAIN, pool(server, proxy_protocol="v2", pass_tlvs=names), tls=None, accept_proxy=TRUSTED)
    gate.connect().send(received() + b"payload")
    peer = server.accept()
    header = proxy.read(peer)
    assert dict(header["tlvs"]) == expected and len(header["tlvs"]) == len(expected)
    assert (header["source"], header["target"]) == (SOURCE, TARGET)
    assert peer.recv(7) == b"payload"


def test_what_is_passed_on_takes_the_place_of_our_own(start):
    server = servers.Listener()
    gate = start(RULES, pool(server, pass_tlvs=["unique_id", "alpn"]), accept_proxy=TRUSTED)
    tls.TlsPeer(gate.connect().send(received()), name="gateway.example.com").send(b"x")
    told = fields(server.accept())
    assert set(told) == {ALPN, AUTHORITY, CRC32C, UNIQUE_ID, SSL}
    assert (told[ALPN], told[AUTHORITY], told[UNIQUE_ID]) == (b"h2", b"gateway.example.com", b"from the front")
    assert proxy.ssl_of(told[SSL])["client"] == 1, "not named: our own"


def test_what_a_client_sends_by_itself_is_never_passed_on(start):
    server = servers.Listener()
    gate = start(PLAIN, pool(server, pass_tlvs=["authority"]), tls=None, accept_proxy=["127.0.0.2"])
    client = gate.connect().send(received() + b"payload")
    client.expect_closed()
    gate.ended(client, "bad_proxy_header")
    server.expect_nobody(0.2)


def test_passed_fields_outlive_a_try_that_failed(start):
    server = servers.Listener()
    dead = f"{net.HOST}:{net.free_port()}"
    gate = start(PLAIN, {"app": {"servers": [dead, server], "proxy_protocol": "v2", "pass_tlvs": ["authority"]}},
                 tls=None, accept_proxy=TRUSTED)
    for _ in range(2):
        gate.connect().send(received() + b"x")
        assert fields(server.accept()) == {AUTHORITY: b"front.example.com"}


def test_what_does_not_fit_is_left_out_whole(start):
    server = servers.Listener()
    gate = start(RULES, pool(server, pass_tlvs=["0xE0", "0xE1"]), accept_proxy=TRUSTED)
    large = proxy.tlv(0xE0, b"a" * 4000) + proxy.tlv(0xE1, b"b" * 30)
    tls.TlsPeer(gate.connect().send(proxy.v2(*SOURCE, *TARGET, tlvs=large)), name="gateway.example.com").send(b"x")
    told = fields(server.accept())
    assert told[0xE0] == b"a" * 4000 and told[0xE1] == b"b" * 30
    assert SSL not in told and CRC32C in told


# --- real receivers and senders ------------------------------------------------------------------

def ask(client) -> str:
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return client.recv_all().partition(b"\r\n\r\n")[2].decode()


def test_haproxy_reads_it(start, need, tmp_path):
    server = Haproxy(need("haproxy"), tmp_path, """
frontend told
    bind 127.0.0.1:@port accept-proxy
    http-request return status 200 content-type text/plain lf-string "%[src] %[fc_pp_authority] %[fc_pp_unique_id]"
""")
    gate = start(RULES, pool(server.address, pass_tlvs=["authority"]), accept_proxy=["127.0.0.3"])
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    answer = ask(client)
    client.close()
    assert answer == f"127.0.0.1 gateway.example.com {gate.session(client)['id']}"
    client = gate.connect(source="127.0.0.3").send(received())
    answer = ask(client)
    client.close()
    line = gate.session(check=lambda found: found["client"] == "203.0.113.7:4711")
    assert answer == f"203.0.113.7 front.example.com {line['id']}"


def test_nginx_takes_it(start, need, tmp_path, pair):
    need("nginx")
    web = nginx.Nginx(tmp_path / "nginx", {"gateway.example.com": pair}, listen="proxy_protocol",
                      say="$proxy_protocol_addr $proxy_protocol_server_port")
    gate = start([{"tls": "passthrough", "pool": "app"}], pool(web.address("gateway.example.com")), tls=None)
    client = tls.TlsPeer(gate.connect(source="127.0.0.4"), name="gateway.example.com")
    assert ask(client) == f"127.0.0.4 {gate.port}"


def test_what_haproxy_says_is_read_and_passed_on(start, need, tmp_path, authority):
    pair = authority.known("front.example.com")
    pem = tmp_path / "front.pem"
    pem.write_bytes(pair.cert.read_bytes() + pair.key.read_bytes())
    server = servers.Listener()
    gate = start(PLAIN, pool(server, proxy_protocol="v2", pass_tlvs=["ssl", "authority", "alpn", "unique_id"]),
                 tls=None, accept_proxy=TRUSTED)
    front = Haproxy(need("haproxy"), tmp_path, f"""
frontend front
    mode tcp
    bind 127.0.0.1:@port ssl crt {pem} alpn fix
    unique-id-format %[src]-here
    default_backend gateway
backend gateway
    mode tcp
    server gateway 127.0.0.1:{gate.port} send-proxy-v2 proxy-v2-options ssl,ssl-cipher,cert-cn,authority,crc32c,unique-id
""")
    context = tls.client_context(alpn=["fix"])
    client = tls.TlsPeer(net.connect((net.HOST, front.port)), context, name="front.example.com").send(b"hello")
    peer = server.accept()
    header = proxy.read(peer)
    told = dict(header["tlvs"])
    assert peer.recv(5) == b"hello"
    inside = proxy.ssl_of(told[SSL])
    assert inside["client"] == 1 and inside["version"] == "TLSv1.3" and inside["cipher"].startswith("TLS_")
    assert (told[AUTHORITY], told[ALPN]) == (b"front.example.com", b"fix")
    assert header["source"] == proxy.split(client.name)
    assert told[UNIQUE_ID] == b"127.0.0.1-here"
