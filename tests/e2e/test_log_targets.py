"""Where access lines go besides files, what a template makes of them, and what other programs read in them."""

import json
import re
import resource
import signal
import subprocess
import time

import pytest

from harness import fix, logs, servers, settings, tls, wait

PLAIN = [{"pool": "app"}]
PASSED = [{"tls": "passthrough", "pool": "app"}]


def use(gate, data=b"hello"):
    client = gate.connect()
    client.echo(data)
    client.close()
    return client


@pytest.fixture
def log_to(launch, build, tmp_path):
    """log_to("journald") → a gateway that writes there, and who listens there."""
    def make(target, rules=None, listening=True, **log):
        stand_in, variable = {"journald": (logs.Journal, "MUXGATE_JOURNAL_SOCKET"),
                              "syslog": (logs.Syslog, "MUXGATE_SYSLOG_SOCKET")}[target]
        path = tmp_path / "log.sock"
        other = stand_in(path) if listening else None
        config = build(rules or PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True,
                       top={"log": {"access": target, **log}})
        # who comes later takes one more socket than there was at the start
        return launch(config, env={variable: str(path)}, check_books=listening), other
    return make


# --- syslog and the journal ----------------------------------------------------------------------

@pytest.mark.tsan
def test_the_journal_gets_a_field_for_every_key(log_to):
    gate, journal = log_to("journald")
    client = use(gate, fix.logon("DESK"))
    entry = journal.entry()
    assert entry.pop("PRIORITY") == b"6" and entry.pop("SYSLOG_IDENTIFIER") == b"muxgate"
    line = json.loads(entry.pop("MESSAGE"))
    assert line["client"] == client.name and line["fix_sender"] == "DESK" and line["end"] == "client_closed"
    assert {f"MUXGATE_{key.upper()}" for key in line} == set(entry)
    for key, value in line.items():
        field = entry[f"MUXGATE_{key.upper()}"].decode()
        assert field == value if isinstance(value, str) else float(field) == value
    assert not gate.access.items, "nothing goes to stdout"


def test_hostile_names_stay_in_their_field_of_the_journal(log_to):
    gate, journal = log_to("journald", PASSED)
    name = b"a\nMUXGATE_END=forged\n.example.com"
    gate.connect().send(tls.hello(name)).close()
    entry = journal.entry()
    assert entry["MUXGATE_SNI"].lower() == name.lower()
    assert entry["MUXGATE_END"] != b"forged" and b"\n" not in entry["MESSAGE"]


def test_a_message_in_the_journal_has_the_configured_form(log_to):
    gate, journal = log_to("journald", format="text", template="$client had $bytes_in bytes")
    client = use(gate, b"12345")
    entry = journal.entry()
    assert entry["MESSAGE"].decode() == f"{client.name} had 5 bytes"
    assert entry["MUXGATE_BYTES_IN"] == b"5"


def test_syslog_gets_a_line(log_to):
    gate, syslog = log_to("syslog")
    client = use(gate)
    entry = syslog.entry()
    assert (entry["facility"], entry["severity"]) == (3, 6), "daemon.info"
    assert entry["name"] == "muxgate" and entry["pid"] == gate.pid
    assert json.loads(entry["text"])["client"] == client.name
    now = time.localtime()
    sent = time.strptime(f"{now.tm_year} {entry['time']}", "%Y %b %d %H:%M:%S")
    assert abs(time.mktime(now) - time.mktime(sent)) < settings.seconds(60) or now.tm_yday in (1, 365, 366)


@pytest.mark.tsan
@pytest.mark.parametrize("target", ["journald", "syslog"])
def test_lines_that_nobody_takes_are_counted_and_slow_nobody(log_to, target):
    gate, _ = log_to(target, listening=False)
    assert "log.sock" in gate.event("log.absent")
    for _ in range(3):
        use(gate)
    gate.admin.until("log_lines_dropped_total", 3)


def test_a_log_that_comes_later_is_found(log_to, tmp_path):
    gate, _ = log_to("journald", listening=False)
    use(gate)
    gate.admin.until("log_lines_dropped_total", 1)
    journal = logs.Journal(tmp_path / "log.sock")
    gate.signal(signal.SIGUSR1)
    gate.event("log.reopen")
    assert json.loads(journal.entry_of(use(gate).name)["MESSAGE"])["end"] == "client_closed"


def test_a_log_that_is_started_anew_goes_on(log_to, tmp_path):
    gate, journal = log_to("journald")
    use(gate)
    journal.entry()
    journal.close()
    again = logs.Journal(tmp_path / "log.sock")
    client = use(gate)
    assert again.entry()["MUXGATE_CLIENT"].decode() == client.name


@pytest.mark.tsan
def test_a_log_that_is_never_read_slows_nobody(log_to):
    gate, journal = log_to("journald")
    slowest = 0.0
    for _ in range(settings.scaled(300)):
        watch = wait.Stopwatch()
        use(gate)
        slowest = max(slowest, watch.elapsed())
    assert slowest < settings.seconds(1.0)
    assert journal.entry()["MUXGATE_END"] == b"client_closed"


@pytest.mark.tsan
def test_a_reload_takes_the_log_elsewhere(log_to, build):
    gate, journal = log_to("journald")
    use(gate)
    journal.entry()
    held = gate.connect()
    held.echo(b"across the reload")
    gate.write({**gate.template, "log": {"access": "stdout"}})
    gate.signal(signal.SIGHUP)
    gate.event("log.reopen")
    held.close()
    assert gate.session(held)["end"] == "client_closed", "a line that began in the other form"
    assert gate.session(use(gate))["end"] == "client_closed"


# --- templates -----------------------------------------------------------------------------------

def test_a_template_is_the_line(launch, build):
    log = {"format": "text", "template": '$time [$listener] ${client} -> $server "$detail" $bytes_in/$bytes_out $$ $end'}
    echo = servers.EchoServer()
    gate = launch(build(PLAIN, {"app": echo}, tls=None, top={"log": log}))
    client = use(gate, b"1234567")
    line = gate.access.find(lambda text: client.name in text, 5)
    rest = rf' \[combined\] {re.escape(client.name)} -> {re.escape(echo.address)} "-" 7/7 \$ client_closed'
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z" + rest, line)


def test_no_client_writes_a_column_of_a_template(launch, build):
    log = {"format": "text", "template": '$sni $end "$sni"'}
    gate = launch(build(PASSED, {"app": servers.EchoServer()}, tls=None, top={"log": log}))
    gate.connect().send(tls.hello(b'a killed "\n b.example.com')).close()
    line = gate.access.find(lambda text: "example.com" in text, 5)
    columns = line.split(" ")
    assert columns[0] == r'a\x20killed\x20\"\x0a\x20b.example.com' and columns[1] != "killed"
    assert line.endswith(r' "a killed \"\x0a b.example.com"')


def test_a_slip_in_a_template_is_found_by_the_check(build, command, tmp_path):
    config = build(PLAIN, {"app": servers.EchoServer()}, tls=None,
                   top={"log": {"format": "text", "template": "$clint"}})
    file = tmp_path / "gate.json"
    config["listeners"]["combined"]["bind"] = "127.0.0.1:0"
    file.write_text(json.dumps(config))
    status, _, errors = command(settings.binary(), "-c", file, "-t")
    assert status == 1
    assert re.search(r'gate\.json:1:\d+: log\.template: no field named "clint" \(did you mean "client"\?\)\n',
                     errors.decode())


# --- other programs ------------------------------------------------------------------------------

def jq_lines():
    """The commands of the reference that begin with jq, or pipe into it."""
    page = (settings.HERE.parent.parent / "docs" / "reference" / "log.md").read_text()
    lines = [line for line in page.splitlines() if re.match(r"(muxgate .*\| )?jq ", line)]
    return [line[line.index("jq "):] for line in lines]


def test_jq_reads_the_log_as_the_reference_shows(launch, build, need, tmp_path):
    need("jq")
    rules = [{"tls": "terminate", "pool": "app"}, {"match": {"prefix": "no"}, "reject": True}, {"pool": "app"}]
    config = build(rules, {"app": servers.EchoServer()}, top={"log": {"access": str(tmp_path / "access.log")}})
    config["listeners"]["shut"] = {"deny": ["127.0.0.0/8"], "rules": PLAIN, "inspect_delay": "5s"}
    gate = launch(config)
    plain = use(gate)
    secure = tls.TlsPeer(gate.connect(), name="localhost")
    secure.echo(b"hello")  # with the tickets read, its end is no reset
    secure.close()
    refused = gate.connect().send(b"no")
    refused.expect_reset()
    for _ in range(2):
        gate.connect("shut").expect_reset()
    wait.until(lambda: (tmp_path / "access.log").read_text().count("\n") == 5, "all lines are there")
    tell, count, limits = jq_lines()

    def run(command):
        return subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    bad_ends = run(f"{tell} access.log").splitlines()
    assert len(bad_ends) == 3 and plain.name not in "".join(bad_ends)
    assert [line.split("\t")[1:3] for line in bad_ends if "rejected" in line] == [[refused.name, "rejected"]]
    assert json.loads(run(count)) == {"plain": 4, "terminate": 1}
    assert json.loads(run(limits)) == 2


def test_the_other_programs_files_are_yaml_and_name_fields_there_are():
    yaml = pytest.importorskip("yaml")
    page = (settings.HERE.parent.parent / "docs" / "reference" / "log.md").read_text()
    promtail, filebeat = [yaml.safe_load(block)[0] for block in re.findall(r"```yaml\n(.*?)```", page, flags=re.S)]
    fields = set(re.findall(r"LOG_FIELD\((\w+)\)", (settings.HERE.parent.parent / "include/session/log_fields.def").read_text()))
    stages = {name: stage for one in promtail["pipeline_stages"] for name, stage in one.items()}
    assert set(stages["json"]["expressions"]) <= fields and set(stages["labels"]) <= set(stages["json"]["expressions"])
    assert filebeat["processors"][0]["timestamp"]["field"] == "muxgate.time"


# --- a file --------------------------------------------------------------------------------------

def test_a_full_disk_leaves_whole_lines_only(start, tmp_path):
    """The limit on a file's size stands in for the disk: the last line that there is room for fits in part."""
    file = tmp_path / "access.log"
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True, top={"log": {"access": str(file)}})
    use(gate)
    wait.until(lambda: file.exists() and file.read_text().endswith("\n"), "a line is written")
    resource.prlimit(gate.pid, resource.RLIMIT_FSIZE, (file.stat().st_size + 100, resource.RLIM_INFINITY))
    use(gate)
    gate.admin.until("log_lines_dropped_total", 1)
    resource.prlimit(gate.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    last = use(gate)
    wait.until(lambda: last.name in file.read_text(), "there is room again")
    wait.until(lambda: file.read_text().endswith("\n"), "to the end")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 2 and lines[1]["client"] == last.name
