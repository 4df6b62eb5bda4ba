"""A reload on trial: the configuration before comes back unless somebody confirms."""

import copy
import os
import shutil
import signal
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from harness import certs, net, servers, settings, tls, wait
from harness.admin import Admin
from harness.ctl import Ctl, run
from harness.gate import Gate

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]

# Long enough for what is looked at while a configuration waits; the test then waits for its end.
TRIAL = f"{int(3 + settings.seconds(1))}s"
BACK_WITHIN = settings.seconds(2) + 10


def named(server, **more) -> dict:
    return {"address": server.address, "name": server.name, **more}


def reverted(gate):
    return gate.event("reload.reverted", seconds=BACK_WITHIN)


def refused(gate, listener) -> bool:
    try:
        gate.connect(listener).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture
def trial(launch, build):
    """A gate before server a, and the configuration in which b takes its place."""
    a, b = servers.NameServer("a"), servers.NameServer("b")

    class Trial:
        def __init__(self):
            self.before = build(PLAIN, {"app": {"servers": [named(a)]}}, tls=None, admin=True)
            self.after = build(PLAIN, {"app": {"servers": [named(b)]}}, tls=None, admin=True)

        def launch(self):
            self.gate = launch(self.before)
            self.ctl = Ctl(self.gate.folder / "admin.sock")
            return self.gate, self.ctl

        def begin(self, time="1h"):
            self.launch()
            self.gate.write(self.after)
            said = self.ctl.good("reload", "--confirm", time)
            return self.gate, self.ctl, said
    return Trial()


# --- confirmed ------------------------------------------------------------------------------------


def test_what_is_confirmed_stays(trial):
    gate, ctl, said = trial.begin()
    lines = said.splitlines()
    assert lines[0] == "reloaded; changes: 1 server added, 1 server removed"
    assert lines[1].startswith("generation 1 comes back at 20") and lines[1].endswith("unless you confirm: muxgatectl confirm")
    status = gate.admin.get("/v1/status")
    assert status["generation"] == 2 and status["confirm"]["otherwise"] == 1 and 3590 <= status["confirm"]["left_s"] <= 3600
    assert f"waits to be confirmed until {status['confirm']['until']}" in ctl.good("status")
    assert f"until={status['confirm']['until']}" in gate.event("reload.trial", "generation=2", "otherwise=1")
    assert servers.who(gate) == "b"
    assert ctl.good("confirm") == "generation 2 stays\n"
    gate.event("reload.confirmed", "generation=2")
    assert "confirm" not in gate.admin.get("/v1/status") and "waits" not in ctl.good("status")
    assert servers.who(gate) == "b" and gate.admin.metric("reloads_total", result="reverted") == 0
    assert ctl.good("reload") == "reloaded; changes: none\n", "another one may follow"


def test_nothing_to_confirm_is_a_conflict(trial):
    gate, ctl = trial.launch()
    done = ctl("confirm")
    assert done.returncode == 1 and "nothing waits" in done.stderr and done.stdout == ""
    assert gate.admin.ask("POST", "/v1/confirm").status == 409
    gate.write_text("{")
    assert ctl("reload", "--confirm", "1h").returncode == 1
    assert ctl("confirm").returncode == 1, "nor does what was refused wait"
    assert "confirm" not in gate.admin.get("/v1/status")


def test_a_reload_that_was_not_tried_has_not_failed(trial):
    gate, ctl, _ = trial.begin()
    assert gate.admin.ask("POST", "/v1/reload").status == 409
    assert ctl("reload").returncode == 1
    assert gate.admin.metric("reloads_total", result="failed") == 0
    ctl.good("confirm")
    gate.write_text("{")
    assert ctl("reload").returncode == 1 and gate.admin.metric("reloads_total", result="failed") == 1


def test_the_documents_for_scripts(trial):
    gate, ctl, _ = trial.begin()
    assert '"confirm": {"until": "' in ctl.good("--json", "status")
    assert ctl.good("--json", "confirm") == '{"generation": 2}\n'
    answer = gate.admin.ask("POST", "/v1/reload?confirm=1d").json
    assert answer["generation"] == 3 and answer["confirm"]["otherwise"] == 2 and answer["changes"] == []
    assert gate.admin.ask("POST", "/v1/confirm").json == {"generation": 3}


@pytest.mark.parametrize("time", ["0s", "999ms", "25h", "60", "s", "-1s", "1s1s", ""])
def test_a_time_out_of_bounds_is_refused(trial, time):
    gate, ctl = trial.launch()
    answer = gate.admin.ask("POST", f"/v1/reload?confirm={time}")
    assert answer.status == 400 and "1s to 1d" in answer.json["error"]
    done = ctl("reload", "--confirm", time)
    assert done.returncode == 2 and "--confirm" in done.stderr
    assert gate.admin.get("/v1/status")["generation"] == 1


@pytest.mark.parametrize("path,body", [("/v1/reload", {"confirm": "5s"}), ("/v1/reload", "x"), ("/v1/reload?limit=5", None),
                                       ("/v1/reload?dry_run=true", {}), ("/v1/reload?dry-run=true", None)])
def test_a_slip_in_asking_reloads_nothing(trial, path, body):
    gate, _ = trial.launch()
    answer = gate.admin.ask("POST", path, body)
    assert answer.status == 400 and answer.json["error"], answer.text
    assert gate.admin.get("/v1/status")["generation"] == 1


def test_who_the_process_is_needs_a_restart_to_change(trial):
    gate, ctl = trial.launch()
    gate.write(gate.template | {"user": "nobody", "group": "nogroup"})
    ctl.good("reload")
    gate.event("reload.partly", "key=user")
    gate.event("reload.partly", "key=group")


def test_options_that_do_not_go_together_are_usage_errors():
    for words in (("reload", "--confirm"), ("status", "--confirm", "60s"), ("confirm", "60s"), ("reload", "--confirm", "soon")):
        assert run(*words).returncode == 2


def test_confirming_over_tcp_needs_the_token(launch, build, tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef0123\n")
    (tmp_path / "token").chmod(0o600)
    config = build(PLAIN, {"app": servers.EchoServer()}, tls=None,
                   admin={"socket": "admin.sock", "http": "127.0.0.1:@admin", "token_file": str(tmp_path / "token")})
    gate = launch(config)
    for path in ("/v1/confirm", "/v1/reload?confirm=1h"):
        assert gate.admin_http.ask("POST", path).status == 401
        assert gate.admin_http.ask("GET", path).status == 405
    with_token = {"Authorization": "Bearer 0123456789abcdef0123"}
    assert gate.admin_http.ask("POST", "/v1/reload?confirm=1h", headers=with_token).status == 200
    assert gate.admin_http.ask("POST", "/v1/confirm", headers=with_token).status == 200
    del config["admin"]["token_file"]
    gate.write(config)
    assert gate.admin.ask("POST", "/v1/reload").status == 200
    wait.until(lambda: gate.admin_http.ask("POST", "/v1/confirm", headers=with_token).status == 403, "read-only again")


# --- reverted -------------------------------------------------------------------------------------


def test_what_is_not_confirmed_goes_back_and_no_session_is_lost(launch, build, authority, tmp_path):
    """Listeners, rules, servers, certificates: all of it is as it was, while sessions of both live on."""
    a, b = servers.NameServer("a"), servers.NameServer("b")
    old, other, later = (authority.issue("site.example.com") for _ in range(3))
    live, lives = certs.copy(old, tmp_path / "live"), certs.copy(other, tmp_path / "other")
    rules = [{"tls": "terminate", "pool": "app"}, {"pool": "app"}]
    before = build(rules, {"app": {"servers": [named(a)]}}, tls={"certificates": [live]}, admin=True)
    before["listeners"]["second"] = {"rules": PLAIN}
    after = build(rules, {"app": {"servers": [named(b)]}}, tls={"certificates": [lives]}, admin=True)
    after["listeners"]["third"] = {"rules": PLAIN}
    gate = launch(before)
    ends = []

    def open_session(listener=None, name=None, server="a"):
        end = gate.connect(listener)
        end = tls.TlsPeer(end, name=name) if name else end
        assert end.send(b"who").recv_until(b"\n").decode().strip() == server
        ends.append((end, server))
        return end
    for how in ({}, {"listener": "second"}, {"name": "site.example.com"}):
        open_session(**how)
    gate.write(after)
    assert gate.admin.ask("POST", f"/v1/reload?confirm={TRIAL}").status == 200
    for how in ({}, {"listener": "third"}):
        open_session(**how, server="b")
    assert open_session(name="site.example.com", server="b").certificate() == other.der()
    certs.replace(live.cert, later.cert)
    certs.replace(live.key, later.key)
    assert "generation=1" in reverted(gate)
    assert gate.admin.get("/v1/status")["generation"] == 1 and "confirm" not in gate.admin.get("/v1/status")
    open_session()
    open_session("second")
    session = open_session(name="site.example.com")
    assert session.certificate() == old.der(), "the certificate as it was loaded, not as its file is now"
    wait.until(lambda: refused(gate, "third"), "the new listener is gone")
    for end, server in ends:
        assert end.send(b"who").recv_until(b"\n").decode().strip() == server
    gate.event("cert.keep", str(live.cert))
    gate.event("reload.unconfirmed", "generation=2")
    assert gate.admin.metric("reloads_total", result="reverted") == 1
    assert gate.admin.metric("generation") == 1 and not gate.sessions()
    assert Ctl(gate.folder / "admin.sock")("confirm").returncode == 1, "too late"
    # What runs is again what it was: its files are watched, and a reload takes the next number.
    newest = authority.issue("site.example.com")
    certs.replace(live.cert, newest.cert)
    certs.replace(live.key, newest.key)
    wait.until(lambda: tls.TlsPeer(gate.connect(), name="site.example.com").certificate() == newest.der(), "it is watched")
    gate.write(after)
    assert gate.admin.ask("POST", "/v1/reload").json["generation"] == 3
    assert servers.who(gate) == "b"
    gate.rebase()


def test_a_file_that_was_passed_over_is_not_taken_with_another(launch, build, authority, tmp_path):
    one, two, late, third = (authority.issue(f"{name}.example.com") for name in ("one", "two", "one", "two"))
    live, beside = certs.copy(one, tmp_path / "live"), certs.copy(two, tmp_path / "beside")
    before = build([{"tls": "terminate", "pool": "app"}], {"app": servers.EchoServer()},
                   tls={"certificates": [live, beside]}, admin=True)
    after = copy.deepcopy(before)
    after["listeners"]["combined"]["tls"]["certificates"].pop(0)
    gate = launch(before)
    gate.write(after)
    assert gate.admin.ask("POST", "/v1/reload?confirm=1s").status == 200
    certs.replace(live.cert, late.cert)
    certs.replace(live.key, late.key)
    reverted(gate)

    def served(name):
        return tls.TlsPeer(gate.connect(), name=name).certificate()
    certs.replace(beside.cert, third.cert)
    certs.replace(beside.key, third.key)
    wait.until(lambda: served("two.example.com") == third.der(), "the other one is renewed")
    assert served("one.example.com") in (one.der(), late.der())
    if gate.events_with("cert.keep"):  # else the files were there before the way back, and are as they were
        assert served("one.example.com") == one.der()
    gate.write(before)
    assert gate.admin.ask("POST", "/v1/reload").status == 200
    assert served("one.example.com") == late.der(), "a reload reads the files"


def test_states_set_by_hand_outlast_the_way_back(launch, build):
    """Of a server that both have, of one that was gone meanwhile, and of a pool that was."""
    a, b, c = (servers.NameServer(name) for name in "abc")
    rules = [{"match": {"prefix": "other"}, "pool": "other"}, {"pool": "app"}]
    before = build(rules, {"app": {"servers": [named(a), named(b), named(c)]}, "other": {"servers": [named(a), named(b)]}},
                   tls=None, admin=True)
    after = build(PLAIN, {"app": {"servers": [named(a), named(c)]}}, tls=None, admin=True)
    gate = launch(before)
    ctl = Ctl(gate.folder / "admin.sock")
    ctl.good("maint", "app/b")
    ctl.good("weight", "app/b", "7")
    ctl.good("drain", "other/a")
    gate.write(after)
    ctl.good("reload", "--confirm", TRIAL)
    ctl.good("drain", "app/a")
    assert {row["SERVER"]: row["STATE"] for row in ctl.table("pools")} == {"app/a": "drain", "app/c": "ready"}
    reverted(gate)
    rows = {row["SERVER"]: (row["STATE"], row["WEIGHT"]) for row in ctl.table("pools")}
    assert rows == {"app/a": ("drain", "1"), "app/b": ("maint", "7"), "app/c": ("ready", "1"),
                    "other/a": ("drain", "1"), "other/b": ("ready", "1")}
    assert [servers.who(gate) for _ in range(3)] == ["c", "c", "c"]
    ctl.good("ready", "app/a")
    assert sorted(servers.who(gate) for _ in range(4)) == ["a", "a", "c", "c"]


def test_sessions_stay_counted_over_the_way_back(launch, build):
    """A server that was gone meanwhile comes back with the sessions it has, and its limit."""
    a, b = servers.NameServer("a"), servers.NameServer("b")
    before = build(PLAIN, {"app": {"servers": [named(a, max_sessions=1), named(b, backup=True)], "drain_timeout": "1s"}},
                   tls=None, admin=True)
    after = build(PLAIN, {"app": {"servers": [named(b)]}}, tls=None, admin=True)
    gate = launch(before)
    held = gate.connect()
    assert held.send(b"who").recv_until(b"\n") == b"a\n"
    gate.write(after)
    assert gate.admin.ask("POST", "/v1/reload?confirm=1s").status == 200
    reverted(gate)
    assert gate.admin.server("app", "a")["sessions"] == 1
    assert servers.who(gate) == "b", "the only place on a is taken"
    assert held.send(b"who").recv_until(b"\n") == b"a\n", "it does not leave any more"
    held.close()
    wait.until(lambda: gate.admin.server("app", "a")["sessions"] == 0, "the place is free")
    assert servers.who(gate) == "a"


def test_the_way_back_is_tried_until_it_is_free(launch, build, tmp_path):
    path = tmp_path / "second.sock"
    before = build(PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True)
    before["listeners"]["second"] = {"rules": PLAIN, "bind": f"unix:{path}"}
    after = copy.deepcopy(before)
    del after["listeners"]["second"]
    gate = launch(before)
    gate.write(after)
    held = gate.connect()
    held.echo(b"x")
    assert gate.admin.ask("POST", f"/v1/reload?confirm={TRIAL}").status == 200
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        gate.event("reload.stuck", "generation=2", "wanted=1", "in use", seconds=BACK_WITHIN)
        assert gate.admin.get("/v1/status")["confirm"]["left_s"] == 0
        gate.connect().echo(b"the new one serves meanwhile")
        path.unlink()
    reverted(gate)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    held.echo(b"x")
    gate.rebase()


@pytest.fixture
def shared_folder():
    """One that other users may enter, and only root may write to."""
    folder = Path(tempfile.mkdtemp(prefix="muxgate-e2e-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def only_root(what, folder):
    """A listener, or a part of `admin`, that only root can make; with what has to be said of it."""
    low = next(port for port in range(700, 1024) if net.is_free(net.HOST, port))
    listener = {"port": f"127.0.0.1:{low}", "path": f"unix:{folder}/low.sock", "sticky path": f"unix:{folder}/sticky/low.sock"}
    admin = {"admin.http": {"http": f"127.0.0.1:{low}"}, "admin.socket": {"socket": f"{folder}/low.sock"}}
    if what == "sticky path":
        (folder / "sticky").mkdir()
        (folder / "sticky").chmod(0o1777)
    place = listener.get(what) or {"admin.socket": "unix:"}.get(what, "") + next(iter(admin[what].values()))
    refusal = "Operation not permitted" if what == "sticky path" else "Permission denied"
    return {"low": {"rules": PLAIN, "bind": listener[what]}} if what in listener else {}, admin.get(what, {}), (place, refusal)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("what", ["port", "path", "sticky path", "admin.http", "admin.socket"])
def test_what_could_not_be_opened_again_is_not_given_up_on_trial(build, shared_folder, what):
    """The way back would be stuck: what was opened as root cannot be had by whom the process has become."""
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) < 1024 and what in ("port", "admin.http"):
        pytest.skip("everybody may open every port here")
    (shared_folder / "own").mkdir()
    shutil.chown(shared_folder / "own", "nobody")
    listeners, admin, (place, refusal) = only_root(what, shared_folder)
    local = shared_folder / "own" / "admin.sock"
    always = {"http": "127.0.0.1:@admin", "token_file": str(shared_folder / "token")}
    (shared_folder / "token").write_text("0123456789abcdef0123\n")
    (shared_folder / "token").chmod(0o600)
    shutil.chown(shared_folder / "token", "nobody")
    after = build(PLAIN, {"app": servers.EchoServer()}, tls=None, top={"user": "nobody"}, admin=always)
    if what == "admin.http":
        after["admin"] = {"socket": str(local)}
    before = {**after, "listeners": {**after["listeners"], **listeners}, "admin": {**after["admin"], **admin}}
    gate = Gate(shared_folder, before)
    asked = Admin(local) if what == "admin.http" else gate.admin_http
    token = {"Authorization": "Bearer 0123456789abcdef0123"}

    def reload(how=""):
        return asked.ask("POST", f"/v1/reload{how}", headers=token)
    if what == "admin.http":
        after["admin"]["socket_mode"] = "0600"
    gate.write(after)
    gate.file.chmod(0o644)
    answer = reload("?confirm=1h")
    assert answer.status == 422, answer.text
    assert not local.exists() or stat.S_IMODE(local.stat().st_mode) == 0o660, "nor has that a new mode"
    assert len(answer.json["errors"]) == 1 and "no way back from a trial: " in answer.json["errors"][0]
    assert f"could not listen again on {place}: {refusal}" in answer.json["errors"][0]
    status = asked.get("/v1/status")
    assert status["generation"] == 1 and "confirm" not in status
    if what == "port":
        client = net.connect((net.HOST, int(place.split(":")[1])))
        client.echo(b"x")
        client.close()
    assert reload().status == 200, "for good it is"
    gate.rebase()
    gate.stop()


def test_an_admin_socket_that_was_taken_away_comes_back(launch, build):
    before = build(PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True)
    gate = launch(before)
    gate.write({key: value for key, value in before.items() if key != "admin"})
    assert gate.admin.ask("POST", "/v1/reload?confirm=1s").status == 200
    reverted(gate)
    assert wait.until(lambda: gate.admin.get("/v1/status"), "it answers again")["generation"] == 1


# --- meanwhile ------------------------------------------------------------------------------------


def test_no_other_reload_comes_between(trial):
    gate, ctl, _ = trial.begin()
    for words in (("reload",), ("reload", "--confirm", "1h")):
        done = ctl(*words)
        assert done.returncode == 1 and "waits to be confirmed" in done.stderr and done.stdout == ""
    answer = gate.admin.ask("POST", "/v1/reload")
    assert answer.status == 409 and "muxgatectl confirm" in answer.json["error"]
    gate.reload(trial.before)
    seen = gate.events.count()
    gate.reload()
    gate.event("reload.refused", "generation=2", "waits to be confirmed", start=seen)
    assert gate.admin.get("/v1/status")["confirm"]["otherwise"] == 1, "nor did that confirm it"
    assert servers.who(gate) == "b"
    ctl.good("confirm")
    ctl.good("reload")
    assert servers.who(gate) == "a"


def test_no_new_program_comes_between(trial):
    gate, ctl, _ = trial.begin()
    gate.signal(signal.SIGUSR2)
    gate.event("upgrade.refused", "waits to be confirmed")
    assert servers.who(gate) == "b"
    ctl.good("confirm")


def test_a_stop_does_not_wait_for_it(trial):
    gate, _, _ = trial.begin()
    held = gate.connect()
    held.send(b"who").recv_until(b"\n")
    gate.signal(signal.SIGTERM)
    gate.event("reload.unconfirmed", "generation=2", "stops")
    held.close()
    assert gate.wait_exit() == 0
