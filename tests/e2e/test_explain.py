"""muxgate explain: what would become of a connection, told beforehand, and held against what does."""

import json

import pytest

from harness import postgres, proxy, servers, tls
from harness.gate import run

RULES = [
    {"match": {"sni": "db.example.com"}, "tls": "passthrough", "pool": "db"},
    {"name": "pg", "match": {"sni": "*.pg.example.com"}, "tls": "passthrough", "starttls": "postgres", "pool": "db"},
    {"name": "h2", "match": {"alpn": "h2"}, "tls": "passthrough", "pool": "db"},
    {"name": "web", "match": {"sni": "gateway.example.com"}, "tls": "terminate",
     "rules": [{"match": {"protocol": "http"}, "pool": "app"}, {"match": {"prefix": "QUIT"}, "reject": True},
               {"match": {"silent": True}, "pool": "greeter"}]},
    {"name": "not-for-ssh", "match": {"protocol": "ssh"}, "reject": True},
    {"match": {"protocol": "fix", "not": {"source": "192.0.2.0/24"}}, "pool": "app"},
    {"match": {"prefix": "HELO there"}, "pool": "app"},
]


def pools():
    return {"app": servers.EchoServer(), "db": servers.EchoServer(), "greeter": servers.BannerServer(b"hello\n")}


@pytest.fixture
def explain(tmp_path):
    """explain(config, *options) → the run, with `answer` where it printed an object."""
    def ask(config, *options, status=0, name="combined", **how):
        path = tmp_path / "explain.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        done = run("-c", path, "explain", "--listener", name, *options, **how)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done
    return ask


def configuration(rules=None, **listener):
    # certificates that are not there and servers that have no address: neither is needed
    policy = {"certificates": [{"cert": "/nonexistent/a.crt", "key": "/nonexistent/a.key"}]}
    return {"listeners": {"combined": {"bind": "*:9018", "tls": policy, "rules": rules or RULES, **listener}},
            "pools": {name: {"servers": ["nowhere.invalid:1"]} for name in ("app", "db", "greeter")}}


def test_it_needs_neither_certificates_nor_names_and_opens_nothing(explain):
    done = explain(configuration(), "--tls", "--sni", "DB.Example.com.")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["listener", "combined"]
    assert "yes           rules[0]" in lines
    assert lines[-1].split(None, 1) == ["decision", "rules[0]: passthrough, pool db"]


def test_each_rule_is_told_with_its_answer_and_the_key_that_gave_it(explain):
    done = explain(configuration(), "--source", "192.0.2.7", "--bytes", "-", status=3,
                   input="8=FIX.4.4\x019=5\x01")
    assert [line.split(None, 1) for line in done.stdout.splitlines()[3:]] == [
        ["first", "bytes   14: fix, decided by the first 1"],
        ["not", "asked     rules[0]: for TLS from the first byte"],
        ["not", "asked     rules[1] (pg): for TLS behind its starttls"],
        ["not", "asked     rules[2] (h2): for TLS from the first byte"],
        ["not", "asked     rules[3] (web): for TLS from the first byte"],
        ["no", "rules[4] (not-for-ssh): protocol"],
        ["no", "rules[5]: not"],
        ["no", "rules[6]: prefix"],
        ["decision", "end no_rule"]]


def test_what_is_waited_for(explain):
    answer = json.loads(explain(configuration(inspect_delay="300ms"), "--hex", "48454c4f", "--json", status=3).stdout)
    assert answer["taken"] is False and answer["decision"] == {"end": "no_rule"}
    outer = answer["outer"]
    assert (outer["waits"], outer["inspect_delay_ms"]) == (True, 300)
    assert outer["waits_for"] == {"rule": "rules[6]", "place": "rules[6]", "key": "prefix"}


def test_the_object_is_as_documented(explain):
    answer = json.loads(explain(configuration(), "--source", "2001:db8::1", "--tls", "--sni", "gateway.example.com",
                                "--alpn", "http/1.1", "--bytes", "-", "--json", input="GET / HTTP/1.1\r\n").stdout)
    assert list(answer) == ["listener", "at", "source", "outer", "inner", "taken", "decision"]
    assert answer["source"] == "2001:db8::1"
    assert list(answer["outer"]) == ["bytes", "protocol", "could_become", "client_hello", "waits", "decided_after", "rules"]
    assert answer["outer"]["client_hello"]["sni"] == "gateway.example.com"
    assert answer["outer"]["client_hello"]["alpn"] == ["http/1.1"]
    assert answer["outer"]["rules"][-1] == {"rule": "web", "place": "rules[3]", "answer": "yes"}
    assert answer["outer"]["rules"][1] == {"rule": "pg", "place": "rules[1]", "answer": "other_kind"}
    assert answer["inner"]["protocol"] == "http" and answer["inner"]["decided_after"] < 16
    assert answer["decision"] == {"rule": "rules[3].rules[0]", "place": "rules[3].rules[0]", "tls": "terminate",
                                  "pool": "app"}


def test_nested_rules_without_their_bytes_are_left_open(explain):
    done = explain(configuration(), "--tls", "--sni", "gateway.example.com")
    assert "rules[3] (web): terminate, then its own rules" in done.stdout
    answer = json.loads(explain(configuration(), "--tls", "--sni", "gateway.example.com", "--json").stdout)
    assert answer["decision"] == {"rule": "web", "place": "rules[3]", "tls": "terminate", "nested_rules": True}


WRONG = [
    (["--listener", "combind", "--silent"], 'no listener named "combind" (did you mean "combined"?)'),
    (["--hex", "0"], "--hex takes pairs of hexadecimal digits"),
    (["--hex", "0g"], "--hex takes pairs of hexadecimal digits"),
    (["--hex", " "], "write --silent"),
    (["--bytes", "/no/such/file"], "cannot open /no/such/file"),
    (["--bytes", "/dev/null"], "write --silent"),
    (["--tls", "--sni", "a" * 17000], "do not fit into one TLS record"),
]


@pytest.mark.parametrize("options, message", WRONG, ids=[case[1][:30] for case in WRONG])
def test_a_question_without_sense_is_one_line_and_status_2(explain, options, message):
    done = explain(configuration(), *options, status=2)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1 and message in done.stderr


def test_several_listeners_have_to_be_told_apart(tmp_path):
    config = configuration()
    config["listeners"]["other"] = {**config["listeners"]["combined"], "bind": "*:9019"}
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(config))
    done = run("-c", path, "explain", "--silent")
    assert done.returncode == 2 and "which listener? give --listener NAME" in done.stderr
    del config["listeners"]["other"]
    path.write_text(json.dumps(config))
    assert run("-c", path, "explain", "--silent").returncode == 3


def test_a_wrong_configuration_is_told_as_ever(explain):
    done = explain(configuration([{"pool": "ap"}]), "--silent", status=1)
    assert 'listeners.combined.rules[0].pool: no pool named "ap"' in done.stderr and done.stdout == ""
    config = configuration()
    config["listeners"]["other"] = {"bind": "*:1", "rules": [{"match": {"protocol": "fixx"}, "pool": "app"}]}
    assert 'no protocol named "fixx"' in explain(config, "--silent", status=1).stderr


def test_colons_and_blanks_are_fine_in_hex(explain):
    assert "9: fix" in explain(configuration(), "--hex", "38:3d 46 49 58 2e34\n2e34").stdout


def test_a_proxy_header_in_the_bytes_is_read(explain):
    config = configuration([{"match": {"source": "198.51.100.0/24"}, "pool": "app"}], accept_proxy=["10.0.0.0/8"],
                           deny=["203.0.113.0/24"])
    header = proxy.v2("198.51.100.7", 1, "10.0.0.1", 2)
    answer = json.loads(explain(config, "--source", "10.9.9.9", "--hex", (header + b"x").hex(), "--json").stdout)
    assert answer["source"] == "198.51.100.7" and answer["outer"]["bytes"] == 1
    assert answer["proxy_header"] == {"state": "taken", "version": 2, "length": len(header)}
    # without one, from there; with one, from elsewhere; from a denied one
    for source, data, end in (("10.9.9.9", b"x", "bad_proxy_header"), ("192.0.2.1", header, "bad_proxy_header"),
                              ("203.0.113.1", b"x", "denied")):
        done = explain(config, "--source", source, "--hex", data.hex(), "--json", status=3)
        assert json.loads(done.stdout)["decision"]["end"] == end
    # a connection that was not recorded: the header is taken to have come
    assert "taken to name this source" in explain(config, "--source", "10.9.9.9", "--silent", status=3).stdout


# --- what is told is what happens -----------------------------------------------------------------

BROKEN = tls.record(b"\x01\x00\x00\x01\x00")
CONNECTIONS = {
    "passed": tls.hello("db.example.com"),
    "one-byte records": tls.hello("db.example.com", record_size=1),
    "passed by alpn": tls.hello("else.example.com", alpn=["h2"]),
    "no rule for the name": tls.hello("else.example.com"),
    "rejected": b"SSH-2.0-x\r\n",
    "fix": b"8=FIX.4.4\x01",
    "fix that may be": b"8=FI",
    "text": b"HELO there",
    "part of a text": b"HELO",
    "nothing known": b"\x00\x01\x02",
    "broken hello": BROKEN,
    "part of a hello": tls.hello("db.example.com")[:40],
    "perhaps tls": b"\x16\x03\x01",
}


@pytest.mark.parametrize("what", CONNECTIONS)
def test_the_live_gateway_does_what_was_explained(start, explain, what):
    data = CONNECTIONS[what]
    gate = start(RULES, pools(), inspect_delay="600ms")
    client = gate.connect().send(data)
    answer = json.loads(run("-c", gate.file, "explain", "--listener", "combined", "--source", "127.0.0.1", "--hex",
                            data.hex(), "--json").stdout)
    decision = answer["decision"]
    if "end" not in decision:
        assert client.recv(len(data)) == data
        client.close()
    elif decision["end"] == "handshake_failed":
        assert tls.read_alert(client) == 50  # decode_error
    else:
        client.expect_closed()
    line = gate.session(client)
    assert line.get("rule") == decision.get("rule")
    assert line.get("pool") == decision.get("pool")
    assert line["protocol"] == answer["outer"]["protocol"]
    assert line.get("ja4") == answer["outer"].get("client_hello", {}).get("ja4")
    assert line["end"] == decision.get("end", "client_closed")
    assert line.get("detail") == decision.get("detail")


def test_a_recorded_starttls_connection(start, tmp_path):
    gate = start(RULES, pools())
    hello = tls.hello("one.pg.example.com")
    (tmp_path / "recorded").write_bytes(postgres.GSSENC_REQUEST + postgres.SSL_REQUEST + hello)
    answer = json.loads(run("-c", gate.file, "explain", "--bytes", tmp_path / "recorded", "--json").stdout)
    assert (answer["starttls"], answer["decision"]["rule"], answer["outer"]["bytes"]) == ("postgres", "pg", len(hello))


INSIDE = [(b"GET / HTTP/1.1\r\n", "rules[3].rules[0]"), (b"QUIT\r\n", "rules[3].rules[1]"), (b"\x01\x02", None),
          (b"", "rules[3].rules[2]")]


@pytest.mark.parametrize("data, rule", INSIDE)
def test_what_is_explained_of_decrypted_bytes_happens_too(start, data, rule):
    gate = start(RULES, pools(), inspect_delay="600ms")
    inside = ["--hex", data.hex()] if data else ["--silent"]
    answer = json.loads(run("-c", gate.file, "explain", "--listener", "combined", "--tls", "--sni",
                            "gateway.example.com", *inside, "--json").stdout)
    assert answer["decision"].get("rule") == rule
    client = tls.TlsPeer(gate.connect(), name="gateway.example.com")
    client.handshake()
    if data:
        client.send(data)
    if rule in ("rules[3].rules[0]", "rules[3].rules[2]"):
        assert client.recv(6) == (data or b"hello\n")[:6]
        client.close()
    line = gate.session(client)
    assert line.get("rule", "web") == (rule or "web")
    assert line["end"] == {"rules[3].rules[1]": "rejected", None: "no_rule"}.get(rule, line["end"])
    assert line["inner_protocol"] == answer["inner"]["protocol"]
