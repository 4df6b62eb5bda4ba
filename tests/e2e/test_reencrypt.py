"""TLS towards servers: who is believed, what happens when one is not, and that no byte is lost."""

import re
import socket
import ssl
import subprocess
import threading

import pytest

from harness import certs, cleanup, net, proxy, servers, settings, tls, wait

NAME = "db.example.com"
PLAIN = [{"pool": "app"}]
BOTH = [{"tls": "terminate", "pool": "app"}, {"pool": "app"}]


class Secure(servers.Server):
    """A TLS server that echoes. Keeps what it learns in each handshake; `before` bytes come in clear."""

    def __init__(self, pair, alpn=None, version=None, client_ca=None, before=0, **where):
        self.context = tls.server_context(pair, alpn)
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        if client_ca:
            self.context.load_verify_locations(str(client_ca))
            self.context.verify_mode = ssl.CERT_REQUIRED
        self.names, self.resumed, self.alpn, self.clients, self.headers = [], [], [], [], []
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.before, self.count_of_hellos, self.failures = before, 0, []
        super().__init__(**where)

    def handle(self, peer):
        if self.before:
            self.headers.append(peer.recv(self.before))
        try:
            inner = tls.TlsPeer(peer, self.context, server_side=True)
        except ssl.SSLError as error:
            self.failures.append(error.reason)
            return
        self.resumed.append(inner.tls.session_reused)
        self.alpn.append(inner.alpn())
        self.clients.append(inner.tls.getpeercert())
        while data := inner.recv_some():
            inner.send(data)
        inner.finish()


@pytest.fixture
def secure(authority):
    def make(*names, **how):
        return Secure(authority.known(*(names or (NAME,))), **how)
    return make


def pool(*members, tls, **more):
    return {"app": {"servers": list(members), "tls": tls, **more}}


def reload(gate):
    quiet = gate.events.count()
    gate.reload()
    gate.event("reload.done", start=quiet)


def talk(gate, client=None):
    client = client or gate.connect()
    client.echo(b"8=FIX.4.4|hello")
    client.close()
    return gate.session(client)


# --- who is believed ---------------------------------------------------------------------------

@pytest.mark.tsan
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_plain_and_tls_clients_reach_a_tls_server(start, secure, trusting, version):
    server = secure(version=version)
    gate = start(BOTH, pool(server, tls=trusting(alpn=["fix", "x"])))
    assert talk(gate)["server"] == server.address
    assert talk(gate, tls.TlsPeer(gate.connect(), name="gateway.example.com"))["tls"] == "terminate"
    assert server.names == [NAME, NAME]


def test_the_protocols_of_alpn_are_offered(start, secure, trusting):
    server = secure(alpn=["postgresql", "fix"])
    talk(start(PLAIN, pool(server, tls=trusting(alpn=["x", "fix"])), tls=None))
    assert server.alpn == ["fix"]


def test_a_host_name_is_asked_for_and_verified(start, secure, authority):
    server = secure("localhost")
    gate = start(PLAIN, pool(f"localhost:{server.port}", tls={"ca": str(authority.cert)}), tls=None)
    talk(gate)
    assert server.names[-1] == "localhost"


def test_an_address_is_verified_as_one_and_asks_for_no_name(start, secure, authority):
    server = secure("any.example.com", net.HOST)
    talk(start(PLAIN, pool(server, tls={"ca": str(authority.cert)}), tls=None))
    assert server.names == [None]


def test_without_verification_anyone_is_believed(start, tmp_path):
    server = Secure(certs.Authority(tmp_path / "other").issue("nobody.example.com"))
    talk(start(PLAIN, pool(server, tls={"verify": False}), tls=None))


def test_a_server_over_a_unix_socket_needs_a_name(start, authority, trusting, tmp_path):
    server = Secure(authority.known(NAME), path=str(tmp_path / "sock"))
    talk(start(PLAIN, pool(server, tls=trusting()), tls=None))


# --- and who is not ----------------------------------------------------------------------------

def refused(gate, server_name):
    client = gate.connect().send(b"not for you")
    client.expect_reset()
    line = gate.ended(client, "connect_failed")
    assert line["detail"].startswith(f"{server_name}: "), line
    return line["detail"].removeprefix(f"{server_name}: ")


def test_an_unknown_authority(start, trusting, tmp_path):
    server = Secure(certs.Authority(tmp_path / "other").issue(NAME))
    gate = start(PLAIN, pool(server, tls=trusting(), connect_retries=0), tls=None)
    assert refused(gate, server.address) == "certificate verify failed: unknown CA"
    wait.until(lambda: server.failures, "the alert reaches the server", 5)
    assert "UNKNOWN_CA" in server.failures[0]


def test_the_systems_authorities_do_not_know_ours(start, secure):
    server = secure()
    gate = start(PLAIN, pool(server, tls={"sni": NAME}, connect_retries=0), tls=None)
    assert refused(gate, server.address) == "certificate verify failed: unknown CA"


def test_an_expired_certificate(start, authority, trusting):
    server = Secure(authority.issue(NAME, days=-1))
    gate = start(PLAIN, pool(server, tls=trusting(), connect_retries=0), tls=None)
    assert refused(gate, server.address) == "certificate verify failed: expired"


@pytest.mark.parametrize("names", [("other.example.com",), ("*.db.example.com",), (net.HOST,)])
def test_a_wrong_name(start, secure, trusting, names):
    server = secure(*names)
    gate = start(PLAIN, pool(server, tls=trusting(), connect_retries=0), tls=None)
    assert refused(gate, server.address) == f"certificate verify failed: wrong name (it is not for {NAME})"


def test_a_wrong_address(start, secure, authority):
    server = secure("any.example.com")
    gate = start(PLAIN, pool(server, tls={"ca": str(authority.cert)}, connect_retries=0), tls=None)
    assert refused(gate, server.address) == f"certificate verify failed: wrong name (it is not for {net.HOST})"


def test_a_server_that_speaks_plain(start, trusting):
    server = servers.BannerServer(b"220 mail.example.com ready when you are\r\n")
    gate = start(PLAIN, pool(server, tls=trusting(), connect_retries=0), tls=None)
    assert refused(gate, server.address) == "the server does not speak TLS"


class EarlyServer(servers.Server):
    """Says something in clear before it begins the handshake."""

    def __init__(self, pair, early: bytes):
        self.early, self.context = early, tls.server_context(pair)
        super().__init__()

    def handle(self, peer):
        peer.send(self.early)
        tls.TlsPeer(peer, self.context, server_side=True)


@pytest.mark.parametrize("early", [b"\x00", b"HTTP/1.1 200 OK\r\n\r\n", b"\x17\x03\x03\x00\x05early"])
def test_bytes_in_clear_before_the_handshake_abort_it(start, authority, trusting, early):
    server = EarlyServer(authority.known(NAME), early)
    gate = start(PLAIN, pool(server, tls=trusting(), connect_retries=0), tls=None)
    assert refused(gate, server.address)


def test_a_server_that_hangs_has_the_connect_timeout(start, trusting):
    silent = servers.Listener()
    gate = start(PLAIN, pool(silent, tls=trusting(), connect_timeout="200ms", connect_retries=0), tls=None)
    watch = wait.Stopwatch()
    assert refused(gate, silent.address) == "no TLS handshake in time"
    assert watch.elapsed() < 5


def test_a_server_that_closes_or_resets_in_the_handshake(start, trusting):
    class Rude(servers.Server):
        def handle(self, peer):
            peer.recv(5)
            if self.count % 2:
                peer.recv_some()
            else:
                peer.reset()
    server = Rude()
    gate = start(PLAIN, pool(server, tls=trusting(), connect_retries=0), tls=None)
    assert refused(gate, server.address) in ("closed within the TLS handshake", "reset within the TLS handshake")


@pytest.mark.tsan
def test_the_next_server_is_tried_and_no_byte_is_lost(start, secure, trusting, tmp_path):
    bad = Secure(certs.Authority(tmp_path / "other").issue(NAME))
    good = secure()
    gate = start(BOTH, pool(bad, good, tls=trusting(), proxy_protocol="off"))
    for _ in range(4):
        line = talk(gate)
        assert line["server"] == good.address and "detail" not in line
        talk(gate, tls.TlsPeer(gate.connect(), name="gateway.example.com"))
    assert len(bad.failures) >= 4


def test_failed_handshakes_take_a_checked_server_down(start, trusting, tmp_path):
    server = Secure(certs.Authority(tmp_path / "other").issue(NAME))
    check = {"interval": "1h", "fall": 2, "type": "tcp"}
    gate = start(PLAIN, pool(server, tls=trusting(), connect_retries=1, health_check=check), tls=None)
    wait.until(lambda: server.peers and server.peers[0].fileno() < 0, "the first check is over", 5)
    gate.connect().send(b"x").expect_reset()
    assert 'reason="tls: certificate verify failed: unknown CA"' in gate.event("server.down")


# --- our own certificate -----------------------------------------------------------------------

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_to_a_server_that_wants_one(start, authority, trusting, version):
    ours = authority.known("gateway.clients.example.com")
    server = Secure(authority.known(NAME), client_ca=authority.cert, version=version)
    gate = start(PLAIN, pool(server, tls=trusting(cert=str(ours.cert), key=str(ours.key))), tls=None)
    talk(gate)
    assert (("commonName", "gateway.clients.example.com"),) in server.clients[0]["subject"]


@pytest.mark.parametrize("version, wanted", [(ssl.TLSVersion.TLSv1_2, "handshake failure"),
                                             (ssl.TLSVersion.TLSv1_3, "wants a client certificate")])
def test_without_one_the_log_says_what_the_server_wanted(start, authority, trusting, version, wanted):
    server = Secure(authority.known(NAME), client_ca=authority.cert, version=version)
    gate = start(PLAIN, pool(server, tls=trusting(), connect_retries=0), tls=None)
    client = gate.connect().send(b"x")
    client.expect_reset()
    # TLS 1.2 has no alert of that name; in 1.3 it comes behind the client's side of the handshake
    assert wanted in gate.ended(client, "connect_failed")["detail"]


# --- turned away when the handshake is over for us (TLS 1.3) ------------------------------------

class Banner(Secure):
    """Speaks first."""

    def handle(self, peer):
        inner = tls.TlsPeer(peer, self.context, server_side=True)
        inner.send(b"220 ready")
        inner.recv_some()


@pytest.fixture
def picky(authority, tmp_path):
    """picky(…) → a server that takes no certificate of this run's authority, and says so late."""
    others = certs.Authority(tmp_path / "others").cert
    return lambda kind=Secure, **how: kind(authority.known(NAME), client_ca=others, **how)


@pytest.fixture
def known(authority, trusting):
    """The keys of a pool's tls with a certificate of ours."""
    ours = authority.known("gateway.clients.example.com")
    return trusting(cert=str(ours.cert), key=str(ours.key))


@pytest.mark.tsan
@pytest.mark.parametrize("way", ["plain", "terminated", "finished", "16k"])
def test_who_is_turned_away_late_gets_another_server_with_every_byte(start, secure, picky, authority, known, way):
    first, good = picky(), secure(client_ca=authority.cert)
    gate = start(BOTH, pool(first, good, tls=known))
    client, said = gate.connect(), b"8=FIX.4.4|hello" if way != "16k" else b"x" * (16 << 10)
    if way == "terminated":
        client = tls.TlsPeer(client, name="gateway.example.com")
    client.send(said)
    if way == "finished":
        client.finish()
    assert client.recv(len(said)) == said
    if way == "finished":
        client.expect_eof()
    else:
        client.echo(b"and on")
    client.close()
    line = gate.session(client)
    assert line["server"] == good.address and line.get("detail", "truncated") == "truncated", line
    assert line["bytes_in"] == len(said) + (0 if way == "finished" else 6)
    assert len(first.failures) == 1


def test_a_silent_client_gets_another_server_too(start, picky, authority, known):
    first, good = picky(Banner), Banner(authority.known(NAME), client_ca=authority.cert)
    gate = start(PLAIN, pool(first, good, tls=known), tls=None, inspect_delay="50ms")
    client = gate.connect()
    assert client.recv(9) == b"220 ready"
    client.close()
    assert gate.session(client)["server"] == good.address


def test_the_next_server_is_told_who_comes(start, secure, picky, authority, known):
    length = len(proxy.v2("127.0.0.4", 1, "127.0.0.1", 2))
    first, good = picky(before=length), secure(client_ca=authority.cert, before=length)
    gate = start(PLAIN, pool(first, good, tls=known, proxy_protocol="v2"), tls=None)
    client = gate.connect(source="127.0.0.4")
    client.echo(b"hello")
    assert good.headers == first.headers and good.headers[0].startswith(proxy.v2("127.0.0.4", 1, "127.0.0.1", 2)[:12])


def test_all_turn_away_and_the_health_check_hears_of_it(start, picky, known):
    servers_ = [picky(), picky()]
    check = {"interval": "1h", "fall": 2, "type": "tcp"}
    gate = start(PLAIN, pool(*servers_, tls=known, connect_retries=1, health_check=check), tls=None)
    client = gate.connect().send(b"x")
    client.expect_reset()
    assert "the server does not know who signed our certificate (alert unknown CA)" in gate.ended(client, "connect_failed")["detail"]
    assert [server.failures.count("CERTIFICATE_VERIFY_FAILED") for server in servers_] == [2, 2], "two rounds"
    assert 'reason="tls: the server does not know who signed our certificate' in gate.event("server.down")


def test_with_more_bytes_than_are_kept_the_session_ends_and_says_why(start, secure, picky, authority, known):
    """The server reads nothing until all of it has been sent."""
    first, good = picky(), secure(client_ca=authority.cert)
    gate = start(PLAIN, pool(first, good, tls=known), tls=None)
    client = gate.connect().send(b"x" * (64 << 10))
    client.expect_reset()
    assert "unknown CA" in gate.ended(client, "server_reset")["detail"] and good.count == 0


class Mute(Secure):
    """Takes who comes, gives no ticket, and says nothing until it is told to."""

    def __init__(self, *args, **how):
        self.may_speak = threading.Event()
        super().__init__(*args, **how)
        self.context.num_tickets = 0

    def handle(self, peer):
        inner = tls.TlsPeer(peer, self.context, server_side=True)
        heard = inner.recv_some()
        self.may_speak.wait(60)
        inner.send(heard)
        inner.recv_some()


def test_a_server_that_says_neither_yes_nor_no_is_waited_for(start, authority, known):
    server = Mute(authority.known(NAME), client_ca=authority.cert)
    gate = start(PLAIN, pool(server, tls=known, connect_timeout="100ms"), tls=None)
    client = gate.connect().send(b"hello")
    client.expect_silence(0.4)
    server.may_speak.set()
    assert client.recv(5) == b"hello"
    client.close()
    assert gate.session(client)["end"] == "client_closed"


def test_idle_counts_from_the_last_byte_with_such_a_server_too(start, authority, known):
    server = Mute(authority.known(NAME), client_ca=authority.cert)
    gate = start(PLAIN, pool(server, tls=known, connect_timeout="200ms"), tls=None, timeouts={"idle": "500ms"})
    client = gate.connect().send(b"hello")
    client.expect_closed()
    line = gate.ended(client, "idle_timeout")
    assert 490 <= line["duration_ms"] < settings.seconds(1.5) * 1000


@pytest.mark.tsan
def test_new_authorities_count_without_a_reload(start, secure, authority, trusting, tmp_path):
    server = secure()
    ca = tmp_path / "ca.crt"
    ca.write_bytes(certs.Authority(tmp_path / "other").cert.read_bytes())
    gate = start(PLAIN, pool(server, tls=trusting(ca=str(ca)), connect_retries=0), tls=None)
    assert "unknown CA" in refused(gate, server.address)
    certs.replace(ca, authority.cert)
    gate.event("ca.load", "pool=app", f"file={ca}")
    talk(gate)
    ca.write_text("nonsense")
    gate.event("ca.refuse", "pool=app", "kept=previous")
    talk(gate)


def test_authorities_that_are_no_good_refuse_a_reload(start, secure, authority, trusting, tmp_path):
    server = secure()
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.cert.read_bytes())
    gate = start(PLAIN, pool(server, tls=trusting(ca=str(ca)), connect_retries=0), tls=None)
    ca.write_text("nonsense")
    gate.reload()
    assert "kept=true" in gate.event("reload.refused")
    talk(gate)


@pytest.mark.tsan
def test_a_renewed_certificate_of_ours_is_shown_and_live_sessions_stay(start, authority, trusting, tmp_path):
    server = Secure(authority.known(NAME), client_ca=authority.cert)
    first, second = authority.issue("gateway-1.example.com"), authority.issue("gateway-2.example.com")
    cert, key = tmp_path / "gateway.crt", tmp_path / "gateway.key"
    certs.replace(cert, first.cert)
    certs.replace(key, first.key)
    gate = start(PLAIN, pool(server, tls=trusting(cert=str(cert), key=str(key))), tls=None)
    live = gate.connect()
    live.echo(b"before")
    certs.replace(cert, second.cert)  # its key comes later
    gate.event("cert.refuse", "pool=app", "kept=previous")
    talk(gate)
    certs.replace(key, second.key)
    gate.event("cert.load", "pool=app", f"file={cert}")
    talk(gate)
    shown = [dict(part[0] for part in seen["subject"])["commonName"] for seen in server.clients]
    assert shown == ["gateway-1.example.com"] * 2 + ["gateway-2.example.com"]
    live.echo(b"after")


@pytest.mark.tsan
def test_a_configuration_that_comes_back_shows_the_certificate_that_it_had(start, authority, trusting, tmp_path):
    server, other = Secure(authority.known(NAME), client_ca=authority.cert), servers.EchoServer()
    first, second, third = (authority.issue(f"gateway-{number}.example.com") for number in (1, 2, 3))
    live = certs.copy(first, tmp_path / "live")
    keys = trusting(cert=str(live.cert), key=str(live.key))
    gate = start(PLAIN, pool(server, tls=keys), tls=None, admin=True)
    gate.write({**gate.template, "pools": {"app": {"servers": [other.address]}}})
    assert gate.admin.ask("POST", "/v1/reload?confirm=3s").status == 200
    certs.replace(live.cert, second.cert)
    certs.replace(live.key, second.key)
    gate.event("reload.reverted", seconds=20)
    gate.event("cert.keep", f"file={live.cert}")
    talk(gate)
    certs.replace(live.cert, third.cert)
    certs.replace(live.key, third.key)
    gate.event("cert.load", "pool=app", f"file={live.cert}")
    talk(gate)
    shown = [dict(part[0] for part in seen["subject"])["commonName"] for seen in server.clients]
    assert shown == ["gateway-1.example.com", "gateway-3.example.com"]


# --- sessions ----------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_also_after_a_reload(start, secure, trusting, version):
    server = secure(version=version)
    gate = start(PLAIN, pool(server, tls=trusting()), tls=None, top={"workers": 1})
    for _ in range(3):
        talk(gate)
    assert server.resumed == [False, True, True]
    reload(gate)
    talk(gate)
    assert server.resumed[3] is True


def test_a_session_does_not_go_to_another_name(start, authority, trusting):
    server = Secure(authority.known(NAME, "other.example.com"))
    pools = pool(server, tls=trusting())
    pools["other"] = {"servers": [server], "tls": trusting(sni="other.example.com")}
    pools["lax"] = {"servers": [server], "tls": {"sni": NAME, "verify": False}}
    rules = [{"match": {"prefix": "other"}, "pool": "other"}, {"match": {"prefix": "lax"}, "pool": "lax"},
             {"pool": "app"}]
    gate = start(rules, pools, tls=None, top={"workers": 1})
    for first in (b"app", b"other", b"lax", b"app", b"other", b"lax"):
        client = gate.connect()
        client.echo(first + b" hello")
        client.close()
        gate.session(client)
    assert server.resumed == [False] * 3 + [True] * 3


# --- PROXY -------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["v1", "v2", "v2-tls"])
def test_the_proxy_header_goes_in_clear_before_the_handshake(start, authority, trusting, version):
    class Behind(Secure):
        def handle(self, peer):
            self.headers.append(proxy.read(peer))
            super().handle(peer)
    server = Behind(authority.known(NAME))
    gate = start(BOTH, pool(server, tls=trusting(), proxy_protocol=version))
    for secure in (False, True):
        client = tls.TlsPeer(gate.connect(), name="gateway.example.com") if secure else gate.connect()
        name = client.name
        talk(gate, client)
        assert server.headers[-1]["source"] == proxy.split(name)


# --- checks ------------------------------------------------------------------------------------

FAST = {"interval": "100ms", "fall": 2, "rise": 1}


def test_a_tls_check_verifies_as_sessions_do(start, authority, trusting, tmp_path):
    server = Secure(certs.Authority(tmp_path / "other").issue(NAME))
    gate = start(PLAIN, pool(server, tls=trusting(), health_check=FAST | {"type": "tls"}), tls=None)
    assert 'reason="certificate verify failed: unknown CA"' in gate.event("server.down")
    pair = authority.known(NAME)
    server.context.load_cert_chain(str(pair.cert), str(pair.key))
    assert 'reason="TLS handshake done"' in gate.event("server.up")
    talk(gate)


def test_a_tls_check_of_a_plain_pool_verifies_nothing(start, tmp_path):
    server = Secure(certs.Authority(tmp_path / "other").issue("nobody"))
    rules = [{"tls": "passthrough", "pool": "app"}]
    gate = start(rules, {"app": {"servers": [server], "health_check": FAST | {"type": "tls"}}}, tls=None)
    wait.until(lambda: len(server.resumed) >= 4, "checks are made", 5)
    assert not gate.events_with("server.down")


def test_a_tls_check_finds_a_server_that_speaks_plain(start):
    server = servers.EchoServer()
    gate = start([{"tls": "passthrough", "pool": "app"}],
                 {"app": {"servers": [server], "health_check": FAST | {"type": "tls"}}}, tls=None)
    assert "server.down" in gate.event("server.down")


def test_a_tls_check_does_not_wait_for_ever(start, trusting):
    class Silent(servers.Server):
        def handle(self, peer):
            peer.recv_all()
    gate = start(PLAIN, pool(Silent(), tls=trusting(), health_check=FAST | {"type": "tls", "timeout": "150ms"}), tls=None)
    assert 'reason="no TLS handshake within 150ms"' in gate.event("server.down")


@pytest.mark.parametrize("version", ["off", "v1", "v2"])
def test_an_http_check_goes_over_the_pools_tls(start, authority, trusting, version):
    class Web(Secure):
        status, asked = b"200 OK", []

        def handle(self, peer):
            if version != "off":
                self.headers.append(peer.recv(15 if version == "v1" else 16))
            inner = tls.TlsPeer(peer, self.context, server_side=True)
            self.asked.append(inner.recv_until(b"\r\n\r\n"))
            inner.send(b"HTTP/1.1 " + self.status + b"\r\nContent-Length: 0\r\n\r\n").finish()
            peer.recv_all()
    server = Web(authority.known(NAME))
    server.asked = []
    gate = start(PLAIN, pool(server, tls=trusting(), proxy_protocol=version,
                             health_check=FAST | {"type": "http", "path": "/up"}), tls=None)
    wait.until(lambda: len(server.asked) >= 3, "checks are made", 5)
    assert not gate.events_with("server.down")
    assert server.asked[0].startswith(b"GET /up HTTP/1.1\r\n")
    if version != "off":
        assert server.headers[0] == (b"PROXY UNKNOWN\r\n" if version == "v1" else proxy.v2(command=0))
    server.status = b"500 Oops"
    assert 'reason="HTTP status 500"' in gate.event("server.down")


# --- real servers ------------------------------------------------------------------------------

class SServer:
    """openssl s_server, which sends back each line reversed (-rev)."""

    def __init__(self, program, pair, *options):
        self.port = net.free_port()
        self.address = f"{net.HOST}:{self.port}"
        self.process = subprocess.Popen([program, "s_server", "-accept", self.address, "-cert", str(pair.cert), "-key",
                                         str(pair.key), "-rev", *options], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cleanup.remember(self)
        wait.until(self._answers, "s_server listens", 10)

    def _answers(self):
        try:
            socket.create_connection((net.HOST, self.port), 1).close()
        except ConnectionRefusedError:
            return False
        return True

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
def test_openssl_s_server(start, authority, trusting, need, option):
    server = SServer(need("openssl"), authority.known(NAME), option)
    gate = start(PLAIN, pool(server.address, tls=trusting(), health_check={"type": "tls", "interval": "100ms"}), tls=None)
    for _ in range(3):
        client = gate.connect().send(b"drawer\n")
        assert client.recv_until(b"\n") == b"reward\n"
        client.finish()
        client.recv_all()
        gate.session(client)
    assert not gate.events_with("server.down")


def test_a_servers_key_updates_do_no_harm(start, authority, trusting, need):
    program = need("openssl")
    pair = authority.known(NAME)
    port = net.free_port()
    process = subprocess.Popen([program, "s_server", "-accept", f"{net.HOST}:{port}", "-cert", str(pair.cert), "-key",
                                str(pair.key), "-tls1_3", "-quiet"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
    try:
        gate = start(PLAIN, pool(f"{net.HOST}:{port}", tls=trusting(), connect_timeout="1s"), tls=None)
        client = wait.until(lambda: _first_word(gate, process), "a session stands", 10)
        for number in range(3):
            process.stdin.write(b"K\n" if number else b"k\n")
            process.stdin.write(b"after an update %d\n" % number)
            assert client.recv_until(b"%d\n" % number).endswith(b"after an update %d\n" % number)
        client.send(b"and back\n")
        wait.until(lambda: process.stdout.readline() == b"and back\n", "the server hears", 5)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _first_word(gate, process):
    client = gate.connect().send(b"hello\n")
    try:
        process.stdin.write(b"welcome\n")
        return client if client.recv_until(b"welcome\n") else None
    except ConnectionResetError:
        return None


# --- the configuration -------------------------------------------------------------------------

def test_tls_inside_tls_is_warned_of_and_works(start, authority, trusting):
    """Passed-through TLS in a tunnel of ours: the server's side unwraps twice."""
    inner = tls.server_context(authority.known("inner.example.com"))

    class Twice(Secure):
        def handle(self, peer):
            outer = tls.TlsPeer(peer, self.context, server_side=True)
            held, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
            end = inner.wrap_bio(held, sent, server_side=True)
            while True:
                try:
                    end.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    outer.send(sent.read())
                    held.write(outer.recv_some())
            outer.send(sent.read())
            while True:
                try:
                    end.write(end.read(100))
                    outer.send(sent.read())
                except ssl.SSLWantReadError:
                    held.write(outer.recv_some())
    server = Twice(authority.known(NAME))
    gate = start([{"tls": "passthrough", "pool": "app"}], pool(server, tls=trusting()), tls=None)
    assert re.search(r'warning: listeners.combined.rules\[0\].pool: "app" has "tls"', "\n".join(gate.events.items))
    client = tls.TlsPeer(gate.connect(), tls.client_context(authority.cert), name="inner.example.com")
    client.echo(b"through both")
