"""The admin interface: what it tells, who may change what, and that nobody can hurt a session with it."""

import hashlib
import copy
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import time

import pytest

from harness import fix, net, servers, settings, tls, wait
from harness.admin import Admin
from harness.ctl import Ctl
from harness.gate import run

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]
TOKEN = "0123456789abcdef-token"


@pytest.fixture
def plain(start):
    """plain(…) → a gate with an admin socket and a TCP address, and one echo server."""
    def make(token=None, **more):
        admin = {"socket": "admin.sock", "http": "127.0.0.1:@admin", **more.pop("admin", {})}
        if token:
            admin["token_file"] = str(token)
        more.setdefault("pools", {"app": servers.EchoServer()})
        return start(more.pop("rules", PLAIN), more.pop("pools"), tls=None, admin=admin, **more)
    return make


@pytest.fixture
def token(tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    return file


# --- documents ------------------------------------------------------------------------------------


def test_status_tells_what_runs(plain):
    gate = plain()
    status = gate.admin.get("/v1/status")
    assert status["pid"] == gate.pid and status["generation"] == 1 and status["state"] == "running"
    assert status["sessions"] == 0 and status["uptime_s"] >= 0
    assert status["version"] in subprocess.run([settings.binary(), "-V"], capture_output=True, text=True, check=True).stdout
    assert status["listeners"][0]["name"] == "combined"
    assert status["listeners"][0]["rules"] == [{"name": "rules[0]", "pool": "app"}]
    traffic = gate.admin.get("/v1/traffic")
    assert traffic["ends"] == [] and [row["taken"] for row in traffic["traffic"]] == [0]
    client = gate.connect()
    client.echo(b"x")
    assert gate.admin.get("/v1/status")["sessions"] == 1


def test_probes_tell_a_drain(plain):
    gate = plain()
    client = gate.connect()
    client.echo(b"x")
    for where in (gate.admin, gate.admin_http):
        assert where.ask("GET", "/healthz").status == 200
        assert where.ask("GET", "/readyz").status == 200
    gate.signal(signal.SIGTERM)
    wait.until(lambda: gate.admin.ask("GET", "/readyz").status == 503, "not ready while draining")
    assert gate.admin.ask("GET", "/healthz").status == 200
    assert gate.admin.get("/v1/status")["state"] == "draining"
    assert gate.admin.ask("POST", "/v1/reload").status == 422
    client.close()
    assert gate.wait_exit() == 0


def test_unknown_paths_and_methods(plain):
    admin = plain().admin
    assert admin.ask("GET", "/v1/nothing").status == 404 and "error" in admin.ask("GET", "/v1/nothing").json
    wrong = admin.ask("POST", "/v1/pools")
    assert wrong.status == 405 and wrong.headers["Allow"] == "GET, HEAD"
    assert admin.ask("GET", "/v1/reload").headers["Allow"] == "POST"
    head = admin.ask("HEAD", "/v1/status")
    assert head.status == 200 and head.body == b"" and int(head.headers["Content-Length"]) > 0
    ledger = admin.ask("GET", "/v1/ledger")
    assert ledger.status == 404 and "ledger" in ledger.json["error"]


def test_a_session_is_listed_with_what_is_known_of_it(start, pair):
    server = servers.EchoServer()
    gate = start([{"tls": "terminate", "pool": "app"}, {"name": "fix", "pool": "app"}], {"app": server}, admin=True)
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    client.echo(b"hello")
    waiting = gate.connect()
    waiting.send(b"\x16\x03")
    rows = wait.until(lambda: (rows := gate.admin.sessions()) and len(rows) == 2 and rows, "two sessions")
    row = next(row for row in rows if row["client"] == client.name)
    assert row["state"] == "relay" and row["generation"] == 1 and row["listener"] == "combined"
    assert row["sni"] == "gateway.example.com" and row["tls_version"] == "TLSv1.3" and row["pool"] == "app"
    assert row["server"] == server.address and row["bytes_in"] == 5 and row["bytes_out"] == 5
    other = next(row for row in rows if row["client"] == waiting.name)
    assert other["state"] == "inspect" and "rule" not in other
    assert [r["id"] for r in gate.admin.get("/v1/sessions?contains=" + "gateway.example%2Ecom")] == [row["id"]]
    assert len(gate.admin.get("/v1/sessions?limit=1")) == 1
    assert gate.admin.get("/v1/sessions?generation=7") == []
    assert gate.admin.ask("GET", "/v1/sessions?limit=x").status == 400
    client.close()
    waiting.close()
    assert gate.session(client)["id"] == row["id"]


def test_a_session_is_listed_in_whatever_phase_it_is(start):
    """Each of them waits for something that does not come."""
    server, port = servers.Listener(), net.free_port()
    starttls = [{"starttls": "postgres", "match": {"sni": "db.example.com"}, "tls": "passthrough", "pool": "app"}]
    rules = [{"name": "redirect", "match": {"protocol": "http"}, "redirect": "https"},
             {"name": "queue", "match": {"prefix": "queue"}, "pool": "one"}, {"tls": "terminate", "pool": "app"}, *starttls]
    queue = {"servers": [{"address": server.address, "max_sessions": 1}], "queue": {"max": 5, "timeout": "30s"}}
    gate = start(rules, {"app": server, "one": queue}, admin=True, accept_proxy=["127.0.0.2/32"])
    proxied = gate.connect(source="127.0.0.2")
    proxied.send(b"PROXY ")
    starts = {b"queue first": "relay", b"queue second": "queue", b"GET / HTTP/1.1\r\nHost: a": "redirect",
              b"\x16\x03\x01": "inspect"}
    states = {proxied.name: "proxy_header"}
    for first, state in starts.items():
        client = gate.connect().send(first)
        states[client.name] = state
        wait.until(lambda: client.name in [r["client"] for r in gate.admin.sessions() if r["state"] == state], state)
    hello = tls.TlsPeer(gate.connect(), handshake=False, name="gateway.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        hello.tls.do_handshake()
    hello.peer.send(hello.outgoing.read())
    states[hello.peer.name] = "handshake"
    wait.until(lambda: {r["client"]: r["state"] for r in gate.admin.sessions()} == states, "all are there")
    pool = next(p for p in gate.admin.get("/v1/pools") if p["name"] == "one")
    assert pool["waiting"] == 1 and pool["servers"][0]["max_sessions"] == 1
    assert gate.admin.metric("pool_waiting", pool="one") == 1 and gate.admin.metric("pool_waiting", pool="app") == 0
    server.accept().close()


def test_compids_of_live_sessions_are_listed(start, pair):
    """Where a rule asks for them; plain, and inside of TLS."""
    ask = [{"match": {"fix": {"SenderCompID": ["ACME", "CORP"]}}, "pool": "app"}, {"pool": "app"}]
    gate = start([{"tls": "terminate", "rules": ask}, *ask], {"app": servers.EchoServer()}, admin=True)
    plain, inner = gate.connect(), tls.TlsPeer(gate.connect(), name="gateway.example.com")
    plain.echo(fix.logon("ACME", "GATE"))
    inner.echo(fix.logon("CORP", "GATE"))
    rows = {row["client"]: row for row in gate.admin.sessions()}
    assert rows[plain.name]["fix_sender"] == "ACME" and rows[plain.name]["fix_target"] == "GATE"
    assert rows[inner.name]["fix_sender"] == "CORP" and rows[inner.name]["inner_protocol"] == "fix"
    assert [r["client"] for r in gate.admin.get("/v1/sessions?contains=CORP")] == [inner.name]


def test_sessions_are_told_by_generation(plain):
    gate = plain()
    old = gate.connect()
    old.echo(b"x")
    assert gate.admin.ask("POST", "/v1/reload").json["generation"] == 2
    new = gate.connect()
    new.echo(b"x")
    assert [r["client"] for r in gate.admin.get("/v1/sessions?generation=1")] == [old.name]
    assert [r["client"] for r in gate.admin.get("/v1/sessions?generation=2")] == [new.name]


def test_a_killed_session_is_reset_and_says_so(plain):
    gate = plain()
    client, other = gate.connect(), gate.connect()
    client.echo(b"x")
    other.echo(b"x")
    row = next(r for r in gate.admin.sessions() if r["client"] == client.name)
    assert gate.admin.ask("DELETE", f"/v1/sessions/{row['id']}").status == 204
    client.expect_reset()
    gate.ended(client, "killed", id=row["id"])
    gate.event("session.kill", row["id"])
    assert gate.admin.ask("DELETE", f"/v1/sessions/{row['id']}").status == 404
    for bad in ("1", "x-y-z", "1-ff-1", "0-0-0", "%00-1-1", row["id"] + "0"):
        assert gate.admin.ask("DELETE", f"/v1/sessions/{bad}").status == 404, bad
    other.echo(b"not this one")


def test_many_sessions_are_listed_whole_while_others_are_served(plain):
    gate = plain()
    count = settings.scaled(2000, 300)
    clients = [gate.connect() for _ in range(count)]
    for client in clients:
        client.send(b"x")
    wait.until(lambda: gate.admin.metric("sessions_active", listener="combined") == count, "all are there", 20)
    clients[0].recv(1)
    rows = gate.admin.sessions()
    assert sorted(r["client"] for r in rows) == sorted(c.name for c in clients)
    for _ in range(5):
        clients[0].echo(b"while lists are made")
        assert len(gate.admin.sessions()) == count
    for client in clients:
        client.close()
    wait.until(lambda: gate.admin.sessions() == [], "all have gone", 20)


# --- pools ----------------------------------------------------------------------------------------


def test_a_draining_server_keeps_its_sessions_and_gets_no_new_ones(plain):
    one, two = servers.EchoServer(), servers.EchoServer()
    gate = plain(pools={"app": {"servers": [{"address": one.address, "name": "a/b"}, two.address]}})
    first, second = gate.connect(), gate.connect()
    first.echo(b"x")
    second.echo(b"x")
    path = "/v1/pools/app/servers/a%2Fb"
    changed = gate.admin.ask("PATCH", path, {"state": "drain"})
    assert changed.status == 200 and changed.json["state"] == "drain" and changed.json["sessions"] == 1
    gate.event("server.set", "server=a/b", "state=drain")
    for _ in range(3):
        gate.connect().echo(b"x")
    assert one.count == 1 and two.count == 4
    first.echo(b"goes on")
    assert gate.admin.server("app", "a/b")["state"] == "drain"
    assert gate.admin.ask("PATCH", path, {"state": "ready", "weight": 256}).json["weight"] == 256
    for _ in range(3):
        gate.connect().echo(b"x")
    assert one.count > 1
    assert gate.admin.metric("server_sessions", pool="app", server="a/b") == one.count


BAD_CHANGES = [
    ("", "no JSON"), ("[]", "object"), ("{}", "nothing to change"), ('{"state": "off"}', "ready"),
    ('{"weight": 257}', "0 to 256"), ('{"weight": "2"}', "0 to 256"), ('{"wait": 2}', "unknown key"),
    ('{"weight": 1, "weight": 2}', "JSON"), ('{"state": "drain", "weight": -1}', "0 to 256")]


def test_a_bad_change_changes_nothing(plain):
    server = servers.EchoServer()
    gate = plain(pools={"app": server})
    for body, words in BAD_CHANGES:
        answer = gate.admin.ask("PATCH", f"/v1/pools/app/servers/{server}", body)
        assert answer.status == 400 and words in answer.json["error"], body
    assert gate.admin.server("app", server)["state"] == "ready" and gate.admin.server("app", server)["weight"] == 1


def test_changes_need_a_pool_and_a_server(plain):
    server = servers.EchoServer()
    admin = plain(pools={"app": server}).admin
    assert "pool" in admin.ask("PATCH", f"/v1/pools/no/servers/{server}", {"weight": 1}).json["error"]
    missing = admin.ask("PATCH", "/v1/pools/app/servers/no", {"weight": 1})
    assert missing.status == 404 and "server" in missing.json["error"]


# --- certificates ---------------------------------------------------------------------------------


def test_certificates_tell_their_names_and_their_end(start, authority):
    pair, other = authority.issue("a.example.com", "b.example.com"), authority.issue("c.example.com", kind="rsa")
    gate = start(None, {"app": servers.EchoServer()}, admin=True, tls={"certificates": [pair, other]})
    shown = {tuple(c["names"]): c for c in gate.admin.get("/v1/certificates")}
    first = shown["a.example.com", "b.example.com"]
    assert set(shown) == {("a.example.com", "b.example.com"), ("c.example.com",)}
    assert first["file"] == str(pair.cert) and first["listeners"] == ["combined"]
    assert first["fingerprint_sha256"] == hashlib.sha256(pair.der()).hexdigest()
    told = subprocess.run(["openssl", "x509", "-in", pair.cert, "-noout", "-serial", "-enddate", "-dateopt", "iso_8601"],
                          capture_output=True, text=True, check=True).stdout
    assert f"serial={first['serial']}" in told and first["not_after"].replace("T", " ") in told
    end = time.mktime(time.strptime(first["not_after"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert gate.admin.metric("certificate_not_after_seconds", name="b.example.com") == end
    assert gate.admin.metric("certificate_not_after_seconds", name="c.example.com") > time.time()


def test_certificates_that_pools_show_to_their_servers_are_listed(start, authority, trusting):
    served, own = authority.issue("a.example.com"), authority.issue("gateway.example.net")
    tls = trusting(cert=str(own.cert), key=str(own.key))
    pools = {name: {"servers": [servers.EchoServer()], "tls": tls} for name in ("one", "two")}
    both = {"servers": [servers.EchoServer()], "tls": trusting(cert=str(served.cert), key=str(served.key))}
    gate = start([{"tls": "terminate", "pool": "one"}, {"match": {"source": "10.0.0.0/8"}, "pool": "both"},
                  {"pool": "two"}], {**pools, "both": both}, admin=True, tls={"certificates": [served]})
    shown = {c["names"][0]: c for c in gate.admin.get("/v1/certificates")}
    assert {name: (c["listeners"], c["pools"]) for name, c in shown.items()} == {
        "a.example.com": (["combined"], ["both"]), "gateway.example.net": ([], ["one", "two"])}
    assert shown["gateway.example.net"]["file"] == str(own.cert)
    assert shown["gateway.example.net"]["fingerprint_sha256"] == hashlib.sha256(own.der()).hexdigest()
    assert gate.admin.metric("certificate_not_after_seconds", name="gateway.example.net") > time.time()
    lines = [" ".join(line.split()) for line in Ctl(gate.folder / "admin.sock").good("certs").splitlines()]
    assert lines[0] == "NAMES DAYS NOT-AFTER LISTENERS POOLS OCSP FILE SERIAL"
    assert f"{shown['gateway.example.net']['not_after']} - one two - {own.cert}" in lines[2]
    renewed = authority.issue("gateway.example.net")
    own.key.write_bytes(renewed.key.read_bytes())
    own.cert.write_bytes(renewed.cert.read_bytes())
    gate.event("cert.load", "pool=")
    shown = {c["names"][0]: c for c in gate.admin.get("/v1/certificates")}
    assert shown["gateway.example.net"]["fingerprint_sha256"] == hashlib.sha256(renewed.der()).hexdigest()


# --- reload ---------------------------------------------------------------------------------------


def test_a_refused_reload_answers_with_each_line(plain):
    gate = plain()
    gate.write_text(gate.file.read_text().replace('"app"\n', '"apq"\n').replace('"workers": 2', '"workers": 0'))
    answer = gate.admin.ask("POST", "/v1/reload")
    assert answer.status == 422 and "error" in answer.json
    gate.event("reload.refused")
    printed = [line for line in gate.events.items if line.startswith(str(gate.file))]
    assert answer.json["errors"] == printed and len(printed) == 2 and 'no pool named "apq"' in printed[0]
    assert gate.admin.metric("reloads_total", result="failed") == 1
    assert gate.admin.get("/v1/status")["generation"] == 1
    gate.write(gate.template)
    assert gate.admin.ask("POST", "/v1/reload").json["generation"] == 2
    assert gate.admin.metric("reloads_total", result="done") == 1
    gate.connect().echo(b"x")


def test_a_reload_answers_with_the_warnings_of_what_it_takes(start, authority):
    """An expired certificate is put in force, as a start does; who asked hears of it as from -t."""
    expired = authority.issue("site.example.com", days=-1)
    good = authority.issue("site.example.com")
    gate = start([{"tls": "terminate", "pool": "app"}], {"app": servers.EchoServer()}, tls={"certificates": [good]}, admin=True)
    assert gate.admin.ask("POST", "/v1/reload").json["warnings"] == []
    template = copy.deepcopy(gate.template)
    template["listeners"]["combined"]["tls"]["certificates"] = [{"cert": str(expired.cert), "key": str(expired.key)}]
    gate.write(template)
    checked = run("-c", gate.file, "-t")
    answer = gate.admin.ask("POST", "/v1/reload")
    assert answer.status == 200 and answer.json["generation"] == 3 and answer.json["changes"]
    assert len(answer.json["warnings"]) == 1 and "expired" in answer.json["warnings"][0]
    assert answer.json["warnings"] == checked.stderr.splitlines()
    trial = gate.admin.ask("POST", "/v1/reload?confirm=1h").json
    assert trial["warnings"] == answer.json["warnings"] and trial["confirm"]["otherwise"] == 3


def test_a_reload_tells_what_is_different(plain):
    gate = plain()
    assert gate.admin.ask("POST", "/v1/reload").json == {"generation": 2, "warnings": [], "summary": "none", "changes": []}
    other = copy.deepcopy(gate.template)
    (name, listener), (pool, target) = next(iter(other["listeners"].items())), next(iter(other["pools"].items()))
    listener["rules"] = [{"name": "new", "match": {"protocol": "fix"}, "pool": pool}, *listener["rules"]]
    target["servers"].append("127.0.0.1:9")
    gate.write(other)
    answer = gate.admin.ask("POST", "/v1/reload").json
    assert {"change": "added", "what": "rule", "path": f"listeners.{name}.rules[0]", "name": "new"} in answer["changes"]
    assert "1 server added" in answer["summary"] and "added" in answer["summary"].split("1 server")[0]
    assert f'changes="{answer["summary"]}"' in gate.event("reload.done", "generation=3")


def test_a_reload_that_cannot_bind_says_why(plain):
    gate = plain()
    with socket.create_server((net.HOST, 0)) as taken:
        gate.write({**gate.template, "admin": {"socket": "admin.sock", "http": f"127.0.0.1:{taken.getsockname()[1]}"}})
        answer = gate.admin.ask("POST", "/v1/reload")
    assert answer.status == 422 and "in use" in answer.json["errors"][0]
    assert gate.admin_http.get("/v1/status")["generation"] == 1, "the old address is still served"


def test_the_interface_comes_moves_and_goes_with_reloads(start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    assert not (gate.folder / "admin.sock").exists()
    gate.reload({**gate.template, "admin": {"socket": "admin.sock"}})
    gate.event("generation=2")
    assert gate.admin.get("/v1/status")["generation"] == 2
    inode = os.stat(gate.folder / "admin.sock").st_ino
    gate.write({**gate.template, "admin": {"socket": "admin.sock", "socket_mode": "0600", "http": "127.0.0.1:@admin"}})
    gate.ports["admin"] = net.free_port()
    gate.write({**gate.template, "admin": {"socket": "admin.sock", "socket_mode": "0600", "http": f"127.0.0.1:{gate.ports['admin']}"}})
    assert gate.admin.ask("POST", "/v1/reload").status == 200
    status = os.stat(gate.folder / "admin.sock")
    assert status.st_ino == inode and stat.S_IMODE(status.st_mode) == 0o600
    assert wait.until(lambda: gate.admin_http.get("/v1/status"), "HTTP")["generation"] == 3
    gate.write({**gate.template, "admin": {"socket": "moved.sock"}})
    assert gate.admin.ask("POST", "/v1/reload").json["generation"] == 4, "who asks through the old one is answered"
    moved = Admin(gate.folder / "moved.sock")
    assert wait.until(lambda: moved.get("/v1/status"), "moved")["generation"] == 4
    wait.until(lambda: not (gate.folder / "admin.sock").exists(), "the old socket is removed")
    with pytest.raises(ConnectionRefusedError):
        gate.admin_http.get("/v1/status")
    gate.write({k: v for k, v in gate.template.items() if k != "admin"})
    assert moved.ask("POST", "/v1/reload").json["generation"] == 5
    wait.until(lambda: not (gate.folder / "moved.sock").exists(), "the last one is removed")
    gate.connect().echo(b"x")
    gate.rebase()


# --- metrics --------------------------------------------------------------------------------------


def test_promtool_has_nothing_to_say(plain, need, command):
    gate = plain()
    gate.connect().echo(b"x")
    status, out, err = command(need("promtool"), "check", "metrics", data=gate.admin.metrics_text().encode())
    assert (status, out, err) == (0, b"", b"")
    answer = gate.admin.ask("GET", "/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_metrics_count_what_the_log_tells(start):
    rules = [{"name": "in", "tls": "terminate", "pool": "app"}, {"name": "ssh", "match": {"protocol": "ssh"}, "reject": True},
             {"name": 'with "quotes" \\ and\nmore', "pool": "app"}]
    gate = start(rules, {"app": servers.EchoServer()}, admin=True)
    for _ in range(3):
        client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
        client.echo(b"0123456789")
        client.close()
    for _ in range(2):
        client = gate.connect()
        client.echo(b"abc")
        client.close()
    rejected = gate.connect()
    rejected.send(b"SSH-2.0-x\r\n")
    gate.session(rejected)
    broken = gate.connect()
    broken.send(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
    gate.session(broken)
    gate.admin.until("sessions_total", 7)
    lines = gate.sessions()
    for line in lines:
        same = [x for x in lines if all(x.get(k) == line.get(k) for k in ("protocol", "rule", "end"))]
        rule = line.get("rule", "").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        found = gate.admin.metric("sessions_total", listener="combined", protocol=line["protocol"], rule=rule, end=line["end"])
        assert found == len(same), line
    for direction in ("in", "out"):
        assert gate.admin.metric("bytes_total", direction=direction) == sum(x[f"bytes_{direction}"] for x in lines)
    for name, field in (("inspect", "inspect_ms"), ("handshake", "handshake_ms"), ("connect", "connect_ms")):
        times = [x[field] for x in lines if field in x]
        assert gate.admin.metric(f"{name}_seconds_count") == len(times)
        assert abs(gate.admin.metric(f"{name}_seconds_sum") - sum(times) / 1000) < 1e-5
        assert gate.admin.metric(f"{name}_seconds_bucket", le="0.01") == sum(t <= 10 for t in times)
    assert gate.admin.metric("tls_handshakes_total", version="TLSv1.3", resumed="false", result="done") == 3
    before = gate.admin.metric("sessions_total")
    gate.reload({**gate.template})
    gate.event("generation=2")
    client = gate.connect()
    client.echo(b"x")
    client.close()
    gate.admin.until("sessions_total", before + 1)
    assert gate.admin.metric("generation") == 2


def test_traffic_is_told_by_rule_and_protocol_while_sessions_live(start):
    inner = [{"name": "acme", "match": {"fix": {"SenderCompID": "ACME"}}, "pool": "app"}, {"name": "rest", "pool": "app"}]
    rules = [{"name": "outer", "tls": "terminate", "rules": inner}, {"name": "web", "match": {"protocol": "http"}, "redirect": "https"},
             {"name": "plain", "pool": "app"}]
    gate = start(rules, {"app": servers.EchoServer()}, admin=True)
    listed = gate.admin.get("/v1/status")["listeners"][0]["rules"]
    assert [(r["name"], r.get("nested", False), r.get("redirect")) for r in listed] == [
        ("outer", False, None), ("acme", True, None), ("rest", True, None), ("web", False, "https"), ("plain", False, None)]
    over, plain, waiting = tls.TlsPeer(gate.connect(), name="gateway.example.com"), gate.connect(), gate.connect().send(b"\x16")
    logon = fix.logon("ACME")
    over.echo(logon)
    plain.echo(b"x" * 1000)

    def rows():
        return {(r["rule"], r["protocol"]): (r["taken"], r["decided"], r["sessions"], r["bytes_in"], r["bytes_out"])
                for r in gate.admin.get("/v1/traffic")["traffic"]}
    counts = {("", ""): (3, 0, 1), ("outer", "tls"): (1, 1, 0), ("acme", "tls"): (1, 0, 1), ("plain", "unknown"): (1, 1, 1)}
    wait.until(lambda: {key: row[:3] for key, row in rows().items()} == counts, "each is where it belongs")
    wait.until(lambda: rows()["plain", "unknown"][3:] == (1000, 1000), "the plain one's bytes")
    wait.until(lambda: sum(row[3] for key, row in rows().items() if key[1] == "tls") == len(logon), "those inside TLS")
    wait.until(lambda: rows()["acme", "tls"][4] == len(logon), "and back")
    for client in (over, plain, waiting):
        client.close()
    wait.until(lambda: sum(row[2] for row in rows().values()) == 0, "all have ended")
    assert gate.admin.metric("bytes_total", direction="in") == sum(row[3] for row in rows().values())
    wait.until(lambda: sum(end["count"] for end in gate.admin.get("/v1/traffic")["ends"]) == 3, "their ends")
    assert {"listener", "rule", "protocol", "end", "count"} == set(gate.admin.get("/v1/traffic")["ends"][0])


def test_bytes_and_sessions_move_while_a_session_lives(plain):
    gate = plain()
    client = gate.connect()
    client.echo(b"x" * 1000)
    gate.admin.until("bytes_total", 1000, direction="in", listener="combined")
    gate.admin.until("bytes_total", 1000, direction="out")
    assert gate.admin.metric("sessions_active", listener="combined") == 1
    client.echo(b"y" * 500)
    gate.admin.until("bytes_total", 1500, direction="in")
    client.close()
    gate.admin.until("sessions_active", 0)
    gate.admin.until("bytes_total", 1500, direction="in")


def test_a_failed_handshake_is_counted(start):
    gate = start(None, {"app": servers.EchoServer()}, admin=True, timeouts={"handshake": "200ms"})
    client = tls.TlsPeer(gate.connect(), handshake=False)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.peer.send(client.outgoing.read())
    gate.session(client.peer, end="handshake_timeout")
    assert gate.admin.metric("tls_handshakes_total", version="none", result="timeout") == 1


def test_health_shows_as_a_metric(plain):
    port = net.free_port()
    gate = plain(pools={"app": {"servers": [f"127.0.0.1:{port}"], "health_check": {"interval": "50ms", "fall": 1, "rise": 1}}})
    gate.admin.until("server_up", 0, pool="app")
    shown = gate.admin.server("app", f"127.0.0.1:{port}")
    assert shown["up"] is False and "refused" in shown["last_error"]
    server = servers.EchoServer(port=port)
    gate.admin.until("server_up", 1, pool="app", server=server.address)


# --- who may what ---------------------------------------------------------------------------------


def test_tcp_is_read_only_without_a_token(plain):
    gate = plain()
    assert gate.admin_http.get("/v1/status")["token"] is False
    answer = gate.admin_http.ask("POST", "/v1/reload", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 403 and "token_file" in answer.json["error"]
    assert gate.admin_http.ask("DELETE", "/v1/sessions/0-0-0").status == 403
    assert gate.admin.get("/v1/status")["generation"] == 1


def test_tcp_changes_with_the_token_only(plain, token):
    gate = plain(token)
    for bad in (None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN):
        answer = gate.admin_http.ask("POST", "/v1/reload", headers={"Authorization": bad} if bad is not None else {})
        assert answer.status == 401 and answer.headers["WWW-Authenticate"] == "Bearer", bad
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert gate.admin_http.ask("POST", "/v1/reload", headers=good).status == 200
    assert gate.admin.ask("POST", "/v1/reload").status == 200, "the socket needs none"
    token.write_text("another-token-of-good-length\n")
    assert gate.admin_http.ask("POST", "/v1/reload", headers=good).status == 200, "the reload reads it"
    wait.until(lambda: gate.admin_http.ask("POST", "/v1/reload", headers=good).status == 401, "the old token is no longer good")
    for line in gate.events.items:
        assert TOKEN not in line


def fails_to_start(build, folder, admin) -> str:
    """What is said when the gateway does not start with this admin interface."""
    config = build(PLAIN, {"app": "127.0.0.1:9"}, tls=None, bind=f"127.0.0.1:{net.free_port()}", admin=admin)
    file = folder / "fails.json"
    file.write_text(json.dumps(config))
    done = run("-c", file)
    assert done.returncode == 1 and "muxgate.ready" not in done.stderr
    return done.stderr


def test_a_token_that_cannot_be_used_is_refused(build, tmp_path):
    for content, words in ((None, "cannot read"), ("", "no token"), ("short\n", "too short"), ("x" * 20 + " y\n", "header")):
        file = tmp_path / "bad"
        if content is not None:
            file.write_text(content)
        said = fails_to_start(build, tmp_path, {"socket": "a.sock", "token_file": str(file)})
        assert "admin.token_file: " in said and words in said


def test_a_token_for_everyone_to_read_is_warned_of(plain, token):
    token.chmod(0o644)
    gate = plain(token)
    gate.event("warning", "admin.token_file", "may read")


HOSTS = [
    ("127.0.0.1", 200), ("[::1]:9019", 200), ("localhost:1", 200), ("LOCALHOST", 200), ("gate.example.com", 200),
    ("Gate.Example.COM.:9019", 200), ("evil.example.com", 403), ("gate.example.com.evil.org", 403), ("localhost.evil.org", 403),
    ("127.0.0.1.evil.org", 403), ("", 403), ("[::1", 403), ("10.0.0.256", 403)]


def test_only_our_own_hosts_are_answered(plain):
    gate = plain(admin={"hosts": ["gate.example.com"]})
    for host, status in HOSTS:
        assert gate.admin_http.ask("GET", "/v1/status", headers={"Host": host}).status == status, host
    for path in ("/metrics", "/healthz", "/readyz"):
        assert gate.admin_http.ask("GET", path, headers={"Host": "evil.example.com"}).status == 200


def test_changes_from_a_page_of_another_origin_are_refused(plain, token):
    gate = plain(token)
    port = gate.ports["admin"]
    good = {"Authorization": f"Bearer {TOKEN}"}
    for origin, status in ((f"http://127.0.0.1:{port}", 200), ("http://evil.example.com", 403), ("null", 403),
                           (f"http://127.0.0.1:{port + 1}", 403), (f"http://127.0.0.1:{port}.evil.org", 403)):
        assert gate.admin_http.ask("POST", "/v1/reload", headers={**good, "Origin": origin}).status == status, origin
    assert gate.admin.ask("POST", "/v1/reload", headers={"Origin": "http://evil.example.com"}).status == 403


# --- the socket -----------------------------------------------------------------------------------


def test_the_socket_has_its_mode_and_goes_at_the_end(plain):
    gate = plain()
    path = gate.folder / "admin.sock"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    gate.stop()
    assert not path.exists()


def leave_dead_socket(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def test_a_dead_socket_is_replaced_and_nothing_else(plain, build, tmp_path):
    path = tmp_path / "a.sock"
    leave_dead_socket(path)
    gate = plain(admin={"socket": str(path)})
    assert Admin(path).get("/v1/status")["pid"] == gate.pid
    assert "in use" in fails_to_start(build, tmp_path, {"socket": str(path)})
    assert Admin(path).get("/v1/status")["pid"] == gate.pid
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    assert "precious is there, and is no socket" in fails_to_start(build, tmp_path, {"socket": str(precious)})
    assert precious.read_text() == "keep me"


def test_a_socket_that_is_no_longer_ours_is_left_alone(plain):
    gate = plain()
    path = gate.folder / "admin.sock"
    path.unlink()
    leave_dead_socket(path)
    gate.stop()
    assert path.exists()


# --- hostile clients ------------------------------------------------------------------------------


def raw(gate, where="http"):
    if where == "http":
        return net.connect((net.HOST, gate.ports["admin"]))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(gate.folder / "admin.sock"))
    return net.Peer(sock)


def test_many_slow_clients_take_nothing_from_sessions_or_from_the_socket(plain):
    gate = plain()
    client = gate.connect()
    client.echo(b"before")
    slow = []
    for i in range(60):
        try:
            peer = raw(gate)
            peer.send(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * i)
            slow.append(peer)
        except OSError:
            pass
    for _ in range(20):
        client.echo(b"still quick")
        gate.connect().echo(b"and new ones")
    assert gate.admin.get("/v1/status")["sessions"] >= 1, "the socket has connections of its own"
    assert gate.admin.metric("open_descriptors") < 200
    for peer in slow:
        peer.close()
    wait.until(lambda: _answers(gate), "HTTP answers again")


def _answers(gate):
    try:
        return gate.admin_http.ask("GET", "/healthz").status == 200
    except OSError:
        return False


def test_dripping_does_not_keep_a_connection_for_ever(plain):
    gate = plain()
    peer = raw(gate, "socket")
    peer.send(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX: ")
    begin = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - begin < settings.seconds(20):
            peer.send(b"y")
            time.sleep(0.2)  # what the test is about
    assert 4 < time.monotonic() - begin < settings.seconds(8)


MALFORMED = [
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"b" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    b"GET /v1/sessions/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"DELETE /v1/sessions/%2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /v1/pools//servers/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"G\0T / HTTP/1.1\r\n\r\n", b"\r\n" * 5000, b"GET / HTTP/9.9\r\n\r\n", b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
]


def test_malformed_requests_are_refused_or_dropped(plain):
    gate = plain()
    client = gate.connect()
    client.echo(b"before")
    for where, request_bytes in [(where, malformed) for where in ("http", "socket") for malformed in MALFORMED]:
        peer = raw(gate, where)
        try:
            peer.send(request_bytes)
            peer.sock.shutdown(socket.SHUT_WR)
            answer = peer.recv_some()
            assert answer == b"" or answer.split()[1] in (b"400", b"403", b"404", b"405", b"413", b"414", b"431", b"505"), answer[:200]
        except OSError:
            pass
        peer.close()
    client.echo(b"behind")
    assert gate.admin.get("/v1/status")["sessions"] == 1


def test_a_big_body_is_refused(plain):
    gate = plain()
    answer = gate.admin.ask("POST", "/v1/reload", body="x" * 100_000)
    assert answer.status == 413
    assert gate.admin.get("/v1/status")["generation"] == 1


def test_a_client_that_leaves_while_it_waits_hurts_nobody(plain):
    gate = plain()
    client = gate.connect()
    client.echo(b"x")
    for _ in range(30):
        peer = raw(gate)
        peer.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        peer.reset()
    assert len(gate.admin.sessions()) == 1


def test_requests_that_wait_do_not_hold_up_the_end(plain):
    gate = plain()
    peers = [raw(gate, where) for where in ("http", "socket") for _ in range(5)]
    for peer in peers:
        peer.send(b"GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metrics HTTP/1.1\r\nHost: loc")
    gate.signal(signal.SIGTERM)
    assert gate.wait_exit() == 0
