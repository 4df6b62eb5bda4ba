"""What a reload would change, and which live sessions would go elsewhere if they came then."""

import copy
import json
import socket

import pytest

from harness import fix, net, servers, tls, wait
from harness.ctl import Ctl, run

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]
TWO = ("one", "two")


def ctl_of(gate) -> Ctl:
    return Ctl(gate.folder / "admin.sock")


def ask(gate, more="") -> dict:
    answer = gate.admin.ask("POST", f"/v1/reload?dry_run=true{more}")
    assert answer.status == 200, answer.text
    return answer.json


@pytest.fixture
def served(launch, build):
    """served(rules, other rules, **listener) → a gate, and preview(client) → what becomes of it with the other rules."""

    class Served:
        def __init__(self, rules, pools=TWO, admin=True, **listener):
            self.pools = {name: servers.EchoServer() for name in pools}
            self.config = build(rules, self.pools, admin=admin, **listener)
            self.gate = launch(self.config)

        def plain(self, data=b"hello"):
            client = self.gate.connect()
            client.echo(data)
            return client

        def tls(self, name="gateway.example.com", data=b"hello", context=None):
            client = tls.TlsPeer(self.gate.connect(), name=name, context=context)
            client.echo(data)
            return client

        def write(self, rules=None, **listener):
            other = copy.deepcopy(self.config)
            other["listeners"]["combined"].update({"rules": rules} if rules else {}, **listener)
            self.gate.write(other)
            return self

        def outlook(self, client):
            """"same", or what would become of it, or why it can't be told."""
            found = ask(self.gate)
            (session,) = [s for s in self.gate.admin.sessions() if s["client"] == client.name]
            for entry in found["other"]:
                if entry["id"] == session["id"]:
                    return entry["then"].get("pool") or entry["then"].get("end") or entry["then"]
            for entry in found["unknown"]:
                if entry["id"] == session["id"]:
                    return "unknown: " + (entry.get("key") or entry["reason"])
            return "same"
    return Served


# --- the file -------------------------------------------------------------------------------------


def test_what_is_wrong_is_told_and_nothing_is_logged(served):
    gate = served(PLAIN, ["app"]).gate
    gate.write_text(gate.file.read_text().replace('"pool": "app"', '"pool": "apq"').replace('"workers": 2', '"workers": 0'))
    seen = gate.events.count()
    answer = gate.admin.ask("POST", "/v1/reload?dry_run=true")
    assert answer.status == 422 and "would be refused" in answer.json["error"] and len(answer.json["errors"]) == 2
    assert 'no pool named "apq"' in "".join(answer.json["errors"])
    done = ctl_of(gate)("reload", "--dry-run")
    assert done.returncode == 1 and 'no pool named "apq"' in done.stderr and done.stdout == ""
    assert gate.events.count() == seen and gate.admin.metric("reloads_total") == 0
    answer = gate.admin.ask("POST", "/v1/reload")
    assert answer.status == 422, "a reload says the same"


def test_what_would_be_different_is_told_and_nothing_is_changed(served):
    at = served([{"name": "rest", "pool": "app"}], ["app"])
    gate, seen = at.gate, at.gate.events.count()
    assert ask(gate) == {"dry_run": True, "generation": 1, "warnings": [], "summary": "none", "changes": [],
                         "sessions": {"live": 0, "same": 0, "other": 0, "unknown": 0}, "other": [], "unknown": []}
    other = copy.deepcopy(at.config)
    other["listeners"]["combined"]["rules"].insert(0, {"name": "fix", "match": {"protocol": "fix"}, "pool": "app"})
    other["listeners"]["more"] = {"rules": PLAIN, "bind": f"127.0.0.1:{net.free_port()}"}
    other["pools"]["spare"] = {"servers": ["127.0.0.1:9"]}
    gate.write(other)
    found = ask(gate)
    assert found["summary"] == "1 listener added, 1 rule added, 1 pool added"
    assert {"change": "added", "what": "rule", "path": "listeners.combined.rules[0]", "name": "fix"} in found["changes"]
    assert len(found["warnings"]) == 1 and "spare" in found["warnings"][0]
    with pytest.raises(ConnectionRefusedError):
        net.connect(("127.0.0.1", int(other["listeners"]["more"]["bind"].rpartition(":")[2])))
    assert gate.admin.get("/v1/status")["generation"] == 1 and gate.events.count() == seen
    assert gate.admin.metric("reloads_total") == 0
    assert gate.admin.ask("POST", "/v1/reload").json["summary"] == found["summary"], "a reload says the same"
    gate.rebase()


@pytest.mark.parametrize("where", ["listener", "admin"])
def test_an_address_that_is_taken_is_told(served, where):
    at = served(PLAIN, ["app"])
    other = copy.deepcopy(at.config)
    with socket.create_server((net.HOST, 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        if where == "listener":
            other["listeners"]["more"] = {"rules": PLAIN, "bind": address}
        else:
            other["admin"]["http"] = address
        at.gate.write(other)
        answer = at.gate.admin.ask("POST", "/v1/reload?dry_run=true")
    assert answer.status == 422 and "in use" in answer.json["errors"][-1]


@pytest.mark.parametrize("query", ["dry_run=1", "dry_run=", "dry_run", "dry_run=false", "dryrun=true", "dry-run=true", "Confirm=60s",
                                   "confirm", "dry_run=true&confirm=60s", "dry_run=true&limit=x"])
def test_a_question_that_is_not_understood_reloads_nothing(served, query):
    gate = served(PLAIN, ["app"]).gate
    assert gate.admin.ask("POST", f"/v1/reload?{query}").status == 400
    assert gate.admin.get("/v1/status")["generation"] == 1


def test_lines_that_are_not_understood():
    for words in (("reload", "--dry-run", "--confirm", "60s"), ("status", "--dry-run"), ("reload", "--limit", "3"),
                  ("reload", "--dry-run", "--limit", "x"), ("reload", "--dry-run", "now")):
        assert run(*words).returncode == 2


def test_asking_over_tcp_needs_the_token(served, tmp_path):
    gate = served(PLAIN, ["app"], admin={"socket": "admin.sock", "http": "127.0.0.1:@admin"}).gate
    assert gate.admin_http.ask("POST", "/v1/reload?dry_run=true").status == 403
    assert gate.admin_http.ask("GET", "/v1/reload?dry_run=true").status == 405


def test_a_dry_run_while_a_configuration_waits(served):
    gate = served(PLAIN, ["app"]).gate
    ctl_of(gate).good("reload", "--confirm", "1h")
    assert ask(gate)["generation"] == 2
    assert ctl_of(gate).good("confirm") == "generation 2 stays\n"


# --- the sessions ---------------------------------------------------------------------------------


def test_the_sessions_are_told_for_people_and_scripts(served):
    at = served([{"name": "fix", "match": {"protocol": "fix"}, "pool": "one"}, {"name": "rest", "pool": "one"}])
    logon, rest = at.plain(fix.logon("ACME")), at.plain(b"SSH-2.0-x\r\n")
    at.write([{"name": "fix", "match": {"protocol": "fix"}, "pool": "two"}, {"name": "rest", "pool": "one"}])
    found = ask(at.gate)
    assert found["sessions"] == {"live": 2, "same": 1, "other": 1, "unknown": 0} and found["unknown"] == []
    (entry,) = found["other"]
    assert entry == {"id": entry["id"], "client": logon.name, "listener": "combined", "now": {"rule": "fix", "pool": "one"},
                     "then": {"rule": "fix", "pool": "two"}}
    assert entry["id"] in {s["id"] for s in at.gate.admin.sessions()}
    shown = ctl_of(at.gate).good("reload", "--dry-run")
    assert "the file is good; nothing was changed\nchanges: 1 rule changed\n" in shown
    assert "live sessions: 2; would go as they go now: 1, otherwise: 1, can't be told: 0" in shown
    row = next(line for line in shown.splitlines() if logon.name in line)
    assert row.startswith(entry["id"]) and row.endswith("combined  fix -> one  fix -> two")
    assert json.loads(ctl_of(at.gate).good("--json", "reload", "--dry-run")) == found
    rest.echo(b"both go on")
    logon.echo(b"both go on")


def test_the_list_is_bounded_and_the_counts_are_not(served):
    at = served([{"pool": "one"}])
    clients = [at.plain() for _ in range(9)]
    at.write([{"pool": "two"}])
    for limit in (0, 1, 4, 9, 100):
        found = ask(at.gate, f"&limit={limit}")
        assert found["sessions"]["other"] == 9 and len(found["other"]) == min(limit, 9)
        assert len({entry["id"] for entry in found["other"]}) == min(limit, 9)
    done = ctl_of(at.gate)("reload", "--dry-run", "--limit", "4")
    assert done.returncode == 0 and done.stdout.endswith("\n... and 5 more\n") and "no rule uses this pool" in done.stderr
    assert sum(client.name in done.stdout for client in clients) == 4


SENDER = {"match": {"fix": {"SenderCompID": "ACME"}}, "pool": "one"}
PREFIX = {"match": {"prefix": "hel"}, "pool": "one"}
# The first rules, what the client says, the other rules, what becomes of it.
PLAIN_CASES = {
    "an inserted rule that does not concern it": (
        [{"pool": "one"}], b"SSH-2.0-x\r\n", [{"match": {"protocol": "fix"}, "pool": "two"}, {"pool": "one"}], "same"),
    "one that does": ([{"pool": "one"}], b"SSH-2.0-x\r\n", [{"match": {"protocol": "ssh"}, "pool": "two"}, {"pool": "one"}], "two"),
    "its network": ([{"pool": "one"}], b"x", [{"match": {"source": "127.0.0.0/8"}, "pool": "two"}, {"pool": "one"}], "two"),
    "another network": ([{"pool": "one"}], b"x", [{"match": {"source": "10.0.0.0/8"}, "pool": "two"}, {"pool": "one"}], "same"),
    "its CompID": ([{"pool": "one"}], fix.logon("ACME"), [{**SENDER, "pool": "two"}, {"pool": "one"}], "two"),
    "another CompID": ([{"pool": "one"}], fix.logon("OTHER"), [{**SENDER, "pool": "two"}, {"pool": "one"}], "same"),
    "both CompIDs": ([{"pool": "one"}], fix.logon("ACME", "VENUE"), [
        {"match": {"fix": {"SenderCompID": "ACME", "TargetCompID": "VENUE"}}, "pool": "two"}, {"pool": "one"}], "two"),
    "a tag that was not noted": ([{"pool": "one"}], fix.logon("ACME"), [
        {"match": {"fix": {"SenderCompID": "ACME", "BeginString": "FIX.4.4"}}, "pool": "two"}, {"pool": "one"}], "unknown: fix"),
    "a tag that was not noted, of another client": ([{"pool": "one"}], fix.logon("OTHER"), [
        {"match": {"fix": {"SenderCompID": "ACME", "BeginString": "FIX.4.4"}}, "pool": "two"}, {"pool": "one"}], "same"),
    "its first bytes": ([{"pool": "one"}], b"hello", [{**PREFIX, "pool": "two"}, {"pool": "one"}], "unknown: prefix"),
    "its first bytes in hexadecimal": ([{"pool": "one"}], b"hello", [
        {"match": {"prefix_hex": "68"}, "pool": "two"}, {"pool": "one"}], "unknown: prefix_hex"),
    "a pattern": ([{"pool": "one"}], b"hello", [{"match": {"regex": "^h"}, "pool": "two"}, {"pool": "one"}], "unknown: regex"),
    "the contrary of its first bytes": ([{"pool": "one"}], b"hello", [
        {"match": {"not": {"prefix": "hel"}}, "pool": "two"}, {"pool": "one"}], "unknown: not"),
    "first bytes behind what it is not": ([{"pool": "one"}], b"hello", [
        {"match": {"source": "10.0.0.0/8", "prefix": "hel"}, "pool": "two"}, {"pool": "one"}], "same"),
    "a protocol that nobody has noted": ([{"pool": "one"}], b"hello", [
        {"match": {"protocol": "ssh"}, "pool": "two"}, {"pool": "one"}], "unknown: protocol"),
    "the rule that took it, with another pool": ([PREFIX, {"pool": "two"}], b"hello", [{**PREFIX, "pool": "two"}, {"pool": "one"}], "two"),
    "the rule that took it, and one more": (
        [PREFIX, {"pool": "two"}], b"hello", [{"match": {"prefix": ["hel", "x"]}, "pool": "one"}, {"pool": "two"}], "same"),
    "the rule that took it, with less": (
        [PREFIX, {"pool": "two"}], b"hello", [{"match": {"prefix": "hello!"}, "pool": "one"}, {"pool": "two"}], "unknown: prefix"),
    "a rule that did not take it": ([PREFIX, {"pool": "two"}], b"other", [{**PREFIX, "pool": "two"}, {"pool": "one"}], "one"),
    "a rule that did not take it, with less": (
        [PREFIX, {"pool": "two"}], b"other", [{"match": {"prefix": "hello"}, "pool": "one"}, {"pool": "two"}], "same"),
    "a rule that did not take it, with more": (
        [PREFIX, {"pool": "two"}], b"other", [{"match": {"prefix": ["hel", "o"]}, "pool": "one"}, {"pool": "two"}], "unknown: prefix"),
    "a rule behind the one that took it": (
        [{"match": {"prefix": "o"}, "pool": "two"}, PREFIX], b"other", [PREFIX, {"pool": "two"}], "unknown: prefix"),
    "the order of two": ([PREFIX, {"match": {"prefix": "h"}, "pool": "two"}], b"hi",
                         [{"match": {"prefix": "h"}, "pool": "two"}, PREFIX], "same"),
    "no rule": ([{"pool": "one"}], b"SSH-2.0-x\r\n", [{"match": {"protocol": "fix"}, "pool": "one"}], "no rule"),
    "only TLS": ([{"pool": "one"}], b"x", [{"tls": "terminate", "pool": "one"}], "no rule"),
    "rejected": ([{"pool": "one"}], b"x", [{"name": "no", "reject": True}], {"rule": "no", "reject": True}),
    "redirected": ([{"pool": "one"}], b"GET / HTTP/1.1\r\n", [{"name": "up", "match": {"protocol": "http"}, "redirect": "https"}, {"pool": "one"}],
                   {"rule": "up", "redirect": "https"}),
    "a date that is past": ([{"pool": "one"}], b"x", [{"until": "2020-01-01T00:00:00Z", "pool": "two"}, {"pool": "one"}], "same"),
    "a date that has come": ([{"pool": "one"}], b"x", [{"from": "2020-01-01T00:00:00Z", "pool": "two"}, {"pool": "one"}], "two"),
    "who says something": ([{"pool": "one"}], b"x", [{"match": {"silent": True}, "pool": "two"}, {"pool": "one"}], "same"),
    "PostgreSQL, whose request is answered now": (
        [{"pool": "one"}], b"\0\0\0\x08\x04\xd2\x16\x2f", [{"tls": "terminate", "starttls": "postgres", "pool": "two"}, {"pool": "one"}],
        "unknown: starttls is answered by other rules"),
}


@pytest.mark.parametrize("case", PLAIN_CASES)
def test_a_plain_session(served, case):
    rules, said, others, becomes = PLAIN_CASES[case]
    at = served(rules)
    client = at.plain(said)
    assert at.outlook(client) == "same", "without a change"
    assert at.write(others).outlook(client) == becomes


def test_a_silent_session(served):
    at = served([{"pool": "one"}], inspect_delay="10ms")
    client = at.gate.connect()
    wait.until(lambda: [s["state"] for s in at.gate.admin.sessions()] == ["relay"], "it is decided")
    assert at.write([{"match": {"prefix": "x"}, "pool": "two"}, {"match": {"silent": True}, "pool": "two"}]).outlook(client) == "two"
    assert at.write([{"match": {"not": {"silent": True}}, "pool": "two"}, PREFIX, {"pool": "one"}]).outlook(client) == "same"


TLS_ONE = {"tls": "terminate", "pool": "one"}
TLS_CASES = {
    "its name": ([TLS_ONE], [{"match": {"sni": "gateway.example.com"}, "tls": "terminate", "pool": "two"}, TLS_ONE], "two"),
    "another name": ([TLS_ONE], [{"match": {"sni": "other.example.com"}, "tls": "terminate", "pool": "two"}, TLS_ONE], "same"),
    "a wildcard, its network": ([TLS_ONE], [{"match": {"sni": "*.example.com", "source": "127.0.0.1"}, "tls": "terminate", "pool": "two"}, TLS_ONE], "two"),
    "passed through": ([TLS_ONE], [{"name": "through", "tls": "passthrough", "pool": "one"}], "one"),
    "only plain": ([TLS_ONE], [{"pool": "one"}], "no rule"),
    "its ALPN": ([TLS_ONE], [{"match": {"alpn": "h2"}, "tls": "terminate", "pool": "two"}, TLS_ONE], "unknown: alpn"),
    "nested rules, what it said": ([TLS_ONE], [{"tls": "terminate", "rules": [{"match": {"fix": {"SenderCompID": "ACME"}}, "pool": "two"}, {"pool": "one"}]}], "two"),
    "nested rules, what it did not say": ([TLS_ONE], [{"tls": "terminate", "rules": [{"match": {"protocol": "http"}, "pool": "two"}, {"pool": "one"}]}], "same"),
    "nested rules, what nobody knows": ([TLS_ONE], [{"tls": "terminate", "rules": [{"match": {"prefix": "8"}, "pool": "two"}, {"pool": "one"}]}], "unknown: prefix"),
    "nested rules as they were": ([{"tls": "terminate", "rules": [{"match": {"prefix": "8="}, "pool": "one"}, {"pool": "two"}]}],
                                  [{"match": {"sni": "other.example.com"}, "tls": "passthrough", "pool": "two"},
                                   {"tls": "terminate", "rules": [{"match": {"prefix": "8="}, "pool": "two"}, {"pool": "one"}]}], "two"),
    "nested no more": ([{"tls": "terminate", "rules": [{"match": {"prefix": "8="}, "pool": "one"}, {"pool": "two"}]}], [{"tls": "terminate", "pool": "two"}], "two"),
    "nested, and a certificate": ([TLS_ONE], [{"tls": "terminate", "rules": [{"match": {"client_cert": {"cn": "x"}}, "pool": "two"}, {"pool": "one"}]}], "same"),
    "rejected inside": ([TLS_ONE], [{"tls": "terminate", "rules": [{"name": "no", "reject": True}]}], {"rule": "no", "tls": "terminate", "reject": True}),
}


@pytest.mark.parametrize("case", TLS_CASES)
def test_a_terminated_session(served, case):
    rules, others, becomes = TLS_CASES[case]
    at = served(rules)
    client = at.tls(data=fix.logon("ACME"))
    wait.until(lambda: at.gate.admin.sessions()[0].get("fix_sender") == "ACME", "it was noted")
    assert at.outlook(client) == "same", "without a change"
    assert at.write(others).outlook(client) == becomes
    if case == "passed through":
        assert ask(at.gate)["other"][0]["then"] == {"rule": "through", "tls": "passthrough", "pool": "one"}


def test_a_terminated_session_and_its_fingerprint(served):
    at = served([TLS_ONE])
    client = at.tls()
    (session,) = at.gate.admin.sessions()
    rule = {"match": {"ja4": session["ja4"]}, "tls": "terminate", "pool": "two"}
    assert at.write([rule, TLS_ONE]).outlook(client) == "two"
    assert at.write([{**rule, "match": {"ja4": "t00*"}}, TLS_ONE]).outlook(client) == "same"


def test_a_session_with_a_client_certificate(served, authority):
    """Its names are known; under a policy that asks otherwise they are not."""
    auth = {"mode": "require", "ca": str(authority.cert)}
    nested = [{"match": {"client_cert": {"cn": "acme"}}, "pool": "one"}, {"pool": "two"}]
    gateway = authority.known("gateway.example.com")
    at = served([{"tls": "terminate", "rules": nested}], tls={"certificates": [gateway.config()], "client_auth": auth})
    own = authority.issue("acme")
    context = tls.client_context()
    context.load_cert_chain(own.cert, own.key)
    client = at.tls(context=context)
    assert at.outlook(client) == "same"
    moved = [{"match": {"client_cert": {"cn": "acme"}}, "pool": "two"}, {"pool": "one"}]
    assert at.write([{"tls": "terminate", "rules": moved}]).outlook(client) == "two"
    assert at.write([{"tls": "terminate", "rules": [{"match": {"client_cert": {"cn": "other"}}, "pool": "two"}, {"pool": "one"}]}]).outlook(client) == "same"
    others = [{"tls": "terminate", "policy": {"client_auth": {"mode": "none"}}, "rules": moved}]
    assert at.write(others).outlook(client) == "same", "nobody asks for it there"


def test_a_passed_session(served, pair):
    server = servers.TlsEchoServer(pair)
    through = {"tls": "passthrough", "pool": "one"}
    at = served([through])
    at.config["pools"]["one"]["servers"] = [server.address]
    at.gate.reload(at.config)
    at.gate.event("reload.done")
    client = tls.TlsPeer(at.gate.connect(), name="gateway.example.com")
    client.echo(b"x")
    assert at.write([{**through, "match": {"sni": "*.example.com"}, "pool": "two"}, through]).outlook(client) == "two"
    assert at.write([{**through, "match": {"alpn": "h2"}, "pool": "two"}, through]).outlook(client) == "same", "it offered nothing"
    assert at.write([{"tls": "terminate", "rules": [{"match": {"protocol": "fix"}, "pool": "two"}, {"pool": "one"}]}]).outlook(client) == "unknown: protocol"


def test_a_session_that_has_asked_for_tls(served):
    asks = {"tls": "terminate", "starttls": "postgres", "pool": "one"}
    at = served([asks, {"pool": "two"}])
    peer = at.gate.connect().send(b"\0\0\0\x08\x04\xd2\x16\x2f")
    assert peer.recv(1) == b"S"
    client = tls.TlsPeer(peer, name="gateway.example.com")
    client.echo(b"x")
    assert at.outlook(client) == "same"
    assert at.write([{**asks, "match": {"sni": "gateway.example.com"}, "pool": "two"}, asks]).outlook(client) == "two"
    assert at.write([{**asks, "match": {"sni": "other.example.com"}}, {"pool": "one"}]).outlook(client) == "no rule"
    assert at.write([TLS_ONE, {"pool": "one"}]).outlook(client) == "unknown: starttls is answered by other rules"


def test_a_listener_that_is_gone_and_a_network_that_is_denied(served):
    at = served([{"pool": "one"}])
    client = at.plain()
    assert at.write(deny=["127.0.0.0/8"]).outlook(client) == "denied"
    assert at.write(allow=["10.0.0.0/8"]).outlook(client) == "denied"
    assert at.write(accept_proxy=["127.0.0.0/8"]).outlook(client) == "unknown: accept_proxy is another"
    other = copy.deepcopy(at.config)
    other["listeners"] = {"another": other["listeners"]["combined"]}
    at.gate.write(other)
    assert at.outlook(client) == "listener gone"


def test_a_session_that_is_not_decided_yet(served):
    at = served([PREFIX, {"pool": "two"}], inspect_delay="60s")
    client = at.gate.connect().send(b"he")
    wait.until(lambda: [s["state"] for s in at.gate.admin.sessions()] == ["inspect"], "it is looked at")
    assert at.outlook(client) == "unknown: it is not decided yet"
    client.reset()


def test_sessions_of_older_configurations_are_judged_by_what_they_are(served):
    at = served([PREFIX, {"pool": "two"}])
    old = at.plain(b"hello")
    at.gate.write(at.config)
    at.write([{"pool": "two"}])
    assert at.gate.admin.ask("POST", "/v1/reload").status == 200
    new = at.plain(b"hello")
    assert at.outlook(old) == "two" and at.outlook(new) == "same"
    at.write([PREFIX, {"pool": "two"}])
    assert at.outlook(old) == "same" and at.outlook(new) == "unknown: prefix"


def test_many_dry_runs_under_traffic_leave_nothing_behind(served):
    at = served([PREFIX, {"pool": "two"}])
    clients = [at.plain() for _ in range(20)]
    at.write([{"pool": "two"}])
    for _ in range(10):
        assert ask(at.gate)["sessions"] == {"live": 20, "same": 0, "other": 20, "unknown": 0}
        for client in clients[:5]:
            client.echo(b"goes on")
    assert at.gate.admin.get("/v1/status")["generation"] == 1


def test_a_stop_in_the_middle_of_a_dry_run(served):
    at = served([{"pool": "one"}])
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(at.gate.folder / "admin.sock"))
        admin.sendall(b"POST /v1/reload?dry_run=true HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" * 3)
        at.gate.process.terminate()
        assert at.gate.wait_exit() == 0
