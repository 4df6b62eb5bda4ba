"""The ledger: who comes in plain, who has moved to TLS, over restarts, crashes and upgrades."""

import json
import os
import resource
import signal
import ssl
import stat

import pytest

from harness import certs, fix, net, proxy, servers, settings, tls, wait
from harness.ctl import Ctl
from harness.gate import Gate, StartError, run
from test_lifecycle import open_folder  # noqa: F401
from test_upgrade import finish, upgrade

RULES = [{"match": {"sni": "passed.example.com"}, "tls": "passthrough", "pool": "tls"}, {"tls": "terminate", "pool": "app"},
         {"match": {"prefix": "no"}, "reject": True}, {"match": {"protocol": ["fix", "http"]}, "pool": "app"}]


@pytest.fixture
def keep(build, launch, pair):
    """keep(ledger keys…) → a gate with a ledger, and an echo server behind it."""
    def make(rules=None, listener=None, **more):
        how = {key: more.pop(key) for key in ("wrapper", "check_books") if key in more}
        pools = {"app": servers.EchoServer(), "tls": servers.TlsEchoServer(pair)}
        ledger = {"file": "ledger", "interval": "1h", **more}
        return launch(build(rules or RULES, pools, top={"ledger": ledger}, admin=True, **(listener or {})), **how)
    return make


def visit(gate, what=fix.logon("ACME"), over=None, name=None, context=None, source=None) -> dict:
    """A session that has ended: its line in the access log."""
    peer = gate.connect(source=source)
    end = tls.TlsPeer(peer, context, name=name) if over else peer
    end.echo(what)
    end.close()
    return gate.session(peer)


def rows(gate, path="/v1/ledger") -> list:
    return gate.admin.get(path)


def in_file(gate) -> list:
    """The rows of the file, which must be whole."""
    first, *lines, last = [json.loads(line) for line in (gate.folder / "ledger").read_text().splitlines()]
    assert first == {"muxgate_ledger": 1} and last == {"end": True}
    return lines


def test_who_moves_to_tls_is_one_row(keep):
    gate = keep()
    first = visit(gate)
    (row,) = rows(gate)
    assert row == {"source": "127.0.0.1", "fix_sender": "ACME", "comes": "plain", "first_plain": first["time"],
                   "last_plain": first["time"], "plain_sessions": 1}
    second, third = visit(gate), visit(gate, over=True, name="gate.example.com")
    (row,) = rows(gate)
    assert row == {"source": "127.0.0.1", "sni": "gate.example.com", "fix_sender": "ACME", "comes": "tls",
                   "first_plain": first["time"], "last_plain": second["time"], "plain_sessions": 2,
                   "first_tls": third["time"], "last_tls": third["time"], "tls_sessions": 1, "tls_version": third["tls_version"]}
    visit(gate)
    assert rows(gate)[0]["comes"] == "plain"
    visit(gate, over=True, name="gate.example.com")
    assert rows(gate)[0]["comes"] == "mixed", "both, within a week"
    assert [row["comes"] for row in rows(gate, "/v1/ledger?comes=plain")] == ["mixed"]


def test_sources_comp_ids_and_names_have_rows_of_their_own(keep, authority):
    gate = keep()
    for sender, source in (("A", "127.0.0.1"), ("B", "127.0.0.1"), ("A", "127.0.0.2"), ("A", "127.0.0.2")):
        visit(gate, fix.logon(sender), source=source)
    visit(gate, b"GET / HTTP/1.1\r\n\r\n")
    for name in ("a.example.com", "b.example.com"):
        visit(gate, b"x", over=True, name=name)
        rows(gate)  # workers' notes are entered in the order of the workers: here one after another
    found = {(row["source"], row.get("fix_sender"), row.get("sni")): row for row in rows(gate)}
    assert set(found) == {("127.0.0.1", "A", None), ("127.0.0.1", "B", None), ("127.0.0.2", "A", None),
                          ("127.0.0.1", None, "a.example.com"), ("127.0.0.1", None, "b.example.com")}
    assert found["127.0.0.2", "A", None]["plain_sessions"] == 2
    assert found["127.0.0.1", None, "a.example.com"]["plain_sessions"] == 1, "HTTP had no name, and came from there"


def test_version_and_name_of_the_client(keep, authority, pair):
    desk = authority.issue("desk-1")
    gate = keep(listener={"tls": {"certificates": [pair], "client_auth": {"mode": "request", "ca": str(authority.cert)}}})
    context = tls.client_context(version=ssl.TLSVersion.TLSv1_2)
    context.load_cert_chain(desk.cert, desk.key)
    visit(gate, over=True, name="gate.example.com", context=context)
    visit(gate, over=True, name="passed.example.com")
    found = {row["sni"]: row for row in rows(gate)}
    assert found["gate.example.com"]["client_cn"] == "desk-1" and found["gate.example.com"]["tls_version"] == "TLSv1.2"
    assert "tls_version" not in found["passed.example.com"], "that is between the client and the server"


def test_clients_behind_a_proxy_have_their_own_addresses(keep):
    gate = keep(listener={"accept_proxy": ["127.0.0.0/8"]})
    for source, target in (("203.0.113.7", "192.0.2.1"), ("2001:db8:1:2::3", "2001:db8::1"), ("2001:db8:1:2:9::4", "2001:db8::1")):
        peer = gate.connect()
        peer.send(proxy.v2(source, 4711, target, 443)).echo(fix.logon("ACME"))
        peer.close()
        gate.session(fix_sender="ACME", check=lambda line, source=source: source in line["client"])
    assert sorted(row["source"] for row in rows(gate)) == ["2001:db8:1:2::/64", "203.0.113.7"]


def test_who_was_not_routed_is_not_in_it(keep):
    gate = keep()
    for what in (b"no thanks", b"\x00\x01\x02\x03"):
        peer = gate.connect().send(what)
        peer.expect_closed()
        gate.session(peer)
    peer = gate.connect()
    peer.close()
    gate.session(peer)
    peer = gate.connect().send(tls.hello("gate.example.com")[:40])
    peer.close()
    gate.session(peer)
    assert rows(gate) == []


def test_a_session_that_lasts_is_in_it_before_its_end(keep):
    gate = keep()
    plain, over = gate.connect(), tls.TlsPeer(gate.connect(), name="gate.example.com")
    plain.echo(fix.logon("ACME"))
    over.echo(fix.logon("OTHER"))
    wait.until(lambda: len(rows(gate)) == 2, "both are entered", 10)
    for end in (plain, over):
        end.close()
    gate.session(plain)
    gate.session(over)
    assert [row.get("plain_sessions", 0) + row.get("tls_sessions", 0) for row in rows(gate)] == [1, 1], "once each"
    assert {row["fix_sender"] for row in rows(gate)} == {"ACME", "OTHER"}


def test_nobody_keeps_a_ledger_that_was_not_asked_for(start):
    gate = start(pools={"app": servers.EchoServer()}, admin=True)
    answer = gate.admin.ask("GET", "/v1/ledger")
    assert answer.status == 404 and "ledger" in answer.json["error"]
    done = Ctl(gate.folder / "admin.sock")("ledger")
    assert done.returncode == 1 and "no ledger is kept" in done.stderr


def test_bad_arguments(keep):
    gate = keep()
    assert gate.admin.ask("GET", "/v1/ledger?comes=tls").status == 400
    assert gate.admin.ask("POST", "/v1/ledger").status == 405


# --- muxgatectl -----------------------------------------------------------------------------------


def test_muxgatectl_shows_who_is_to_be_called_first(keep):
    gate = keep()
    ctl = Ctl(gate.folder / "admin.sock")
    visit(gate, fix.logon("MOVED"))
    visit(gate, fix.logon("MOVED"), over=True, name="gate.example.com")
    visit(gate, fix.logon("LATE\x1b[31m"), source="127.0.0.9")
    first, second, *_ = ctl.table("ledger")
    assert (first["COMES"], first["SOURCE"], first["COMPID"], first["PLAIN"], first["LAST-TLS"]) == \
        ("plain", "127.0.0.9", "LATE\\x1b[31m", "1", "-")
    assert (second["COMES"], second["COMPID"], second["SNI"], second["TLS"]) == ("tls", "MOVED", "gate.example.com", "1")
    assert second["LAST-PLAIN"] == rows(gate)[1]["last_plain"][:16] + "Z"
    assert ctl.good("ledger").splitlines()[-1] == "1 in plain, 0 mixed, 1 in TLS"
    assert ctl.good("ledger", "--plain").splitlines()[-1] == "1 in plain, 0 mixed, 0 in TLS"
    assert json.loads(ctl.good("--json", "ledger")) == rows(gate)
    assert [row["source"] for row in json.loads(ctl.good("ledger", "--plain", "--json"))] == ["127.0.0.9"]


# --- the file -------------------------------------------------------------------------------------


def again(gate, launch) -> Gate:
    """Another process with the same configuration, ledger included."""
    template = json.loads(json.dumps(gate.template))
    template["ledger"]["file"] = str(gate.folder / gate.template["ledger"]["file"])
    return launch(template)


def test_it_is_kept_over_a_restart(keep, launch):
    gate = keep()
    assert rows(gate) == []
    visit(gate)
    path = gate.folder / "ledger"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640 and in_file(gate) == [], "there from the start on"
    before = rows(gate)
    gate.stop()
    assert in_file(gate) == before
    heir = again(gate, launch)
    assert rows(heir) == before
    line = visit(heir)
    (row,) = rows(heir)
    assert row["first_plain"] == before[0]["first_plain"] and row["last_plain"] == line["time"] and row["plain_sessions"] == 2


def test_what_was_written_outlives_a_crash(keep, launch):
    gate = keep(interval="100ms")
    visit(gate)
    assert len(rows(gate)) == 1
    wait.until(lambda: in_file(gate), "it is written", 10)
    gate.process.kill()
    gate.wait_exit()
    (gate.folder / "ledger.new").write_text("half of")  # what a crash may leave behind
    heir = again(gate, launch)
    assert len(rows(heir)) == 1
    visit(heir, fix.logon("OTHER"))
    wait.until(lambda: len(in_file(gate)) == 2, "it goes on", 10)
    assert sorted(path.name for path in gate.folder.glob("ledger*")) == ["ledger"]


def test_a_damaged_file_is_set_aside(keep, launch):
    gate = keep()
    visit(gate)
    gate.stop()
    path = gate.folder / "ledger"
    whole = path.read_text()
    path.write_text(whole[:-5])
    heir = again(gate, launch)
    assert len(rows(heir)) == 1
    heir.event("ledger.damaged", f"file={path}", 'reason="line 3:', f"kept={path}.damaged")
    assert (gate.folder / "ledger.damaged").read_text() == whole[:-5] and len(in_file(gate)) == 1
    heir.stop()
    path.write_text('{"muxgate_ledger": 2}\n')
    other = again(gate, launch)
    other.event("ledger.damaged", f"kept={path}.damaged.1")
    assert rows(other) == []
    assert (gate.folder / "ledger.damaged").read_text() == whole[:-5], "the one before is not overwritten"
    assert (gate.folder / "ledger.damaged.1").read_text() == '{"muxgate_ledger": 2}\n'


def test_where_no_more_can_be_set_aside_the_damaged_file_stays(keep, launch):
    gate = keep()
    gate.stop()
    path = gate.folder / "ledger"
    earlier = [gate.folder / f"ledger.damaged{more}" for more in ("", *(f".{number}" for number in range(1, 10)))]
    for number, one in enumerate(earlier):
        one.write_text(str(number))
    path.write_text('{"muxgate_led')
    heir = again(gate, launch)
    heir.event("ledger.failed", "ledger.damaged.9 are there already", "kept=memory")
    visit(heir)
    assert len(rows(heir)) == 1
    heir.stop()
    assert path.read_text() == '{"muxgate_led' and [one.read_text() for one in earlier] == [str(n) for n in range(10)]


def written(tmp_path, **top):
    """A configuration file that is good but for its ledger, for -t and failing starts."""
    path = tmp_path / "gate.json"
    listener = {"bind": "127.0.0.1:0", "rules": [{"pool": "app"}]}
    path.write_text(json.dumps({"listeners": {"a": listener}, "pools": {"app": {"servers": ["127.0.0.1:9"]}}, **top}))
    return path


KEY = "-----BEGIN PRIVATE KEY-----\n"


@pytest.mark.parametrize("args", [["-t"], []], ids=["-t", "start"])
@pytest.mark.parametrize("name", ["copy.key", "gate.json", "access.log", "binary"])
def test_another_file_is_refused_and_left_alone(tmp_path, name, args):
    path = tmp_path / name
    for other, content in (("copy.key", KEY), ("access.log", '{"time": "2026-11-20T07:00:00.000Z"}\n'), ("binary", "\0" * 500)):
        (tmp_path / other).write_text(content)
    config = written(tmp_path, ledger={"file": name})
    before = path.read_bytes()
    done = run("-c", config, *args)
    (line,) = [line for line in done.stderr.splitlines() if "ledger" in line]
    assert done.returncode == 1 and f"ledger.file: {path} is no ledger (it is left alone" in line
    assert path.read_bytes() == before and not list(tmp_path.glob("*.damaged*"))


def test_a_reload_refuses_another_file_and_so_does_a_dry_run(keep):
    gate = keep()
    visit(gate)
    (gate.folder / "copy.key").write_text(KEY)
    template = json.loads(json.dumps(gate.template))
    template["ledger"]["file"] = "copy.key"
    gate.write(template)
    for path in ("/v1/reload?dry_run=true", "/v1/reload"):
        answer = gate.admin.ask("POST", path)
        assert answer.status == 422
        (error,) = answer.json["errors"]
        assert f"ledger.file: {gate.folder}/copy.key is no ledger (" in error
    assert (gate.folder / "copy.key").read_text() == KEY and len(rows(gate)) == 1


@pytest.mark.parametrize("args", [["-t"], []], ids=["-t", "start"])
def test_the_access_log_is_not_the_ledger_too(tmp_path, args):
    done = run("-c", written(tmp_path, ledger={"file": str(tmp_path / "log")}, log={"access": "./log"}), *args)
    assert done.returncode == 1 and "ledger.file: the same file as log.access" in done.stderr
    assert not (tmp_path / "log").exists()
    done = run("-c", written(tmp_path, ledger={"file": "off"}, log={"access": "off"}), "-t")
    assert done.returncode == 0, "a word is no file"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/null", path)], ids=["folder", "fifo", "device"])
def test_a_check_tells_what_is_no_file(tmp_path, make):
    make(tmp_path / "taken")
    done = run("-c", written(tmp_path, ledger={"file": "taken"}), "-t")
    assert done.returncode == 1 and f"ledger.file: {tmp_path}/taken is not a file" in done.stderr


@pytest.mark.parametrize("place, said", [("nowhere/ledger", "No such file"), ("taken", "is not a file")])
def test_a_place_that_cannot_be_is_told_at_start(build, launch, tmp_path, place, said):
    (tmp_path / "taken").mkdir()
    config = build(pools={"app": servers.EchoServer()}, tls=None, rules=[{"pool": "app"}],
                   top={"ledger": {"file": str(tmp_path / place)}})
    with pytest.raises(StartError) as caught:
        launch(config)
    assert caught.value.status == 1
    (line,) = [line for line in caught.value.stderr.splitlines() if "ledger.file" in line]
    assert said in line and str(tmp_path) in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_folder_must_be_writable_for_the_user_who_is_left(build, open_folder):  # noqa: F811
    config = build(pools={"app": servers.EchoServer()}, tls=None, rules=[{"pool": "app"}],
                   top={"user": "nobody", "ledger": {"file": "ledger"}})
    with pytest.raises(StartError) as caught:
        Gate(open_folder, config)
    assert f"ledger.file: cannot write in the folder {open_folder}: Permission denied" in caught.value.stderr


def test_a_full_disk_stops_nobody(keep):
    gate = keep(interval="100ms", wrapper=["sh", "-c", 'trap "" XFSZ; ulimit -S -f 0; exec "$@"', "sh"])
    gate.event("ledger.failed", "kept=memory")
    visit(gate)
    assert len(rows(gate)) == 1
    wait.until(lambda: gate.admin.metric("ledger_failures_total") > 3, "it is tried again", 10)
    assert len(gate.events_with("ledger.failed")) == 1
    resource.prlimit(gate.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    gate.event("ledger.written", seconds=10)
    assert in_file(gate) == rows(gate)
    assert gate.admin.metric("ledger_entries") == 1


# --- reload and upgrade ---------------------------------------------------------------------------


def test_a_reload_switches_it_on_off_and_over(keep, build):
    gate = keep()
    visit(gate)
    ctl = Ctl(gate.folder / "admin.sock")

    def change(ledger):
        template = json.loads(json.dumps(gate.template))
        template.pop("ledger")
        gate.write({**template, **({"ledger": ledger} if ledger else {})})
        return ctl("reload")

    refused = change({"file": "nowhere/ledger"})
    assert refused.returncode == 1 and len(rows(gate)) == 1
    assert change(None).returncode == 0
    assert gate.admin.ask("GET", "/v1/ledger").status == 404 and len(in_file(gate)) == 1, "written before it ends"
    visit(gate, fix.logon("UNSEEN"))
    assert change({"file": "other"}).returncode == 0
    assert rows(gate) == []
    visit(gate, fix.logon("OTHER"))
    assert change({"file": "ledger", "max_entries": 100}).returncode == 0
    assert [row["fix_sender"] for row in rows(gate)] == ["ACME"]
    assert '"OTHER"' in (gate.folder / "other").read_text()


@pytest.mark.tsan
def test_an_heir_and_its_predecessor_keep_one_ledger(keep):
    gate = keep()
    old = gate.connect()
    old.echo(fix.logon("OLD"))
    visit(gate)
    heir = upgrade(gate)
    visit(gate, fix.logon("NEW"))
    assert "NEW" in [row["fix_sender"] for row in rows(gate)], "the heir's"
    old.close()
    gate.ended(old, "client_closed")
    assert gate.wait_exit() == 0
    assert sorted(row["fix_sender"] for row in rows(gate)) == ["ACME", "NEW", "OLD"]
    visit(gate, fix.logon("NEW"))
    finish(gate, heir)
    found = {row["fix_sender"]: row["plain_sessions"] for row in in_file(gate)}
    assert found == {"ACME": 1, "NEW": 2, "OLD": 1}


@pytest.mark.tsan
def test_a_full_ledger_counts_who_had_to_go(keep):
    gate = keep(max_entries=16)
    for number in range(20):
        visit(gate, fix.logon(f"N{number}"), source=f"127.0.1.{number + 1}")
    assert len(rows(gate)) == 16 and gate.admin.metric("ledger_evicted_total") == 4
    assert {row["fix_sender"] for row in rows(gate)} == {f"N{number}" for number in range(4, 20)}
