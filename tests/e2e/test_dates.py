"""Rules that hold for a time: the boundary as it passes, and -t --at, explain --at beforehand."""

import datetime
import json
import math
import time

from harness import servers, wait
from harness.gate import run


def text(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(line: dict) -> float:
    return datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


def soon() -> int:
    """The next full second that is not too near."""
    return math.ceil(time.time() + 0.7)


def wait_for(second: int):
    wait.until(lambda: time.time() > second + 0.05, "the date passes")


def test_a_rule_ends_by_itself_and_another_begins(start):
    end = soon()
    gate = start([{"name": "old", "until": text(end), "pool": "app"}, {"name": "new", "from": text(end), "pool": "app"}],
                 {"app": servers.EchoServer()}, tls=None)
    first = gate.connect()
    first.echo(b"before")

    def begun():
        client = gate.connect()
        client.echo(b"x")
        client.close()
        return gate.session(client)["rule"] == "new"
    assert not begun()
    wait.until(begun, "the new rule holds")
    lines = gate.sessions()
    assert {line["rule"] for line in lines} == {"old", "new"}
    for line in lines:
        if abs(moment(line) - end) > 0.05:  # the loop's own clock is read once a turn
            assert line["rule"] == ("old" if moment(line) < end else "new"), line
    first.echo(b"after")  # whom the old rule took, it keeps
    first.close()
    assert gate.session(first)["rule"] == "old"


def test_after_its_end_a_rule_is_as_if_it_were_not_there(start):
    end = soon()
    gate = start([{"tls": "terminate", "pool": "app"}, {"until": text(end), "pool": "app"}],
                 {"app": servers.EchoServer()})
    gate.connect().echo(b"plain")
    wait_for(end)
    client = gate.connect().send(b"plain")
    client.expect_closed()
    gate.ended(client, "no_rule")


def test_who_is_undecided_when_the_rule_ends_gets_it_no_more(start):
    end = soon()
    gate = start([{"name": "fix", "match": {"protocol": "fix"}, "until": text(end), "pool": "app"},
                  {"name": "rest", "pool": "app"}], {"app": servers.EchoServer()}, tls=None, inspect_delay="30s")
    client = gate.connect().send(b"8=FI")
    wait_for(end)
    client.send(b"X.4.4\x01")
    assert client.recv(10) == b"8=FIX.4.4\x01"
    client.close()
    line = gate.session(client)
    assert (line["rule"], line["protocol"]) == ("rest", "fix")


RULES = [{"tls": "passthrough", "pool": "app"},
         {"name": "late", "match": {"source": "198.51.100.0/24"}, "pool": "app", "until": "2037-04-30T00:00:00Z"},
         {"name": "plain", "pool": "app", "until": "2037-03-31T18:00:00+02:00"},
         {"name": "sorry", "from": "2037-03-31T16:00:00Z", "reject": True}]


def write(tmp_path, rules, **listener):
    path = tmp_path / "gate.json"
    path.write_text(json.dumps({"listeners": {"combined": {"bind": "*:9018", "rules": rules, **listener}},
                                "pools": {"app": {"servers": ["127.0.0.1:1"]}}}))
    return path


def test_t_at_lists_what_holds_then(tmp_path):
    path = write(tmp_path, RULES)
    done = run("-c", path, "-t", "--at", "2037-04-01T00:00:00Z")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:] == [
        "listeners.combined.rules[1]: in force, until 2037-04-30T00:00:00Z",
        "listeners.combined.rules[2]: past, until 2037-03-31T16:00:00Z",
        "listeners.combined.rules[3]: in force, from 2037-03-31T16:00:00Z"]
    assert "warning: listeners.combined.rules[2].until: the rule is past" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = run("-c", path, "-t", "--at", "2037-03-31T15:59:59Z")
    assert "rules[3]: not yet in force, from 2037" in done.stdout and done.stderr == ""
    assert run("-c", path, "-t").stdout.count("\n") == 1


def test_t_at_judges_certificates_as_of_then(tmp_path, authority):
    pair = authority.issue("a.example.com", days=400)
    path = write(tmp_path, [{"tls": "terminate", "pool": "app"}], tls={"certificates": [pair.config()]})
    assert run("-c", path, "-t").stderr == ""
    then = text(time.time() + 390 * 86400)
    assert "expires in" in run("-c", path, "-t", "--at", then).stderr
    then = text(time.time() + 410 * 86400)
    assert "has expired" in run("-c", path, "-t", "--at", then).stderr


def test_explain_at(tmp_path):
    path = write(tmp_path, RULES)

    def ask(at, source="192.0.2.1"):
        return json.loads(run("-c", path, "explain", "--source", source, "--hex", "00", "--at", at, "--json").stdout)
    before, after = ask("2037-03-31T15:59:59Z"), ask("2037-03-31T18:00:00+02:00")
    assert before["decision"]["rule"] == "plain"
    assert after["at"] == "2037-03-31T16:00:00Z"
    assert after["decision"] == {"rule": "sorry", "place": "rules[3]", "end": "rejected"}
    assert after["outer"]["rules"][2] == {"rule": "plain", "place": "rules[2]", "answer": "not_in_force", "key": "until"}
    assert ask("2037-04-29T23:59:59Z", "198.51.100.9")["decision"]["rule"] == "late"
    assert ask("2037-04-30T00:00:00Z", "198.51.100.9")["decision"]["rule"] == "sorry"


def test_dump_writes_dates_in_utc(tmp_path):
    dumped = json.loads(run("-c", write(tmp_path, RULES), "--dump").stdout)["listeners"]["combined"]["rules"]
    assert [rule.get("until") for rule in dumped] == [None, "2037-04-30T00:00:00Z", "2037-03-31T16:00:00Z", None]
    assert dumped[3]["from"] == "2037-03-31T16:00:00Z"
