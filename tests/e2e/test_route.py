"""Ordered rules, three-valued matching, refusals."""

import pytest

from harness import fix, servers, tls
from harness.wait import Stopwatch

AT_ONCE = 2.0


def names(*wanted):
    return {name: servers.NameServer(name) for name in wanted}


def who(gate, data=b"who", source=None, take=lambda c: c.close()) -> str:
    """Which pool's NameServer answers to these first bytes."""
    client = gate.connect(source=source).send(data)
    answer = client.recv_until(b"\n").decode().strip()
    take(client)
    return answer


SNI = [
    ("db.example.com", "db.example.com", True),
    ("db.example.com", "DB.Example.COM", True),
    ("DB.example.com", "db.example.com", True),
    ("db.example.com", "db.example.com.", True),
    ("db.example.com.", "db.example.com", True),
    ("db.example.com", "xdb.example.com", False),
    ("db.example.com", "db.example.com.evil.org", False),
    ("db.example.com", None, False),
    ("*.example.com", "a.example.com", True),
    ("*.example.com", "a.b.c.example.com", True),
    ("*.example.com", "A.EXAMPLE.com.", True),
    ("*.example.com", "example.com", False),
    ("*.example.com", ".example.com", False),
    ("*.example.com", "aexample.com", False),
    ("*.example.com", "a.example.org", False),
    (["one.example.com", "*.two.example.com"], "x.two.example.com", True),
    (["one.example.com", "*.two.example.com"], "two.example.com", False),
]


@pytest.mark.parametrize("pattern, name, matches", SNI)
def test_sni(start, pattern, name, matches):
    gate = start([{"name": "named", "match": {"sni": pattern}, "tls": "passthrough", "pool": "app"},
                  {"name": "other", "tls": "passthrough", "pool": "app"}], {"app": servers.NameServer("app")}, tls=None)
    client = gate.connect().send(tls.hello(name))
    assert client.recv(4) == b"app\n"
    client.close()
    assert gate.session(client)["rule"] == ("named" if matches else "other")


def test_of_several_names_in_one_hello_the_first_counts(start):
    message = bytearray(tls.hello_message("one.example.com"))
    old = b"\x00\x00\x0fone.example.com"
    new = old + b"\x00\x00\x0ftwo.example.com"
    at = bytes(message).index(old)
    for place, size in ((1, 3), (at - 2, 2), (at - 4, 2)):
        value = int.from_bytes(message[place:place + size], "big") + len(new) - len(old)
        message[place:place + size] = value.to_bytes(size, "big")
    block = at - 8  # the length of all extensions
    value = int.from_bytes(message[block:block + 2], "big") + len(new) - len(old)
    message[block:block + 2] = value.to_bytes(2, "big")
    message[at:at + len(old)] = new
    gate = start([{"match": {"sni": "two.example.com"}, "tls": "passthrough", "pool": "two"},
                  {"match": {"sni": "one.example.com"}, "tls": "passthrough", "pool": "one"}], names("one", "two"))
    client = gate.connect().send(tls.record(bytes(message)))
    assert client.recv(4) == b"one\n"


def test_the_first_rule_that_matches_wins(start):
    gate = start([{"match": {"source": "127.0.0.0/8"}, "pool": "first"}, {"match": {"protocol": "fix"}, "pool": "second"},
                  {"pool": "third"}], names("first", "second", "third"), tls=None)
    assert who(gate, fix.logon()) == "first"


PREFIX = [
    ({"prefix": "HELO "}, b"HELO you", True),
    ({"prefix": ["EHLO ", "HELO "]}, b"HELO you", True),
    ({"prefix": "HELO "}, b"helo you", False),
    ({"prefix": "HELO "}, b"HELP", False),
    ({"prefix_hex": "0001ff"}, b"\x00\x01\xff\x00", True),
    ({"prefix_hex": ["0001fe", "00FF"]}, b"\x00\xff", True),
    ({"prefix_hex": "0001fe"}, b"\x00\x01\xff", False),
    ({"prefix": "HE", "prefix_hex": "48454c"}, b"HELO", True),
    ({"prefix": "HE", "not": {"prefix": "HEL"}}, b"HEX", True),
]


@pytest.mark.parametrize("match, data, matches", PREFIX)
def test_prefix(start, match, data, matches):
    gate = start([{"match": match, "pool": "one"}, {"pool": "two"}], names("one", "two"), tls=None)
    watch = Stopwatch()
    assert who(gate, data) == ("one" if matches else "two")
    assert watch.elapsed() < AT_ONCE


def test_the_byte_that_ends_a_prefix_decides(start):
    gate = start([{"match": {"prefix": "HELO"}, "pool": "one"}, {"pool": "two"}], names("one", "two"), tls=None,
                 inspect_delay="30s")
    for data, name in ((b"HELO", b"one\n"), (b"HELX", b"two\n")):
        client = gate.connect().drip(data)
        assert client.recv(4) == name
        client.close()


def test_a_nested_rule_sees_the_decrypted_prefix(start):
    gate = start([{"tls": "terminate", "rules": [{"match": {"prefix": "HELO"}, "pool": "one"}, {"pool": "two"}]}],
                 names("one", "two"))
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"HELO you")
    assert client.recv(4) == b"one\n"


FIX = [
    ({"SenderCompID": "CLIENT"}, True),
    ({"SenderCompID": ["OTHER", "CLIENT"], "TargetCompID": "VENUE"}, True),
    ({"SenderCompID": "client"}, False),
    ({"TargetCompID": "CLIENT"}, False),
    ({"BeginString": "FIX.4.4"}, True),
    ({"BeginString": ["FIX.4.2", "FIXT.1.1"]}, False),
    ({"valid": True}, True),
    ({"valid": False}, False),
    ({"Username": "bob"}, False),
    ({}, True),
]


@pytest.mark.parametrize("asked, matches", FIX)
@pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
def test_fix(start, nested, asked, matches):
    rules = [{"name": "first", "match": {"fix": asked}, "pool": "one"}, {"name": "second", "pool": "two"}]
    gate = start([{"tls": "terminate", "rules": rules}] if nested else rules, names("one", "two"))
    end = tls.TlsPeer(gate.connect(), name="gateway.example.com") if nested else gate.connect()
    watch = Stopwatch()
    end.send(fix.logon("CLIENT", "VENUE"))
    assert end.recv(4) == (b"one\n" if matches else b"two\n")
    assert watch.elapsed() < AT_ONCE
    end.close()
    gate.session(rule="first" if matches else "second", fix_sender="CLIENT", fix_target="VENUE")


def test_fix_is_answered_as_soon_as_the_tag_has_been_read(start):
    gate = start([{"match": {"fix": {"SenderCompID": "CLIENT"}}, "pool": "one"}, {"pool": "two"}], names("one", "two"),
                 inspect_delay="30s")
    for sender, name in (("CLIENT", b"one\n"), ("OTHER", b"two\n")):
        logon = fix.logon(sender)
        end = logon.index(b"\x0156=") + 1
        client = gate.connect().drip(logon[:end])
        assert client.recv(4) == name
        client.close()


def test_a_malformed_logon_is_rejected_by_rule(start):
    gate = start([{"name": "malformed", "match": {"fix": {"valid": False}}, "reject": True}, {"pool": "app"}],
                 {"app": servers.EchoServer()}, inspect_delay="30s")
    good = fix.logon()
    wrong = good[:-4] + (b"111" if good[-4:-1] != b"111" else b"112") + good[-1:]
    client = gate.connect().send(wrong)
    client.expect_closed()
    gate.ended(client, "rejected", rule="malformed")
    gate.connect().echo(good)


REGEX = [
    ("^HELO [a-z]+", b"HELO you", True),
    (["^EHLO", "^HELO"], b"HELO", True),
    ("^HELO", b"HELP", False),
    ("^8=FIX.*\\x0149=ACME\\x01", fix.logon("ACME"), True),
    ("^\\xff\\x00", b"\xff\x00", True),
    ("^(?i)helo", b"HeLo", True),
]


def start_with_regex(start, pattern, inspect_delay):
    return start([{"match": {"regex": pattern}, "pool": "one"}, {"pool": "two"}], names("one", "two"), tls=None,
                 inspect_delay=inspect_delay)


@pytest.mark.parametrize("pattern, data, matches", REGEX)
def test_regex(start, pattern, data, matches):
    gate = start_with_regex(start, pattern, inspect_delay="30s")
    client = gate.connect().drip(data)
    assert client.recv(4) == (b"one\n" if matches else b"two\n")


def test_a_regex_that_could_still_match_waits(start):
    gate = start_with_regex(start, "^HELO$", inspect_delay="300ms")
    client = gate.connect().send(b"HELO")
    assert client.recv(4) == b"one\n"
    client.close()
    assert gate.session(client)["inspect_ms"] >= 290
    assert who(gate, b"HELOX") == "two"


@pytest.mark.parametrize("nested", [False, True], ids=["outer", "nested"])
@pytest.mark.parametrize("pattern, name", [("t13d*", b"one\n"), (["t12d*", "*"], b"one\n"), ("t12*", b"two\n")])
def test_ja4(start, nested, pattern, name):
    rules = [{"match": {"ja4": pattern}, "pool": "one"}, {"pool": "two"}]
    outer = [{**rule, "tls": "terminate"} for rule in rules]
    gate = start([{"tls": "terminate", "rules": rules}] if nested else outer, names("one", "two"))
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com").send(b"who")
    assert client.recv(4) == name
    client.close()
    assert gate.session()["ja4"].startswith("t13d")


def test_tls_never_reaches_a_plain_rule(start):
    server = servers.Listener()
    gate = start([{"pool": "app"}], {"app": server}, tls=None)
    client = gate.connect().send(tls.hello("a.example.com"))
    client.expect_closed()
    gate.ended(client, "no_rule", protocol="tls", sni="a.example.com")
    server.expect_nobody()


@pytest.mark.parametrize("action", ["terminate", "passthrough"])
def test_plain_bytes_never_reach_a_tls_rule(start, action):
    server = servers.Listener()
    gate = start([{"tls": action, "pool": "app"}], {"app": server})
    client = gate.connect().send(b"plain")
    client.expect_closed()
    gate.ended(client, "no_rule")
    server.expect_nobody()


def test_no_rule_is_said_at_once(start):
    gate = start([{"match": {"protocol": ["http", "fix"]}, "pool": "app"}], {"app": servers.Listener()}, tls=None)
    watch = Stopwatch()
    client = gate.connect().send(b"zzz")
    client.expect_closed()
    assert watch.elapsed() < AT_ONCE
    line = gate.ended(client, "no_rule")
    assert "rule" not in line and "server" not in line


def test_a_silent_client_without_a_rule_is_no_rule(start):
    gate = start([{"match": {"silent": False}, "pool": "app"}], {"app": servers.Listener()}, tls=None,
                 inspect_delay="200ms")
    client = gate.connect()
    client.expect_closed()
    gate.ended(client, "no_rule")


def test_reject_resets_plain_clients(start):
    gate = start([{"match": {"protocol": "ssh"}, "reject": True}, {"pool": "app"}], {"app": servers.EchoServer()}, tls=None)
    client = gate.connect().send(b"SSH-2.0-client\r\n")
    client.expect_reset()
    gate.ended(client, "rejected", rule="rules[0]", protocol="ssh")
    gate.connect().echo(b"others go on")


def test_reject_refuses_tls_clients_before_any_handshake(start):
    gate = start([{"tls": "passthrough", "match": {"sni": "*.evil.org"}, "reject": True},
                  {"tls": "terminate", "pool": "app"}], {"app": servers.EchoServer()})
    client = gate.connect().send(tls.hello("www.evil.org"))
    client.expect_reset()
    gate.ended(client, "rejected", rule="rules[0]", sni="www.evil.org", bytes_out=0)
    tls.TlsPeer(gate.connect(), name="gateway.example.com").echo(b"others go on")


def test_source_alone_and_with_a_protocol(start):
    gate = start([{"match": {"source": "127.0.0.2"}, "pool": "one"},
                  {"match": {"source": ["127.0.1.0/24", "10.0.0.0/8"], "protocol": "http"}, "pool": "web"},
                  {"pool": "rest"}], names("one", "web", "rest"), tls=None)
    assert who(gate, b"GET / HTTP/1.1\r\n\r\n", "127.0.0.2") == "one"
    assert who(gate, b"GET / HTTP/1.1\r\n\r\n", "127.0.1.7") == "web"
    assert who(gate, b"something else", "127.0.1.7") == "rest"
    assert who(gate, b"GET / HTTP/1.1\r\n\r\n", "127.0.2.1") == "rest"


def test_source_of_ipv6_clients(start):
    gate = start([{"match": {"source": "::1"}, "pool": "six"}, {"match": {"source": "127.0.0.1"}, "pool": "four"}],
                 names("six", "four"), tls=None, bind="*:@combined")
    client = gate.connect(host="::1").send(b"who")
    assert client.recv(4) == b"six\n"
    assert who(gate) == "four"


def test_not_negates_the_and_of_its_keys(start):
    gate = start([{"match": {"not": {"source": "127.0.0.2", "protocol": "http"}}, "pool": "a"}, {"pool": "b"}],
                 names("a", "b"), tls=None)
    web = b"GET / HTTP/1.1\r\n\r\n"
    assert who(gate, web, "127.0.0.2") == "b"
    assert who(gate, web, "127.0.0.3") == "a"
    assert who(gate, b"SSH-2.0-x\r\n", "127.0.0.2") == "a"


def test_not_of_a_name(start):
    gate = start([{"match": {"not": {"sni": "*.example.com"}}, "tls": "passthrough", "pool": "a"},
                  {"tls": "passthrough", "pool": "b"}], names("a", "b"), tls=None)
    assert who(gate, tls.hello("x.example.org")) == "a"
    assert who(gate, tls.hello(None)) == "a"
    assert who(gate, tls.hello("x.example.com")) == "b"


def test_a_rule_that_needs_more_is_not_overtaken(start):
    gate = start([{"match": {"protocol": "fix"}, "pool": "fix"}, {"pool": "rest"}], names("fix", "rest"), tls=None)
    logon = fix.logon()
    client = gate.connect().send(logon[:3])
    client.expect_silence(0.3)
    client.send(logon[3:])
    assert client.recv(4) == b"fix\n"


def test_need_more_is_a_no_when_the_delay_is_over(start):
    gate = start([{"match": {"protocol": "fix"}, "pool": "fix"}, {"pool": "rest"}], names("fix", "rest"), tls=None,
                 inspect_delay="400ms")
    watch = Stopwatch()
    assert who(gate, b"8=F") == "rest"
    assert watch.elapsed() >= 0.35


def test_need_more_is_a_no_at_fin(start):
    gate = start([{"match": {"protocol": "fix"}, "pool": "fix"}, {"pool": "rest"}], names("fix", "rest"), tls=None)
    client = gate.connect().send(b"8=F").finish()
    watch = Stopwatch()
    assert client.recv(5) == b"rest\n"
    assert watch.elapsed() < AT_ONCE


def test_need_more_is_a_no_before_not_is_applied(start):
    gate = start([{"match": {"not": {"protocol": "fix"}}, "pool": "other"}, {"pool": "fix"}], names("other", "fix"),
                 tls=None, inspect_delay="400ms")
    assert who(gate, b"8=F") == "other"
    assert who(gate, fix.logon()) == "fix"


def test_a_no_beats_need_more(start):
    gate = start([{"match": {"protocol": "fix", "source": "10.9.9.9"}, "pool": "fix"}, {"pool": "rest"}],
                 names("fix", "rest"), tls=None)
    watch = Stopwatch()
    assert who(gate, b"8") == "rest"
    assert watch.elapsed() < AT_ONCE


def test_plain_rules_do_not_make_tls_clients_wait_nor_the_other_way(start):
    gate = start([{"match": {"protocol": "http"}, "pool": "web"}, {"match": {"sni": "x.example.com"},
                  "tls": "passthrough", "pool": "x"}, {"pool": "rest"}], names("web", "x", "rest"), tls=None)
    watch = Stopwatch()
    assert who(gate, tls.hello("x.example.com")) == "x"
    assert who(gate, b"-") == "rest"
    assert watch.elapsed() < AT_ONCE


def test_alpn_rules_look_at_every_offered_protocol(start):
    gate = start([{"match": {"alpn": "acme-tls/1"}, "tls": "passthrough", "pool": "acme"},
                  {"match": {"alpn": ["h2", "http/1.1"]}, "tls": "passthrough", "pool": "web"},
                  {"tls": "passthrough", "pool": "rest"}], names("acme", "web", "rest"), tls=None)
    assert who(gate, tls.hello("a.example.com", alpn=("acme-tls/1",))) == "acme"
    assert who(gate, tls.hello("a.example.com", alpn=("x", "http/1.1"))) == "web"
    assert who(gate, tls.hello("a.example.com", alpn=("fix",))) == "rest"
    assert who(gate, tls.hello("a.example.com")) == "rest"


def test_some_names_are_terminated_and_others_passed_on_one_port(start, authority):
    inside = authority.known("inside.example.com")
    passed, ended = servers.TlsEchoServer(inside), servers.EchoServer()
    gate = start([{"match": {"sni": "inside.example.com"}, "tls": "passthrough", "pool": "passed"},
                  {"tls": "terminate", "pool": "ended"}, {"pool": "ended"}], {"passed": passed, "ended": ended})
    client = tls.TlsPeer(gate.connect(), name="inside.example.com")
    client.echo(b"end to end")
    assert client.certificate() == inside.der()
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    client.echo(b"terminated")
    assert client.certificate() != inside.der()
    gate.connect().echo(b"plain")
    assert (passed.count, ended.count) == (1, 2)


def test_rules_have_names(start):
    gate = start([{"name": "secure desk", "tls": "terminate", "rules": [{"match": {"protocol": "ssh"}, "pool": "app"},
                                                                       {"pool": "app"}]},
                  {"name": "old desk", "pool": "app"}], {"app": servers.EchoServer()})
    for client, rule in ((gate.connect(), "old desk"),
                         (tls.TlsPeer(gate.connect(), name="gateway.example.com"), "secure desk.rules[1]")):
        client.echo(b"x")
        client.close()
        found = gate.session(client)["rule"]
        assert found == rule or found == rule.replace("secure desk", "rules[0]")
