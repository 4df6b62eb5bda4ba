"""The command line, and configurations that are wrong."""

import json
import re
import socket

import pytest

from harness import certs, net, parts, servers, tls
from harness.gate import run

PLAIN = [{"pool": "app"}]


@pytest.fixture
def check(tmp_path):
    """check(text or object, *options) → the run of muxgate -c FILE -t."""
    def with_file(config, *options):
        if parts.missing(config):
            pytest.skip(parts.missing(config))
        path = tmp_path / "gate.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config, indent=2) + "\n")
        return run("-c", path, *(options or ["-t"]))
    return with_file


SMALL = {"listeners": {"combined": {"bind": "127.0.0.1:9018", "rules": [{"pool": "app"}]}},
         "pools": {"app": {"servers": ["127.0.0.1:9878"]}}}


def changed(path, value):
    """SMALL with one place set (or removed, with ...)."""
    config = json.loads(json.dumps(SMALL))
    *way, last = path
    where = config
    for key in way:
        where = where[key]
    if value is ...:
        del where[last]
    else:
        where[last] = value
    return config


def test_t_accepts_a_good_file_in_silence(check):
    done = check(SMALL)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


SURROUNDINGS = [
    (("listeners", "combined", "bind"), "name.invalid:9018", "listeners.combined.bind: cannot listen on name.invalid:9018: "),
    (("listeners", "combined", "bind"), "unix:/nowhere/gate.sock", "listeners.combined.bind: cannot make a socket in the folder /nowhere/: "),
    (("listeners", "combined", "bind"), "unix:gate.json", "listeners.combined.bind: .*gate.json is there, and is no socket"),
    (("listeners", "combined", "bind"), ["127.0.0.1:1", "203.0.113.7:9018"],
     r"warning: listeners.combined.bind\[1\]: this host has no such address now"),
    (("admin",), {"socket": "/nowhere/admin.sock"}, "admin.socket: cannot make a socket in the folder /nowhere/: "),
    (("admin",), {"socket": "gate.json"}, "admin.socket: .*gate.json is there, and is no socket"),
    (("admin",), {"http": "name.invalid:9019"}, "admin.http: cannot listen on name.invalid:9019: "),
    (("ledger",), {"file": "/nowhere/ledger"}, "ledger.file: cannot make files in the folder /nowhere/: "),
    (("log",), {"access": "/nowhere/log"}, "log.access: cannot use the folder /nowhere/: "),
    (("log",), {"access": "/usr"}, "log.access: /usr is a folder"),
]


@pytest.mark.parametrize("path, value, line", SURROUNDINGS, ids=lambda item: str(item)[:40])
def test_t_tells_what_a_start_would_fail_on(check, monkeypatch, path, value, line):
    monkeypatch.setenv("RES_OPTIONS", "timeout:1 attempts:1")  # there may be nobody to ask
    done = check(changed(path, value))
    assert done.returncode == (0 if line.startswith("warning") else 1)
    assert re.fullmatch(rf"\S*gate\.json:\d+:\d+: {line}.*\n", done.stderr), done.stderr


def faulty(config, folder, taken):
    """The same with what cannot be opened; and the places of that which -t cannot see."""
    config = json.loads(json.dumps(config))
    config["listeners"]["combined"]["bind"] = ["unix:/nowhere/gate.sock", f"127.0.0.1:{taken[0]}", f"unix:{taken[1]}"]
    config["listeners"]["more"] = {"bind": f"unix:{folder}/gate.json", "rules": PLAIN}
    config |= {"admin": {"socket": "/nowhere/admin.sock"}, "ledger": {"file": "/nowhere/ledger"}, "log": {"access": "/nowhere/log"}}
    return config, ["listeners.combined.bind[1]: cannot listen on", "listeners.combined.bind[2]: cannot listen on"]


@pytest.fixture
def taken(tmp_path):
    """A port and a path where somebody else listens."""
    with socket.create_server((net.HOST, 0)) as port, socket.socket(socket.AF_UNIX) as path:
        path.bind(str(tmp_path / "taken.sock"))
        path.listen()
        yield port.getsockname()[1], tmp_path / "taken.sock"


def check_faults(told, checked, unseen):
    """All that -t tells, in the same lines, and what only who is about to listen can see."""
    assert [line for line in told if not any(words in line for words in unseen)] == checked, told
    for words in unseen:
        assert sum(words in line and "in use" in line for line in told) == 1, told
    assert len(checked) == 5 and len(told) == 5 + len(unseen)


def test_a_start_tells_all_that_a_check_tells(check, tmp_path, taken):
    config, unseen = faulty(SMALL, tmp_path, taken)
    checked = check(config).stderr.splitlines()
    done = check(config, "--")
    assert done.returncode == 1
    check_faults(done.stderr.splitlines(), checked, unseen)


def test_a_reload_and_a_dry_run_tell_all_that_a_check_tells(launch, build, tmp_path, taken):
    gate = launch(build(PLAIN, {"app": servers.EchoServer()}, tls=None, admin=True))
    config, unseen = faulty(gate.template, gate.folder, taken)
    gate.write(config)
    checked = run("-c", gate.file, "-t").stderr.splitlines()
    for path in ("/v1/reload", "/v1/reload?dry_run=true"):
        answer = gate.admin.ask("POST", path)
        assert answer.status == 422
        check_faults(answer.json["errors"], checked, unseen)
    gate.write(gate.template)
    for path in ("/v1/reload?dry_run=true", "/v1/reload"):
        assert gate.admin.ask("POST", path).status == 200, "what it has already is its own"


@pytest.mark.parametrize("folder", ["/run/of-a-service-that-never-ran", "/var/lib/of-a-service-that-never-ran"])
def test_t_trusts_whoever_starts_the_service_to_make_its_folders(check, folder):
    config = changed(("listeners", "combined", "bind"), f"unix:{folder}/gate.sock")
    done = check(config | {"admin": {"socket": f"{folder}/admin.sock"}, "ledger": {"file": f"{folder}/ledger"}})
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_t_does_not_bind(check, start):
    gate = start(PLAIN, {"app": servers.EchoServer()}, tls=None)
    config = changed(("listeners", "combined", "bind"), f"127.0.0.1:{gate.port}")
    assert check(config).returncode == 0


def test_the_example_of_the_contract_is_exact(check):
    text = """{
  "listeners": {
    "combined": {
      "bind": "*:9018",
      "rules": [
        { "pool": "fix" },

        { "match": { "protocol": "http" },
          "tls": "passthrough", "pool": "fxi" }
      ]
    }
  },
  "pools": { "fix": { "servers": [ "127.0.0.1:9878" ] } }
}
"""
    done = check(text)
    lines = [line for line in done.stderr.splitlines() if "no pool" in line]
    assert done.returncode == 1
    assert len(lines) == 1
    assert re.fullmatch(r'.*gate\.json:9:41: listeners\.combined\.rules\[1\]\.pool: '
                        r'no pool named "fxi" \(did you mean "fix"\?\)', lines[0]), done.stderr


WRONG = [
    (("listeners", "combined", "rules", 0, "pool"), "nobody", "listeners.combined.rules[0].pool"),
    (("listeners", "combined", "inspect_delay"), 2, "listeners.combined.inspect_delay"),
    (("listeners", "combined", "inspect_delay"), "2", "listeners.combined.inspect_delay"),
    (("listeners", "combined", "inspect_delay"), "61s", "listeners.combined.inspect_delay"),
    (("listeners", "combined", "inspect_delay"), "0ms", "listeners.combined.inspect_delay"),
    (("listeners", "combined", "inspect_dealy"), "2s", "listeners.combined.inspect_dealy"),
    (("listeners", "combined", "bind"), ..., "listeners.combined"),
    (("listeners", "combined", "bind"), "127.0.0.1", "listeners.combined.bind"),
    (("listeners", "combined", "bind"), "127.0.0.1:99999", "listeners.combined.bind"),
    (("listeners", "combined", "allow"), ["10.0.0.0/33"], "listeners.combined.allow[0]"),
    (("listeners", "combined", "rules"), {}, "listeners.combined.rules"),
    (("listeners", "combined", "rules", 0, "tls"), "terminate", "listeners.combined"),
    (("listeners", "combined", "rules", 0, "tls"), "end", "listeners.combined.rules[0].tls"),
    (("listeners", "combined", "rules", 0, "match"), {"protocol": "tls"}, "listeners.combined.rules[0].match.protocol"),
    (("listeners", "combined", "rules", 0, "match"), {"protocol": "gopher"}, "listeners.combined.rules[0].match.protocol:"),
    (("listeners", "combined", "rules", 0, "match"), {"protocol": ["gopher"]}, "listeners.combined.rules[0].match.protocol[0]:"),
    (("listeners", "combined", "rules", 0, "match"), {"protocol": ["http", "gopher"]},
     "listeners.combined.rules[0].match.protocol[1]:"),
    (("listeners", "combined", "rules", 0, "match"), {"sni": "a.example.com"}, "listeners.combined.rules[0].match.sni"),
    (("listeners", "combined", "rules", 0, "match"), {"alpn": "h2"}, "listeners.combined.rules[0].match.alpn"),
    (("listeners", "combined", "rules", 0, "match"), {"source": "here"}, "listeners.combined.rules[0].match.source"),
    (("listeners", "combined", "rules", 0, "reject"), True, "listeners.combined.rules[0]"),
    (("listeners", "combined", "rules", 0, "rules"), [{"pool": "app"}], "listeners.combined.rules[0]"),
    (("pools", "app", "servers"), [], "pools.app.servers"),
    (("pools", "app", "servers", 0), "127.0.0.1:0", "pools.app.servers[0]"),
    (("pools", "app", "servers", 0), {"address": "127.0.0.1:1", "weight": 257}, "pools.app.servers[0].weight"),
    (("pools", "app", "balance"), "fair", "pools.app.balance"),
    (("pools", "app", "proxy_protocol"), "v3", "pools.app.proxy_protocol"),
    (("pools",), ..., ""),
    (("workers",), 0, "workers"),
    (("workers",), "many", "workers"),
    (("log",), {"format": "xml"}, "log.format"),
    (("drain_timeout",), "soon", "drain_timeout"),
    (("nonsense",), 1, "nonsense"),
]


@pytest.mark.parametrize("path, value, where", WRONG, ids=lambda item: str(item)[:40])
def test_a_mistake_is_one_line_with_its_place(check, tmp_path, path, value, where):
    done = check(changed(path, value))
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "warning:" not in line]
    assert len(errors) == 1, done.stderr
    assert re.match(r"\S*gate\.json:\d+:\d+: " + re.escape(where), errors[0]), errors


NOT_YET = [
    (("listeners", "combined", "early_connect"), True),
    (("pools", "app", "drain"), {"boundary": "fix"}),
]


@pytest.mark.parametrize("path, value", NOT_YET, ids=lambda item: str(item)[:40])
def test_what_comes_later_is_refused_and_not_ignored(check, path, value):
    done = check(changed(path, value))
    assert done.returncode == 1
    assert re.search(r"gate\.json:\d+:\d+: \S+: .*not supported by this version", done.stderr), done.stderr


def test_all_mistakes_of_a_file_are_reported_in_one_go(check):
    config = json.loads(json.dumps(SMALL))
    config["listeners"]["combined"]["inspect_delay"] = 5
    config["listeners"]["combined"]["rules"][0]["pool"] = "ap"
    config["pools"]["app"]["balance"] = "fair"
    config["colour"] = "red"
    done = check(config)
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and len(lines) == 4, done.stderr
    places = [tuple(map(int, re.search(r"gate\.json:(\d+):(\d+): ", line).groups())) for line in lines]
    assert places == sorted(places)


def test_a_syntax_error_has_its_place(check):
    done = check('{\n  "listeners": {,\n}\n')
    assert done.returncode == 1
    assert re.match(r"\S*gate\.json:2:\d+: ", done.stderr) and len(done.stderr.splitlines()) == 1


def test_a_repeated_key_is_an_error(check):
    done = check('{"pools": {}, "listeners": {}, "pools": {}}')
    assert done.returncode == 1 and re.search(r"gate\.json:1:32: ", done.stderr), done.stderr


def test_certificates_are_checked_by_t(check, authority, tmp_path):
    one, two = authority.issue("a.example.com"), authority.issue("b.example.com")
    config = changed(("listeners", "combined", "rules"), [{"tls": "terminate", "pool": "app"}])
    for pair, place in ((certs.Pair(one.cert, two.key), "key"), (certs.Pair(tmp_path / "none.crt", one.key), "cert"),
                        (certs.Pair(one.key, one.key), "cert")):
        config["listeners"]["combined"]["tls"] = {"certificates": [pair.config()]}
        done = check(config)
        assert done.returncode == 1
        assert re.search(r"gate\.json:\d+:\d+: listeners\.combined\.tls\.certificates\[0\]", done.stderr), (place, done.stderr)


def test_relative_paths_are_relative_to_the_file(check, authority, tmp_path):
    certs.copy(authority.issue("a.example.com"), tmp_path / "certs")
    config = changed(("listeners", "combined", "rules"), [{"tls": "terminate", "pool": "app"}])
    config["listeners"]["combined"]["tls"] = {"certificates": [{"cert": "certs/site.crt", "key": "certs/site.key"}]}
    done = check(config)
    assert done.returncode == 0, done.stderr


def test_warnings_do_not_change_the_exit_status(check, authority, tmp_path):
    pair = authority.issue("a.example.com", days=10)
    pair.key.chmod(0o644)
    config = changed(("listeners", "combined", "rules"), [{"tls": "terminate", "pool": "app"}, {"pool": "app"},
                                                         {"pool": "app", "match": {"protocol": "ssh"}}])
    config["listeners"]["combined"]["tls"] = {"certificates": [pair.config()]}
    config["pools"]["unused"] = {"servers": ["127.0.0.1:1"]}
    done = check(config)
    assert done.returncode == 0, done.stderr
    for words in ("rules[2]", "certificates[0]", "pools.unused"):
        assert re.search(r"gate\.json:\d+:\d+: warning: \S*" + re.escape(words), done.stderr), (words, done.stderr)
    assert all(": warning: " in line for line in done.stderr.splitlines()), done.stderr


@pytest.mark.parametrize("key, value, place", [
    ("user", "no-such-user", r"user: there is no user \"no-such-user\""),
    ("group", "no-such-group", r"group: there is no group \"no-such-group\""),
    ("log", {"access": "/no/such/folder/access.log"}, r"log\.access: cannot use the folder /no/such/folder/: "),
])
def test_what_the_start_would_fail_on_is_told_by_t(check, key, value, place):
    done = check(changed((key,), value))
    assert done.returncode == 1
    assert re.fullmatch(rf"\S+gate\.json:\d+:\d+: {place}.*\n", done.stderr), done.stderr


@pytest.mark.parametrize("path", [("limits",), ("listeners", "combined", "limits")])
def test_more_sessions_than_descriptors_hold_is_a_warning(check, path):
    done = check(changed(path, {"max_sessions": 100_000_000}))
    assert done.returncode == 0
    assert f"warning: {'.'.join(path)}.max_sessions: only " in done.stderr


def test_an_unknown_cipher_is_an_error(check, pair):
    config = changed(("listeners", "combined", "rules"), [{"tls": "terminate", "pool": "app"}])
    config["listeners"]["combined"]["tls"] = {"certificates": [pair.config()], "ciphers": "NO-SUCH-CIPHER"}
    done = check(config)
    assert done.returncode == 1 and "listeners.combined.tls.ciphers" in done.stderr


def test_dump_fills_in_defaults_and_is_a_valid_file_again(check, tmp_path, pair):
    config = changed(("defaults",), {"listener": {"timeouts": {"idle": "5m"}}})
    config["listeners"]["combined"]["tls"] = {"certificates": [pair.config()]}
    config["listeners"]["combined"]["rules"] = [
        {"match": {"sni": ["a.example.com", "*.b.example.com"]}, "tls": "passthrough", "pool": "app"},
        {"tls": "terminate", "rules": [{"match": {"not": {"protocol": "http"}}, "pool": "app"}]}, {"pool": "app"}]
    config["pools"]["app"]["health_check"] = {"interval": "1s"}
    first = check(config, "--dump")
    assert first.returncode == 0, first.stderr
    dumped = json.loads(first.stdout)
    listener, pool = dumped["listeners"]["combined"], dumped["pools"]["app"]
    assert listener["inspect_delay"] == "2s"
    assert listener["timeouts"] == {"handshake": "10s", "idle": "5m", "half_closed": "30s"}
    assert (pool["balance"], pool["connect_timeout"], pool["connect_retries"]) == ("round_robin", "5s", 2)
    assert pool["health_check"]["fall"] == 3
    (tmp_path / "dumped.json").write_text(first.stdout)
    assert run("-c", tmp_path / "dumped.json", "-t").returncode == 0
    second = run("-c", tmp_path / "dumped.json", "--dump")
    assert (second.returncode, second.stdout) == (0, first.stdout)


def test_dump_of_a_wrong_file_is_an_error(check):
    done = check(changed(("nonsense",), 1), "--dump")
    assert (done.returncode, done.stdout) == (1, "")


ELSEWHERE = [{"cert": "/nonexistent/a.crt", "key": "/nonexistent/a.key"}]


def with_tls(rules=None, log=None, **tls):
    config = changed(("listeners", "combined", "rules"), [*(rules or []), {"pool": "app"}])
    config["listeners"]["combined"]["tls"] = {"certificates": ELSEWHERE, **tls}
    return config if log is None else {**config, "log": log}


MEANINGS = {
    "protocol": (with_tls([{"match": {"protocol": "fixx"}, "pool": "app"}]), "rules[0].match.protocol"),
    "regex": (with_tls([{"match": {"regex": "^(a"}, "pool": "app"}]), "rules[0].match.regex"),
    "nested": (with_tls([{"tls": "terminate", "rules": [{"match": {"regex": "^(a"}, "pool": "app"}]}]), "rules[0].rules[0].match.regex"),
    "ciphers": (with_tls(ciphers="BAD"), "combined.tls.ciphers"),
    "groups": (with_tls(groups="BAD"), "combined.tls.groups"),
    "policy": (with_tls([{"tls": "terminate", "policy": {"ciphersuites": "BAD"}, "pool": "app"}]), "rules[0].policy.ciphersuites"),
    "template": (with_tls(log={"access": "stdout", "format": "text", "template": "$nonsense"}), "log.template"),
}


@pytest.mark.parametrize("options", [["--dump"], ["explain", "--silent"]], ids=["dump", "explain"])
@pytest.mark.parametrize("kind", MEANINGS)
def test_what_a_dump_and_explain_judge(check, kind, options):
    config, place = MEANINGS[kind]
    done = check(config, *options)
    assert (done.returncode, done.stdout) == (1, "")
    line, = done.stderr.splitlines()
    assert f"{place}" in line and line in check(config, "-t").stderr.splitlines()


@pytest.mark.parametrize("options", [["-t"], ["--dump"], ["explain", "--silent"]], ids=["check", "dump", "explain"])
def test_errors_of_form_and_of_meaning_are_told_in_one_go(check, options):
    done = check(changed(("listeners", "combined", "rules"), [
        {"match": {"regex": "^(a", "protocol": "fixx"}, "pool": "app"}, {"pool": "qq"}]), *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert sorted(re.search(r"rules\[\d\][^:]*", line)[0] for line in done.stderr.splitlines()) == [
        "rules[0].match.protocol", "rules[0].match.regex", "rules[1].pool"]


@pytest.mark.parametrize("least", ["1.O", 1.0, None])
@pytest.mark.parametrize("inherited", [False, True])
def test_a_lowest_version_that_is_none_is_not_compared(check, least, inherited):
    config = with_tls(min_version=least, max_version="1.1")
    if inherited:
        config = with_tls([{"tls": "terminate", "policy": {"max_version": "1.1"}, "pool": "app"}], min_version=least)
    for option in ("-t", "--dump"):
        told = [line for line in check(config, option).stderr.splitlines() if "/nonexistent" not in line]
        assert len(told) == 1 and "combined.tls.min_version: expected" in told[0]


NEVER = {
    "silent": ({"match": {"silent": True, "prefix": "A", "protocol": "fix", "regex": "^$"}, "pool": "app"},
               {".match.prefix: never holds together with \"silent\"", ".match.protocol: never holds together with \"silent\""}),
    "not": ({"match": {"prefix": "A", "not": {}}, "pool": "app"}, {".match.not: never holds: an empty \"not\""}),
    "not in not": ({"match": {"not": {"silent": True, "fix": {"valid": True}}}, "pool": "app"},
                   {".match.not.fix: never holds together with \"silent\""}),
    "sound": ({"match": {"silent": True, "source": "10.0.0.0/8", "not": {"source": "10.0.0.1"}}, "pool": "app"}, set()),
}


@pytest.mark.parametrize("kind", NEVER)
def test_a_rule_that_can_never_hold_is_warned_of(check, kind):
    rule, expected = NEVER[kind]
    done = check(changed(("listeners", "combined", "rules"), [rule, {"pool": "app"}]))
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert len(told) == len(expected) and all(": warning: " in line for line in told), told
    assert all(any(f"rules[0]{end}" in line for line in told) for end in expected), told


@pytest.mark.parametrize("key", ["ca", "crl"])
def test_files_of_client_auth_are_looked_at_while_it_is_off(check, pair, authority, tmp_path, key):
    auth = {"mode": "none", "ca": str(authority.cert), "crl": str(authority.crl(tmp_path / "a.crl"))}
    config = with_tls()
    config["listeners"]["combined"]["tls"] = {"certificates": [pair.config()], "client_auth": auth}
    assert check(config).stderr == ""
    auth[key] = "/nonexistent/file"
    done = check(config)
    line, = done.stderr.splitlines()
    assert done.returncode == 0 and f"warning: listeners.combined.tls.client_auth.{key}: cannot read /nonexistent/file" in line
    assert check(config, "--dump").stderr == "", "no file is looked at"


SLIPS = {"sni": {"match": {"sni": "x.example.com"}, "pool": "app"}, "starttls": {"starttls": "postgres", "pool": "app"},
         "rules": {"rules": [{"match": {"alpn": "h2"}, "pool": "app"}]}, "policy": {"policy": {"alpn": ["h2"]}, "pool": "app"}}


@pytest.mark.parametrize("kind", SLIPS)
def test_what_a_misspelt_tls_would_allow_is_not_told_beside_it(check, kind):
    done = check(changed(("listeners", "combined", "rules"), [{**SLIPS[kind], "tsl": "terminate"}]))
    line, = done.stderr.splitlines()
    assert 'rules[0].tsl: unknown key (did you mean "tls"?)' in line
    without = check(changed(("listeners", "combined", "rules"), [{**SLIPS[kind], "nonsense": 1}]))
    assert len(without.stderr.splitlines()) == 2


def test_a_dump_needs_nothing_that_the_file_names(check, tmp_path):
    config = with_tls([{"tls": "terminate", "policy": {"client_auth": {"mode": "require", "ca": "/nonexistent/ca.pem"}}, "pool": "app"}],
                      session_tickets={"keys": "/nonexistent/keys"}, ocsp_staple="/nonexistent/staple")
    config["pools"]["app"] = {"servers": ["nowhere.invalid:1"], "tls": {"ca": "/nonexistent/ca.pem"}}
    config.update(user="nobody-of-this-name", admin={"socket": "/nonexistent/admin.sock"})
    assert check(config).returncode == 1
    done = check(config, "--dump")
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "dumped.json").write_text(done.stdout)
    assert run("-c", tmp_path / "dumped.json", "--dump").stdout == done.stdout


def test_version_and_help():
    done = run("-V")
    assert done.returncode == 0 and done.stdout.startswith("muxgate ") and "OpenSSL" in done.stdout
    for part, library in (("admin", "libmicrohttpd"), ("names", "c-ares"), ("regex", "PCRE2")):
        assert re.search(rf"^{part}: ({library} [0-9.]+|not built in)$", done.stdout, re.MULTILINE)
    assert re.search(r"\nkernel TLS: (available|not available|not used|not used with this OpenSSL) \(.+\)\n$", done.stdout)
    done = run("-h")
    assert done.returncode == 0
    for option in ("-c", "-t", "--dump", "--listen", "--cert", "--key", "--backend", "--demo", "-V"):
        assert option in done.stdout, option


USAGE = [[], ["-x"], ["-c"], ["--listen", ":9018"], ["--backend", "127.0.0.1:1"], ["-c", "a", "--demo"],
         ["--listen", ":1", "--backend", "127.0.0.1:1", "--key", "only-a-key"], ["-c", "a", "stray", "words"]]


@pytest.mark.parametrize("args", USAGE, ids=lambda args: " ".join(args) or "nothing")
def test_a_usage_error_is_status_2(args):
    done = run(*args)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stderr and not done.stdout


def test_a_file_that_is_not_there_is_status_1(tmp_path):
    done = run("-c", tmp_path / "nothing.json")
    assert done.returncode == 1 and "nothing.json" in done.stderr


def test_an_address_that_cannot_be_bound_is_status_1(tmp_path):
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(changed(("listeners", "combined", "bind"), "192.0.2.1:9018")))
    done = run("-c", path)
    assert done.returncode == 1 and "192.0.2.1:9018" in done.stderr


def test_listen_with_a_certificate_terminates(launch, pair):
    server = servers.EchoServer()
    gate = launch(args=["--listen", "127.0.0.1:@one", "--cert", str(pair.cert), "--key", str(pair.key), "--backend",
                        server.address])
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    client.echo(b"terminated")
    assert client.certificate() == pair.der()
    plain = gate.connect()
    plain.echo(b"plain")
    for end in (client, plain):
        end.close()
        gate.ended(end, "client_closed")


def test_listen_without_a_certificate_passes_tls_through(launch, authority):
    pair = authority.known("backend.example.com")
    server = servers.TlsEchoServer(pair)
    gate = launch(args=["--listen", "127.0.0.1:@one", "--backend", server.address])
    client = tls.TlsPeer(gate.connect(), name="backend.example.com")
    client.echo(b"end to end")
    assert client.certificate() == pair.der()
    plain = servers.EchoServer()
    gate = launch(args=["--listen", "127.0.0.1:@one", "--backend", plain.address])
    gate.connect().echo(b"plain")


def test_listen_on_all_addresses(launch):
    gate = launch(args=["--listen", ":@one", "--backend", servers.EchoServer().address])
    for host in (net.HOST, "::1"):
        gate.connect(host=host).echo(b"both families")


def test_demo_echoes_tls_and_plain_on_one_port(launch):
    gate = launch(args=["--demo", "--listen", "127.0.0.1:@one"])
    tls.TlsPeer(gate.connect(), name="localhost").echo(b"hello over TLS\n")
    gate.connect().echo(b"hello in the clear\n")
