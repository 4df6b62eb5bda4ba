"""Clients that show a certificate: who gets in, what the others hear, and how the log knows them."""

import re
import shutil
import ssl
import time

import pytest

from harness import certs, servers, settings, tls, wait

pytestmark = pytest.mark.tsan

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="session")
def clients(tmp_path_factory):
    """Another authority than the gateway's own: who gives the clients their certificates."""
    return certs.Authority(tmp_path_factory.mktemp("clients"), "the clients' authority")


@pytest.fixture
def desk(clients):
    return clients.known("desk-1")


def context_of(pair=None, version=None):
    context = tls.client_context(version=version)
    if pair:
        context.load_cert_chain(str(pair.cert), str(pair.key))
    return context


def ask(ca, mode="require", **more):
    return {"mode": mode, "ca": str(ca), **more}


def visit(gate, context, **how):
    """A whole session; its line in the log and its TLS session."""
    client = tls.TlsPeer(gate.connect(), context, **how)
    client.echo(b"hello")
    session = client.tls.session
    client.finish()
    client.expect_close_notify()
    return gate.ended(client, "client_closed"), session


def refused(gate, context):
    """The line in the log, and what the client hears: in its handshake or (TLS 1.3) at its first read."""
    peer = gate.connect()
    try:
        with pytest.raises(ssl.SSLError) as told:
            tls.TlsPeer(peer, context).recv_some()
    finally:
        peer.close()
    return gate.ended(peer, "handshake_failed"), str(told.value)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_of_the_ca_is_let_in_and_known_also_when_it_comes_back(start, pair, clients, desk, version):
    gate = start(pools={"app": servers.EchoServer()}, tls={"certificates": [pair], "client_auth": ask(clients.cert)})
    context = context_of(desk, version)
    line, session = visit(gate, context)
    assert (line["client_cn"], line["tls_resumed"]) == ("desk-1", False)
    line, _ = visit(gate, context, session=session)
    assert (line["client_cn"], line["tls_resumed"]) == ("desk-1", True)


@pytest.mark.parametrize("version", VERSIONS)
def test_everyone_else_hears_an_alert_and_the_log_says_why(start, tmp_path, pair, authority, clients, version):
    server = servers.Listener()
    gone = clients.known("gone")
    crl = clients.crl(tmp_path / "clients.crl", [gone])
    gate = start(pools={"app": server}, tls={"certificates": [pair], "client_auth": ask(clients.cert, crl=str(crl))})
    cases = [(None, "the client gave no certificate", "certificate.required|handshake.failure"),
             (authority.known("stranger"), "the client's certificate is from an unknown CA (CN=stranger)", "unknown.ca"),
             (clients.issue("late", days=-1), "the client's certificate has expired (CN=late)", "certificate.expired"),
             (gone, "the client's certificate was revoked (CN=gone)", "certificate.revoked")]
    for who, detail, alert in cases:
        line, told = refused(gate, context_of(who, version))
        assert line["detail"] == detail
        assert "client_cn" not in line
        assert re.search(alert, told, re.IGNORECASE), told
    server.expect_nobody(0.1)


def test_request_lets_a_client_without_one_in_but_none_with_a_bad_one(start, pair, authority, clients, desk):
    gate = start(pools={"app": servers.EchoServer()},
                 tls={"certificates": [pair], "client_auth": ask(clients.cert, "request")})
    assert "client_cn" not in visit(gate, context_of())[0]
    assert visit(gate, context_of(desk))[0]["client_cn"] == "desk-1"
    line, _ = refused(gate, context_of(authority.known("stranger")))
    assert line["detail"].startswith("the client's certificate is from an unknown CA")


def test_a_rule_can_ask_for_more_than_its_listener(start, pair, clients, desk):
    rules = [{"match": {"sni": "strict.example.com"}, "tls": "terminate", "pool": "app",
              "policy": {"client_auth": {"mode": "require"}}},
             {"match": {"sni": "open.example.com"}, "tls": "terminate", "pool": "app",
              "policy": {"client_auth": {"mode": "none"}}},
             {"tls": "terminate", "pool": "app"}]
    gate = start(rules, {"app": servers.EchoServer()},
                 tls={"certificates": [pair], "client_auth": ask(clients.cert, "request")})
    assert visit(gate, context_of(desk), name="strict.example.com")[0]["client_cn"] == "desk-1"
    assert "client_cn" not in visit(gate, context_of(desk), name="open.example.com")[0]
    assert visit(gate, context_of(desk), name="else.example.com")[0]["client_cn"] == "desk-1"
    assert "client_cn" not in visit(gate, context_of(), name="else.example.com")[0]
    peer = gate.connect()
    with pytest.raises(ssl.SSLError):
        tls.TlsPeer(peer, context_of(), name="strict.example.com").recv_some()
    peer.close()
    assert gate.ended(peer, "handshake_failed")["detail"] == "the client gave no certificate"


# --- rules by the client's names ------------------------------------------------------------------

def asked(gate, context, **how):
    """Which server answers; None where the client is turned away."""
    client = tls.TlsPeer(gate.connect(), context, **how)
    try:
        answer = client.send(b"who").recv_some().decode().strip() or None
    except (ConnectionError, EOFError):
        answer = None
    session = client.tls.session
    client.close()
    return answer, session, gate.session(client)


@pytest.mark.parametrize("version", VERSIONS)
def test_nested_rules_go_by_the_names_of_the_client_also_of_a_resumed_session(start, pair, clients, version):
    names = {"orders": servers.NameServer("orders"), "desks": servers.NameServer("desks"),
             "guests": servers.NameServer("guests")}
    rules = [{"tls": "terminate", "rules": [
        {"match": {"client_cert": {"cn": "mallory"}}, "reject": True},
        {"match": {"client_cert": {"cn": ["trader", "auditor"], "san": "trader"}}, "pool": "orders"},
        {"match": {"client_cert": {"san": "*.desks.example.com"}}, "pool": "desks"},
        {"match": {"not": {"client_cert": {}}}, "pool": "guests"}]}]
    gate = start(rules, names, tls={"certificates": [pair], "client_auth": ask(clients.cert, "request")})
    expected = [("trader", "orders", "rules[0].rules[1]"),
                ("auditor", None, None),  # the right common name, not the right other one
                ("a.desks.example.com", "desks", "rules[0].rules[2]"),
                ("mallory", None, "rules[0].rules[0]"),
                (None, "guests", "rules[0].rules[3]")]
    for name, server, rule in expected:
        context, session = context_of(clients.known(name) if name else None, version), None
        for resumed in (False, True):
            answer, session, line = asked(gate, context, session=session)
            assert answer == server, line
            assert line["tls_resumed"] is resumed or session is None, line
            if rule:
                assert line["rule"] == rule
            else:
                assert line["end"] == "no_rule"
            assert line.get("client_cn") == name


# --- CAs and CRLs that change ---------------------------------------------------------------------

def test_a_new_crl_shuts_a_client_out_within_a_second_and_its_ticket_too(start, tmp_path, pair, clients, desk):
    crl = clients.crl(tmp_path / "clients.crl")
    gate = start(pools={"app": servers.EchoServer()},
                 tls={"certificates": [pair], "client_auth": ask(clients.cert, crl=str(crl))})
    for version in VERSIONS:
        context = context_of(desk, version)
        live = tls.TlsPeer(gate.connect(), context)
        live.echo(b"before")
        _, session = visit(gate, context)
        clients.crl(crl, [desk])
        gate.event("ca.load", "the clients' authority", "1 CRL")

        def shut_out():
            try:
                visit(gate, context, session=session)
            except ssl.SSLError as error:
                return "revoked" in str(error).lower()
            return False
        wait.until(shut_out, "the revoked client is refused", 1.5, every=0.05)
        live.echo(b"a live session goes on")
        live.close()
        quiet = gate.events.count()
        clients.crl(crl)
        gate.event("ca.load", start=quiet)
        wait.until(lambda: not _is_refused(gate, context), "it is let in again", 1.5, every=0.05)


def _is_refused(gate, context):
    try:
        visit(gate, context)
    except ssl.SSLError:
        return True
    return False


def _cut(path):
    path.write_bytes(path.read_bytes()[:100])


def _empty(path):
    path.write_bytes(b"")


def _missing(path):
    path.unlink()


@pytest.mark.parametrize("spoil", [_cut, _empty, _missing])
def test_a_bad_ca_file_keeps_the_old_one_and_is_told_once(start, tmp_path, pair, authority, clients, desk, spoil):
    ca = tmp_path / "ca.pem"
    shutil.copy(clients.cert, ca)
    rules = [{"match": {"sni": "new.example.com"}, "tls": "terminate", "policy": {"min_version": "1.3"}, "pool": "app"},
             {"tls": "terminate", "pool": "app"}]  # two policies, one file
    gate = start(rules, {"app": servers.EchoServer()}, tls={"certificates": [pair], "client_auth": ask(ca)})
    quiet = gate.events.count()
    spoil(ca)
    gate.event("ca.refuse", str(ca), seconds=3, start=quiet)
    deadline = wait.Deadline(1.2 / max(1.0, settings.slow()))
    while not deadline.over():
        visit(gate, context_of(desk))
        time.sleep(0.1)
    assert len(gate.events_with("ca.refuse", start=quiet)) == 1
    shutil.copy(authority.cert, ca)
    wait.until(lambda: _is_refused(gate, context_of(desk)), "the other CA counts", 1.5, every=0.05)


# --- the same with other people's clients ---------------------------------------------------------

def _openssl(port, ca, pair):
    shown = ("-cert", pair.cert, "-key", pair.key) if pair else ()
    return ("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", ca, "-quiet", "-verify_return_error",
            *shown)


def _gnutls(port, ca, pair):
    shown = ("--x509certfile", pair.cert, "--x509keyfile", pair.key) if pair else ()
    return ("gnutls-cli", "--logfile=/dev/null", "--x509cafile", ca, *shown, "-p", port, "127.0.0.1")


def _curl(port, ca, pair):
    shown = ("--cert", pair.cert, "--key", pair.key) if pair else ()
    return ("curl", "-sS", "--cacert", ca, *shown, f"https://127.0.0.1:{port}/")


@pytest.mark.parametrize("of", [_openssl, _gnutls, _curl])
def test_other_peoples_clients_show_their_certificate(start, need, command, authority, pair, clients, desk, of):
    gate = start(pools={"app": servers.HttpServer()}, tls={"certificates": [pair], "client_auth": ask(clients.cert)})
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    program, *args = of(gate.port, authority.cert, desk)
    status, out, error = command(need(program), *args, data=request)
    assert b"hello" in out, (status, error)
    gate.session(client_cn="desk-1")
    program, *args = of(gate.port, authority.cert, None)
    status, out, error = command(need(program), *args, data=request)
    assert status != 0 and b"hello" not in out
    gate.session(end="handshake_failed", detail="the client gave no certificate")
