"""What no rule took: counted, redacted, and with a rule that would take it."""

import json

import pytest

from harness import fix, net, servers, settings, tls, wait
from harness.ctl import Ctl

RULES = [{"match": {"fix": {"SenderCompID": "ACME"}}, "pool": "app"},
         {"match": {"sni": "gate.example.com"}, "tls": "terminate", "rules": [{"match": {"protocol": "fix"}, "pool": "app"}]}]
ADDRESS = {"match": {"source": net.HOST}}


@pytest.fixture
def gate(start):
    return start(RULES, {"app": servers.EchoServer()}, admin=True, inspect_delay="1s")


def refused(gate, what=b"", name=None):
    """A connection that no rule takes: its line in the access log."""
    peer = gate.connect().send(what) if what else gate.connect()
    if name:
        tls.TlsPeer(peer, name=name).send(b"hello")
    line = gate.session(peer)
    assert line["end"] == "no_rule"
    peer.close()
    return line


def unknown(gate) -> list:
    return gate.admin.get("/v1/unknown")


CASES = {
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", {"match": {"protocol": "ssh"}}, {"protocol": "ssh"}),
    "fix": (fix.logon("OTHER"), {"match": {"fix": {"SenderCompID": "OTHER"}}}, {"protocol": "fix", "fix_sender": "OTHER"}),
    "tls": (tls.hello("new.example.com"), {"match": {"sni": "new.example.com"}, "tls": "terminate"},
            {"protocol": "tls", "sni": "new.example.com"}),
    "tls without a name": (tls.hello(), {**ADDRESS, "tls": "terminate"}, {"protocol": "tls"}),
    "silent": (b"", {"match": {"silent": True}}, {"protocol": "silent"}),
    "known": (b"PASS hunter2\r\n", {"match": {"prefix_hex": "5041535320"}},
              {"protocol": "unknown", "begin": "PASS *\\r\\n", "prefix_hex": "5041535320", "looks_like": "irc or ftp"}),
    "binary": (b"\x01\x02\x83\x04hunter2", {"match": {"prefix_hex": "01028304"}},
               {"protocol": "unknown", "begin": "\\x01\\x02\\x83\\x04*", "prefix_hex": "01028304"}),
    "text": (b"hunter2 is it\n", ADDRESS, {"protocol": "unknown", "begin": "* * *\\n"}),
}


@pytest.mark.parametrize("what, rule, known", CASES.values(), ids=CASES)
def test_the_suggested_rule_takes_it(gate, what, rule, known):
    lines = [refused(gate, what) for _ in range(2)]
    (entry,) = unknown(gate)
    assert "hunter" not in json.dumps(entry)
    suggested = entry.pop("suggested")
    assert suggested == {**rule, "pool": "app"}
    assert entry == {"count": 2, "listener": "combined", "source": net.HOST, "first": lines[0]["time"],
                     "last": lines[1]["time"], **known}
    template = json.loads(json.dumps(gate.template))
    template["listeners"]["combined"]["rules"].append(suggested)
    gate.write(template)
    assert gate.admin.ask("POST", "/v1/reload").status == 200
    peer = gate.connect().send(what) if what else gate.connect()
    if not what:
        peer.expect_silence(settings.seconds(1.5))
    elif known["protocol"] == "tls":
        assert peer.recv(1) in (b"\x15", b"\x16"), "somebody who speaks TLS"
    else:
        assert peer.recv(len(what)) == what
    peer.close()
    assert gate.session(peer)["rule"] == "rules[2]"
    assert unknown(gate)[0]["count"] == 2


def test_what_was_decrypted_names_the_rule_that_it_was_in(gate):
    refused(gate, name="gate.example.com")
    (entry,) = unknown(gate)
    assert entry["inside"] == "rules[1]" and entry["protocol"] == "unknown" and entry["begin"] == "*"
    assert entry["sni"] == "gate.example.com" and entry["suggested"] == {**ADDRESS, "pool": "app"}
    (row,) = Ctl(gate.folder / "admin.sock").table("unknown")
    assert row["INSIDE"] == "rules[1]" and row["PROTOCOL"] == "tls+unknown"


def test_several_pools_leave_the_choice_open(start):
    gate = start(RULES, {"app": servers.EchoServer(), "other": servers.EchoServer()}, admin=True)
    refused(gate, b"SSH-2.0-x\r\n")
    assert unknown(gate)[0]["suggested"] == {"match": {"protocol": "ssh"}, "pool": "…"}


def test_who_is_routed_rejected_or_leaves_is_not_in_it(start):
    gate = start([{"match": {"prefix": "no"}, "reject": True}, {"match": {"protocol": "fix"}, "pool": "app"}],
                 {"app": servers.EchoServer()}, admin=True)
    gate.connect().echo(fix.logon())
    gate.connect().send(b"no").expect_closed()
    gate.connect().close()
    peer = gate.connect().send(tls.hello("x.example.com")[:40])
    peer.close()
    gate.session(peer)
    assert unknown(gate) == []


@pytest.mark.tsan
def test_a_scan_is_bounded_and_the_most_frequent_are_first(gate):
    for _ in range(3):
        refused(gate, b"SSH-2.0-x\r\n")
    peers = [gate.connect().send(tls.hello(f"n{number}.example.com")) for number in range(80)]
    for peer in peers:
        peer.expect_closed()
    wait.until(lambda: len(gate.sessions()) == 83, "all are told", 10)
    found = unknown(gate)
    assert len(found) == 64 and found[0]["protocol"] == "ssh" and found[0]["count"] == 3
    assert {entry["count"] for entry in found[1:]} == {1}


def test_muxgatectl_shows_it(gate):
    ctl = Ctl(gate.folder / "admin.sock")
    assert ctl.table("unknown") == []
    line = refused(gate, b"PASS hunter2\r\n")
    (row,) = ctl.table("unknown")
    assert row == {"COUNT": "1", "LAST": line["time"][:16] + "Z", "LISTENER": "combined", "INSIDE": "-", "PROTOCOL": "unknown",
                   "SOURCE": net.HOST, "SUGGESTED": '{"match":{"prefix_hex":"5041535320"},"pool":"app"}',
                   "BEGIN": "PASS *\\r\\n (irc or ftp)"}
    assert json.loads(ctl.good("--json", "unknown")) == unknown(gate)
