"""Sessions that come back: on another gateway, after keys rotate, and not where they have no business."""

import base64
import os
import re

import pytest

from harness import certs, servers, tls, wait

pytestmark = pytest.mark.tsan

VERSIONS = ["-tls1_2", "-tls1_3"]


@pytest.fixture(scope="session")
def clients(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("clients"), "the clients' authority")


@pytest.fixture
def keys(tmp_path):
    """A file of ticket keys, and how to write it anew: by rename, as everyone should."""
    class Keys:
        path = tmp_path / "tickets.keys"

        def line(self):
            return base64.b64encode(os.urandom(80)).decode()

        def write(self, *lines):
            temporary = self.path.with_suffix(".new")
            temporary.write_text("".join(line + "\n" for line in lines))
            temporary.chmod(0o600)
            temporary.rename(self.path)
            return lines
    keys = Keys()
    keys.write(keys.line(), keys.line())
    return keys


@pytest.fixture
def visit(need, command, tmp_path):
    """visit(gate, version, …) with the real s_client: whether it was resumed, as client and log say."""
    need("openssl")
    state = tmp_path / "session"

    def run(gate, version, name=None, pair=None, resume=False, refused=False):
        seen = gate.access.count()
        args = ["openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", version, "-ign_eof", "-sess_out", state]
        args += ["-servername", name] if name else ["-noservername"]
        args += ["-cert", pair.cert, "-key", pair.key] if pair else []
        args += ["-sess_in", state] if resume else []
        _, out, error = command(*args, data=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait.until(lambda: gate.access.count() > seen, "the session is logged")
        line = gate.sessions()[seen]
        if refused:
            assert line["end"] == "handshake_failed", line
            return line
        assert b"hello" in out, (out, error)
        assert line["tls_resumed"] == (re.search(rb"^Reused, ", out, re.MULTILINE) is not None), (line, out)
        return line
    return run


def resumed(line):
    return line["tls_resumed"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_of_one_gateway_resumes_on_another(start, visit, pair, keys, version):
    policy = {"certificates": [pair], "session_tickets": {"keys": str(keys.path)}}
    one, two = (start(pools={"app": servers.HttpServer()}, tls=policy) for _ in range(2))
    assert one.pid != two.pid
    assert not resumed(visit(one, version, "gateway.example.com"))
    assert resumed(visit(two, version, "gateway.example.com", resume=True))
    assert resumed(visit(one, version, "gateway.example.com", resume=True))
    stranger = start(pools={"app": servers.HttpServer()}, tls={"certificates": [pair]})
    assert not resumed(visit(stranger, version, "gateway.example.com", resume=True))


@pytest.mark.parametrize("version", VERSIONS)
def test_it_takes_its_client_along(start, visit, pair, clients, keys, version):
    desk = clients.known("desk-1")
    policy = {"certificates": [pair], "session_tickets": {"keys": str(keys.path)},
              "client_auth": {"mode": "require", "ca": str(clients.cert)}}
    rules = [{"tls": "terminate", "rules": [{"match": {"client_cert": {"cn": "desk-1", "san": "desk-1"}}, "pool": "app"}]}]
    one, two = (start(rules, {"app": servers.HttpServer()}, tls=policy) for _ in range(2))
    assert not resumed(visit(one, version, pair=desk))
    line = visit(two, version, resume=True)  # the ticket alone: nobody shows a certificate
    assert resumed(line) and line["client_cn"] == "desk-1"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shared", [False, True])
def test_a_ticket_of_a_lax_name_does_not_resume_on_a_strict_one_nor_the_other_way_round(
        start, visit, pair, clients, keys, version, shared):
    """CVE-2025-23419: the same listener, certificate and, with a file, ticket keys."""
    desk = clients.known("desk-1")
    tickets = {"keys": str(keys.path)} if shared else {}
    rules = [{"match": {"sni": "strict.example.com"}, "tls": "terminate", "pool": "app",
              "policy": {"client_auth": {"mode": "require"}}},
             {"match": {"sni": "lax.example.com"}, "tls": "terminate", "pool": "app"}]
    gate = start(rules, {"app": servers.HttpServer()},
                 tls={"certificates": [pair], "session_tickets": tickets,
                      "client_auth": {"mode": "none", "ca": str(clients.cert)}})
    assert not resumed(visit(gate, version, "lax.example.com"))
    assert resumed(visit(gate, version, "lax.example.com", resume=True))
    line = visit(gate, version, "strict.example.com", resume=True, refused=True)
    assert line["detail"] == "the client gave no certificate"
    assert not resumed(visit(gate, version, "strict.example.com", pair=desk))
    assert resumed(visit(gate, version, "strict.example.com", resume=True))
    line = visit(gate, version, "lax.example.com", resume=True)
    assert not resumed(line) and "client_cn" not in line


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_does_not_outlive_a_change_of_the_cas(start, visit, tmp_path, authority, pair, clients, keys, version):
    desk, ca = clients.known("desk-1"), tmp_path / "ca.pem"
    ca.write_bytes(clients.cert.read_bytes())
    gate = start(pools={"app": servers.HttpServer()},
                 tls={"certificates": [pair], "session_tickets": {"keys": str(keys.path)},
                      "client_auth": {"mode": "require", "ca": str(ca)}})
    assert not resumed(visit(gate, version, pair=desk))
    assert resumed(visit(gate, version, pair=desk, resume=True))
    ca.write_bytes(clients.cert.read_bytes() + authority.cert.read_bytes())
    gate.event("ca.load", "(and 1 more)")

    def changed():
        line = visit(gate, version, pair=desk, resume=True)
        return not resumed(line) and line["client_cn"] == "desk-1"
    wait.until(changed, "the ticket is worth nothing", 1.5)


def test_keys_rotate_with_the_file_and_a_wrong_line_keeps_them(start, visit, pair, keys):
    old = keys.write(keys.line())
    gate = start(pools={"app": servers.HttpServer()},
                 tls={"certificates": [pair], "session_tickets": {"keys": str(keys.path)}})
    assert not resumed(visit(gate, "-tls1_3"))
    quiet = gate.events.count()
    keys.write("# no key", "c2xpcA==", *old)
    assert f"{keys.path}:2: not 80 bytes in base64" in gate.event("tickets.refuse", start=quiet)
    assert resumed(visit(gate, "-tls1_3", resume=True))
    new = keys.write(keys.line(), *old)
    gate.event("tickets.load", "keys=2", start=quiet)
    assert resumed(visit(gate, "-tls1_3", resume=True))
    keys.write(new[0])
    gate.event("tickets.load", "keys=1", start=quiet)
    assert resumed(visit(gate, "-tls1_3", resume=True))  # it was given a new one in between
    keys.write(keys.line())
    wait.until(lambda: len(gate.events_with("tickets.load", start=quiet)) == 3, "new keys are in use")
    assert not resumed(visit(gate, "-tls1_3", resume=True))
    assert len(gate.events_with("tickets.refuse", start=quiet)) == 1
    text = "\n".join(gate.events.items)
    assert not any(line in text for line in (*old, *new)), "a key in the log"


@pytest.mark.parametrize("version", VERSIONS)
def test_without_tickets_nothing_resumes(start, visit, pair, version):
    gate = start(pools={"app": servers.HttpServer()}, tls={"certificates": [pair], "session_tickets": False})
    assert not resumed(visit(gate, version))
    context = tls.client_context()
    for _ in range(2):
        client = tls.TlsPeer(gate.connect(), context)
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        client.recv_all()
        assert not client.tls.session or not client.tls.session.has_ticket
        client.close()


def _gnutls(gate, ca, pair):
    return ["gnutls-cli", "-r", "--logfile=/dev/null", "--x509cafile", ca, "--x509certfile", pair.cert,
            "--x509keyfile", pair.key, "-p", gate.port, "localhost"]


def _curl(gate, ca, pair):
    url = f"https://localhost:{gate.port}/"
    return ["curl", "-sS", "--cacert", ca, "--cert", pair.cert, "--key", pair.key, url, url]


@pytest.mark.parametrize("of", [_gnutls, _curl])
def test_other_peoples_clients_come_back_as_who_they_were(start, need, command, authority, pair, clients, of):
    desk = clients.known("desk-1")
    gate = start(pools={"app": servers.HttpServer()},
                 tls={"certificates": [pair], "client_auth": {"mode": "require", "ca": str(clients.cert)}})
    args = of(gate, authority.cert, desk)
    need(args[0])
    status, out, error = command(*args, data=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"hello" in out, (status, error)
    line = gate.session(check=lambda line: line.get("tls_resumed"))
    assert line["client_cn"] == "desk-1"
