"""USR2: what goes over to the new process beside the sockets, and how the two live and end side by side."""

import os

import pytest

from harness import servers, wait
from harness.ctl import Ctl
from test_upgrade import cleanup_peers, copied, finish, starting_heir, upgrade  # noqa: F401

pytestmark = pytest.mark.tsan
PLAIN = [{"pool": "app"}]


def three_servers() -> dict:
    return {"app": {"servers": [{"address": servers.EchoServer().address, "name": name} for name in "abc"]}}


def admin_answers(gate, heir):
    wait.until(lambda: gate.admin.get("/v1/status")["pid"] == heir.pid, "the heir answers the admin's clients", 10)


def servers_of(gate) -> dict:
    found = next(pool for pool in gate.admin.get("/v1/pools") if pool["name"] == "app")["servers"]
    return {server["name"]: (server["state"], server["weight"]) for server in found}


def change(gate, server, **what):
    answer = gate.admin.ask("PATCH", f"/v1/pools/app/servers/{server}", what)
    assert answer.status == 200, answer.text


def release(folder, gate, heir):
    """An heir that waits at the pipe goes on, until it serves."""
    seen = gate.events.count()
    (folder / "go").write_text("go\n")
    gate.event("upgrade.done", f"pid={heir.pid}", start=seen, seconds=20)


# --- what operators have set ----------------------------------------------------------------------

def test_states_and_weights_set_by_hand_go_to_the_heir(launch, build):
    template = build(PLAIN, three_servers(), tls=None, top={"admin": {"socket": "admin.sock"}})
    gate = launch(template)
    ctl = Ctl(gate.folder / "admin.sock")
    for words in (("drain", "app/a"), ("maint", "app/b"), ("weight", "app/c", 7)):
        ctl.good(*words)
    first = upgrade(gate)
    assert gate.wait_exit() == 0
    admin_answers(gate, first)
    assert servers_of(gate) == {"a": ("drain", 1), "b": ("maint", 1), "c": ("ready", 7)}
    ctl.good("ready", "app/b")
    template["pools"]["app"]["servers"][2]["weight"] = 3
    gate.write(template)
    second = upgrade(gate, first)
    assert not first.is_alive(10)
    admin_answers(gate, second)
    assert servers_of(gate) == {"a": ("drain", 1), "b": ("ready", 1), "c": ("ready", 3)}, \
        "from heir to heir, until the configuration of that very weight is changed"
    gate.connect().echo(b"x")
    cleanup_peers()
    second.stop()
    gate.check_output()


def test_what_is_set_while_an_heir_starts_goes_to_it_too(start, copied, tmp_path):  # noqa: F811
    gate = start(PLAIN, three_servers(), tls=None, admin=True)
    os.mkfifo(tmp_path / "go")
    copied(f"#!/bin/sh\necho heir.waits pid=$$ >&2\nread word <{tmp_path}/go\nexec {copied.original} \"$@\"\n")
    change(gate, "a", state="drain")
    change(gate, "c", weight=3)
    heir = starting_heir(gate)
    change(gate, "a", state="ready")
    change(gate, "b", state="drain")
    change(gate, "c", weight=0)
    release(tmp_path, gate, heir)
    admin_answers(gate, heir)
    assert servers_of(gate) == {"a": ("ready", 1), "b": ("drain", 1), "c": ("ready", 0)}
    finish(gate, heir)
