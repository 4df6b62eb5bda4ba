"""Values that look nearly right: the schema takes exactly what the program takes."""

import json
import random
import re
from pathlib import Path

import pytest

from harness.gate import run

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed")

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "config/muxgate.schema.json").read_text())

FINGERPRINT = "t13d1516h2_8daaf6152771_02713d6af862"
ADDRESSES = ["127.0.0.1:80", "[::1]:80", "[2001:db8::1:2]:65535", "[::ffff:1.2.3.4]:00080", "name.example.com:80", "*:80", "255.255.255.255:0",
             "unix:/run/a.sock", "unix:@a", "unix:a", "[1:2:3:4:5:6:7:8]:9", "[1::]:65536", "a_b-c.:1", "srv:_a._tcp.b", "10.0.0.5"]
NETWORKS = ["0.0.0.0/0", "10.0.0.0/8", "255.255.255.255/32", "::/0", "2001:db8::/32", "::1", "[::1]", "::/128", "1.2.3.4", "::1.2.3.4", "::/129"]
NAMES = ["example.com", "*.example.com", "a.b.c.", "a_b", "-", "xn--a", "a..b", "1.2.3.4", "1.2.3", "l" * 63 + ".a", "l" * 64]
DURATIONS = ["1ms", "60s", "1m", "007s", "0s", "60000ms", "60001ms", "61s", "2h", "1d", "2 s", "+1s", "1.5s", "600s"]

# what, an alphabet, seeds, where a list of such values stands (form of a file with @), at which path it is told, and
# words of errors that are not about the value's form
KINDS = [
    ("address", "0159:.[]*-af/@unix_", ADDRESSES, {"listeners": {"l": {"bind": "@"}}}, r"listeners\.l\.bind\[(\d+)\]", "the same address|longer"),
    ("server_address", "0159:.[]*-af/@srv_", ADDRESSES, {"pools": {"p": {"servers": "@", "resolve": {"servers": [0]}}}},
     r"pools\.p\.servers\[(\d+)\]", "the same name|longer"),
    ("network", "0159:.[]/-af", NETWORKS, {"listeners": {"l": {"allow": "@"}}}, r"listeners\.l\.allow\[(\d+)\]", "behind its prefix"),
    ("resolver", "0159:.[]/-af", ADDRESSES + NETWORKS, {"pools": {"p": {"resolve": {"servers": "@"}}}}, r"pools\.p\.resolve\.servers\[(\d+)\]",
     None),
    ("host_name", "a0.*-_", NAMES, {"listeners": {"l": {"rules": [{"match": {"sni": "@"}}]}}}, r"listeners\.l\.rules\[0\]\.match\.sni\[(\d+)\]",
     None),
    ("ja4", "tqs01349dif_*h2A", ["t13d1516h2_*", "*", "t", "t1*", "ts3i0099a0_*", FINGERPRINT, FINGERPRINT, f"{FINGERPRINT}*", f"{FINGERPRINT}0", "q13d*"], {"listeners": {"l": {"rules": [{"match": {"ja4": "@"}}]}}},
     r"listeners\.l\.rules\[0\]\.match\.ja4\[(\d+)\]", None),
    ("hex", "0aF", ["0d0a", "0D", "0", "", "xy"], {"listeners": {"l": {"rules": [{"match": {"prefix_hex": "@"}}]}}},
     r"listeners\.l\.rules\[0\]\.match\.prefix_hex\[(\d+)\]", None),
    ("pool_keys/properties/pass_tlvs/items", "0xEa134", ["authority", "alpn", "0xEA", "0x03", "0x00", "0xff", "ssl", "0x1"],
     {"pools": {"p": {"pass_tlvs": "@"}}}, r"pools\.p\.pass_tlvs\[(\d+)\]", None),
    ("admin/properties/hosts/items", "a0.*-_", NAMES, {"admin": {"hosts": "@"}}, r"admin\.hosts\[(\d+)\]", None),
    # One object a value, as these are no lists.
    ("origin", "0159:.[]-af", [*NETWORKS, "10.0.0.5:20000-29999", "[::1]:1-2", "1.2.3.4:0-1", "1.2.3.4:5", "[::1]:1-65536"],
     {"pools": {"#": {"source": "@"}}}, r"pools\.(\d+)\.source", "wrong way round"),
    ("pool_tls/properties/sni", "a0.*-_", NAMES, {"pools": {"#": {"tls": {"sni": "@"}}}}, r"pools\.(\d+)\.tls\.sni", None),
    ("listener_keys/properties/inspect_delay", "0126smhd", DURATIONS, {"listeners": {"#": {"inspect_delay": "@"}}},
     r"listeners\.(\d+)\.inspect_delay", None),
    ("listener_limits/properties/accept_rate_per_source", "019/smh", ["20/s", "1000000/h", "1000001/h", "0/s", "01/m", "20s"],
     {"listeners": {"#": {"limits": {"accept_rate_per_source": "@"}}}}, r"listeners\.(\d+)\.limits\.accept_rate_per_source", None),
    ("inspect_limits/properties/max_bytes", "0146kmg", ["64k", "65k", "1k", "0k", "1m", "064k"],
     {"listeners": {"#": {"inspect_limits": {"max_bytes": "@"}}}}, r"listeners\.(\d+)\.inspect_limits\.max_bytes", None),
    ("health_check/properties/path", "/a \u00e9", ["/", "/up?now", "up", "/a b"], {"pools": {"#": {"health_check": {"path": "@"}}}},
     r"pools\.(\d+)\.health_check\.path", "needs"),
    ("health_check/properties/status", "0125,-", ["200-399", "200", "200-299,404", "99", "600", ",".join(["200"] * 16), ",".join(["200"] * 17)],
     {"pools": {"#": {"health_check": {"type": "http", "status": "@"}}}}, r"pools\.(\d+)\.health_check\.status", None),
    ("time", "0129-:TZ+.", ["2027-03-31T18:00:00+02:00", "2027-03-31t18:00:00z", "2027-03-31T18:00:60.5Z", "2027-02-30T00:00:00Z",
                            "2027-13-01T00:00:00Z", "1999-01-01T00:00:00Z", "2027-03-31T24:00:00Z", "2027-03-31 18:00:00Z"],
     {"listeners": {"#": {"rules": [{"from": "@"}]}}}, r"listeners\.(\d+)\.rules\[0\]\.from", None),
]


# What a pattern does not tell: a range that runs backwards, the length of a month.
NO_GRAMMAR = {"health_check/properties/status": re.compile(r"\d{3}-\d{3}"), "time": re.compile("-(29|30|31)[Tt]")}


def mutants(alphabet, seeds, count):
    chance = random.Random(len(alphabet) + count)
    values = list(seeds)
    while len(values) < count:
        value = list(chance.choice(seeds))
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(len(value) + 1)
            value[at:at + chance.choice((0, 1, 1))] = chance.choice(["", chance.choice(alphabet)])
        values.append("".join(value))
    return sorted(set(values))


def file_with(form, values):
    def fill(form, value):
        if isinstance(form, dict):
            return {key: fill(inner, value) for key, inner in form.items()}
        return [fill(inner, value) for inner in form] if isinstance(form, list) else value if form == "@" else form
    (top, inner), = form.items()
    if "#" not in inner:
        return fill(form, values)
    return {top: {str(i): fill(inner["#"], value) for i, value in enumerate(values)}}


def refused_by_schema(kind, values):
    entry = SCHEMA["$defs"]
    for step in kind.split("/"):
        entry = entry[step]
    validator = jsonschema.Draft202012Validator(dict(entry, **{"$defs": SCHEMA["$defs"]}))
    return {value for value in values if not validator.is_valid(value)}


@pytest.mark.parametrize("kind, alphabet, seeds, form, place, others", KINDS, ids=lambda item: item if isinstance(item, str) else "")
def test_the_schema_takes_what_the_program_takes(tmp_path, kind, alphabet, seeds, form, place, others):
    values = mutants(alphabet, seeds, 500)
    path = tmp_path / "gate.json"
    path.write_text(json.dumps(file_with(form, values)))
    told = [re.match(rf"[^:]*:\d+:\d+: {place}: (.*)", line) for line in run("-c", path, "--dump", seconds=60).stderr.splitlines()]
    refused = {values[int(match[1])] for match in told if match and not (others and re.search(others, match[2]))}
    assert len(refused) > 4 and len(values) - len(refused) > 4
    by_schema = refused_by_schema(kind, values)
    missed = {value for value in refused - by_schema if not (kind in NO_GRAMMAR and NO_GRAMMAR[kind].search(value))}
    assert (sorted(missed)[:20], sorted(by_schema - refused)[:20]) == ([], [])
