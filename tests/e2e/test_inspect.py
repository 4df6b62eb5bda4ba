"""What plain bytes speak, outside and inside TLS, and what the log says of it."""

import pytest

from harness import fix, servers, tls
from harness.wait import Stopwatch

AT_ONCE = 2.0


def close_and_get(gate, client):
    client.close()
    return gate.session(client)


def test_a_fix_logon_names_its_two_ends_in_the_log(start):
    server = servers.FixServer("VENUE")
    gate = start(pools={"app": server})
    client = gate.connect().send(fix.logon("DESK7", "VENUE"))
    assert fix.read(client)["56"] == "DESK7"
    line = close_and_get(gate, client)
    assert (line["protocol"], line["fix_sender"], line["fix_target"]) == ("fix", "DESK7", "VENUE")


def test_fix_over_tls_shares_the_port_with_fix_in_the_clear(start):
    server = servers.FixServer("VENUE")
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": "fix"}, "pool": "app"}]},
                  {"match": {"protocol": "fix"}, "pool": "app"}], {"app": server})
    plain, secure = gate.connect(), tls.TlsPeer(gate.connect(), name="gateway.example.com")
    for client, sender in ((plain, "PLAIN"), (secure, "SECURE")):
        client.send(fix.logon(sender))
        assert fix.read(client)["35"] == "A"
        client.send(fix.message("1", sender, "VENUE", 2, "FIX.4.4", (112, "are you there")))
        assert fix.read(client)["112"] == "are you there"
        client.send(fix.message("5", sender, "VENUE", 3))
        assert fix.read(client)["35"] == "5"
        client.expect_eof()
    assert [logon["49"] for logon in server.logons] == ["PLAIN", "SECURE"]
    line = close_and_get(gate, plain)
    assert (line["protocol"], line["rule"], line["fix_sender"]) == ("fix", "rules[1]", "PLAIN")
    line = close_and_get(gate, secure)
    assert (line["protocol"], line["inner_protocol"], line["rule"]) == ("tls", "fix", "rules[0].rules[0]")
    assert (line["fix_sender"], line["fix_target"]) == ("SECURE", "VENUE")


@pytest.mark.parametrize("begin", ["FIX.4.0", "FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_every_version_of_fix_is_recognised(start, begin):
    gate = start([{"match": {"protocol": "fix"}, "pool": "app"}], {"app": servers.FixServer()}, tls=None)
    client = gate.connect().send(fix.logon(begin=begin))
    assert fix.read(client)["8"] == begin
    assert close_and_get(gate, client)["protocol"] == "fix"


def test_a_logon_with_any_tag_is_fix(start):
    gate = start([{"match": {"protocol": "fix"}, "pool": "app"}], {"app": servers.FixServer()}, tls=None)
    logon = fix.message("A", "ME", "VENUE", 1, "FIX.4.4", (98, 0), (108, 30), (9999, "x"), (20001, "y"))
    client = gate.connect().send(logon)
    assert fix.read(client)["35"] == "A"
    assert close_and_get(gate, client)["fix_sender"] == "ME"


def test_a_fix_logon_byte_by_byte_takes_the_fix_rule(start):
    gate = start([{"match": {"protocol": "fix"}, "pool": "fix"}, {"pool": "other"}],
                 {"fix": servers.FixServer(), "other": servers.EchoServer()}, tls=None)
    client = gate.connect().drip(fix.logon())
    assert fix.read(client)["35"] == "A"
    line = close_and_get(gate, client)
    assert (line["protocol"], line["rule"]) == ("fix", "rules[0]")


FIRST_WORDS = {
    "http": [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /x HTTP/1.0\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n"],
    "ssh": [b"SSH-2.0-OpenSSH_9.2\r\n"],
    "fix": [fix.logon()],
    "unknown": [b"\x00\x01\x02\x03", b"hello there\r\n", b"HTTPS is not a method\r\n", b"xx HTTP/1.1\r\n"],
}


@pytest.mark.parametrize("protocol, data", [(p, d) for p, many in FIRST_WORDS.items() for d in many])
def test_the_log_says_what_the_first_bytes_speak(start, protocol, data):
    gate = start(pools={"app": servers.EchoServer()})
    client = gate.connect()
    client.echo(data)
    assert close_and_get(gate, client)["protocol"] == protocol


@pytest.mark.parametrize("protocol, data", [(p, d) for p, many in FIRST_WORDS.items() for d in many])
@pytest.mark.parametrize("drip", [False, True], ids=["one segment", "byte by byte"])
def test_protocol_rules_take_their_own(start, protocol, data, drip):
    pools = {name: servers.EchoServer() for name in ("http", "ssh", "fix", "unknown")}
    gate = start([{"match": {"protocol": name}, "pool": name} for name in ("http", "ssh", "fix")] + [{"pool": "unknown"}],
                 pools, tls=None)
    client = gate.connect()
    watch = Stopwatch()
    (client.drip if drip else client.send)(data)
    assert client.recv(len(data)) == data
    assert watch.elapsed() < 2.0, "decided by the delay, not by the bytes"
    assert close_and_get(gate, client)["pool"] == protocol


def test_a_list_of_protocols_means_any_of_them(start):
    gate = start([{"match": {"protocol": ["ssh", "http"]}, "pool": "app"}, {"pool": "other"}],
                 {"app": servers.NameServer("app"), "other": servers.NameServer("other")}, tls=None)
    for data, name in ((b"GET / HTTP/1.1\r\n", b"app\n"), (b"SSH-2.0-x\r\n", b"app\n"), (b"8=FIX", b"other\n")):
        assert gate.connect().send(data).recv(len(name)) == name


def test_nested_rules_choose_by_the_decrypted_bytes(start):
    fix_pool, web = servers.FixServer(), servers.NameServer("web")
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": "fix"}, "pool": "fix"},
                                                 {"name": "the web", "match": {"protocol": "http"}, "pool": "web"}]}],
                 {"fix": fix_pool, "web": web})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com").send(fix.logon("A1"))
    assert fix.read(client)["35"] == "A"
    line = close_and_get(gate, client)
    assert (line["rule"], line["pool"], line["inner_protocol"]) == ("rules[0].rules[0]", "fix", "fix")
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"GET / HTTP/1.1\r\n\r\n")
    assert client.recv(4) == b"web\n"
    line = close_and_get(gate, client)
    assert (line["rule"], line["pool"], line["inner_protocol"]) == ("the web", "web", "http")


def test_a_nested_list_without_a_match_is_no_rule_and_never_the_outer_list(start):
    outer, web = servers.Listener(), servers.Listener()
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": "http"}, "pool": "web"}]},
                  {"tls": "terminate", "pool": "outer"}, {"pool": "outer"}], {"web": web, "outer": outer})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"SSH-2.0-nobody\r\n")
    client.expect_closed()
    gate.ended(client, "no_rule")
    outer.expect_nobody(0.2)
    web.expect_nobody(0.1)


def test_nested_rules_have_an_inspect_delay_of_their_own(start):
    gate = start([{"tls": "terminate", "rules": [{"match": {"silent": True}, "pool": "banner"}, {"pool": "app"}]}],
                 {"banner": servers.BannerServer(b"hello\n"), "app": servers.EchoServer()}, inspect_delay="600ms")
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    watch = Stopwatch()
    assert client.recv(6) == b"hello\n"
    assert watch.elapsed() >= 0.5
    line = close_and_get(gate, client)
    assert (line["inner_protocol"], line["rule"]) == ("silent", "rules[0].rules[0]")


def test_a_short_message_inside_tls_is_decided_at_once(start):
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": ["fix", "http", "ssh"]}, "pool": "app"},
                                                 {"pool": "app"}]}], {"app": servers.EchoServer()})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    watch = Stopwatch()
    client.echo(b"x")
    assert watch.elapsed() < AT_ONCE


def test_a_short_message_and_close_notify_inside_tls_is_forwarded_and_answered(start):
    server = servers.Listener()
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": "fix"}, "pool": "app"}, {"pool": "app"}]}],
                 {"app": server})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"8=").finish()
    peer = server.accept()
    assert peer.recv_all() == b"8="
    peer.send(b"answer").close()
    assert client.recv_all() == b"answer"


def test_bytes_that_look_like_tls_inside_tls_are_just_bytes(start):
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": "http"}, "reject": True}, {"pool": "app"}]}],
                 {"app": servers.EchoServer()})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    client.echo(tls.hello("inner.example.com"))


def test_the_first_message_in_the_last_flight_of_the_handshake_is_not_lost(start):
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": "fix"}, "pool": "app"}]}],
                 {"app": servers.FixServer()})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com", handshake=False)
    client.handshake(flush=False)
    client.send(fix.logon())
    assert fix.read(client)["35"] == "A"


def test_nested_reject_resets(start):
    gate = start([{"tls": "terminate", "rules": [{"match": {"protocol": "http"}, "reject": True}, {"pool": "app"}]}],
                 {"app": servers.EchoServer()})
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"GET / HTTP/1.1\r\n\r\n")
    client.expect_reset()
    gate.ended(client, "rejected", rule="rules[0].rules[0]")


def test_nested_rules_know_the_facts_of_the_handshake(start, pair):
    pools = {name: servers.NameServer(name) for name in ("h2", "near", "named", "rest")}
    gate = start([{"tls": "terminate", "rules": [
        {"match": {"alpn": "h2"}, "pool": "h2"},
        {"match": {"sni": "named.example.com"}, "pool": "named"},
        {"match": {"source": "127.0.0.9/32"}, "pool": "near"},
        {"pool": "rest"}]}], pools, tls={"certificates": [pair], "alpn": ["h2", "http/1.1"]})
    for name, source, alpn, pool in (("gateway.example.com", None, ["h2"], b"h2"),
                                     ("gateway.example.com", None, ["http/1.1", "h2"], b"h2"),
                                     ("gateway.example.com", None, ["http/1.1"], b"rest"),
                                     ("NAMED.example.com", None, None, b"named"),
                                     ("gateway.example.com", "127.0.0.9", None, b"near"),
                                     ("gateway.example.com", None, None, b"rest")):
        client = tls.TlsPeer(gate.connect(source=source), tls.client_context(alpn=alpn), name=name).send(b"who")
        assert client.recv_until(b"\n") == pool + b"\n"
