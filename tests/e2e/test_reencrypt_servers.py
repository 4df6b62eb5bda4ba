"""TLS towards servers that are nginx and OpenSSL: what they are told, what each fault is called, and that the
next server is tried. Then what it takes to get there: source, transparent, PROXY, and calls per round trip."""

import re
import signal
import ssl
import subprocess

import pytest

from harness import books, certs, net, nginx, proxy, servers, settings, tls, wait

NAME = "db.example.com"
PLAIN = [{"pool": "app"}]
BOTH = [{"tls": "terminate", "pool": "app"}, {"pool": "app"}]


def pool(*members, tls, **more):
    return {"app": {"servers": list(members), "tls": tls, **more}}


def ask(client) -> str:
    """The body of nginx's answer."""
    client.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    return client.recv_all().decode().split("\r\n\r\n", 1)[1]


# --- nginx ---------------------------------------------------------------------------------------

def test_nginx_is_told_who_we_are_and_resumes(start, need, authority, trusting, tmp_path):
    need("nginx")
    ours = authority.known("gateway.clients.example.com")
    web = nginx.Nginx(tmp_path / "nginx", {NAME: authority.known(NAME)}, listen="proxy_protocol",
                      extra=f"ssl_client_certificate {authority.cert}; ssl_verify_client on;",
                      say="$proxy_protocol_addr $ssl_server_name $ssl_alpn_protocol $ssl_client_verify "
                          "$ssl_client_s_dn $ssl_session_reused")
    gate = start(BOTH, pool(web.address(NAME), proxy_protocol="v2", health_check={"type": "tls", "interval": "100ms"},
                            tls=trusting(cert=str(ours.cert), key=str(ours.key), alpn=["http/1.1"])),
                 top={"workers": 1})
    said = "127.0.0.4 db.example.com http/1.1 SUCCESS CN=gateway.clients.example.com "
    for mark in (".", "r", "r"):
        assert ask(gate.connect(source="127.0.0.4")) == said + mark
        if mark == "r":
            inner = tls.TlsPeer(gate.connect(source="127.0.0.4"), name="gateway.example.com")
            assert ask(inner) == said + mark
    assert not gate.events_with("server.down")


def test_without_a_certificate_nginx_says_so_itself(start, need, authority, trusting, tmp_path):
    """In HTTP the server lets the handshake pass and answers 400: the client's to read."""
    need("nginx")
    web = nginx.Nginx(tmp_path / "nginx", {NAME: authority.known(NAME)}, listen="",
                      extra=f"ssl_client_certificate {authority.cert}; ssl_verify_client on;")
    gate = start(PLAIN, pool(web.address(NAME), tls=trusting()), tls=None)
    assert "No required SSL certificate was sent" in ask(gate.connect())


FAULTS = {"wrong name": f"certificate verify failed: wrong name (it is not for {NAME})",
          "unknown CA": "certificate verify failed: unknown CA",
          "expired": "certificate verify failed: expired",
          "no TLS": "the server does not speak TLS",
          "no certificate of ours": "the server found no common parameters (alert handshake failure)",
          "no protocol": "the server speaks none of the protocols in alpn (alert no application protocol)"}


class Insisting(servers.Server):
    """TLS 1.2 and a client certificate, or there is nothing to say."""

    def __init__(self, pair, ca):
        self.context = tls.server_context(pair)
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_verify_locations(str(ca))
        self.context.verify_mode = ssl.CERT_REQUIRED
        super().__init__()

    def handle(self, peer):
        try:
            tls.TlsPeer(peer, self.context, server_side=True)
        except ssl.SSLError:
            pass


@pytest.fixture
def faulty(authority, tmp_path):
    """faulty(FAULT) → the address of a server that has it."""
    def make(fault) -> str:
        if fault == "no TLS":
            return servers.BannerServer(b"220 mail.example.com ready when you are\r\n").address
        if fault == "no certificate of ours":
            return Insisting(authority.known(NAME), authority.cert).address
        pair = {"wrong name": lambda: authority.known("other.example.com"),
                "unknown CA": lambda: certs.Authority(tmp_path / "other").issue(NAME),
                "expired": lambda: authority.issue(NAME, days=-1),
                "no protocol": lambda: authority.known(NAME)}[fault]()
        return nginx.Nginx(tmp_path / "bad", {NAME: pair}, listen="").address(NAME)
    return make


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_name_and_the_next_server_serves(start, need, authority, trusting, tmp_path, faulty, fault):
    need("nginx")
    bad = faulty(fault)
    how = trusting(alpn=["fix"]) if fault == "no protocol" else trusting()
    good = servers.TlsEchoServer(authority.known(NAME)) if fault == "no protocol" else None
    good = good.address if good else nginx.Nginx(tmp_path / "good", {NAME: authority.known(NAME)}, listen="").address(NAME)
    rules = [{"match": {"prefix": "GET"}, "pool": "app"}, {"pool": "alone"}]
    pools = pool(bad, good, tls=how, health_check={"interval": "1h", "fall": 1, "port": servers.EchoServer().port})
    pools["alone"] = {"servers": [bad], "tls": how, "connect_retries": 0}
    gate = start(rules, pools, tls=None)
    alone = gate.connect().send(b"not for you")
    alone.expect_reset()
    gate.ended(alone, "connect_failed", detail=f"{bad}: {FAULTS[fault]}")
    for _ in range(2):
        client = gate.connect().send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        assert len(client.recv_some()) > 0
        client.finish()
        client.recv_all()
        client.close()
        line = gate.session(client)
        assert line["server"] == good and "detail" not in line
    gate.event("server.down", f"server={bad}", f'reason="tls: {FAULTS[fault]}"')


# --- the way there -------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["v1", "v2-tls"])
def test_source_header_and_handshake_come_in_this_order(start, authority, trusting, version):
    server = servers.Listener()
    gate = start(PLAIN, pool(server, tls=trusting(), proxy_protocol=version, source="127.0.0.9"), tls=None)
    client = gate.connect(source="127.0.0.4").send(b"hello")
    peer = server.accept()
    assert peer.sock.getpeername()[0] == "127.0.0.9"
    assert proxy.read(peer)["source"][0] == "127.0.0.4"
    inner = tls.TlsPeer(peer, tls.server_context(authority.known(NAME)), server_side=True)
    assert inner.recv(5) == b"hello"
    inner.send(b"answer")
    assert client.recv(6) == b"answer"


@pytest.mark.parametrize("kind", ["tcp", "tls"])
def test_checks_come_from_the_pools_source(start, trusting, kind):
    server = servers.Listener()
    start(PLAIN, pool(server, tls=trusting(), source="127.0.0.9", health_check={"type": kind, "interval": "1h"}), tls=None)
    peer = server.accept()
    assert peer.sock.getpeername()[0] == "127.0.0.9"
    if kind == "tls":
        assert peer.recv(1) == b"\x16"


def test_a_live_session_stays_where_its_server_is_taken_out(start, authority, trusting):
    first, second = (servers.TlsEchoServer(authority.known(NAME)) for _ in range(2))
    gate = start(BOTH, pool(first, tls=trusting()))
    live = [gate.connect(), tls.TlsPeer(gate.connect(), name="gateway.example.com")]
    for client in live:
        client.echo(b"before")
    quiet = gate.events.count()
    gate.reload({**gate.template, "pools": pool(second.address, tls=trusting())})
    gate.event("reload.done", start=quiet)
    for client in live:
        client.echo(b"after")
    late = gate.connect()
    late.echo(b"new")
    late.close()
    assert gate.session(late)["server"] == second.address
    for client in live:
        client.close()
        assert gate.session(client)["server"] == first.address


# --- what a session costs ------------------------------------------------------------------------

ROUNDS = 200
MOVING = ("read", "recv", "recvfrom", "recvmsg", "readv", "write", "send", "sendto", "sendmsg", "writev")


class Tracer:
    """strace on a running process."""

    def __init__(self, program, pid, folder):
        self.file = folder / "calls"
        self.process = subprocess.Popen([program, "-f", "-qq", "-o", str(self.file), "-p", str(pid)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.pid = pid

    def attached(self) -> bool:
        """Every thread is traced; skips where the system forbids it."""
        if self.process.poll() is not None:
            said = self.process.stderr.read().decode()
            self.process.stderr.close()
            pytest.skip(f"strace may not trace here: {said.strip()}")
        tasks = subprocess.run(["grep", "-h", "^TracerPid:", *threads(self.pid)], capture_output=True, text=True).stdout
        return all(line.split()[1] != "0" for line in tasks.splitlines())

    def calls(self) -> dict:
        """Of the busiest thread, which is the worker: others look at files, all the more the longer it takes."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(settings.seconds(20))
        self.process.stderr.close()
        by_thread = {}
        for thread, name in re.findall(r"^(\d+) +([a-z]\w*)\(", self.file.read_text(), re.MULTILINE):
            by_thread.setdefault(thread, []).append(name)
        busiest = max(by_thread.values(), key=lambda names: sum(name in MOVING for name in names))
        return {name: busiest.count(name) for name in set(busiest)}


def threads(pid):
    found = subprocess.run(["ls", f"/proc/{pid}/task"], capture_output=True, text=True, check=True).stdout.split()
    return [f"/proc/{pid}/task/{task}/status" for task in found]


@pytest.mark.parametrize("inside", ["plain", "terminate"])
def test_a_round_trip_is_a_read_and_a_write_each_way(start, need, authority, trusting, tmp_path, inside):
    server = servers.TlsEchoServer(authority.known(NAME))
    gate = start(BOTH, pool(server, tls=trusting()), top={"workers": 1})
    client = gate.connect() if inside == "plain" else tls.TlsPeer(gate.connect(), name="gateway.example.com")
    client.echo(b"warm")
    tracer = Tracer(need("strace"), gate.pid, tmp_path)
    wait.until(tracer.attached, "strace is at it", 10)
    for _ in range(ROUNDS):
        client.echo(b"8=FIX.4.4|a message of the usual size, which fits into one record|")
    calls = tracer.calls()
    moving = sum(calls.get(name, 0) for name in MOVING)
    waiting = calls.get("epoll_wait", 0) + calls.get("epoll_pwait", 0)
    assert 4 * ROUNDS <= moving <= 4.2 * ROUNDS, calls
    assert waiting <= 2.5 * ROUNDS, calls
    assert sum(calls.values()) <= 7 * ROUNDS, calls


@pytest.mark.parametrize("inside, most", [("plain", 34), ("terminate", 54)])
def test_an_idle_session_holds_no_buffers(start, authority, trusting, inside, most):
    server = servers.TlsEchoServer(authority.known(NAME))
    gate = start(BOTH, pool(server, tls=trusting()))

    def idle():
        client = gate.connect() if inside == "plain" else tls.TlsPeer(gate.connect(), name="gateway.example.com")
        client.echo(bytes(20000))
    for _ in range(20):
        idle()
    before, count = books.memory(gate.pid), settings.scaled(200)
    for _ in range(count):
        idle()
    each = (books.memory(gate.pid) - before) / count
    # Two thirds of it are what OpenSSL keeps; a buffer would be 16 KB more. What a sanitizer keeps after a free counts, too.
    assert settings.sanitized() or each < most * 1024, f"{each:.0f} bytes for each idle session"
